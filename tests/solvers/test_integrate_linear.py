"""Linear networks, theory section 7: everything about them is known."""

import numpy as np
import pytest
from scipy.linalg import expm

from ode_sgd import Problem, Spectrum, integrate
from solvers.cases import start

SPECTRUM = Spectrum.power_law(5, 0.8)
ALPHA = np.array([0.0, 0.3, 1.0, 4.0, 15.0])


def problem(**changes):
    values = {
        "spectrum": SPECTRUM,
        "student_units": 2,
        "teacher_units": 2,
        "learning_rate": 0.3,
        "activation": "linear",
        "student_weights": [0.9, -0.6],
        "teacher_weights": [0.7, 1.2],
    }
    return Problem(**{**values, **changes})


def error_vector(one, first):
    """e_k = |P_k e|^2 / N_k of e = sum v_i J_i - sum u_n B_n."""
    return np.einsum("i,kij,j->k", one.signed_weights, first.gram, one.signed_weights)


def effective_rate(one):
    return one.learning_rate * (one.v**2).sum()


def test_gradient_flow_decays_sector_by_sector():
    one = problem(gradient_flow=True, label_noise=0.4)
    first = start(one, dimension=50)
    run = integrate(one, first, ALPHA, rtol=1e-11)
    lam, w = SPECTRUM.eigenvalues, SPECTRUM.weights
    decay = np.exp(-2.0 * effective_rate(one) * np.outer(ALPHA, lam))
    expected = 0.5 * decay @ (w * lam * error_vector(one, first))
    np.testing.assert_allclose(run.generalization_error, expected, rtol=1e-8)  # rtol 1e-11 a step


@pytest.mark.parametrize("label_noise", [0.0, 0.4])
@pytest.mark.parametrize("trainable", [None, 2])
def test_finite_learning_rates(label_noise, trainable):
    """de_k/dalpha = -2 eta' lambda_k e_k + eta'^2 lambda_k (sum_j w_j lambda_j e_j + sigma^2): a matrix exponential."""
    one = problem(label_noise=label_noise, trainable=trainable)
    first = start(one, dimension=50)
    run = integrate(one, first, ALPHA, rtol=1e-11)
    lam, w, eta = SPECTRUM.eigenvalues, SPECTRUM.weights, effective_rate(one)
    rate = lam * one.learning
    system = np.zeros((6, 6))  # the sixth variable is the constant 1
    system[:5, :5] = -2.0 * eta * np.diag(rate) + eta**2 * np.outer(rate, w * lam)
    system[:5, 5] = eta**2 * rate * label_noise**2
    e = np.array([expm(system * alpha) @ [*error_vector(one, first), 1.0] for alpha in ALPHA])
    np.testing.assert_allclose(run.generalization_error, 0.5 * e[:, :5] @ (w * lam), rtol=1e-8)


@pytest.mark.parametrize("trainable", [None, 3])
@pytest.mark.parametrize("label_noise", [0.0, 0.5])
def test_late_times_end_on_the_floor(trainable, label_noise, record_property):
    one = problem(label_noise=label_noise, trainable=trainable)
    first = start(one, dimension=50)
    rate = effective_rate(one)
    shares = SPECTRUM.weights * SPECTRUM.eigenvalues
    tau = (shares * one.learning).sum()
    untouched = (shares * (1.0 - one.learning)) @ error_vector(one, first)
    floor = 0.5 * (untouched + label_noise**2 * rate * tau / 2.0) / (1.0 - rate * tau / 2.0)
    end = 60.0 / (rate * SPECTRUM.eigenvalues.min())
    run = integrate(one, first, [0.0, end], rtol=1e-10, atol=1e-14)
    record_property("measured", f"floor {run.generalization_error[-1]:.9f}, closed form {floor:.9f}")
    # exp(-60) is gone; where the floor is zero, what is left is rtol 1e-10 of overlaps of order one that cancel.
    assert run.generalization_error[-1] == pytest.approx(floor, rel=1e-8, abs=1e-9)


def test_power_law_of_the_error():
    """Isotropic teacher: eps_g ~ alpha^(-beta/(1+beta)) between 1/(eta' lambda_1) and 1/(eta' lambda_L)."""
    spectrum = Spectrum.power_law(2000, 1.0)
    one = problem(spectrum=spectrum, learning_rate=0.05, gradient_flow=True)
    first = start(one, dimension=2000 * 400, student_scale=0.0)  # a student at zero: e_k is the teacher, alike to 5%
    span = 1.0 / (effective_rate(one) * spectrum.eigenvalues)
    window = np.geomspace(30.0 * span[0], span[-1] / 3000.0, 5)
    run = integrate(one, first, np.concatenate([[0.0], window]))
    slopes = np.diff(np.log(run.generalization_error[1:])) / np.diff(np.log(window))
    # Corrections from the ends of the window are of order 1/30 and 1/3000^(1/2).
    np.testing.assert_allclose(slopes, -0.5, atol=0.03)
