"""Closed forms of the symmetric saddle against the numerical dynamics."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd.kernels.drift import right_hand_side
from ode_sgd.solvers.door import initial_state, sector_system


def saddle(K, L):
    """THEORY section 8: q_ij = 1/(2K-1), r_in = 1/sqrt(K(2K-1)), T = I, the same in every sector."""
    q = np.full((L, K, K), 1.0 / (2 * K - 1))
    r = np.full((L, K, K), 1.0 / np.sqrt(K * (2 * K - 1)))
    return ode_sgd.OrderParameters(q, r, np.tile(np.eye(K), (L, 1, 1)))


def committee(K, L, **changes):
    options = {"student_units": K, "teacher_units": K, "learning_rate": 0.1, "gradient_flow": True} | changes
    return ode_sgd.Problem(spectrum=ode_sgd.Spectrum.power_law(L, 1.0), **options)


def drift(problem, start, state):
    out = np.empty_like(state)
    right_hand_side(problem.activation)(state, *sector_system(problem, start), out)
    return out


@pytest.mark.parametrize(("K", "L"), [(2, 1), (3, 4), (5, 2)])
def test_saddle_is_a_fixed_point_of_the_stated_height(K, L):
    problem, start = committee(K, L), saddle(K, L)
    assert np.abs(drift(problem, start, initial_state(start))).max() < 1e-13  # round-off of order-one terms
    assert start.generalization_error(problem) == pytest.approx(ode_sgd.theory.plateau_height(problem), rel=1e-12)


@pytest.mark.parametrize(("K", "L"), [(2, 1), (2, 8), (3, 4), (4, 2)])
@pytest.mark.parametrize("output", ["committee", "mean_field"])
def test_escape_rate_is_the_leading_eigenvalue_of_the_jacobian(K, L, output):
    problem, start = committee(K, L, output=output), saddle(K, L)
    state = initial_state(start)
    step = 1e-6
    columns = []
    for index in range(state.size):
        change = np.zeros(state.size)
        change[index] = step
        forward, backward = (
            drift(problem, start, state + sign * change.reshape(state.shape)).ravel() for sign in (1, -1)
        )
        columns.append((forward - backward) / (2 * step))
    leading = np.linalg.eigvals(np.array(columns).T).real.max()
    # central differences: step^2 truncation and 1e-16 / step rounding, both far below
    assert ode_sgd.theory.escape_rate(problem) == pytest.approx(leading, rel=1e-6)


def test_escape_rate_is_the_growth_on_a_trajectory():
    problem, start = committee(2, 1), saddle(2, 1)
    r = start.r + 1e-6 * np.array([[1.0, -1.0], [-1.0, 1.0]])
    rate = ode_sgd.theory.escape_rate(problem)
    alpha = np.linspace(0.0, 3.0 / rate, 50)
    run = ode_sgd.integrate(problem, ode_sgd.OrderParameters(start.q, r, start.t), alpha, rtol=1e-10, atol=1e-14)
    asymmetry = run.R[:, 0, 0] - run.R[:, 0, 1]
    assert np.polyfit(alpha[10:], np.log(asymmetry[10:]), 1)[0] == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"activation": "linear"}, "erf only"),
        ({"teacher_units": 3}, "K = M"),
        ({"student_weights": (1.0, 2.0)}, "unequal"),
        ({"label_noise": 0.1}, "label_noise"),
        ({"trainable": 1}, "do not learn"),
    ],
)
def test_refuses_where_there_is_no_closed_form(changes, reason):
    with pytest.raises(ode_sgd.InvalidProblem, match=reason):
        ode_sgd.theory.plateau_height(committee(2, 2, **changes))
