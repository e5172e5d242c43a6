"""Coefficients in difference form, for students that have nearly become their teachers: no cancellation.

For K = M and v_i = u_i, take delta_i = x_i - y_i in place of x_i. Its overlaps per sector, alpha = q - r - r^T + t and
beta = r - t, obey the equations of q and r with F = D + E in place of E. Here C = [[alpha, beta], [beta^T, T]] and
A = [D | F]:

    D_ij = v_i v_j E[g'(x_i) g'(x_j)] + [i = j] v_i sum_e v_e E[g''(x_i) Delta_e],     Delta_e = g(x_e) - g(y_e)
    F_in = v_i v_n E[g'(x_i) (g'(x_n) - g'(y_n))] + [i = n] v_i sum_e v_e E[g''(x_i) Delta_e]
    G_ij = v_i v_j sum_ce v_c v_e E[g'(x_i) g'(x_j) Delta_c Delta_e]
    eps_g = (1/2) sum_ce v_c v_e E[Delta_c Delta_e]

each proportional to what it describes, so all keep their relative precision however small eps_g is.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ode_sgd.kernels.averages import load
from ode_sgd.kernels.compile import Array, kernel
from ode_sgd.kernels.layout import Indices
from ode_sgd.kernels.linearised import linearised_coefficients

# Gauss-Legendre rules on [0, 1]: (up to which |delta| / |y|, nodes). Relative errors: 1e-13, with 4 nodes 1e-11.
RULES = ((1e-3, 2), (2e-2, 3), (1e-1, 4), (np.inf, 10))


def _rule(count: int) -> tuple[Array, Array]:
    x, w = np.polynomial.legendre.leggauss(count)
    return 0.5 * (1.0 + x), 0.5 * w


NODES_2, WEIGHTS_2 = _rule(2)
NODES_3, WEIGHTS_3 = _rule(3)
NODES_4, WEIGHTS_4 = _rule(4)
NODES_10, WEIGHTS_10 = _rule(10)
VANISHED = 1e-52  # squared differences, relative to the teacher, that set the least step of numerical derivatives
RESOLVED = 1e-6  # |delta| above which derivatives that cancel to leading order still have ten digits
REACH_2, REACH_3, REACH_4 = (reach**2 for reach, _ in RULES[:3])


@kernel()
def quadrature(C: Array) -> tuple[Array, Array]:
    """The rule that the largest difference needs."""
    K = C.shape[0] // 2
    ratio = 0.0
    for i in range(K):
        ratio = max(ratio, C[i, i] / (1.0 + C[K + i, K + i]))
    if ratio < REACH_2:
        return NODES_2, WEIGHTS_2
    if ratio < REACH_3:
        return NODES_3, WEIGHTS_3
    if ratio < REACH_4:
        return NODES_4, WEIGHTS_4
    return NODES_10, WEIGHTS_10


def has_difference_form(activation: str) -> bool:
    """Whether the activation's file supplies averages of differences."""
    return hasattr(load(activation), "difference_product")


@functools.cache
def difference_coefficients(activation: str) -> Callable[..., None]:
    """Kernel (C, a, noise_variance, A, G) as in coefficients.py, in difference form; noise_variance must be 0."""
    averages: Any = load(activation)
    dgdg, product, slope = averages.dgdg, averages.difference_product, averages.difference_slope

    @kernel(activation)
    def coefficients(C: Array, a: Array, noise_variance: float, A: Array, G: Array) -> None:
        K = A.shape[0]
        nodes, weights = quadrature(C)
        slopes, x = np.empty(2, np.int64), np.empty((K, K))
        for i in range(K):
            for j in range(K):
                x[i, j] = C[i, j] + C[i, K + j] + C[j, K + i] + C[K + i, K + j]
        for i in range(K):
            curvature = 0.0
            for e in range(K):
                curvature += a[i] * a[e] * slope(C, i, e, False, nodes, weights)
            for j in range(K):
                A[i, j] = a[i] * a[j] * dgdg(x, i, j)
                A[i, K + j] = a[i] * a[j] * slope(C, i, j, True, nodes, weights)
            A[i, i] += curvature
            A[i, K + i] += curvature
            for j in range(i + 1):
                slopes[0], slopes[1] = i, j
                total = 0.0
                for c in range(K):
                    for e in range(c + 1):
                        twice = 1.0 if c == e else 2.0
                        total += twice * a[c] * a[e] * product(C, slopes, c, e, nodes, weights)
                G[i, j] = G[j, i] = a[i] * a[j] * total

    return coefficients


