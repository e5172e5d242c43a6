"""The symmetric saddle: a fixed point of the ODE, at the heights of theory section 8, for any teacher and spectrum."""

from math import asin, pi

import numpy as np
import pytest

import ode_sgd
from ode_sgd import OrderParameters, theory
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system
from ode_sgd.teacher_student.kernels.sectors.drift import right_hand_side
from ode_sgd.teacher_student.theory.branch import saddle as at_rest

BRANCHES = ("identical", "split")


def committee(K, L, **changes):
    options = {"student_units": K, "teacher_units": K, "learning_rate": 0.1} | changes
    return ode_sgd.Problem(spectrum=ode_sgd.Spectrum.power_law(L, 1.0), **options)


def rough_teacher(problem, seed=1):
    """Overlaps t_k of a random teacher at a small dimension: far from orthonormal, and other in every sector."""
    return OrderParameters.random(problem, 20 * problem.spectrum.distinct, teacher_scale=1.3, seed=seed)


def drift(problem, start):
    state = initial_state(start)
    out = np.empty_like(state)
    right_hand_side(problem.g)(state, *sector_system(problem, start).arrays, out)
    return out


# Students and teachers of any number, output and noise; the last has a teacher of mixed signs.
CASES = [
    (committee(2, 1), False),
    (committee(3, 4, learning_rate=0.5), True),
    (committee(5, 2, output="mean_field", learning_rate=1.0), True),
    (committee(2, 3, teacher_units=4, label_noise=0.3), True),
    (committee(4, 3, teacher_units=1, learning_rate=0.3), False),
    (committee(3, 2, teacher_units=2, student_weights=(-0.7,) * 3, teacher_weights=(1.0, -0.6)), True),
    (committee(3, 2, gradient_flow=True), True),
]


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize(("problem", "rough"), CASES)
def test_is_a_fixed_point_of_all_sectors(problem, rough, branch):
    start = rough_teacher(problem) if rough else None
    saddle = theory.symmetric_saddle(problem, start, branch)
    found = saddle.order_parameters
    OrderParameters(found.q, found.r, found.t)  # weights have these overlaps: raises otherwise
    fastest = problem.learning_rate * problem.spectrum.eigenvalues.max()
    assert np.abs(drift(problem, found)).max() < 1e-13 * fastest  # rounding of terms of order one
    assert saddle.residual < 1e-13
    for mine, moment in zip((saddle.Q, saddle.R, saddle.T), found.moments(problem.spectrum, 1), strict=True):
        np.testing.assert_allclose(mine, moment, rtol=1e-12, atol=1e-14)
    assert saddle.generalization_error == pytest.approx(found.generalization_error(problem), rel=1e-9)
    assert theory.plateau_height(problem, start, branch) == saddle.generalization_error
    np.testing.assert_array_equal(found.r, found.r[:, :1].repeat(problem.student_units, axis=1))
    if start is not None:
        np.testing.assert_array_equal(found.t, start.t)
    own = found.q[:, 0, 0] - found.q[:, 0, 1]
    if branch == "split" and not problem.gradient_flow:
        assert (own > 1e-5).all()
    else:
        np.testing.assert_allclose(own, 0.0, atol=1e-15)


@pytest.mark.parametrize("K", [2, 3, 4, 8])
@pytest.mark.parametrize("output", ["committee", "mean_field"])
def test_closed_form_of_gradient_flow(K, output):
    problem = committee(K, 4, gradient_flow=True, output=output)
    saddle = theory.symmetric_saddle(problem)
    np.testing.assert_allclose(saddle.order_parameters.q, 1.0 / (2 * K - 1), rtol=1e-12)
    np.testing.assert_allclose(saddle.order_parameters.r, 1.0 / np.sqrt(K * (2 * K - 1)), rtol=1e-12)
    scale = 1.0 if output == "committee" else 1.0 / K
    closed = scale * K / pi * (pi / 6.0 - K * asin(1.0 / (2.0 * K)))
    assert theory.plateau_height(problem) == pytest.approx(closed, rel=1e-14)
    assert saddle.generalization_error == pytest.approx(closed, rel=1e-11)  # found, not inserted; a difference


@pytest.mark.parametrize(("K", "factor"), [(2, 1.0409), (3, 1.0785), (4, 1.1183)])
def test_height_at_finite_learning_rate(K, factor, record_property):
    """Where the ODE of section 3 comes to rest from small symmetric weights, by an integrator of its own."""
    problem, flow = committee(K, 1), committee(K, 1, gradient_flow=True)
    height = theory.plateau_height(problem)
    assert height / theory.plateau_height(flow) == pytest.approx(factor, abs=5e-5)  # THEORY section 8, as printed
    start = OrderParameters.typical(problem, 1e-4)
    run = ode_sgd.integrate(problem, start, [0.0, 200.0, 400.0], rtol=1e-9)
    # Students with parts of their own, s_J^2 = 1e-8, drift apart at 0.003 / alpha only.
    assert run.generalization_error[-1] == pytest.approx(height, rel=1e-6)
    ratio = height / theory.plateau_height(flow)
    record_property("measured", f"K = {K}: height at eta = 0.1 over that of eta -> 0: {ratio:.6f}")


