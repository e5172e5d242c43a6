"""A group of integrations with problems side by side in the lanes of a vector, for the kernel of the same name."""

import threading
from collections.abc import Sequence

import numba
import numpy as np

from ode_sgd.core.kernels.vector_type import WIDTH
from ode_sgd.teacher_student.integration.rosenbrock import Run
from ode_sgd.teacher_student.kernels import averages
from ode_sgd.teacher_student.kernels.integration import rosenbrock as kernels
from ode_sgd.teacher_student.kernels.integration import step_control
from ode_sgd.teacher_student.kernels.integration.many_side_by_side import Queue, batch_lanes, lane_space
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.kernels.sectors.blocks import to_blocks
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
        and getattr(averages.load(problem.activation), "IN_LANES", False)
    )


def advance(runs: Sequence[Run], attempts: int, stop: threading.Event) -> None:
    """Advance all runs, of one shape, to their ends or until `stop` is set, `attempts` steps a call."""
    lead, queue = runs[0], _queue(runs)
    problem, alpha = lead.problem, lead.request.alpha
    K, M, L = problem.student_units, problem.teacher_units, problem.spectrum.distinct
    kernel, space = batch_lanes(problem.activation, K, M), lane_space(K, M, L, queue.weights.shape[1])
    while not stop.is_set() and kernel(queue, space, alpha, *lead.tolerances, attempts):
        pass
    for number, run in enumerate(runs):
        run.code = int(queue.codes[number])
        run.interrupted = run.code == step_control.RUNNING
        run.y = to_blocks(queue.y[number])
        run.control = kernels.Control(queue.numbers[number], queue.counts[number])
        run.outputs = run.outputs._replace(rows=queue.rows[number])


def _queue(runs: Sequence[Run]) -> Queue:
    systems, upper = [run.system for run in runs], layout.upper(runs[0].problem.teacher_units)
    return Queue(
        y=np.stack([run.start for run in runs]),
        t=np.stack([system.t[upper] for system in systems]),
        rate=np.stack([system.rate for system in systems]),
        noise=np.stack([system.noise for system in systems]),
        variance=np.stack([system.variance for system in systems]),
        T=np.stack([system.T for system in systems]),
        a=np.stack([system.a for system in systems]),
        noise_variance=np.array([system.noise_variance for system in systems]),
        weights=np.stack([run.request.weights for run in runs]),
        order_one=runs[0].request.order_one,
        numbers=np.stack([run.control.numbers for run in runs]),
        counts=np.stack([run.control.counts for run in runs]),
        rows=np.stack([run.outputs.rows for run in runs]),
        codes=np.full(len(runs), step_control.RUNNING),
        seats=np.array([-1] * WIDTH + [0]),
    )
