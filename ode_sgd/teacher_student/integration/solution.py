"""What every integration method hands back, whichever it is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import hypot
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.schedule import largest
from ode_sgd.teacher_student.model.problem import Networks, Problem
from ode_sgd.teacher_student.theory.linear_network import critical_learning_rate


@dataclass
class Solution:
    """Sums over sectors at the output times that were reached, the last state, and how it ended.

    Attributes
    ----------
    alpha : (n,)
        The output times reached, and where a run ended early the time of its last step.
    rows : (n, orders, p)
        sum_k w_k lambda_k^order of the moving overlaps (kernels/sectors/layout.py), for every order wanted.
    state : (p, L) or None
        At the time reached; None where nodes stood for the sectors.
    sectors : (n, p, L) or None
        States at the output times, where they were asked for.
    order_one : int
        Which of the orders is 1.
    ended : float
        alpha of the last step.
    cancelled : float
        By which the terms of the rows, sums over sectors or nodes, exceed the sums themselves: their rounding does too.
    second_layer : (n, K) or None
        v at the output times, where it is trained.
    remembered : (n, E) or None
        What an adaptive optimiser remembers at the output times.
    errors : (m,) or None
        eps_g of the last m output times, where the method followed it below the rounding of the overlaps.
    blurred : float
        By which the error that the method leaves in the overlaps exceeds their rounding.
    """

    alpha: Array
    rows: Array
    state: Array | None
    sectors: Array | None
    order_one: int
    ended: float
    second_layer: Array | None = None
    remembered: Array | None = None
    errors: Array | None = None
    cancelled: float = 1.0
    status: str = "complete"
    message: str = ""
    blurred: float = 1.0
    stats: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is wanted of an integration: output times, sums over sectors, tolerances, nodes.

    Attributes
    ----------
    alpha : (n,)
    orders : tuple of int
        Of the sums to record; 1 is among them.
    weights : (orders, L)
        w_k lambda_k^order.
    keep_sectors : bool
        Whether the states at the output times are wanted too.
    rtol, atol : float
    nodes : int, "auto" or None
        As in `integrate`; "auto" only where it is worth trying.
    stop, stop_slopes : callable or None, bool
        A condition of stop.py, and whether it asks for slopes.
    """

    alpha: Array
    orders: tuple[int, ...]
    weights: Array
    keep_sectors: bool
    rtol: float
    atol: float
    nodes: int | str | None = None
    stop: Callable[[Any], float] | None = None
    stop_slopes: bool = False

    @property
    def order_one(self) -> int:
        """Which of the orders is 1."""
        return self.orders.index(1)


OVERFLOW = 1e8  # overlaps beyond what a problem asks for by this factor are not coming back
# Part of the limit of divergence from which a step size that collapses does so at a divergence in finite time.
COLLAPSED = 1e-5
LARGEST = 1e100  # field: its square, and what is 1e8 times that, are numbers
INTERRUPTED = "interrupted by the user; the trajectory holds all output times reached before"


def field_scale(networks: Networks, C: Array) -> float:
    """Size of the fields' covariance that a problem asks for; C (d, d) is that of its start.

    It is the larger of C itself and of the fields that a student needs for labels as large as the teacher's and the
    noise, E[label^2] / max v_i^2. Neither depends on the units of inputs, weights and learning rate.
    """
    teacher = np.sqrt(np.maximum(np.diagonal(C)[networks.student_units :], 0.0))
    label = min(hypot(float(np.abs(networks.u) @ teacher), largest(networks.label_noise)), LARGEST)
    own = float(np.abs(networks.v).max())
    needed = label / max(own, label / LARGEST) if own > 0.0 and label > 0.0 else 0.0
    return max(float(np.abs(C).max()), needed**2)


def divergence_limit(scale: float) -> float:
    """Size of the fields' covariance from which a run counts as diverged: far beyond its `field_scale`, and beyond one,
    at which activations bend."""
    return OVERFLOW * max(1.0, scale)


def divergence(problem: Problem, alpha: float) -> str:
    """Cause and remedy of a divergence after alpha."""
    said = f"the overlaps diverged after alpha = {alpha:.6g}"
    if problem.gradient_flow:
        return f"{said}, which gradient flow cannot: lower rtol"
    return f"{said}: {too_large(problem)}"


def too_large(problem: Problem) -> str:
    """What a problem diverges for, and the remedy."""
    try:
        critical = critical_learning_rate(problem)
    except InvalidProblem:
        critical = float("inf")
    if problem.timetable:
        return f"learning_rate = {problem.learning_rate} is too large; choose a smaller one"
    if problem.learning_rate > critical:  # type: ignore[operator]  # a number here
        return f"learning_rate = {problem.learning_rate:g} is beyond critical ({critical:.6g}); choose a smaller one"
    return f"learning_rate = {problem.learning_rate:g} is too large; choose a smaller one"
