"""Coefficients in difference form against the closed form of the averages in 60-digit arithmetic."""

import mpmath as mp
import numpy as np
import pytest

from ode_sgd.teacher_student.kernels.coefficients.difference_fields import RULES, quadrature
from ode_sgd.teacher_student.kernels.coefficients.near_teacher import (
    RESOLVED,
    difference_coefficients,
    difference_error,
    difference_linearised,
)
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count
from ode_sgd.teacher_student.model.activation import Activation

SIZES = [0.5, 0.13, 0.09, 2e-2, 1e-3, 1e-5, 1e-9, 1e-13, 1e-18]  # |delta| / |y|
V = {2: np.array([1.0, -0.7]), 3: np.array([0.8, 1.1, -0.5]), 1: np.array([1.3])}


@pytest.fixture(autouse=True)
def sixty_digits():
    with mp.workdps(60):
        yield


class Exact:
    """Averages of erf(x / sqrt 2), docs/theory/model.md section 4, for a covariance C (mp.matrix)."""

    def __init__(self, C):
        self.C, self.d = C, C.rows

    def gg(self, a, b):
        C = self.C
        return 2 / mp.pi * mp.asin(C[a, b] / mp.sqrt((1 + C[a, a]) * (1 + C[b, b])))

    def dgdg(self, a, b):
        C = self.C
        return 2 / mp.pi / mp.sqrt((1 + C[a, a]) * (1 + C[b, b]) - C[a, b] ** 2)

    def d2gg(self, a, b):
        C = self.C
        return -C[a, b] / (1 + C[a, a]) * self.dgdg(a, b)

    def dgdggg(self, a, b, c, e):
        C = self.C
        aa, bb, ab = 1 + C[a, a], 1 + C[b, b], C[a, b]
        ac, bc, ae, be = C[a, c], C[b, c], C[a, e], C[b, e]
        L4 = aa * bb - ab**2
        L0 = L4 * C[c, e] - ac * ae * bb - bc * be * aa + ab * (ac * be + ae * bc)
        L1 = L4 * (1 + C[c, c]) - ac**2 * bb - bc**2 * aa + 2 * ab * ac * bc
        L2 = L4 * (1 + C[e, e]) - ae**2 * bb - be**2 * aa + 2 * ab * ae * be
        return 4 / mp.pi**2 / mp.sqrt(L4) * mp.asin(L0 / mp.sqrt(L1 * L2))

    def coefficients(self, a):
        """D (K, K), F = D + E (K, K) and G (K, K)."""
        K, fields = self.d // 2, range(self.d)
        A, G = mp.matrix(K, self.d), mp.matrix(K, K)
        for i in range(K):
            for c in fields:
                A[i, c] += a[i] * a[c] * self.dgdg(i, c)
                A[i, i] += a[i] * a[c] * self.d2gg(i, c)
            for j in range(K):
                G[i, j] = a[i] * a[j] * sum(a[c] * a[e] * self.dgdggg(i, j, c, e) for c in fields for e in fields)
        return A[:, :K], A[:, :K] + A[:, K:], G

    def error(self, a):
        return sum(a[c] * a[e] * self.gg(c, e) for c in range(self.d) for e in range(self.d)) / 2


def differences(K, size, seed=0, straight=False):
    """Covariance of (delta, y): |delta| = size |y|, all teachers correlated; `straight` is delta orthogonal to y."""
    rng = np.random.default_rng((K, seed))
    B, J = rng.normal(size=(K, 3 * K)), rng.normal(size=(K, 3 * K))
    if straight:
        J -= J @ np.linalg.pinv(B) @ B
    B /= np.linalg.norm(B, axis=1)[:, None] / rng.uniform(0.7, 1.3, K)[:, None]
    J *= size * np.linalg.norm(B, axis=1)[:, None] / np.linalg.norm(J, axis=1)[:, None]
    X = np.concatenate([J, B])
    C = X @ X.T
    if straight:
        C[:K, K:] = C[K:, :K] = 0.0
    return C


def overlaps(C):
    """Of (x, y) from those of (delta, y), exactly."""
    K = len(C) // 2
    exact = mp.matrix(C.tolist())
    W = mp.eye(2 * K)
    for i in range(K):
        W[i, K + i] = 1
    return W * exact * W.T


def floats(matrix):
    return np.array([[float(matrix[i, j]) for j in range(matrix.cols)] for i in range(matrix.rows)])


def signed(K):
    return np.concatenate([V[K], -V[K]])


def computed(C, a, activation="erf"):
    K = len(a) // 2
    A, G = np.full((K, 2 * K), np.nan), np.full((K, K), np.nan)
    difference_coefficients(Activation(activation))(C, a, 0.0, A, G)
    return A[:, :K], A[:, K:], G


