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
