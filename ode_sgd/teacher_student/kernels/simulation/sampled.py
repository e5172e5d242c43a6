"""SGD on inputs that are rows of a data matrix, drawn with replacement, in place of Gaussian vectors.

The step is that of explicit.py; the inputs lie in memory, so nothing but their numbers is drawn.
"""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array, Bits
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.random_lanes import next_bits, normal_pair, unit_interval
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.simulation.weight_pass import dot, move
from ode_sgd.teacher_student.kernels.simulation.weight_update import WeightUpdate


@functools.cache
def sampled_steps(activation: Averages) -> Callable[..., None]:
    """Kernel (state, steps, J, B, inputs, a, update, noise, learned) that updates J.

    state (4, 1) is the random stream, inputs (samples, N) the rows to draw from.
    """
    averages: Any = activation.functions
    value, slope = averages.value, averages.slope

    @kernel(activation.variant)
    def advance(
        state: Bits,
        steps: int,
        J: Array,
        B: Array,
        inputs: Array,
        a: Array,
        update: WeightUpdate,
        noise: float,
        learned: int,
    ) -> None:
        """Take `steps` steps. Equations: (1.4) and (1.5)."""
        K, N = J.shape
        x = np.empty(K)
        for _ in range(steps):
            xi = inputs[int(unit_interval(next_bits(state, 0)) * inputs.shape[0])]
            first = next_bits(state, 0)
            error = -noise * normal_pair(first, next_bits(state, 0))[0] if noise > 0.0 else 0.0
            for i in range(K):
                x[i] = dot(J[i], xi) / sqrt(N)
                error += a[i] * value(x[i])
            for n in range(B.shape[0]):
                error += a[K + n] * value(dot(B[n], xi) / sqrt(N))
            for i in range(K):
                move(J[i, :learned], update, update.rate * a[i] * slope(x[i]) * error, xi)

    return advance
