"""Gaussian averages of signs: what every activation that is linear on either side of zero consists of.

With s_a = sign z_a, all averages follow from pairs of fields, and from pairs conditioned on others being zero
(docs/theory/activations.md). For four different fields a, b, c, e, by Price's theorem,

    W_ab = 4 E[delta(z_a) delta(z_b) s_c s_e],   V_ab = 4 E[delta(z_a) delta(z_b) |z_c| |z_e|],
    H_ae = 2 E[delta(z_a) |z_e| s_b s_c] = sum over l of Cov(z_e, z_l | z_a = 0) W_al.

Fields of variance zero, and pairs that are parallel, contribute nothing: a kink has no derivative there.
"""

from math import atan2, pi, sqrt

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import arcsine, room

TINY = 1e-300  # keeps 0 / 0 out
MOST = sqrt(0.5)  # the sine of half a right angle
# Rows of the tables of pairs: sqrt(C_aa C_bb - C_ab^2); its inverse, 0 where that is 0; E[s_a s_b]; the correlation
# rho_ab; 1 - rho_ab^2.
ROOT, INVERSE, SIGNS, RHO, REST = 0, 1, 2, 3, 4


def _rule(count: int, power: int) -> Array:
    """Rows t in [0, 1], 1 - t^2 and weights of Gauss and Legendre's rule in y, t^2 = 1 - (1 - y)^power."""
    x, w = np.polynomial.legendre.leggauss(count)
    left = 0.5 * (1.0 - x)
    t = np.sqrt(1.0 - left**power)
    return np.array([t, left**power, 0.5 * w * power * left ** (power - 1) / (2.0 * t)])


# The integrand is smooth in t^2 up to a root at t^2 > 1, where the determinant of the four correlations vanishes. Few
# nodes are right to 1e-15 while the determinant at t = 1 is more than APART of that at t = 0; closer, more of them
# crowd at t = 1: 1e-12, and 1e-9 where three fields are within 1e-3.
FEW, MANY = _rule(16, 2), _rule(48, 5)
APART = 0.1
# Of the six pairs among four: both of them, then the two others.
PAIRS = np.array([[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2], [1, 2, 0, 3], [1, 3, 0, 2], [2, 3, 0, 1]])


@kernel(inline=True)
def is_neither(c: int, i: int, j: int) -> bool:
    """Whether a field is none of two others."""
    return c != i and c != j  # noqa: PLR1714 - a tuple or a set would be built in inner loops


@kernel(inline=True)
def inverse(variance: float) -> float:
    """1 / variance, and 0 for a field that is zero."""
    return 1.0 / variance if variance > 0.0 else 0.0


@kernel(inline=True)
def root_and_signs(C: Array, a: int, b: int) -> tuple[float, float]:
    """sqrt(C_aa C_bb - C_ab^2) and E[s_a s_b], of a field with itself too. Equation: (15.2)."""
    if a == b:
        return 0.0, 1.0
    product, overlap = C[a, a] * C[b, b], C[a, b]
    square = product - overlap * overlap
    root = sqrt(square) if square > 0.0 else 0.0
    return root, 1.0 - 2.0 / pi * atan2(root, overlap) if product > 0.0 else 0.0


@kernel()
def pair_tables(C: Array) -> Array:
    """The tables of all pairs, (5, d, d). Equation: (15.2)."""
    d = C.shape[0]
    tables = room(C, (5, d, d))
    for a in range(d):
        for b in range(a + 1):
            root, signs = root_and_signs(C, a, b)
            per = inverse(C[a, a] * C[b, b])
            tables[ROOT, a, b] = tables[ROOT, b, a] = root
            tables[INVERSE, a, b] = tables[INVERSE, b, a] = inverse(root)
            tables[SIGNS, a, b] = tables[SIGNS, b, a] = signs
            tables[RHO, a, b] = tables[RHO, b, a] = C[a, b] * sqrt(per)
            tables[REST, a, b] = tables[REST, b, a] = root * root * per
    return tables


@kernel(inline=True, always=True)
def half_angle(one: float, two: float, both: float) -> tuple[float, float]:
    """sin(psi / 2) with tan psi = both / root, and that root, of one two - both^2. No cancellation for any psi."""
    product = one * two
    square = product if product > 0.0 else 0.0  # a loop with max in it does not vectorise
    rest = square - both * both
    root, length = sqrt(rest if rest > 0.0 else 0.0), sqrt(square)
    sine = both / sqrt(2.0 * length * (length + root) + TINY) if product > 0.0 else 0.0
    sine = sine if sine < MOST else MOST  # rounding may make one or two negative
    return sine if sine > -MOST else -MOST, root


