"""g(x) = x^2. Averages by Isserlis' theorem: docs/theory/model.md section 4."""

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.coefficients.difference_fields import Fields

IN_LANES = True
EVEN = True


@kernel(inline=True)
def value(x: float) -> float:
    return x * x


@kernel(inline=True)
def slope(x: float) -> float:
    return 2.0 * x


@kernel(inline=True)
def value_and_slope(x: float) -> tuple[float, float]:
    return x * x, 2.0 * x


@kernel(inline=True)
def gg(C: Array, a: int, b: int) -> float:
    """E[g(a) g(b)]. Equation: (4.7)."""
    return C[a, a] * C[b, b] + 2.0 * C[a, b] * C[a, b]


@kernel(inline=True)
def dgdg(C: Array, a: int, b: int) -> float:
    """E[g'(a) g'(b)]. Equation: (4.7)."""
    return 4.0 * C[a, b]


@kernel(inline=True)
def d2gg(C: Array, a: int, b: int) -> float:
    """E[g''(a) g(b)]. Equation: (4.7)."""
    return 2.0 * C[b, b]


@kernel(inline=True)
def dgdggg(C: Array, a: int, b: int, c: int, e: int) -> float:
    """E[g'(a) g'(b) g(c) g(e)]. Equation: (4.7)."""
    ab, cc, ee, ce = C[a, b], C[c, c], C[e, e], C[c, e]
    ac, ae, bc, be = C[a, c], C[a, e], C[b, c], C[b, e]
    return 4.0 * (ab * (cc * ee + 2.0 * ce * ce) + 2.0 * (ac * bc * ee + ae * be * cc) + 4.0 * ce * (ac * be + ae * bc))


@kernel(inline=True)
def dgdg_gradient(C: Array, a: int, b: int) -> tuple[float, float, float, float]:
    """`dgdg` and its derivatives. Equation: (4.7)."""
    return 4.0 * C[a, b], 0.0, 4.0, 0.0


@kernel(inline=True)
def d2gg_gradient(C: Array, a: int, b: int) -> tuple[float, float, float, float]:
    """`d2gg` and its derivatives. Equation: (4.7)."""
    return 2.0 * C[b, b], 0.0, 0.0, 2.0


@kernel(inline=True)
def dgdggg_gradient(
    C: Array, a: int, b: int, c: int, e: int
) -> tuple[float, float, float, float, float, float, float, float, float, float, float]:
    """`dgdggg` and its derivatives. Equation: (4.7)."""
    ab, cc, ee, ce = C[a, b], C[c, c], C[e, e], C[c, e]
    ac, ae, bc, be = C[a, c], C[a, e], C[b, c], C[b, e]
    pair, cross = cc * ee + 2.0 * ce * ce, ac * be + ae * bc
    return (
        4.0 * (ab * pair + 2.0 * (ac * bc * ee + ae * be * cc) + 4.0 * ce * cross),
        0.0,
        0.0,
        4.0 * pair,
        4.0 * (ab * ee + 2.0 * ae * be),
        4.0 * (ab * cc + 2.0 * ac * bc),
        16.0 * (ab * ce + cross),
        8.0 * (bc * ee + 2.0 * ce * be),
        8.0 * (be * cc + 2.0 * ce * bc),
        8.0 * (ac * ee + 2.0 * ce * ae),
        8.0 * (ae * cc + 2.0 * ce * ac),
    )


# Large networks as matrices: with D_a = diag(a), S = C D_a C, X = tr(D_a C) and W = S D_a C,
#     A_ic = 2 v_i ([c = i] X + 2 a_c C_ic),   G_ij = 4 v_i v_j [(X^2 + 2 tr(D_a S) + sigma^2) C + 4 X S + 8 W]_ij,
# O((K + M)^3) operations in place of the K^2 (K + M)^2 of all averages one by one. `half` (d, K) is C D_a C or
# dC D_a C in the columns of students, `square` (K, K) its rows of students.


@kernel(sums=True, inline=True)
def _weighted_product(left: Array, right: Array, a: Array, rows: int, out: Array) -> None:
    """out (rows, K) = the first rows and K columns of left D_a right."""
    K = out.shape[1]
    for c in range(rows):
        for j in range(K):
            out[c, j] = 0.0
        for e in range(a.size):
            weight = left[c, e] * a[e]
            for j in range(K):
                out[c, j] += weight * right[e, j]


@kernel(sums=True)
def matrix_coefficients(
    C: Array, a: Array, noise_variance: float, S: Array, W: Array, A: Array, G: Array
) -> tuple[float, float]:
    """Fills A, G and S (d, K), the columns of students; W (K, K) is scratch. Returns X and tr(D_a S).

    Equation: (4.8).
    """
    K, d = A.shape
    X, X2 = 0.0, 0.0
    for c in range(d):
        X += a[c] * C[c, c]
        for e in range(d):
            X2 += a[c] * a[e] * C[c, e] * C[c, e]
    _weighted_product(C, C, a, d, S)
    _weighted_product(C, S, a, K, W)
    for i in range(K):
        for c in range(d):
            A[i, c] = 4.0 * a[i] * a[c] * C[i, c]
        A[i, i] += 2.0 * a[i] * X
        for j in range(K):
            total = (X * X + 2.0 * X2 + noise_variance) * C[i, j] + 4.0 * X * S[i, j] + 8.0 * W[i, j]
            G[i, j] = 4.0 * a[i] * a[j] * total
    return X, X2


