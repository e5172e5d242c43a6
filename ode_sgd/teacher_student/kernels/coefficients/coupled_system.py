"""The p x p system that couples the sectors of large networks, by GMRES (Saad & Schultz 1986): no p x p matrix.

The coupling acts on a vector through the response of the coefficients, which is what kinds of large networks differ in,
and through the moments of the sectors. It is 1 plus what is small or of low rank: some ten of these products do what a
decomposition takes p^3/3 operations for.
"""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room

PRODUCTS = 40  # with the coupling, before it is given up


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
def rescale(k: Any, x: Array, first: int, back: bool) -> None:
    """r and q, which begins at `first`, in units of their sizes, or back."""
    r, q = (k.scale[0], k.scale[1]) if back else (1.0 / k.scale[0], 1.0 / k.scale[1])
    for b in range(x.size):
        x[b] *= r if b < first else q


@functools.cache
def coupled_solver(responses: Callable[..., None], variant: str, residual: float) -> Callable[..., bool]:
    """Kernel (k, b, base, V, index, nothing, moments) that solves the system, False where it does not converge.

    `responses` (k, x, V, index, nothing, dA, dG) fills the last two for the turned dC = x. `residual` is what may be
    left of the right-hand side. The work space k has at least the arrays dA, dG, basis, triangle, rotations and scale.
    """

    @kernel(variant, sums=True)
    def coupled(k: Any, x: Array, V: Array, index: Indices, nothing: Array, moments: Array, out: Array) -> None:
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

    @kernel(variant)
    def solve_coupled(k: Any, b: Array, base: Array, V: Array, index: Indices, nothing: Array, moments: Array) -> bool:
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
            if abs(right[step + 1]) <= residual * size:
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

    return solve_coupled
