"""Steps of optimisers with linear memory by a rule of one's own: on weights in memory, and as the chain of overlaps.

    U_r <- U_r + sum_s mixing_rs U_s - rate_r / sqrt N sum_m delta^m xi^m,    delta^m = update(x^m, y^m, draw^m)

with x the fields of J = sum_r p_r U_r. How copies move is said in kernels/simulation/explicit_copies.py and
chain_copies.py, whose functions these take: an update has no part in it but its delta.
"""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array, Bits
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.rules.node_averages import NodeRule
from ode_sgd.teacher_student.kernels.simulation.chain_batches import fill_triangle
from ode_sgd.teacher_student.kernels.simulation.chain_copies import (
    CopiesChain,
    CopiesSpace,
    fields_of_copies,
    move_copies_of_sector,
)
from ode_sgd.teacher_student.kernels.simulation.chain_draws import fill_bits, fill_normals_flat
from ode_sgd.teacher_student.kernels.simulation.chain_loops import reflect
from ode_sgd.teacher_student.kernels.simulation.copies import StepTable, row_of
from ode_sgd.teacher_student.kernels.simulation.explicit import DRAW, LANES, TILE
from ode_sgd.teacher_student.kernels.simulation.explicit_batches import add_input
from ode_sgd.teacher_student.kernels.simulation.explicit_copies import move_copies
from ode_sgd.teacher_student.kernels.simulation.weight_pass import dot


@functools.cache
def explicit_rule_copies(rule: NodeRule, normals: str) -> Callable[..., None]:
    """Kernel with the arguments of `explicit_copies`, of which v, u and noisy are not used.

    An input takes N normals, then those of the update's draws.
    """
    update, draws = rule.update, rule.draws
    draw_normals: Any = DRAW[normals]

    @kernel(f"{rule.variant}-{normals}")
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
        """Take `steps` steps. Equations: (18.1) and (31.4)."""
        (_, K, N), M = U.shape, B.shape[0]
        rows = tile.reshape(TILE // LANES, LANES)
        x, y, delta, draw = np.empty(K), np.empty(M), np.empty(K), np.zeros(max(draws, 1))
        for step in range(steps):
            row = row_of(table, step)
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
                    x[i] = (p[0] * dot(U[0, i], xi) + p[1] * dot(U[1, i], xi)) / sqrt(N)
                for n in range(M):
                    y[n] = dot(B[n], xi) / sqrt(N)
                update(x, y, draw, delta)
                for i in range(K):
                    add_input(total[i, :learned], delta[i], xi)
            move_copies(U, learned, table, row, total)

    return advance


@functools.cache
def chain_rule_copies(rule: NodeRule) -> Callable[..., None]:
    """Kernel with the arguments of `chain_copies`; the normals of a step end with those of the update's draws."""
    update, draws = rule.update, rule.draws

    @kernel(rule.variant)
    def advance(
        steps: int, streams: Bits, S: Array, W: Array, B: Array, c: CopiesChain, table: StepTable, s: CopiesSpace
    ) -> None:
        """Take `steps` steps. Equations: (6.4), (18.7) and (31.4)."""
        L, rows, M = S.shape
        b, K = c.inputs, s.x.size
        stride, pairs = L * (rows + M), s.T.shape[0] * (s.T.shape[0] + 1) // 2
        triangles, own = b * stride, b * stride + L * pairs
        for step in range(steps):
            row = row_of(table, step)
            fill_bits(streams, s.bits)
            fill_normals_flat(s.bits, s.normals)
            for m in range(b):
                fields_of_copies(S, W, B, c.p, c.scales, s.normals[m * stride : (m + 1) * stride], s.x, s.y)
                update(s.x, s.y, s.normals[own + m * draws : own + (m + 1) * draws], s.delta[m])
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
