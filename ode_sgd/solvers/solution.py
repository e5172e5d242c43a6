"""What every integration method hands back, whichever it is."""

from dataclasses import dataclass, field

from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidProblem
from ode_sgd.model.problem import Problem
from ode_sgd.theory import critical_learning_rate


@dataclass
class Solution:
    """Sums over sectors at the output times that were reached, the last state, and how it ended.

    Attributes
    ----------
    rows : (n, orders, p)
        sum_k w_k lambda_k^order of the moving overlaps (kernels/layout.py), for every wanted order.
    state : (p, L)
        At the time reached.
    sectors : (n, p, L) or None
        States at the output times, where they were asked for.
    """

    rows: Array
    state: Array
    sectors: Array | None
    status: str = "complete"
    message: str = ""
    stats: dict[str, float] = field(default_factory=dict)


INTERRUPTED = "interrupted by the user; the trajectory holds all output times reached before"


def divergence(problem: Problem, alpha: float) -> str:
    """Cause and remedy of a divergence after alpha."""
    try:
        critical = critical_learning_rate(problem)
    except InvalidProblem:
        return (
            f"the overlaps diverged after alpha = {alpha:.6g}: learning_rate = {problem.learning_rate:g} is too large"
        )
    return (
        f"the overlaps diverged after alpha = {alpha:.6g}: learning_rate = {problem.learning_rate:g} is beyond the "
        f"critical {critical:.6g}; choose a smaller one"
    )
