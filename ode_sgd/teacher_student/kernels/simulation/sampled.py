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
from ode_sgd.teacher_student.kernels.averages import Averages, teacher_of
from ode_sgd.teacher_student.kernels.paces import PACES
from ode_sgd.teacher_student.kernels.simulation.step_paces import NOISE, paced, set_step_paces
from ode_sgd.teacher_student.kernels.simulation.weight_pass import dot, move
from ode_sgd.teacher_student.kernels.simulation.weight_update import WeightUpdate


@functools.cache
def sampled_steps(activation: Averages, scheduled: bool = False) -> Callable[..., None]:
    """Kernel (state, steps, J, B, inputs, a, update, noise, learned, schedules, taken) that updates J.

    state (4, 1) is the random stream, inputs (samples, N) the rows to draw from; the rest as in explicit.py.
    """
    averages: Any = activation.functions
    value, slope = averages.value, averages.slope
    taught: Any = teacher_of(averages).value

    @kernel(activation.variant + "-scheduled" * scheduled)
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
        schedules: Array,
        taken: int,
    ) -> None:
        """Take `steps` steps. Equations: (1.4), (1.5) and (1.5b)."""
        K, N = J.shape
        x, now, sigma, paces = np.empty(K), update, noise, np.empty(PACES)
        for step in range(steps):
            if scheduled:
                set_step_paces(schedules, taken + step, N, paces)
                now, sigma = paced(update, paces), paces[NOISE]
            xi = inputs[int(unit_interval(next_bits(state, 0)) * inputs.shape[0])]
            first = next_bits(state, 0)
            error = -sigma * normal_pair(first, next_bits(state, 0))[0] if noise > 0.0 else 0.0
            for i in range(K):
                x[i] = dot(J[i], xi) / sqrt(N)
                error += a[i] * value(x[i])
            for n in range(B.shape[0]):
                error += a[K + n] * taught(dot(B[n], xi) / sqrt(N))
            for i in range(K):
                move(J[i, :learned], now, now.rate * a[i] * slope(x[i]) * error, xi)

    return advance
