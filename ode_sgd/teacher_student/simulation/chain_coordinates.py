"""Overlaps as coordinates: teachers and students of one replica in an orthonormal frame of every sector."""

from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidStart
from ode_sgd.teacher_student.kernels.simulation.chain import state_rows
from ode_sgd.teacher_student.model.order_parameters import OrderParameters

EPS = float(np.finfo(float).eps)
TEACHER_RANK = 1e-14  # eigenvalues of t_k below this part of the largest are taken for zero
STUDENT_RANK = 16.0 * EPS  # the same for the residual part of q_k, against q_k itself: what subtracting leaves
MISSED = 1e-6  # the part of overlaps that a frame may fail to reproduce


class Frame(NamedTuple):
    """t_k = B_k B_k^T, and the students' rows [S | W] packed as chain_code.py of the kernels wants them."""

    B: Array  # (L, M, M)
    z: Array  # (L, rows)


def place(start: OrderParameters) -> Frame:
    """Coordinates of a start: r = S B^T, q = S S^T + W W^T with W lower triangular.

    B_k is the symmetric root of t_k, which may be singular. Its eigenvectors without an eigenvalue stand for directions
    of the frame that no teacher and no student has a part in yet.

    Raises
    ------
    InvalidStart
        If no such S and W exist.

    Notes
    -----
    Equation: (6.3).
    """
    values, vectors = np.linalg.eigh(start.t)
    present = values > TEACHER_RANK * np.maximum(values[:, -1:], 0.0)
    lengths = np.sqrt(np.where(present, values, 0.0))
    # The symmetric root and its inverse: one matrix each, whatever basis stands for an eigenspace.
    back = vectors.swapaxes(-1, -2)
    B = vectors * lengths[:, None, :] @ back
    S = start.r @ (vectors * np.where(present, 1.0 / np.where(present, lengths, 1.0), 0.0)[:, None, :] @ back)
    W = _triangular_root(start.q - S @ S.swapaxes(-1, -2), np.trace(start.q, axis1=1, axis2=2))
    for name, given, placed in (
        ("q", start.q, S @ S.swapaxes(-1, -2) + W @ W.swapaxes(-1, -2)),
        ("r", start.r, S @ B.swapaxes(-1, -2)),
    ):
        missed = np.abs(placed - given).max(axis=(1, 2))
        scale = np.trace(start.q, axis1=1, axis2=2) + np.trace(start.t, axis1=1, axis2=2)
        if (missed > MISSED * scale).any():
            worst = int(np.argmax(missed - MISSED * scale))
            raise InvalidStart(
                f"sector {worst + 1}: weights can have its {name} only to within {missed[worst]:.3g}; "
                "[[q, r], [r^T, t]] must be positive semidefinite"
            )
    return Frame(np.ascontiguousarray(B), pack(S, W))


def _triangular_root(residual: Array, size: Array) -> Array:
    """W (L, K, K), lower triangular, with W W^T = residual up to what is below rounding of `size` (L,)."""
    values, vectors = np.linalg.eigh(residual)
    values = np.where(values > STUDENT_RANK * size[:, None], values, 0.0)
    factor = vectors * np.sqrt(values)[:, None, :] @ vectors.swapaxes(-1, -2)
    own = np.diagonal(residual, axis1=1, axis2=2) > STUDENT_RANK * size[:, None]
    factor *= own[:, :, None] * own[:, None, :]  # what rounding leaves of a student without a part is no direction
    upper = np.linalg.qr(factor.swapaxes(-1, -2)).R
    signs = np.where(np.diagonal(upper, axis1=1, axis2=2) < 0.0, -1.0, 1.0)
    return np.tril((upper * signs[:, :, None]).swapaxes(-1, -2))


def pack(S: Array, W: Array) -> Array:
    """(.., rows) of S (.., K, M) and lower triangular W (.., K, K)."""
    K = W.shape[-1]
    parts = [part for i in range(K) for part in (S[..., i, :], W[..., i, : i + 1])]
    return np.concatenate(parts, axis=-1)


def unpack(z: Array, K: int, M: int) -> tuple[Array, Array]:
    """S (.., K, M) and W (.., K, K) from (.., rows)."""
    assert z.shape[-1] == state_rows(K, M)
    S, W = np.empty((*z.shape[:-1], K, M)), np.zeros((*z.shape[:-1], K, K))
    begin = 0
    for i in range(K):
        S[..., i, :] = z[..., begin : begin + M]
        W[..., i, : i + 1] = z[..., begin + M : begin + M + i + 1]
        begin += M + i + 1
    return S, W
