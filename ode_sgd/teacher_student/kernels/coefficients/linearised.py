"""The coefficients A, G and their analytic derivatives with respect to the entries of C.

JA (K d, P) and JG (K (K+1)/2, P): rows as A and the upper triangle of G; column index[a, b] belongs to the entry
C_ab = C_ba, one variable (layout.py). The last M(M+1)/2 columns are those of T, which does not move.
"""

import functools
from collections.abc import Callable
from typing import Any

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import ANY
from ode_sgd.teacher_student.kernels.coefficients.mixtures import mixture_linearised


@functools.cache
def linearised_coefficients(activation: Averages, shape: tuple[int, int] = ANY) -> Callable[..., None]:
    """Kernel (C, a, noise_variance, index, A, G, JA, JG) that fills the last four, for one activation.

    A shape (K, K + M) unrolls its loops.
    """
    if activation.mixture is not None:
        return mixture_linearised(activation.mixture)
    averages: Any = activation.functions
    if activation.has_whole_coefficients:
        whole: Callable[..., None] = averages.linearise
        return whole
    dgdg_gradient, d2gg_gradient = averages.dgdg_gradient, averages.d2gg_gradient
    dgdggg_gradient = averages.dgdggg_gradient

    fixed = shape != ANY

    @kernel(activation.variant if shape == ANY else f"{activation.variant}-{shape[0]}of{shape[1]}")
    def linearise(
        C: Array, a: Array, noise_variance: float, index: Indices, A: Array, G: Array, JA: Array, JG: Array
    ) -> None:
        """A and G, and their derivatives JA and JG. Equations: (3.3), (3.4) and (5.1)."""
        K, d = shape if fixed else A.shape
        A[:] = 0.0
        JA[:] = 0.0
        JG[:] = 0.0
        for i in range(K):
            for c in range(d):
                weight = a[i] * a[c]
                average, ii, ic, cc = dgdg_gradient(C, i, c)
                A[i, c] += weight * average
                JA[i * d + c, index[i, i]] += weight * ii
                JA[i * d + c, index[i, c]] += weight * ic
                JA[i * d + c, index[c, c]] += weight * cc
                average, ii, ic, cc = d2gg_gradient(C, i, c)
                A[i, i] += weight * average
                JA[i * d + i, index[i, i]] += weight * ii
                JA[i * d + i, index[i, c]] += weight * ic
                JA[i * d + i, index[c, c]] += weight * cc
        row = 0
        for i in range(K):
            for j in range(i, K):
                weight = a[i] * a[j] * noise_variance
                average, ii, ij, jj = dgdg_gradient(C, i, j)
                total = weight * average
                JG[row, index[i, i]] += weight * ii
                JG[row, index[i, j]] += weight * ij
                JG[row, index[j, j]] += weight * jj
                for c in range(d):
                    for e in range(c + 1):
                        weight = a[i] * a[j] * a[c] * a[e] * (1.0 if c == e else 2.0)
                        average, ii, jj, ij, cc, ee, ce, ic, ie, jc, je = dgdggg_gradient(C, i, j, c, e)
                        total += weight * average
                        JG[row, index[i, i]] += weight * ii
                        JG[row, index[j, j]] += weight * jj
                        JG[row, index[i, j]] += weight * ij
                        JG[row, index[c, c]] += weight * cc
                        JG[row, index[e, e]] += weight * ee
                        JG[row, index[c, e]] += weight * ce
                        JG[row, index[i, c]] += weight * ic
                        JG[row, index[i, e]] += weight * ie
                        JG[row, index[j, c]] += weight * jc
                        JG[row, index[j, e]] += weight * je
                G[i, j] = G[j, i] = total
                row += 1

    return linearise
