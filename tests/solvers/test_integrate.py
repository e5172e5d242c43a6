"""The integrated ODE: arguments, invariants, symmetries, accuracy, and how a run ends."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.theory import Theory, generalization_error

from ode_sgd import InvalidProblem, InvalidStart, OrderParameters, Problem, Spectrum, integrate, simulate
from solvers.cases import SPECTRUM, assert_same_run, problem, start

EXAMPLES = settings(max_examples=8, deadline=None, derandomize=True)
TIMES = np.array([0.0, 0.5, 2.0, 7.0])


# --- times ----------------------------------------------------------------------------------------------------------


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


# --- other arguments ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rtol": 0.0}, "rtol"),
        ({"rtol": 1e-14}, "rtol"),
        ({"rtol": 0.1}, "rtol = 0.1 is too coarse; give 1e-13 <= rtol <= 1e-2"),
        ({"rtol": np.nan}, "rtol"),
        ({"rtol": "1e-6"}, "rtol"),
        ({"rtol": None}, "rtol"),
        ({"atol": 0.0}, "atol"),
        ({"atol": -1e-9}, "atol"),
        ({"atol": np.inf}, "atol"),
        ({"atol": True}, "atol"),
        ({"method": "DOP854"}, "method = 'DOP854' does not exist.*did you mean 'DOP853'"),
        ({"method": None}, "method"),
        ({"moments": 2}, "moments = 2 is not a sequence"),
        ({"moments": (0, -1)}, "moments = -1 is too small"),
        ({"moments": (0.5,)}, "moments = 0.5 is not an integer"),
        ({"moments": (True,)}, "moments = True"),
        ({"moments": "12"}, "moments = '1'"),
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


# --- what comes out -------------------------------------------------------------------------------------------------


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
    np.testing.assert_array_equal(integrate(one, start(one), TIMES, moments=(0, 4), sectors=True).Q, plain.Q)


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
    np.testing.assert_array_equal(leg.Q[-1], rest.Q[0])
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
    calls = []
    run = integrate(one, start(one), TIMES, progress=calls.append)
    assert calls == list(TIMES[1:])
    assert run.stats["steps"] > 0
    assert run.stats["right_hand_sides"] > run.stats["steps"]
    assert run.stats["seconds"] >= 0.0
    assert run.problem is one
    assert run.replicas is None
    assert 0.0 < run.resolution < 1e-13


# --- against the plain twin -----------------------------------------------------------------------------------------


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


# --- accuracy -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["DOP853", "LSODA"])
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


@pytest.mark.parametrize("activation", ["erf", "linear"])
def test_methods_agree(activation):
    one = problem(activation=activation)
    first, second = (integrate(one, start(one), 20.0, rtol=1e-10, method=method) for method in ("DOP853", "LSODA"))
    # LSODA's global error at this tolerance, measured against rtol 1e-13, is a few 1e-8.
    assert_same_run(first, second, rtol=1e-6, atol=1e-7)


def test_output_times_do_not_change_the_solution():
    """Outputs are steps, not interpolants: dense and sparse output agree to the tolerance."""
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


# --- what the equations must keep -----------------------------------------------------------------------------------


def test_gradient_flow_is_the_limit_of_small_learning_rates():
    """At the same eta alpha, SGD's ODE differs from the flow by the eta^2 term: half the rate, half the difference."""
    flow = problem(gradient_flow=True)
    limit = integrate(flow, start(flow), TIMES, rtol=1e-11)
    distances = []
    for factor in (1e-2, 5e-3):
        slow = problem(learning_rate=flow.learning_rate * factor)
        run = integrate(slow, start(slow), TIMES / factor, rtol=1e-11)
        distances.append(np.abs(run.Q - limit.Q).max())
    assert distances[0] > 1e-5
    assert distances[0] / distances[1] == pytest.approx(2.0, rel=0.02)  # next order: eta again


def test_gradient_flow_knows_no_label_noise():
    quiet, loud = problem(gradient_flow=True, label_noise=0.0), problem(gradient_flow=True, label_noise=2.0)
    assert_same_run(integrate(quiet, start(quiet), 5.0), integrate(loud, start(loud), 5.0), rtol=0.0)


def test_only_trainable_sectors_move():
    one = problem(trainable=1)
    run = integrate(one, start(one), TIMES, sectors=True)
    for overlaps in (run.sectors.q, run.sectors.r):
        np.testing.assert_array_equal(overlaps[:, 1:], np.broadcast_to(overlaps[:1, 1:], overlaps[:, 1:].shape))
        assert (overlaps[1:, 0] != overlaps[0, 0]).all()


