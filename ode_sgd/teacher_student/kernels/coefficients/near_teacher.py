"""Coefficients in difference form, for students that have nearly become their teachers: no cancellation.

For K = M and v_i = u_i, take delta_i = x_i - y_i in place of x_i. Its overlaps per sector, a = q - r - r^T + t and
b = r - t, obey the equations of q and r with F = D + E in place of E. Here C = [[a, b], [b^T, T]] of order one, and
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

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.difference_fields import fields_of, largest_difference
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients

# `largest_difference` below which derivatives are those of the leading order, in error by |delta|; above it those of
# the overlaps' form, which cancel to that order, are in error by rounding / |delta|, more for teachers longer than one.
RESOLVED = 1e-8**2


@functools.cache
def difference_coefficients(activation: Averages) -> Callable[..., None]:
    """Kernel (C, a, noise_variance, A, G) as in coefficients.py, in difference form; noise_variance must be 0."""
    averages: Any = activation.functions
    dgdg, dgdggg, slopes = averages.dgdg, averages.difference_dgdggg, averages.difference_slopes

    @kernel(activation.variant)
    def coefficients(C: Array, a: Array, noise_variance: float, A: Array, G: Array) -> None:
        """Fills A = [D | D + E] and G. Equations: (3.3), (3.4) and (5.6)."""
        K = A.shape[0]
        f = fields_of(C)
        for i in range(K):
            total = 0.0
            for e in range(K):
                curvature, slope = slopes(f, i, e)
                total += a[i] * a[e] * curvature
                A[i, e] = a[i] * a[e] * dgdg(f.z, i, e)
                A[i, K + e] = a[i] * a[e] * slope
            A[i, i] += total
            A[i, K + i] += total
            for j in range(i + 1):
                total = 0.0
                for c in range(K):
                    total += a[c] * a[c] * dgdggg(f, i, j, c, c)
                    for e in range(c):
                        total += 2.0 * a[c] * a[e] * dgdggg(f, i, j, c, e)
                G[i, j] = G[j, i] = a[i] * a[j] * total

    return coefficients


@functools.cache
def difference_error(activation: Averages) -> Callable[..., float]:
    """Kernel (C, a) -> eps_g, in difference form."""
    gg: Any = activation.functions.difference_gg

    @kernel(activation.variant)
    def evaluate(C: Array, a: Array) -> float:
        """eps_g. Equations: (3.5) and (5.6)."""
        K = a.size // 2
        f, total = fields_of(C), 0.0
        for c in range(K):
            total += 0.5 * a[c] * a[c] * gg(f, c, c)
            for e in range(c):
                total += a[c] * a[e] * gg(f, c, e)
        return total

    return evaluate


@functools.cache
def difference_linearised(activation: Averages) -> Callable[..., None]:
    """Kernel (C, a, noise_variance, overlap, A, G, JA, JG) as in linearised.py, in difference form.

    Where differences are large the derivatives are those of linearised.py by the chain rule, with
    q = a + b + b^T + T and r = b + T; further down, those of the leading order: F is linear in b and a (alike where
    delta is orthogonal to y), G linear in a and quadratic in b, D does not change.
    """
    averages: Any = activation.functions
    slopes_gradient, dgdggg_gradient = averages.difference_slopes_gradient, averages.difference_dgdggg_gradient
    coefficients = difference_coefficients(activation)
    linearise_overlaps = linearised_coefficients(activation)

    @kernel(activation.variant)
    def by_leading_order(C: Array, a: Array, overlap: Indices, JA: Array, JG: Array) -> None:
        K = a.size // 2
        f = fields_of(C)
        JA[:] = 0.0
        JG[:] = 0.0
        row = 0
        for i in range(K):
            for e in range(K):
                weight = a[i] * a[e]
                curvature_i, mixed, slope_e = slopes_gradient(f, i, e)
                # Cov(delta_e, x_i) has all of a_ei beside b_ei, Cov(delta_e, z_e) on average half of a_ee.
                for by_i, by_e, share in (
                    (overlap[e, K + i], overlap[e, K + e], 1.0),
                    (overlap[e, i], overlap[e, e], 0.5),
                ):
                    for column in (i, K + i):
                        JA[i * 2 * K + column, by_i] += weight * curvature_i
                        JA[i * 2 * K + column, by_e] += weight * share * mixed
                    JA[i * 2 * K + K + e, by_i] += weight * mixed
                    JA[i * 2 * K + K + e, by_e] += weight * share * slope_e
            for j in range(i, K):
                for c in range(K):
                    for e in range(c + 1):
                        weight = a[i] * a[j] * a[c] * a[e] * (1.0 if c == e else 2.0)
                        ce, ci, cj, cc, c_e, ei, ej, e_c, ee = dgdggg_gradient(f, i, j, c, e)
                        JG[row, overlap[c, e]] += weight * ce
                        JG[row, overlap[c, K + i]] += weight * ci
                        JG[row, overlap[c, K + j]] += weight * cj
                        JG[row, overlap[c, K + c]] += weight * cc
                        JG[row, overlap[c, K + e]] += weight * c_e
                        JG[row, overlap[e, K + i]] += weight * ei
                        JG[row, overlap[e, K + j]] += weight * ej
                        JG[row, overlap[e, K + c]] += weight * e_c
                        JG[row, overlap[e, K + e]] += weight * ee
                row += 1

    @kernel(activation.variant)
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
                for n in range(K):  # b_in moves r_in, q_in and q_ni
                    gradient[overlap[i, K + n]] += gradient[overlap[i, n]] * (2.0 if i == n else 1.0)
        for i in range(K):
            for n in range(K):
                for b in range(JA.shape[1]):
                    JA[i * 2 * K + K + n, b] += JA[i * 2 * K + n, b]

    @kernel(activation.variant)
    def linearise(
        C: Array, a: Array, noise_variance: float, overlap: Indices, A: Array, G: Array, JA: Array, JG: Array
    ) -> None:
        if largest_difference(C) > RESOLVED:
            by_chain_rule(C, a, overlap, A, G, JA, JG)
        else:
            by_leading_order(C, a, overlap, JA, JG)
        coefficients(C, a, 0.0, A, G)

    return linearise
