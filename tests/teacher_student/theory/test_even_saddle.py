"""The saddle of quadratic units: (8.8) and (8.9) against the ODE itself."""

import numpy as np
import pytest

from ode_sgd import InvalidProblem, OrderParameters, Problem, Spectrum, integrate, theory

FOUR = Spectrum.power_law(4, 1.0)


def problem(K=1, M=1, **changes):
    values = {
        "spectrum": FOUR,
        "student_units": K,
        "teacher_units": M,
        "activation": "quadratic",
        "learning_rate": 0.02,
        "label_noise": 0.3,
    }
    return Problem(**{**values, **changes})


CASES = {
    "phase retrieval": problem(),
    "three and two": problem(3, 2, student_weights=[0.5] * 3, teacher_weights=[0.8, 0.3]),
    "gradient flow": problem(2, 2, gradient_flow=True, label_noise=0.0),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def one(request):
    return request.param


def test_nothing_moves_there(one):
    saddle = theory.symmetric_saddle(one)
    run = integrate(one, saddle.order_parameters, [0.0, 5.0], rtol=1e-10, sectors=True)
    assert saddle.branch == "orthogonal" and saddle.residual < 1e-12
    np.testing.assert_allclose(run.sectors.q[1], run.sectors.q[0], rtol=0.0, atol=1e-9)
    assert run.generalization_error[0] == pytest.approx(saddle.generalization_error, rel=1e-12)
    assert theory.plateau_height(one) == saddle.generalization_error


def test_overlaps_grow_at_the_rate(one):
    """From 1e-7 on for ten e-foldings; the change of Q, of second order in them, is 1e-5 at most."""
    saddle, rate = theory.symmetric_saddle(one), theory.escape_rate(one)
    q, r, t = (getattr(saddle.order_parameters, name).copy() for name in "qrt")
    r[:, 0, 0] = 1e-7
    run = integrate(one, OrderParameters(q, r, t), np.linspace(0.0, 12.0 / rate, 25), rtol=1e-10)
    size = np.log(np.linalg.norm(run.R, axis=(1, 2)))
    late = slice(12, 20)  # other modes have died out
    assert np.polyfit(run.alpha[late], size[late], 1)[0] == pytest.approx(rate, rel=1e-4)


def test_small_rates_leave_at_four_eta_mu_2():
    """Closed values of phase retrieval, at eta -> 0: Q = 1/3, 4 eta mu_2; for any K and M the same."""
    for K, M in ((1, 1), (4, 3)):
        one = problem(K, M, learning_rate=1e-7)
        law = 4e-7 * FOUR.moment(2) / FOUR.moment(1)
        assert theory.escape_rate(one) == pytest.approx(law, rel=1e-5)
        saddle = theory.symmetric_saddle(one)
        assert saddle.Q[0, 0] == pytest.approx(M / (K + 2), rel=1e-5)
    flow = problem(gradient_flow=True, learning_rate=0.1, label_noise=0.0)
    assert theory.escape_rate(flow) == pytest.approx(0.4 * FOUR.moment(2) / FOUR.moment(1), rel=1e-12)


def test_units_change_nothing():
    """Inputs of twice the length, teachers of half of it and a rate of a quarter: the same network."""
    one = problem(2, 2, learning_rate=0.02)
    longer = Spectrum(4.0 * FOUR.eigenvalues, FOUR.weights)
    other = problem(2, 2, learning_rate=0.005, spectrum=longer)
    assert theory.plateau_height(one) == pytest.approx(theory.plateau_height(other), rel=1e-13)
    assert theory.escape_rate(one) == pytest.approx(theory.escape_rate(other), rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"learning_rate": 1.0}, "learning_rate = 1 the noise of the samples leaves no saddle"),
        ({"teacher_weights": [-1.0]}, "cannot add up to a teacher"),
        ({"weight_decay": 0.1}, "weight_decay = 0.1"),
        ({"trainable": 2}, "sectors that all learn"),
    ],
)
def test_where_there_is_none(changes, told):
    with pytest.raises(InvalidProblem, match=told):
        theory.symmetric_saddle(problem(**changes))
