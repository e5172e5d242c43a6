"""One replica with its weights: chunks, states, and the law of its random numbers."""

import numpy as np
import pytest
from scipy import stats

from ode_sgd import InvalidProblem
from ode_sgd.teacher_student.kernels.simulation.explicit import NORMALS
from ode_sgd.teacher_student.model.starts import weights_with_overlaps
from ode_sgd.teacher_student.simulation.explicit import ExplicitNetworks
from tests.reference import sgd
from tests.teacher_student.cases import SPECTRUM, problem, start
from tests.teacher_student.kernels.cases import step_normals

SIZES = np.array([6, 6, 8])


def network(normals="float64", seed=1, sizes=SIZES, **changes):
    one = problem(**changes)
    weights = weights_with_overlaps(start(one).gram, sizes, np.random.default_rng(0))
    return ExplicitNetworks(one, weights[None], sizes, [np.random.SeedSequence(seed)], normals)


@pytest.mark.parametrize("normals", NORMALS)
def test_against_the_twin(normals):
    moved = network(normals, trainable=2)
    J, one = moved.J[0].copy(), problem()
    moved.advance(150)
    deviations = np.repeat(np.sqrt(SPECTRUM.eigenvalues), SIZES)
    inputs, noises = sgd.draw(step_normals(normals, np.random.SeedSequence(1)), 150, deviations, one.label_noise)
    J = sgd.run(J, moved.B[0], inputs, noises, one.v, one.u, one.learning_rate, "erf", 12)
    np.testing.assert_allclose(moved.J[0], J, rtol=0.0, atol=1e-12)  # rounding of 150 steps
    c = sgd.overlaps(moved.J[0], moved.B[0], SIZES)
    (q,), (r,) = moved.overlaps()
    np.testing.assert_allclose(q, c[:, :2, :2], rtol=1e-13, atol=1e-14)  # sums of at most 8 terms
    np.testing.assert_allclose(r, c[:, :2, 2:], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("normals", NORMALS)
@pytest.mark.parametrize("sizes", [SIZES, np.array([300, 300, 400])], ids=["one tile", "two tiles"])
def test_chunks_and_looks_do_not_show(normals, sizes):
    whole, parts = (network(normals, sizes=sizes) for _ in range(2))
    whole.advance(51)
    for steps in (1, 9, 0, 40, 1):
        parts.advance(steps)
        parts.overlaps()
    np.testing.assert_array_equal(whole.J, parts.J)
    for left, right in zip(whole.overlaps(), parts.overlaps(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("normals", NORMALS)
def test_a_restored_network_goes_on_as_the_first(normals):
    first, other = network(normals), network(normals, seed=9)
    first.advance(33)
    state = first.state()
    assert all(isinstance(values, np.ndarray) for values in state.values())
    first.advance(40)  # a state is a copy
    other.advance(5)
    other.restore({name: values.copy() for name, values in state.items()})
    other.advance(40)
    for name, values in first.state().items():
        np.testing.assert_array_equal(other.state()[name], values)
    assert not np.array_equal(first.state()["stream"], state["stream"])


def test_a_state_of_another_network_is_refused():
    state = network().state()
    with pytest.raises(ValueError, match=r"state\['J'\] has shape \(1, 2, 20\), not \(1, 2, 1000\)"):
        network(sizes=np.array([300, 300, 400])).restore(state)
    with pytest.raises(ValueError, match=r"state\['stream'\] has shape \(1, 4, 64\), not \(1, 4\)"):
        network("pcg64").restore(state)


@pytest.mark.parametrize("normals", NORMALS)
def test_a_state_of_one_replica_may_lack_the_axis(normals):
    first, other = network(normals), network(normals, seed=9)
    first.advance(5)
    other.restore({name: values[0] for name, values in first.state().items()})
    for network_ in (first, other):
        network_.advance(5)
    np.testing.assert_array_equal(first.J, other.J)


def test_unknown_normals_are_refused():
    with pytest.raises(InvalidProblem, match=r"normals = 'float46' does not exist.*did you mean 'float64'"):
        network("float46")


def test_the_given_weights_stay_as_they_are():
    one = problem()
    weights = weights_with_overlaps(start(one).gram, SIZES, np.random.default_rng(0))[None]
    before = weights.copy()
    ExplicitNetworks(one, weights, SIZES, [np.random.SeedSequence(1)]).advance(10)
    np.testing.assert_array_equal(weights, before)


def final_overlaps(normals, replicas, steps):
    """All entries of q and r after that many steps of independent replicas, (replicas, entries)."""
    rows = []
    for seed in range(replicas):
        one = network(normals, seed=(replicas, seed))
        one.advance(steps)
        (q,), (r,) = one.overlaps()
        rows.append(np.concatenate([q[:, *np.triu_indices(2)].ravel(), r.ravel()]))
    return np.array(rows)


@pytest.fixture(scope="module")
def reference_overlaps():
    return final_overlaps("pcg64", 601, 100)


@pytest.mark.parametrize("normals", [name for name in NORMALS if name != "pcg64"])
def test_the_same_law_as_with_the_reference_stream(normals, reference_overlaps, record_property):
    """Hotelling's test on the means of all sector overlaps and on those of their squares."""
    there = reference_overlaps
    here = final_overlaps(normals, 600, 100)
    for power in (1, 2):
        x, y = here**power, there**power
        n, m, d = len(x), len(y), x.shape[1]
        difference = x.mean(axis=0) - y.mean(axis=0)
        pooled = ((n - 1) * np.cov(x.T) + (m - 1) * np.cov(y.T)) / (n + m - 2)
        T2 = n * m / (n + m) * difference @ np.linalg.solve(pooled, difference)
        p = stats.f.sf(T2 * (n + m - d - 1) / (d * (n + m - 2)), d, n + m - d - 1)
        record_property("measured", f"Hotelling p = {p:.3f}, power {power}, {normals} against pcg64")
        assert p > 1e-4
