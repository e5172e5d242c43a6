"""The integrated ODE: arguments, what comes out, agreement with the plain twin, accuracy."""

import numpy as np
import pytest

from ode_sgd import InvalidProblem, InvalidStart, OrderParameters, Problem, Spectrum, integrate, simulate
from tests.reference.theory import Theory, generalization_error
from tests.teacher_student.cases import SPECTRUM, assert_same_run, problem, start

TIMES = np.array([0.0, 0.5, 2.0, 7.0])


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("end", "first"), [(50.0, 5e-3), (1e4, 1e-2), (1, 1e-4)])
def test_a_number_means_zero_and_400_logarithmic_times(end, first):
    one = problem(learning_rate=1e-5)  # slow, so that long times cost nothing
    alpha = integrate(one, start(one), end).alpha
    assert alpha.shape == (401,)
    assert alpha[0] == 0.0
    assert alpha[-1] == end
    assert alpha[1] == pytest.approx(first, rel=1e-12)
    np.testing.assert_allclose(np.diff(np.log(alpha[1:])), np.log(end / first) / 399, rtol=1e-9)


def test_given_times_are_kept_exactly():
    one = problem()
    trajectory = integrate(one, start(one), TIMES)
    np.testing.assert_array_equal(trajectory.alpha, TIMES)
    assert trajectory.status == "complete"
    assert trajectory.message == ""
    assert integrate(one, start(one), [0]).generalization_error.shape == (1,)


@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        ([0.0, 2.0, 1.0], r"must increase strictly; alpha\[2\] = 1 follows 2"),
        ([0.0, 1.0, 1.0], "must increase strictly"),
        ([0.0, -1.0], "must increase strictly"),
        ([1.0, 2.0], "alpha starts at 1; the first output time must be 0"),
        ([-1.0, 0.0], "alpha starts at -1"),
        ([0.0, np.nan, 1.0], "alpha holds nan"),
        ([0.0, np.inf], "alpha holds inf"),
        ([], "non-empty"),
        ([[0.0, 1.0]], r"shape \(1, 2\)"),
        (0.0, "finite number > 0"),
        (-1.0, "finite number > 0"),
        (np.nan, "finite number > 0"),
        (np.inf, "finite number > 0"),
        ("10", "alpha = '10' is not a number"),
        (True, "alpha = True is not a number"),
        (None, "alpha = None is not a number"),
    ],
)
def test_bad_times(alpha, message):
    one = problem()
    with pytest.raises(InvalidProblem, match=message):
        integrate(one, start(one), alpha)


# --- other arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rtol": 0.0}, "rtol"),
        ({"rtol": 1e-14}, "rtol"),
        ({"rtol": 0.1}, "rtol = 0.1 is too coarse; give 1e-13 <= rtol <= 1e-2"),
        ({"rtol": np.nan}, "rtol"),
        ({"rtol": "1e-6"}, "rtol"),
        ({"rtol": None}, "rtol"),
        ({"atol": -1e-9}, "atol"),
        ({"atol": np.inf}, "atol"),
        ({"atol": True}, "atol"),
        ({"method": "DOP854"}, "method = 'DOP854' does not exist.*did you mean 'DOP853'"),
        ({"method": None}, "method"),
        ({"moments": 2}, "moments = 2 is not a sequence"),
        ({"moments": (0, -1)}, "moments = -1 is too small"),
        ({"moments": (0.5,)}, "moments = 0.5 is not an integer"),
        ({"moments": (True,)}, "moments = True"),
        ({"moments": "12"}, "moments = '12'"),
    ],
)
def test_bad_options(changes, message):
    one = problem()
    with pytest.raises(InvalidProblem, match=message):
        integrate(one, start(one), 1.0, **changes)


def test_bad_problem_and_start():
    one = problem()
    with pytest.raises(InvalidProblem, match="problem is a dict; give"):
        integrate({}, start(one), 1.0)
    with pytest.raises(InvalidStart, match="start is a ndarray; give"):
        integrate(one, start(one).gram, 1.0)
    with pytest.raises(InvalidStart, match="the start has"):
        integrate(one, start(problem(student_units=1, student_weights=[1.0])), 1.0)


# --- what comes out ---------------------------------------------------------------------------------------------------