@kernel(sums=True)
def matrix_response(
    C: Array,
    a: Array,
    noise_variance: float,
    numbers: tuple[float, float],
    S: Array,
    dC: Array,
    H: Array,
    W: Array,
    dA: Array,
    dG: Array,
) -> None:
    """The change of A and G with C, of which S and the numbers X, tr(D_a S) are given; H and W are scratch.

    Equation: (4.8).
    """
    K, d = dA.shape
    X, X2 = numbers
    dX, dX2 = 0.0, 0.0
    for c in range(d):
        dX += a[c] * dC[c, c]
        for e in range(d):
            dX2 += 2.0 * a[c] * a[e] * dC[c, e] * C[c, e]
    _weighted_product(dC, C, a, d, H)
    _weighted_product(dC, S, a, K, W[0])
    _weighted_product(C, H, a, K, W[1])
    own, change = X * X + 2.0 * X2 + noise_variance, 2.0 * (X * dX + dX2)
    for i in range(K):
        for c in range(d):
            dA[i, c] = 4.0 * a[i] * a[c] * dC[i, c]
        dA[i, i] += 2.0 * a[i] * dX
        for j in range(K):
            total = change * C[i, j] + own * dC[i, j] + 4.0 * (dX * S[i, j] + X * (H[i, j] + H[j, i]))
            total += 8.0 * (W[0, i, j] + W[0, j, i] + W[1, i, j])
            dG[i, j] = 4.0 * a[i] * a[j] * total


# Averages of differences, without cancellation: Delta_c = delta_c sigma_c with sigma_c = x_c + y_c = 2 x_c - delta_c.


@kernel(inline=True, always=True)
def _mixed(f: Fields, c: int, e: int) -> float:
    """Cov(delta_c, sigma_e)."""
    return 2.0 * f.drag[e, c] - f.delta[c, e]


@kernel(inline=True, always=True)
def _sums(f: Fields, c: int, e: int) -> float:
    """Cov(sigma_c, sigma_e)."""
    return 4.0 * f.z[c, e] - 2.0 * (f.drag[c, e] + f.drag[e, c]) + f.delta[c, e]


@kernel(inline=True)
def difference_gg(f: Fields, c: int, e: int) -> float:
    return _mixed(f, c, c) * _mixed(f, e, e) + f.delta[c, e] * _sums(f, c, e) + _mixed(f, c, e) * _mixed(f, e, c)


@kernel(inline=True)
def difference_dgdggg(f: Fields, i: int, j: int, c: int, e: int) -> float:
    cc, ee, ce, ec = _mixed(f, c, c), _mixed(f, e, e), _mixed(f, c, e), _mixed(f, e, c)
    d, s = f.delta[c, e], _sums(f, c, e)
    ic, ie, jc, je = f.drag[i, c], f.drag[i, e], f.drag[j, c], f.drag[j, e]
    # with sigma_c and sigma_e
    iC, iE = 2.0 * f.z[i, c] - ic, 2.0 * f.z[i, e] - ie
    jC, jE = 2.0 * f.z[j, c] - jc, 2.0 * f.z[j, e] - je
    return 4.0 * (
        f.z[i, j] * (cc * ee + d * s + ce * ec)
        + (ic * jC + iC * jc) * ee
        + (ie * jE + iE * je) * cc
        + (ic * je + ie * jc) * s
        + (iC * jE + iE * jC) * d
        + (ic * jE + iE * jc) * ec
        + (iC * je + ie * jC) * ce
    )


@kernel(inline=True)
def difference_slopes(f: Fields, i: int, e: int) -> tuple[float, float]:
    return 2.0 * _mixed(f, e, e), 4.0 * f.drag[i, e]


@kernel(inline=True)
def difference_slopes_gradient(f: Fields, i: int, e: int) -> tuple[float, float, float]:
    return 0.0, 4.0, 0.0


@kernel(inline=True, always=True)
def _three(f: Fields, m: int, p: int, q: int, r: int) -> float:
    """E[y_p y_q y_r delta_m]: each Cov(delta_m, .) times the covariance of the two others."""
    return f.drag[p, m] * f.z[q, r] + f.drag[q, m] * f.z[p, r] + f.drag[r, m] * f.z[p, q]


@kernel(inline=True)
def difference_dgdggg_gradient(
    f: Fields, i: int, j: int, c: int, e: int
) -> tuple[float, float, float, float, float, float, float, float, float]:
    K = f.delta.shape[0]
    p, q = K + c, K + e
    together = f.z[i, j] * f.z[p, q] + f.z[i, p] * f.z[j, q] + f.z[i, q] * f.z[j, p]
    return (
        16.0 * together,
        16.0 * _three(f, e, j, p, q),
        16.0 * _three(f, e, i, p, q),
        16.0 * _three(f, e, i, j, q),
        16.0 * _three(f, e, i, j, p),
        16.0 * _three(f, c, j, p, q),
        16.0 * _three(f, c, i, p, q),
        16.0 * _three(f, c, i, j, q),
        16.0 * _three(f, c, i, j, p),
    )
