"""Where the tables of a study contradict each other: what would fail in the middle of a run."""

from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.teacher_student.integration.continuation import later_times, state_of
from ode_sgd.teacher_student.integration.integrate import checked_nodes
from ode_sgd.teacher_student.integration.kinks import require_smooth
from ode_sgd.teacher_student.integration.methods import require_accepts
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.simulation.methods import chosen_method
from ode_sgd.teacher_student.study_data import data_faults
from ode_sgd.teacher_student.study_starts import AnyStart, RandomStart
from ode_sgd.teacher_student.study_tables import Integration, Simulation


def integration_faults(problem: Problem, integration: Integration) -> list[str]:
    """Where spectrum and integration contradict each other."""
    nodes = None if integration.nodes == "whole" else integration.nodes
    try:
        require_accepts(integration.method, problem)
        checked_nodes(problem, nodes, integration.sectors, integration.method, integration.rtol)
        for order in integration.moments:
            problem.spectrum.powers(order)
        problem.require_reaches(float(integration.times[-1]))
    except InvalidProblem as error:
        return [f"[integration] {error}"]
    return []


def require_to_begin(problem: Problem, start: OrderParameters, alpha: Array, continues: Any) -> None:
    """Raise InvalidStart or InvalidProblem, unless the ODE can begin at the start, or where the run to be continued
    ends."""
    if continues is None:
        require_smooth(problem, start)
    else:
        state_of(problem, None, continues)
        later_times(alpha, continues)


def simulation_faults(
    problem: Problem, start: AnyStart | None, integration: Integration | None, simulation: Simulation | None
) -> list[str]:
    """Where spectrum, start, integration and simulation contradict each other."""
    faults: list[str] = []
    if simulation is not None and integration is not None and integration.stop is not None:
        faults.append(
            "[integration] stop ends the ODE alone, of which [simulation] is beside it; leave out one of the two"
        )
    sizes = None
    if simulation is not None and (found := data_faults(problem, simulation)):
        return found  # also of the dimension, which are the columns
    if simulation is not None:
        sizes = _sizes("simulation", problem, simulation.dimension, faults)
        if sizes is not None and problem.update_rule.has_steps:
            try:
                chosen_method(problem, sizes, simulation.method)
            except InvalidProblem as error:
                faults.append(f"[simulation] {error}")
        if not problem.update_rule.has_steps:
            faults.append("[problem] gradient_flow = true has no SGD; leave out the table [simulation]")
    shared = isinstance(start, RandomStart) and simulation is not None and start.dimension == simulation.dimension
    if start is None or (shared and sizes is None):  # one fault is told once
        return faults
    try:
        needed = start.directions(problem)
    except (InvalidProblem, InvalidStart) as error:
        return [*faults, f"[start] {error}"]
    if simulation is not None and sizes is not None:
        faults += _rank_faults(needed, simulation.dimension, sizes)
    return faults


def _rank_faults(needed: Any, dimension: int, sizes: Any) -> list[str]:
    """A sector with fewer inputs (of `sizes`) than the start's overlaps need."""
    if not (needed > sizes).any():
        return []
    worst = int(np.argmax(needed - sizes))
    return [
        f"[simulation] dimension = {dimension} gives sector {worst + 1} only {sizes[worst]} inputs, "
        f"but the start needs {needed[worst]} independent directions there; give a larger one"
    ]


def _sizes(name: str, problem: Problem, dimension: int, faults: list[str]) -> Any:
    """Sector dimensions, or None with a fault noted where the spectrum does not divide the dimension."""
    try:
        return problem.spectrum.sector_dimensions(dimension)
    except InvalidProblem as error:
        faults.append(f"[{name}] {error}")
        return None
