"""The small dense algebra against NumPy's."""

import numpy as np
import pytest

from ode_sgd.teacher_student.kernels.sectors.small_matrices import factorise, substitute, symmetric_eigen


def eigen(D):
    K = D.shape[0]
    values, V = np.full(K, np.nan), np.full((K, K), np.nan)
    symmetric_eigen(D, values, V)
    return values, V


@pytest.mark.parametrize("K", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("seed", range(3))
def test_eigenvalues_and_vectors(K, seed):
    D = np.random.default_rng((K, seed)).normal(size=(K, K))
    D += D.T
    values, V = eigen(D)
    # Jacobi's rotations are backward stable: a few roundings of the norm, times sqrt K.
    tolerance = 1e-14 * np.linalg.norm(D)
    np.testing.assert_allclose(V.T @ V, np.eye(K), atol=1e-13)
    np.testing.assert_allclose(V * values @ V.T, D, rtol=0.0, atol=10 * tolerance)
    np.testing.assert_allclose(np.sort(values), np.linalg.eigvalsh(D), rtol=0.0, atol=tolerance)


def test_degenerate_eigenvalues():
    for D in (
        np.eye(4),
        np.zeros((3, 3)),
        np.ones((5, 5)),
        np.diag([1.0, 1.0, 2.0]),
        np.kron(np.eye(2), np.ones((2, 2))),
    ):
        values, V = eigen(D)
        np.testing.assert_allclose(V.T @ V, np.eye(len(D)), atol=1e-14)  # a few rotations
        np.testing.assert_allclose(V * values @ V.T, D, atol=1e-14)


def test_eigenvalues_of_very_different_size():
    """The stopping rule sees the largest; the error of any is a few roundings of it."""
    rng = np.random.default_rng(3)
    Q, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    exact = np.array([1.0, 1e-3, 1e-7, 1e-10])
    values, V = eigen(Q * exact @ Q.T)
    np.testing.assert_allclose(np.sort(values)[::-1], exact, rtol=0.0, atol=1e-14)
    np.testing.assert_allclose(V.T @ V, np.eye(4), atol=1e-14)


def test_only_the_symmetric_part_of_the_first_columns_counts():
    rng = np.random.default_rng(5)
    A = rng.normal(size=(3, 5))
    values, V = eigen(A)
    symmetric = 0.5 * (A[:, :3] + A[:, :3].T)
    np.testing.assert_allclose(V * values @ V.T, symmetric, atol=1e-14)


def solved(M, x):
    LU, pivots, result = M.copy(), np.zeros(len(M), np.int64), x.copy()
    assert factorise(LU, pivots)
    substitute(LU, pivots, result)
    return result


@pytest.mark.parametrize("p", [1, 2, 7, 36, 60])
def test_solutions(p):
    rng = np.random.default_rng(p)
    M, x = rng.normal(size=(p, p)), rng.normal(size=p)
    # Two backward stable solvers differ by the condition number times a rounding.
    np.testing.assert_allclose(solved(M, x), np.linalg.solve(M, x), rtol=0.0, atol=1e-14 * np.linalg.cond(M) * p)


def test_rows_are_exchanged():
    M = np.array([[0.0, 2.0, 1.0], [1e-20, 1.0, 0.0], [3.0, 0.0, 1.0]])
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(M @ solved(M, x), x, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_is_refused(bad):
    for at in [(0, 0), (1, 0), (2, 2)]:
        M = np.eye(3) + 0.1
        M[at] = bad
        assert not factorise(M, np.zeros(3, np.int64))


def test_singular_is_refused():
    for M in (np.zeros((2, 2)), np.ones((3, 3)), np.array([[1.0, 2.0], [2.0, 4.0]]), np.zeros((1, 1))):
        assert not factorise(M.copy(), np.zeros(len(M), np.int64))
