"""SGD on real weight vectors with a rule of one's own: J_i <- J_i - (eta / sqrt N) delta_i xi.

As kernels/simulation/explicit.py, whose passes over the weights it takes, with the update's delta in place of the
gradient's. A step takes N normals, and then those of the update's draws.
"""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.paces import PACES
from ode_sgd.teacher_student.kernels.rules.node_averages import NodeRule
from ode_sgd.teacher_student.kernels.sectors.generated_block import shape_variant
from ode_sgd.teacher_student.kernels.simulation.explicit import DRAW, LANES, TILE
from ode_sgd.teacher_student.kernels.simulation.step_paces import paced, set_step_paces
from ode_sgd.teacher_student.kernels.simulation.weight_pass import move, weight_pass
from ode_sgd.teacher_student.kernels.simulation.weight_update import WeightUpdate, without_step


@functools.cache
def explicit_rule_steps(rule: NodeRule, normals: str, K: int, M: int, scheduled: bool = False) -> Callable[..., None]:
    """Kernel with the arguments of `explicit_steps`, of which a and noise are not used."""
    update_fields, draws = rule.update, rule.draws
    draw_normals: Any = DRAW[normals]
    one_pass: Any = weight_pass(K, M)

    @kernel(f"{rule.variant}-{normals}-{shape_variant(K, M)}{'-scheduled' * scheduled}")
    def advance(
        source: Any,
        steps: int,
        J: Array,
        B: Array,
        amplitude: Array,
        a: Array,
        update: WeightUpdate,
        noise: float,
        learned: int,
        xi: Array,
        tile: Any,
        schedules: Array,
        taken: int,
    ) -> None:
        """Take `steps` steps. Equation: (31.4)."""
        K, N = J.shape
        rows = tile.reshape(TILE // LANES, LANES)
        fields, factors, still, delta = np.empty(a.size), np.zeros(K), np.zeros(K), np.zeros(K)
        draw, nothing, paces = np.zeros(max(draws, 1)), without_step(update), np.empty(PACES)
        last, now = nothing, update
        for step in range(steps):
            if scheduled:
                set_step_paces(schedules, taken + step, N, paces)
                now = paced(update, paces)
            fields[:] = 0.0
            for begin in range(0, N, TILE):
                draw_normals(source, rows, tile, min(TILE, N - begin))
                end = min(begin + TILE, N)
                split = min(max(begin, learned), end)
                if begin < split:
                    one_pass(J, B, last, factors, xi, amplitude, tile, begin, split, fields)
                if split < end:
                    one_pass(J, B, nothing, still, xi, amplitude, tile[split - begin :], split, end, fields)
            if draws > 0:
                draw_normals(source, rows, tile, draws)
                for m in range(draws):
                    draw[m] = tile[m]
            for c in range(a.size):
                fields[c] /= sqrt(N)
            update_fields(fields[:K], fields[K:], draw, delta)
            for i in range(K):
                factors[i] = now.rate * delta[i]
            last = now
        for i in range(K):
            move(J[i, :learned], last, factors[i], xi)

    return advance