@functools.cache
def difference_error(activation: str) -> Callable[..., float]:
    """Kernel (C, a) -> eps_g, in difference form."""
    product: Any = load(activation).difference_product

    @kernel(activation)
    def evaluate(C: Array, a: Array) -> float:
        K = a.size // 2
        none = np.empty(0, np.int64)
        nodes, weights = quadrature(C)
        error = 0.0
        for c in range(K):
            for e in range(K):
                error += 0.5 * a[c] * a[e] * product(C, none, c, e, nodes, weights)
        return error

    return evaluate


@functools.cache
def difference_linearised(activation: str) -> Callable[..., None]:
    """Kernel (C, a, noise_variance, overlap, A, G, JA, JG) as in linearised.py, in difference form.

    Where differences are larger than RESOLVED the derivatives are those of linearised.py by the chain rule, with
    q = alpha + beta + beta^T + T and r = beta + T. They cancel to leading order, so further down they are central
    differences over steps of 1e-3 of the size that an entry has: the coefficients are nearly polynomial there, which
    makes them good to about 1e-8 of every derivative that matters.
    """
    coefficients = difference_coefficients(activation)
    linearise_overlaps = linearised_coefficients(activation)

    @kernel(activation)
    def by_differences(
        C: Array, a: Array, overlap: Indices, size: float, A: Array, G: Array, JA: Array, JG: Array
    ) -> None:
        K = A.shape[0]
        teacher = 0.0
        for i in range(K):
            teacher += C[K + i, K + i]
        low_A, low_G, moved = np.empty_like(A), np.empty_like(G), C.copy()
        for i in range(K):
            for b in range(i, 2 * K):
                step = 1e-3 * (size if b < K else np.sqrt(size * teacher))
                column = overlap[i, b]
                moved[i, b] = moved[b, i] = C[i, b] - step
                coefficients(moved, a, 0.0, low_A, low_G)
                moved[i, b] = moved[b, i] = C[i, b] + step
                coefficients(moved, a, 0.0, A, G)
                moved[i, b] = moved[b, i] = C[i, b]
                row = 0
                for j in range(K):
                    for c in range(2 * K):
                        JA[j * 2 * K + c, column] = (A[j, c] - low_A[j, c]) / (2.0 * step)
                    for m in range(j, K):
                        JG[row, column] = (G[j, m] - low_G[j, m]) / (2.0 * step)
                        row += 1

    @kernel(activation)
    def by_chain_rule(C: Array, a: Array, overlap: Indices, A: Array, G: Array, JA: Array, JG: Array) -> None:
        K = A.shape[0]
        x = C.copy()
        for i in range(K):
            for j in range(K):
                x[i, j] += C[i, K + j] + C[j, K + i] + C[K + i, K + j]
                x[i, K + j] += C[K + i, K + j]
                x[K + j, i] = x[i, K + j]
        linearise_overlaps(x, a, 0.0, overlap, A, G, JA, JG)
        for row in range(K * 2 * K + JG.shape[0]):
            gradient = JA[row] if row < K * 2 * K else JG[row - K * 2 * K]
            for i in range(K):
                for n in range(K):  # beta_in moves r_in, q_in and q_ni
                    gradient[overlap[i, K + n]] += gradient[overlap[i, n]] * (2.0 if i == n else 1.0)
        for i in range(K):
            for n in range(K):
                for b in range(JA.shape[1]):
                    JA[i * 2 * K + K + n, b] += JA[i * 2 * K + n, b]

    @kernel(activation)
    def linearise(
        C: Array, a: Array, noise_variance: float, overlap: Indices, A: Array, G: Array, JA: Array, JG: Array
    ) -> None:
        K, size, teacher = A.shape[0], 0.0, 0.0
        for i in range(K):
            size += C[i, i]
            teacher += C[K + i, K + i]
        size = max(size, VANISHED * teacher)  # errors may have taken vanished differences below zero
        if size > RESOLVED**2:
            by_chain_rule(C, a, overlap, A, G, JA, JG)
        else:
            by_differences(C, a, overlap, size, A, G, JA, JG)
        coefficients(C, a, 0.0, A, G)

    return linearise
