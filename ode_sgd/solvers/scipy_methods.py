"""The sector ODE through SciPy's solvers, one step at a time, landing on every output time.

SciPy's dense output is less accurate than its steps (DOP853 was off by 1.5e-7 between steps at rtol 1e-10), so the
solver is stopped at each output time and started again with the step size it had.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.integrate import DOP853, LSODA, OdeSolver

from ode_sgd.kernels import layout
from ode_sgd.kernels.drift import right_hand_side
from ode_sgd.model.check import Array
from ode_sgd.model.order_parameters import OrderParameters
from ode_sgd.model.problem import Problem
from ode_sgd.solvers.door import initial_state, sector_system

METHODS: dict[str, type[OdeSolver]] = {"DOP853": DOP853, "LSODA": LSODA}
DIVERGED = 1e8  # overlaps beyond this are not coming back


@dataclass
class Solution:
    """States (n, p, L) at the output times that were reached, and how it ended."""

    states: list[Array]
    status: str
    message: str
    stats: dict[str, float]


def flat_right_hand_side(problem: Problem, start: OrderParameters) -> Callable[[float, Array], Array]:
    """f(alpha, y) for SciPy, y the flattened state (p L,)."""
    system = sector_system(problem, start)
    shape = (layout.row_count(problem.student_units, problem.teacher_units), problem.spectrum.distinct)
    evaluate = right_hand_side(problem.activation)

    def function(alpha: float, y: Array) -> Array:
        out = np.empty(shape)
        evaluate(y.reshape(shape), *system, out)
        return out.reshape(-1)

    return function


def solve(
    problem: Problem,
    start: OrderParameters,
    alpha: Array,
    method: str,
    rtol: float,
    atol: float,
    progress: Callable[[float], None],
) -> Solution:
    """Integrate from alpha[0] = 0 to every output time; KeyboardInterrupt keeps what was reached."""
    function = flat_right_hand_side(problem, start)
    state = initial_state(start)
    solution = Solution([state], "complete", "", {"steps": 0, "right_hand_sides": 0})
    options: dict[str, Any] = {"rtol": rtol, "atol": atol}
    size: float | None = None  # the step size, carried from one interval to the next
    y = state.reshape(-1)
    try:
        for begin, end in pairwise(alpha):
            first = None if size is None else min(size, end - begin)
            solver = METHODS[method](function, begin, y, end, first_step=first, **options)
            leg = _advance(solver, end)
            size = max(leg.size, size or 0.0) if leg.steps == 1 else leg.size
            solution.stats["right_hand_sides"] += solver.nfev
            solution.stats["steps"] += leg.steps
            if leg.status:
                solution.status, solution.message = leg.status, leg.message
                break
            y = solver.y
            solution.states.append(y.reshape(state.shape).copy())
            progress(end)
    except KeyboardInterrupt:
        solution.status = "interrupted"
        solution.message = "interrupted by the user; the trajectory holds all output times reached before"
    return solution


@dataclass
class _Leg:
    """How one interval between output times went."""

    steps: int = 0
    size: float = 0.0  # the largest step that was not cut short by the end of the interval, else the last one
    status: str = ""
    message: str = ""


def _advance(solver: OdeSolver, end: float) -> _Leg:
    """Step to the end of the interval."""
    leg = _Leg()
    while solver.status == "running":
        before = solver.t
        fault = solver.step()
        leg.steps += 1
        if solver.status == "failed":
            leg.status = "step_size"
            leg.message = (
                f"the step size collapsed at alpha = {before:.6g} ({fault}); raise rtol or lower learning_rate"
            )
            return leg
        if not np.abs(solver.y).max() < DIVERGED:  # also for NaN
            leg.status = "diverged"
            leg.message = f"overlaps exceed {DIVERGED:g} at alpha = {before:.6g}: learning_rate is beyond critical"
            return leg
        if solver.t < end or leg.steps == 1:
            leg.size = solver.step_size
    return leg
