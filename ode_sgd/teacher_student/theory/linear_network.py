"""The linear network's critical learning rate and floor (docs/theory/linear_network.md section 7)."""

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array, Flags
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.model.order_parameters import OrderParameters, require_start
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.plain_sgd import require_plain_sgd


@check.underflow_is_zero
def critical_learning_rate(problem: Problem) -> float:
    """Learning rate beyond which a linear student diverges: eta_c = 2 / (mu_1 sum_i v_i^2), dimensionless.

    mu_1 counts the sectors that learn; infinite where nothing moves. Raises InvalidProblem unless the activation is
    linear.

    Equation: (7.2).

    Examples
    --------
    >>> round(ode_sgd.theory.critical_learning_rate(linear), 6)
    2.0
    """
    require_linear(problem)
    speed = _learning_trace(problem) * float(problem.v @ problem.v)
    return 2.0 / speed if speed > 0.0 else float("inf")


@check.underflow_is_zero
def noise_floor(problem: Problem, start: OrderParameters | None = None) -> float:
    """eps_g for alpha -> infinity, dimensionless: (U + sigma^2 x) / (2 (1 - x)), x = eta / eta_c.

    eta_c is the critical learning rate and U = sum_k w_k lambda_k e_k(0) over the sectors that do not learn: what they
    hold for good. Under gradient flow it is U / 2.

    Parameters
    ----------
    problem : Problem
        With the linear activation.
    start : OrderParameters, optional
        Supplies U; needed only where a sector with variance does not learn.

    Raises
    ------
    InvalidProblem
        Unless the activation is linear and eta is below critical, or where a start is needed.
    InvalidStart
        If the start does not fit the problem.

    Notes
    -----
    Equations: (7.3) and (7.6).

    Examples
    --------
    >>> from dataclasses import replace
    >>> round(ode_sgd.theory.noise_floor(replace(linear, label_noise=0.1)), 7)
    2.51e-05
    """
    require_linear(problem)
    held = 0.0
    if np.any(~moves(problem) & (problem.spectrum.eigenvalues > 0.0)):
        if start is None:
            raise InvalidProblem(
                f"the floor with sectors that do not learn (trainable = {problem.trainable}) needs a start: "
                "noise_floor(problem, start)"
            )
        held = float((problem.spectrum.powers(1) * error_vector(problem, start))[~moves(problem)].sum())
    elif start is not None:
        require_start("start", start)
        start.check_fits(problem)
    if problem.gradient_flow:
        return 0.5 * held
    x = problem.learning_rate / critical_learning_rate(problem)
    if x >= 1.0:
        raise InvalidProblem(
            f"learning_rate = {problem.learning_rate:g} is beyond critical ({critical_learning_rate(problem):g}); "
            "the error has no floor"
        )
    return 0.5 * (held + problem.label_noise**2 * x) / (1.0 - x)


def effective_rate(problem: Problem) -> float:
    """eta' = eta sum_i v_i^2."""
    return problem.learning_rate * float(problem.v @ problem.v)


def moves(problem: Problem) -> Flags:
    """Which sectors are learned, (L,): trained, with variance, by a student whose second layer is not zero."""
    return (problem.learning * problem.spectrum.eigenvalues > 0.0) & bool(problem.v.any())


def error_vector(problem: Problem, start: OrderParameters) -> Array:
    """e_k = |P_k e|^2 / N_k >= 0, (L,), of e = sum_i v_i J_i - sum_n u_n B_n."""
    require_start("start", start)
    start.check_fits(problem)
    a = problem.signed_weights
    result: Array = np.maximum(np.einsum("i,kij,j->k", a, start.gram, a), 0.0)
    return result


def require_linear(problem: Problem) -> None:
    """Raise InvalidProblem unless the activation is linear, and the rule plain SGD."""
    check.instance("problem", problem, Problem)
    if not problem.g.is_linear:
        raise InvalidProblem(f"activation = {str(problem.g)!r} has no closed form here; it needs 'linear'")
    require_plain_sgd(problem)


def _learning_trace(problem: Problem) -> float:
    spectrum = problem.spectrum
    return float(np.sum(spectrum.weights * spectrum.eigenvalues * problem.learning))
