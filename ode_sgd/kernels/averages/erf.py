"""g(x) = erf(x / sqrt 2). Averages: Saad & Solla, PRE 52, 4225 (1995); docs/theory.md section 4."""

from math import asin, erf, exp, pi, sqrt

import numpy as np

from ode_sgd.kernels.compile import Array, kernel
from ode_sgd.kernels.layout import Indices


@kernel(inline=True)
def value(x: float) -> float:
    return erf(x / sqrt(2.0))


@kernel(inline=True)
def slope(x: float) -> float:
    return sqrt(2.0 / pi) * exp(-0.5 * x * x)


@kernel(inline=True)
def _bounded(ratio: float) -> float:
    """A correlation that rounding may have pushed beyond one."""
    return min(1.0, max(-1.0, ratio))


@kernel(inline=True)
def gg(C: Array, a: int, b: int) -> float:
    return 2.0 / pi * asin(_bounded(C[a, b] / sqrt((1.0 + C[a, a]) * (1.0 + C[b, b]))))


@kernel(inline=True)
def dgdg(C: Array, a: int, b: int) -> float:
    return 2.0 / pi / sqrt((1.0 + C[a, a]) * (1.0 + C[b, b]) - C[a, b] ** 2)


@kernel(inline=True)
def d2gg(C: Array, a: int, b: int) -> float:
    return -2.0 / pi * C[a, b] / ((1.0 + C[a, a]) * sqrt((1.0 + C[a, a]) * (1.0 + C[b, b]) - C[a, b] ** 2))


@kernel(inline=True)
def dgdggg(C: Array, a: int, b: int, c: int, e: int) -> float:
    aa, bb, ab = 1.0 + C[a, a], 1.0 + C[b, b], C[a, b]
    ac, bc, ae, be = C[a, c], C[b, c], C[a, e], C[b, e]
    L4 = aa * bb - ab * ab
    L0 = L4 * C[c, e] - ac * ae * bb - bc * be * aa + ab * (ac * be + ae * bc)
    L1 = L4 * (1.0 + C[c, c]) - ac * ac * bb - bc * bc * aa + 2.0 * ab * ac * bc
    L2 = L4 * (1.0 + C[e, e]) - ae * ae * bb - be * be * aa + 2.0 * ab * ae * be
    return 4.0 / pi**2 / sqrt(L4) * asin(_bounded(L0 / sqrt(L1 * L2)))


@kernel(inline=True)
def dgdg_gradient(C: Array, a: int, b: int) -> tuple[float, float, float, float]:
    aa, bb, ab = 1.0 + C[a, a], 1.0 + C[b, b], C[a, b]
    S = aa * bb - ab * ab
    average = 2.0 / pi / sqrt(S)
    return average, -0.5 * average * bb / S, average * ab / S, -0.5 * average * aa / S


@kernel(inline=True)
def d2gg_gradient(C: Array, a: int, b: int) -> tuple[float, float, float, float]:
    aa, bb, ab = 1.0 + C[a, a], 1.0 + C[b, b], C[a, b]
    S = aa * bb - ab * ab
    per_ab = -2.0 / pi / (aa * sqrt(S))
    average = per_ab * ab
    return average, -average * (1.0 / aa + 0.5 * bb / S), per_ab * (1.0 + ab * ab / S), -0.5 * average * aa / S


@kernel(inline=True)
def dgdggg_gradient(
    C: Array, a: int, b: int, c: int, e: int
) -> tuple[float, float, float, float, float, float, float, float, float, float, float]:
    aa, bb, ab = 1.0 + C[a, a], 1.0 + C[b, b], C[a, b]
    cc, ee, ce = 1.0 + C[c, c], 1.0 + C[e, e], C[c, e]
    ac, bc, ae, be = C[a, c], C[b, c], C[a, e], C[b, e]
    L4 = aa * bb - ab * ab
    L0 = L4 * ce - ac * ae * bb - bc * be * aa + ab * (ac * be + ae * bc)
    L1 = L4 * cc - ac * ac * bb - bc * bc * aa + 2.0 * ab * ac * bc
    L2 = L4 * ee - ae * ae * bb - be * be * aa + 2.0 * ab * ae * be
    prefactor = 4.0 / pi**2 / sqrt(L4)
    average = prefactor * asin(_bounded(L0 / sqrt(L1 * L2)))
    # d average = w0 dL0 + w1 dL1 + w2 dL2 + w4 dL4, where L4 stands on its own, not inside the others
    w0 = prefactor / sqrt(L1 * L2 - L0 * L0)
    w1, w2 = -0.5 * w0 * L0 / L1, -0.5 * w0 * L0 / L2
    # through the L4 that the others hold
    w4 = -0.5 * average / L4 + w0 * ce + w1 * cc + w2 * ee
    return (
        average,
        w4 * bb - w0 * bc * be - w1 * bc * bc - w2 * be * be,
        w4 * aa - w0 * ac * ae - w1 * ac * ac - w2 * ae * ae,
        -2.0 * w4 * ab + w0 * (ac * be + ae * bc) + 2.0 * (w1 * ac * bc + w2 * ae * be),
        w1 * L4,
        w2 * L4,
        w0 * L4,
        w0 * (ab * be - ae * bb) + 2.0 * w1 * (ab * bc - ac * bb),
        w0 * (ab * bc - ac * bb) + 2.0 * w2 * (ab * be - ae * bb),
        w0 * (ab * ae - be * aa) + 2.0 * w1 * (ab * ac - bc * aa),
        w0 * (ab * ac - bc * aa) + 2.0 * w2 * (ab * ae - be * aa),
    )


