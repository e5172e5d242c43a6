"""The error of a student on rows of data, in place of its mean over Gaussian inputs."""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages, teacher_of
from ode_sgd.teacher_student.kernels.simulation.weight_pass import dot


@functools.cache
def row_error(activation: Averages) -> Callable[..., float]:
    """Kernel (J, B, rows, a) that returns the mean of (1/2) (f - h)^2 over rows (samples, N), without label noise."""
    value: Any = activation.functions.value
    taught: Any = teacher_of(activation.functions).value

    @kernel(activation.variant)
    def error(J: Array, B: Array, rows: Array, a: Array) -> float:
        """Signed second layers a (K + M,), those of the teacher negative. Equation: (1.4)."""
        K, N = J.shape
        total = 0.0
        for row in rows:
            difference = 0.0
            for i in range(K):
                difference += a[i] * value(dot(J[i], row) / sqrt(N))
            for n in range(B.shape[0]):
                difference += a[K + n] * taught(dot(B[n], row) / sqrt(N))
            total += 0.5 * difference * difference
        return total / rows.shape[0]

    return error
