"""What every integration method hands back, whichever it is."""

from dataclasses import dataclass, field

from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidProblem
from ode_sgd.model.problem import Problem
from ode_sgd.theory.linear_network import critical_learning_rate


@dataclass
class Solution:
    """Sums over sectors at the output times that were reached, the last state, and how it ended.

    Attributes
    ----------
    alpha : (n,)
        The output times reached, and where a run ended early the time of its last step.
    rows : (n, orders, p)
        sum_k w_k lambda_k^order of the moving overlaps (kernels/layout.py), for every wanted order.
    state : (p, L) or None
        At the time reached; None where nodes stood for the sectors.
    sectors : (n, p, L) or None
        States at the output times, where they were asked for.
    order_one : int
        Which of the orders is 1.
    errors : (m,) or None
        eps_g of the last m output times, where the method followed it below the rounding of the overlaps.
    """

    alpha: Array
    rows: Array
    state: Array | None
    sectors: Array | None
    order_one: int
    errors: Array | None = None
    status: str = "complete"
    message: str = ""
    stats: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What is wanted of an integration: output times, sums over sectors, tolerances.

    Attributes
    ----------
    alpha : (n,)
    weights : (orders, L)
        w_k lambda_k^order of the sums to record; the one numbered order_one has order 1.
    """

    alpha: Array
    weights: Array
    order_one: int
    keep_sectors: bool
    rtol: float
    atol: float


INTERRUPTED = "interrupted by the user; the trajectory holds all output times reached before"


def divergence(problem: Problem, alpha: float) -> str:
    """Cause and remedy of a divergence after alpha."""
    said = f"the overlaps diverged after alpha = {alpha:.6g}"
    if problem.gradient_flow:
        return f"{said}, which gradient flow cannot: lower rtol"
    try:
        critical = critical_learning_rate(problem)
    except InvalidProblem:
        critical = float("inf")
    if problem.learning_rate > critical:
        return (
            f"{said}: learning_rate = {problem.learning_rate:g} is beyond critical ({critical:.6g}); choose a "
            "smaller one"
        )
    return f"{said}: learning_rate = {problem.learning_rate:g} is too large; choose a smaller one"
