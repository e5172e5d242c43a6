"""The linear network, exactly (docs/theory.md section 7)."""

import numpy as np

from ode_sgd.model.errors import InvalidProblem
from ode_sgd.model.problem import Problem


def critical_learning_rate(problem: Problem) -> float:
    """Learning rate beyond which a linear student diverges: eta_c = 2 / (mu_1 sum_i v_i^2), dimensionless.

    mu_1 counts the sectors that learn; infinite where nothing moves. Raises InvalidProblem unless the activation is
    linear.
    """
    _require_linear(problem)
    speed = _learning_trace(problem) * float(problem.v @ problem.v)
    return 2.0 / speed if speed > 0.0 else float("inf")


def noise_floor(problem: Problem) -> float:
    """eps_g for alpha -> infinity with all sectors learning, dimensionless: (sigma^2 / 2) x / (1 - x).

    x = eta / eta_c, with eta_c the critical learning rate; 0 under gradient flow.

    Raises
    ------
    InvalidProblem
        Unless the activation is linear, every sector with variance learns and eta is below critical.
    """
    _require_linear(problem)
    spectrum = problem.spectrum
    if np.any((problem.learning == 0.0) & (spectrum.eigenvalues > 0.0)):
        raise InvalidProblem(f"trainable = {problem.trainable}: the floor with sectors that do not learn needs a start")
    if problem.gradient_flow:
        return 0.0
    x = problem.learning_rate / critical_learning_rate(problem)
    if x >= 1.0:
        raise InvalidProblem(
            f"learning_rate = {problem.learning_rate:g} is beyond critical ({critical_learning_rate(problem):g}); "
            "the error has no floor"
        )
    return 0.5 * problem.label_noise**2 * x / (1.0 - x)


def _learning_trace(problem: Problem) -> float:
    spectrum = problem.spectrum
    return float(np.sum(spectrum.weights * spectrum.eigenvalues * problem.learning))


def _require_linear(problem: Problem) -> None:
    if problem.activation != "linear":
        raise InvalidProblem(f"activation = {problem.activation!r} has no closed form here; it needs 'linear'")