def test_a_direction_without_variance_is_never_learned():
    one = problem(spectrum=Spectrum([2.0, 0.0, 0.3], [0.3, 0.3, 0.4]))
    run = integrate(one, start(one), TIMES, sectors=True)
    assert (run.sectors.q[:, 1] == run.sectors.q[0, 1]).all()
    assert (run.sectors.r[:, 1] == run.sectors.r[0, 1]).all()
    # Nor does it matter what it holds: the same run with other weights there.
    first = start(one)
    q, r = first.q.copy(), first.r.copy()
    q[1], r[1] = 5.0 * np.eye(2), 0.0
    other = integrate(one, OrderParameters(q, r, first.t), TIMES)
    np.testing.assert_allclose(other.generalization_error, run.generalization_error, rtol=1e-5)  # rtol 1e-6 each


def test_splitting_a_sector_changes_nothing():
    whole = problem()
    split = replace(whole, spectrum=Spectrum([2.0, 0.9, 0.9, 0.3], [0.3, 0.1, 0.2, 0.4]))
    first = start(whole)
    again = OrderParameters(*(overlaps[[0, 1, 1, 2]] for overlaps in (first.q, first.r, first.t)))
    assert_same_run(
        integrate(whole, first, TIMES, rtol=1e-10), integrate(split, again, TIMES, rtol=1e-10), rtol=1e-8, atol=1e-10
    )


def test_two_halves_of_a_sector_act_as_their_mean():
    """Sectors of one eigenvalue are felt only through their weighted mean, though each moves on its own."""
    split = problem(spectrum=Spectrum([0.9, 0.9], [0.25, 0.75]))
    merged = problem(spectrum=Spectrum([0.9], [1.0]))
    first = start(split)
    mean = OrderParameters(*(np.tensordot([0.25, 0.75], overlaps, 1)[None] for overlaps in (first.q, first.r, first.t)))
    assert_same_run(
        integrate(split, first, TIMES, rtol=1e-10), integrate(merged, mean, TIMES, rtol=1e-10), rtol=1e-8, atol=1e-10
    )


@given(st.permutations(range(2)), st.permutations(range(3)), st.permutations(range(3)), st.integers(0, 1000))
@EXAMPLES
def test_relabelling_relabels(students, teachers, sectors, seed):
    one = problem()
    first = start(one, seed)
    students, teachers, sectors = map(list, (students, teachers, sectors))
    other = replace(
        one,
        spectrum=Spectrum(SPECTRUM.eigenvalues[sectors], SPECTRUM.weights[sectors]),
        student_weights=one.v[students],
        teacher_weights=one.u[teachers],
    )
    relabelled = OrderParameters(
        first.q[np.ix_(sectors, students, students)],
        first.r[np.ix_(sectors, students, teachers)],
        first.t[np.ix_(sectors, teachers, teachers)],
    )
    run, again = (integrate(p, s, TIMES, rtol=1e-9, sectors=True) for p, s in ((one, first), (other, relabelled)))
    times = range(len(TIMES))
    tolerance = {"rtol": 1e-7, "atol": 1e-9}  # both at rtol 1e-9; step sizes differ in the last digits only
    np.testing.assert_allclose(again.generalization_error, run.generalization_error, **tolerance)
    np.testing.assert_allclose(again.Q, run.Q[np.ix_(times, students, students)], **tolerance)
    np.testing.assert_allclose(again.R, run.R[np.ix_(times, students, teachers)], **tolerance)
    np.testing.assert_allclose(again.sectors.r, run.sectors.r[np.ix_(times, sectors, students, teachers)], **tolerance)


