"""g(x) = erf(x / sqrt 2). Averages: Saad & Solla, PRE 52, 4225 (1995); docs/theory/model.md section 4."""

from math import asin, erf, exp, log, pi, sqrt

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import arcsine, zeros
from ode_sgd.teacher_student.kernels.coefficients.difference_fields import Fields
from ode_sgd.teacher_student.kernels.coefficients.mixtures import Level, Terms
from ode_sgd.teacher_student.kernels.coefficients.pair_fields import Pairs, flat

IN_LANES = True
MIXTURES = (Level(0.0, 0.0, Terms((1.0,), (1.0,))),)
_SLOPE = sqrt(2.0 / pi)
_PER_LN2, _LN2_HIGH, _LN2_LOW = 1.0 / log(2.0), 0.6931471803691238, 1.9082149292705877e-10
_ROUND = 1.5 * 2.0**52  # adding it rounds to an integer
_ROUND_BITS = int(np.float64(_ROUND).view(np.int64))
# fmt: off
_E = (1.0, -1.0, 0.5000000000000018, -0.16666666666666166, 0.04166666666649265, -0.008333333333560292,
      0.0013888888951261512, -0.00019841269431055992, 2.4801486477407977e-05, -2.755762365606215e-06,
      2.763231041539326e-07, -2.4994024546187514e-08)
_P = (0.7978845608028653, -0.13298076013380758, 0.01994711401996281, -0.002374656429575533, 0.00023086936625526557,
      -1.8889279023734596e-05, 1.331862377320097e-06, -8.234518946075989e-08, 4.4536270454531775e-09,
      -1.8040560061460201e-10)
_R = (0.18882128260393488, -0.34079544309793336, 0.24875851065029786, -0.1434148148670043, 0.06172961037633544,
      -0.01698414219574975, 0.0010155379283137492, 0.0012797012652281288, -0.0003675677811471723,
      -7.604585803440275e-05, 7.971079863671029e-05, 3.066584624598362e-05, 2.830923867565461e-06)
# fmt: on


@kernel(inline=True)
def value(x: float) -> float:
    return erf(x / sqrt(2.0))


@kernel(inline=True)
def slope(x: float) -> float:
    return sqrt(2.0 / pi) * exp(-0.5 * x * x)


@kernel(inline=True, always=True)
def exponential(s: float) -> float:
    """exp(-s) for 0 <= s, without branches, within 2 ulp; what is below 1e-307 comes out as about that.

    s = n ln 2 + r: the rounding constant leaves n in the low bits of a float, and ln 2 is split so that s - n ln 2 is
    exact. The polynomial is minimax on |r| <= (ln 2)/2, within 3e-18.
    """
    bounded = min(s, 707.0)
    shifted = bounded * _PER_LN2 + _ROUND
    n = shifted - _ROUND
    r = (bounded - n * _LN2_HIGH) - n * _LN2_LOW
    q = r * r
    low = (_E[0] + r * _E[1]) + q * (_E[2] + r * _E[3])
    middle = (_E[4] + r * _E[5]) + q * (_E[6] + r * _E[7])
    high = (_E[8] + r * _E[9]) + q * (_E[10] + r * _E[11])
    fraction = low + (q * q) * (middle + (q * q) * high)
    exponent = np.int64(1023) - (np.float64(shifted).view(np.int64) - _ROUND_BITS)
    return fraction * np.int64(exponent << np.int64(52)).view(np.float64)


