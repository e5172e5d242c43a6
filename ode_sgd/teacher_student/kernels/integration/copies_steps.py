"""Steps of the Rosenbrock method for two copies (J, W) of the weights: as rosenbrock.py, on passes of their own.

What couples the sectors is C alone, of which J's overlaps are the rows: the p x p algebra is that of SGD.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.callees import callees
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.compile.references import refer, reference_to
from ode_sgd.core.kernels.schedule_value import END, JUMP, piece_at, schedule_slope, schedule_value
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.integration import rodas5p
from ode_sgd.teacher_student.kernels.integration.dense_output import Outputs, dense_weights
from ode_sgd.teacher_student.kernels.integration.paced_steps import scale, set_slopes
from ode_sgd.teacher_student.kernels.integration.rosenbrock import NEARLY, Control, Method, off_by, prepare
from ode_sgd.teacher_student.kernels.integration.scratch import Scratch, scratch_for
from ode_sgd.teacher_student.kernels.integration.step_algebra import SMALL, Small, step_algebra
from ode_sgd.teacher_student.kernels.integration.step_control import (
    ALPHA,
    AT_REST,
    DIVERGED,
    JUMPED,
    LIMIT,
    NEXT,
    RUNNING,
    decide,
    next_step,
)
from ode_sgd.teacher_student.kernels.paces import DECAYS as DECAY_PACE
from ode_sgd.teacher_student.kernels.paces import NOISES, RATES, VARIANCE, set_paces
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.kernels.sectors.copies_blocks import DECAYS, E1, E2, E11, E12, E22, MIX, set_products
from ode_sgd.teacher_student.kernels.sectors.copies_passes import COPY_SECTORS, CopySectors, copies_passes

STAGE_A, STAGE_C, GAMMA = rodas5p.A, rodas5p.C, rodas5p.GAMMA
STAGES, TIMES, FORCES = rodas5p.STAGES, rodas5p.TIMES, rodas5p.FORCES
QUANTITIES = 4  # of the problem, before those of the optimiser in a table of schedules


@kernel()
def set_mix(piece: Array, linear: Array, alpha: float, mix: Array) -> None:
    """Push, drag and eta at a time: linear (4, 1 + n) in one and the n quantities of the optimiser.

    Equation: (18.3).
    """
    for row in range(linear.shape[0]):
        mix[row] = linear[row, 0]
    for n in range(linear.shape[1] - 1):
        value = schedule_value(piece, QUANTITIES + n, alpha)
        for row in range(linear.shape[0]):
            mix[row] += linear[row, 1 + n] * value
    set_products(mix)


@kernel()
def set_mix_slopes(piece: Array, linear: Array, alpha: float, mix: Array, slopes: Array) -> None:
    """Derivatives by alpha of all numbers of a mix but the decay's pace, which enters with eta."""
    for row in range(MIX):
        slopes[row] = 0.0
    for n in range(linear.shape[1] - 1):
        slope = schedule_slope(piece, QUANTITIES + n, alpha)
        for row in range(linear.shape[0]):
            slopes[row] += linear[row, 1 + n] * slope
    slopes[E11], slopes[E22] = 2.0 * mix[E1] * slopes[E1], 2.0 * mix[E2] * slopes[E2]
    slopes[E12] = mix[E1] * slopes[E2] + mix[E2] * slopes[E1]
    slopes[DECAYS] = mix[DECAYS]


@kernel()
def prepare_force(own: Any, s: Any, w: Any, u: Any, piece: Array, linear: Array, alpha: float) -> None:
    """A, G and their slopes with their paces, and the derivative of the drift by alpha in every sector."""
    slopes, still = np.empty(MIX), np.empty(MIX)
    set_slopes(own, w, u, piece, alpha)
    set_mix_slopes(piece, linear, alpha, s.start, slopes)
    for n in range(MIX):
        still[n] = s.start[n] if n >= E1 else 0.0
    still[DECAYS] = u.slopes[DECAY_PACE]
    own.set_force(s, slopes, w.A, w.G, u.A_slope, u.G_slope, still)


@kernel()
def link(s: Any) -> None:
    """Set the numbers of the first stage."""
    for n in range(MIX):
        s.now[n] = s.start[n]


