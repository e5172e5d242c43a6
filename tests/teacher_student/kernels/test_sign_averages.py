"""E[s_a s_b s_c s_e] against closed forms and a fine rule, and what it is differentiated to."""

from math import asin, pi

import numpy as np
import pytest

from ode_sgd.teacher_student.kernels.coefficients.sign_averages import (
    SIGNS,
    four_signs,
    one_at_zero,
    pair_tables,
    pairs_at_zero,
)

FIELDS = np.arange(4)
GOLDEN = np.array([[1.2, 0.3, 0.5, 0.1], [0.3, 0.9, -0.2, 0.4], [0.5, -0.2, 1.0, 0.25], [0.1, 0.4, 0.25, 1.1]])


def four(C):
    return four_signs(pair_tables(np.ascontiguousarray(C)), FIELDS)


def orthant(C):
    """P(all four positive): a sixteenth of the sum of E over all even products of signs."""
    tables = pair_tables(C)
    return (1.0 + tables[SIGNS][np.triu_indices(4, 1)].sum() + four_signs(tables, FIELDS)) / 16.0


def fine(C, nodes=400):
    """Plackett's identity from two pairs, 01 and 23, to all four, by a rule that crowds at t = 1."""
    R = C / np.sqrt(np.outer(np.diag(C), np.diag(C)))
    x, w = np.polynomial.legendre.leggauss(nodes)
    left = 0.5 * (1.0 - x)
    total = 0.0
    for t, weight in zip(np.sqrt(1.0 - left**6), 3.0 * w * left**5, strict=True):
        S = R.copy()
        S[:2, 2:] *= t
        S[2:, :2] *= t
        for i, j, p, q in ((0, 2, 1, 3), (0, 3, 1, 2), (1, 2, 0, 3), (1, 3, 0, 2)):
            given = S[np.ix_([p, q], [i, j])]
            rest = S[np.ix_([p, q], [p, q])] - given @ np.linalg.solve(S[np.ix_([i, j], [i, j])], given.T)
            signs = asin(max(-1.0, min(1.0, rest[0, 1] / np.sqrt(rest[0, 0] * rest[1, 1]))))
            total += weight / (2.0 * t) * R[i, j] / np.sqrt(1.0 - S[i, j] ** 2) * signs
    return 4.0 / pi**2 * (asin(R[0, 1]) * asin(R[2, 3]) + total)


def test_known_values():
    assert orthant(GOLDEN) == pytest.approx(0.12233153623221729, abs=1e-15)  # ../shared/RULES.md, G2
    assert orthant(0.5 * (np.eye(4) + 1.0)) == pytest.approx(0.2, abs=1e-15)
    assert orthant(np.eye(4)) == 1.0 / 16.0


def test_independent_pairs():
    C = np.kron(np.eye(2), [[1.0, 0.6], [0.6, 2.0]])
    expected = (2.0 / pi * asin(0.6 / np.sqrt(2.0))) ** 2
    for order in ([0, 1, 2, 3], [0, 2, 1, 3], [3, 0, 2, 1]):
        assert four(C[np.ix_(order, order)]) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_field_twice(sign):
    """s s = 1: what is left is the average of two."""
    C = GOLDEN[np.ix_([0, 1, 2, 2], [0, 1, 2, 2])]
    C[3] *= sign
    C[:, 3] *= sign
    expected = sign * 2.0 / pi * asin(0.3 / np.sqrt(1.2 * 0.9))
    for order in ([0, 1, 2, 3], [0, 2, 1, 3], [2, 1, 0, 3]):
        assert four(C[np.ix_(order, order)]) == pytest.approx(expected, abs=1e-14)


def students_and_teachers(distance, seed):
    rng = np.random.default_rng(seed)
    B = rng.standard_normal((2, 6))
    X = np.concatenate([B + distance * rng.standard_normal((2, 6)), B])
    return (X @ X.T)[np.ix_([0, 2, 1, 3], [0, 2, 1, 3])]  # a student beside its teacher, as `fine` pairs them


@pytest.mark.parametrize(("distance", "error"), [(1.0, 1e-15), (1e-1, 1e-12), (1e-3, 1e-9), (1e-6, 1e-3)])
def test_students_near_teachers(distance, error):
    """The rounding of C by 1e-16 is one by 1e-16 / distance^2 of what a student has apart from its teacher.

    It is in either side, and moves the average no more than C itself does; the bound is that of the ratio.
    """
    for seed in range(3):
        C = students_and_teachers(distance, seed)
        assert four(C) == pytest.approx(fine(C), abs=error)


@pytest.mark.parametrize(
    ("rank", "rest", "error"), [(3, 1e-1, 1e-12), (3, 1e-3, 1e-12), (2, 1e-1, 1e-9), (2, 1e-2, 1e-9)]
)
def test_nearly_dependent_fields(rank, rest, error):
    """As on a plateau, where students are combinations of the teachers."""
    for seed in range(4):
        X = np.random.default_rng(seed).standard_normal((4, 6))
        X[:, rank:] *= rest
        C = X @ X.T
        R = np.abs(C / np.sqrt(np.outer(np.diag(C), np.diag(C)))) - np.eye(4)
        i, j = np.unravel_index(R.argmax(), (4, 4))  # the pairing whose correlation is largest, as in the kernel
        order = [i, j, *(k for k in range(4) if k not in (i, j))]
        assert four(C) == pytest.approx(fine(C[np.ix_(order, order)]), abs=error)


def test_any_order_of_fields():
    for order in ([1, 0, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]):
        assert four(GOLDEN[np.ix_(order, order)]) == pytest.approx(four(GOLDEN), abs=1e-15)


def test_its_derivatives():
    """dE/dC_ab = W_ab, by differences of fourth order: 1e-12 of truncation, 1e-13 of rounding."""
    tables, W, V, H = pair_tables(GOLDEN), *np.zeros((3, 4, 4))
    pairs_at_zero(GOLDEN, tables, FIELDS, W, V)
    one_at_zero(GOLDEN, FIELDS, W, H)
    for a, b in zip(*np.triu_indices(4, 1), strict=True):
        unit = np.zeros((4, 4))
        unit[a, b] = unit[b, a] = 1e-3
        change = 8.0 * (four(GOLDEN + unit) - four(GOLDEN - unit)) - four(GOLDEN + 2 * unit) + four(GOLDEN - 2 * unit)
        assert W[a, b] == pytest.approx(change / 12e-3, abs=1e-11)
    assert (np.diag(H) == 0.0).all()


def test_nothing_is_infinite():
    """Zero fields, parallel and opposite ones; three of one direction."""
    x = np.array([1.0, 2.0])
    for X in (np.zeros((4, 2)), np.outer([1.0, -2.0, 0.5, 1e-9], x), np.array([x, x, x, [2.0, -1.0]])):
        C = X @ X.T
        tables, W, V, H = pair_tables(C), *np.zeros((3, 4, 4))
        pairs_at_zero(C, tables, FIELDS, W, V)
        one_at_zero(C, FIELDS, W, H)
        assert np.isfinite([four(C), *W.ravel(), *V.ravel(), *H.ravel(), *tables.ravel()]).all()
