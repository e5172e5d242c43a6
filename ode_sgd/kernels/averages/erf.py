"""g(x) = erf(x / sqrt 2). Averages: Saad & Solla, PRE 52, 4225 (1995); docs/theory.md section 4."""

from math import asin, erf, exp, pi, sqrt

from ode_sgd.kernels.compile import Array, kernel


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
