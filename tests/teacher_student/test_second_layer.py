"""`Problem.second_layer_rate` and `second_layer_decay`: every way to integrate and to simulate has them."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import (
    InvalidProblem,
    InvalidStart,
    OrderParameters,
    Problem,
    Schedule,
    Spectrum,
    integrate,
    integrate_batch,
    simulate,
    theory,
)
from ode_sgd.teacher_student.integration.methods import METHODS
from tests.reference.second_layer import Trained
from tests.teacher_student.law import pooled_z, same_law

FOUR = Spectrum([1.8, 1.0, 0.5, 0.0], [0.25, 0.3, 0.25, 0.2])  # the last has no variance
TIMES = np.array([0.0, 0.4, 2.0, 9.0])
OPTIONS = {
    "second layer": {"second_layer_rate": 0.5},
    "its decay": {"second_layer_rate": 0.5, "second_layer_decay": 0.6},
    "all": {
        "second_layer_rate": 0.5,
        "second_layer_decay": 0.3,
        "weight_decay": 0.2,
        "batch_size": 4,
        "learning_rate": 0.8,
    },
}


def problem(K=2, M=2, **changes):
    values = {
        "spectrum": FOUR,
        "student_units": K,
        "teacher_units": M,
        "learning_rate": 0.4,
        "label_noise": 0.3,
        "second_layer_rate": 0.25,
    }
    return Problem(**{**values, **changes})


def start(one, seed=0):
    return OrderParameters.random(one, 200 if one.spectrum is FOUR else 40 * one.spectrum.distinct, 0.6, seed=seed)


def assert_like_the_twin(run, one, first, tolerance):
    """v, overlaps and eps_g, to a part of the largest of a kind."""
    twin, K = Trained.of(one), one.student_units
    states, v = twin.solve(first.gram, one.v, run.alpha)
    C = np.einsum("k,nkij->nij", one.spectrum.powers(1), states)
    pairs = [(run.student_weights, v), (run.Q, C[:, :K, :K]), (run.R, C[:, :K, K:])]
    pairs += [(run.generalization_error, twin.errors(states, v))]
    pairs += [(run.moment(0)[0], np.einsum("k,nkij->nij", one.spectrum.weights, states)[:, :K, :K])]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=tolerance * np.abs(theirs).max())


CASES = {
    "noise": {},
    "all": OPTIONS["all"],
    "from zero": {"student_weights": [0.0, 0.0]},
    "some sectors": {"trainable": 2},
    "linear": {"activation": "linear", "learning_rate": 0.2},
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("method", list(METHODS))
def test_every_method(method, name):
    one = problem(**CASES[name])
    run = integrate(one, start(one), TIMES, rtol=1e-10, method=method)
    # 1e-10 a step, amplified along the run as for weight decay; LSODA is as good as its order.
    assert_like_the_twin(run, one, start(one), 1e-6 if method == "LSODA" else 1e-8)


def test_a_wider_student():
    """K = 3, M = 2 at 61 times, eta_v = 0.25: the setting of RULES_TRIALS, whose peers agree to 5e-8."""
    one = problem(3, 2, label_noise=0.0, student_weights=[0.9, 0.2, -0.3])
    run = integrate(one, start(one), np.linspace(0.0, 30.0, 61), rtol=1e-10)
    assert_like_the_twin(run, one, start(one), 5e-9)
    assert np.abs(run.student_weights[-1] - run.student_weights[0]).max() > 0.1


@pytest.mark.parametrize(("K", "M"), [(4, 3), (8, 8)])
def test_loops_and_large_networks(K, M):
    """Both decompose the bordered matrix; the second would be solved by GMRES under a fixed second layer."""
    one = problem(K, M, learning_rate=0.1, output="mean_field")
    run = integrate(one, start(one), TIMES[:2], rtol=1e-9)
    assert_like_the_twin(run, one, start(one), 1e-7)


def test_the_error_follows_the_tolerance():
    one = problem()
    exact = integrate(one, start(one), TIMES, rtol=1e-12)
    for rtol in (1e-3, 1e-5, 1e-7, 1e-9):
        run = integrate(one, start(one), TIMES, rtol=rtol)
        np.testing.assert_allclose(run.generalization_error, exact.generalization_error, rtol=10.0 * rtol)
        np.testing.assert_allclose(run.student_weights, exact.student_weights, rtol=10.0 * rtol)


def test_batches():
    """One problem with a fixed second layer among them, whose numbers are those it has without the others."""
    several = [problem(second_layer_rate=rate, learning_rate=0.2) for rate in (0.0, 0.1, 1.0)]
    firsts = [start(one, seed) for seed, one in enumerate(several)]
    runs = integrate_batch(several, firsts, TIMES, rtol=1e-9, sectors=True)  # one after the other
    (alone,) = integrate_batch(several[:1], firsts[:1], TIMES, rtol=1e-9, sectors=True)
    np.testing.assert_array_equal(alone.Q, runs[0].Q)
    assert runs[0].student_weights is None
    for one, first, run in zip(several[1:], firsts[1:], runs[1:], strict=True):
        single = integrate(one, first, TIMES, rtol=1e-9)
        for name in ("Q", "student_weights", "generalization_error"):
            np.testing.assert_array_equal(getattr(run, name), getattr(single, name))
        np.testing.assert_array_equal(run.final.student_weights, single.final.student_weights)


def test_nodes():
    one = problem(spectrum=Spectrum.power_law(300, 0.7))
    whole, run = (integrate(one, start(one), TIMES, rtol=1e-9, nodes=nodes) for nodes in (None, 48))
    assert run.stats["nodes"] == 48
    np.testing.assert_allclose(run.student_weights, whole.student_weights, rtol=1e-7)
    np.testing.assert_allclose(run.generalization_error, whole.generalization_error, rtol=1e-7)


def test_a_student_finds_a_teacher_of_other_weights():
    """Without noise v learns u and eps_g vanishes, down to the rounding of the overlaps."""
    one = problem(label_noise=0.0, spectrum=Spectrum.isotropic(), teacher_weights=[0.7, 1.4], learning_rate=0.8)
    run = integrate(one, OrderParameters.random(one, 20, 0.6, seed=1), [0.0, 8000.0])
    assert run.status == "complete"
    assert run.generalization_error[-1] < 10.0 * run.resolution < 1e-13
    np.testing.assert_allclose(np.sort(np.abs(run.student_weights[-1])), [0.7, 1.4], rtol=1e-6)


def test_runs_go_on_from_their_last_state(tmp_path):
    one = problem()
    whole = integrate(one, start(one), [0.0, 3.0, 7.0], rtol=1e-10)
    first = integrate(one, start(one), [0.0, 3.0], rtol=1e-10)
    ode_sgd.save(tmp_path / "run.h5", first)
    loaded = ode_sgd.load(tmp_path / "run.h5").ode
    for name in ("student_weights", "Q", "generalization_error"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(first, name))
    for state in (first.final, loaded.final):
        second = integrate(one, state, [0.0, 4.0], rtol=1e-10)
        np.testing.assert_array_equal(second.student_weights[0], first.student_weights[-1])
        np.testing.assert_allclose(second.student_weights[-1], whole.student_weights[-1], rtol=1e-8)
        np.testing.assert_allclose(second.Q[-1], whole.Q[-1], rtol=1e-8)
    assert first.final.generalization_error(one) == pytest.approx(first.generalization_error[-1], rel=1e-12)


# --- simulations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_simulations_against_the_ode(method, record_property):
    """All options together; `python -m tests.teacher_student.law` has each of them, for each shape and spectrum."""
    spectra = [Spectrum.power_law(L, 1.0) for L in (1, 4)]
    problems = [problem(K, 2, spectrum=spectrum, **OPTIONS["all"]) for K in (2, 3) for spectrum in spectra]
    pooled = pooled_z(problems, dimension=500, method=method, starts=range(4), replicas=16, times=[0.0, 1.0, 2.0])
    record_property("measured", f"{method}: rms z = {pooled:.2f}")
    assert 0.8 < pooled < 1.25


@pytest.mark.parametrize("name", OPTIONS)
def test_the_chain_has_the_law_of_the_weights(name, record_property):
    """At N = 40, where steps are not small."""
    one = problem(3, 2, spectrum=Spectrum.power_law(2, 1.0), **OPTIONS[name])
    means, squares = same_law(one, dimension=40, replicas=400, seed=list(OPTIONS).index(name), times=[0.0, 3.0])
    record_property("measured", f"{name}: p = {means:.2g}, of squares {squares:.2g}")
    assert means > 1e-4
    assert squares > 1e-4


def test_what_a_simulation_holds(tmp_path):
    """v of every replica, in means and files, in comparisons, and in the last states."""
    one = problem(spectrum=Spectrum.power_law(2, 1.0))
    sgd = simulate(one, start(one), [0.0, 1.0, 2.0], dimension=200, replicas=8, seed=0)
    ode = integrate(one, start(one), sgd.alpha)
    assert sgd.student_weights.shape == (8, 3, 2) and sgd.mean().student_weights.shape == (3, 2)
    np.testing.assert_array_equal(sgd.final[3].student_weights, sgd.student_weights[3, -1])
    found = ode_sgd.compare(ode, sgd)
    assert {"v_1", "v_2"} <= set(ode.compared()) and "v_1" in sgd.compared()
    assert found.verdict
    ode_sgd.save(tmp_path / "run.h5", ode, sgd)
    loaded = ode_sgd.load(tmp_path / "run.h5")
    np.testing.assert_array_equal(loaded.sgd.student_weights, sgd.student_weights)
    np.testing.assert_array_equal(loaded.sgd.final[3].student_weights, sgd.student_weights[3, -1])
    assert "student_weights" in ode.to_xarray()


def test_a_comparison_sees_a_second_layer_that_is_off():
    """The theory of twice the rate: overlaps and v disagree, v by itself by many standard errors."""
    one = problem(spectrum=Spectrum.isotropic(), **OPTIONS["second layer"])
    first = start(one)
    sgd = simulate(one, first, [0.0, 1.0, 2.0], dimension=2000, replicas=16, seed=0)
    other = integrate(replace(one, second_layer_rate=1.0), first, sgd.alpha)
    mean, error = sgd.mean(), sgd.standard_error()
    z = (mean.student_weights - other.student_weights)[1:] / error.student_weights[1:]
    assert np.abs(z).min() > 5.0


# --- what it is called, and where it is not known ---------------------------------------------------------------------


@pytest.mark.parametrize("key", ["second_layer_rate", "second_layer_decay"])
@pytest.mark.parametrize("given", [-0.1, np.nan, np.inf, 1e60, 1e-60, "much", [0.1]])
def test_bad_values(key, given):
    with pytest.raises(InvalidProblem, match=rf"{key} .* give 0, or a number from 1e-50 to 1e\+50"):
        problem(**{key: given})


def test_its_decay_needs_its_rate():
    with pytest.raises(
        InvalidProblem, match=r"second_layer_decay = 0\.3 with second_layer_rate = 0: .* give second_layer"
    ):
        problem(second_layer_rate=0.0, second_layer_decay=0.3)


def test_it_has_no_gradient_flow():
    with pytest.raises(InvalidProblem, match=r"gradient_flow = True with second_layer_rate = 0\.25: .* give a small"):
        problem(gradient_flow=True)


def test_it_decays_as_the_first_layer_does_unless_told_otherwise():
    """Equations of the theory have one kappa for both."""
    one = problem(second_layer_rate=0.5, weight_decay=0.3)
    same, other = replace(one, second_layer_decay=0.3), replace(one, second_layer_decay=0.0)
    assert one.identity == same.identity != other.identity
    assert one.kappa_v == 0.3 and replace(one, second_layer_rate=0.0).kappa_v == 0.0
    ours, theirs, without = (integrate(each, start(each), TIMES).student_weights for each in (one, same, other))
    assert np.array_equal(ours, theirs) and np.abs(ours - without).max() > 0.1
    with pytest.raises(InvalidProblem, match=r"weight_decay = .* changes with alpha; give second_layer_decay a number"):
        replace(one, weight_decay=Schedule.power(0.3, 1.0, 10.0))


def test_problems_without_it_are_what_they_were():
    one = problem(second_layer_rate=0.0)
    assert not {"second_layer_rate", "second_layer_decay"} & (set(one.canonical) | set(one.stored))
    assert replace(one, second_layer_rate=0.1).identity != one.identity
    run = integrate(one, start(one), TIMES)
    assert run.student_weights is None and run.final.student_weights is None
    assert "v_1" not in run.compared()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([1.0], "has 1 entries, but q is that of K = 2"),
        ([1.0, np.nan], "student_weights"),
        ([1.0, 1e60], "the largest is"),
    ],
)
def test_bad_second_layers_of_a_start(given, told):
    first = start(problem())
    with pytest.raises(InvalidStart, match=told):
        OrderParameters(first.q, first.r, first.t, given)


def test_a_second_layer_of_its_own_needs_a_problem_that_trains_it():
    one = problem()
    last = integrate(one, start(one), TIMES).final
    with pytest.raises(
        InvalidStart, match=r"second_layer_rate = 0 keeps the problem's; give Problem\(student_weights="
    ):
        integrate(replace(one, second_layer_rate=0.0), last, TIMES)
    fixed = replace(one, second_layer_rate=0.0, student_weights=tuple(last.student_weights))
    assert integrate(fixed, last, TIMES).generalization_error[0] == pytest.approx(last.generalization_error(one))


def test_steps_that_make_it_grow_are_refused():
    one = problem(second_layer_rate=1.0, second_layer_decay=500.0, spectrum=Spectrum.isotropic())
    with pytest.raises(InvalidProblem, match=r"second_layer_decay = 500 is too large for dimension = 200: .* = -1.5"):
        simulate(one, start(one), [0.0, 1.0], dimension=200, seed=0)


@pytest.mark.parametrize("name", ["plateau_height", "symmetric_saddle", "escape_rate"])
def test_theory_that_does_not_hold_says_why(name):
    with pytest.raises(InvalidProblem, match=r"second_layer_rate = 0\.25"):
        getattr(theory, name)(problem())


def test_findings_say_that_theory_does_not_hold():
    one = problem(label_noise=0.0, spectrum=Spectrum.isotropic())
    run = integrate(one, OrderParameters.random(one, 20, 0.1, seed=6), np.linspace(0.0, 100.0, 101))
    search = ode_sgd.search_half_height(run)
    assert search.half_height is None and search.outcome == "no_theory"
    assert search.reason == "second_layer_rate = 0.25 has no theory here, which is that of SGD on the error alone"
