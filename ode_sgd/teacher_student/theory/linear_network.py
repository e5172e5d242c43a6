"""The linear network's critical learning rate and floor (docs/theory/linear_network.md section 7)."""

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array, Flags
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.order_parameters import OrderParameters, require_start
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.finite_size import FiniteSize
from ode_sgd.teacher_student.theory.plain_sgd import require_plain_sgd


def critical_learning_rate(problem: Problem, dimension: int | None = None) -> float:
    """Learning rate beyond which a linear student diverges; infinite where nothing moves.

    Equations: (7.2) and (23.4).
    """
    require_linear(problem)
    squares = float(problem.v @ problem.v)
    if not _learning_trace(problem) * squares > 0.0:
        return float("inf")
    if dimension is None:
        return 2.0 / (_learning_trace(problem) * squares)
    learning = problem.learning * problem.spectrum.eigenvalues > 0.0
    finite = FiniteSize(dimension=checked_dimension(problem, dimension))
    return finite.critical(problem.spectrum.eigenvalues[learning], problem.spectrum.weights[learning]) / squares


def noise_floor(problem: Problem, start: OrderParameters | None = None, dimension: int | None = None) -> float:
    """eps_g for alpha -> infinity: (U + sigma^2 x) / (2 (1 - x)), x = eta / eta_c, at finite N x = s of (23.4).

    U = sum_k w_k lambda_k e_k(0) is of the sectors that do not learn: what they hold for good. Under gradient flow the
    floor is U / 2. Raises InvalidProblem unless eta is below critical, and where a start is needed.

    Equations: (7.3), (7.6) and (23.4).
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
    if dimension is not None:
        dimension = checked_dimension(problem, dimension)
    if problem.gradient_flow:
        return 0.5 * held
    critical = critical_learning_rate(problem, dimension)
    if fixed(problem.learning_rate) >= critical:
        raise InvalidProblem(
            f"learning_rate = {problem.learning_rate:g} is beyond critical ({critical:g}); the error has no floor"
        )
    x = fixed(problem.learning_rate) / critical
    if dimension is not None:
        learning = moves(problem)
        x = FiniteSize(dimension=dimension).feedback(
            effective_rate(problem), problem.spectrum.eigenvalues[learning], problem.spectrum.weights[learning]
        )
    return 0.5 * (held + fixed(problem.label_noise) ** 2 * x) / (1.0 - x)


def checked_dimension(problem: Problem, dimension: int) -> int:
    """N, for a rule that has steps. Raises InvalidProblem otherwise."""
    dimension = check.integer("dimension", dimension, 1)
    if problem.gradient_flow:
        raise InvalidProblem(f"gradient_flow = True has no steps, and so no dimension = {dimension}; leave one out")
    return dimension


def effective_rate(problem: Problem) -> float:
    """eta' = eta sum_i v_i^2."""
    return fixed(problem.learning_rate) * float(problem.v @ problem.v)


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
