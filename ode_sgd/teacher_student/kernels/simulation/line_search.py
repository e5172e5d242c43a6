"""Polyak's rate along the chain of the overlaps: an exact line search for every replica, from its own state."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import zeros
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels


class LineSearch(NamedTuple):
    """When a rate is searched, and of what."""

    interval: int  # steps from one search to the next, 0 where there are none
    first: Array  # (L,): w_k lambda_k
    second: Array  # (L,): w_k lambda_k^2 of the sectors that learn
    a: Array  # (d,): signed weights v, -u
    variance: float  # of the label noise
    largest: float


NO_SEARCH = LineSearch(0, np.zeros(0), np.zeros(0), np.zeros(0), 0.0, 0.0)


@kernel()
def best_rate(A: Array, G: Array, C2: Array, mu_2: float, largest: float) -> float:
    """eta at which the error falls fastest, at learning_rate = 1. Equation: (25.11)."""
    (K, d), falls, rises = A.shape, 0.0, 0.0
    for i in range(K):
        for c in range(d):
            for e in range(d):
                falls += A[i, c] * C2[c, e] * A[i, e]
        for j in range(K):
            rises += mu_2 * A[i, j] * G[j, i]
    return falls / rises if rises > 0.0 and falls < largest * rises else largest


@kernel()
def add_covariances(rows: Array, first: float, second: float, C: Array, C2: Array) -> None:
    """C and C2 += w_k lambda_k and w_k lambda_k^2 times the overlaps of the rows (d, d) of a sector."""
    d = C.shape[0]
    for i in range(d):
        for j in range(d):
            total = 0.0
            for c in range(d):
                total += rows[i, c] * rows[j, c]
            C[i, j] += first * total
            C2[i, j] += second * total


@functools.cache
def line_search(activation: Averages) -> Callable[..., None]:
    """Kernel (z, B, s, memory) that sets the rates (lanes,) of states z (L * rows * lanes) with teachers B."""
    fill = coefficient_kernels(activation).coefficients

    @kernel(activation.variant)
    def search(z: Array, B: Array, s: LineSearch, memory: Array) -> None:
        """Equation: (25.11)."""
        lanes, L, d, mu_2 = memory.size, s.first.size, s.a.size, 0.0
        M = 1
        while M * M * L * lanes < B.size:
            M += 1
        K, width = d - M, z.size // (L * lanes)
        A, G = zeros(z, (K, d)), zeros(z, (K, K))
        for k in range(L):
            mu_2 += s.second[k]
        for lane in range(lanes):
            C, C2, rows = zeros(z, (d, d)), zeros(z, (d, d)), zeros(z, (d, d))
            for k in range(L):
                at = k * width
                for i in range(K):
                    for c in range(M + i + 1):
                        rows[i, c] = z[at * lanes + lane]
                        at += 1
                for n in range(M):
                    for c in range(M):
                        rows[K + n, c] = B[((k * M + n) * M + c) * lanes + lane]
                add_covariances(rows, s.first[k], s.second[k], C, C2)
            fill(C, s.a, s.variance, A, G)
            memory[lane] = best_rate(A, G, C2, mu_2, s.largest)

    return search