@given(st.integers(0, 2), st.integers(0, 1000))
@EXAMPLES
def test_changing_the_sign_of_a_unit_changes_nothing_but_signs(unit, seed):
    """g is odd: J_i -> -J_i with v_i -> -v_i is the same network."""
    one = problem()
    first = start(one, seed)
    sign = np.ones(2)
    sign[unit % 2] = -1.0
    flipped = OrderParameters(first.q * np.outer(sign, sign), first.r * sign[:, None], first.t)
    run = integrate(one, first, TIMES, rtol=1e-9)
    again = integrate(replace(one, student_weights=one.v * sign), flipped, TIMES, rtol=1e-9)
    np.testing.assert_allclose(again.Q, run.Q * np.outer(sign, sign), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(again.generalization_error, run.generalization_error, rtol=1e-7)


@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.sampled_from(["erf", "linear"]), st.integers(0, 1000)
)
@settings(EXAMPLES, max_examples=15)
def test_a_trajectory_is_made_of_possible_overlaps(K, M, L, activation, seed):
    rng = np.random.default_rng(seed)
    one = Problem(
        spectrum=Spectrum.power_law(L, 1.0),
        student_units=K,
        teacher_units=M,
        learning_rate=rng.uniform(0.05, 0.6) / K,
        activation=activation,
        label_noise=rng.uniform(0.0, 0.5),
    )
    run = integrate(one, OrderParameters.random(one, 60 * L, 0.5, seed=seed), 20.0, rtol=1e-9, sectors=True)
    assert run.status == "complete"
    assert (run.generalization_error >= 0.0).all()
    q, r = run.sectors.q, run.sectors.r
    np.testing.assert_array_equal(q, q.swapaxes(-1, -2))
    t = np.broadcast_to(run.sectors.t, (len(q), *run.sectors.t.shape))
    gram = np.block([[q, r], [r.swapaxes(-1, -2), t]])
    eigenvalues = np.linalg.eigvalsh(gram)
    assert eigenvalues.min() > -1e-7 * eigenvalues.max()  # a hundred times rtol


def test_a_perfect_student_stays_perfect():
    one = Problem(spectrum=SPECTRUM, student_units=2, teacher_units=2, learning_rate=0.5)
    t = OrderParameters.random(one, 20, seed=0).t
    run = integrate(one, OrderParameters(t, t, t), 100.0)
    assert run.generalization_error.max() < run.resolution
    np.testing.assert_allclose(run.Q[-1], run.T, rtol=0.0, atol=1e-12)


# --- runs that end early --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["DOP853", "LSODA"])
@pytest.mark.parametrize("factor", [1.5, 10.0, 1e6])
def test_a_learning_rate_beyond_critical_diverges(method, factor):
    """Linear network, theory section 7: eta sum v^2 > 2 / mu_1."""
    critical = 2.0 / (2.0 * SPECTRUM.moment(1))
    one = Problem(
        spectrum=SPECTRUM, student_units=2, teacher_units=1, learning_rate=critical * factor, activation="linear"
    )
    run = integrate(one, start(one), 100.0, sectors=True, method=method)
    assert run.status == "diverged"
    assert "learning_rate is beyond critical" in run.message
    n = len(run.alpha)
    assert 1 <= n < 401
    np.testing.assert_array_equal(run.alpha, integrate(problem(), start(problem()), 100.0).alpha[:n])
    for array in (run.generalization_error, run.Q, run.R, run.sectors.q, run.sectors.r, run.final.gram):
        assert np.isfinite(array).all()
    for array in (run.generalization_error, run.Q, run.R, run.sectors.q):
        assert len(array) == n


def test_just_below_critical_it_does_not():
    critical = 2.0 / (2.0 * SPECTRUM.moment(1))
    one = Problem(
        spectrum=SPECTRUM, student_units=2, teacher_units=1, learning_rate=critical * 0.9, activation="linear"
    )
    run = integrate(one, start(one), 300.0)
    assert run.status == "complete"
    assert run.generalization_error[-1] < run.generalization_error[0]


def test_an_interruption_keeps_what_was_reached():
    one, seen = problem(), []

    def impatient(alpha):
        seen.append(alpha)
        if alpha >= 2.0:
            raise KeyboardInterrupt

    run = integrate(one, start(one), TIMES, progress=impatient)
    whole = integrate(one, start(one), TIMES)
    assert run.status == "interrupted"
    assert "interrupted" in run.message
    assert seen == [0.5, 2.0]
    np.testing.assert_array_equal(run.alpha, TIMES[:3])
    np.testing.assert_array_equal(run.Q, whole.Q[:3])
    np.testing.assert_array_equal(run.generalization_error, whole.generalization_error[:3])
    np.testing.assert_allclose(run.final.moments(SPECTRUM, 1)[0], run.Q[-1], rtol=1e-14)


def test_an_error_in_progress_is_not_swallowed():
    one = problem()

    def broken(alpha):
        raise RuntimeError("the progress bar broke")

    with pytest.raises(RuntimeError, match="the progress bar broke"):
        integrate(one, start(one), TIMES, progress=broken)
