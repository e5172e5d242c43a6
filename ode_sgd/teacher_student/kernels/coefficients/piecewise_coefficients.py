"""A, G, eps_g and their derivatives for g(x) = m x + h |x|, as a whole: what fields share is computed once.

With l = sum_c a_c z_c, u = sum_c a_c |z_c| and F = m l + h u, the sum over units in G is

    E[g'_i g'_j F^2] = m^2 E[F^2] + 2 m^2 h^2 (U_i + U_j) + h^2 (m^2 E[s_i s_j l^2] + h^2 E[s_i s_j u^2]),
    U_i = E[s_i l u],

of which only E[s_i s_j |z_c| |z_e|] for four different fields is more than a pair at a time: every set of four fields
is met once, and serves all pairs of students in it.
"""

from math import pi, sqrt

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room, zeros
from ode_sgd.teacher_student.kernels.coefficients.sign_averages import (
    ROOT,
    SIGNS,
    four_signs,
    inverse,
    is_neither,
    one_at_zero,
    pair_tables,
    pairs_at_zero,
    value_of_four,
)
from ode_sgd.teacher_student.kernels.coefficients.sign_gradients import (
    absolute,
    one_sign,
    two_signs,
)

_INTEGERS = np.zeros(1, dtype=np.int64)
EPSILON = float(np.finfo(float).eps)
# Rounding of A over eps / d, and of G over eps / d^2, with d the smallest angle, in the stages of a step; and what is
# never exceeded, where a run ends (measured; tests/teacher_student/test_relu.py).
OF_A, OF_G, MOST = 8.0, 0.05, 1e-9
# Of the six choices of two students among four fields: their places, then those of the others.
ROLES = np.array([[2, 3, 0, 1], [1, 3, 0, 2], [1, 2, 0, 3], [0, 3, 1, 2], [0, 2, 1, 3], [0, 1, 2, 3]])


@kernel()
def squared_error(m: float, h: float, C: Array, a: Array, tables: Array) -> float:
    """E[F^2] = 2 eps_g. Equations: (3.5) and (15.6)."""
    total = 0.0
    for c in range(a.size):
        total += a[c] * a[c] * (m * m + h * h) * C[c, c]
        for e in range(c):
            total += 2.0 * a[c] * a[e] * (m * m * C[c, e] + h * h * absolute(C, tables, c, e))
    return total


@kernel()
def fill_drift(m: float, h: float, C: Array, a: Array, tables: Array, A: Array) -> None:
    """Equations: (3.3) and (15.6)."""
    K, d = A.shape
    for i in range(K):
        curvature = 0.0
        for c in range(d):
            A[i, c] = a[i] * a[c] * (m * m + h * h * tables[SIGNS, i, c])
            curvature += a[c] * tables[ROOT, i, c]
        A[i, i] += a[i] * curvature * 2.0 * h * h / pi * inverse(C[i, i])


@kernel()
def covariances(C: Array, a: Array) -> Array:
    """Cov(l, z_c), (d,)."""
    shared = zeros(C, (a.size,))
    for c in range(a.size):
        for e in range(a.size):
            shared[c] += C[c, e] * a[e]
    return shared


@kernel()
def one_student(C: Array, a: Array, tables: Array, shared: Array, i: int) -> float:
    """U_i = E[s_i l u]. Equation: (15.3)."""
    total, per = 0.0, 2.0 / pi * shared[i] * inverse(C[i, i])
    for e in range(a.size):
        total += a[e] * (shared[e] * tables[SIGNS, i, e] + per * tables[ROOT, i, e])
    return total


@kernel()
def quadratic_forms(
    m: float, h: float, C: Array, a: Array, shared: Array, i: int, j: int
) -> tuple[float, float, float, float]:
    """What `two_signs` takes for m^2 l^2 + h^2 (sum over c, neither i nor j, of a_c^2 z_c^2)."""
    own, scale = 0.0, m * m
    for c in range(a.size):
        own += scale * a[c] * shared[c]
    ii, ij, jj = scale * shared[i] * shared[i], scale * shared[i] * shared[j], scale * shared[j] * shared[j]
    for c in range(a.size):
        if is_neither(c, i, j):
            weight = h * h * a[c] * a[c]
            own += weight * C[c, c]
            ii += weight * C[c, i] * C[c, i]
            ij += weight * C[c, i] * C[c, j]
            jj += weight * C[c, j] * C[c, j]
    return own, ii, ij, jj


