"""Coefficients and the p x p system of large networks: no p x p matrix, and averages in loops that vectorise.

In the basis of the students A depends on C entry by entry: dA_ic on dC_ii, dC_ic and dC_cc alone, but for dA_ii. So the
coupling acts on a vector in O(K^2 p) operations, most of them on JG: into that basis, through the derivatives, back,
and through the moments. It is 1 plus what is small or of low rank: GMRES (Saad & Schultz 1986) needs some ten of these
products where a decomposition takes p^3/3 operations. Where it does not converge, a step is decomposed
(step_algebra.py).
"""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.pair_fields import pairs_of
from ode_sgd.teacher_student.kernels.sectors.eigenbasis import turn_large_covariance
from ode_sgd.teacher_student.kernels.sectors.layout import row_count

FIELDS_FROM = 16  # K + M from which this pays
PRODUCTS = 40  # with the coupling, before the dense way is taken
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


@kernel(sums=True)
def coupled(k: Coupling, x: Array, V: Array, index: Indices, nothing: Array, moments: Array, out: Array) -> None:
    """out = (coupling matrix) x: see step_algebra.coupling_matrix. Equation: (5.1)."""
    K, d = k.dA.shape
    M = d - K
    responses(k, x, V, index, nothing, k.dA, k.dG)
    dA, dG, N_begin, H_begin = k.dA, k.dG, K * d * M, K * d * M + K * K * d
    for i in range(K):
        answer = out[i * M : (i + 1) * M]
        for n in range(M):
            answer[n] = x[i * M + n]
        for c in range(d):
            M1, weight = moments[(i * d + c) * M : (i * d + c + 1) * M], dA[i, c]
            for n in range(M):
                answer[n] += M1[n] * weight
        for j in range(i, K):
            begin, other = N_begin + (i * K + j) * d, N_begin + (j * K + i) * d
            N_ij, N_ji = moments[begin : begin + d], moments[other : other + d]
            total = moments[H_begin + i * K + j] * dG[i, j]
            for c in range(d):
                total += N_ij[c] * dA[i, c] + N_ji[c] * dA[j, c]
            out[index[i, j]] = x[index[i, j]] - total


@kernel(sums=True)
def norm(x: Array) -> float:
    """Euclidean."""
    total = 0.0
    for b in range(x.size):
        total += x[b] * x[b]
    return sqrt(total)


@kernel(sums=True)
def orthogonalise(basis: Array, k: int, column: Array) -> float:
    """basis[k + 1] made orthogonal to the vectors before it, whose shares go into `column`; its length."""
    new = basis[k + 1]
    for m in range(k + 1):
        old, share = basis[m], 0.0
        for b in range(new.size):
            share += old[b] * new[b]
        for b in range(new.size):
            new[b] -= share * old[b]
        column[m] = share
    return norm(new)


@kernel()
def rescale(k: Coupling, x: Array, first: int, back: bool) -> None:
    """r and q, which begins at `first`, in units of their sizes, or back."""
    r, q = (k.scale[0], k.scale[1]) if back else (1.0 / k.scale[0], 1.0 / k.scale[1])
    for b in range(x.size):
        x[b] *= r if b < first else q


@kernel()
def solve_coupled(k: Coupling, b: Array, base: Array, V: Array, index: Indices, nothing: Array, moments: Array) -> bool:
    """b <- (coupling matrix)^-1 b by GMRES. False, and b as it was, where it does not converge.

    r and q are measured by the sizes of C, base, or of b: r may be far smaller, and keeps its relative precision.
    """
    first = index[0, 0]
    basis, H, cosine, sine, right = k.basis, k.triangle, k.rotations[0], k.rotations[1], k.rotations[2]
    for part, begin, end in ((0, 0, first), (1, first, b.size)):
        size = max(norm(base[begin:end]), norm(b[begin:end]))
        k.scale[part] = size if size > 0.0 else 1.0
    start = basis[0]
    for e in range(b.size):
        start[e] = b[e]
    rescale(k, start, first, False)
    size = norm(start)
    if size == 0.0:
        return True
    column, x = room(b, (PRODUCTS + 1,)), room(b, (b.size,))
    for e in range(b.size):
        start[e] /= size
    right[0], count = size, 0
    for step in range(PRODUCTS):
        new = basis[step + 1]
        for e in range(b.size):
            x[e] = basis[step, e]
        rescale(k, x, first, True)
        coupled(k, x, V, index, nothing, moments, new)
        rescale(k, new, first, False)
        length = orthogonalise(basis, step, column)
        for m in range(step):
            upper, lower = column[m], column[m + 1]
            column[m], column[m + 1] = cosine[m] * upper + sine[m] * lower, cosine[m] * lower - sine[m] * upper
        whole = sqrt(column[step] * column[step] + length * length)
        if not whole > 0.0:  # also for NaN
            return False
        cosine[step], sine[step], column[step] = column[step] / whole, length / whole, whole
        right[step], right[step + 1] = cosine[step] * right[step], -sine[step] * right[step]
        for m in range(step + 1):
            H[m, step] = column[m]
        if abs(right[step + 1]) <= RESIDUAL * size:
            count = step + 1
            break
        for e in range(b.size):
            new[e] /= length
    if count == 0:
        return False
    for m in range(count - 1, -1, -1):
        for n in range(m + 1, count):
            right[m] -= H[m, n] * right[n]
        right[m] /= H[m, m]
    for e in range(b.size):
        b[e] = 0.0
    for m in range(count):
        for e in range(b.size):
            b[e] += right[m] * basis[m, e]
    rescale(k, b, first, True)
    return True
