"""The symmetric saddle of heavy-ball momentum: that of plain SGD, with velocities (docs/theory/momentum.md)."""

from dataclasses import replace
from math import sqrt

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.model.optimizers import HeavyBall
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.branch import Start
from ode_sgd.teacher_student.theory.plain_sgd import require_plain_sgd


def is_meant(problem: object) -> bool:
    """Whether a problem learns by a heavy ball, and otherwise by plain SGD; an error where it does more."""
    if not isinstance(problem, Problem) or not isinstance(problem.optimizer, HeavyBall):
        return False
    require_plain_sgd(replace(problem, optimizer=None))
    return True


def of_sgd(problem: Problem) -> Problem:
    """The same problem without momentum, which has the same saddles; others as they are."""
    return replace(problem, optimizer=None) if isinstance(problem.optimizer, HeavyBall) else problem


def escape_rate(problem: Problem, plain: float) -> float:
    """The rate of escape with a problem's momentum where that of plain SGD is known. Equation: (24.6).

    It is written as a quotient, which does not cancel where the friction is large.
    """
    if not isinstance(problem.optimizer, HeavyBall):
        return plain
    return 2.0 * plain / (1.0 + sqrt(1.0 + 4.0 * plain / problem.optimizer.friction))


def without(problem: Problem, start: Start) -> tuple[Problem, Start]:
    """Problem and start of plain SGD."""
    own = start.without_copies() if isinstance(start, OrderParameters) else start
    return replace(problem, optimizer=None), own


def with_velocities(problem: Problem, state: OrderParameters) -> OrderParameters:
    """A fixed point with D q + E r^T symmetric, and its copies: <V, V> = eta^2 gamma lambda G / 2, <V, J> = <V, B> = 0.

    Equation: (24.5).
    """
    (L, K, M), optimizer = state.r.shape, problem.optimizer
    assert isinstance(optimizer, HeavyBall)
    rate = 0.0 if problem.gradient_flow else fixed(problem.learning_rate)
    copies = np.zeros((L, 2 * K, 2 * K + M))
    copies[:, :K, :K], copies[:, :K, 2 * K :] = state.q, state.r
    speeds = 0.5 * rate**2 * optimizer.friction * problem.spectrum.eigenvalues
    copies[:, K:, K : 2 * K] = speeds[:, None, None] * _noise(problem, state)
    return OrderParameters.from_solution(state.q, state.r, state.t, None, (optimizer.copies.names, copies))


def _noise(problem: Problem, state: OrderParameters) -> Array:
    """G (K, K)."""
    K, M = problem.student_units, problem.teacher_units
    C = np.tensordot(problem.spectrum.powers(1), state.gram, axes=1)
    A, G = np.empty((K, K + M)), np.empty((K, K))
    coefficients = coefficient_kernels(problem.g).coefficients
    coefficients(np.ascontiguousarray(C), problem.signed_weights, fixed(problem.label_noise) ** 2, A, G)
    return G
