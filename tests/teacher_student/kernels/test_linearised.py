"""A, G and their analytic derivatives against differences of the coefficient kernel."""

import numpy as np
import pytest

from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count
from ode_sgd.teacher_student.model.activation import Activation
from tests.teacher_student.kernels.cases import covariance
from tests.teacher_student.kernels.stepping import derivative

SHAPES = [(2, 2), (3, 2), (1, 1), (1, 3)]


def linearised(activation, C, a, K, noise_variance):
    d = len(a)
    A, G = np.full((K, d), np.nan), np.full((K, K), np.nan)
    JA, JG = np.full((K * d, row_count(d, 0)), np.nan), np.full((K * (K + 1) // 2, row_count(d, 0)), np.nan)
    linearised_coefficients(Activation(activation))(C, a, noise_variance, overlap_index(K, d - K), A, G, JA, JG)
    return A, G, JA, JG


def coefficients(activation, C, a, K, noise_variance):
    A, G = np.empty((K, len(a))), np.empty((K, K))
    coefficient_kernels(Activation(activation)).coefficients(C, a, noise_variance, A, G)
    return A, G


def flat(A, G):
    """Rows of JA, then of JG."""
    return np.concatenate([A.ravel(), G[np.triu_indices(len(G))]])


def cases(K, M):
    for seed in range(3):
        yield covariance(K + M, seed, scale=0.5 + seed), np.random.default_rng(seed).normal(size=K + M)


@pytest.mark.parametrize("activation", ["erf", "linear", "quadratic"])
@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_values_are_those_of_the_coefficients(activation, K, M):
    for C, a in cases(K, M):
        A, G, _, _ = linearised(activation, C, a, K, 0.3)
        A_plain, G_plain = coefficients(activation, C, a, K, 0.3)
        # The same terms, summed in another order.
        np.testing.assert_allclose(A, A_plain, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(G, G_plain, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("activation", ["erf", "linear", "quadratic"])
@pytest.mark.parametrize(("K", "M"), SHAPES)
@pytest.mark.parametrize("noise_variance", [0.0, 0.7])
def test_derivatives_against_differences(activation, K, M, noise_variance):
    index = overlap_index(K, M)
    for C, a in cases(K, M):
        _, _, JA, JG = linearised(activation, C, a, K, noise_variance)
        J = np.concatenate([JA, JG])
        for b in range(K + M):
            for c in range(b, K + M):
                unit = np.zeros_like(C)
                unit[b, c] = unit[c, b] = 1.0

                def moved(e, C=C, a=a, unit=unit):
                    return flat(*coefficients(activation, C + e * unit, a, K, noise_variance))

                expected = derivative(moved, 0.0, 2e-3)
                # Truncation (2e-3)^6 times a seventh derivative of up to 1e4; rounding 1e-16 / 2e-3 is less.
                np.testing.assert_allclose(J[:, index[b, c]], expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_linear_coefficients_are_constant_or_linear(K, M):
    """A does not depend on C, and G = v_i v_j (a C a + sigma^2) has a constant derivative."""
    for C, a in cases(K, M):
        A, G, JA, JG = linearised("linear", C, a, K, 0.3)
        np.testing.assert_allclose(A, np.outer(a[:K], a), rtol=1e-14)
        np.testing.assert_allclose(G, np.outer(a[:K], a[:K]) * (a @ C @ a + 0.3), rtol=1e-12, atol=1e-14)
        assert (JA == 0.0).all()
        twice = np.outer(a, a) * (2.0 - np.eye(K + M))  # C_bc and C_cb are one variable
        expected = np.empty(JG.shape[1])
        expected[overlap_index(K, M)] = twice
        np.testing.assert_allclose(JG, np.outer(np.outer(a[:K], a[:K])[np.triu_indices(K)], expected), rtol=1e-13)


@pytest.mark.parametrize("activation", ["erf", "linear", "quadratic"])
def test_no_noise_derivative_without_noise(activation):
    """The derivative with noise less the one without is sigma^2 times that of v_i v_j E[g' g']: none for linear."""
    (C, a), *_ = cases(2, 2)
    _, _, JA, JG = linearised(activation, C, a, 2, 0.0)
    _, _, JA_noisy, JG_noisy = linearised(activation, C, a, 2, 2.0)
    np.testing.assert_array_equal(JA, JA_noisy)
    moved = np.abs(JG_noisy - JG).max(axis=0)
    students = overlap_index(2, 2)[:2, :2].ravel()
    others = np.setdiff1d(np.arange(moved.size), students)
    assert (moved[others] == 0.0).all()
    assert (moved[students] > 0.0).all() == (activation != "linear")