# Averages of differences, without cancellation. C is the covariance of (delta_1..delta_K, y_1..y_K), with delta_i =
# x_i - y_i, and Delta_i = g(x_i) - g(y_i) = int_0^1 ds delta_i g'(z_i(s)) with z_i(s) = y_i + s delta_i. A product of m
# factors g' is the Gaussian (2/pi)^(m/2) exp(-z.z/2): it multiplies averages by |1 + Cov z|^(-1/2) and tilts the
# covariance of any u, v into Cov(u, v) - Cov(u, z) (1 + Cov z)^-1 Cov(z, v).


@kernel()
def _tilt(C: Array, fields: Indices, shifts: Array, count: int, factor: Array) -> float:
    """Cholesky factor of 1 + Cov(z_fields(shifts)) for `count` fields; returns |.|^(-1/2)."""
    K = C.shape[0] // 2
    scale = 1.0
    for row in range(count):
        a, s = fields[row], shifts[row]
        for column in range(row + 1):
            b, t = fields[column], shifts[column]
            value = C[K + a, K + b] + t * C[b, K + a] + s * C[a, K + b] + s * t * C[a, b]
            value += 1.0 if row == column else 0.0
            for m in range(column):
                value -= factor[row, m] * factor[column, m]
            factor[row, column] = sqrt(value) if row == column else value / factor[column, column]
        scale /= factor[row, row]
    return scale


@kernel()
def _whiten_delta(C: Array, fields: Indices, shifts: Array, count: int, factor: Array, c: int, out: Array) -> None:
    """out = factor^-1 Cov(z, delta_c)."""
    K = C.shape[0] // 2
    for row in range(count):
        a, s = fields[row], shifts[row]
        value = C[c, K + a] + s * C[a, c]
        for m in range(row):
            value -= factor[row, m] * out[m]
        out[row] = value / factor[row, row]


@kernel()
def difference_product(C: Array, slopes: Indices, c: int, e: int, nodes: Array, weights: Array) -> float:
    """E[prod_{i in slopes} g'(x_i) Delta_c Delta_e], for any number of slopes."""
    count = slopes.size + 2
    fields, shifts = np.empty(count, np.int64), np.ones(count)
    factor, left, right = np.zeros((count, count)), np.empty(count), np.empty(count)
    for row in range(slopes.size):
        fields[row] = slopes[row]
    fields[count - 2], fields[count - 1] = c, e
    total = 0.0
    for m in range(nodes.size):
        for n in range(nodes.size):
            shifts[count - 2], shifts[count - 1] = nodes[m], nodes[n]
            scale = _tilt(C, fields, shifts, count, factor) * (2.0 / pi) ** (0.5 * count)
            _whiten_delta(C, fields, shifts, count, factor, c, left)
            _whiten_delta(C, fields, shifts, count, factor, e, right)
            tilted = C[c, e]
            for row in range(count):
                tilted -= left[row] * right[row]
            total += weights[m] * weights[n] * scale * tilted
    return total


@kernel()
def difference_slope(C: Array, i: int, e: int, of_slope: bool, nodes: Array, weights: Array) -> float:
    """E[g'(x_i) (g'(x_e) - g'(y_e))] if of_slope, else E[g''(x_i) Delta_e]; both are - int ds of a tilted covariance.

    g'' = - z g', so the first tilts Cov(z_e(s), delta_e), the second Cov(x_i, delta_e). With z one of the tilting
    fields, the tilted row of z against anything is that row of (1 + Cov z)^-1 Cov(z, .).
    """
    fields, shifts = np.array([i, e]), np.ones(2)
    factor, white = np.zeros((2, 2)), np.empty(2)
    total = 0.0
    for m in range(nodes.size):
        shifts[1] = nodes[m]
        scale = _tilt(C, fields, shifts, 2, factor) * 2.0 / pi
        _whiten_delta(C, fields, shifts, 2, factor, e, white)
        second = white[1] / factor[1, 1]
        first = (white[0] - factor[1, 0] * second) / factor[0, 0]
        total -= weights[m] * scale * (second if of_slope else first)
    return total
