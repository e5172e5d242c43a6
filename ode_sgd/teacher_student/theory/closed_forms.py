"""Height and escape rate of the plateau where they are known in closed form (docs/theory/plateau.md section 8)."""

import numpy as np

from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.problem import Problem


def exist(problem: Problem, start: object) -> bool:
    """Gradient flow, K = M >= 2, equal second layers, no label noise, an orthonormal teacher.

    And an activation whose file supplies them.
    """
    weights = problem.signed_weights * np.repeat([1.0, -1.0], [problem.student_units, problem.teacher_units])
    return (
        problem.gradient_flow
        and start is None
        and problem.student_units == problem.teacher_units >= 2
        and bool(np.ptp(weights) <= 1e-12 * np.abs(weights).max())
        and problem.label_noise == 0.0
        and problem.g.has_plateau_forms
    )


def height(problem: Problem) -> float:
    """eps_g* = s^2 eps(K), s the second-layer weight, eps(K) that of the activation's file. Equation: (8.2)."""
    return float(problem.v[0]) ** 2 * float(problem.g.functions.plateau_height(problem.student_units))


def rate(problem: Problem) -> float:
    """lambda_esc = s^2 eta (mu_2 / mu_1) lambda(K), lambda(K) that of the activation's file. Equation: (8.3)."""
    spectrum, bare = problem.spectrum, float(problem.g.functions.plateau_escape_rate(problem.student_units))
    return float(problem.v[0]) ** 2 * fixed(problem.learning_rate) * spectrum.moment(2) / spectrum.moment(1) * bare
