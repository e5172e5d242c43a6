"""Averages of signs and absolute values of up to four fields, and their gradients, from the tables of pairs.

Gradients take C_ab = C_ba as one variable, and are added to a row of derivatives at the columns `index`.
"""

from math import pi

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.coefficients.sign_averages import INVERSE, ROOT, SIGNS, inverse


@kernel(inline=True)
def absolute(C: Array, tables: Array, c: int, e: int) -> float:
    """E[|z_c| |z_e|]. Equation: (15.2)."""
    return 2.0 / pi * tables[ROOT, c, e] + C[c, e] * tables[SIGNS, c, e]


@kernel(inline=True)
def add_signs(row: Array, index: Indices, C: Array, tables: Array, a: int, b: int, weight: float) -> None:
    """The gradient of E[s_a s_b] added to a row."""
    if a != b:
        by = weight * 2.0 / pi * tables[INVERSE, a, b]
        row[index[a, b]] += by
        row[index[a, a]] -= 0.5 * by * C[a, b] * inverse(C[a, a])
        row[index[b, b]] -= 0.5 * by * C[a, b] * inverse(C[b, b])


@kernel(inline=True)
def add_root(row: Array, index: Indices, C: Array, tables: Array, a: int, b: int, weight: float) -> None:
    """The gradient of sqrt(C_aa C_bb - C_ab^2) added to a row."""
    if a != b:
        by = weight * tables[INVERSE, a, b]
        row[index[a, b]] -= by * C[a, b]
        row[index[a, a]] += 0.5 * by * C[b, b]
        row[index[b, b]] += 0.5 * by * C[a, a]


@kernel(inline=True)
def add_absolute(row: Array, index: Indices, C: Array, tables: Array, c: int, e: int, weight: float) -> None:
    """The gradient of E[|z_c| |z_e|] added to a row: the kinks cancel."""
    if c == e:
        row[index[c, c]] += weight
        return
    by = weight / pi * tables[ROOT, c, e]
    row[index[c, e]] += weight * tables[SIGNS, c, e]
    row[index[c, c]] += by * inverse(C[c, c])
    row[index[e, e]] += by * inverse(C[e, e])


@kernel(inline=True)
def one_sign(C: Array, tables: Array, j: int, c: int, e: int) -> float:
    """E[s_j z_c |z_e|], fields equal or not. Equation: (15.3)."""
    return C[c, e] * tables[SIGNS, j, e] + 2.0 / pi * C[c, j] * inverse(C[j, j]) * tables[ROOT, j, e]


@kernel(inline=True)
def add_one_sign(row: Array, index: Indices, C: Array, tables: Array, j: int, c: int, e: int, weight: float) -> None:
    """The gradient of `one_sign` added to a row."""
    per = 2.0 / pi * weight * inverse(C[j, j])
    row[index[c, e]] += weight * tables[SIGNS, j, e]
    row[index[c, j]] += per * tables[ROOT, j, e]
    row[index[j, j]] -= per * C[c, j] * tables[ROOT, j, e] * inverse(C[j, j])
    add_signs(row, index, C, tables, j, e, weight * C[c, e])
    add_root(row, index, C, tables, j, e, per * C[c, j])


@kernel(inline=True)
def two_signs(C: Array, tables: Array, i: int, j: int, own: float, ii: float, ij: float, jj: float) -> float:
    """E[s_i s_j z z'] for i /= j: own = E[z z'], and ii, ij, jj are the (symmetrised) products of covariances of z and
    of z' with z_i or z_j. Equation: (15.3)."""
    bent = 2.0 * ij - C[i, j] * (ii * inverse(C[i, i]) + jj * inverse(C[j, j]))
    return own * tables[SIGNS, i, j] + 2.0 / pi * tables[INVERSE, i, j] * bent


@kernel()
def add_two_signs(
    row: Array, index: Indices, C: Array, tables: Array, i: int, j: int, own: float, ii: float, ij: float, jj: float
) -> None:
    """The gradient of `two_signs` by C_ii, C_ij and C_jj, with the products as they are."""
    per, per_i, per_j = 2.0 / pi * tables[INVERSE, i, j], inverse(C[i, i]), inverse(C[j, j])
    bent = 2.0 * ij - C[i, j] * (ii * per_i + jj * per_j)
    add_signs(row, index, C, tables, i, j, own)
    add_root(row, index, C, tables, i, j, -per * bent * tables[INVERSE, i, j])
    row[index[i, j]] -= per * (ii * per_i + jj * per_j)
    row[index[i, i]] += per * C[i, j] * ii * per_i * per_i
    row[index[j, j]] += per * C[i, j] * jj * per_j * per_j


@kernel(inline=True)
def add_products(
    row: Array, index: Indices, C: Array, tables: Array, i: int, j: int, x: int, y: int, weight: float
) -> None:
    """The gradient of `two_signs` by what the products consist of, of z_x and z_y, added to a row."""
    per = 2.0 / pi * weight * tables[INVERSE, i, j]
    by_i, by_j = -per * C[i, j] * inverse(C[i, i]), -per * C[i, j] * inverse(C[j, j])
    row[index[x, i]] += by_i * C[y, i] + per * C[y, j]
    row[index[y, i]] += by_i * C[x, i] + per * C[x, j]
    row[index[x, j]] += by_j * C[y, j] + per * C[y, i]
    row[index[y, j]] += by_j * C[x, j] + per * C[x, i]


@kernel()
def add_four(
    row: Array, index: Indices, C: Array, w: Indices, four: float, H: Array, V: Array, ends: Indices, weight: float
) -> None:
    """The gradient of E[s_i s_j |z_c| |z_e|] added to a row; ends (4,) are c, e, i, j as places in w.

    By the variances, of which a derivative would have no meaning at a kink, through homogeneity. Equation: (15.4).
    """
    c, e, i, j = ends[0], ends[1], ends[2], ends[3]
    at_c, at_e, at_i, at_j = w[c], w[e], w[i], w[j]
    row[index[at_c, at_e]] += weight * four
    row[index[at_i, at_c]] += weight * H[i, e]
    row[index[at_i, at_e]] += weight * H[i, c]
    row[index[at_j, at_c]] += weight * H[j, e]
    row[index[at_j, at_e]] += weight * H[j, c]
    row[index[at_i, at_j]] += weight * V[i, j]
    row[index[at_c, at_c]] += 0.5 * weight * H[c, e]
    row[index[at_e, at_e]] += 0.5 * weight * H[e, c]
    by_i = C[at_i, at_j] * V[i, j] + C[at_i, at_c] * H[i, e] + C[at_i, at_e] * H[i, c]
    by_j = C[at_i, at_j] * V[i, j] + C[at_j, at_c] * H[j, e] + C[at_j, at_e] * H[j, c]
    row[index[at_i, at_i]] -= 0.5 * weight * by_i * inverse(C[at_i, at_i])
    row[index[at_j, at_j]] -= 0.5 * weight * by_j * inverse(C[at_j, at_j])
