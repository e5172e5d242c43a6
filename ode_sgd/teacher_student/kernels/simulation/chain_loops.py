"""One step of the reduced simulator for any shape: chain_code.py as loops, the replicas' lanes innermost."""

import functools
from collections.abc import Callable
from math import copysign, sqrt

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.simulation.chain_code import FIXED, SUM, TINY
from ode_sgd.teacher_student.kernels.simulation.chain_draws import value_and_slope
from ode_sgd.teacher_student.kernels.simulation.step_paces import paced
from ode_sgd.teacher_student.kernels.simulation.weight_update import (
    SectorUpdates,
    WeightUpdate,
    at_rest,
    moved,
    update_of,
)


@kernel()
def teacher_fields(steps: int, g: Array, B: Array, scales: Array, y: Array) -> None:
    """y_n = sum_k scale_k (B_k g_k)_n of a block's steps, y (M * steps * lanes), B (L * M * M * lanes).

    Equation: (6.4).
    """
    L = scales.size
    # y.size = M steps lanes, B.size = L M^2 lanes
    M = B.size * steps // (y.size * L)
    lanes = y.size // (M * steps)
    d = g.size // (steps * L * lanes)
    for n in range(M):
        for t in range(steps):
            here = (n * steps + t) * lanes
            for lane in range(lanes):
                y[here + lane] = 0.0
            for k in range(L):
                there, at = (k * M + n) * M * lanes, (t * L + k) * d * lanes
                for lane in range(lanes):
                    total = B[there + lane] * g[at + lane]
                    for c in range(1, M):
                        total += B[there + c * lanes + lane] * g[at + c * lanes + lane]
                    y[here + lane] += scales[k] * total


@kernel()
def add_fields(z: Array, here: int, g: Array, at: int, scale: float, M: int, lanes: int, x: Array) -> None:
    """x_i += scale [S | W]_i . g of one sector. Equation: (6.4)."""
    row = here
    for i in range(x.size // lanes):
        for lane in range(lanes):
            total = z[row + lane] * g[at + lane]
            for c in range(1, M + i + 1):
                total += z[row + c * lanes + lane] * g[at + c * lanes + lane]
            x[i * lanes + lane] += scale * total
        row += (M + i + 1) * lanes


@kernel()
def move(
    z: Array, here: int, g: Array, at: int, length: float, update: WeightUpdate, M: int, lane: int, W: Array, e: Array
) -> None:
    """[S | W | 0] -= e (g, length) for one lane of one sector; W (K, K + 1) takes the residual part.

    Equation: (6.4).
    """
    K, lanes = W.shape[0], e.size // W.shape[0]
    row = here + lane
    for i in range(K):
        step = update.rate * e[i * lanes + lane]
        for c in range(M):
            z[row + c * lanes] = moved(z[row + c * lanes], update, step, g[at + c * lanes + lane])
        for j in range(K):
            old = z[row + (M + j) * lanes] if j <= i else 0.0
            W[i, j] = moved(old, update, step, g[at + (M + j) * lanes + lane])
        W[i, K] = moved(0.0, update, step, length)
        row += (M + i + 1) * lanes


@kernel()
def reflect(W: Array) -> None:
    """W (K, columns) <- [L | 0], lower triangular with a diagonal >= 0, by Householder reflections of the rows."""
    K, columns = W.shape
    for i in range(min(K, columns)):
        square = W[i, i] * W[i, i]
        for j in range(i + 1, columns):
            square += W[i, j] * W[i, j]
        norm = sqrt(square)
        first = W[i, i] + copysign(norm, W[i, i])
        size = norm * abs(first)
        factor = 1.0 / size if size > TINY else 0.0
        for below in range(i + 1, K):
            along = W[below, i] * first
            for j in range(i + 1, columns):
                along += W[below, j] * W[i, j]
            along *= factor
            for j in range(i + 1, columns):
                W[below, j] -= along * W[i, j]
            W[below, i] = copysign(1.0, W[i, i]) * (along * first - W[below, i])
        W[i, i] = norm


@functools.cache
def step_kernel(activation: Averages, scheduled: bool = False, rates: str = FIXED) -> Callable[..., None]:
    """Kernel (begin, end, z, g, lengths, labels, scales, updates, v, x, delta, paces, memory, squares).

    As the written-out one.
    """
    both = value_and_slope(activation)
    follows, adds = bool(rates), rates == SUM

    @kernel(activation.variant)
    def set_deltas(t: int, labels: Array, v: Array, x: Array, delta: Array) -> None:
        K = v.size
        lanes = x.size // K
        for lane in range(lanes):
            error = -labels[t * lanes + lane]
            for i in range(K):
                value, delta[i * lanes + lane] = both(x[i * lanes + lane])
                error += v[i] * value
            for i in range(K):
                delta[i * lanes + lane] = v[i] * delta[i * lanes + lane] * error

    @kernel(rates)
    def set_rates(t: int, delta: Array, memory: Array, squares: Array) -> None:
        """Equation: (25.9)."""
        lanes = memory.size
        for lane in range(lanes):
            pace = memory[lane]
            if adds:
                square = 0.0
                for i in range(delta.size // lanes):
                    square += delta[i * lanes + lane] * delta[i * lanes + lane]
                memory[lane] += squares[t * lanes + lane] * square
                pace = 1.0 / sqrt(memory[lane])
            for i in range(delta.size // lanes):
                delta[i * lanes + lane] *= pace

    @kernel(activation.variant + "-scheduled" * scheduled + f"-{rates}" * follows)
    def steps(
        begin: int, end: int, z: Array, g: Array, lengths: Array, labels: Array, scales: Array, updates: SectorUpdates,
        v: Array, x: Array, delta: Array, paces: Array, memory: Array, squares: Array,
    ) -> None:  # fmt: skip
        """Take the steps from `begin` to `end`. Equation: (6.4)."""
        L, K = scales.size, v.size
        lanes = x.size // K
        rows = z.size // (L * lanes)
        M = (rows - K * (K + 1) // 2) // K
        d = K + M
        W = np.empty((K, K + 1))
        for t in range(begin, end):
            for m in range(x.size):
                x[m] = 0.0
            for k in range(L):
                add_fields(z, k * rows * lanes, g, (t * L + k) * d * lanes, scales[k], M, lanes, x)
            set_deltas(t, labels, v, x, delta)
            if follows:
                set_rates(t, delta, memory, squares)
            for k in range(L):
                update = paced(update_of(updates, k), paces[t]) if scheduled else update_of(updates, k)
                if at_rest(update):
                    continue
                here, at = k * rows * lanes, (t * L + k) * d * lanes
                for lane in range(lanes):
                    length = lengths[(t * L + k) * lanes + lane]
                    move(z, here, g, at, length, update, M, lane, W, delta)
                    reflect(W)
                    row = here + lane
                    for i in range(K):
                        for j in range(i + 1):
                            z[row + (M + j) * lanes] = W[i, j]
                        row += (M + i + 1) * lanes

    return steps
