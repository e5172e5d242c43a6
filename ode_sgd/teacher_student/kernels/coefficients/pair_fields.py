"""For a pair of students of a large network, averages over all other fields c and e in one pass.

Overlaps are flat, in the order of layout.py, so that the loop over all of them is a long one, which vectorises.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room, zeros

UNSIGNED = np.zeros(1, np.uint64)  # no access asks whether such a number is negative


class Pairs(NamedTuple):
    """What all pairs share, and work space of one; P = d (d+1)/2 overlaps."""

    C: Array  # (d, d)
    overlaps: Array  # (P,), C
    weights: Array  # (P,), a_c a_e, twice that off the diagonal
    runs: NDArray[np.uint64]  # (2K + M, 4) of at, c, e, count: overlaps[at], [at + 1], .. are C_ce, C_c,e+1, ..
    diagonal: NDArray[np.uint64]  # (d,), where C_cc is
    fields: Array  # (6, d)
    values: Array  # (2, P)


@kernel()
def pairs_of(C: Array, a: Array, K: int) -> Pairs:
    """Of the covariance C and the second layer a."""
    d = a.size
    M, P, place = d - K, d * (d + 1) // 2, 0
    runs, diagonal = zeros(UNSIGNED, (2 * K + M, 4)), zeros(UNSIGNED, (d,))
    overlaps, weights = room(C, (P,)), room(C, (P,))
    for row in range(2 * K + M):
        c = row if row < K else row - K
        first = K if row < K else c
        count = K - c if K <= row < 2 * K else d - first
        runs[row, 0], runs[row, 1], runs[row, 2], runs[row, 3] = place, c, first, count
        if row >= K:
            diagonal[c] = place
        for e in range(first, first + count):
            overlaps[place] = C[c, e]
            weights[place] = a[c] * a[e] * (1.0 if c == e else 2.0)
            place += 1
    return Pairs(C, overlaps, weights, runs, diagonal, room(C, (6, d)), room(C, (2, P)))


@kernel(inline=True)
def flat(f: Pairs, i: int, c: int) -> np.uint64:
    """Where C_ic is, for a student i."""
    low, high, K = min(i, c), max(i, c), f.runs.shape[0] - f.C.shape[0]
    row, first = (K + low, low) if high < K else (low, K)
    return f.runs[row, 0] + np.uint64(high - first)
