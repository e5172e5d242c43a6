"""Averages, A, G and their derivatives for units that are linear on either side of zero."""

from itertools import product

import numpy as np
import pytest

from ode_sgd.teacher_student.kernels import averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count
from ode_sgd.teacher_student.model.activation import Activation
from tests.teacher_student.kernels.cases import covariance
from tests.teacher_student.kernels.stepping import derivative
from tests.teacher_student.kernels.test_sign_averages import GOLDEN

NAMES = ("relu", "leaky_relu")
GENERAL = "leaky_relu"  # m and h differ, so that no term can stand in for another
SLOTS = ((0, 0), (1, 1), (0, 1), (2, 2), (3, 3), (2, 3), (0, 2), (0, 3), (1, 2), (1, 3))
# Of ../shared/RULES.md, G2, and RULES_TRIALS.md: K = M = 2, v = u = 1, sigma = 0.2.
FOUR_FIELDS = {
    (0, 1, 2, 3): 0.11345021023721333,
    (0, 1, 0, 2): 0.16912581003695878,
    (0, 0, 2, 3): 0.1726712369984319,
    (0, 1, 2, 2): 0.16297663881160376,
    (0, 0, 0, 1): 0.2473393813306552,
}
SIGNED = np.array([1.0, 1.0, -1.0, -1.0])
A_GOLDEN = [
    [0.3508924671, 0.2966073747, -0.3254370351, -0.2638702103],
    [0.2966073747, 0.350850992, -0.2161935462, -0.3158450398],
]
G_GOLDEN = [[0.8703106012, 0.6446612613], [0.6446612613, 0.8160949259]]
SHAPES = [(1, 1), (2, 2), (3, 2), (1, 3), (2, 0)]


def coefficients(name, C, a, K, noise_variance):
    A, G = np.full((K, len(a)), np.nan), np.full((K, K), np.nan)
    coefficient_kernels(Activation(name)).coefficients(C, a, noise_variance, A, G)
    return A, G