@kernel(inline=True, always=True)
def value_and_slope(x: float) -> tuple[float, float]:
    """g and g' without branches, so that loops over lanes vectorise; g within 4e-16 of its own size.

    |x| < 1: g = x P(x^2). Beyond: 1 - exp(-x^2/2) R((|x| - 4)/(|x| + 4)), with the exponential that g' needs anyway.
    Both polynomials are minimax (Remez exchange in 60 digits): P within 2e-17 of g, exp R within 1e-17 for |x| <= 8.4,
    beyond which g is one.
    """
    s, size = x * x, abs(x)
    gauss = exponential(0.5 * s)
    s2 = s * s
    even = ((_P[0] + s * _P[1]) + s2 * (_P[2] + s * _P[3])) + (s2 * s2) * (
        ((_P[4] + s * _P[5]) + s2 * (_P[6] + s * _P[7])) + (s2 * s2) * (_P[8] + s * _P[9])
    )
    far = min(size, 8.4)
    t = (far - 4.0) / (far + 4.0)
    t2 = t * t
    t4 = t2 * t2
    low = (_R[0] + t * _R[1]) + t2 * (_R[2] + t * _R[3])
    middle = (_R[4] + t * _R[5]) + t2 * (_R[6] + t * _R[7])
    high = (_R[8] + t * _R[9]) + t2 * (_R[10] + t * _R[11]) + t4 * _R[12]
    tail = 1.0 - gauss * (low + t4 * (middle + t4 * high))
    outside = tail if x > 0.0 else -tail
    return x * even if size < 1.0 else outside, _SLOPE * gauss


@kernel(inline=True)
def _bounded(ratio: float) -> float:
    """A correlation that rounding may have pushed beyond one."""
    return min(1.0, max(-1.0, ratio))


@kernel(inline=True)
def gg(C: Array, a: int, b: int) -> float:
    """E[g(a) g(b)]. Equation: (4.1)."""
    return 2.0 / pi * asin(_bounded(C[a, b] / sqrt((1.0 + C[a, a]) * (1.0 + C[b, b]))))


@kernel(inline=True)
def dgdg(C: Array, a: int, b: int) -> float:
    """E[g'(a) g'(b)]. Equation: (4.2)."""
    return 2.0 / pi / sqrt((1.0 + C[a, a]) * (1.0 + C[b, b]) - C[a, b] ** 2)


@kernel(inline=True)
def d2gg(C: Array, a: int, b: int) -> float:
    """E[g''(a) g(b)]. Equation: (4.3)."""
    return -2.0 / pi * C[a, b] / ((1.0 + C[a, a]) * sqrt((1.0 + C[a, a]) * (1.0 + C[b, b]) - C[a, b] ** 2))


@kernel(inline=True)
def dgdggg(C: Array, a: int, b: int, c: int, e: int) -> float:
    """E[g'(a) g'(b) g(c) g(e)]. Equations: (4.4) and (4.5)."""
    aa, bb, ab = 1.0 + C[a, a], 1.0 + C[b, b], C[a, b]
    ac, bc, ae, be = C[a, c], C[b, c], C[a, e], C[b, e]
    L4 = aa * bb - ab * ab
    L0 = L4 * C[c, e] - ac * ae * bb - bc * be * aa + ab * (ac * be + ae * bc)
    L1 = L4 * (1.0 + C[c, c]) - ac * ac * bb - bc * bc * aa + 2.0 * ab * ac * bc
    L2 = L4 * (1.0 + C[e, e]) - ae * ae * bb - be * be * aa + 2.0 * ab * ae * be
    return 4.0 / pi**2 / sqrt(L4) * asin(_bounded(L0 / sqrt(L1 * L2)))


@kernel(inline=True)
def dgdg_gradient(C: Array, a: int, b: int) -> tuple[float, float, float, float]:
    """`dgdg` and its derivatives. Equation: (4.2)."""
    aa, bb, ab = 1.0 + C[a, a], 1.0 + C[b, b], C[a, b]
    S = aa * bb - ab * ab
    average = 2.0 / pi / sqrt(S)
    return average, -0.5 * average * bb / S, average * ab / S, -0.5 * average * aa / S


@kernel(inline=True)
def d2gg_gradient(C: Array, a: int, b: int) -> tuple[float, float, float, float]:
    """`d2gg` and its derivatives. Equation: (4.3)."""
    aa, bb, ab = 1.0 + C[a, a], 1.0 + C[b, b], C[a, b]
    S = aa * bb - ab * ab
    per_ab = -2.0 / pi / (aa * sqrt(S))
    average = per_ab * ab
    return average, -average * (1.0 / aa + 0.5 * bb / S), per_ab * (1.0 + ab * ab / S), -0.5 * average * aa / S


