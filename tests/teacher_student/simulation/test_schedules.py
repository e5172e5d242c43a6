"""SGD with schedules: against the ODE, the chain against real weights, jumps, interruptions, data."""

from functools import partial

import numpy as np
import pytest

from ode_sgd import InvalidProblem, OrderParameters, Schedule, Spectrum, integrate, simulate
from ode_sgd.core.seeds import Children
from ode_sgd.teacher_student.model.starts import many_weights
from ode_sgd.teacher_student.simulation.chain import ReducedNetworks
from ode_sgd.teacher_student.simulation.explicit import ExplicitNetworks
from tests.teacher_student.simulation.test_chain_law import HOTELLING, compare
from tests.teacher_student.test_schedules import problem

PAIRS = np.triu_indices(2)
TIMES = [0.0, 1.0, 3.0, 8.0]
FROM_THREE = partial(Schedule.piecewise, [0, 3, 3, 100], log=False)
# Each moves what is measured by many standard errors: with the value at the start all along pooled z are beyond 3.
SCENES = {
    "learning_rate": {"learning_rate": Schedule.power(0.9, 1.0, 2.0)},
    "from zero to zero": {"learning_rate": Schedule.warmup_stable_decay(0.9, 1.0, 4.0, 8.0)},
    "jumps": {"learning_rate": FROM_THREE([0.8, 0.8, 0.1, 0.1]), "label_noise": FROM_THREE([0.2, 0.2, 1.5, 1.5])},
    "label_noise": {"learning_rate": 0.5, "label_noise": Schedule.cosine(1.5, 8.0)},
    "weight_decay": {"learning_rate": 0.5, "weight_decay": Schedule.piecewise([0, 8], [0.0, 1.5], log=False)},
}


def curves(run):
    """Order parameters of order 0 and 1 after the start, (replica, times, entries)."""
    K, found = run.problem.student_units, []
    for order in (0, 1):
        Q, R = run.moment(order)[:2]
        found += [Q[..., *np.triu_indices(K)], R.reshape(*R.shape[:-2], -1)]
    return np.concatenate(found, axis=-1)[..., 1:, :]


def pooled_z(one, method, seeds, N=1000, replicas=16):
    """Root mean square of z over starts, times and entries, with an allowance for the bias of order 1/N."""
    squares = []
    for seed in range(seeds):
        first = OrderParameters.random(one, N, 0.5, seed=seed)
        sgd = simulate(one, first, TIMES, dimension=N, replicas=replicas, seed=seed, method=method)
        values, ode = curves(sgd), curves(integrate(one, first, sgd.alpha, rtol=1e-8))
        error = np.hypot(values.std(axis=0, ddof=1) / np.sqrt(replicas), np.abs(ode).max(axis=0) / N)
        squares.append(((values.mean(axis=0) - ode) / error) ** 2)
    return float(np.sqrt(np.mean(squares)))


@pytest.mark.parametrize("method", ["explicit", "reduced"])
@pytest.mark.parametrize("name", SCENES)
def test_simulations_against_the_ode(name, method, record_property):
    """At L = 4; `python -m tests.teacher_student.simulation.schedules_at_length` has other shapes and methods."""
    one = problem(**{"spectrum": Spectrum.power_law(4, 1.0)} | SCENES[name])
    pooled = pooled_z(one, method, seeds=4)
    record_property("measured", f"{name}, {method}: rms z = {pooled:.2f}")
    assert 0.8 < pooled < 1.25


def test_the_chain_has_the_law_of_the_weights(record_property):
    """All three quantities scheduled, at N = 40, where a step is far from infinitesimal."""
    one = problem(
        spectrum=Spectrum.power_law(2, 1.0),
        learning_rate=Schedule.power(1.2, 1.0, 5.0),
        weight_decay=Schedule.cosine(2.0, 30.0),
        label_noise=Schedule.piecewise([0, 5, 5, 30], [0.2, 0.2, 1.0, 0.5]),
    )
    means, squares, errors = compare(one, 40, [40, 200, 400], 400, seed=300)
    record_property("measured", f"chain against explicit: p = {means:.2g}, {squares:.2g}, {min(errors):.2g}")
    assert min(means, squares) > HOTELLING


