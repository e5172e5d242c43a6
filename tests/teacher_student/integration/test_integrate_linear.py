"""Linear networks, theory section 7: everything about them is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

from ode_sgd import Problem, Spectrum, integrate, integrate_batch, theory
from tests.teacher_student.cases import start

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


def at_rest(one):
    """An orthonormal basis of what is orthogonal to v, in columns."""
    return np.linalg.svd(one.v[None])[2][1:].T


def on_the_floor(one, first):
    """q and r for alpha -> infinity.

    With n orthogonal to v, sum_i n_i J_i never moves. sum_i v_i J_i is e plus the teachers' sum_n u_n B_n, where e
    becomes orthogonal to all that is at rest, and e_k = eta' (2 eps_g + sigma^2) / 2 in every sector.
    """
    still, teacher = at_rest(one), first.t @ one.u
    share = effective_rate(one) * one.spectrum.moment(1) / 2.0
    r = np.concatenate([teacher[:, None], still.T @ first.r], axis=1)
    q = np.empty_like(first.q)
    q[:, 0, 0] = teacher @ one.u + effective_rate(one) * one.label_noise**2 / 2.0 / (1.0 - share)
    q[:, 0, 1:] = q[:, 1:, 0] = r[:, 1:] @ one.u
    q[:, 1:, 1:] = still.T @ first.q @ still
    back = np.column_stack([one.v / (one.v @ one.v), still])
    return back @ q @ back.T, back @ r


def alone(one, first, end):
    return integrate(one, first, [0.0, end])


def side_by_side(one, first, end):
    return integrate_batch([one], [first], [0.0, end])[0]


@pytest.mark.parametrize("run", [alone, side_by_side])
@pytest.mark.parametrize("weights", [[1.0, 0.7], [0.8, -0.5, 0.1]])
def test_steps_are_as_few_for_unequal_second_layers(run, weights, record_property):
    """A step is bounded by nothing that is at rest: it grows with time, as for equal weights."""
    one = problem(student_units=len(weights), student_weights=weights, label_noise=0.3)
    first, equal = start(one, dimension=100), replace(one, student_weights=[1.0] * len(weights))
    result, other = run(one, first, 1e9), run(equal, first, 1e9)
    record_property("measured", f"{result.stats['steps']:.0f} steps, equal weights {other.stats['steps']:.0f}")
    assert result.status == other.status == "complete"
    # Measured: 0.96 to 1.04; the transients differ.
    assert result.stats["steps"] < 1.2 * other.stats["steps"] < 300
    assert result.generalization_error[-1] == pytest.approx(theory.noise_floor(one), rel=1e-9)
    q, r = on_the_floor(one, first)
    # What moves is off by the tolerance, rtol = 1e-6; what is at rest by the rounding of being turned in every step.
    np.testing.assert_allclose(result.final.q, q, rtol=0.0, atol=1e-6 * np.abs(q).max())
    np.testing.assert_allclose(result.final.r, r, rtol=0.0, atol=1e-6 * np.abs(r).max())
    still = at_rest(one)
    np.testing.assert_allclose(still.T @ (result.final.q - first.q) @ still, 0.0, atol=1e-12)
    np.testing.assert_allclose(still.T @ (result.final.r - first.r), 0.0, atol=1e-12)


def test_large_networks_take_as_few_steps():
    """Their coupling is solved in another way (teacher_student/kernels/coefficients/large_networks.py)."""
    weights = 0.1 * np.arange(1.0, 9.0)
    one = problem(student_units=8, teacher_units=8, student_weights=weights, teacher_weights=None, label_noise=0.3)
    first, still = start(one, dimension=200), at_rest(one)
    result = alone(one, first, 1e9)
    assert result.status == "complete" and result.stats["steps"] < 300
    assert result.generalization_error[-1] == pytest.approx(theory.noise_floor(one), rel=1e-9)
    np.testing.assert_allclose(still.T @ (result.final.q - first.q) @ still, 0.0, atol=1e-12)
    np.testing.assert_allclose(still.T @ (result.final.r - first.r), 0.0, atol=1e-12)


@pytest.mark.parametrize("method", ["DOP853", "LSODA"])
def test_scipy_finds_the_same(method):
    one = problem(student_weights=[1.0, 0.7], label_noise=0.3)
    first = start(one, dimension=50)
    ours, theirs = (integrate(one, first, ALPHA, rtol=1e-8, method=name) for name in ("rodas5p", method))
    # Errors add up to some ten times rtol a step.
    np.testing.assert_allclose(ours.generalization_error, theirs.generalization_error, rtol=1e-7)
    np.testing.assert_allclose(ours.Q, theirs.Q, rtol=0.0, atol=1e-7)
    np.testing.assert_allclose(ours.R, theirs.R, rtol=0.0, atol=1e-7)
