"""How fast the error comes to where it ends, with memory and weight decay (docs/theory/momentum.md)."""

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory import linear_rest
from ode_sgd.teacher_student.theory.branch import Start
from ode_sgd.teacher_student.theory.floors.covered import teachers_of
from ode_sgd.teacher_student.theory.floors.relaxation import TeacherModes
from ode_sgd.teacher_student.theory.floors.with_memory import NoiseWithMemory
from ode_sgd.teacher_student.theory.linear_memory import without_memory


@own_keywords
@check.underflow_is_zero
def relaxation_rate(problem: Problem, start: Start = None) -> float:
    """The rate at which eps_g comes to its floor in the end, per unit of alpha; negative where it moves away from it.

    Oscillations of a heavy ball or of DANA count by how fast they die out. With an average of the weights it is the
    error of the average.

    Parameters
    ----------
    problem : Problem
        Plain SGD or `HeavyBall`, `Averaging` and `DANA` with constant numbers. Linear, also with weight decay; or with
        any activation of `relaxation_rates`, without. For these label noise is not looked at: students are near to
        their teachers.
    start : OrderParameters, Trajectory or None
        The teacher's overlaps t_k; None is an orthonormal one, t_k = I / mu_1.

    Raises
    ------
    InvalidProblem
        For schedules, where nothing moves, and as `relaxation_rates`.

    Notes
    -----
    Equation: (24.8).

    Examples
    --------
    >>> from dataclasses import replace
    >>> ball = replace(problem, optimizer=ode_sgd.optimizers.HeavyBall(friction=0.01))
    >>> round(ode_sgd.theory.relaxation_rate(problem), 5), round(ode_sgd.theory.relaxation_rate(ball), 5)
    (0.00863, 0.00781)
    """
    check.instance("problem", problem, Problem)
    if problem.g.is_linear:
        return linear_rest.relaxation_rate(problem, start)
    plain = without_memory(problem)
    overlaps = TeacherModes(plain, start).of_overlaps(plain)
    noise, eta = NoiseWithMemory(problem, teachers_of(problem, start).T), fixed(problem.learning_rate)
    # With copies the rate of a mode rises with that of plain SGD up to a largest value, and falls from there.
    extremes = np.array([float(overlaps.slowest(1)[0]), overlaps.fastest])
    means = 2.0 * float(noise.memory.slowest(extremes).min())
    return min(means, noise.decay_of_means(eta) if problem.gradient_flow else noise.decay(eta))
