"""Fluctuations along the ODE: golden values, exact linear theory, simulations, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, OrderParameters, Problem, Schedule, Spectrum, fluctuations, theory
from ode_sgd.teacher_student.fluctuations.increments import Increments
from ode_sgd.teacher_student.fluctuations.response import Response
from tests.teacher_student.fluctuations.chain_statistics import statistics

TWO = Spectrum([1.6, 0.4], [0.5, 0.5])


def single(**changes):
    """K = M = 1, both sectors with q = 0.36, r = 0.24, t = 1."""
    settings = {"student_units": 1, "teacher_units": 1, "learning_rate": 0.8, "label_noise": 0.3} | changes
    start = OrderParameters(np.full((2, 1, 1), 0.36), np.full((2, 1, 1), 0.24), np.ones((2, 1, 1)))
    return Problem(spectrum=TWO, **settings), start


# Golden values: RK4 of 200 steps up to alpha = 6, second derivatives of the drift by differences of the drift itself.
GOLDEN_S = {
    1: [0.1269598264, 0.3044366976, 0.1146277888, 0.1528682809],
    2: [0.1002069182, 0.3255162827, 0.1193399095, 0.2053924435],
}
GOLDEN_PAIRS = {  # of 01, 02, 03 and 13
    1: [0.18570009746213595, -0.010290331895987584, -0.02148404842408109, -0.036665319309912965],
    2: [0.1766990912425171, -0.011273612974488999, -0.016995386454944698, -0.032048036793058614],
}
GOLDEN_B = {
    1: [0.1001314734, 0.1841016268, 0.0095475752, 0.0135503332],
    2: [0.0863421782, 0.1725763269, 0.0100037823, 0.0182986056],
}


def test_golden_values():
    """Covariance to 6e-8 and bias to 3e-8, which their steps and differences leave."""
    problem, start = single()
    found = fluctuations(problem, start, [0.0, 3.0, 6.0], rtol=1e-8, sectors=True)
    for time in (1, 2):
        S = found.sector_covariance[time].reshape(4, 4)
        np.testing.assert_allclose(np.diag(S), GOLDEN_S[time], rtol=0, atol=6e-8)
        np.testing.assert_allclose(S[[0, 0, 0, 1], [1, 2, 3, 3]], GOLDEN_PAIRS[time], rtol=0, atol=3e-8)
        np.testing.assert_allclose(found.sector_bias[time].ravel(), GOLDEN_B[time], rtol=0, atol=3e-8)


def _without_curvature(monkeypatch):
    monkeypatch.setattr(Response, "curvature", lambda self, S: np.zeros(S.shape[:2]))


def _without_further_drift(monkeypatch):
    monkeypatch.setattr(Increments, "_further_drift", lambda self, c, A, m: np.zeros((len(c), 2)))


def _without_steps(monkeypatch):
    monkeypatch.setattr(Response, "drift", lambda self: np.zeros((len(self.c), 2)))


@pytest.mark.parametrize("drop", [_without_curvature, _without_further_drift, _without_steps])
def test_the_bias_needs_each_of_its_terms(drop, monkeypatch):
    drop(monkeypatch)
    problem, start = single()
    found = fluctuations(problem, start, [0.0, 3.0], rtol=1e-4, sectors=True)
    assert np.abs(found.sector_bias[1].ravel() - GOLDEN_B[1]).max() > 0.01


def test_linear_networks_have_exact_means_and_variances():
    """N (mean - ODE) and N Var of the exact theory at N and 2 N, extrapolated: what is left is of order 1/N^2."""
    spectrum = Spectrum([2.0, 1.0, 0.3], [0.2, 0.3, 0.5])
    problem = Problem(
        spectrum=spectrum,
        student_units=2,
        teacher_units=2,
        learning_rate=0.4,
        label_noise=0.3,
        activation="linear",
        trainable=2,
    )
    start = OrderParameters.random(problem, 100, student_scale=0.6, seed=3)
    alpha, N = np.array([0.0, 1.0, 3.0, 6.0]), 20000
    found = fluctuations(problem, start, alpha, rtol=1e-8)
    limit = theory.linear_order_parameters(problem, start, alpha)
    runs = [theory.linear_order_parameters(problem, start, alpha, dimension=n) for n in (N, 2 * N)]
    for name, bias in (
        ("generalization_error", found.error_bias),
        ("Q", found.Q_bias),
        ("R", found.R_bias),
    ):
        first, second = (
            n * (getattr(run, name) - getattr(limit, name)) for n, run in zip((N, 2 * N), runs, strict=True)
        )
        np.testing.assert_allclose(bias, 2 * second - first, atol=2e-7)
    first, second = (n * theory.linear_error_variance(problem, start, alpha, dimension=n) for n in (N, 2 * N))
    np.testing.assert_allclose(found.error_variance, 2 * second - first, rtol=2e-6)
    assert found.averages_error == 0.0


def linear_means(N, alpha, eta, kappa, batch, sigma, q, r):
    """Exact means of q and r of one linear unit on white inputs after each time, step by step; t = 1."""
    kept, found = 1.0 - eta * kappa / N, []
    for step in range(round(alpha[-1] * N) + 1):
        if step / N in alpha:
            found.append((q, r))
        error = q - 2 * r + 1.0
        one = N * (sigma**2 + error) + 2 * error  # E[delta^2 xi^2] of one input
        square = one / batch + (1 - 1 / batch) * error
        q, r = (
            kept**2 * q - 2 * kept * eta / N * (q - r) + eta**2 / N**2 * square,
            kept * r - eta / N * (r - 1.0),
        )
    return np.array(found)


def test_bias_of_batches_and_decay_is_that_of_exact_means():
    """Of a linear unit, whose means close; extrapolated from N and 2 N."""
    numbers = {"eta": 0.6, "kappa": 0.4, "batch": 3, "sigma": 0.5, "q": 0.5, "r": 0.3}
    problem = Problem(
        spectrum=Spectrum.isotropic(),
        student_units=1,
        teacher_units=1,
        activation="linear",
        learning_rate=0.6,
        weight_decay=0.4,
        batch_size=3,
        label_noise=0.5,
    )
    start = OrderParameters([[[0.5]]], [[[0.3]]], [[[1.0]]])
    alpha, N = [0.0, 1.0, 2.0], 1024
    found = fluctuations(problem, start, alpha, rtol=1e-8)
    limit = ode_sgd.integrate(problem, start, alpha, rtol=1e-13)
    ode = np.stack([limit.Q[:, 0, 0], limit.R[:, 0, 0]], axis=1)
    first, second = (n * (linear_means(n, alpha, **numbers) - ode) for n in (N, 2 * N))
    expected = 2 * second - first
    np.testing.assert_allclose(found.Q_bias[:, 0, 0], expected[:, 0], atol=3e-6)
    np.testing.assert_allclose(found.R_bias[:, 0, 0], expected[:, 1], atol=3e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_size": 3, "weight_decay": 0.4},
        {"activation": "quadratic", "learning_rate": 0.02},
        {"activation": "relu", "learning_rate": 0.4},
    ],
    ids=["erf", "batches and decay", "quadratic", "relu"],
)
def test_simulations_have_these_variances_and_means(changes, record_property):
    """5000 runs at N = 100: a variance has a standard error of 2 %, theory leaves 1/N times some number."""
    problem, start = single(**changes)
    one = statistics(problem, start, [0.0, 0.5, 1.0], dimension=100, replicas=5000, seed=7)
    record_property("measured", f"{one}")
    assert np.abs(one.ratios - 1.0).max() < 0.13
    assert np.abs(one.error_ratios - 1.0).max() < 0.13
    assert np.abs(one.z).max() < 4.0
    assert np.abs(one.error_z).max() < 4.0


def test_students_drawn_beside_a_fixed_teacher():
    """The covariance at the start, over 4000 draws of students that are correlated with their teachers."""
    N, draws = 40, 4000
    problem, _ = single(student_units=2, teacher_units=2, student_weights=(1.0, 0.5))
    random = np.random.default_rng(5)
    B = random.standard_normal((2, N))
    m, width = np.array([[0.5, 0.2], [-0.3, 0.4]]), np.array([[0.5, 0.0], [0.2, 0.6]])
    teacher = OrderParameters.from_weights(np.zeros((2, N)), B, TWO).t
    r = m @ teacher
    q = r @ m.T + width @ width.T
    found = fluctuations(
        problem, OrderParameters(q, r, teacher), [0.0, 0.5], random_start=True, sectors=True, rtol=1e-3
    )
    drawn = [OrderParameters.from_weights(m @ B + width @ random.standard_normal((2, N)), B, TWO) for _ in range(draws)]
    i, j = np.triu_indices(2)
    values = np.array([np.concatenate([one.r.reshape(2, 4), one.q[:, i, j]], axis=1).ravel() for one in drawn])
    S = found.sector_covariance[0].reshape(14, 14)
    sizes = np.sqrt(np.diag(S))
    apart = (N * np.cov(values.T) - S) / np.outer(sizes, sizes)
    assert np.abs(apart).max() < 4.5 * np.sqrt(2.0 / draws)
    assert found.random_start and found.error_variance[0] > 0.0


def test_a_comparison_takes_bias_and_variance():
    """4000 runs at N = 50 see that the ODE is not their mean; without an allowance they agree with its correction."""
    problem, start = single()
    sgd = ode_sgd.simulate(problem, start, [0.0, 0.5, 1.0, 2.0], dimension=50, replicas=4000, seed=1)
    ode = ode_sgd.integrate(problem, start, sgd.alpha)
    found = fluctuations(problem, start, sgd.alpha)
    agreement = ode_sgd.compare(ode, sgd, fluctuations=found)
    assert agreement.corrected and agreement.agrees
    assert set(agreement.bias_allowance.values()) == {0.0}
    assert "bias and variance of order 1/N, at N = 50" in agreement.verdict
    wrong = replace(found, biases=np.zeros_like(found.biases))
    assert ode_sgd.compare(ode, sgd, fluctuations=wrong).outcome == "disagree"
    wide = replace(found, covariances=100.0 * found.covariances)
    assert ode_sgd.compare(ode, sgd, fluctuations=wide).rms < 0.3
    with pytest.raises(ode_sgd.ComparisonError, match="fluctuations is a bool; give"):
        ode_sgd.compare(ode, sgd, fluctuations=True)
    large = replace(found, biases=np.repeat(100.0 * found.ode.generalization_error[:, None], len(found.names), axis=1))
    with pytest.raises(ode_sgd.ComparisonError, match=r"not small from alpha = .* 200% of it; compare earlier times"):
        ode_sgd.compare(ode, sgd, fluctuations=large)
    with pytest.raises(ode_sgd.ComparisonError, match="fluctuations"):
        ode_sgd.compare(ode, sgd, fluctuations=fluctuations(problem, start, [0.0, 1.0], rtol=1e-3))
    with pytest.raises(ode_sgd.ComparisonError, match="another problem"):
        ode_sgd.compare(ode, sgd, fluctuations=fluctuations(replace(problem, label_noise=0.0), start, sgd.alpha))


def test_observables_by_name():
    problem, start = single(student_units=2, teacher_units=2)
    start = OrderParameters.random(problem, 40, student_scale=0.5, seed=1)
    found = fluctuations(problem, start, [0.0, 1.0], rtol=1e-3, sectors=True)
    assert found.Q_variance.shape == (2, 2, 2) and found.R_bias.shape == (2, 2, 2)
    assert found.Q_variance[1, 0, 1] == found.covariance("Q_12")[1] == found.Q_variance[1, 1, 0]
    assert found.R_variance[1, 1, 0] == found.covariance("R_21", "R_21")[1]
    np.testing.assert_allclose(found.covariance("Q_11", "R_12"), found.covariance("R_12", "Q_11"))
    variance = problem.spectrum.powers(1)
    S = found.sector_covariance[1]
    assert found.covariance("R_12")[1] == pytest.approx(np.einsum("k,l,kl->", variance, variance, S[:, 1, :, 1]))
    assert found.error_variance[0] == 0.0 and found.error_bias[0] == 0.0
    assert np.linalg.eigvalsh(found.covariances[1]).min() > -1e-9
    with pytest.raises(ValueError):
        found.covariances[0, 0, 0] = 1.0
    with pytest.raises(ode_sgd.AnalysisError, match=r"Q_13.*there are generalization_error, Q_11"):
        found.covariance("Q_13")
    assert "variance" in repr(found)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"gradient_flow": True}, "gradient_flow = True has no steps"),
        ({"learning_rate": Schedule.power(0.8, 0.5, 1.0)}, "learning_rate change with alpha"),
        ({"second_layer_rate": 0.1}, "second_layer_rate = 0.1"),
        ({"spherical": True}, "spherical = True"),
        ({"optimizer": ode_sgd.optimizers.HeavyBall(friction=1.0)}, "optimizer = "),
    ],
)
def test_rules_with_other_increments_are_refused(changes, told):
    problem, start = single(**changes)
    with pytest.raises(InvalidProblem, match=told):
        fluctuations(problem, start, [0.0, 1.0])


def test_students_that_are_their_teachers_stay_there_without_noise():
    """All increments vanish, in a C that is singular: what is left is rounding, and takes no steps of its own."""
    problem, _ = single(label_noise=0.0)
    one = np.ones((2, 1, 1))
    found = fluctuations(problem, OrderParameters(one, one, one), [0.0, 5.0])
    assert np.abs(found.covariances).max() < 1e-25 and np.abs(found.biases).max() < 1e-12
    alone = fluctuations(problem, OrderParameters(one, one, one), [0.0])
    assert alone.averages_error == 0.0 and alone.covariances.shape == (1, 3, 3)


def test_an_ode_that_diverges_has_no_fluctuations():
    problem, start = single(activation="linear", learning_rate=8.0)
    with pytest.raises(InvalidProblem, match="the ODE ends at alpha = "):
        fluctuations(problem, start, [0.0, 200.0])


def test_too_many_overlaps_and_too_fine_a_tolerance_are_refused():
    problem, start = single()
    with pytest.raises(InvalidProblem, match="1e-10 <= rtol"):
        fluctuations(problem, start, [0.0, 1.0], rtol=1e-12)
    wide = replace(problem, spectrum=Spectrum.power_law(301, 1.0))
    with pytest.raises(InvalidProblem, match="602 overlaps that move"):
        fluctuations(wide, OrderParameters.typical(wide, 0.5), [0.0, 1.0])
