"""Layout of the moving state: one row per overlap, sectors last and contiguous.

Row i*M + n holds r_in (student i, teacher n); the upper triangle of q follows, row by row: p = KM + K(K+1)/2 rows that
move. Where the teacher's overlaps are wanted beside them, the upper triangle of t follows: P = p + M(M+1)/2 rows.
"""

import functools

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel


@kernel(inline=True)
def q_row(i: int, j: int, K: int, M: int) -> int:
    """Row of q_ij = q_ji."""
    low, high = min(i, j), max(i, j)
    return K * M + low * K - low * (low - 1) // 2 + high - low


def row_count(K: int, M: int) -> int:
    """p, the number of overlaps that move in one sector."""
    return K * M + K * (K + 1) // 2


@functools.cache
def upper(K: int) -> tuple[Indices, Indices]:
    """Indices i <= j of the upper triangle of a (K, K) matrix, row by row."""
    return np.triu_indices(K)


def overlap_index(K: int, M: int) -> Indices:
    """Row of every overlap c_ab, (K+M, K+M): fields count students first, then teachers."""
    return _overlap_index(K, M).copy()


@functools.cache
def _overlap_index(K: int, M: int) -> Indices:
    index = np.empty((K + M, K + M), dtype=np.int64)
    index[:K, K:] = np.arange(K * M).reshape(K, M)
    students, teachers = upper(K), upper(M)
    index[:K, :K][students] = K * M + np.arange(students[0].size)
    index[K:, K:][teachers] = row_count(K, M) + np.arange(teachers[0].size)
    low, high = np.tril_indices(K + M, -1)
    index[low, high] = index[high, low]
    return index


def pack(q: Array, r: Array) -> Array:
    """(L, K, K) and (L, K, M) -> state (p, L)."""
    L, K, M = r.shape
    state = np.empty((row_count(K, M), L))
    state[: K * M] = r.reshape(L, K * M).T
    for row, (i, j) in enumerate(
        zip(*upper(K), strict=True), K * M
    ):  # a strided copy: one of whole sectors takes longer
        state[row] = q[:, i, j]
    return state


def unpack(rows: Array, K: int, M: int) -> tuple[Array, Array]:
    """(..., p) -> q (..., K, K) and r (..., K, M). For a state (p, L) pass its transpose."""
    lead = rows.shape[:-1]
    r = np.ascontiguousarray(rows[..., : K * M]).reshape(*lead, K, M)
    i, j = upper(K)
    q = np.empty((*lead, K, K))
    q[..., i, j] = q[..., j, i] = rows[..., K * M :]
    return q, r


def covariance(Q: Array, R: Array, T: Array) -> Array:
    """C = [[Q, R], [R^T, T]], (..., K+M, K+M), from (..., K, K), (..., K, M) and (M, M) or (..., M, M).

    Equation: (2.2).
    """
    *lead, K, M = R.shape
    C = np.empty((*lead, K + M, K + M))
    C[..., :K, :K], C[..., :K, K:], C[..., K:, :K], C[..., K:, K:] = Q, R, np.swapaxes(R, -1, -2), T
    return C
