"""Steps of optimisers with linear memory on real weight vectors: two copies of them, moved by one gradient."""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.simulation.batches import response
from ode_sgd.teacher_student.kernels.simulation.copies import StepTable, move_pair, row_of
from ode_sgd.teacher_student.kernels.simulation.explicit import DRAW, LANES, TILE
from ode_sgd.teacher_student.kernels.simulation.explicit_batches import add_input
from ode_sgd.teacher_student.kernels.simulation.weight_pass import dot


@kernel()
def move_copies(U: Array, learned: int, table: StepTable, row: int, total: Array) -> None:
    """U (2, K, N) after a step whose inputs have left sum delta_i xi in `total`, which is cleared. Equation: (18.1)."""
    (_, K, N), rates = U.shape, table.rates[row]
    first, second = rates[0] / sqrt(N), rates[1] / sqrt(N)
    for i in range(K):
        one, other, moved = U[0, i], U[1, i], total[i]
        move_pair(one[:learned], other[:learned], table.mixing[row], first, second, moved[:learned])
        move_pair(one[learned:], other[learned:], table.resting[row], 0.0, 0.0, moved[learned:])
        for n in range(N):
            moved[n] = 0.0


@functools.cache
def explicit_copies(activation: Averages, normals: str) -> Callable[..., None]:
    """Kernel (source, steps, U, B, p, v, u, amplitude, table, inputs, noisy, learned, xi, tile, total) that updates U.

    U (2, K, N) are the copies, p (2,) says where the gradient is taken; total (K, N) is zero; the rest as in
    `explicit_batches`, which takes its random numbers in the same order.
    """
    draw: Any = DRAW[normals]
    respond: Any = response(activation)

    @kernel(f"{activation.variant}-{normals}")
    def advance(
        source: Any,
        steps: int,
        U: Array,
        B: Array,
        p: Array,
        v: Array,
        u: Array,
        amplitude: Array,
        table: StepTable,
        inputs: int,
        noisy: bool,
        learned: int,
        xi: Array,
        tile: Any,
        total: Array,
    ) -> None:
        """Take `steps` steps. Equations: (1.4) and (18.1)."""
        (_, K, N), M = U.shape, B.shape[0]
        rows = tile.reshape(TILE // LANES, LANES)
        x, y, delta, moves = np.empty(K), np.empty(M), np.empty(K), np.zeros(K)
        drawn = N + 1 if noisy else N
        for step in range(steps):
            row = row_of(table, step)
            for _ in range(inputs):
                for begin in range(0, drawn, TILE):
                    draw(source, rows, tile, min(TILE, drawn - begin))
                    for n in range(begin, min(begin + TILE, N)):
                        xi[n] = amplitude[n] * tile[n - begin]
                for i in range(K):
                    x[i] = (p[0] * dot(U[0, i], xi) + p[1] * dot(U[1, i], xi)) / sqrt(N)
                for n in range(M):
                    y[n] = dot(B[n], xi) / sqrt(N)
                respond(x, y, v, u, table.noise[row] * tile[N % TILE] if noisy else 0.0, delta, moves)
                for i in range(K):
                    add_input(total[i, :learned], delta[i], xi)
            move_copies(U, learned, table, row, total)

    return advance
