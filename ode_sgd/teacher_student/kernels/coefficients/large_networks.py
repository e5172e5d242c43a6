"""Coefficients of large networks and their response to C: no p x p matrix, and averages in loops that vectorise.

In the basis of the students A depends on C entry by entry: dA_ic on dC_ii, dC_ic and dC_cc alone, but for dA_ii. So the
coupling acts on a vector in O(K^2 p) operations, most of them on JG: into that basis, through the derivatives, back,
and through the moments (coupled_system.py). Where that does not converge, a step is decomposed (step_algebra.py).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import FIELDS_FROM
from ode_sgd.teacher_student.kernels.coefficients.coupled_system import PRODUCTS
from ode_sgd.teacher_student.kernels.coefficients.pair_fields import pairs_of
from ode_sgd.teacher_student.kernels.sectors.eigenbasis import turn_large_covariance
from ode_sgd.teacher_student.kernels.sectors.layout import row_count

RESIDUAL = 1e-14  # of the right-hand side, what GMRES may leave: of the order of a decomposition's rounding


class Coupling(NamedTuple):
    """Work space, and derivatives in the students' basis."""

    JA: Array  # (2, 3, K, d): by dC_ii, dC_ic, dC_cc, of A_ic; and of A_ii, to be summed over c
    JG: Array  # (K (K+1)/2, P)
    changes: Array  # (d, d), dC
    flat: Array  # (P,), the same
    dA: Array  # (K, d)
    dG: Array  # (K, K)
    half: Array  # (K, d)
    basis: Array  # (PRODUCTS + 1, p)
    triangle: Array  # (PRODUCTS + 1, PRODUCTS)
    rotations: Array  # (3, PRODUCTS + 1): cosines, sines, right-hand side
    scale: Array  # (2,): of r, of q
    dense: Indices  # (1,): 1 where the coupling has been decomposed


def is_large(activation: Averages, K: int, M: int) -> bool:
    """Whether a network takes this way."""
    return K + M >= FIELDS_FROM and activation.has_pair_sums


@functools.cache
def pair_coefficients(activation: Averages) -> Callable[..., None]:
    """Kernel (C, a, noise_variance, A, G) as in coefficients.py."""
    averages: Any = activation.functions
    dgdg, d2gg, pair_sum = averages.dgdg, averages.d2gg, averages.pair_sum

    @kernel(activation.variant)
    def coefficients(C: Array, a: Array, noise_variance: float, A: Array, G: Array) -> None:
        """Fills A and G. Equations: (3.3) and (3.4)."""
        K, d = A.shape
        f = pairs_of(C, a, K)
        for i in range(K):
            curvature = 0.0
            for c in range(d):
                curvature += a[c] * d2gg(C, i, c)
                A[i, c] = a[i] * a[c] * dgdg(C, i, c)
            A[i, i] += a[i] * curvature
            for j in range(i + 1):
                G[i, j] = G[j, i] = a[i] * a[j] * (noise_variance * dgdg(C, i, j) + pair_sum(f, i, j))

    return coefficients


@functools.cache
def pair_linearised(activation: Averages) -> Callable[..., None]:
    """Kernel (C, a, noise_variance, index, A, G, JA, JG); JA and JG as in `Coupling`."""
    averages: Any = activation.functions
    dgdg_gradient, d2gg_gradient = averages.dgdg_gradient, averages.d2gg_gradient
    pair_gradient = averages.pair_gradient

    @kernel(activation.variant)
    def linearise(
        C: Array, a: Array, noise_variance: float, index: Indices, A: Array, G: Array, JA: Array, JG: Array
    ) -> None:
        """A and G, and their derivatives JA and JG. Equations: (3.3), (3.4) and (5.1)."""
        K, d = A.shape
        f = pairs_of(C, a, K)
        row = 0
        for i in range(K):
            curvature = 0.0
            for c in range(d):
                weight = a[i] * a[c]
                average, ii, ic, cc = dgdg_gradient(C, i, c)
                A[i, c] = weight * average
                JA[0, 0, i, c], JA[0, 1, i, c], JA[0, 2, i, c] = weight * ii, weight * ic, weight * cc
                average, ii, ic, cc = d2gg_gradient(C, i, c)
                curvature += weight * average
                JA[1, 0, i, c], JA[1, 1, i, c], JA[1, 2, i, c] = weight * ii, weight * ic, weight * cc
            A[i, i] += curvature
            for j in range(i, K):
                weight, gradient = a[i] * a[j], JG[row]
                total = pair_gradient(f, i, j, gradient)
                for b in range(gradient.size):
                    gradient[b] *= weight
                average, ii, ij, jj = dgdg_gradient(C, i, j)
                gradient[index[i, i]] += weight * noise_variance * ii
                gradient[index[i, j]] += weight * noise_variance * ij
                gradient[index[j, j]] += weight * noise_variance * jj
                G[i, j] = G[j, i] = weight * (total + noise_variance * average)
                row += 1

    return linearise


def coupling_space(K: int, M: int) -> Coupling:
    """Work space."""
    d, p = K + M, row_count(K, M)
    return Coupling(
        JA=np.zeros((2, 3, K, d)),
        JG=np.zeros((K * (K + 1) // 2, row_count(d, 0))),
        changes=np.zeros((d, d)),
        flat=np.zeros(p),
        dA=np.zeros((K, d)),
        dG=np.zeros((K, K)),
        half=np.zeros((K, d)),
        basis=np.zeros((PRODUCTS + 1, p)),
        triangle=np.zeros((PRODUCTS + 1, PRODUCTS)),
        rotations=np.zeros((3, PRODUCTS + 1)),
        scale=np.zeros(2),
        dense=np.zeros(1, dtype=np.int64),
    )


@kernel(sums=True)
def turn_large_coefficients(A: Array, G: Array, V: Array, half: Array) -> None:
    """`turn_coefficients` with inner loops along rows."""
    K, d = A.shape
    for size, given in ((d, A), (K, G)):
        for a in range(K):
            for c in range(size):
                half[a, c] = 0.0
            for i in range(K):
                weight = V[i, a]
                for c in range(size):
                    half[a, c] += weight * given[i, c]
        for a in range(K):
            for c in range(K):
                given[a, c] = 0.0
            for b in range(K):
                weight = half[a, b]
                for c in range(K):
                    given[a, c] += weight * V[b, c]
            for c in range(K, size):
                given[a, c] = half[a, c]


@kernel(sums=True)
def responses(k: Coupling, x: Array, V: Array, index: Indices, nothing: Array, dA: Array, dG: Array) -> None:
    """dA and dG, turned, for the turned dC = x (p,); nothing (M, M) is 0. Equation: (5.1)."""
    K, d = dA.shape
    turn_large_covariance(x, V, index, nothing, k.changes)
    changes, flat, JA, JG = k.changes, k.flat, k.JA, k.JG
    for i in range(K):
        for c in range(i, d):
            flat[index[i, c]] = changes[i, c]
    row = 0
    for i in range(K):
        own, curvature = changes[i, i], 0.0
        for c in range(d):
            dA[i, c] = JA[0, 0, i, c] * own + JA[0, 1, i, c] * changes[i, c] + JA[0, 2, i, c] * changes[c, c]
            curvature += JA[1, 0, i, c] * own + JA[1, 1, i, c] * changes[i, c] + JA[1, 2, i, c] * changes[c, c]
        dA[i, i] += curvature
        for j in range(i, K):
            total = 0.0
            for b in range(flat.size):
                total += JG[row, b] * flat[b]
            dG[i, j] = dG[j, i] = total
            row += 1
    turn_large_coefficients(dA, dG, V, k.half)
