"""Layout of the moving state: one row per overlap, sectors last and contiguous.

Row i*M + n holds r_in (student i, teacher n); the upper triangle of q follows, row by row. p = KM + K(K+1)/2 rows.
"""

import numpy as np

from ode_sgd.kernels.compile import Array, kernel


@kernel(inline=True)
def q_row(i: int, j: int, K: int, M: int) -> int:
    """Row of q_ij = q_ji."""
    low, high = min(i, j), max(i, j)
    return K * M + low * K - low * (low - 1) // 2 + high - low


def row_count(K: int, M: int) -> int:
    """p, the number of overlaps that move in one sector."""
    return K * M + K * (K + 1) // 2


def pack(q: Array, r: Array) -> Array:
    """(L, K, K) and (L, K, M) -> state (p, L)."""
    L, K, M = r.shape
    upper = np.triu_indices(K)
    return np.ascontiguousarray(np.concatenate([r.reshape(L, K * M), q[:, upper[0], upper[1]]], axis=1).T)


def unpack(rows: Array, K: int, M: int) -> tuple[Array, Array]:
    """(..., p) -> q (..., K, K) and r (..., K, M). For a state (p, L) pass its transpose."""
    lead = rows.shape[:-1]
    r = np.ascontiguousarray(rows[..., : K * M]).reshape(*lead, K, M)
    upper = np.triu_indices(K)
    q = np.empty((*lead, K, K))
    q[..., upper[0], upper[1]] = rows[..., K * M :]
    q[..., upper[1], upper[0]] = rows[..., K * M :]
    return q, r
