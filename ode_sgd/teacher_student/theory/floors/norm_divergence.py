"""The learning rate from which on the norms of erf students grow without end (docs/theory/floors.md section 21)."""

from math import asin, atan, cos, pi, sin, sqrt

import numpy as np
from scipy.optimize import brentq

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.branch import Start
from ode_sgd.teacher_student.theory.floors.covered import require_error_function, teachers_of
from ode_sgd.teacher_student.theory.floors.pairing_of_weights import specialised

OWN = 2.0 / pi * asin(1.0 / 3.0)  # variance of erf(x / sqrt 2) over g'^2 of a unit of infinite norm


@own_keywords
@check.underflow_is_zero
def norm_divergence_rate(problem: Problem, start: Start = None) -> float:
    """The learning rate beyond which students grow into sign units, Q ~ alpha^(2/3); dimensionless.

    With strong label noise it lies below `critical_learning_rate` (K = M = 1: sigma > 0.526).

    Parameters
    ----------
    problem : Problem
        erf, K = M = 1, or K = M = 2 with second-layer weights of one modulus.
    start : OrderParameters, Trajectory or None
        The teacher's overlaps; for K = 2 they have to be orthonormal, T = I, which None is.

    Raises
    ------
    InvalidProblem
        For anything else, and under gradient flow, where nothing grows.

    Notes
    -----
    Equation: (21.9). It is checked against the ODE for v = 1 and mu_1 = 1; elsewhere it is derived, no more.

    Examples
    --------
    >>> round(ode_sgd.theory.norm_divergence_rate(noisy), 4)
    3.9353
    """
    require_error_function(problem)
    K = problem.student_units
    pairs = specialised(problem)
    weights = np.abs(problem.v)
    if pairs.left_over.size or K > 2 or np.ptp(weights) > 1e-12 * weights[0]:
        raise InvalidProblem(
            f"student_units = {K}, teacher_units = {problem.teacher_units}, student_weights = "
            f"{tuple(problem.v.tolist())}: where norms diverge is known for K = M = 1, and K = M = 2 with equal weights"
        )
    T = teachers_of(problem, start).T
    if K == 2 and np.abs(T - np.eye(len(T))).max() > 1e-9:
        raise InvalidProblem(f"T = {T.tolist()}: for K = 2 an orthonormal teacher is needed, T = I")
    if problem.gradient_flow:
        raise InvalidProblem("gradient_flow = True has no noise that makes norms grow; it is about steps: leave it out")
    squares = float(weights[0]) ** 2
    noise = fixed(problem.label_noise) ** 2 + squares * (OWN + (others_variance() if K == 2 else 0.0))
    return 2.0 / (problem.spectrum.moment(1) * noise)


def others_variance() -> float:
    """V of K = M = 2, v = 1: variance of teacher less the other student where this student's field is zero.

    Sign units turn by an angle, at which nothing turns them further. Equation: (21.9).
    """

    def pull(angle: float) -> float:
        return _slope(cos(angle)) + _slope(-sin(angle)) - 1.0

    angle = float(brentq(pull, -0.5, -0.1, xtol=1e-15, rtol=1e-15))
    one, two = -sin(angle), cos(angle)
    product = asin(one * two / sqrt((1.0 + one**2) * (1.0 + two**2)))
    squares = sum(asin(a**2 / (1.0 + a**2)) for a in (one, two))
    return 1.0 + 2.0 / pi * (squares + 2.0 * product - 2.0 * (atan(one) + atan(two)))


def _slope(a: float) -> float:
    """E[s erf(a s / sqrt 2)] sqrt(pi / 2) of a normal s."""
    return a / sqrt(1.0 + a**2)
