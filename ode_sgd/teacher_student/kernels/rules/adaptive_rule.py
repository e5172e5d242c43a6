"""Steps of Adam, AdaGradNorm and Polyak by a rule of one's own, as kernels/simulation/adaptive_steps.py takes them."""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.rules.node_averages import NodeRule
from ode_sgd.teacher_student.kernels.simulation.adaptive_steps import MOVES
from ode_sgd.teacher_student.kernels.simulation.weight_pass import dot
from ode_sgd.teacher_student.kernels.simulation.weight_update import WeightUpdate


@functools.cache
def adaptive_rule_steps(rule: NodeRule, moves: str) -> Callable[..., float]:
    """Kernel with the arguments of `adaptive_steps`, of which a is not used; draws (T, n) stand in place of noise."""
    update_fields = rule.update
    move_weights: Any = MOVES[moves]

    @kernel(f"{rule.variant}-{moves}")
    def advance(
        xi: Array,
        draws: Array,
        J: Array,
        B: Array,
        a: Array,
        update: WeightUpdate,
        learned: int,
        memory: Array,
        kept: float,
        unknown: float,
    ) -> float:
        """Equations: (25.5), (25.9) and (31.4)."""
        (K, N), M = J.shape, B.shape[0]
        x, y, delta = np.empty(K), np.empty(M), np.empty(K)
        for step in range(xi.shape[0]):
            for i in range(K):
                x[i] = dot(J[i], xi[step]) / sqrt(N)
            for n in range(M):
                y[n] = dot(B[n], xi[step]) / sqrt(N)
            update_fields(x, y, draws[step], delta)
            unknown *= kept
            move_weights(J, update, learned, delta, xi[step], memory, kept, 1.0 - unknown)
        return unknown

    return advance
