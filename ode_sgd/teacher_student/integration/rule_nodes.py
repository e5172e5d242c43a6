"""What the nodes of a rule's averages leave, and updates that give no number: asked for before a run, said with it."""

from typing import Any

import numpy as np

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model.observables import Parts
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.rule_averages import RuleAverages, jump_not_said, trial_covariance
from ode_sgd.teacher_student.model.rule_faults import fault_at_inputs, fault_at_nodes

TIMES = 5  # of a run at which the spread is taken: it changes slowly
GROWN = 100.0  # times the variances of fields at the start, up to which a run has not diverged
FINEST = 1e-4  # rtol of rules that jump: averages over nodes jump as well, by 1/nodes


def require_finite(problem: Problem, start: Any) -> None:
    """Raise InvalidProblem for a rule whose update gives NaN or infinity for fields as those of a start of overlaps."""
    if problem.rule is None or not isinstance(start, OrderParameters):
        return
    C = np.ascontiguousarray(layout.covariance(*start.moments(problem.spectrum, 1)))
    if fault := fault_at_nodes(RuleAverages.of(problem), C):
        raise InvalidProblem(fault)


def why_it_ended(problem: Problem, moment: Parts) -> str:
    """What the update gave in a run that broke off, of overlaps of order one (n, ..), in words; empty without a fault.

    Of the last that were not much larger than at the start: numbers that are too large are a divergence's own.
    """
    if problem.rule is None:
        return ""
    C = layout.covariance(*moment)
    size = np.abs(C).max(axis=(1, 2))
    near = np.flatnonzero(size < GROWN * size[0])
    return fault_at_inputs(RuleAverages.of(problem), C[near[-1]]) if near.size else ""


def require_resolved(problem: Problem, rtol: float) -> None:
    """Raise InvalidProblem for a rule that jumps without saying so, or one that says so and a tolerance below that."""
    if problem.rule is None:
        return
    averages = RuleAverages.of(problem)
    C = trial_covariance(averages.student_units + averages.teacher_units)
    if fault := fault_at_nodes(averages, C) or jump_not_said(averages):
        raise InvalidProblem(fault)
    if averages.own.jumps and rtol < FINEST:
        raise InvalidProblem(
            f"rtol = {rtol:g} with rule = {str(problem.rule)!r}, whose delta jumps: averages over nodes jump as well, "
            f"and steps would be held to that; give rtol >= {FINEST:g}"
        )


def error_of_nodes(problem: Problem, moment: Parts) -> dict[str, float]:
    """Of a rule: relative spread of A, G and loss over independent nodes, the largest at a few times of the run."""
    if problem.rule is None:
        return {}
    C = layout.covariance(*moment)
    at = np.unique(np.linspace(0, len(C) - 1, TIMES).astype(int))
    return {"nodes_error": RuleAverages.of(problem).spread(np.ascontiguousarray(C[at]))}