@kernel()
def record(own: Any, s: Any, u: Any, counts: Any, alpha: float, h: float, reached: float, o: Any) -> None:
    """Dense output at all times up to `reached`, the end of the step of size h from alpha."""
    n = counts[NEXT]
    while n < o.alpha.size and o.alpha[n] <= reached:
        dense_weights((o.alpha[n] - alpha) / h, u.weights)
        if o.sectors.shape[0] > 0:
            own.dense(s, u.weights, o.weights, u.back, o.rows[n], o.sectors[n])
        else:
            own.dense(s, u.weights, o.weights, u.back, o.rows[n], s.trial[0:0])
        n += 1
    counts[NEXT] = n


@functools.cache
def copies_steps(timed: bool) -> Callable[..., int]:
    """The kernel `advance` for problems or optimisers with schedules (`timed`), or for those without."""
    variant = "timed" if timed else "plain"

    @kernel(variant)
    def attempt(
        own: Any,
        k: Any,
        s: Any,
        w: Any,
        u: Any,
        noise_variance: float,
        piece: Array,
        linear: Array,
        alpha: float,
        h: float,
        atol: float,
        rtol: float,
        trace: float,
    ) -> float:
        """Try a step of size h, as rosenbrock.attempt. Equations: (5.2a) and (5.2b)."""
        index, T, a, C, V, moving, base, dC, A, G = w.overlap, w.T, w.a, w.C, w.V, w.moving, w.rows, w.dC, w.A, w.G
        E, dA, dG, half, sums, rows, table, moments = u.E, u.dA, u.dG, u.half, u.sums, u.rows, u.table, w.moments
        embedded, noise, now = np.inf, noise_variance, u.now
        K, d = A.shape
        link(s)
        own.coupling_moments(s, 1.0 / (GAMMA * h), w.L, E, moments)
        if timed:
            for e in range(moments.size):
                moments[e] *= u.paces[RATES] if e < K * d * (d - K) + K * K * d else u.paces[NOISES]
        if not own.decompose(k, w, 1.0 / (GAMMA * h)):
            return np.inf
        for stage in range(STAGES):
            for b in range(base.size):
                rows[b] = base[b]
                for j in range(stage):
                    rows[b] += STAGE_A[stage, j] * dC[j, b]
            if stage > 0:  # `prepare` left those of the first stage
                own.turn_covariance(rows, V, index, T, C)
                if timed:
                    time = alpha + TIMES[stage] * h
                    set_paces(piece, time, now)
                    set_mix(piece, linear, time, s.now)
                    s.now[DECAYS], noise = now[DECAY_PACE], now[VARIANCE]
                own.coefficients(C, a, noise, A, G)
                own.turn_coefficients(A, G, moving, half)
                if timed:
                    scale(A, now[RATES])
                    scale(G, now[NOISES])
            if stage == STAGES - 1:
                embedded = own.eps_g(C, a)
            share = FORCES[stage] * h if timed else 0.0
            own.stage_pass(s, stage, table[stage], STAGE_C[stage] / h, share, E, dA, dG, A, G, sums)
            own.solve(k, w, stage, noise_variance, sums, dA, dG)
            if timed:
                scale(dA, u.paces[RATES])
                scale(dG, u.paces[NOISES])
        return off_by(own, False, s, w, u, embedded, atol, rtol, trace)

    @kernel(variant)
    def advance(
        own: Any,
        space: Any,
        scratch: Scratch,
        y: Array,
        sectors: CopySectors,
        small: Small,
        noise_variance: float,
        schedules: Array,
        columns: int,
        linear: Array,
        control: Control,
        outputs: Outputs,
        atol: float,
        rtol: float,
        budget: int,
    ) -> int:
        """Advance y (blocks, rows LANES) by up to `budget` attempted steps, as rosenbrock.advance.

        `schedules` has so many columns a piece: those of the problem's quantities and then of the optimiser's, in which
        push, drag and eta are `linear`, see set_mix.
        """
        k, s, w, u, o = refer(space), refer(sectors), refer(small), refer(scratch), refer(outputs)
        numbers, counts, base, times = control.numbers, control.counts, w.rows, outputs.alpha
        trace = 0.0  # mu_1
        for block in range(s.variance.shape[0]):
            for lane in range(LANES):
                trace += s.variance[block, lane]
        for _ in range(budget):
            alpha, end, noise = numbers[ALPHA], times[-1], noise_variance
            piece = schedules
            if timed:
                at = piece_at(schedules, columns, alpha)
                piece = schedules[at : at + columns]
                end = min(end, piece[END])
                set_paces(piece, alpha, u.paces)
                set_mix(piece, linear, alpha, s.start)
                s.start[DECAYS], noise = u.paces[DECAY_PACE], u.paces[VARIANCE]
            status, h = next_step(numbers, counts, times, end)
            if status != RUNNING:
                return status
            if timed and NEARLY * h > end - alpha:
                h = end - alpha
            prepare(own, k, y, s, w, u, noise, 0.0)
            if timed:
                prepare_force(own, s, w, u, piece, linear, alpha)
            error = attempt(own, k, s, w, u, noise, piece, linear, alpha, h, atol, rtol, trace)
            if not decide(numbers, counts, h, end, error):
                continue
            record(own, s, u, counts, alpha, h, numbers[ALPHA], o)
            own.turn_all(s.trial, u.back, s.offset, y)
            for b in range(base.size):
                if not abs(base[b]) < numbers[LIMIT]:  # also for NaN
                    return DIVERGED
            if timed and numbers[ALPHA] == piece[END] and piece[JUMP] > 0.0:
                return JUMPED
            if u.held[0] > 0.0 and not timed:
                return AT_REST
        return RUNNING

    return advance


