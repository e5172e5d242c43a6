"""Steps of a rule of one's own on batches of inputs: on weights in memory, and as the chain of the sector overlaps.

    J_i <- kept J_i - (rate / b) sum_m delta_i^m xi^m,    delta^m = update(x^m, y^m, draw^m)

The chain needs no more of an update than its delta, so it has the law of the weights for every rule; how it moves is
said in kernels/simulation/chain_batches.py.
"""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array, Bits
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.paces import PACES
from ode_sgd.teacher_student.kernels.rules.node_averages import NodeRule
from ode_sgd.teacher_student.kernels.simulation.chain_batches import (
    BatchChain,
    BatchSpace,
    fields_of_input,
    fill_triangle,
    move_sector,
)
from ode_sgd.teacher_student.kernels.simulation.chain_draws import fill_bits, fill_normals_flat
from ode_sgd.teacher_student.kernels.simulation.chain_loops import reflect
from ode_sgd.teacher_student.kernels.simulation.explicit import DRAW, LANES, TILE
from ode_sgd.teacher_student.kernels.simulation.explicit_batches import add_input
from ode_sgd.teacher_student.kernels.simulation.step_paces import paced, set_step_paces
from ode_sgd.teacher_student.kernels.simulation.weight_pass import dot, move
from ode_sgd.teacher_student.kernels.simulation.weight_update import WeightUpdate, at_rest, update_of


@functools.cache
def explicit_rule_batches(rule: NodeRule, normals: str, scheduled: bool = False) -> Callable[..., None]:
    """Kernel (source, steps, J, B, amplitude, moves, inputs, learned, xi, tile, total, schedules, taken).

    It updates J; total (K, N) is zero. An input takes N normals, then those of the update's draws.
    """
    update, draws = rule.update, rule.draws
    draw_normals: Any = DRAW[normals]

    @kernel(f"{rule.variant}-{normals}{'-scheduled' * scheduled}")
    def advance(
        source: Any,
        steps: int,
        J: Array,
        B: Array,
        amplitude: Array,
        moves: WeightUpdate,
        inputs: int,
        learned: int,
        xi: Array,
        tile: Any,
        total: Array,
        schedules: Array,
        taken: int,
    ) -> None:
        """Take `steps` steps. Equation: (31.4)."""
        (K, N), M = J.shape, B.shape[0]
        rows = tile.reshape(TILE // LANES, LANES)
        x, y, delta, draw = np.empty(K), np.empty(M), np.empty(K), np.zeros(max(draws, 1))
        now, paces = moves, np.empty(PACES)
        for step in range(steps):
            if scheduled:
                set_step_paces(schedules, taken + step, N, paces)
                now = paced(moves, paces)
            for _ in range(inputs):
                for begin in range(0, N, TILE):
                    draw_normals(source, rows, tile, min(TILE, N - begin))
                    for n in range(begin, min(begin + TILE, N)):
                        xi[n] = amplitude[n] * tile[n - begin]
                if draws > 0:
                    draw_normals(source, rows, tile, draws)
                    for m in range(draws):
                        draw[m] = tile[m]
                for i in range(K):
                    x[i] = dot(J[i], xi) / sqrt(N)
                for n in range(M):
                    y[n] = dot(B[n], xi) / sqrt(N)
                update(x, y, draw, delta)
                for i in range(K):
                    add_input(total[i, :learned], delta[i], xi)
            for i in range(K):
                move(J[i, :learned], now, now.rate / inputs, total[i, :learned])
                total[i, :learned] = 0.0

    return advance


@functools.cache
def chain_rule(rule: NodeRule, scheduled: bool = False) -> Callable[..., None]:
    """Kernel (steps, taken, streams, S, W, B, c, s) that advances one replica, with streams (4, 1)."""
    update, draws = rule.update, rule.draws

    @kernel(rule.variant + "-scheduled" * scheduled)
    def advance(
        steps: int, taken: int, streams: Bits, S: Array, W: Array, B: Array, c: BatchChain, s: BatchSpace
    ) -> None:
        """Take `steps` steps after `taken` others. Equations: (6.4), (6.4a) and (31.4)."""
        L, K, M = S.shape
        b, r = c.batch.inputs, s.T.shape[0]
        stride, pairs = L * (K + M), r * (r + 1) // 2
        triangles, own = b * stride, b * stride + L * pairs
        paces = np.empty(PACES)
        for step in range(steps):
            if scheduled:
                set_step_paces(c.schedules, taken + step, c.inputs, paces)
            fill_bits(streams, s.bits)
            fill_normals_flat(s.bits, s.normals)
            for m in range(b):
                fields_of_input(S, W, B, c.scales, s.normals[m * stride : (m + 1) * stride], s.x, s.y)
                update(s.x, s.y, s.normals[own + m * draws : own + (m + 1) * draws], s.delta[m])
                for i in range(K):
                    s.root[i, m] = s.delta[m, i]
            reflect(s.root)
            for k in range(L):
                moves = update_of(c.updates, k)
                if scheduled:
                    moves = paced(moves, paces)
                if not at_rest(moves):
                    begin = triangles + k * pairs
                    fill_triangle(streams, c.freedom[k], s.normals[begin : begin + pairs], s.T)
                    move_sector(S[k], W[k], s.normals[k * (K + M) :], stride, moves, b, s)

    return advance
