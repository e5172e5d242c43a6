"""When Polyak's rate is searched along a simulation, and what it is."""

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.sectors.layout import covariance
from ode_sgd.teacher_student.model.optimizers.scalar_rates import Polyak
from ode_sgd.teacher_student.model.problem import Problem

LINE_SEARCHES = 50  # in a unit of alpha


def interval(dimension: int) -> int:
    """Steps from one search to the next."""
    return max(1, dimension // LINE_SEARCHES)


def searched(problem: Problem, q: Array, r: Array, t: Array) -> Array:
    """The rate (n,) at which the error of each replica falls fastest, at learning_rate = 1. Equation: (25.11).

    q (n, L, K, K), r (n, L, K, M) and t (n, L, M, M) are overlaps of all sectors.
    """
    optimizer, K, M = problem.optimizer, problem.student_units, problem.teacher_units
    assert isinstance(optimizer, Polyak)  # for the type checker
    first, second = problem.spectrum.powers(1), problem.spectrum.powers(2) * problem.learning
    variance, fill = problem.update_rule.noise_unit**2, coefficient_kernels(problem.g).coefficients
    A, G, rates = np.empty((K, K + M)), np.empty((K, K)), np.empty(len(q))
    for n, parts in enumerate(zip(q, r, t, strict=True)):
        C, C2 = (covariance(*(np.tensordot(weight, part, axes=1) for part in parts)) for weight in (first, second))
        fill(C, problem.signed_weights, variance, A, G)
        rates[n] = optimizer.rate(A, G, C2, float(second.sum()))
    return rates