@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_a_jump_is_at_its_step(method):
    """Until the step at alpha = 1 the numbers are those of the value before it, to the last bit; from there on not."""
    N, times = 100, np.array([0.0, 0.99, 1.0, 1.01, 2.0])
    jumping = problem(learning_rate=Schedule.piecewise([0, 1, 1, 9], [0.5, 0.5, 0.2, 0.2]), weight_decay=0.0)
    other = problem(learning_rate=Schedule.piecewise([0, 9], [0.5, 0.5]), weight_decay=0.0)
    first = OrderParameters.random(other, N, 0.5, seed=1)
    runs = [simulate(one, first, times, dimension=N, seed=1, method=method) for one in (jumping, other)]
    left, right = (run.generalization_error[0] for run in runs)
    assert left[:3].tolist() == right[:3].tolist()  # the last of these after step 99, counted from 0
    assert (left[3:] != right[3:]).all()


@pytest.mark.parametrize("method", ["explicit", "explicit-float32", "reduced"])
def test_schedules_that_do_not_change_are_numbers(method):
    """The same random numbers; kept = 1 - eta kappa / N is rounded otherwise, a few hundred times."""
    N, times = 100, [0.0, 1.0, 3.0]
    numbers = problem(learning_rate=0.5, label_noise=0.3, weight_decay=0.4)
    first = OrderParameters.random(numbers, N, 0.5, seed=1)
    flat = {name: Schedule.piecewise([0, 9], [value] * 2) for name, value in
            (("learning_rate", 0.5), ("label_noise", 0.3), ("weight_decay", 0.4))}  # fmt: skip
    runs = [simulate(one, first, times, dimension=N, seed=1, method=method) for one in (numbers, problem(**flat))]
    np.testing.assert_allclose(runs[0].Q, runs[1].Q, rtol=1e-11)


@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_states_carry_the_number_of_steps(method):
    """What is interrupted goes on at its own alpha, also in the middle of a block of the chain's 32 steps."""
    one = problem(spectrum=Spectrum.power_law(2, 1.0), learning_rate=Schedule.power(0.9, 1.0, 0.5))
    first = OrderParameters.random(one, 100, 0.5, seed=1)
    sizes = one.spectrum.sector_dimensions(100)

    def networks():
        if method == "reduced":
            return ReducedNetworks(one, [first], sizes, Children(0, range(1), 3))
        weights = many_weights([first.gram], sizes, [np.random.default_rng(0)])
        return ExplicitNetworks(one, weights, sizes, Children(0, range(1), 2))

    whole, begun, other = networks(), networks(), networks()
    whole.advance(90)
    begun.advance(37)
    other.restore(begun.state())
    other.advance(53)
    np.testing.assert_array_equal(whole.overlaps()[0], other.overlaps()[0])


def test_rows_of_data():
    """At a learning rate of nearly zero weights fall by the same factor in every step, whose decay is scheduled."""
    rows = np.random.default_rng(0).standard_normal((300, 12))
    decay = Schedule.piecewise([0, 2, 2, 20], [0.0, 0.0, 1e8, 1e8], log=False)
    one = problem(1, 1, spectrum=Spectrum.from_data(rows), learning_rate=1e-9, weight_decay=decay)
    first = OrderParameters.random(one, 12, 1.0, seed=0)
    run = simulate(one, first, [0.0, 2.0, 10.0], inputs=rows, seed=0)
    kept = (1.0 - 0.1 / 12) ** np.array([0, 0, 96])
    np.testing.assert_allclose(run.R[0, :, 0, 0], kept * run.R[0, 0, 0, 0], rtol=1e-4)


def test_decay_that_becomes_too_large_for_the_dimension_is_refused():
    one = problem(spectrum=Spectrum.isotropic(), learning_rate=1.0, weight_decay=Schedule.power(1.0, -1.0, 0.1))
    first = OrderParameters.random(one, 12, 1.0, seed=0)
    growing = Schedule.piecewise([0, 9], [1.0, 30.0])
    with pytest.raises(InvalidProblem, match=r"weight_decay = piecewise.* is too large for dimension = 12"):
        simulate(problem(spectrum=one.spectrum, learning_rate=1.0, weight_decay=growing), first, TIMES[:2],
                 dimension=12, seed=0)  # fmt: skip
