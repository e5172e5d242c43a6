"""What the theory of floors is for: plain SGD on all sectors, an activation without a kink, and its teacher."""

from dataclasses import dataclass
from math import erf, sqrt

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.branch import Start, teacher_of
from ode_sgd.teacher_student.theory.plain_sgd import require_plain_sgd

POINTS = (-1.3, 0.2, 0.9, 2.1)  # where an activation is asked whether it is erf(x / sqrt 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Teachers:
    """Overlaps of the teacher: T (M, M) of order one, and t (L, M, M) of every sector."""

    T: Array
    t: Array


def require_nonlinear(problem: Problem) -> None:
    """Raise InvalidProblem unless the problem is one that this theory is of."""
    check.instance("problem", problem, Problem)
    require_plain_sgd(problem)
    if problem.g.is_linear:
        raise InvalidProblem(
            f"activation = {str(problem.g)!r}: this is for networks that are not linear; theory.linear_modes, "
            "theory.noise_floor and theory.critical_learning_rate have what linear ones do"
        )
    if problem.g.is_even:
        raise InvalidProblem(
            f"activation = {str(problem.g)!r}: students may be turned into each other or change sign at no cost, so "
            "that no point is fixed; integrate the ODE"
        )
    if not problem.teacher_like_student:
        raise InvalidProblem(
            f"teacher_activation = {str(problem.g_teacher)!r} with activation = {str(problem.g_student)!r}: no student "
            "becomes its teacher, around which the theory of floors is; integrate the ODE"
        )
    if problem.g.has_kink:
        raise InvalidProblem(
            f"activation = {str(problem.g)!r}: the theory of floors takes derivatives where students are their "
            "teachers, and there averages of a slope that jumps have none; integrate the ODE"
        )
    idle = (problem.learning == 0.0) & (problem.spectrum.eigenvalues > 0.0)
    if idle.any():
        raise InvalidProblem(
            f"trainable = {problem.trainable}: sectors that do not learn keep their start, and nothing vanishes there; "
            "let all of them learn"
        )


def require_error_function(problem: Problem) -> None:
    """Raise InvalidProblem unless g(x) = erf(x / sqrt 2): for laws of its own."""
    require_nonlinear(problem)
    value = problem.g.functions.value
    if any(abs(value(x) - erf(x / sqrt(2.0))) > 1e-12 for x in POINTS):
        raise InvalidProblem(f"activation = {str(problem.g)!r}: this law is one of 'erf'; integrate the ODE")


def teachers_of(problem: Problem, start: Start) -> Teachers:
    """The teacher of a start or run; None is an orthonormal one, t_k = I / mu_1."""
    found = teacher_of(problem, start)
    t = found.t
    if t is None:
        t = np.tile(found.T / problem.spectrum.moment(1), (problem.spectrum.distinct, 1, 1))
    return Teachers(T=found.T, t=t)


def speed(problem: Problem) -> float:
    """eta mu_1, on which fixed points depend; 0 of the noise under gradient flow, see `noise_scale`."""
    return fixed(problem.learning_rate) * problem.spectrum.moment(1)


def noise_scale(problem: Problem) -> float:
    """eta mu_1 as it multiplies the noise: 0 under gradient flow. Equation: (21.1)."""
    return 0.0 if problem.gradient_flow else speed(problem)