@kernel()
def two_students(m: float, h: float, C: Array, a: Array, tables: Array, shared: Array, i: int, j: int) -> float:
    """m^2 E[s_i s_j l^2] + h^2 E[s_i s_j u^2] without the terms of four different fields. Equation: (15.3)."""
    own, ii, ij, jj = quadratic_forms(m, h, C, a, shared, i, j)
    total = a[i] * a[i] * one_sign(C, tables, j, i, i) + a[j] * a[j] * one_sign(C, tables, i, j, j)
    total += 2.0 * a[i] * a[j] * C[i, j]
    for c in range(a.size):
        if is_neither(c, i, j):
            total += 2.0 * a[c] * (a[i] * one_sign(C, tables, j, i, c) + a[j] * one_sign(C, tables, i, j, c))
    return two_signs(C, tables, i, j, own, ii, ij, jj) + h * h * total


@kernel(inline=True)
def next_set(w: Indices, K: int, d: int) -> bool:
    """The next four fields w_0 < w_1 < w_2 < w_3 < d, of which two are students, w_1 < K; False after the last."""
    for place in range(3, -1, -1):
        most = K - 2 + place if place < 2 else d - 4 + place
        if w[place] < most:
            w[place] += 1
            for later in range(place + 1, 4):
                w[later] = w[later - 1] + 1
            return True
    return False


@kernel()
def coefficients(m: float, h: float, C: Array, a: Array, noise_variance: float, A: Array, G: Array) -> None:
    """Fills A and G. Equations: (3.3), (3.4) and (15.8)."""
    K, d = A.shape
    tables, shared = pair_tables(C), covariances(C, a)
    mm, hh = m * m, h * h
    fill_drift(m, h, C, a, tables, A)
    error, U = squared_error(m, h, C, a, tables), room(C, (K,))
    for i in range(K):
        U[i] = one_student(C, a, tables, shared, i)
        G[i, i] = (mm + hh) * (error + noise_variance) + 4.0 * mm * hh * U[i]
        for j in range(i):
            G[i, j] = mm * error + noise_variance * (mm + hh * tables[SIGNS, i, j]) + 2.0 * mm * hh * (U[i] + U[j])
            G[i, j] += hh * two_students(m, h, C, a, tables, shared, i, j)
    if K >= 2 and d >= 4:
        add_sets(hh * hh, C, a, tables, G)
    for i in range(K):
        for j in range(i + 1):
            G[i, j] = G[j, i] = a[i] * a[j] * G[i, j]


@kernel()
def add_sets(scale: float, C: Array, a: Array, tables: Array, G: Array) -> None:
    """What every four different fields add to G below the diagonal. Equation: (15.8)."""
    K, d = G.shape[0], a.size
    W, V, H, w = zeros(C, (4, 4)), zeros(C, (4, 4)), zeros(C, (4, 4)), zeros(_INTEGERS, (4,))
    for place in range(4):
        w[place] = place
    more = True
    while more:
        four = four_signs(tables, w)
        pairs_at_zero(C, tables, w, W, V)
        one_at_zero(C, w, W, H)
        for n in range(6):
            c, e, i, j = ROLES[n, 2], ROLES[n, 3], ROLES[n, 0], ROLES[n, 1]
            if w[i] < K and w[j] < K:
                weight = 2.0 * scale * a[w[c]] * a[w[e]]
                G[w[j], w[i]] += weight * value_of_four(C, w, four, H, c, e, i, j)
        more = next_set(w, K, d)


@kernel()
def generalization_error(m: float, h: float, C: Array, a: Array) -> float:
    """eps_g. Equation: (3.5)."""
    return 0.5 * squared_error(m, h, C, a, pair_tables(C))


@kernel()
def error_terms(m: float, h: float, C: Array, a: Array) -> float:
    """The sum of the moduli of the terms of eps_g. Equation: (5.5)."""
    tables, total = pair_tables(C), 0.0
    for c in range(a.size):
        for e in range(a.size):
            total += abs(0.5 * a[c] * a[e] * (m * m * C[c, e] + h * h * absolute(C, tables, c, e)))
    return total


@kernel()
def overlap_rounding(C: Array, K: int) -> float:
    """What rounding of A and G leaves of C in a step, where a student is nearly parallel to another field.

    With d the sine of the smallest such angle: 1 - rho^2 = d^2 is rounded by eps, A is linear in d, and the terms of G
    hold ratios of what is left of two students without their partners, of the order d^2. Equation: (15.9).
    """
    largest, sharpest = 0.0, 1.0
    for i in range(K):
        for c in range(C.shape[0]):
            largest = max(largest, C[c, c])
            if c != i:
                sharpest = min(sharpest, 1.0 - C[i, c] * C[i, c] * inverse(C[i, i] * C[c, c]))
    sharpest = max(sharpest, EPSILON)
    return largest * min(MOST, EPSILON * (OF_A / sqrt(sharpest) + OF_G / sharpest))
