"""Problems that are legal and awkward: decays without end, gaps in the spectrum, nodes that fail, odd scales."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import OrderParameters, Problem, Spectrum, integrate
from ode_sgd.teacher_student.integration import nodes, rosenbrock, sectors_in_order
from ode_sgd.teacher_student.integration.integrate import request_of
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system
from ode_sgd.teacher_student.kernels.integration import step_control
from ode_sgd.teacher_student.kernels.sectors import blocks, layout


def problem(spectrum, **changes):
    options = {"spectrum": spectrum, "student_units": 2, "teacher_units": 2, "learning_rate": 0.5}
    return Problem(**(options | changes))


def start_of(one, dimension=12_000, student_scale=0.1):
    return OrderParameters.random(one, dimension, student_scale, seed=1)


@pytest.mark.parametrize("L", [1, 2, 8])
def test_a_decay_is_followed_to_its_floor_and_not_for_ever(L):
    """To alpha = 1e6 eps_g falls below all floats; the run goes on to the end, in steps that grow again."""
    one = problem(Spectrum.power_law(L, 1.0))
    run = integrate(one, start_of(one), 1e6)
    assert run.status == "complete"
    assert run.resolution < 1e-49
    below = run.generalization_error < run.resolution
    assert below[-1] and (np.diff(below.astype(int)) >= 0).all()  # once below, always below
    assert run.stats["steps"] < 3000


@pytest.mark.parametrize("gap", [1e-4, 1e-6])
def test_a_gap_in_the_spectrum(gap):
    """Two bulks far apart: nodes that fall between them stand for nothing."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.uniform(1.0, 2.0, 200), gap * rng.uniform(1.0, 2.0, 200)])
    one = problem(Spectrum.from_eigenvalues(values), learning_rate=0.1)
    begin = start_of(one, 40_000, 0.01)
    run, whole = integrate(one, begin, 1e3), integrate(one, begin, 1e3, nodes=None)
    assert run.status == "complete" and run.stats["nodes"] < 100
    np.testing.assert_allclose(run.generalization_error, whole.generalization_error, rtol=1e-5)  # ten rtol


def test_eigenvalues_equal_to_rounding_are_one():
    rng = np.random.default_rng(0)
    cluster = 1.0 + 2.0**-52 * rng.integers(0, 3, 300)
    one = problem(Spectrum(np.concatenate([cluster, np.linspace(2.0, 3.0, 300)]), np.full(600, 1 / 600)))
    assert sectors_in_order.distinct(nodes.moving_eigenvalues(one)) == 301
    begin = start_of(one)
    run, whole = integrate(one, begin, 100.0), integrate(one, begin, 100.0, nodes=None)
    assert run.status == "complete" and run.stats["eigenvalues"] == 301
    np.testing.assert_allclose(run.generalization_error, whole.generalization_error, rtol=1e-5)


def test_nodes_that_fail_are_not_the_answer(monkeypatch):
    """ "auto" goes on to more of them, and in the end to the whole spectrum."""
    one = problem(Spectrum.power_law(300, 1.0))
    begin, solve = start_of(one), rosenbrock.solve

    def failing(system, state, request, progress):
        solution = solve(system, state, request, progress)
        if state.shape[1] < 300:
            solution.status = "step_size"
        return solution

    monkeypatch.setattr(rosenbrock, "solve", failing)
    run = integrate(one, begin, 50.0)
    assert run.status == "complete" and "nodes" not in run.stats


def test_ctrl_c_ends_all_of_auto():
    one = problem(Spectrum.power_law(300, 1.0))
    seen = []

    def once(alpha):
        seen.append(alpha)
        if len(seen) == 2:
            raise KeyboardInterrupt

    run = integrate(one, start_of(one), 1e3, progress=once)
    assert run.status == "interrupted" and len(seen) == 2
    seen.clear()
    integrate(one, start_of(one), 1e3, progress=seen.append)
    assert (np.diff(seen) >= 0.0).all() and seen[-1] == pytest.approx(1e3)


