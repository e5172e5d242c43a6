"""A group of integrations with problems side by side in the lanes of a vector, for the kernel of the same name."""

import threading
from collections.abc import Sequence

import numba

from ode_sgd.teacher_student.integration.batch import batch_of, take_back
from ode_sgd.teacher_student.integration.rosenbrock import UnfinishedRun
from ode_sgd.teacher_student.kernels.integration.many_side_by_side import advance_side_by_side, lane_space
from ode_sgd.teacher_student.kernels.sectors.generated_block import FIELDS_UP_TO
from ode_sgd.teacher_student.model.problem import Problem

LANES_UP_TO = 200  # eigenvalues; beyond, the stages of all lanes leave the caches


def suits(problem: Problem, keep_sectors: bool) -> bool:
    """Whether problems of this shape run in lanes."""
    return (
        not numba.config.DISABLE_JIT  # there are no vectors without the compiler
        and problem.student_units + problem.teacher_units <= FIELDS_UP_TO
        and problem.spectrum.distinct <= LANES_UP_TO
        and not keep_sectors
        and problem.g.in_lanes
    )


def advance(runs: Sequence[UnfinishedRun], attempts: int, stop: threading.Event) -> None:
    """Advance all runs, of one shape, to their ends or until `stop` is set, `attempts` steps a call."""
    lead, batch = runs[0], batch_of(runs, lanes=1)
    (K, M), L = lead.system.units, lead.system.sectors
    rows = len(lead.system.factors)
    kernel, space = (
        advance_side_by_side(lead.system.g, K, M, rows),
        lane_space(K, M, L, lead.request.weights.shape[0], rows),
    )
    while not stop.is_set() and kernel(batch, space, lead.request.alpha, *lead.tolerances, attempts):
        pass
    take_back(runs, batch)
