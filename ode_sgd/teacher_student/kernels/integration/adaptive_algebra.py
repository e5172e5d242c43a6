"""What a step does on small matrices for Adam and AdaGradNorm: the p x p system, bordered by what these remember.

The memory is m_1 .. m_K and the known share e of Adam, or B of AdaGradNorm: (E,) numbers n. They scale rows of A and
both sides of G by s_i = m_i^(-1/2), or B^(-1/2). In a step, A and G are turned by W = diag(s^(1/2)) V, with V the
eigenvectors of diag(s^(1/2)) D diag(s^(1/2)), where s is that of its start: see `linearise`. C and n are the one vector
(p + E,) of `Small.rows` and `Small.dC`, and `Small.a` holds n, n at the start of the step, G_11 .. G_KK, and then the
signed weights a.
"""

import functools
from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import ANY, coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.integration import rodas5p
from ode_sgd.teacher_student.kernels.integration.step_algebra import (
    Algebra,
    Small,
    coefficient_changes,
    coupling_matrix,
)
from ode_sgd.teacher_student.kernels.integration.step_control import SUMS
from ode_sgd.teacher_student.kernels.sectors.eigenbasis import turn_derivatives, turns
from ode_sgd.teacher_student.kernels.sectors.generated_block import shape_variant
from ode_sgd.teacher_student.kernels.sectors.small_matrices import factorise, substitute, symmetric_eigen

STAGE_C, GAMMA = rodas5p.C, rodas5p.GAMMA
GROWTH = 3.0
PACE, VARIANCE = 0, 1  # in `Small.second`: b, and the mean variance of the inputs that learn


class Memory(NamedTuple):
    """Work space: derivatives with respect to the memory n and of its drift, in the basis W once turned."""

    AN: Array  # (E, K, d): dA/dn
    GN: Array  # (E, K, K): dG/dn
    HC: Array  # (E, K, d): of the drift with respect to C, as in second_layer_algebra.py
    HN: Array  # (E, E): of the drift with respect to n
    spare: Array  # (K, K)
    scaled: Array  # (K, d): diag(s^(1/2)) D diag(s^(1/2))
    roots: Array  # (K,): s^(1/2)
    drift: Array  # (E,)
    g: Array  # (1,): 1 / (gamma h) of the step


def memory_of(K: int, M: int, entries: int) -> Memory:
    """Work space for so many numbers that are remembered."""
    d, E = K + M, entries
    return Memory(
        AN=np.zeros((E, K, d)),
        GN=np.zeros((E, K, K)),
        HC=np.zeros((E, K, d)),
        HN=np.zeros((E, E)),
        spare=np.zeros((K, K)),
        scaled=np.zeros((K, d)),
        roots=np.zeros(K),
        drift=np.zeros(E),
        g=np.zeros(1),
    )


@kernel(inline=True)
def at_unit(i: int, entries: int) -> int:
    """Which number of the memory scales the unit i: its own of Adam, the one of AdaGradNorm."""
    return i if entries > 1 else 0


@kernel()
def set_drift(n: Array, squares: Array, second: Array, drift: Array) -> None:
    """dn/dalpha from G_11 .. G_KK. Equations: (25.7) and (25.10)."""
    K, E = squares.size, n.size
    if E > 1:
        for i in range(K):
            drift[i] = second[PACE] / n[K] * (squares[i] - n[i])
        drift[K] = second[PACE] * (1.0 - n[K])
    else:
        drift[0] = 0.0
        for i in range(K):
            drift[0] += second[VARIANCE] * squares[i]