def linearised(name, C, a, K, noise_variance):
    d = len(a)
    A, G = np.full((K, d), np.nan), np.full((K, K), np.nan)
    JA, JG = np.full((K * d, row_count(d, 0)), np.nan), np.full((K * (K + 1) // 2, row_count(d, 0)), np.nan)
    linearised_coefficients(Activation(name))(C, a, noise_variance, overlap_index(K, d - K), A, G, JA, JG)
    return A, G, JA, JG


def one_by_one(name, C, a, K, noise_variance):
    """A and G from the single averages of the file, in the plain sums of docs/theory/model.md (3.3) and (3.4)."""
    g, d = averages.load(name), len(a)
    A = np.array([[a[i] * a[c] * g.dgdg(C, i, c) for c in range(d)] for i in range(K)])
    A[range(K), range(K)] += [a[i] * sum(a[e] * g.d2gg(C, i, e) for e in range(d)) for i in range(K)]
    G = np.empty((K, K))
    for i, j in product(range(K), repeat=2):
        total = sum(a[c] * a[e] * g.dgdggg(C, i, j, c, e) for c, e in product(range(d), repeat=2))
        G[i, j] = a[i] * a[j] * (total + noise_variance * g.dgdg(C, i, j))
    return A, G


def flat(A, G):
    return np.concatenate([A.ravel(), G[np.triu_indices(len(G))]])


def test_golden_values():
    relu = averages.load("relu")
    for fields, value in FOUR_FIELDS.items():
        assert relu.dgdggg(GOLDEN, *fields) == pytest.approx(value, abs=1e-15)
    A, G = coefficients("relu", GOLDEN, SIGNED, 2, 0.04)
    np.testing.assert_allclose(A, A_GOLDEN, atol=1e-10)  # ten digits are given
    np.testing.assert_allclose(G, G_GOLDEN, atol=1e-10)
    error = coefficient_kernels(Activation("relu")).generalization_error(GOLDEN, SIGNED)
    assert error == pytest.approx(0.6294451439762219, abs=1e-15)
    _, _, JA, JG = linearised("relu", GOLDEN, SIGNED, 2, 0.04)
    index = overlap_index(2, 2)
    found = [JA[1, index[0, 1]], JA[0, index[0, 0]], JG[0, index[2, 3]], JG[1, index[2, 3]], JG[1, index[0, 1]]]
    known = [0.15995673629278, 0.05246952116194, 0.37761307769186, 0.24466307246443, 0.71521043846570]
    np.testing.assert_allclose(found, known, atol=1e-13)  # fourteen digits are given


@pytest.mark.parametrize("name", NAMES)
def test_averages_against_samples(name):
    """Within 4 standard errors of 10^6 seeded samples of the activation itself, equal fields among them."""
    g = averages.load(name)
    z = np.random.default_rng(0).standard_normal((1_000_000, 4)) @ np.linalg.cholesky(GOLDEN).T
    slope = np.where(z > 0.0, 1.0, g.slope(-1.0))
    values = slope * z

    def check(samples, average):
        assert abs(samples.mean() - average) < 4.0 * samples.std() / 1000.0

    for a, b in product(range(3), repeat=2):
        check(values[:, a] * values[:, b], g.gg(GOLDEN, a, b))
        check(slope[:, a] * slope[:, b], g.dgdg(GOLDEN, a, b))
    for a, b, c, e in [
        (0, 1, 2, 3),
        (0, 0, 2, 3),
        (0, 1, 0, 3),
        (0, 1, 0, 1),
        (0, 1, 2, 2),
        (1, 1, 1, 1),
        (2, 2, 2, 0),
    ]:
        check(slope[:, a] * slope[:, b] * values[:, c] * values[:, e], g.dgdggg(GOLDEN, a, b, c, e))


def test_the_bend_follows_from_slopes(name=GENERAL):
    """Stein: E[x g'(x) g(y)] = C_xx E[g''(x) g(y)] + C_xy E[g'(x) g'(y)], and x g'(x) = g(x) on either side of 0."""
    g = averages.load(name)
    for a, b in product(range(4), repeat=2):
        if a != b:
            stein = (g.gg(GOLDEN, a, b) - GOLDEN[a, b] * g.dgdg(GOLDEN, a, b)) / GOLDEN[a, a]
            assert g.d2gg(GOLDEN, a, b) == pytest.approx(stein, abs=1e-15)
    assert g.d2gg(GOLDEN, 1, 1) == 0.0


def test_gradients_of_single_averages(name=GENERAL):
    """Those of places that hold the same field add up."""
    g = averages.load(name)
    cases = [("dgdg", f) for f in product(range(2), repeat=2)] + [("d2gg", f) for f in product(range(2), repeat=2)]
    cases += [("dgdggg", f) for f in product(range(3), repeat=4)] + [("dgdggg", (0, 1, 2, 3)), ("dgdggg", (3, 1, 2, 0))]
    for average, fields in cases:
        slots = SLOTS if average == "dgdggg" else ((0, 0), (0, 1), (1, 1))
        value, *given = getattr(g, f"{average}_gradient")(GOLDEN, *fields)
        assert value == pytest.approx(getattr(g, average)(GOLDEN, *fields), abs=1e-15)
        total = np.zeros((4, 4))
        for (one, other), by in zip(slots, given, strict=True):
            total[min(fields[one], fields[other]), max(fields[one], fields[other])] += by
        for b, c in zip(*np.triu_indices(4), strict=True):
            unit = np.zeros((4, 4))
            unit[b, c] = unit[c, b] = 1.0

            def moved(e, average=average, fields=fields, unit=unit):
                return getattr(g, average)(GOLDEN + e * unit, *fields)

            # Truncation of sixth order at 2e-3 and rounding 1e-16 / 2e-3, both below 1e-12.
            assert total[b, c] == pytest.approx(derivative(moved, 0.0, 2e-3), abs=1e-11), (average, fields, b, c)


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_coefficients_as_a_whole(K, M, name=GENERAL):
    """The plain sums, and the values that come with the derivatives: sums of some 50 terms of order one."""
    for seed in range(3):
        C, a = covariance(K + M, seed), np.random.default_rng(seed).normal(size=K + M)
        A, G = coefficients(name, C, a, K, 0.37)
        for other in (one_by_one(name, C, a, K, 0.37), linearised(name, C, a, K, 0.37)[:2]):
            np.testing.assert_allclose(A, other[0], rtol=0.0, atol=1e-14)
            np.testing.assert_allclose(G, other[1], rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("K", "M"), [*SHAPES, (4, 3)])
def test_derivatives_against_differences(name, K, M):
    index = overlap_index(K, M)
    C, a = covariance(K + M, 1), np.random.default_rng(1).normal(size=K + M)
    _, _, JA, JG = linearised(name, C, a, K, 0.7)
    J = np.concatenate([JA, JG])
    step = 2e-2 * np.linalg.eigvalsh(C)[0]  # further on C is singular
    for b, c in zip(*np.triu_indices(K + M), strict=True):
        unit = np.zeros_like(C)
        unit[b, c] = unit[c, b] = 1.0
        expected = derivative(lambda e, unit=unit: flat(*coefficients(name, C + e * unit, a, K, 0.7)), 0.0, step)
        np.testing.assert_allclose(J[:, index[b, c]], expected, rtol=1e-7, atol=1e-8)


def test_both_leaks_together_are_linear():
    """With a leak of 1 the unit is linear: h = 0."""
    from ode_sgd.teacher_student.kernels.coefficients import piecewise_coefficients, piecewise_linearised

    C, a, index = covariance(4, 0), np.array([1.0, 0.4, -0.7, -1.1]), overlap_index(2, 2)
    A, G, JA, JG = np.empty((2, 4)), np.empty((2, 2)), np.empty((8, 10)), np.empty((3, 10))
    piecewise_linearised.linearise(1.0, 0.0, C, a, 0.3, index, A, G, JA, JG)
    np.testing.assert_allclose(A, np.outer(a[:2], a), rtol=1e-14)
    np.testing.assert_allclose(G, np.outer(a[:2], a[:2]) * (a @ C @ a + 0.3), rtol=1e-13)
    assert (JA == 0.0).all()
    assert piecewise_coefficients.generalization_error(1.0, 0.0, C, a) == pytest.approx(0.5 * a @ C @ a, rel=1e-13)


def test_units_of_any_scale():
    """g(s x) = s g(x): A does not change, G and eps_g by s^2."""
    C, a = covariance(5, 3), np.array([0.5, -1.2, 0.8, -1.0, 0.3])
    A, G = coefficients("relu", C, a, 3, 0.0)
    scaled = coefficients("relu", 1e12 * C, a, 3, 0.0)
    np.testing.assert_allclose(scaled[0], A, rtol=0.0, atol=1e-15)
    np.testing.assert_allclose(scaled[1], 1e12 * G, rtol=1e-13, atol=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_infinite_at_a_kink(name):
    """Students of zero norm, equal, opposite, or on their teachers: what has no derivative counts as zero."""
    for X in (
        [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.3, 1.0]],
        [[1.0, 0.2], [1.0, 0.2], [0.0, 1.0], [0.3, 1.0]],
        [[1.0, 0.2], [-2.0, -0.4], [0.0, 1.0], [0.3, 1.0]],
        [[1.0, 0.2], [-1.0, 0.7], [1.0, 0.2], [-1.0, 0.7]],
    ):
        C = np.array(X) @ np.array(X).T
        assert all(np.isfinite(part).all() for part in linearised(name, C, SIGNED, 2, 0.3))


def test_a_perfect_student_stands_still():
    C = np.kron(np.ones((2, 2)), covariance(2, 5))
    a = np.array([1.0, 0.6, -1.0, -0.6])
    A, G = coefficients("relu", C, a, 2, 0.0)
    np.testing.assert_allclose(G, 0.0, atol=1e-15)
    np.testing.assert_allclose(A @ C, 0.0, atol=1e-15)
