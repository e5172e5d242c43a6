"""Steps of the Rosenbrock method for problems side by side in the lanes of a vector (vector_type.py).

All lanes attempt a step at once, each of its own size; what a lane then does with it (driver in
many_side_by_side.py) is its own affair. The formulas are those of rosenbrock.py.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import any_lane, choose, room, zeros
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.integration import lane_matrices
from ode_sgd.teacher_student.kernels.integration.rosenbrock import (
    GAMMA,
    ROUNDING,
    SPECIALISED_AT,
    STAGE_A,
    STAGE_C,
    STAGES,
    TINY,
)
from ode_sgd.teacher_student.kernels.integration.step_algebra import Small, coefficient_changes, coupling_matrix
from ode_sgd.teacher_student.kernels.integration.step_control import SLACK, sums_error
from ode_sgd.teacher_student.kernels.sectors.eigenbasis import moving_directions, turns
from ode_sgd.teacher_student.kernels.sectors.generated_block import shape_variant
from ode_sgd.teacher_student.kernels.sectors.rule_factors import RATE
from ode_sgd.teacher_student.kernels.sectors.sector_passes import Sectors, sector_passes, sector_sums


class Attempt(NamedTuple):
    """What came of an attempted step, one number a lane."""

    error: Array  # error norm, relative to what it may be
    specialised: Array  # 1 where students deserve differences as variables before this step
    size: Array  # largest of the overlaps before this step


@kernel()
def specialised(C: Array, y: Array, s: Sectors, overlap: Indices, floor: Array) -> Array:
    """`rosenbrock.specialised` in every lane whose floor is not 0."""
    d = C.shape[0]
    K = d // 2
    largest, nearest = 0.0, room(C, (K,))
    for i in range(K):
        best = np.inf
        for n in range(K, d):
            ratio = (C[i, i] - 2.0 * C[i, n] + C[n, n]) / C[n, n]
            closer = ratio < best
            nearest[i] = choose(closer, 1.0 * n, nearest[i])
            best = choose(closer, ratio, best)
        largest = max(largest, best)
    drowned = largest < floor
    everywhere = (floor > 0.0) * (largest <= SPECIALISED_AT)
    if any_lane(everywhere):
        for k in range(y.shape[0]):
            for i in range(K):
                square, teacher = 0.0, 0.0
                for n in range(K, d):
                    own = abs(nearest[i] - 1.0 * n) < 0.5
                    t = s.z[k, overlap[n, n]]
                    square = choose(own, y[k, overlap[i, i]] - 2.0 * y[k, overlap[i, n]] + t, square)
                    teacher = choose(own, t, teacher)
                apart = (s.factors[k, RATE] > 0.0) * (abs(square) > SPECIALISED_AT * abs(teacher))
                everywhere = choose(apart, 0.0, everywhere)
    return choose(drowned, 1.0, everywhere)


@functools.cache
def steps_side_by_side(activation: Averages, K: int, M: int, rows: int) -> Callable[..., Attempt]:
    """Kernel (y, s, w, swaps, noise_variance, h, floor, atol, rtol) that attempts one step in every lane.

    It reads y (L, p) and leaves the new state, in the eigenbasis w.V, in s.trial.
    """
    turn_all, coupling_moments, stage_pass, finish_pass, _ = sector_passes(K, M, rows, 1)
    shape = K, K + M
    coefficients, eps_g, error_terms, _, _ = coefficient_kernels(activation, shape)
    linearise = linearised_coefficients(activation, shape)
    turn_covariance, turn_coefficients, turn_derivatives = turns(shape)
    find_moving = moving_directions(activation)
    symmetric_eigen, factorise = lane_matrices.symmetric_eigen, lane_matrices.factorise
    substitute = lane_matrices.substitute
    variant, d = f"{shape_variant(K, M)}-{rows}", K + M

    @kernel(f"{activation.variant}-{variant}")
    def prepare(y: Array, s: Sectors, w: Small, noise_variance: Array, floor: Array, E: Array, half: Array) -> Array:
        """Coefficients and derivatives, everything in the eigenbasis of D; returns `specialised`."""
        index, V, C, A, G = w.overlap, w.V, w.C, w.A, w.G
        sector_sums(y, s.variance, w.rows)
        for i in range(K):
            for j in range(K):
                V[i, j] = 1.0 if i == j else 0.0
        turn_covariance(w.rows, V, index, w.T, C)
        flags = specialised(C, y, s, index, floor)
        linearise(C, w.a, noise_variance, index, A, G, w.JA, w.JG)
        symmetric_eigen(A, w.L, V)
        find_moving(w.L, V, w.moving)
        turn_all(y, V, s.offset, s.z)
        sector_sums(s.z, s.variance, w.rows)
        turn_derivatives(w.JA, w.JG, w.moving, index, w.scratch)
        turn_coefficients(A, G, w.moving, half)
        for i in range(K):
            for m in range(M):
                E[i, m] = A[i, K + m]
        return flags

    @kernel(f"{activation.variant}-{variant}")
    def finish(
        s: Sectors,
        w: Small,
        E: Array,
        dA: Array,
        dG: Array,
        rows: Array,
        embedded: Array,
        h: Array,
        atol: float,
        rtol: float,
    ) -> tuple[Any, Any]:
        """Error norm of the attempt whose new state has the sums `rows`, and the largest overlap before it."""
        index, a, C, base = w.overlap, w.a, w.C, w.rows
        turn_covariance(rows, w.V, index, w.T, C)
        final = eps_g(C, a)
        nothing: Any = 0.0 * h  # vectors from the start: Numba would also compile for what they are before
        trace, mean_size, size = nothing, nothing, nothing
        for k in range(s.variance.shape[0]):
            trace += s.variance[k, 0]
        for i in range(K):
            mean_size += base[index[i, i]]
        for b in range(base.size):
            size = max(size, abs(base[b])) + 0.0 * base[b]  # max loses a NaN, a sum keeps it
        error: Any = finish_pass(s, E, dA, dG, mean_size / trace, atol, rtol)
        rounding = ROUNDING * error_terms(C, a)
        off = abs(final - embedded) / (rtol * abs(final) + rounding + TINY)
        summed = sums_error(index, base, rows, w.dC[STAGES - 1], w.T, nothing, atol * trace, rtol)
        poison = 0.0 * (error + off + summed)
        return max(max(error, off) / SLACK, summed) + poison, size

    @kernel(f"{activation.variant}-{variant}")
    def attempt(
        y: Array,
        s: Sectors,
        w: Small,
        swaps: Array,
        noise_variance: Array,
        h: Array,
        floor: Array,
        atol: float,
        rtol: float,
    ) -> Attempt:
        """Try a step in every lane. Equations: (5.2a) and (5.3)."""
        index, T, a, C, V, A, G, dC, base = w.overlap, w.T, w.a, w.C, w.V, w.A, w.G, w.dC, w.rows
        p = base.size
        E, half, dA, dG = room(A, (K, M)), room(A, (K, d)), room(A, (K, d)), room(A, (K, K))
        rows, sums, c = room(A, (p,)), room(A, (p,)), zeros(A, (STAGES,))
        flags = prepare(y, s, w, noise_variance, floor, E, half)
        coupling_moments(s, 1.0 / (GAMMA * h), w.L, E, w.moments)
        coupling_matrix(index, w.JA, w.JG, w.moments, M, w.coupling)
        regular = factorise(w.coupling, swaps)
        for stage in range(STAGES):
            for b in range(p):
                total = base[b]
                for j in range(stage):
                    total += STAGE_A[stage, j] * dC[j, b]
                rows[b] = total
            turn_covariance(rows, V, index, T, C)
            embedded: Any = eps_g(C, a) if stage == STAGES - 1 else 0.0 * h
            if stage > 0:  # `prepare` left those of the first stage
                coefficients(C, a, noise_variance, A, G)
                turn_coefficients(A, G, w.moving, half)
            for j in range(stage):
                c[j] = STAGE_C[stage, j] / h
            stage_pass(s, stage, STAGE_A[stage], c, E, dA, dG, A, G, sums)
            substitute(w.coupling, swaps, sums)
            for b in range(p):
                dC[stage, b] = sums[b]
            coefficient_changes(w.JA, w.JG, dC[stage], dA, dG)
        for b in range(p):
            rows[b] += dC[STAGES - 1, b]
        error, size = finish(s, w, E, dA, dG, rows, embedded, h, atol, rtol)
        return Attempt(choose(regular, error, np.inf), flags, size)

    return attempt
