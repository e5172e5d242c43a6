"""The arrays in which the Rosenbrock kernels work: constants, sectors, small matrices."""

import numpy as np

from ode_sgd.core.alignment import aligned_zeros
from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.kernels.coefficients.matrix_form import has_matrix_form
from ode_sgd.teacher_student.kernels.integration import rosenbrock as kernels
from ode_sgd.teacher_student.kernels.integration.batch import Constants
from ode_sgd.teacher_student.kernels.integration.step_algebra import Small
from ode_sgd.teacher_student.kernels.sectors import blocks, layout
from ode_sgd.teacher_student.kernels.sectors.sector_passes import Sectors
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive


def constants_of(system: SectorSystem) -> Constants:
    """What does not change along a run, as the kernels take it."""
    return Constants(
        factors=blocks.to_blocks(system.factors),
        variance=blocks.to_blocks(system.variance[None]),
        t=blocks.to_blocks(system.t[layout.upper(system.teacher_units)]),
        T=system.T.copy(),
        a=_with_memory(system),
        noise_variance=system.noise_variance,
        schedules=system.schedules,
        second=np.array(rates_beside(system)),
    )


def _with_memory(system: SectorSystem) -> Array:
    """The signed weights a; before them what is remembered, as adaptive_algebra.py has it."""
    n, a = system.memory, system.signed_weights
    return np.concatenate([n, n, np.zeros(system.student_units), a]) if n.size else a


def rates_beside(system: SectorSystem) -> list[float]:
    """What the drift of v, or of what is remembered, depends on."""
    rule = system.rule
    if isinstance(rule.optimizer, Adaptive):
        return [rule.optimizer.pace, system.learned_variance, 0.0]
    return [rule.second_layer_rate, rule.second_layer_decay, 0.0]


def work_space(system: SectorSystem, constants: Constants | None = None) -> tuple[Sectors, Small]:
    """Arrays of one integration, O(L)."""
    constants = constants or constants_of(system)
    return sectors_of(system, constants), small_of(system, constants)


def sectors_of(system: SectorSystem, constants: Constants) -> Sectors:
    """Those of the sectors."""
    (K, M), lanes, count = system.units, blocks.LANES, len(constants.t)
    p, pairs, index = layout.row_count(K, M), K * (K + 1) // 2, layout.overlap_index(K, M)
    z = aligned_zeros(count, p * lanes + constants.t.shape[1])
    z[:, p * lanes :] = constants.t
    return Sectors(
        offset=(index * lanes).astype(np.uint64),
        factors=constants.factors,
        variance=constants.variance,
        z=z,
        trial=aligned_zeros(count, p * lanes),
        # An odd number of blocks: at distances of many powers of two, stages would share the same lines of the cache.
        stages=aligned_zeros(kernels.STAGES, count | 1, p * lanes),
        inverse=aligned_zeros(count, (K + pairs if system.g.symmetric else K * K + pairs * pairs) * lanes),
    )


def small_of(system: SectorSystem, constants: Constants) -> Small:
    """Small matrices, and the coupling matrix."""
    (K, M), moving, V = system.units, system.beside.size, np.zeros((system.student_units,) * 2)
    d, p, pairs = K + M, layout.row_count(K, M), K * (K + 1) // 2
    columns, whole = max(layout.row_count(d, 0), p + moving), p + moving
    index = layout.overlap_index(K, M)
    # Derivatives, entry by entry, and the coupling matrix.
    held = 0 if has_matrix_form(system.g, K, M) and not moving else 1
    return Small(
        T=constants.T,
        a=constants.a,
        overlap=index,
        C=np.zeros((d, d)),
        V=V,
        moving=np.zeros((K, K)),
        L=np.zeros(K if system.g.symmetric else K * K),
        A=np.zeros((K, d)),
        G=np.zeros((K, K)),
        JA=np.zeros((held * K * d, columns)),
        JG=np.zeros((held * pairs, columns)),
        scratch=np.zeros((held * K * d, p)),
        moments=np.zeros(K * d * M + K * K * d + K * K if system.g.symmetric else p * (K * d + pairs)),
        coupling=np.zeros((held * whole, whole)),
        pivots=np.zeros(whole, dtype=np.int64),
        rows=np.zeros(whole),
        dC=np.zeros((kernels.STAGES, whole)),
        second=constants.second,
        into=np.zeros((K, K)) if system.memory.size else V,
    )
