"""g(x) = erf(x / (s sqrt 2)), a user's file: all averages of erf with s^2 in place of the 1 that is added to variances.

Its integrals in closed form: with a Gaussian weight exp(-x^2 / (2 s^2)) for every g'.
"""

from math import asin, erf, exp, pi, sqrt

S = 1.5
IN_LANES = True


def value(x):
    return erf(x / (S * sqrt(2.0)))


def slope(x):
    return sqrt(2.0 / pi) / S * exp(-0.5 * (x / S) ** 2)


def widened(C, a):
    return S * S + C[a, a]


def bounded(ratio):
    return min(1.0, max(-1.0, ratio))


def gg(C, a, b):
    return 2.0 / pi * asin(bounded(C[a, b] / sqrt(widened(C, a) * widened(C, b))))


def dgdg(C, a, b):
    return 2.0 / pi / sqrt(widened(C, a) * widened(C, b) - C[a, b] ** 2)


def d2gg(C, a, b):
    return -2.0 / pi * C[a, b] / (widened(C, a) * sqrt(widened(C, a) * widened(C, b) - C[a, b] ** 2))


def tilted(C, a, b, c, e):
    aa, bb, ab = widened(C, a), widened(C, b), C[a, b]
    ac, bc, ae, be = C[a, c], C[b, c], C[a, e], C[b, e]
    L4 = aa * bb - ab * ab
    L0 = L4 * C[c, e] - ac * ae * bb - bc * be * aa + ab * (ac * be + ae * bc)
    L1 = L4 * widened(C, c) - ac * ac * bb - bc * bc * aa + 2.0 * ab * ac * bc
    L2 = L4 * widened(C, e) - ae * ae * bb - be * be * aa + 2.0 * ab * ae * be
    return L4, L0, L1, L2


def dgdggg(C, a, b, c, e):
    L4, L0, L1, L2 = tilted(C, a, b, c, e)
    return 4.0 / pi**2 / sqrt(L4) * asin(bounded(L0 / sqrt(L1 * L2)))


def dgdg_gradient(C, a, b):
    aa, bb, ab = widened(C, a), widened(C, b), C[a, b]
    R = aa * bb - ab * ab
    average = 2.0 / pi / sqrt(R)
    return average, -0.5 * average * bb / R, average * ab / R, -0.5 * average * aa / R


def d2gg_gradient(C, a, b):
    aa, bb, ab = widened(C, a), widened(C, b), C[a, b]
    R = aa * bb - ab * ab
    per_ab = -2.0 / pi / (aa * sqrt(R))
    average = per_ab * ab
    return average, -average * (1.0 / aa + 0.5 * bb / R), per_ab * (1.0 + ab * ab / R), -0.5 * average * aa / R


def dgdggg_gradient(C, a, b, c, e):
    L4, L0, L1, L2 = tilted(C, a, b, c, e)
    aa, bb, ab = widened(C, a), widened(C, b), C[a, b]
    cc, ee, ce = widened(C, c), widened(C, e), C[c, e]
    ac, bc, ae, be = C[a, c], C[b, c], C[a, e], C[b, e]
    prefactor = 4.0 / pi**2 / sqrt(L4)
    average = prefactor * asin(bounded(L0 / sqrt(L1 * L2)))
    w0 = prefactor / sqrt(L1 * L2 - L0 * L0)
    w1, w2 = -0.5 * w0 * L0 / L1, -0.5 * w0 * L0 / L2
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


def tilt_two(f, a, b):
    aa, ab, bb = S * S + f.z[a, a], f.z[a, b], S * S + f.z[b, b]
    per = 1.0 / (aa * bb - ab * ab)
    return bb * per, -ab * per, aa * per, sqrt(per)


def tilt_four(f, i, j, a, b, c):
    p11, p12, p22, root = tilt_two(f, i, j)
    ia, ib, ja, jb = f.z[i, a], f.z[i, b], f.z[j, a], f.z[j, b]
    w11, w12, w21, w22 = p11 * ia + p12 * ja, p11 * ib + p12 * jb, p12 * ia + p22 * ja, p12 * ib + p22 * jb
    aa, bb = S * S + f.z[a, a] - ia * w11 - ja * w21, S * S + f.z[b, b] - ib * w12 - jb * w22
    ab = f.z[a, b] - ia * w12 - ja * w22
    per = 1.0 / (aa * bb - ab * ab)
    ci, cj = f.drag[i, c], f.drag[j, c]
    ca, cb = f.drag[a, c] - w11 * ci - w21 * cj, f.drag[b, c] - w12 * ci - w22 * cj
    ua, ub = per * (bb * ca - ab * cb), per * (aa * cb - ab * ca)
    first, second = p11 * ci + p12 * cj - w11 * ua - w12 * ub, p12 * ci + p22 * cj - w21 * ua - w22 * ub
    return first, second, ua, ub, root * sqrt(per)


def difference_gg(f, c, e):
    K, total = f.delta.shape[0], 0.0
    for m in range(f.weights.size):
        for n in range(f.weights.size):
            a, b = (1 + m) * K + c, (1 + n) * K + e
            aa, ab, bb, scale = tilt_two(f, a, b)
            ca, cb, ea, eb = f.drag[a, c], f.drag[b, c], f.drag[a, e], f.drag[b, e]
            overlap = f.delta[c, e] - ca * (aa * ea + ab * eb) - cb * (ab * ea + bb * eb)
            total += f.weights[m] * f.weights[n] * scale * overlap
    return 2.0 / pi * total


def difference_dgdggg(f, i, j, c, e):
    K, total = f.delta.shape[0], 0.0
    for m in range(f.weights.size):
        for n in range(f.weights.size):
            a, b = (1 + m) * K + c, (1 + n) * K + e
            ui, uj, ua, ub, scale = tilt_four(f, i, j, a, b, e)
            overlap = f.delta[c, e] - f.drag[i, c] * ui - f.drag[j, c] * uj - f.drag[a, c] * ua - f.drag[b, c] * ub
            total += f.weights[m] * f.weights[n] * scale * overlap
    return 4.0 / pi**2 * total


def difference_slopes(f, i, e):
    K, curvature, slope = f.delta.shape[0], 0.0, 0.0
    for m in range(f.weights.size):
        b = (1 + m) * K + e
        ii, ib, bb, scale = tilt_two(f, i, b)
        ei, eb = f.drag[i, e], f.drag[b, e]
        curvature -= f.weights[m] * scale * (ii * ei + ib * eb)
        slope -= f.weights[m] * scale * (ib * ei + bb * eb)
    return 2.0 / pi * curvature, 2.0 / pi * slope


def difference_slopes_gradient(f, i, e):
    ii, ie, ee, scale = tilt_two(f, i, f.delta.shape[0] + e)
    scale *= -2.0 / pi
    return scale * ii, scale * ie, scale * ee


def difference_dgdggg_gradient(f, i, j, c, e):
    K = f.delta.shape[0]
    ei, ej, ec, ee, scale = tilt_four(f, i, j, K + c, K + e, e)
    ci, cj, cc, ce, _ = tilt_four(f, i, j, K + c, K + e, c)
    scale *= 4.0 / pi**2
    return scale, -scale * ei, -scale * ej, -scale * ec, -scale * ee, -scale * ci, -scale * cj, -scale * cc, -scale * ce
