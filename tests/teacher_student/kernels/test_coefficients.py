"""A, G and eps_g against the plain loops, with closed and with directly integrated averages."""

import numpy as np
import pytest

from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.model.activation import Activation
from tests.reference import theory
from tests.reference.averages import CLOSED, direct
from tests.teacher_student.kernels.cases import covariance

# Sums of at most d^2 = 36 terms of order one: rounding is a few 1e-15.
ROUNDING = 1e-13


def computed(activation, C, a, K, noise_variance):
    A, G = np.full((K, len(a)), np.nan), np.full((K, K), np.nan)
    coefficient_kernels(Activation(activation)).coefficients(C, a, noise_variance, A, G)
    return A, G


@pytest.mark.parametrize("activation", ["erf", "linear", "quadratic"])
@pytest.mark.parametrize(("K", "M"), [(1, 1), (2, 2), (3, 1), (1, 3), (4, 2)])
@pytest.mark.parametrize("noise_variance", [0.0, 0.37])
def test_against_the_loops(activation, K, M, noise_variance):
    for seed in range(5):
        C, a = covariance(K + M, seed), np.random.default_rng(seed).normal(size=K + M)
        A, G = computed(activation, C, a, K, noise_variance)
        A_twin, G_twin = theory.coefficients(C, a, K, noise_variance, CLOSED[activation])
        np.testing.assert_allclose(A, A_twin, rtol=ROUNDING, atol=ROUNDING)
        np.testing.assert_allclose(G, G_twin, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("activation", ["erf", "linear", "quadratic"])
def test_against_direct_gaussian_averages(activation):
    """Nothing but the activation and the definition enters the right-hand side."""
    K, C, a = 2, covariance(4, 7), np.array([0.9, -1.2, -0.5, -1.1])
    A, G = computed(activation, C, a, K, 0.2)
    A_direct, G_direct = theory.coefficients(C, a, K, 0.2, direct(activation))
    # Up to 1e-13 an average (test_averages), and sixteen of them a coefficient.
    np.testing.assert_allclose(A, A_direct, rtol=0.0, atol=1e-11)
    np.testing.assert_allclose(G, G_direct, rtol=0.0, atol=1e-11)


@pytest.mark.parametrize("activation", ["erf", "linear", "quadratic"])
def test_coefficients_are_what_they_stand_for(activation):
    """D symmetric; G = E[delta delta^T], so positive semidefinite, and the noise adds sigma^2 v_i v_j E[g' g']."""
    K, C, a = 3, covariance(5, 11), np.array([1.0, -0.4, 0.7, -1.0, 0.3])
    A, G = computed(activation, C, a, K, 0.0)
    _, noisy = computed(activation, C, a, K, 2.0)
    np.testing.assert_allclose(A[:, :K], A[:, :K].T, rtol=ROUNDING)
    np.testing.assert_array_equal(G, G.T)
    assert np.linalg.eigvalsh(G).min() > -ROUNDING
    slopes = [[CLOSED[activation].dgdg(C, i, j) for j in range(K)] for i in range(K)]
    np.testing.assert_allclose(noisy - G, 2.0 * np.outer(a[:K], a[:K]) * slopes, rtol=1e-12)


@pytest.mark.parametrize("activation", ["erf", "linear", "quadratic"])
def test_generalization_error(activation):
    kernels = coefficient_kernels(Activation(activation))
    stack = np.array([covariance(4, seed) for seed in range(6)])
    a = np.array([1.0, 0.5, -0.7, -1.3])
    errors, terms = np.empty(6), np.empty(6)
    kernels.generalization_errors(stack, a, errors, terms)
    for C, error, scale in zip(stack, errors, terms, strict=True):
        expected = theory.generalization_error(C, a, direct(activation))
        assert error == pytest.approx(expected, rel=0.0, abs=1e-12)  # quadrature, as in test_averages
        assert kernels.generalization_error(C, a) == error
        gg = [[CLOSED[activation].gg(C, c, e) for e in range(4)] for c in range(4)]
        assert scale == pytest.approx(0.5 * np.abs(np.outer(a, a) * gg).sum(), rel=ROUNDING)
        assert abs(error) <= scale


def test_a_perfect_student_stands_still():
    """x = y and v = u: no error, no noise in the update, and A acts as zero on what student and teacher share."""
    C = np.kron(np.ones((2, 2)), covariance(2, 5))
    a = np.array([1.0, 0.6, -1.0, -0.6])
    A, G = computed("erf", C, a, 2, 0.0)
    np.testing.assert_allclose(G, 0.0, atol=1e-15)
    np.testing.assert_allclose(A @ C, 0.0, atol=1e-15)
