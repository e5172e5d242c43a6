"""The chain of the sector overlaps for optimisers with linear memory, one replica after the other.

The R copies of K units are R K rows [S | W] in the frame of the teachers and of all copies. A step mixes the rows and
moves them along its inputs: what lies outside the frame has one part for all copies, and the same distribution as in
chain_batches.py, with N_k - R K - M degrees of freedom:

    [S | W | 0] <- (1 + mixing) [S | W | 0] - rate_r sqrt(lambda_k / (N N_k)) (sum_m delta_m g_m, R T_k)
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array, Bits
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.simulation.batches import response
from ode_sgd.teacher_student.kernels.simulation.chain_batches import fill_triangle
from ode_sgd.teacher_student.kernels.simulation.chain_draws import fill_bits, fill_normals_flat
from ode_sgd.teacher_student.kernels.simulation.chain_loops import reflect
from ode_sgd.teacher_student.kernels.simulation.copies import StepTable, row_of


class CopiesChain(NamedTuple):
    """What does not change along a run."""

    scales: Array  # (L,): sqrt(w_k lambda_k)
    lengths: Array  # (L,): sqrt(lambda_k / (N N_k)), zero where nothing is learned
    learning: Array  # (L,): one where something is
    p: Array  # (R,): where the gradient is taken
    v: Array  # (K,)
    u: Array  # (M,)
    freedom: Array  # (L,): N_k - R K - M
    inputs: int  # b
    noisy: bool


class CopiesSpace(NamedTuple):
    """Random numbers of a step, and scratch."""

    bits: Bits  # as many as normals
    normals: Array  # b L (R K + M) coordinates, L r (r + 1) / 2 entries of T, b noises; one more if that is odd
    x: Array  # (K,)
    y: Array  # (M,)
    moves: Array  # (K,)
    delta: Array  # (b, K)
    root: Array  # (K, b): R in its first r columns
    T: Array  # (r, r)
    W: Array  # (R K, R K + r)
    old: Array  # (R,)


def copies_space(L: int, K: int, M: int, copies: int, inputs: int, noisy: bool) -> CopiesSpace:
    """That of one shape."""
    b, r, rows = inputs, min(K, inputs), copies * K
    count = b * L * (rows + M) + L * r * (r + 1) // 2 + (b if noisy else 0)
    count += count % 2
    return CopiesSpace(
        bits=np.zeros(count, np.uint64),
        normals=np.zeros(count),
        x=np.zeros(K),
        y=np.zeros(M),
        moves=np.zeros(K),
        delta=np.zeros((b, K)),
        root=np.zeros((K, b)),
        T=np.zeros((r, r)),
        W=np.zeros((rows, rows + r)),
        old=np.zeros(copies),
    )


@kernel()
def fields_of_copies(S: Array, W: Array, B: Array, p: Array, scales: Array, g: Array, x: Array, y: Array) -> None:
    """x_i of J = sum_r p_r U_r, and y_n, of one input with the coordinates g (L (R K + M)). Equation: (6.4)."""
    (L, rows, M), K = S.shape, x.size
    for i in range(K):
        x[i] = 0.0
    for n in range(M):
        y[n] = 0.0
    for k in range(L):
        at = k * (rows + M)
        for c in range(M):
            weight = scales[k] * g[at + c]
            for i in range(rows):
                x[i % K] += weight * p[i // K] * S[k, i, c]
            for n in range(M):
                y[n] += weight * B[k, n, c]
        for c in range(rows):
            weight = scales[k] * g[at + M + c]
            for i in range(c, rows):
                x[i % K] += weight * p[i // K] * W[k, i, c]


@kernel()
def move_copies_of_sector(
    S: Array, W: Array, g: Array, stride: int, mixing: Array, rates: Array, length: float, s: CopiesSpace
) -> None:
    """S (R K, M) and W (R K, R K) of one sector after a step; those of input m begin at g[m stride].

    Equation: (18.7).
    """
    (rows, M), inputs, R = S.shape, s.delta.shape[0], s.old.size
    K = rows // R
    for i in range(K):
        for col in range(M + rows):
            along = 0.0
            for m in range(inputs):
                along += s.delta[m, i] * g[m * stride + col]
            for r in range(R):
                s.old[r] = S[r * K + i, col] if col < M else W[r * K + i, col - M]
            for r in range(R):
                moved = s.old[r] - rates[r] * length * along
                for other in range(R):
                    moved += mixing[r, other] * s.old[other]
                if col < M:
                    S[r * K + i, col] = moved
                else:
                    s.W[r * K + i, col - M] = moved
        for j in range(s.T.shape[0]):
            along = 0.0
            for m in range(j, min(i + 1, s.T.shape[0])):  # `reflect` clears nothing above the diagonal
                along += s.root[i, m] * s.T[m, j]
            for r in range(R):
                s.W[r * K + i, rows + j] = -rates[r] * length * along
    reflect(s.W)
    for i in range(rows):
        for j in range(i + 1):
            W[i, j] = s.W[i, j]


@functools.cache
def chain_copies(activation: Averages) -> Callable[..., None]:
    """Kernel (steps, streams, S, W, B, c, table, s) that advances one replica, with streams (4, 1).

    S (L, R K, M) and W (L, R K, R K), lower triangular, are its state; the table begins with the first of the steps.
    """
    respond: Any = response(activation)

    @kernel(activation.variant)
    def advance(
        steps: int, streams: Bits, S: Array, W: Array, B: Array, c: CopiesChain, table: StepTable, s: CopiesSpace
    ) -> None:
        """Take `steps` steps. Equations: (6.4) and (18.7)."""
        L, rows, M = S.shape
        b, K = c.inputs, c.v.size
        stride, pairs = L * (rows + M), s.T.shape[0] * (s.T.shape[0] + 1) // 2
        triangles, noises = b * stride, b * stride + L * pairs
        for step in range(steps):
            row = row_of(table, step)
            fill_bits(streams, s.bits)
            fill_normals_flat(s.bits, s.normals)
            for m in range(b):
                fields_of_copies(S, W, B, c.p, c.scales, s.normals[m * stride : (m + 1) * stride], s.x, s.y)
                noise = table.noise[row] * s.normals[noises + m] if c.noisy else 0.0
                respond(s.x, s.y, c.v, c.u, noise, s.delta[m], s.moves)
                for i in range(K):
                    s.root[i, m] = s.delta[m, i]
            reflect(s.root)
            for k in range(L):
                begin = triangles + k * pairs
                fill_triangle(streams, c.freedom[k], s.normals[begin : begin + pairs], s.T)
                mixing = table.mixing[row] if c.learning[k] > 0.0 else table.resting[row]
                g = s.normals[k * (rows + M) :]
                move_copies_of_sector(S[k], W[k], g, stride, mixing, table.rates[row], c.lengths[k], s)

    return advance