def test_split_branch_is_of_order_eta_and_lower():
    sizes = []
    for eta in (1e-4, 1e-3, 1e-2):
        problem = committee(3, 2, learning_rate=eta)
        split = theory.symmetric_saddle(problem, branch="split")
        sizes.append((split.Q[0, 0] - split.Q[0, 1]) / eta)
        assert split.generalization_error < theory.plateau_height(problem)
    assert sizes[0] == pytest.approx(sizes[1], rel=2e-3)  # corrections are of order eta
    assert sizes[0] == pytest.approx(sizes[2], rel=2e-2)


def test_split_branch_is_where_students_of_their_own_arrive():
    problem = committee(2, 1, learning_rate=1.0)
    run = ode_sgd.integrate(problem, OrderParameters.typical(problem, 0.3), [0.0, 150.0, 300.0], rtol=1e-9)
    saddle = theory.symmetric_saddle(problem, branch="split")
    # At alpha = 150 and 300 they differ by 5e-3 and 1e-4: Delta, 0.125 there and 0 on the other branch, is slow.
    np.testing.assert_allclose(run.Q[-1], saddle.Q, rtol=1e-3)
    np.testing.assert_allclose(run.R[-1], saddle.R, rtol=1e-3)


def test_the_saddle_is_that_of_one_sector():
    """lambda_k cancels: C, height and weights x do not depend on the spectrum at given mu_1."""
    one, many = (theory.symmetric_saddle(committee(3, L, learning_rate=0.7)) for L in (1, 64))
    np.testing.assert_allclose(one.Q, many.Q, rtol=1e-12)
    np.testing.assert_allclose(many.order_parameters.q, np.broadcast_to(one.Q, (64, 3, 3)), rtol=1e-11)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"student_units": 1}, "K = 1"),
        ({"activation": "linear"}, "linear"),
        ({"student_weights": (1.0, 2.0)}, "unequal weights"),
        ({"student_weights": (0.0, 0.0)}, "zero"),
        ({"trainable": 1}, "do not learn"),
        ({"learning_rate": 50.0}, "too large"),
        ({"student_weights": (0.1, 0.1)}, "too small for the teacher"),  # at most 0.2 in all
    ],
)
@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("ask", [theory.symmetric_saddle, theory.plateau_height, theory.escape_rate])
def test_refuses_with_the_reason(ask, changes, reason, branch):
    with pytest.raises(ode_sgd.InvalidProblem, match=reason):
        ask(committee(2, 2, **changes), branch=branch)


def test_refuses_wrong_arguments():
    problem = committee(2, 2)
    with pytest.raises(ode_sgd.InvalidProblem, match="did you mean 'split'"):
        theory.symmetric_saddle(problem, branch="splitt")
    with pytest.raises(ode_sgd.InvalidProblem, match=r"give ode_sgd\.OrderParameters"):
        theory.symmetric_saddle(problem, start=0.3)
    with pytest.raises(ode_sgd.InvalidStart, match="distinct eigenvalues"):
        theory.symmetric_saddle(problem, OrderParameters.typical(committee(2, 3), 0.1))


def test_a_sector_without_variance_changes_nothing():
    spectrum = ode_sgd.Spectrum([2.0, 0.0], [0.5, 0.5])
    flat = ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.1)
    assert theory.plateau_height(flat) == pytest.approx(theory.plateau_height(committee(2, 1)), rel=1e-12)


def values(coefficients):
    return np.concatenate([[coefficients.D_S, coefficients.D_Delta], coefficients.E, coefficients.G])


def test_coefficients_answer_as_their_differences_say():
    """Derivatives in the symmetric subspace against central differences (across it: test_escape.py's Jacobian)."""
    problem = committee(3, 1, teacher_units=2, label_noise=0.2)
    space, T = at_rest(problem, None, "identical").space, np.array([[1.1, 0.2], [0.2, 0.9]])
    fields, step = np.array([0.3, 0.2, 0.9, 0.2]), 1e-6
    there = space.coefficients(fields, T)
    for place in range(fields.size):
        change = step * np.eye(fields.size)[place]
        up, down = (values(space.coefficients(fields + sign * change, T)) for sign in (1, -1))
        np.testing.assert_allclose(there.slope[:, place], (up - down) / (2 * step), atol=1e-8)  # truncation, rounding
