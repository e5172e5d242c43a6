"""Inputs for which the update of a rule of one's own gives no number: found among many, and told by their fields."""

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.kernels.rules.node_averages import node_kernels
from ode_sgd.teacher_student.model.rule_averages import RuleAverages

MANY = 2**16  # inputs among which the one is searched that made a run end
WIDER = (1.0, 1.5)  # by which their fields are scaled: a run sees more inputs than are searched, and more distant ones


def fault_at_nodes(averages: RuleAverages, C: Array) -> str:
    """What the update gives that is no finite number at a node, with fields of covariance C; empty where all are."""
    A, G, loss = averages.averages(C)
    if np.isfinite(A).all() and np.isfinite(G).all() and np.isfinite(loss):
        return ""
    half = averages.nodes()
    return _first_fault(averages, C, np.concatenate([half, -half]))


def fault_at_inputs(averages: RuleAverages, C: Array) -> str:
    """The same of many random inputs, and of some that are more distant."""
    dimension = averages.student_units + averages.teacher_units + averages.own.draws
    drawn = np.random.default_rng(0).standard_normal((MANY, dimension))
    found = (_first_fault(averages, scale**2 * C, drawn) for scale in WIDER)
    return next(filter(None, found), "")


def _first_fault(averages: RuleAverages, C: Array, normals: Array) -> str:
    """Of inputs (n, d + draws) in the order given."""
    K, d, draws = averages.student_units, len(C), averages.own.draws
    values, vectors = np.linalg.eigh(C)
    z = normals[:, :d] @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    draw = np.ascontiguousarray(normals[:, d:]) if draws else np.zeros((len(z), 1))
    x, y, one = np.ascontiguousarray(z[:, :K]), np.ascontiguousarray(z[:, K:]), node_kernels(averages.of_fields).one
    for n in range(len(z)):
        delta = np.zeros(K)
        loss = one(x[n], y[n], draw[n], delta)
        if np.isfinite(loss) and np.isfinite(delta).all():
            continue
        given = f"x = {_told(x[n])}, y = {_told(y[n])}" + f", draw = {_told(draw[n])}" * bool(draws)
        gives = f"returns a loss of {loss}" if np.isfinite(delta).all() else f"leaves delta = {_told(delta)}"
        return f"rule = {str(averages.rule)!r}: its update {gives} for {given}; give a finite number for all fields"
    return ""


def _told(values: Array) -> str:
    return f"[{', '.join(f'{value:.4g}' for value in values)}]"