@kernel()
def set_drift_derivatives(k: Memory, w: Small) -> None:
    """Of the drift, by n and by C: the rows of JG that G_ii has, before they are turned. Equation: (25.12)."""
    (K, d), E = w.A.shape, k.drift.size
    index, n, first, squares = w.overlap, w.a[:E], w.overlap[0, 0], w.a[2 * E : 2 * E + K]
    for e in range(E):
        for c in range(E):
            k.HN[e, c] = 0.0
        for i in range(K):
            for c in range(d):
                k.HC[e, i, c] = 0.0
    for i in range(K):
        own, weight = at_unit(i, E), w.second[VARIANCE]
        if E > 1:
            weight = w.second[PACE] / n[K]
            k.HN[i, i] = -weight
            k.HN[i, K] = -weight / n[K] * (squares[i] - n[i])
        row = w.JG[index[i, i] - first]
        for a in range(K):
            for c in range(d):
                k.HC[own, a, c] += weight * (1.0 if c >= K or a == c else 0.5) * row[index[a, c]]
    if E > 1:
        k.HN[K, K] = -w.second[PACE]


@kernel()
def set_memory_derivatives(k: Memory, w: Small) -> None:
    """Of diag(s) A and diag(s) G diag(s) by n, in units in which s is 1 at the start of the step."""
    (K, d), E = w.A.shape, k.drift.size
    for e in range(E):
        for i in range(K):
            for c in range(d):
                k.AN[e, i, c] = 0.0
            for j in range(K):
                k.GN[e, i, j] = 0.0
    for i in range(K):
        own, falls = at_unit(i, E), -0.5 / w.a[at_unit(i, E)]
        for c in range(d):
            k.AN[own, i, c] = falls * w.A[i, c]
        for j in range(K):
            k.GN[own, i, j] += falls * w.G[i, j]
            k.GN[own, j, i] += falls * w.G[j, i]


@kernel()
def set_basis(k: Memory, w: Small) -> None:
    """W, its inverse transposed, and the eigenvalues of D' = diag(s) D. Equation: (25.8)."""
    K, E = w.L.size, k.drift.size
    for i in range(K):
        k.roots[i] = 1.0 / sqrt(sqrt(w.a[at_unit(i, E)]))
    for i in range(K):
        for j in range(K):
            k.scaled[i, j] = k.roots[i] * w.A[i, j] * k.roots[j]
    symmetric_eigen(k.scaled, w.L, w.V)
    for i in range(K):
        for a in range(K):
            w.into[i, a] = w.V[i, a] / k.roots[i]
            w.V[i, a] *= k.roots[i]
            w.moving[i, a] = w.V[i, a]


@kernel()
def decompose_with_memory(k: Memory, w: Small, g: float) -> bool:
    """The coupling matrix, with the rows of the memory below those of C. Equation: (25.12)."""
    (K, d), E = w.A.shape, k.drift.size
    p, index, whole = w.rows.size - E, w.overlap, w.coupling
    k.g[0] = g
    coupling_matrix(index, w.JA, w.JG, w.moments, d - K, whole)
    for e in range(E):
        row = whole[p + e]
        for a in range(K):
            for c in range(a, d):
                row[index[a, c]] = -k.HC[e, a, c] * (2.0 if a < c < K else 1.0) / g
        for c in range(E):
            row[p + c] = (1.0 if c == e else 0.0) - k.HN[e, c] / g
    return factorise(whole, w.pivots)


@kernel()
def memory_error(w: Small, after: Array, atol: float, rtol: float) -> float:
    """Error of the memory in a step, relative to what it may be: SUMS rtol of every number, of e that of 1.

    While e is small, moments that are means of all inputs so far change within a time e / b, which no error estimate of
    a step far beyond tells: e grows no more than GROWTH of itself.
    """
    K, last, worst = w.L.size, w.dC.shape[0] - 1, 0.0
    E = (w.a.size - w.C.shape[0] - K) // 2
    p = w.rows.size - E
    for e in range(E):
        size = 1.0 if e == K else max(abs(w.rows[p + e]), abs(after[p + e]))
        worst = max(worst, abs(w.dC[last, p + e]) / (SUMS * rtol * size))
    if E > 1:
        worst = max(worst, ((after[p + K] / w.rows[p + K] - 1.0) / GROWTH) ** 5)
    return worst


class MemoryAlgebra(NamedTuple):
    """An `Algebra`, and errors for its `Small.a`."""

    algebra: Algebra
    generalization_error: Callable[..., float]
    error_terms: Callable[..., float]


