"""One-pass SGD on real weight vectors, on batches of inputs: Gaussian ones, and rows of data (batches.py)."""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array, Bits
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.random_lanes import next_bits, normal_pair, unit_interval
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.paces import PACES
from ode_sgd.teacher_student.kernels.simulation.batches import Batch, move_second_layer, response
from ode_sgd.teacher_student.kernels.simulation.explicit import DRAW, LANES, TILE, scale_back
from ode_sgd.teacher_student.kernels.simulation.step_paces import NOISE, paced, paced_batch, set_step_paces
from ode_sgd.teacher_student.kernels.simulation.weight_pass import dot, move
from ode_sgd.teacher_student.kernels.simulation.weight_update import WeightUpdate


@kernel(inline=True)
def add_input(total: Array, factor: float, xi: Array) -> None:
    """total (n,) <- total + factor xi, of the first n inputs."""
    for n in range(total.size):
        total[n] += factor * xi[n]


@kernel(inline=True)
def _move_weights(J: Array, learned: int, update: WeightUpdate, batch: Batch, total: Array) -> None:
    """J after a step whose inputs have left sum delta_i xi in `total`, which is cleared. Equation: (1.5)."""
    for i in range(J.shape[0]):
        move(J[i, :learned], update, update.rate / batch.inputs, total[i, :learned])
        total[i, :learned] = 0.0


@functools.cache
def explicit_batches(activation: Averages, normals: str, scheduled: bool = False) -> Callable[..., None]:
    """Kernel (source, steps, J, B, v, u, amplitude, update, batch, noise, learned, xi, tile, total, schedules, taken).

    It updates J and v, as `explicit_steps` does; total (K, N) is zero. An input takes N normals, then one for its label
    noise if there is any.
    """
    draw: Any = DRAW[normals]
    respond: Any = response(activation)

    @kernel(f"{activation.variant}-{normals}{'-scheduled' * scheduled}")
    def advance(
        source: Any,
        steps: int,
        J: Array,
        B: Array,
        v: Array,
        u: Array,
        amplitude: Array,
        update: WeightUpdate,
        batch: Batch,
        noise: float,
        learned: int,
        xi: Array,
        tile: Any,
        total: Array,
        schedules: Array,
        taken: int,
    ) -> None:
        """Take `steps` steps. Equations: (1.4), (1.5), (1.5a) and (1.5b)."""
        (K, N), M = J.shape, B.shape[0]
        rows = tile.reshape(TILE // LANES, LANES)
        x, y, delta, moves = np.empty(K), np.empty(M), np.empty(K), np.zeros(K)
        drawn, now, its, sigma, paces = N + 1 if noise > 0.0 else N, update, batch, noise, np.empty(PACES)
        for step in range(steps):
            if scheduled:
                set_step_paces(schedules, taken + step, N, paces)
                now, its, sigma = paced(update, paces), paced_batch(batch, paces), paces[NOISE]
            for _ in range(batch.inputs):
                for begin in range(0, drawn, TILE):
                    draw(source, rows, tile, min(TILE, drawn - begin))
                    for n in range(begin, min(begin + TILE, N)):
                        xi[n] = amplitude[n] * tile[n - begin]
                for i in range(K):
                    x[i] = dot(J[i], xi) / sqrt(N)
                for n in range(M):
                    y[n] = dot(B[n], xi) / sqrt(N)
                respond(x, y, v, u, sigma * tile[N % TILE] if noise > 0.0 else 0.0, delta, moves)
                for i in range(K):
                    add_input(total[i, :learned], delta[i], xi)
            _move_weights(J, learned, now, its, total)
            move_second_layer(v, its, moves)

    return advance


@functools.cache
def spherical_batches(activation: Averages, normals: str, scheduled: bool = False) -> Callable[..., None]:
    """`explicit_batches` after each of which every student has its length (K,) again: the same arguments behind it."""
    step: Any = explicit_batches(activation, normals, scheduled)

    @kernel(f"{activation.variant}-{normals}{'-scheduled' * scheduled}")
    def advance(
        length: Array,
        source: Any,
        steps: int,
        J: Array,
        B: Array,
        v: Array,
        u: Array,
        amplitude: Array,
        update: WeightUpdate,
        batch: Batch,
        noise: float,
        learned: int,
        xi: Array,
        tile: Any,
        total: Array,
        schedules: Array,
        taken: int,
    ) -> None:
        for done in range(steps):
            now = taken + done
            step(source, 1, J, B, v, u, amplitude, update, batch, noise, learned, xi, tile, total, schedules, now)
            scale_back(J, length)

    return advance


@functools.cache
def sampled_batches(activation: Averages, scheduled: bool = False) -> Callable[..., None]:
    """Kernel (state, steps, J, B, v, u, inputs, update, batch, noise, learned, total, schedules, taken).

    It updates J and v, as `sampled_steps` does; total (K, N) is zero.
    """
    respond: Any = response(activation)

    @kernel(activation.variant + "-scheduled" * scheduled)
    def advance(
        state: Bits,
        steps: int,
        J: Array,
        B: Array,
        v: Array,
        u: Array,
        inputs: Array,
        update: WeightUpdate,
        batch: Batch,
        noise: float,
        learned: int,
        total: Array,
        schedules: Array,
        taken: int,
    ) -> None:
        """Take `steps` steps. Equations: (1.4), (1.5), (1.5a) and (1.5b)."""
        (K, N), M = J.shape, B.shape[0]
        x, y, delta, moves = np.empty(K), np.empty(M), np.empty(K), np.zeros(K)
        now, its, sigma, paces = update, batch, noise, np.empty(PACES)
        for step in range(steps):
            if scheduled:
                set_step_paces(schedules, taken + step, N, paces)
                now, its, sigma = paced(update, paces), paced_batch(batch, paces), paces[NOISE]
            for _ in range(batch.inputs):
                xi = inputs[int(unit_interval(next_bits(state, 0)) * inputs.shape[0])]
                first = next_bits(state, 0)
                second = next_bits(state, 0)
                for i in range(K):
                    x[i] = dot(J[i], xi) / sqrt(N)
                for n in range(M):
                    y[n] = dot(B[n], xi) / sqrt(N)
                respond(x, y, v, u, sigma * normal_pair(first, second)[0] if noise > 0.0 else 0.0, delta, moves)
                for i in range(K):
                    add_input(total[i, :learned], delta[i], xi)
            _move_weights(J, learned, now, its, total)
            move_second_layer(v, its, moves)

    return advance
