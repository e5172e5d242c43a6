"""Turning covariances, coefficients and derivatives into the eigenbasis of D."""

import numpy as np
import pytest

from ode_sgd.teacher_student.kernels.sectors.eigenbasis import (
    moving_directions,
    turn_coefficients,
    turn_covariance,
    turn_derivatives,
)
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count
from ode_sgd.teacher_student.kernels.sectors.small_matrices import symmetric_eigen
from ode_sgd.teacher_student.model.activation import Activation
from tests.teacher_student.kernels.cases import covariance
from tests.teacher_student.kernels.stepping import derivative
from tests.teacher_student.kernels.test_linearised import coefficients, flat, linearised

SHAPES = [(2, 2), (3, 2), (1, 3), (4, 4)]
ROUNDING = 1e-13  # sums of d^2 products of order one


def rotation(K, seed):
    return np.ascontiguousarray(np.linalg.qr(np.random.default_rng((K, seed)).normal(size=(K, K)))[0])


def block(V, M):
    """[V, 1]."""
    W = np.eye(len(V) + M)
    W[: len(V), : len(V)] = V
    return W


def rows_of(C, K, M):
    rows = np.empty(row_count(K, M))
    index = overlap_index(K, M)
    rows[index[:K]] = C[:K]
    return rows


def turned_back(rows, V, M, T):
    C = np.full((len(V) + M, len(V) + M), np.nan)
    turn_covariance(rows, V, overlap_index(len(V), M), T, C)
    return C


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_covariance_goes_there_and_back(K, M):
    C, V = covariance(K + M, 1), rotation(K, 1)
    W = block(V, M)
    there = W.T @ C @ W
    T = np.ascontiguousarray(C[K:, K:])
    np.testing.assert_allclose(turned_back(rows_of(there, K, M), V, M, T), C, rtol=0.0, atol=ROUNDING)
    again = turned_back(rows_of(C, K, M), np.ascontiguousarray(V.T), M, T)
    np.testing.assert_allclose(again, there, rtol=0.0, atol=ROUNDING)
    np.testing.assert_array_equal(again, again.T)


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_coefficients(K, M):
    rng = np.random.default_rng(2)
    A, G, V = rng.normal(size=(K, K + M)), rng.normal(size=(K, K)), rotation(K, 2)
    G += G.T
    turned_A, turned_G = A.copy(), G.copy()
    turn_coefficients(turned_A, turned_G, V, np.empty((K, K + M)))
    np.testing.assert_allclose(turned_A, V.T @ A @ block(V, M), rtol=0.0, atol=ROUNDING)
    np.testing.assert_allclose(turned_G, V.T @ G @ V, rtol=0.0, atol=ROUNDING)


@pytest.mark.parametrize(("K", "M"), [(2, 2), (3, 2), (1, 3)])
def test_d_becomes_diagonal(K, M):
    C, a = covariance(K + M, 4), np.random.default_rng(4).normal(size=K + M)
    A, G = coefficients("erf", C, a, K, 0.1)
    values, V = np.empty(K), np.empty((K, K))
    symmetric_eigen(A, values, V)
    turn_coefficients(A, G, V, np.empty_like(A))
    np.testing.assert_allclose(A[:, :K], np.diag(values), rtol=0.0, atol=ROUNDING)


@pytest.mark.parametrize(("K", "M"), [(2, 2), (3, 2), (1, 3)])
def test_derivatives_by_the_chain_rule(K, M):
    """Of A'(C') and G'(C') by differences along the entries of C', against the turned analytic ones."""
    C, a, V = covariance(K + M, 6), np.random.default_rng(6).normal(size=K + M), rotation(K, 6)
    W, index, p = block(V, M), overlap_index(K, M), row_count(K, M)
    _, _, JA, JG = linearised("erf", C, a, K, 0.2)
    turn_derivatives(JA, JG, V, index, np.empty((K * (K + M), p)))
    J = np.concatenate([JA, JG])
    there = W.T @ C @ W

    def turned(C_turned):
        A, G = coefficients("erf", np.ascontiguousarray(W @ C_turned @ W.T), a, K, 0.2)
        return flat(V.T @ A @ W, V.T @ G @ V)

    for b in range(K):
        for c in range(b, K + M):
            unit = np.zeros_like(C)
            unit[b, c] = unit[c, b] = 1.0
            expected = derivative(lambda e, unit=unit: turned(there + e * unit), 0.0, 2e-3)
            # As in test_linearised.
            np.testing.assert_allclose(J[:, index[b, c]], expected, rtol=1e-9, atol=1e-10)


def eigenbasis_of(activation, K, M):
    """A, G, JA, JG at a random covariance; eigenvalues and eigenvectors of D as found, and what is made of them."""
    C, a = covariance(K + M, 7), np.random.default_rng(7).normal(size=K + M)
    given = linearised(activation, C, a, K, 0.1)
    found, V = np.empty(K), np.empty((K, K))
    symmetric_eigen(given[0], found, V)
    L, moving = found.copy(), np.empty_like(V)
    moving_directions(Activation(activation))(L, V, moving)
    return given, found, V, L, moving


@pytest.mark.parametrize(("K", "M"), [(1, 3), (2, 2), (3, 2), (8, 8)])
def test_a_linear_network_moves_in_one_direction(K, M):
    """In all others coefficients and derivatives are exactly zero; in that one they are as they were."""
    (A, G, JA, JG), found, V, L, moving = eigenbasis_of("linear", K, M)
    W, d, top = block(V, M), K + M, int(np.argmax(found))
    rest = np.arange(K) != top
    expected = V.T @ A @ W, V.T @ G @ V
    turn_coefficients(A, G, moving, np.empty_like(A))
    turn_derivatives(JA, JG, moving, overlap_index(K, M), np.empty((K * d, row_count(K, M))))
    assert L[top] == found[top] and not L[rest].any()
    assert not A[rest].any() and not A[:, :K][:, rest].any() and not G[rest].any() and not G[:, rest].any()
    first, second = np.triu_indices(K)
    assert not JA.any() and not JG[rest[first] | rest[second], : row_count(K, M)].any()
    np.testing.assert_allclose(A, expected[0], rtol=0.0, atol=ROUNDING)
    np.testing.assert_allclose(G, expected[1], rtol=0.0, atol=ROUNDING)


def test_elsewhere_all_directions_move():
    """However slowly: nothing is taken for zero."""
    _, found, V, L, moving = eigenbasis_of("erf", 3, 2)
    np.testing.assert_array_equal(L, found)
    np.testing.assert_array_equal(moving, V)
    slow = np.array([1e-17, 1.0, -1e-30])
    moving_directions(Activation("erf"))(slow, V, moving)
    np.testing.assert_array_equal(slow, [1e-17, 1.0, -1e-30])
    np.testing.assert_array_equal(moving, V)
