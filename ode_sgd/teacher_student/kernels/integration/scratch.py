"""Small arrays in which the steps of one call work."""

from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.kernels.integration.rodas5p import STAGES, A
from ode_sgd.teacher_student.kernels.paces import PACES
from ode_sgd.teacher_student.kernels.sectors.layout import row_count


class Scratch(NamedTuple):
    """Small arrays of the steps of one call; those from `paces` on for what is scheduled (paced_steps.py)."""

    E: Array  # (K, M)
    dA: Array  # (K, d), of the last stage
    dG: Array  # (K, K)
    half: Array  # (K, d), scratch
    sums: Array  # (p,), of a stage over sectors
    rows: Array  # as `Small.rows`, in a stage
    back: Array  # (K, K), V^T
    weights: Array  # (8,), of the stages in dense output
    held: Array  # (1,), 1 where eps_g has come down to what rounding leaves of it
    table: Array  # the method's coefficients A, not read-only: a type of arguments the less
    paces: Array  # (5,), at the start of the step
    now: Array  # (5,), in a stage
    slopes: Array  # (5,), derivatives of the paces by alpha
    A_slope: Array  # (K, d), derivative of A by alpha, with the overlaps as they are
    G_slope: Array  # (K, K), that of G
    forced: Array  # (p,), what both do to C


def scratch_for(K: int, M: int, moving: int = 0) -> Scratch:
    """That of one shape, with so many entries of v that move."""
    p = row_count(K, M)
    return Scratch(
        E=np.empty((K, M)),
        dA=np.zeros((K, K + M)),
        dG=np.zeros((K, K)),
        half=np.empty((K, K + M)),
        sums=np.empty(p),
        rows=np.empty(p + moving),
        back=np.empty((K, K)),
        weights=np.empty(STAGES),
        held=np.zeros(1),
        table=A.copy(),
        paces=np.zeros(PACES),
        now=np.zeros(PACES),
        slopes=np.zeros(PACES),
        A_slope=np.zeros((K, K + M)),
        G_slope=np.zeros((K, K)),
        forced=np.zeros(p),
    )
