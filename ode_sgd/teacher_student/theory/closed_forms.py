"""Height and escape rate of the plateau where they are known in closed form (docs/theory/plateau.md section 8)."""

from math import asin, pi, sqrt

import numpy as np

from ode_sgd.teacher_student.model.problem import Problem


def exist(problem: Problem, start: object) -> bool:
    """Gradient flow, erf, K = M >= 2, equal second layers, no label noise, an orthonormal teacher."""
    weights = problem.signed_weights * np.repeat([1.0, -1.0], [problem.student_units, problem.teacher_units])
    return (
        problem.gradient_flow
        and start is None
        and problem.activation == "erf"
        and problem.student_units == problem.teacher_units >= 2
        and bool(np.ptp(weights) <= 1e-12 * np.abs(weights).max())
        and problem.label_noise == 0.0
    )


def height(problem: Problem) -> float:
    """eps_g* = s^2 (K/pi) (pi/6 - K asin(1/(2K))), s the second-layer weight. Equation: (8.2)."""
    K = problem.student_units
    return float(problem.v[0]) ** 2 * K / pi * (pi / 6.0 - K * asin(1.0 / (2.0 * K)))


def rate(problem: Problem) -> float:
    """lambda_esc = s^2 eta (mu_2 / mu_1) (2/pi) K / sqrt((2K-1) (2K+1)^3). Equation: (8.3)."""
    K, spectrum = problem.student_units, problem.spectrum
    bare = 2.0 / pi * K / sqrt((2 * K - 1) * (2 * K + 1) ** 3)
    return float(problem.v[0]) ** 2 * problem.learning_rate * spectrum.moment(2) / spectrum.moment(1) * bare
