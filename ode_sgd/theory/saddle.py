"""The symmetric saddle of erf committees (docs/theory.md section 8): where the plateau lies and how fast it is left."""

from math import asin, pi, sqrt

import numpy as np

from ode_sgd.model.errors import InvalidProblem
from ode_sgd.model.problem import Problem


def plateau_height(problem: Problem) -> float:
    """eps_g on the plateau for small learning rates, dimensionless: s^2 (K/pi) (pi/6 - K asin(1/(2K))).

    s is the common second-layer weight (1 for "committee", 1/sqrt K for "mean_field"). The teacher is orthonormal: T of
    order one is the identity; the spectrum does not enter. Finite learning rates raise it: by 4.1 % at eta = 0.1 for
    K = 2.

    Raises
    ------
    InvalidProblem
        Unless the activation is erf, K = M >= 2, all second-layer weights are equal and there is no label noise.

    Notes
    -----
    Source: Saad & Solla, PRE 52, 4225 (1995); docs/theory.md section 8.
    """
    K, scale = _committee(problem)
    return scale**2 * K / pi * (pi / 6.0 - K * asin(1.0 / (2.0 * K)))


def escape_rate(problem: Problem) -> float:
    """Growth rate of the symmetry-breaking mode at that saddle, per unit of alpha, for small learning rates:

    lambda_esc = s^2 eta (mu_2 / mu_1) (2/pi) K / sqrt((2K-1) (2K+1)^3),  mu_l = Tr Sigma^l / N,

    for a teacher whose T of order one is the identity.

    Raises and source: as for `plateau_height`.
    """
    K, scale = _committee(problem)
    mu_2 = problem.spectrum.moment(2)
    rate = 2.0 / pi * K / sqrt((2 * K - 1) * (2 * K + 1) ** 3)
    return scale**2 * problem.learning_rate * mu_2 * rate / problem.spectrum.moment(1)


def _committee(problem: Problem) -> tuple[int, float]:
    """K and the common second-layer weight, where the closed forms hold."""
    K = problem.student_units
    weights = np.concatenate([problem.v, problem.u])
    faults = [
        text
        for wrong, text in (
            (problem.activation != "erf", f"activation = {problem.activation!r} (erf only)"),
            (problem.teacher_units != K or K < 2, f"K = {K}, M = {problem.teacher_units} (K = M >= 2 only)"),
            (bool(np.ptp(weights) > 1e-12 * np.abs(weights).max()), "unequal second-layer weights"),
            (problem.label_noise > 0.0, f"label_noise = {problem.label_noise:g} (0 only)"),
            (problem.trainable not in (None, problem.spectrum.distinct), "sectors that do not learn"),
        )
        if wrong
    ]
    if faults:
        raise InvalidProblem(f"the plateau has no closed form for {', '.join(faults)}")
    return K, float(weights[0])