@kernel(inline=True)
def dgdggg_gradient(
    C: Array, a: int, b: int, c: int, e: int
) -> tuple[float, float, float, float, float, float, float, float, float, float, float]:
    """`dgdggg` and its derivatives. Equations: (4.4) and (4.5)."""
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


# dgdggg for all (c, e): the Gaussian g'(x_i) g'(x_j) tilts the covariance into S_ce = C_ce - C_c. P^-1 C_.e, where P is
# 1 plus that of (x_i, x_j), and multiplies averages by 2/pi |P|^(-1/2); E[g(z_c) g(z_e)] is then that of S.


@kernel(sums=True, inline=True)
def _tilt_pair(f: Pairs, i: int, j: int) -> float:
    """Rows of f.fields: C_ic, C_jc, (P^-1 C_.c)_i, (P^-1 C_.c)_j, 1 + S_cc, its root's inverse. |P|."""
    aa, bb, ab = 1.0 + f.C[i, i], 1.0 + f.C[j, j], f.C[i, j]
    determinant = aa * bb - ab * ab
    per = 1.0 / determinant
    for c in range(f.C.shape[0]):
        x, y = f.C[i, c], f.C[j, c]
        p, q = per * (bb * x - ab * y), per * (aa * y - ab * x)
        one = 1.0 + f.C[c, c] - x * p - y * q
        f.fields[0, c], f.fields[1, c], f.fields[2, c], f.fields[3, c] = x, y, p, q
        f.fields[4, c], f.fields[5, c] = one, 1.0 / sqrt(one)
    return determinant


@kernel(sums=True)
def pair_sum(f: Pairs, i: int, j: int) -> float:
    """sum_ce a_c a_e E[g'(x_i) g'(x_j) g(z_c) g(z_e)]. Equations: (3.4) and (4.4)."""
    determinant = _tilt_pair(f, i, j)
    p, q, root, ratio = f.fields[2], f.fields[3], f.fields[5], f.values[0]
    overlaps, weights, runs = f.overlaps, f.weights, f.runs
    for row in range(runs.shape[0]):
        at, c, first = runs[row, 0], runs[row, 1], runs[row, 2]
        x, y, own = f.fields[0, c], f.fields[1, c], root[c]
        for e in range(runs[row, 3]):
            tilted = overlaps[at + e] - x * p[first + e] - y * q[first + e]
            ratio[at + e] = tilted * (own * root[first + e])
    total = 0.0
    for b in range(ratio.size):
        total += weights[b] * arcsine(_bounded(ratio[b]))
    return 4.0 / pi**2 / sqrt(determinant) * total


