"""Averages of activations that are linear on either side of zero: g(x) = m x + h |x|, and so g'(x) = m + h sign x.

ReLU has m = h = 1/2, a leaky one m = (1 + leak)/2 and h = (1 - leak)/2. Of a product of g and g' only terms with an
even number of odd factors remain, and these are the averages of sign_gradients.py.
"""

from math import pi

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room, zeros
from ode_sgd.teacher_student.kernels.coefficients.sign_averages import (
    SIGNS,
    four_signs,
    inverse,
    is_neither,
    one_at_zero,
    pair_tables,
    pairs_at_zero,
    root_and_signs,
    value_of_four,
)
from ode_sgd.teacher_student.kernels.coefficients.sign_gradients import (
    absolute,
    add_absolute,
    add_four,
    add_one_sign,
    add_products,
    add_two_signs,
    one_sign,
    two_signs,
)

FOUR = np.arange(4)
ENDS = np.array([2, 3, 0, 1])  # c, e, a, b among a, b, c, e
# Where the upper triangle of four fields is in a row of ten.
INDEX = np.array([[0, 1, 2, 3], [1, 4, 5, 6], [2, 5, 7, 8], [3, 6, 8, 9]])


@kernel(inline=True)
def gg(m: float, h: float, C: Array, a: int, b: int) -> float:
    """E[g(a) g(b)]. Equation: (15.6)."""
    root, signs = root_and_signs(C, a, b)
    return m * m * C[a, b] + h * h * (2.0 / pi * root + C[a, b] * signs)


@kernel(inline=True)
def dgdg(m: float, h: float, C: Array, a: int, b: int) -> float:
    """E[g'(a) g'(b)]. Equation: (15.6)."""
    return m * m + h * h * root_and_signs(C, a, b)[1]


@kernel(inline=True)
def d2gg(m: float, h: float, C: Array, a: int, b: int) -> float:
    """E[g''(a) g(b)], 0 for a = b, where g vanishes with the kink. Equation: (15.6)."""
    return 2.0 * h * h / pi * root_and_signs(C, a, b)[0] * inverse(C[a, a])


@kernel()
def dgdg_gradient(m: float, h: float, C: Array, a: int, b: int) -> tuple[float, float, float, float]:
    """`dgdg` and its derivatives. Equation: (15.6)."""
    root, signs = root_and_signs(C, a, b)
    by = 2.0 * h * h / pi * inverse(root)
    half = -0.5 * by * C[a, b]
    return m * m + h * h * signs, half * inverse(C[a, a]), by, half * inverse(C[b, b])


@kernel()
def d2gg_gradient(m: float, h: float, C: Array, a: int, b: int) -> tuple[float, float, float, float]:
    """`d2gg` and its derivatives. Equation: (15.6)."""
    root, _ = root_and_signs(C, a, b)
    per = inverse(C[a, a])
    scale = 2.0 * h * h / pi * per
    by = scale * inverse(root)
    return scale * root, by * (0.5 * C[b, b] - root * root * per), -by * C[a, b], 0.5 * by * C[a, a]


@kernel()
def _places(C: Array, a: int, b: int, c: int, e: int) -> Array:
    """Covariance of the four fields, of which some may be the same."""
    w, S = (a, b, c, e), room(C, (4, 4))
    for x in range(4):
        for y in range(4):
            S[x, y] = C[w[x], w[y]]
    return S


@kernel()
def _absolute_part(S: Array, tables: Array, a: int, b: int, c: int, e: int, row: Array, weight: float) -> float:
    """E[s_a s_b |z_c| |z_e|] for a /= b, S being `_places`; weight times its gradient is added to a row."""
    first = not is_neither(c, a, b)
    if first or not is_neither(e, a, b):
        x, y = (2, 3) if first else (3, 2)
        other = 1 if (c if first else e) == a else 0
        add_one_sign(row, INDEX, S, tables, other, x, y, weight)
        return one_sign(S, tables, other, x, y)
    if c == e:
        return _two_signs(S, tables, 2, 2, row, weight)
    W, V, H = zeros(S, (4, 4)), zeros(S, (4, 4)), zeros(S, (4, 4))
    four = four_signs(tables, FOUR)
    pairs_at_zero(S, tables, FOUR, W, V)
    one_at_zero(S, FOUR, W, H)
    add_four(row, INDEX, S, FOUR, four, H, V, ENDS, weight)
    return value_of_four(S, FOUR, four, H, 2, 3, 0, 1)


@kernel()
def _two_signs(S: Array, tables: Array, x: int, y: int, row: Array, weight: float) -> float:
    """E[s_a s_b z_x z_y] for a /= b, with weight times its gradient added to a row."""
    ii, jj, ij = S[x, 0] * S[y, 0], S[x, 1] * S[y, 1], 0.5 * (S[x, 0] * S[y, 1] + S[x, 1] * S[y, 0])
    add_two_signs(row, INDEX, S, tables, 0, 1, weight * S[x, y], weight * ii, weight * ij, weight * jj)
    row[INDEX[x, y]] += weight * tables[SIGNS, 0, 1]
    add_products(row, INDEX, S, tables, 0, 1, x, y, weight)
    return two_signs(S, tables, 0, 1, S[x, y], ii, ij, jj)


@kernel()
def dgdggg_gradient(
    m: float, h: float, C: Array, a: int, b: int, c: int, e: int
) -> tuple[float, float, float, float, float, float, float, float, float, float, float]:
    """E[g'(a) g'(b) g(c) g(e)] and its derivatives; where fields coincide only their sum has a meaning.

    Equation: (15.7).
    """
    S, row = _places(C, a, b, c, e), zeros(C, (10,))
    tables = pair_tables(S)
    mm, hh = m * m, h * h
    outer = mm if a != b else mm + hh
    total = outer * (mm * S[2, 3] + hh * absolute(S, tables, 2, 3))
    row[INDEX[2, 3]] += outer * mm
    add_absolute(row, INDEX, S, tables, 2, 3, outer * hh)
    for j in range(2):
        for x in range(2, 4):
            total += mm * hh * one_sign(S, tables, j, x, 5 - x)
            add_one_sign(row, INDEX, S, tables, j, x, 5 - x, mm * hh)
    if a != b:
        total += mm * hh * _two_signs(S, tables, 2, 3, row, mm * hh)
        total += hh * hh * _absolute_part(S, tables, a, b, c, e, row, hh * hh)
    return total, row[0], row[4], row[1], row[7], row[9], row[8], row[2], row[3], row[5], row[6]


@kernel(inline=True)
def dgdggg(m: float, h: float, C: Array, a: int, b: int, c: int, e: int) -> float:
    """E[g'(a) g'(b) g(c) g(e)]. Equation: (15.7)."""
    return dgdggg_gradient(m, h, C, a, b, c, e)[0]
