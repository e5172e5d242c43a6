"""Layout of a state of two copies (J, W) of the student's weights: the rows of J as in layout.py, then those of W.

Below the p rows of J follow <W_i, B_n>, all <J_i, W_j>, and the upper triangle of <W_i, W_j>, each row by row.
"""

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.teacher_student.kernels.sectors import layout


def row_count(K: int, M: int) -> int:
    """Rows of a state of two copies."""
    return layout.row_count(2 * K, M)


def pack(q: Array, r: Array) -> Array:
    """Overlaps (L, 2K, 2K) and (L, 2K, M) of (J, W) -> state (rows, L)."""
    K, (i, j) = r.shape[1] // 2, layout.upper(r.shape[1] // 2)
    parts = r[:, :K], q[:, i, j], r[:, K:], q[:, :K, K:], q[:, K + i, K + j]
    return np.ascontiguousarray(np.concatenate([part.reshape(len(r), -1) for part in parts], axis=1).T)


def unpack(rows: Array, K: int, M: int) -> tuple[Array, Array]:
    """(.., rows) -> overlaps of (J, W), (.., 2K, 2K) and (.., 2K, M)."""
    lead, (i, j), p = rows.shape[:-1], layout.upper(K), layout.row_count(K, M)
    r, q = np.empty((*lead, 2 * K, M)), np.empty((*lead, 2 * K, 2 * K))
    q[..., :K, :K], r[..., :K, :] = layout.unpack(rows[..., :p], K, M)
    r[..., K:, :] = rows[..., p : p + K * M].reshape(*lead, K, M)
    mixed = rows[..., p + K * M : p + K * M + K * K].reshape(*lead, K, K)
    q[..., :K, K:], q[..., K:, :K] = mixed, np.swapaxes(mixed, -1, -2)
    q[..., K + i, K + j] = q[..., K + j, K + i] = rows[..., p + K * M + K * K :]
    return q, r


def overlap_index(K: int, M: int) -> Indices:
    """Row of every overlap of the fields (J, W, B), (2K + M, 2K + M); those of the teachers come last."""
    whole, (i, j), p = 2 * K + M, layout.upper(K), layout.row_count(K, M)
    index, plain = np.empty((whole, whole), np.int64), layout.overlap_index(K, M)
    index[:K, :K], index[:K, 2 * K :] = plain[:K, :K], plain[:K, K:]
    index[K : 2 * K, 2 * K :] = p + np.arange(K * M).reshape(K, M)
    index[:K, K : 2 * K] = p + K * M + np.arange(K * K).reshape(K, K)
    index[K + i, K + j] = p + K * M + K * K + np.arange(i.size)
    index[2 * K :, 2 * K :] = plain[K:, K:] + row_count(K, M) - p
    low, high = np.tril_indices(whole, -1)
    index[low, high] = index[high, low]
    return index


def columns(index: Indices, K: int) -> Indices:
    """Rows of c_cb for every field b and the fields c of (J, B), which a gradient sees, (2K + M, K + M)."""
    return np.ascontiguousarray(np.delete(index, range(K, 2 * K), axis=1))
