"""The chain of the sector overlaps on batches of inputs (batches.py), one replica after the other.

Each of the b inputs of a step has coordinates g_k in the frame of a sector. Of what lies outside, the chain needs
sum_m delta_m xi_m only. With delta (K, b) = R O, R lower triangular of r = min(K, b) columns and O with orthonormal
rows, that is R times r vectors whose entries are normal, whatever delta is. Their Gram matrix is a Wishart matrix of r
rows and N_k - K - M degrees of freedom: T T^T by Bartlett's decomposition, T with a chi-distributed diagonal. So

    [S | W | 0] <- kept [S | W | 0] - (rate_k / b) (sum_m delta_m g_m, R T_k);    [W | w] <- [L | 0],
    W W^T + w w^T = L L^T
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array, Bits
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.random_lanes import next_bits, unit_interval
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.paces import PACES
from ode_sgd.teacher_student.kernels.simulation.batches import Batch, move_second_layer, response
from ode_sgd.teacher_student.kernels.simulation.chain_draws import exact_length, fill_bits, fill_normals_flat
from ode_sgd.teacher_student.kernels.simulation.chain_loops import reflect
from ode_sgd.teacher_student.kernels.simulation.step_paces import NOISE, paced, paced_batch, set_step_paces
from ode_sgd.teacher_student.kernels.simulation.weight_update import SectorUpdates, WeightUpdate, at_rest, update_of


class BatchChain(NamedTuple):
    """What does not change along a run."""

    scales: Array  # (L,): sqrt(w_k lambda_k)
    updates: SectorUpdates  # of rates eta sqrt(lambda_k / (N N_k))
    u: Array  # (M,)
    noise: float
    freedom: Array  # (L,): N_k - K - M
    batch: Batch
    schedules: Array  # where there are any, updates, batch and noise are those of quantities one (step_paces.py)
    inputs: float  # N


class BatchSpace(NamedTuple):
    """Random numbers of a step, and scratch."""

    bits: Bits  # as many as normals
    normals: Array  # b L d coordinates, L r (r + 1) / 2 entries of T, b noises; one more if that is odd
    x: Array  # (K,)
    y: Array  # (M,)
    moves: Array  # (K,), zero
    delta: Array  # (b, K)
    root: Array  # (K, b): R in its first r columns
    T: Array  # (r, r)
    W: Array  # (K, K + r)


def batch_space(L: int, K: int, M: int, batch: Batch, noisy: bool) -> BatchSpace:
    """That of one shape."""
    b, r = batch.inputs, min(K, batch.inputs)
    count = b * L * (K + M) + L * r * (r + 1) // 2 + (b if noisy else 0)
    count += count % 2
    return BatchSpace(
        bits=np.zeros(count, np.uint64),
        normals=np.zeros(count),
        x=np.zeros(K),
        y=np.zeros(M),
        moves=np.zeros(K),
        delta=np.zeros((b, K)),
        root=np.zeros((K, b)),
        T=np.zeros((r, r)),
        W=np.zeros((K, K + r)),
    )


@kernel()
def fill_triangle(streams: Bits, freedom: float, normals: Array, T: Array) -> None:
    """T (r, r), lower triangular with T T^T a Wishart matrix of that many degrees of freedom.

    It is made of r (r + 1) / 2 normals. With fewer degrees than rows the columns beyond are zero. Equation: (6.4a).
    """
    at = 0
    for i in range(T.shape[0]):
        for j in range(i + 1):
            z, left = normals[at], freedom - j
            at += 1
            if j == i and left > 0.0:
                T[i, j] = exact_length(streams, 0, left, z, unit_interval(next_bits(streams, 0)))
            else:
                T[i, j] = z if left > 0.0 else 0.0


@kernel()
def move_sector(S: Array, W: Array, g: Array, stride: int, update: WeightUpdate, inputs: int, s: BatchSpace) -> None:
    """S (K, M) and W (K, K) of one sector after a step; those of input m begin at g[m stride]. Equation: (6.4a)."""
    (K, M), rate = S.shape, update.rate / inputs
    for i in range(K):
        for col in range(K + M):
            total = 0.0
            for m in range(inputs):
                total += s.delta[m, i] * g[m * stride + col]
            if col < M:
                S[i, col] = update.kept * S[i, col] - rate * total
            else:
                s.W[i, col - M] = update.kept * W[i, col - M] - rate * total
        for j in range(s.T.shape[0]):
            total = 0.0
            for m in range(j, min(i + 1, s.T.shape[0])):  # `reflect` clears nothing above the diagonal
                total += s.root[i, m] * s.T[m, j]
            s.W[i, K + j] = -rate * total
    reflect(s.W)
    for i in range(K):
        for j in range(i + 1):
            W[i, j] = s.W[i, j]


@kernel()
def fields_of_input(S: Array, W: Array, B: Array, scales: Array, g: Array, x: Array, y: Array) -> None:
    """x_i and y_n of one input with the coordinates g (L d). Equation: (6.4)."""
    L, K, M = S.shape
    for i in range(K):
        x[i] = 0.0
    for n in range(M):
        y[n] = 0.0
    for k in range(L):
        at = k * (K + M)
        for c in range(M):
            weight = scales[k] * g[at + c]
            for i in range(K):
                x[i] += weight * S[k, i, c]
            for n in range(M):
                y[n] += weight * B[k, n, c]
        for c in range(K):
            weight = scales[k] * g[at + M + c]
            for i in range(c, K):
                x[i] += weight * W[k, i, c]


@functools.cache
def chain_batches(activation: Averages, scheduled: bool = False) -> Callable[..., None]:
    """Kernel (steps, taken, streams, S, W, B, v, c, s) that advances one replica, with streams (4, 1)."""
    respond: Any = response(activation)

    @kernel(activation.variant + "-scheduled" * scheduled)
    def advance(
        steps: int, taken: int, streams: Bits, S: Array, W: Array, B: Array, v: Array, c: BatchChain, s: BatchSpace
    ) -> None:
        """Take `steps` steps after `taken` others. Equations: (6.4) and (6.4a)."""
        L, K, M = S.shape
        b, r = c.batch.inputs, s.T.shape[0]
        stride, pairs = L * (K + M), r * (r + 1) // 2
        triangles, noises = b * stride, b * stride + L * pairs
        batch, sigma, paces = c.batch, c.noise, np.empty(PACES)
        for step in range(steps):
            if scheduled:
                set_step_paces(c.schedules, taken + step, c.inputs, paces)
                batch, sigma = paced_batch(c.batch, paces), paces[NOISE]
            fill_bits(streams, s.bits)
            fill_normals_flat(s.bits, s.normals)
            for m in range(b):
                fields_of_input(S, W, B, c.scales, s.normals[m * stride : (m + 1) * stride], s.x, s.y)
                noise = sigma * s.normals[noises + m] if c.noise > 0.0 else 0.0
                respond(s.x, s.y, v, c.u, noise, s.delta[m], s.moves)
                for i in range(K):
                    s.root[i, m] = s.delta[m, i]
            reflect(s.root)
            for k in range(L):
                update = update_of(c.updates, k)
                if scheduled:
                    update = paced(update, paces)
                if not at_rest(update):
                    begin = triangles + k * pairs
                    fill_triangle(streams, c.freedom[k], s.normals[begin : begin + pairs], s.T)
                    move_sector(S[k], W[k], s.normals[k * (K + M) :], stride, update, b, s)
            move_second_layer(v, batch, s.moves)

    return advance
