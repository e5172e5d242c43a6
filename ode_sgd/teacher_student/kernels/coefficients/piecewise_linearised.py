"""The derivatives of A and G for g(x) = m x + h |x|, term by term as piecewise_coefficients.py has them."""

from math import pi

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room, zeros
from ode_sgd.teacher_student.kernels.coefficients.piecewise_coefficients import (
    ROLES,
    covariances,
    fill_drift,
    next_set,
    one_student,
    quadratic_forms,
    squared_error,
    two_students,
)
from ode_sgd.teacher_student.kernels.coefficients.sign_averages import (
    INVERSE,
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
    add_absolute,
    add_four,
    add_one_sign,
    add_root,
    add_signs,
    add_two_signs,
)

_INTEGERS = np.zeros(1, dtype=np.int64)


@kernel()
def fill_drift_gradient(m: float, h: float, C: Array, a: Array, tables: Array, index: Indices, JA: Array) -> None:
    """Equations: (3.3), (5.1) and (15.6)."""
    d = a.size
    for i in range(JA.shape[0] // d):
        scale = a[i] * 2.0 * h * h / pi * inverse(C[i, i])
        own = JA[i * d + i]
        for c in range(d):
            add_signs(JA[i * d + c], index, C, tables, i, c, a[i] * a[c] * h * h)
            add_root(own, index, C, tables, i, c, scale * a[c])
            own[index[i, i]] -= scale * a[c] * tables[ROOT, i, c] * inverse(C[i, i])


@kernel()
def error_gradient(m: float, h: float, C: Array, a: Array, tables: Array, index: Indices, row: Array) -> None:
    """Of E[F^2], into a row of zeros."""
    for c in range(a.size):
        for e in range(c + 1):
            weight = a[c] * a[e] * (1.0 if c == e else 2.0)
            row[index[c, e]] += weight * m * m
            add_absolute(row, index, C, tables, c, e, weight * h * h)


@kernel(inline=True)
def add_shared(row: Array, index: Indices, a: Array, c: int, weight: float) -> None:
    """The gradient of Cov(l, z_c) added to a row."""
    for e in range(a.size):
        row[index[c, e]] += weight * a[e]


@kernel()
def student_gradient(C: Array, a: Array, tables: Array, shared: Array, index: Indices, i: int, row: Array) -> None:
    """Of U_i, into a row of zeros."""
    per, by_own = 2.0 / pi * inverse(C[i, i]), 0.0
    for e in range(a.size):
        add_shared(row, index, a, e, a[e] * tables[SIGNS, i, e])
        add_signs(row, index, C, tables, i, e, a[e] * shared[e])
        add_root(row, index, C, tables, i, e, a[e] * per * shared[i])
        by_own += a[e] * per * tables[ROOT, i, e]
    add_shared(row, index, a, i, by_own)
    row[index[i, i]] -= by_own * shared[i] * inverse(C[i, i])


@kernel()
def add_forms(
    m: float, h: float, C: Array, a: Array, tables: Array, shared: Array, index: Indices, i: int, j: int, row: Array
) -> None:
    """h^2 times the gradient of `two_signs` of `quadratic_forms` added to a row."""
    hh = h * h
    own, ii, ij, jj = quadratic_forms(m, h, C, a, shared, i, j)
    add_two_signs(row, index, C, tables, i, j, hh * own, hh * ii, hh * ij, hh * jj)
    per = 2.0 / pi * hh * tables[INVERSE, i, j]
    by_own, by_ij = hh * tables[SIGNS, i, j], 2.0 * per
    by_ii, by_jj = -per * C[i, j] * inverse(C[i, i]), -per * C[i, j] * inverse(C[j, j])
    add_shared(row, index, a, i, m * m * (2.0 * by_ii * shared[i] + by_ij * shared[j]))
    add_shared(row, index, a, j, m * m * (2.0 * by_jj * shared[j] + by_ij * shared[i]))
    for c in range(a.size):
        add_shared(row, index, a, c, m * m * by_own * a[c])
        if is_neither(c, i, j):
            weight = hh * a[c] * a[c]
            row[index[c, c]] += weight * by_own
            row[index[c, i]] += weight * (2.0 * by_ii * C[c, i] + by_ij * C[c, j])
            row[index[c, j]] += weight * (2.0 * by_jj * C[c, j] + by_ij * C[c, i])


@kernel()
def add_students(
    m: float, h: float, C: Array, a: Array, tables: Array, shared: Array, index: Indices, i: int, j: int, row: Array
) -> None:
    """h^2 times the gradient of `two_students` added to a row."""
    scale = h * h * h * h
    add_forms(m, h, C, a, tables, shared, index, i, j, row)
    add_one_sign(row, index, C, tables, j, i, i, scale * a[i] * a[i])
    add_one_sign(row, index, C, tables, i, j, j, scale * a[j] * a[j])
    row[index[i, j]] += 2.0 * scale * a[i] * a[j]
    for c in range(a.size):
        if is_neither(c, i, j):
            add_one_sign(row, index, C, tables, j, i, c, 2.0 * scale * a[c] * a[i])
            add_one_sign(row, index, C, tables, i, j, c, 2.0 * scale * a[c] * a[j])


@kernel()
def linearise(
    m: float,
    h: float,
    C: Array,
    a: Array,
    noise_variance: float,
    index: Indices,
    A: Array,
    G: Array,
    JA: Array,
    JG: Array,
) -> None:
    """Fills A and G, and their derivatives JA and JG. Equations: (3.3), (3.4), (5.1) and (15.8)."""
    K, d = A.shape
    tables, shared, mm, hh = pair_tables(C), covariances(C, a), m * m, h * h
    fill_drift(m, h, C, a, tables, A)
    JA[:] = 0.0
    JG[:] = 0.0
    fill_drift_gradient(m, h, C, a, tables, index, JA)
    error, U = squared_error(m, h, C, a, tables), room(C, (K,))
    by_C = zeros(C, (K + 1, JG.shape[1]))
    error_gradient(m, h, C, a, tables, index, by_C[K])
    for i in range(K):
        U[i] = one_student(C, a, tables, shared, i)
        student_gradient(C, a, tables, shared, index, i, by_C[i])
    row = 0
    for i in range(K):
        for j in range(i, K):
            gradient, outer = JG[row], mm if j > i else mm + hh
            for b in range(gradient.size):
                gradient[b] = outer * by_C[K, b] + 2.0 * mm * hh * (by_C[i, b] + by_C[j, b])
            G[j, i] = outer * error + 2.0 * mm * hh * (U[i] + U[j])
            G[j, i] += noise_variance * (mm + hh * tables[SIGNS, i, j])
            add_signs(gradient, index, C, tables, i, j, noise_variance * hh)
            if j > i:
                G[j, i] += hh * two_students(m, h, C, a, tables, shared, i, j)
                add_students(m, h, C, a, tables, shared, index, i, j, gradient)
            row += 1
    if K >= 2 and d >= 4:
        add_set_gradients(hh * hh, C, a, tables, index, G, JG)
    row = 0
    for i in range(K):
        for j in range(i, K):
            G[i, j] = G[j, i] = a[i] * a[j] * G[j, i]
            for b in range(JG.shape[1]):
                JG[row, b] *= a[i] * a[j]
            row += 1


@kernel()
def add_set_gradients(scale: float, C: Array, a: Array, tables: Array, index: Indices, G: Array, JG: Array) -> None:
    """What every four different fields add to G below the diagonal, and to JG. Equation: (15.8)."""
    K, d = G.shape[0], a.size
    W, V, H = zeros(C, (4, 4)), zeros(C, (4, 4)), zeros(C, (4, 4))
    w, ends = zeros(_INTEGERS, (4,)), zeros(_INTEGERS, (4,))
    for place in range(4):
        w[place] = place
    more = True
    while more:
        four = four_signs(tables, w)
        pairs_at_zero(C, tables, w, W, V)
        one_at_zero(C, w, W, H)
        for n in range(6):
            i, j, c, e = ROLES[n, 0], ROLES[n, 1], ROLES[n, 2], ROLES[n, 3]
            if w[i] < K and w[j] < K:
                weight = 2.0 * scale * a[w[c]] * a[w[e]]
                low, high = w[i], w[j]
                G[high, low] += weight * value_of_four(C, w, four, H, c, e, i, j)
                ends[0], ends[1], ends[2], ends[3] = c, e, i, j
                add_four(JG[low * K - low * (low - 1) // 2 + high - low], index, C, w, four, H, V, ends, weight)
        more = next_set(w, K, d)