@pytest.mark.parametrize("straight", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("K", [1, 2, 3])
def test_error(K, size, straight, record_property):
    """1e-6 is what a tail needs; at the end of its range a rule leaves up to 6e-12 (4 nodes, sizes of 0.13)."""
    C, a = differences(K, size, straight=straight), signed(K)
    exact = Exact(overlaps(C)).error(a)
    value = difference_error(Activation("erf"))(C, a)
    error = abs(float(value / exact - 1))
    if K == 2:
        record_property("measured", f"eps_g = {float(exact):.1e}: relative error {error:.1e}")
    assert value > 0.0
    assert error < (1e-11 if size > 0.1 else 1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("K", [1, 2, 3])
def test_coefficients(K, size):
    """To 1e-12 (at sizes of 0.1, 1e-11) of each matrix's largest entry, also F ~ |delta| and G ~ |delta|^2."""
    C, a = differences(K, size), signed(K)
    expected = Exact(overlaps(C)).coefficients(a)
    for values, exact in zip(computed(C, a), map(floats, expected), strict=True):
        np.testing.assert_allclose(values, exact, rtol=0.0, atol=(1e-11 if size > 0.1 else 1e-12) * np.abs(exact).max())


LENGTHS = [0.3, 1e-2, 1e-5, 1e-7, 1.5e-8, 0.5e-8, 1e-9, 1e-15]
# The chain rule loses more digits the longer the teacher: 1.5e-8 is left out where it is ten times as long.
CASES = [
    *((size, straight, 1.0) for size in LENGTHS for straight in (False, True)),
    *((size, False, 10.0) for size in (1e-5, 1e-7, 0.5e-8, 1e-9)),
]


@pytest.mark.parametrize(("size", "straight", "teacher"), CASES)
def test_derivatives(size, straight, teacher):
    """By differences in 60 digits: everything that a change of the overlaps of relative size one does."""
    K = 2
    C, a, index = differences(K, size, straight=straight) * teacher**2, signed(K), overlap_index(K, K)
    P, pairs = row_count(2 * K, 0), K * (K + 1) // 2
    A, G = np.full((K, 2 * K), np.nan), np.full((K, K), np.nan)
    JA, JG = np.zeros((2 * K * K, P)), np.zeros((pairs, P))
    difference_linearised(Activation("erf"))(C, a, 0.0, index, A, G, JA, JG)
    D, F, G_plain = computed(C, a)
    np.testing.assert_array_equal(A, np.concatenate([D, F], axis=1))
    np.testing.assert_array_equal(G, G_plain)

    def flat(C):
        D, F, G = map(np.array, (part.tolist() for part in Exact(C).coefficients(a)))
        return np.concatenate([np.concatenate([D, F], axis=1).ravel(), G[np.triu_indices(K)]])

    W = mp.eye(2 * K)
    for i in range(K):
        W[i, K + i] = 1
    scale = np.concatenate([np.repeat(np.abs(A).max(), A.size), np.repeat(np.abs(G).max(), pairs)])
    # F is of order |delta|: its rows are held against that.
    scale[: A.size].reshape(A.shape)[:, K:] = np.abs(F).max()
    for b in range(K):
        for c in range(b, 2 * K):
            entry = (size**2 if c < K or straight else size) * teacher**2
            step = mp.mpf(entry) * mp.mpf(10) ** -20
            unit = mp.zeros(2 * K)
            unit[b, c] = unit[c, b] = step
            moved = mp.matrix(C.tolist())
            exact = (flat(W * (moved + unit) * W.T) - flat(W * (moved - unit) * W.T)) / (2 * step)
            found = np.concatenate([JA[:, index[b, c]], JG[:, index[b, c]]])
            # RESOLVED is where the two ways to find them meet; six digits are left of the worse one there.
            np.testing.assert_array_less(np.abs((found - exact).astype(float)) * entry, 1e-6 * scale + 1e-300)


@pytest.mark.parametrize("reach", [rule[0] for rule in RULES[:-1]])
def test_the_rules_meet(reach):
    """Nothing jumps where the number of nodes changes."""
    below, above = (differences(2, 1.0, seed=4) for _ in range(2))
    teachers = np.sqrt(1.0 + np.diag(below)[2:])
    ratio = np.max(np.sqrt(np.diag(below)[:2]) / teachers)
    sizes, matrices = np.array([reach * (1 - 1e-12), reach * (1 + 1e-12)]) / ratio, []
    for size, C in zip(sizes, (below, above), strict=True):
        C[:2] *= size
        C[:, :2] *= size
        matrices.append(C)
    assert quadrature(matrices[0])[0].size < quadrature(matrices[1])[0].size
    errors = [difference_error(Activation("erf"))(C, signed(2)) for C in matrices]
    # eps_g is of second order in the size, which differs by 2e-12; the rules' errors there are a few 1e-12.
    assert errors[1] / errors[0] == pytest.approx(1.0, abs=1e-11)


def test_linear_is_the_gram_matrix():
    """eps_g = v alpha v / 2, D = v v^T, F = 0, G = v v^T 2 eps_g, exactly."""
    C, a, v = differences(3, 1e-7), signed(3), V[3]
    error = 0.5 * v @ C[:3, :3] @ v
    assert difference_error(Activation("linear"))(C, a) == pytest.approx(error, rel=1e-14)
    D, F, G = computed(C, a, "linear")
    np.testing.assert_allclose(D, np.outer(v, v), rtol=1e-15)
    np.testing.assert_array_equal(F, 0.0)
    np.testing.assert_allclose(G, 2.0 * error * np.outer(v, v), rtol=1e-14)


def test_which_activations_have_it():
    assert Activation("erf").has_near_teacher_form
    assert Activation("linear").has_near_teacher_form
    assert RULES[0][0] ** 2 > RESOLVED  # the derivatives switch inside the range of the smallest rule
