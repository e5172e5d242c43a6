"""Steps on batches of inputs, which may move the student's second layer too: what all simulators have in common.

    J_i <- kept J_i - rate <delta_i xi>,    v_i <- kept_v v_i - rate_v <g(x_i) Delta>,    delta_i = v_i g'(x_i) Delta

with Delta = f - label of the networks before the step, and <..> the mean over its inputs. A step on one input under a
fixed second layer has kernels of its own, which pass over the weights once (explicit.py, sampled.py, chain.py).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages, teacher_of
from ode_sgd.teacher_student.kernels.simulation.chain_draws import value_and_slope
from ode_sgd.teacher_student.kernels.simulation.weight_update import SecondLayerUpdate


class Batch(NamedTuple):
    """What a step takes its means over, and what it does to the second layer."""

    inputs: int  # b
    second: SecondLayerUpdate


@functools.cache
def response(activation: Averages) -> Callable[..., None]:
    """Helper (x, y, v, u, noise, delta, moves): delta_i of one input, and g(x_i) Delta added to the moves of v."""
    both = value_and_slope(activation)
    taught: Any = teacher_of(activation.functions).value

    @kernel(activation.variant, inline=True, always=True)
    def respond(x: Array, y: Array, v: Array, u: Array, noise: float, delta: Array, moves: Array) -> None:
        """The noise is sigma Normal(0, 1) itself. Equations: (1.4), (1.5) and (1.5a)."""
        error = -noise
        for i in range(v.size):
            x[i], delta[i] = both(x[i])
            error += v[i] * x[i]
        for n in range(u.size):
            error -= u[n] * taught(y[n])
        for i in range(v.size):
            moves[i] += x[i] * error
            delta[i] *= v[i] * error

    return respond


@kernel(inline=True, always=True)
def move_second_layer(v: Array, batch: Batch, moves: Array) -> None:
    """v after a step; the moves are cleared for the next one. Equation: (1.5a)."""
    for i in range(v.size):
        v[i] = batch.second.kept * v[i] - batch.second.rate / batch.inputs * moves[i]
        moves[i] = 0.0