def test_moments_are_those_of_the_sectors():
    one = problem()
    run = integrate(one, start(one), TIMES, moments=(0, 3), sectors=True)
    assert sorted(run.moments) == [0, 1, 3]
    assert run.sectors.q.shape == (4, 3, 2, 2)
    assert run.sectors.r.shape == (4, 3, 2, 3)
    assert run.sectors.t.shape == (3, 3, 3)
    for order in run.moments:
        factor = SPECTRUM.weights * SPECTRUM.eigenvalues**order
        Q, R, T = run.moment(order)
        # Sums of three terms.
        np.testing.assert_allclose(Q, np.einsum("k,nkij->nij", factor, run.sectors.q), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(R, np.einsum("k,nkij->nij", factor, run.sectors.r), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(T, np.einsum("k,kij->ij", factor, run.sectors.t), rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(run.Q, run.moment(1)[0])
    np.testing.assert_array_equal(run.R, run.moment(1)[1])
    np.testing.assert_array_equal(run.T, run.moment(1)[2])
    assert integrate(one, start(one), TIMES).sectors is None
    assert sorted(integrate(one, start(one), TIMES, moments=()).moments) == [1]


def test_asking_for_more_does_not_change_the_run():
    one = problem()
    plain = integrate(one, start(one), TIMES, moments=(1,))
    more = integrate(one, start(one), TIMES, moments=(0, 4), sectors=True)
    np.testing.assert_allclose(more.Q, plain.Q, rtol=1e-13)  # sums of three terms, perhaps in another order


def test_the_run_begins_at_the_start():
    one, first = problem(), start(problem())
    run = integrate(one, first, TIMES, sectors=True)
    np.testing.assert_array_equal(run.sectors.q[0], first.q)
    np.testing.assert_array_equal(run.sectors.r[0], first.r)
    np.testing.assert_array_equal(run.sectors.t, first.t)
    assert run.generalization_error[0] == pytest.approx(first.generalization_error(one), rel=1e-13)
    np.testing.assert_allclose(run.T, first.moments(SPECTRUM, 1)[2], rtol=1e-14)


@pytest.mark.parametrize("activation", ["erf", "linear"])
def test_the_error_belongs_to_the_overlaps(activation):
    one = problem(activation=activation)
    run = integrate(one, start(one), TIMES)
    theory = Theory.of(one)
    for error, Q, R in zip(run.generalization_error, run.Q, run.R, strict=True):
        C = np.block([[Q, R], [R.T, run.T]])
        assert error == pytest.approx(generalization_error(C, theory.a, theory.averages), rel=1e-11)


def test_a_run_goes_on_from_its_final_state():
    one, rtol = problem(), 1e-11
    whole = integrate(one, start(one), [0.0, 3.0, 8.0], rtol=rtol)
    leg = integrate(one, start(one), [0.0, 3.0], rtol=rtol)
    rest = integrate(one, leg.final, [0.0, 5.0], rtol=rtol)
    np.testing.assert_allclose(leg.Q[-1], rest.Q[0], rtol=1e-13)  # sums of three terms
    # Two integrations at rtol 1e-11, each within a few ten times that.
    np.testing.assert_allclose(rest.Q[-1], whole.Q[-1], rtol=1e-9)
    np.testing.assert_allclose(rest.R[-1], whole.R[-1], rtol=1e-9)
    np.testing.assert_allclose(rest.final.gram, whole.final.gram, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("activation", ["erf", "linear"])
@pytest.mark.parametrize("rtol", [1e-2, 1e-3, 1e-6])
@pytest.mark.parametrize("grid", [1000.0, [0.0, 1000.0]], ids=["400 times", "one time"])
def test_a_student_that_learned_everything(activation, rtol, grid):
    """Student and teacher become one, so the Gram matrix is singular, and a tolerance's worth of error makes it
    indefinite: the run must be returned all the same, and its final state must be fit to go on from."""
    one = Problem(
        spectrum=Spectrum.power_law(4, 1.0), student_units=2, teacher_units=2, learning_rate=0.5, activation=activation
    )
    run = integrate(one, OrderParameters.random(one, 2000, 0.5, seed=1), grid, rtol=rtol)
    assert run.status == "complete"
    assert run.generalization_error[-1] < 10 * rtol
    assert integrate(one, run.final, 1.0, rtol=rtol).status == "complete"
    assert simulate(one, run.final, [0.0, 0.1], dimension=40, seed=0).status == "complete"


def test_stats():
    one = problem()
    run = integrate(one, start(one), TIMES)
    assert run.stats["steps"] > 0
    assert run.stats["right_hand_sides"] > run.stats["steps"]
    assert run.stats["seconds"] >= 0.0
    assert run.problem is one
    assert run.replicas is None
    assert 0.0 < run.resolution < 1e-13


@pytest.mark.parametrize("method", ["rodas5p", "DOP853"])
def test_progress_is_told_growing_times_up_to_the_last(method):
    calls = []
    integrate(problem(), start(problem()), TIMES, method=method, progress=calls.append)
    assert calls == sorted(calls)
    assert calls[0] > 0.0
    assert calls[-1] == TIMES[-1]


# --- against the plain twin -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["erf", "linear"])
@pytest.mark.parametrize("changes", [{}, {"trainable": 2}, {"gradient_flow": True}], ids=["all", "two learn", "flow"])
def test_against_the_twin(activation, changes):
    one = problem(activation=activation, **changes)
    run = integrate(one, start(one), TIMES, rtol=1e-11, sectors=True)
    theory = Theory.of(one)
    c = np.array([start(one).gram, *(theory.solve(start(one).gram, [0.0, end], rtol=1e-11)[-1] for end in TIMES[1:])])
    # Both integrations hold rtol 1e-11 a step and end on a step.
    np.testing.assert_allclose(run.sectors.q, c[:, :, :2, :2], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(run.sectors.r, c[:, :, :2, 2:], rtol=1e-8, atol=1e-9)
    errors = [theory.error(sectors) for sectors in c]
    np.testing.assert_allclose(run.generalization_error, errors, rtol=1e-8)


# --- accuracy ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["rodas5p", "DOP853", "LSODA"])
def test_error_follows_the_tolerance(method):
    one, alpha = problem(), [0.0, 15.0]
    exact = integrate(one, start(one), alpha, rtol=1e-13)
    tolerances = np.array([1e-3, 1e-5, 1e-7, 1e-9])
    errors = np.array(
        [np.abs(integrate(one, start(one), alpha, rtol=rtol, method=method).Q - exact.Q).max() for rtol in tolerances]
    )
    # Global error is local error times the number of steps, at most a few hundred; and six decades of tolerance buy
    # at least four of accuracy.
    assert (errors < 300 * tolerances).all(), errors
    assert errors[-1] < errors[0] * 1e-4, errors
    assert (errors[1:] < errors[:-1]).all(), errors


@pytest.mark.parametrize("method", ["rodas5p", "DOP853", "LSODA"])
@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
def test_error_of_eps_g_is_about_the_tolerance_beyond_a_plateau(method, rtol):
    """Which multiplies the errors made on it by up to 1e4: students begin 1e-4 of a teacher long."""
    one = Problem(spectrum=Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.5)
    begin, alpha = OrderParameters.random(one, 1000, 1e-4, seed=1), [0.0, 50.0, 150.0, 200.0, 300.0, 400.0]
    exact = integrate(one, begin, alpha, rtol=1e-13)
    run = integrate(one, begin, alpha, rtol=rtol, method=method)
    np.testing.assert_allclose(run.generalization_error, exact.generalization_error, rtol=10.0 * rtol)


@pytest.mark.parametrize("activation", ["erf", "linear"])
def test_methods_agree(activation):
    one = problem(activation=activation)
    first, second, third = (
        integrate(one, start(one), 20.0, rtol=1e-10, method=method) for method in ("rodas5p", "DOP853", "LSODA")
    )
    assert_same_run(first, second, rtol=1e-7, atol=1e-9)
    # LSODA's global error at this tolerance, measured against rtol 1e-13, is a few 1e-8.
    assert_same_run(third, second, rtol=1e-6, atol=1e-7)


def test_output_times_do_not_change_the_solution():
    """Outputs are interpolated between steps: dense and sparse output agree to the tolerance."""
    one = problem()
    sparse = integrate(one, start(one), [0.0, 10.0], rtol=1e-10)
    dense = integrate(one, start(one), np.linspace(0.0, 10.0, 101), rtol=1e-10)
    np.testing.assert_allclose(dense.Q[-1], sparse.Q[-1], rtol=1e-8)
    exact = integrate(one, start(one), np.linspace(0.0, 10.0, 101), rtol=1e-13)
    np.testing.assert_allclose(dense.Q, exact.Q, rtol=1e-8)


def test_atol_alone_controls_what_is_near_zero():
    one, first = problem(), start(problem())
    loose = integrate(one, first, TIMES, rtol=1e-8, atol=1e-2)
    tight = integrate(one, first, TIMES, rtol=1e-8)
    assert loose.stats["right_hand_sides"] < tight.stats["right_hand_sides"]