@pytest.mark.parametrize("units", [2, 3, 4])
def test_mean_field_is_followed_below_rounding(units):
    """sqrt(M)/K and 1/sqrt(M) are the same number where K = M."""
    one = problem(Spectrum.isotropic(), output="mean_field", student_units=units, teacher_units=units)
    assert np.array_equal(one.v, one.u)
    run = integrate(one, start_of(one), 5000.0)
    assert run.resolution < 1e-49
    assert 0.0 < run.generalization_error[-1] < 1e-17


def test_frozen_directions_keep_their_overlaps_through_the_tail():
    spectrum = Spectrum([1.5, 0.0, 0.5], [0.4, 0.2, 0.4])
    one = problem(spectrum)
    begin = start_of(one)
    run = integrate(one, begin, 2000.0, sectors=True)
    assert run.resolution < 1e-49  # it did get into the tail
    for part in "qrt":
        np.testing.assert_array_equal(getattr(run.final, part)[1], getattr(begin, part)[1])
    moment = np.tensordot(spectrum.weights, run.sectors.q[-1], 1)
    np.testing.assert_allclose(run.moment(0)[0][-1], moment, rtol=1e-12, atol=1e-12)


def test_large_scales_are_no_divergence():
    """What counts is growth: a teacher of norm 3e4 is learned like any other."""
    one = problem(Spectrum.isotropic(), activation="linear", learning_rate=0.3)
    begin = OrderParameters.random(one, 1000, 0.1, 3e4, seed=1)
    assert integrate(one, begin, 100.0).status == "complete"


def test_what_a_divergence_says():
    spectrum = Spectrum.isotropic()
    beyond = problem(spectrum, activation="linear", learning_rate=5.0)
    run = integrate(beyond, start_of(beyond), 100.0)
    assert run.status == "diverged" and "beyond critical (1)" in run.message
    still = problem(spectrum, activation="linear", student_weights=(0.0, 0.0))
    assert integrate(still, start_of(still), 10.0).status == "complete"
    assert ode_sgd.theory.critical_learning_rate(still) == np.inf


@pytest.mark.parametrize("method", ["DOP853", "LSODA"])
def test_resolution_of_the_explicit_methods(method):
    """They hold the overlaps to rtol: eps_g far below that is theirs, not the problem's."""
    one = problem(Spectrum.power_law(4, 1.0))
    run = integrate(one, start_of(one), 2000.0, method=method)
    truth = integrate(one, start_of(one), 2000.0).generalization_error
    assert run.resolution > 1e-7
    assert (np.abs(run.generalization_error - truth) < 10.0 * run.resolution).all()


def test_the_shortest_run():
    one = problem(Spectrum.isotropic())
    assert integrate(one, start_of(one), 1e-279).status == "complete"
    with pytest.raises(ode_sgd.InvalidProblem, match="too short"):
        integrate(one, start_of(one), 1e-290)


def test_eigenvalues_whose_ratio_overflows():
    """A sector so slow that it never moves is one without variance; a steep law ends in such."""

    def errors(values):
        one = problem(Spectrum(values, np.full(len(values), 1.0 / len(values))))
        return integrate(one, start_of(one), np.linspace(0.0, 100.0, 5)).generalization_error

    frozen = errors([1.0, 0.0])
    for tiny in (1e-305, 1e-310, 5e-324):
        np.testing.assert_allclose(errors([1.0, tiny]), frozen, rtol=1e-6)
    steep = problem(Spectrum.power_law(10, beta=400.0))
    assert integrate(steep, start_of(steep), 100.0).status == "complete"


def test_a_collapse_that_a_lower_tolerance_mends_says_so():
    """The remedy depends on the cause: overlaps that no weights have are the tolerance's own."""
    one = problem(Spectrum.isotropic())
    begin = start_of(one)
    system, state = sector_system(one, begin), initial_state(begin)
    request = request_of(one, np.array([0.0, 1.0]), (1,), False, 1e-4, 0.0)
    run = rosenbrock.begin(system, state, request)
    run.code = step_control.STEP_SIZE
    assert "raise rtol" in rosenbrock.finish(run).message
    rows = layout.q_row(0, 1, 2, 2)
    run.y[0, rows * blocks.LANES] = 2.0 * np.abs(state).max()  # more than the norms allow
    message = rosenbrock.finish(run).message
    assert "no weights have" in message and "lower rtol by a factor of ten" in message
    run.y[0, 0] = np.nan
    assert rosenbrock.finish(run).status == "diverged"