@functools.cache
def memory_algebra(activation: Averages, K: int, M: int, entries: int) -> MemoryAlgebra:
    """That of a shape, one for all larger ones, and so many numbers of memory."""
    shape = shape_variant(K, M)
    variant, entries_of = f"{activation.variant}-{shape}-{'sum' if entries == 1 else 'moments'}", entries
    turn_covariance, turn_coefficients, _ = turns(ANY if shape == "any" else (K, K + M))
    plain, plain_error, plain_terms, *_ = coefficient_kernels(activation)
    by_C = linearised_coefficients(activation)

    @kernel(variant)
    def coefficients(C: Array, a: Array, noise_variance: float, A: Array, G: Array) -> None:
        """A and G with the memory of a stage in place of that at the start of the step."""
        K, d = A.shape
        E = (a.size - d - K) // 2
        plain(C, a[2 * E + K :], noise_variance, A, G)
        for i in range(K):
            a[2 * E + i] = G[i, i]
        for i in range(K):
            own = at_unit(i, E)
            ratio = sqrt(a[E + own] / a[own])
            for c in range(d):
                A[i, c] *= ratio
            for j in range(K):
                G[i, j] *= ratio
                G[j, i] *= ratio

    @kernel(variant)
    def linearise(k: Memory, w: Small, noise_variance: float, half: Array) -> None:
        """Coefficients and all derivatives in the basis W: what A and G of SGD are, turned by W. Equation: (25.8)."""
        (K, d), E, p = w.A.shape, k.drift.size, w.scratch.shape[1]
        by_C(w.C, w.a[2 * E + K :], noise_variance, w.overlap, w.A, w.G, w.JA, w.JG)
        for i in range(K):
            w.a[2 * E + i] = w.G[i, i]
        for e in range(E):
            w.a[E + e] = w.a[e]
        set_drift_derivatives(k, w)
        set_memory_derivatives(k, w)
        set_basis(k, w)
        turn_derivatives(w.JA, w.JG, w.V, w.overlap, w.scratch)
        first = w.overlap[0, 0]
        for e in range(E):
            turn_coefficients(k.HC[e], k.spare, w.V, half)
            turn_coefficients(k.AN[e], k.GN[e], w.V, half)
            for i in range(K):
                for c in range(d):
                    w.JA[i * d + c, p + e] = k.AN[e, i, c]
                for j in range(i, K):
                    w.JG[w.overlap[i, j] - first, p + e] = k.GN[e, i, j]
        turn_coefficients(w.A, w.G, w.V, half)

    @kernel(variant)
    def solve(k: Memory, w: Small, stage: int, noise_variance: float, sums: Array, dA: Array, dG: Array) -> None:
        """dC and dn of a stage, and what they change, from the sums without coupling. Equation: (25.12)."""
        p, dC, g, E, K = sums.size, w.dC[stage], k.g[0], k.drift.size, w.L.size
        set_drift(w.a[:E], w.a[2 * E : 2 * E + K], w.second, k.drift)
        for b in range(p):
            dC[b] = sums[b]
        for e in range(E):
            total = k.drift[e]
            for j in range(stage):
                total += STAGE_C[stage, j] * GAMMA * g * w.dC[j, p + e]
            dC[p + e] = total / g
        substitute(w.coupling, w.pivots, dC)
        coefficient_changes(w.JA, w.JG, dC, dA, dG)

    @kernel(variant)
    def generalization_error(C: Array, a: Array) -> float:
        return plain_error(C, a[a.size - C.shape[0] :])

    @kernel(variant)
    def error_terms(C: Array, a: Array) -> float:
        return plain_terms(C, a[a.size - C.shape[0] :])

    def space(K: int, M: int) -> Memory:
        return memory_of(K, M, 1 if entries_of == 1 else K + 1)

    its = turn_covariance, coefficients, turn_coefficients, linearise, decompose_with_memory, solve
    return MemoryAlgebra(Algebra(space, *its, memory_error), generalization_error, error_terms)