@kernel(sums=True)
def pair_gradient(f: Pairs, i: int, j: int, gradient: Array) -> float:
    """With X = dF/dS: dF = X.dC - 2 (X P^-1 C).dC_. + (P^-1 C X C P^-1).dP, and what |P| does.

    Equations: (3.4) and (4.4).
    """
    determinant = _tilt_pair(f, i, j)
    d = f.C.shape[0]
    p, q, one, tilted, product = f.fields[2], f.fields[3], f.fields[4], f.values[0], f.values[1]
    overlaps, weights, runs = f.overlaps, f.weights, f.runs
    by_p, by_q, by_one = zeros(p, (d,)), zeros(p, (d,)), zeros(p, (d,))
    for row in range(runs.shape[0]):
        at, c, first = runs[row, 0], runs[row, 1], runs[row, 2]
        x, y, own = f.fields[0, c], f.fields[1, c], one[c]
        for e in range(runs[row, 3]):
            tilted[at + e] = overlaps[at + e] - x * p[first + e] - y * q[first + e]
            product[at + e] = own * one[first + e]
    total, prefactor = 0.0, 4.0 / pi**2 / sqrt(determinant)
    for b in range(tilted.size):
        total += weights[b] * arcsine(_bounded(tilted[b] / sqrt(product[b])))
        gradient[b] = weights[b] * prefactor / sqrt(product[b] - tilted[b] * tilted[b])
    total *= prefactor
    for row in range(runs.shape[0]):  # sums over e of X_ce times p_e, q_e and S_ce, twice what is off the diagonal
        at, c, first = runs[row, 0], runs[row, 1], runs[row, 2]
        p_c, q_c, p_sum, q_sum, own_sum = p[c], q[c], 0.0, 0.0, 0.0
        for e in range(runs[row, 3]):
            by = gradient[at + e]
            p_sum += by * p[first + e]
            q_sum += by * q[first + e]
            own_sum += by * tilted[at + e]
            by_p[first + e] += by * p_c
            by_q[first + e] += by * q_c
            by_one[first + e] += by * tilted[at + e]
        by_p[c] += p_sum
        by_q[c] += q_sum
        by_one[c] += own_sum
    ii, ij, jj = 0.0, 0.0, 0.0
    for c in range(d):
        own = -0.5 * by_one[c] / one[c]
        by_p[c], by_q[c] = 0.5 * by_p[c] + own * p[c], 0.5 * by_q[c] + own * q[c]
        gradient[f.diagonal[c]] += own
        ii, ij, jj = ii + p[c] * by_p[c], ij + p[c] * by_q[c], jj + q[c] * by_q[c]
    for c in range(d):
        gradient[flat(f, i, c)] -= 2.0 * by_p[c]
        gradient[flat(f, j, c)] -= 2.0 * by_q[c]
    per = 0.5 * total / determinant
    gradient[f.diagonal[i]] += ii - per * (1.0 + f.C[j, j])
    gradient[f.diagonal[j]] += jj - per * (1.0 + f.C[i, i])
    gradient[flat(f, i, j)] += 2.0 * (ij + per * f.C[i, j])
    return total


# Averages of differences, without cancellation: Delta_c = g(x_c) - g(y_c) = int_0^1 ds delta_c g'(z(s)) over the fields
# of difference_fields.py. A product of m factors g' is the Gaussian (2/pi)^(m/2) exp(-z.z/2): with M = 1 + Cov z it
# multiplies averages by |M|^(-1/2) and tilts the covariance of any u, v into Cov(u, v) - Cov(u, z) M^-1 Cov(z, v).


@kernel(inline=True, always=True)
def _tilt_2(f: Fields, a: int, b: int) -> tuple[float, float, float, float]:
    """M^-1 (11, 12, 22) for z_a and z_b, and |M|^(-1/2)."""
    aa, ab, bb = 1.0 + f.z[a, a], f.z[a, b], 1.0 + f.z[b, b]
    per = 1.0 / (aa * bb - ab * ab)
    return bb * per, -ab * per, aa * per, sqrt(per)


@kernel(inline=True, always=True)
def _tilt_4(f: Fields, i: int, j: int, a: int, b: int, c: int) -> tuple[float, float, float, float, float]:
    """M^-1 Cov(z, delta_c) for z_i, z_j, z_a, z_b, and |M|^(-1/2); by blocks of two."""
    p11, p12, p22, root = _tilt_2(f, i, j)
    ia, ib, ja, jb = f.z[i, a], f.z[i, b], f.z[j, a], f.z[j, b]
    w11, w12, w21, w22 = p11 * ia + p12 * ja, p11 * ib + p12 * jb, p12 * ia + p22 * ja, p12 * ib + p22 * jb
    aa, bb = 1.0 + f.z[a, a] - ia * w11 - ja * w21, 1.0 + f.z[b, b] - ib * w12 - jb * w22
    ab = f.z[a, b] - ia * w12 - ja * w22
    per = 1.0 / (aa * bb - ab * ab)
    ci, cj = f.drag[i, c], f.drag[j, c]
    ca, cb = f.drag[a, c] - w11 * ci - w21 * cj, f.drag[b, c] - w12 * ci - w22 * cj
    ua, ub = per * (bb * ca - ab * cb), per * (aa * cb - ab * ca)
    return (
        p11 * ci + p12 * cj - w11 * ua - w12 * ub,
        p12 * ci + p22 * cj - w21 * ua - w22 * ub,
        ua,
        ub,
        root * sqrt(per),
    )


