"""The secular equation against dense and 60-digit eigenvalues."""

import mpmath
import numpy as np
import pytest

from ode_sgd.teacher_student.theory import secular


def power_law(n, beta, coupling):
    k = np.arange(n, 0.0, -1.0)
    return k ** -(1.0 + beta), coupling * k ** -(1.0 + beta)


def clustered():
    """Poles that differ by one unit in the last place, and couplings over twenty decades."""
    rng = np.random.default_rng(0)
    poles = np.sort(rng.uniform(0.1, 1.0, 80))
    poles[20:40] = poles[20] * (1.0 + np.finfo(float).eps * np.arange(20))
    poles = np.unique(poles)
    return poles, 10.0 ** rng.uniform(-20.0, -0.5, poles.size)


def wide():
    rng = np.random.default_rng(1)
    return np.sort(10.0 ** rng.uniform(-12.0, 0.0, 60)), 10.0 ** rng.uniform(-139.0, 0.0, 60)


def coincident():
    """Without its weak middle term the equation has a root at the middle pole: two eigenvalues 1e-9 beside it.

    There f is as flat as can be, and rounding in it moves the roots by 1e-7 of their distance.
    """
    return np.array([1.0, 2.0, 3.0]), np.sqrt([0.5, 1e-18, 1.5])


SYSTEMS = [
    power_law(1, 1.0, 0.3),
    power_law(2, 1.0, 0.3),
    *(power_law(150, beta, coupling) for beta in (0.5, 2.0) for coupling in (1e-6, 0.1, 0.9)),
    clustered(),
    wide(),
    coincident(),
]


def vectors(solved):
    return np.concatenate([inverse * solved.vector for _, inverse in solved.inverse_differences()])


@pytest.mark.parametrize(("poles", "vector"), SYSTEMS)
def test_eigenvalues_and_vectors(poles, vector):
    solved = secular.solve(poles, vector)
    matrix = np.diag(poles) - np.outer(vector, vector)
    scale = np.abs(matrix).max()
    # n rounding errors of numbers up to the scale
    np.testing.assert_allclose(solved.eigenvalues, np.linalg.eigvalsh(matrix), rtol=0.0, atol=1e-13 * scale)
    X = vectors(solved)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(X @ X.T, np.eye(poles.size), rtol=0.0, atol=1e-13)
    np.testing.assert_allclose(X.T @ (solved.eigenvalues[:, None] * X), matrix, rtol=0.0, atol=1e-13 * scale)
    # The equation solved is the one that was given, but for rounding in f.
    np.testing.assert_allclose(solved.vector**2, vector**2, rtol=1e-12, atol=1e-15)
    strengths = (X @ solved.vector) ** 2
    np.testing.assert_allclose(solved.strengths(), strengths, rtol=0.0, atol=1e-13 * scale)


@pytest.mark.parametrize(("poles", "vector"), SYSTEMS)
def test_interlacing(poles, vector):
    """Every eigenvalue lies strictly below its pole and above the one before: as offsets, not only as sums."""
    solved = secular.solve(poles, vector)
    from_own = (poles[solved.origins] - poles) + solved.offsets
    before = (poles[solved.origins[1:]] - poles[:-1]) + solved.offsets[1:]
    assert (from_own < 0.0).all()
    assert (before > 0.0).all()


def test_relative_precision_of_tiny_rates():
    """Rates over twelve decades, each to rounding: absolute precision would lose the small ones."""
    poles = 10.0 ** np.linspace(-12.0, 0.0, 9)
    vector = np.sqrt(poles) * np.linspace(0.1, 0.5, 9)
    solved = secular.solve(poles, vector)
    with mpmath.workdps(60):
        z = mpmath.matrix(vector)
        exact = mpmath.eigsy(mpmath.diag(list(map(mpmath.mpf, poles))) - z * z.T, eigvals_only=True)
        expected = np.sort([float(value) for value in exact])
    np.testing.assert_allclose(solved.eigenvalues, expected, rtol=1e-14)


def test_blocks_make_no_difference(monkeypatch):
    poles, vector = power_law(50, 1.0, 0.4)
    whole = secular.solve(poles, vector)
    monkeypatch.setattr(secular, "BLOCK", 170)  # three rows at once, two in the last block
    parts = secular.solve(poles, vector)
    # sums of fewer rows run in another order
    np.testing.assert_allclose(parts.eigenvalues, whole.eigenvalues, rtol=1e-14)
    np.testing.assert_allclose(parts.strengths(), whole.strengths(), rtol=1e-12)
    np.testing.assert_allclose(parts.sums(np.eye(50)), whole.sums(np.eye(50)), rtol=1e-11)