@kernel(sums=True)
def four_signs(tables: Array, w: Indices) -> float:
    """E[s_a s_b s_c s_e] of the four fields w, by Plackett's identity from two independent pairs to all four.

    The pairs are those with the largest correlation within: what remains is smooth, also where fields are parallel.
    Equation: (15.5).
    """
    rho, rest, signs = tables[RHO], tables[REST], tables[SIGNS]
    best, chosen = -1.0, 0
    for n in range(3):
        size = max(abs(rho[w[PAIRS[n, 0]], w[PAIRS[n, 1]]]), abs(rho[w[PAIRS[n, 2]], w[PAIRS[n, 3]]]))
        if size > best:
            best, chosen = size, n
    a, b, c, e = w[PAIRS[chosen, 0]], w[PAIRS[chosen, 1]], w[PAIRS[chosen, 2]], w[PAIRS[chosen, 3]]
    total, rule = 0.0, MANY
    for row in range(4):
        i, p = (a, b) if row < 2 else (b, a)
        j, q = (c, e) if row % 2 == 0 else (e, c)
        r, alpha, gamma, one, two = rho[i, j], rho[i, p], rho[j, q], rest[i, p], rest[j, q]
        # Covariances of p - alpha i and of q - gamma j, what is left of the partners, with j, i and each other.
        left, right = rho[p, j] - r * alpha, rho[q, i] - r * gamma
        both = rho[p, q] - alpha * rho[q, i] - gamma * rho[p, j] + r * alpha * gamma
        if row == 0:
            u = inverse(rest[i, j])
            last = both + r * left * right * u
            square = (one - left * left * u) * (two - right * right * u) - last * last
            if rest[i, j] * square > APART * one * two:
                rule = FEW
        nodes, gaps, weights, apart = rule[0], rule[1], rule[2], rest[i, j]
        for m in range(nodes.size):
            t = nodes[m]
            per = 1.0 / (gaps[m] + t * t * apart)  # 1 - t^2 r^2
            u = t * t * per
            sine, _ = half_angle(one - left * left * u, two - right * right * u, t * (both + r * left * right * u))
            total += weights[m] * r * sqrt(per) * arcsine(sine)
    return signs[a, b] * signs[c, e] + 8.0 / (pi * pi) * total


@kernel()
def pairs_at_zero(C: Array, tables: Array, w: Indices, W: Array, V: Array) -> None:
    """W and V (4, 4) of the four fields w. Equation: (15.4)."""
    for n in range(6):
        x, y, z, u = PAIRS[n, 0], PAIRS[n, 1], PAIRS[n, 2], PAIRS[n, 3]
        a, b, p, q = w[x], w[y], w[z], w[u]
        per, root, scale = inverse(C[a, a]), tables[ROOT, a, b], tables[INVERSE, a, b]
        per_b = C[a, a] * scale * scale  # 1 / Var(z_b | z_a)
        pb, qb = C[p, b] - C[p, a] * C[a, b] * per, C[q, b] - C[q, a] * C[a, b] * per
        one = tables[ROOT, p, a] * tables[ROOT, p, a] * per - pb * pb * per_b
        two = tables[ROOT, q, a] * tables[ROOT, q, a] * per - qb * qb * per_b
        both = C[p, q] - C[p, a] * C[q, a] * per - pb * qb * per_b
        sine, root = half_angle(one, two, both)
        psi = 2.0 * arcsine(sine)
        W[x, y] = W[y, x] = 4.0 / (pi * pi) * scale * psi
        V[x, y] = V[y, x] = 4.0 / (pi * pi) * scale * (root + both * psi)


@kernel()
def one_at_zero(C: Array, w: Indices, W: Array, H: Array) -> None:
    """H (4, 4) of the four fields w. Equation: (15.4)."""
    for x in range(4):
        j = w[x]
        per = inverse(C[j, j])
        for y in range(4):
            e, total = w[y], 0.0
            for z in range(4):
                if is_neither(x, y, z):
                    total += (C[e, w[z]] - C[e, j] * C[w[z], j] * per) * W[x, z]
            H[x, y] = total


@kernel(inline=True)
def value_of_four(C: Array, w: Indices, four: float, H: Array, c: int, e: int, i: int, j: int) -> float:
    """E[s_i s_j |z_c| |z_e|]; c, e, i, j count within w. Equation: (15.3)."""
    k = w[c]
    return C[k, w[e]] * four + C[k, k] * H[c, e] + C[k, w[i]] * H[i, e] + C[k, w[j]] * H[j, e]
