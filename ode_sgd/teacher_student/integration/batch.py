"""Runs of one shape as the arrays of one batch, for the kernels that advance many, and back."""

from collections.abc import Sequence

import numpy as np

from ode_sgd.core.alignment import aligned_zeros
from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration.rosenbrock import UnfinishedRun
from ode_sgd.teacher_student.kernels.integration import rosenbrock as kernels
from ode_sgd.teacher_student.kernels.integration import step_control
from ode_sgd.teacher_student.kernels.integration.batch import Batch, Constants
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES, to_blocks


def batch_of(runs: Sequence[UnfinishedRun], lanes: int = LANES) -> Batch:
    """The arrays of all runs behind one another; sectors in blocks of LANES as in the runs, or of one."""
    single = lanes != LANES
    return Batch(
        y=_by_sector([run.start for run in runs]) if single else _stacked([run.y for run in runs]),
        constants=_of_single_sectors(runs) if single else _of_blocks(runs),
        numbers=np.stack([run.control.numbers for run in runs]),
        counts=np.stack([run.control.counts for run in runs]),
        weights=_by_sector([run.request.weights[:, None] for run in runs])
        if single
        else np.stack([run.outputs.weights for run in runs]),
        order_one=runs[0].request.order_one,
        rows=np.stack([run.outputs.rows for run in runs]),
        sectors=np.stack([run.outputs.sectors for run in runs]),
        codes=np.full(len(runs), step_control.RUNNING),
    )


def _stacked(values: Sequence[Array]) -> Array:
    """Blocks of all runs: those of every one begin with a cache line."""
    return np.stack(values, out=aligned_zeros(len(values), *values[0].shape))


def _by_sector(values: Sequence[Array]) -> Array:
    """(.., rows, L) each -> (B, .., L, rows): blocks of one sector."""
    return np.ascontiguousarray(np.stack(values).swapaxes(-1, -2))


def _of_single_sectors(runs: Sequence[UnfinishedRun]) -> Constants:
    systems, upper = [run.system for run in runs], layout.upper(runs[0].system.teacher_units)
    return Constants(
        factors=_by_sector([system.factors for system in systems]),
        variance=np.stack([system.variance for system in systems])[..., None],
        t=_by_sector([system.t[upper] for system in systems]),
        T=np.stack([system.T for system in systems]),
        a=np.stack([system.signed_weights for system in systems]),
        noise_variance=np.array([system.noise_variance for system in systems]),
        schedules=np.stack([system.schedules for system in systems]),
        second=np.zeros((len(systems), 2)),
    )


def _of_blocks(runs: Sequence[UnfinishedRun]) -> Constants:
    factors, variance, t, T, a, noise_variance, schedules, second = zip(*(run.constants for run in runs), strict=True)
    return Constants(
        factors=_stacked(factors),
        variance=_stacked(variance),
        t=np.stack(t),
        T=np.stack(T),
        a=np.stack(a),
        noise_variance=np.array(noise_variance),
        schedules=np.stack(schedules),
        second=np.stack(second),
    )


def take_back(runs: Sequence[UnfinishedRun], batch: Batch) -> None:
    """Hand every run what the kernels have made of it in the batch; one that still ran has been interrupted."""
    whole = batch.y.shape[1:] == runs[0].y.shape
    for number, run in enumerate(runs):
        run.code = int(batch.codes[number])
        run.interrupted = run.code == step_control.RUNNING
        run.y = batch.y[number] if whole else to_blocks(batch.y[number].T)
        run.control = kernels.Control(batch.numbers[number], batch.counts[number])
        run.outputs = run.outputs._replace(rows=batch.rows[number], sectors=batch.sectors[number])
        if run.system.rule.trains_second_layer:
            run.constants.a[:] = batch.constants.a[number]
