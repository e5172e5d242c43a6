"""What the kernels of two copies of the weights work in, and what changes with alpha there."""

from typing import NamedTuple

import numpy as np

from ode_sgd.core.alignment import aligned_zeros
from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.kernels.integration.batch import Constants
from ode_sgd.teacher_student.kernels.integration.rodas5p import STAGES
from ode_sgd.teacher_student.kernels.sectors import blocks, copies_layout
from ode_sgd.teacher_student.kernels.sectors.copies_blocks import DECAYS, MIX, set_products
from ode_sgd.teacher_student.kernels.sectors.copies_passes import CopySectors
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, DECAY_UNIT, FACTORS
from ode_sgd.teacher_student.model.timetable import COLUMN_OF, columns_of, table_of


class Timed(NamedTuple):
    """What of a problem and its optimiser is scheduled, as kernels/integration/copies_steps.py takes it."""

    schedules: Array  # (pieces * columns,), of no length where all are numbers
    columns: int
    linear: Array  # (4, 1 + n): push, drag and eta in one and the n quantities of the optimiser


def timed_copies(system: SectorSystem) -> Timed:
    """The schedules of a problem, then those of its optimiser, in one table."""
    assert system.copies is not None
    timetable, own = system.rule.timetable, system.copies.schedules
    columns, linear = columns_of(len(COLUMN_OF) + len(own)), system.copies.linear
    if not timetable and not own:
        return Timed(np.zeros(0), columns, linear)
    quantities = [timetable.quantities[name] for name in COLUMN_OF] if timetable else _units(system)
    return Timed(table_of([*quantities, *own]), columns, linear)


def _units(system: SectorSystem) -> list[float]:
    """In place of the schedules of a problem without any: its factors hold learning rate and decay already."""
    return [1.0, 1.0, float(np.sqrt(system.noise_variance)), 0.0]


def copies_space(system: SectorSystem, constants: Constants) -> CopySectors:
    """Arrays of one integration, O(L)."""
    (K, M), lanes, count = system.units, blocks.LANES, len(constants.t)
    index, size = copies_layout.overlap_index(K, M), copies_layout.row_count(K, M) * lanes
    z = aligned_zeros(count, size + constants.t.shape[1])
    z[:, size:] = constants.t
    timed, start = timed_copies(system), np.zeros(MIX)
    start[: len(timed.linear)], start[DECAYS] = timed.linear[:, 0], 1.0
    set_products(start)
    return CopySectors(
        offset=(index * lanes).astype(np.uint64),
        column=(copies_layout.columns(index, K) * lanes).astype(np.uint64),
        factors=blocks.to_blocks(_factors(system)),
        variance=constants.variance,
        z=z,
        trial=aligned_zeros(count, size),
        stages=aligned_zeros(STAGES, count | 1, size),  # an odd number, as in work_space.py
        inverse=aligned_zeros(count, (K + K * (K + 1) // 2) * lanes),
        force=aligned_zeros(count if timed.schedules.size else 0, size),
        start=start,
        now=np.zeros(MIX),
        step=np.zeros(2),
        L=np.zeros(K),
    )


def _factors(system: SectorSystem) -> Array:
    """Rates, noises, and the decay whose pace is 1, (3, L)."""
    found = np.zeros((FACTORS, system.sectors))
    found[:DECAY] = system.factors[:DECAY]
    if len(system.factors) > DECAY:
        found[DECAY] = system.factors[DECAY_UNIT if system.rule.timetable else DECAY]
    return found
