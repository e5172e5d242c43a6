"""g(x) = x^2. Averages by Wick's theorem, for fields with covariance C."""


def value(x):
    return x * x


def slope(x):
    return 2.0 * x


def gg(C, a, b):
    return C[a, a] * C[b, b] + 2.0 * C[a, b] ** 2


def dgdg(C, a, b):
    return 4.0 * C[a, b]


def dgdg_gradient(C, a, b):  # the average; its derivatives by C_aa, C_ab, C_bb
    return 4.0 * C[a, b], 0.0, 4.0, 0.0


def d2gg(C, a, b):
    return 2.0 * C[b, b]


def d2gg_gradient(C, a, b):
    return 2.0 * C[b, b], 0.0, 0.0, 2.0


def dgdggg(C, a, b, c, e):
    return dgdggg_gradient(C, a, b, c, e)[0]


def dgdggg_gradient(C, a, b, c, e):  # the average; its derivatives by C_ aa, bb, ab, cc, ee, ce, ac, ae, bc, be
    ab, cc, ee, ce = C[a, b], C[c, c], C[e, e], C[c, e]
    ac, ae, bc, be = C[a, c], C[a, e], C[b, c], C[b, e]
    average = ab * (cc * ee + 2.0 * ce**2) + 2.0 * (ac * bc * ee + ae * be * cc) + 4.0 * ce * (ac * be + ae * bc)
    return (
        4.0 * average,
        0.0,
        0.0,
        4.0 * (cc * ee + 2.0 * ce**2),
        4.0 * (ab * ee + 2.0 * ae * be),
        4.0 * (ab * cc + 2.0 * ac * bc),
        16.0 * (ab * ce + ac * be + ae * bc),
        8.0 * (bc * ee + 2.0 * ce * be),
        8.0 * (be * cc + 2.0 * ce * bc),
        8.0 * (ac * ee + 2.0 * ce * ae),
        8.0 * (ae * cc + 2.0 * ce * ac),
    )


IN_LANES = True  # no branches: many problems are integrated side by side