@kernel(inline=True)
def difference_gg(f: Fields, c: int, e: int) -> float:
    K, total = f.delta.shape[0], 0.0
    for m in range(f.weights.size):
        for n in range(f.weights.size):
            a, b = (1 + m) * K + c, (1 + n) * K + e
            aa, ab, bb, scale = _tilt_2(f, a, b)
            ca, cb, ea, eb = f.drag[a, c], f.drag[b, c], f.drag[a, e], f.drag[b, e]
            tilted = f.delta[c, e] - ca * (aa * ea + ab * eb) - cb * (ab * ea + bb * eb)
            total += f.weights[m] * f.weights[n] * scale * tilted
    return 2.0 / pi * total


@kernel(inline=True)
def difference_dgdggg(f: Fields, i: int, j: int, c: int, e: int) -> float:
    K, total = f.delta.shape[0], 0.0
    for m in range(f.weights.size):
        for n in range(f.weights.size):
            a, b = (1 + m) * K + c, (1 + n) * K + e
            ui, uj, ua, ub, scale = _tilt_4(f, i, j, a, b, e)
            tilted = f.delta[c, e] - f.drag[i, c] * ui - f.drag[j, c] * uj - f.drag[a, c] * ua - f.drag[b, c] * ub
            total += f.weights[m] * f.weights[n] * scale * tilted
    return 4.0 / pi**2 * total


@kernel(inline=True)
def difference_slopes(f: Fields, i: int, e: int) -> tuple[float, float]:
    """g'' = - z g', so these are tilted Cov(x_i, delta_e) and Cov(z_e, delta_e): rows of M^-1 Cov(z, delta_e)."""
    K, curvature, slope = f.delta.shape[0], 0.0, 0.0
    for m in range(f.weights.size):
        b = (1 + m) * K + e
        ii, ib, bb, scale = _tilt_2(f, i, b)
        ei, eb = f.drag[i, e], f.drag[b, e]
        curvature -= f.weights[m] * scale * (ii * ei + ib * eb)
        slope -= f.weights[m] * scale * (ib * ei + bb * eb)
    return 2.0 / pi * curvature, 2.0 / pi * slope


@kernel(inline=True)
def difference_slopes_gradient(f: Fields, i: int, e: int) -> tuple[float, float, float]:
    ii, ie, ee, scale = _tilt_2(f, i, f.delta.shape[0] + e)
    scale *= -2.0 / pi
    return scale * ii, scale * ie, scale * ee


@kernel(inline=True)
def difference_dgdggg_gradient(
    f: Fields, i: int, j: int, c: int, e: int
) -> tuple[float, float, float, float, float, float, float, float, float]:
    K = f.delta.shape[0]
    ei, ej, ec, ee, scale = _tilt_4(f, i, j, K + c, K + e, e)
    ci, cj, cc, ce, _ = _tilt_4(f, i, j, K + c, K + e, c)
    scale *= 4.0 / pi**2
    return scale, -scale * ei, -scale * ej, -scale * ec, -scale * ee, -scale * ci, -scale * cj, -scale * cc, -scale * ce


# Of the symmetric plateau, for plain Python.


def plateau_height(K: int) -> float:
    """eps_g* of K = M students under gradient flow. Equation: (8.2)."""
    return K / pi * (pi / 6.0 - K * asin(1.0 / (2.0 * K)))


def plateau_escape_rate(K: int) -> float:
    """lambda_esc of K = M students under gradient flow, at eta mu_2 / mu_1 = 1. Equation: (8.3)."""
    return 2.0 / pi * K / sqrt((2 * K - 1) * (2 * K + 1) ** 3)
