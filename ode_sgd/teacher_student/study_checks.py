"""Where the tables of a study contradict each other: what would fail in the middle of a run."""

from typing import Any

import numpy as np

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.integration.integrate import checked_nodes
from ode_sgd.teacher_student.integration.methods import require_accepts
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.simulation.methods import chosen_method
from ode_sgd.teacher_student.study_tables import Integration, RandomStart, Simulation, TypicalStart


def integration_faults(problem: Problem, integration: Integration) -> list[str]:
    """Where spectrum and integration contradict each other."""
    nodes = None if integration.nodes == "whole" else integration.nodes
    try:
        require_accepts(integration.method, problem)
        checked_nodes(problem, nodes, integration.sectors, integration.method, integration.rtol)
        for order in integration.moments:
            problem.spectrum.powers(order)
    except InvalidProblem as error:
        return [f"[integration] {error}"]
    return []


def simulation_faults(
    problem: Problem, start: RandomStart | TypicalStart | None, simulation: Simulation | None
) -> list[str]:
    """Where spectrum, start and simulation contradict each other."""
    faults: list[str] = []
    sizes = None
    if simulation is not None:
        sizes = _sizes("simulation", problem, simulation.dimension, faults)
        if sizes is not None and problem.update_rule.has_steps:
            try:
                chosen_method(problem, sizes, simulation.method)
            except InvalidProblem as error:
                faults.append(f"[simulation] {error}")
        if not problem.update_rule.has_steps:
            faults.append("[problem] gradient_flow = true has no SGD; leave out the table [simulation]")
    drawn = None
    if isinstance(start, RandomStart) and start.dimension is not None:
        if simulation is not None and start.dimension == simulation.dimension:
            return faults
        drawn = _sizes("start", problem, start.dimension, faults)
    if start is not None and simulation is not None and sizes is not None:
        faults += _rank_faults(problem, start, drawn, simulation.dimension, sizes)
    return faults


def _rank_faults(
    problem: Problem, start: RandomStart | TypicalStart, drawn: Any, dimension: int, sizes: Any
) -> list[str]:
    """A sector with fewer inputs than the start's overlaps (drawn with sector dimensions `drawn`) need."""
    units = problem.student_units * (start.student_scale > 0.0) + problem.teacher_units * (start.teacher_scale > 0)
    needed = np.minimum(np.full(np.shape(sizes), units), drawn if drawn is not None else units)
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
