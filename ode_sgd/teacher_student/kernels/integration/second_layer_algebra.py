"""What a step does on small matrices where the second layer is trained: the p x p system, bordered by v.

C and v are the one vector (p + K,) of `Small.rows` and `Small.dC`, and dA and dG depend on both. With P the response of
the sectors to dA and dG, and g = 1 / (gamma h),

    dC - P (dA, dG)(dC, dv) = sums without coupling,    dv - (h_C dC + h_v dv) / g = (h + sum_j (c_j / h) dv_j) / g

in which v keeps its basis while C and the coefficients are turned into that of D. All K directions of students move,
also where g' is constant: the direction along v turns with it.
"""

import functools
from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import ANY, coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.coefficients.second_layer import second_layer_kernels
from ode_sgd.teacher_student.kernels.integration import rodas5p
from ode_sgd.teacher_student.kernels.integration.step_algebra import (
    Algebra,
    Small,
    coefficient_changes,
    coupling_matrix,
)
from ode_sgd.teacher_student.kernels.integration.step_control import QUIET, STILL, SUMS
from ode_sgd.teacher_student.kernels.sectors.eigenbasis import turn_derivatives, turns
from ode_sgd.teacher_student.kernels.sectors.generated_block import shape_variant
from ode_sgd.teacher_student.kernels.sectors.small_matrices import factorise, substitute, symmetric_eigen

STAGE_C, GAMMA = rodas5p.C, rodas5p.GAMMA
LEAST = 1e-6  # of the teacher's second layer, below which none of the student's keeps its relative precision


class Border(NamedTuple):
    """Derivatives with respect to v and of its drift, in the eigenbasis of D once turned."""

    AV: Array  # (K, K, d): dA/dv_m, m first
    GV: Array  # (K, K, K): dG/dv_m
    HC: Array  # (K, K, d): of h_i with respect to C, i first
    HV: Array  # (K, K): dh_i/dv_m
    spare: Array  # (K, K)
    h: Array  # (K,): the drift of v
    unit: Array  # (K,): that at the start of the step, for eta_v = 1
    g: Array  # (1,): 1 / (gamma h) of the step


def border(K: int, M: int) -> Border:
    """Work space."""
    d = K + M
    return Border(
        AV=np.zeros((K, K, d)),
        GV=np.zeros((K, K, K)),
        HC=np.zeros((K, K, d)),
        HV=np.zeros((K, K)),
        spare=np.zeros((K, K)),
        h=np.zeros(K),
        unit=np.zeros(K),
        g=np.zeros(1),
    )


@kernel()
def decompose_bordered(k: Border, w: Small, g: float) -> bool:
    """The coupling matrix, with the rows of v below those of C. Equation: (5.1a)."""
    K, d = w.A.shape
    p, index, whole = w.rows.size - K, w.overlap, w.coupling
    k.g[0] = g
    coupling_matrix(index, w.JA, w.JG, w.moments, d - K, whole)
    for i in range(K):
        row = whole[p + i]
        for a in range(K):
            for c in range(a, d):
                row[index[a, c]] = -k.HC[i, a, c] * (2.0 if a < c < K else 1.0) / g
            row[p + a] = (1.0 if a == i else 0.0) - k.HV[i, a] / g
    return factorise(whole, w.pivots)


@kernel()
def second_layer_error(w: Small, after: Array, atol: float, rtol: float) -> float:
    """Error of v in a step, relative to what it may be, by the rule of `sums_error`; `after` (p + K,) is C, v after it.

    Equation: (5.3b).
    """
    K, last = w.L.size, w.dC.shape[0] - 1
    p, off, change, before, size, teacher = w.rows.size - K, 0.0, 0.0, 0.0, 0.0, 0.0
    for b in range(p, p + K):
        off += w.dC[last, b] ** 2
        change += (after[b] - w.rows[b]) ** 2
        before += w.rows[b] ** 2
        size += after[b] ** 2
    for n in range(K, w.a.size):
        teacher += w.a[n] ** 2
    largest = np.sqrt(max(before, size, LEAST**2 * teacher))
    allowed = min(SUMS * rtol * largest, QUIET * rtol * np.sqrt(change) + STILL * largest)
    return np.sqrt(off) / (allowed + atol)


@functools.cache
def bordered_algebra(activation: Averages, K: int, M: int) -> Algebra:
    """That of a shape, one for all larger ones; the coupling matrix is decomposed, also of large networks."""
    variant = f"{activation.variant}-{shape_variant(K, M)}"
    turn_covariance, turn_coefficients, _ = turns(ANY if shape_variant(K, M) == "any" else (K, K + M))
    coefficients, by_C = coefficient_kernels(activation).coefficients, linearised_coefficients(activation)
    drift, by_second_layer, drift_derivatives, _ = second_layer_kernels(activation)

    @kernel(variant)
    def linearise(k: Border, w: Small, noise_variance: float, half: Array) -> None:
        K, d, p = half.shape[0], half.shape[1], w.scratch.shape[1]
        rate, decay = w.second[0], w.second[1]
        by_C(w.C, w.a, noise_variance, w.overlap, w.A, w.G, w.JA, w.JG)
        by_second_layer(w.C, w.a, noise_variance, k.AV, k.GV)
        drift(w.C, w.a, 1.0, decay, k.unit)
        drift_derivatives(w.C, w.a, rate, decay, k.HC, k.HV)
        symmetric_eigen(w.A, w.L, w.V)
        for i in range(K):
            for j in range(K):
                w.moving[i, j] = w.V[i, j]
        turn_derivatives(w.JA, w.JG, w.V, w.overlap, w.scratch)
        first = w.overlap[0, 0]
        for m in range(K):
            turn_coefficients(k.HC[m], k.spare, w.V, half)
            turn_coefficients(k.AV[m], k.GV[m], w.V, half)
            for i in range(K):
                for c in range(d):
                    w.JA[i * d + c, p + m] = k.AV[m, i, c]
                for j in range(i, K):
                    w.JG[w.overlap[i, j] - first, p + m] = k.GV[m, i, j]
        turn_coefficients(w.A, w.G, w.V, half)

    @kernel(variant)
    def solve(k: Border, w: Small, stage: int, noise_variance: float, sums: Array, dA: Array, dG: Array) -> None:
        """dC and dv of a stage, and what they change, from the sums without coupling. Equation: (5.1a)."""
        p, dC, g = sums.size, w.dC[stage], k.g[0]
        drift(w.C, w.a, w.second[0], w.second[1], k.h)
        for b in range(p):
            dC[b] = sums[b]
        for i in range(k.h.size):
            total = k.h[i] + w.second[2] * k.unit[i]  # the second only where eta_v is scheduled
            for j in range(stage):
                total += STAGE_C[stage, j] * GAMMA * g * w.dC[j, p + i]
            dC[p + i] = total / g
        substitute(w.coupling, w.pivots, dC)
        coefficient_changes(w.JA, w.JG, dC, dA, dG)

    its = turn_covariance, coefficients, turn_coefficients, linearise, decompose_bordered, solve
    return Algebra(border, *its, second_layer_error)
