"""What the ODE must keep: limits, symmetries, possible overlaps, and what does not move."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ode_sgd import OrderParameters, Problem, Spectrum, integrate
from tests.teacher_student.cases import SPECTRUM, assert_same_run, problem, start

EXAMPLES = settings(max_examples=8, deadline=None, derandomize=True)
TIMES = np.array([0.0, 0.5, 2.0, 7.0])
ROUNDING = 1e-14  # of what does not move: output between steps interpolates, with weights that sum to one


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
        np.testing.assert_allclose(overlaps[:, 1:] - overlaps[:1, 1:], 0.0, atol=ROUNDING)
        assert (overlaps[1:, 0] != overlaps[0, 0]).all()


def test_a_direction_without_variance_is_never_learned():
    one = problem(spectrum=Spectrum([2.0, 0.0, 0.3], [0.3, 0.3, 0.4]))
    run = integrate(one, start(one), TIMES, sectors=True)
    np.testing.assert_allclose(run.sectors.q[:, 1] - run.sectors.q[0, 1], 0.0, atol=ROUNDING)
    np.testing.assert_allclose(run.sectors.r[:, 1] - run.sectors.r[0, 1], 0.0, atol=ROUNDING)
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
    tolerance = {"rtol": 1e-11, "atol": 1e-12}  # rounding, which the dynamics and the step sizes amplify
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
    np.testing.assert_allclose(again.Q, run.Q * np.outer(sign, sign), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(again.generalization_error, run.generalization_error, rtol=1e-11)


# Shapes that other tests use too: the default method's kernels are compiled for each.
SHAPES = [("erf", 2, 3), ("erf", 3, 3), ("linear", 2, 1)]


@given(
    st.sampled_from([(*shape, "rodas5p") for shape in SHAPES] + [("erf", 3, 2, "DOP853"), ("linear", 1, 3, "DOP853")]),
    st.integers(1, 4),
    st.integers(0, 1000),
)
@settings(EXAMPLES, max_examples=20)
def test_a_trajectory_is_made_of_possible_overlaps(shape, L, seed):
    activation, K, M, method = shape
    rng = np.random.default_rng(seed)
    one = Problem(
        spectrum=Spectrum.power_law(L, 1.0),
        student_units=K,
        teacher_units=M,
        learning_rate=rng.uniform(0.05, 0.6) / K,
        activation=activation,
        label_noise=rng.uniform(0.0, 0.5),
    )
    run = integrate(
        one, OrderParameters.random(one, 60 * L, 0.5, seed=seed), 20.0, rtol=1e-9, sectors=True, method=method
    )
    assert run.status == "complete"
    assert (run.generalization_error >= 0.0).all()
    q, r = run.sectors.q, run.sectors.r
    np.testing.assert_array_equal(q, q.swapaxes(-1, -2))
    t = np.broadcast_to(run.sectors.t, (len(q), *run.sectors.t.shape))
    gram = np.block([[q, r], [r.swapaxes(-1, -2), t]])
    eigenvalues = np.linalg.eigvalsh(gram)
    assert eigenvalues.min() > -1e-7 * eigenvalues.max()  # a hundred times rtol


def test_a_perfect_student_stays_perfect_and_its_error_is_never_negative():
    """The plain sum of eps_g rounds to below zero for some of these starts."""
    for seed in range(10):
        one = problem(
            student_units=2, teacher_units=2, student_weights=[0.9, -0.6], teacher_weights=[0.9, -0.6], label_noise=0.0
        )
        t = OrderParameters.random(one, 20, seed=seed).t
        run = integrate(one, OrderParameters(t, t, t), 50.0)
        assert run.generalization_error.min() >= 0.0
        assert run.generalization_error.max() < 1e-14  # sixteen terms of at most 1/2, each rounded at 1e-16
        np.testing.assert_allclose(run.Q[-1], run.T, rtol=0.0, atol=1e-12)  # the drift is zero up to rounding
