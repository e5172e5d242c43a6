"""What the nodes of a rule's averages leave, said with every run, and asked for before it."""

import numpy as np

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model.observables import Parts
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.rule_averages import RuleAverages, jump_not_said

TIMES = 5  # of a run at which the spread is taken: it changes slowly
FINEST = 1e-4  # rtol of rules that jump: averages over nodes jump as well, by 1/nodes


def require_resolved(problem: Problem, rtol: float) -> None:
    """Raise InvalidProblem for a rule that jumps without saying so, or one that says so and a tolerance below that."""
    if problem.rule is None:
        return
    averages = RuleAverages.of(problem)
    if fault := jump_not_said(averages):
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