@functools.cache
def method(activation: Averages, K: int, M: int, decays: bool) -> Method:
    """What `advance_copies` is handed for one activation and shape."""
    algebra, passes = step_algebra(activation, K, M, False), copies_passes(K, M, decays)
    _, eps_g, error_terms, _, overlap_rounding = coefficient_kernels(activation)
    number, vector, matrix, offsets = 1.0, np.zeros(1), np.zeros((1, 1)), COPY_SECTORS.offset
    s, w, k = reference_to(COPY_SECTORS), reference_to(SMALL), reference_to(algebra.space(K, M))
    own = callees(
        turn_all=(passes.turn_all, matrix, matrix, offsets, matrix),
        coupling_moments=(passes.coupling_moments, s, number, vector, matrix, vector),
        set_force=(passes.set_force, s, vector, matrix, matrix, matrix, matrix, vector),
        stage_pass=(passes.stage_pass, s, 1, vector, vector, number, matrix, matrix, matrix, matrix, matrix, vector),
        finish_pass=(passes.finish_pass, s, matrix, matrix, matrix, number, number, number),
        dense=(passes.dense, s, vector, np.zeros((1, 1, 1)), matrix, matrix, matrix),
        eps_g=(eps_g, matrix, vector),
        error_terms=(error_terms, matrix, vector),
        overlap_rounding=(overlap_rounding, matrix, 1),
        turn_covariance=(algebra.turn_covariance, vector, matrix, SMALL.overlap, matrix, matrix),
        coefficients=(algebra.coefficients, matrix, vector, number, matrix, matrix),
        turn_coefficients=(algebra.turn_coefficients, matrix, matrix, matrix, matrix),
        linearise=(algebra.linearise, k, w, number, matrix),
        decompose=(algebra.decompose, k, w, number),
        solve=(algebra.solve, k, w, 1, number, vector, matrix, matrix),
        second_layer_error=(algebra.second_layer_error, w, vector, number, number),
    )
    return Method(own, functools.partial(algebra.space, K, M), functools.partial(scratch_for, K, M, 0), False)


def copies_rosenbrock(activation: Averages, K: int, M: int, decays: bool, timed: bool) -> Callable[..., int]:
    """Function (y, s, w, noise_variance, schedules, columns, linear, control, outputs, atol, rtol, budget)."""
    its, step = method(activation, K, M, decays), copies_steps(timed)

    def advance(*rest: Any) -> int:
        own, space, scratch, _ = its.arguments()
        return step(own, space, scratch, *rest)

    return advance
