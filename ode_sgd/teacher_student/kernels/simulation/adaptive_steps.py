"""Steps of sign-SGD, of Adam with a slow second moment and of AdaGradNorm on given inputs (model/optimizers).

Weights and inputs are in the coordinates that the rule sees, one input a row. A step is that of explicit.py with
another move of the weights: by sign(delta_i xi_n), by delta_i xi_n over the root of its mean square, or by a rate that
falls with the sum of the squared gradients.
"""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages, teacher_of
from ode_sgd.teacher_student.kernels.simulation.weight_pass import dot, move
from ode_sgd.teacher_student.kernels.simulation.weight_update import WeightUpdate, moved


@kernel(inline=True, always=True)
def sign(x: float) -> float:
    """-1, 0 or 1."""
    return 1.0 if x > 0.0 else -1.0 if x < 0.0 else 0.0


@kernel()
def move_by_signs(
    J: Array, update: WeightUpdate, learned: int, delta: Array, xi: Array, memory: Array, kept: float, known: float
) -> None:
    """Sign-SGD. Equation: (25.1)."""
    for i in range(J.shape[0]):
        for n in range(learned):
            J[i, n] = moved(J[i, n], update, update.rate * sign(delta[i]), sign(xi[n]))


@kernel()
def move_by_moments(
    J: Array, update: WeightUpdate, learned: int, delta: Array, xi: Array, memory: Array, kept: float, known: float
) -> None:
    """Adam: memory (K, N) holds the mean squares, of which the share `known` is there. Equation: (25.5)."""
    for i in range(J.shape[0]):
        for n in range(learned):
            gradient = delta[i] * xi[n]
            memory[i, n] = kept * memory[i, n] + (1.0 - kept) * gradient * gradient
            size = sqrt(memory[i, n] / known)
            J[i, n] = moved(J[i, n], update, update.rate / size if size > 0.0 else 0.0, gradient)


@kernel()
def move_by_sum(
    J: Array, update: WeightUpdate, learned: int, delta: Array, xi: Array, memory: Array, kept: float, known: float
) -> None:
    """AdaGradNorm: memory (1, 1) is the sum of the squared gradients, over N. Equation: (25.9)."""
    N, square = J.shape[1], 0.0
    for i in range(J.shape[0]):
        square += delta[i] ** 2
    memory[0, 0] += square * dot(xi[:learned], xi[:learned]) / (float(N) * float(N))
    rate = update.rate / sqrt(memory[0, 0])
    for i in range(J.shape[0]):
        move(J[i, :learned], update, rate * delta[i], xi[:learned])


@kernel()
def move_plainly(
    J: Array, update: WeightUpdate, learned: int, delta: Array, xi: Array, memory: Array, kept: float, known: float
) -> None:
    """SGD, at a rate memory[0, 0] times that of the update. Equation: (1.5)."""
    for i in range(J.shape[0]):
        move(J[i, :learned], update, update.rate * memory[0, 0] * delta[i], xi[:learned])


MOVES = {"signs": move_by_signs, "moments": move_by_moments, "sum": move_by_sum, "plain": move_plainly}


@functools.cache
def adaptive_steps(activation: Averages, moves: str) -> Callable[..., float]:
    """Kernel (xi, noise, J, B, a, update, learned, memory, kept, unknown) -> unknown; a step for every row of xi.

    xi (T, N) are the inputs and noise (T,) that of their labels; `kept` is what a step leaves of the memory and
    `unknown` that of all steps before, then of all: a bias correction divides by the rest; 0 is no correction.
    """
    averages: Any = activation.functions
    value, slope = averages.value, averages.slope
    taught: Any = teacher_of(averages).value
    move_weights: Any = MOVES[moves]

    @kernel(f"{activation.variant}-{moves}")
    def advance(
        xi: Array,
        noise: Array,
        J: Array,
        B: Array,
        a: Array,
        update: WeightUpdate,
        learned: int,
        memory: Array,
        kept: float,
        unknown: float,
    ) -> float:
        """Equations: (25.1), (25.5) and (25.9)."""
        (K, N), M = J.shape, B.shape[0]
        x, delta = np.empty(K), np.empty(K)
        for step in range(noise.size):
            error = -noise[step]
            for i in range(K):
                x[i] = dot(J[i], xi[step]) / sqrt(N)
                error += a[i] * value(x[i])
            for n in range(M):
                error += a[K + n] * taught(dot(B[n], xi[step]) / sqrt(N))
            for i in range(K):
                delta[i] = a[i] * slope(x[i]) * error
            unknown *= kept
            move_weights(J, update, learned, delta, xi[step], memory, kept, 1.0 - unknown)
        return unknown

    return advance
