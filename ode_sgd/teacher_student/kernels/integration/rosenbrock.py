"""Steps of the Rosenbrock method on the structured Jacobian: block diagonal plus rank p.

A step of the whole system costs one pass over the sectors a stage, p x p algebra in between (p = K M + K (K+1)/2).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.callees import callees
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.compile.references import refer, reference_to
from ode_sgd.core.kernels.schedule_value import END, JUMP, piece_at
from ode_sgd.core.kernels.vector_type import zeros
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.near_teacher import difference_error
from ode_sgd.teacher_student.kernels.integration import rodas5p
from ode_sgd.teacher_student.kernels.integration.adaptive_algebra import memory_algebra
from ode_sgd.teacher_student.kernels.integration.dense_output import Outputs, dense_weights, record_outputs
from ode_sgd.teacher_student.kernels.integration.paced_steps import (
    force_covariance,
    set_coefficients,
    set_moments,
    set_slopes,
    solve_forced,
)
from ode_sgd.teacher_student.kernels.integration.scratch import Scratch, scratch_for
from ode_sgd.teacher_student.kernels.integration.second_layer_algebra import bordered_algebra
from ode_sgd.teacher_student.kernels.integration.step_algebra import SMALL, Small, step_algebra
from ode_sgd.teacher_student.kernels.integration.step_control import (
    ALPHA,
    AT_REST,
    DIVERGED,
    FLOOR,
    JUMPED,
    LIMIT,
    NEXT,
    RUNNING,
    SLACK,
    SPECIALISED,
    decide,
    next_step,
    sums_error,
)
from ode_sgd.teacher_student.kernels.integration.unsymmetric_algebra import force_covariance as unsymmetric_force
from ode_sgd.teacher_student.kernels.integration.unsymmetric_algebra import unsymmetric_algebra
from ode_sgd.teacher_student.kernels.paces import COLUMNS, SECOND, VARIANCE, set_paces
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.kernels.sectors.generated_block import one_of_its_kind
from ode_sgd.teacher_student.kernels.sectors.rule_factors import RATE
from ode_sgd.teacher_student.kernels.sectors.sector_passes import (
    SECTORS,
    Sectors,
    sector_passes,
    sector_sums,
)

STAGE_A, STAGE_C, GAMMA = rodas5p.A, rodas5p.C, rodas5p.GAMMA
STAGES = rodas5p.STAGES

SPECIALISED_AT = 1e-2
NEARLY = 1.01  # times a step that reaches a time which steps may not pass: no short rest is left of the way to it
ROUNDING = 5e-16  # of eps_g in overlap form, relative to the terms of its sum
SMALLEST = 1e-50  # squared differences, relative to the teacher, below which nothing keeps its relative precision
HELD = 5.0  # times what kinks leave of it: eps_g that is no larger is rounding, and the state is held
TINY = 1e-300  # keeps 0 / 0 out


class Control(NamedTuple):
    """What a run carries from call to call."""

    numbers: Array  # (5,), see step_control.py
    counts: Indices  # (5,)


@kernel()
def specialised(C: Array, y: Array, s: Sectors, overlap: Indices, floor: float) -> bool:
    """Whether the differences x_i - y_n of students from their nearest teachers deserve to be variables of their own.

    With d = |x_i - y_n|^2 / |y_n|^2: the largest d of the fields is below `floor`, where it drowns in the rounding of
    the overlaps; or it is below SPECIALISED_AT in every sector, where it drowns in the tolerance.
    """
    d = C.shape[0]
    K = d // 2
    largest = 0.0
    nearest = zeros(overlap, (K,))
    for i in range(K):
        best = np.inf
        for n in range(K, d):
            ratio = (C[i, i] - 2.0 * C[i, n] + C[n, n]) / C[n, n]
            if ratio < best:
                best, nearest[i] = ratio, n
        largest = max(largest, best)
    if largest > SPECIALISED_AT or largest < floor:
        return largest < floor
    for block in range(y.shape[0]):
        for lane in range(LANES):
            for i in range(K):
                n = nearest[i]
                t = s.z[block, overlap[n, n] * LANES + lane]
                square = y[block, overlap[i, i] * LANES + lane] - 2.0 * y[block, overlap[i, n] * LANES + lane] + t
                if s.factors[block, RATE * LANES + lane] > 0.0 and abs(square) > SPECIALISED_AT * abs(t):
                    return False
    return True


@kernel()
def prepare(own: Any, k: Any, y: Array, s: Any, w: Any, u: Any, noise_variance: float, floor: float) -> bool:
    """Coefficients and their derivatives, then everything into the eigenbasis of D.

    False where students deserve differences as variables.
    """
    index, V, C, A, E, back = w.overlap, w.V, w.C, w.A, u.E, u.back
    (K, M), p = E.shape, u.sums.size
    for i in range(w.rows.size - p):
        w.rows[p + i] = w.a[i]
    sector_sums(y, s.variance, u.sums)
    for i in range(K):
        for j in range(K):
            V[i, j] = 1.0 if i == j else 0.0
    own.turn_covariance(u.sums, V, index, w.T, C)
    if floor > 0.0 and specialised(C, y, s, index, floor):
        return False
    own.linearise(k, w, noise_variance, u.half)
    own.turn_all(y, w.into, s.offset, s.z)
    sector_sums(s.z, s.variance, w.rows[:p])
    for i in range(K):
        for m in range(M):
            E[i, m] = A[i, K + m]
        for j in range(K):
            back[i, j] = V[j, i]
    return True


@kernel(inline=True)
def smallest_square(T: Array) -> float:
    """Squared difference from the teacher below which nothing keeps its relative precision."""
    total = 0.0
    for n in range(T.shape[0]):
        total += SMALLEST * T[n, n]
    return total


@kernel()
def off_by(
    own: Any, differences: bool, s: Any, w: Any, u: Any, embedded: float, atol: float, rtol: float, trace: float
) -> float:
    """What a step whose stages are done is off by, relative to what it may be; `embedded` is eps_g in the last stage.

    Equation: (5.3).
    """
    index, T, a, C, base, dC, rows, p = w.overlap, w.T, w.a, w.C, w.rows, w.dC, u.rows, u.sums.size
    smallest = smallest_square(T) if differences else 0.0
    mean_size = 0.0
    for i in range(w.G.shape[0]):
        mean_size += base[index[i, i]] / trace
    mean_size = max(mean_size, smallest / trace)
    for b in range(base.size):
        rows[b] += dC[STAGES - 1, b]
    own.turn_covariance(rows, w.V, index, T, C)
    for i in range(base.size - p):
        a[i] = rows[p + i]
    final = own.eps_g(C, a)
    rest, weight = own.overlap_rounding(C, w.G.shape[0]), 0.0  # 0 where averages have no kinks
    for c in range(a.size):
        weight = max(weight, a[c] * a[c])
    u.held[0] = 1.0 if abs(final) < HELD * rest * weight else 0.0
    error = own.finish_pass(s, u.E, u.dA, u.dG, mean_size, atol + rest / trace, rtol)
    # eps_g may be far smaller than the overlaps: hold its own error against it, down to its rounding.
    rounding = rtol * smallest if differences else ROUNDING * own.error_terms(C, a) + rest * weight
    off = abs(final - embedded) / (rtol * abs(final) + rounding + TINY)
    summed = sums_error(index, base, rows, dC[STAGES - 1], T, smallest, atol * trace + rest, rtol)
    second = own.second_layer_error(w, rows, atol, rtol)
    for i in range(base.size - p):
        a[i] = base[p + i]  # until the step is accepted
    poison = 0.0 * (error + off + summed + second)  # max loses a NaN, a sum keeps it
    return max(max(error, off) / SLACK, summed, second) + poison


@functools.cache
def steps(timed: bool) -> Callable[..., int]:
    """The kernel `advance` for problems with schedules (`timed`), or for those without.

    Those without compile nothing of paced_steps.py.
    """
    variant = "timed" if timed else "plain"

    @kernel(variant)
    def attempt(
        own: Any,
        k: Any,
        differences: bool,
        s: Any,
        w: Any,
        u: Any,
        noise_variance: float,
        piece: Array,
        alpha: float,
        h: float,
        atol: float,
        rtol: float,
        trace: float,
    ) -> float:
        """Try a step of size h: the new state, turned, in s.trial; what it is off by, relative to what it may be.

        Equations: (5.2a) and (5.2b).
        """
        # Every w.X counts a reference up and down: once here, not in every loop.
        index, T, a, C, V, moving, base, dC, A, G = w.overlap, w.T, w.a, w.C, w.V, w.moving, w.rows, w.dC, w.A, w.G
        E, dA, dG, half, sums, rows, table = u.E, u.dA, u.dG, u.half, u.sums, u.rows, u.table
        embedded, p = np.inf, sums.size
        if timed:
            set_moments(own, s, w, u, h)
        else:
            own.coupling_moments(s, 1.0 / (GAMMA * h), w.L, E, w.moments)
        if not own.decompose(k, w, 1.0 / (GAMMA * h)):
            return np.inf
        for stage in range(STAGES):
            for b in range(base.size):
                rows[b] = base[b]
                for j in range(stage):
                    rows[b] += STAGE_A[stage, j] * dC[j, b]
            for i in range(base.size - p):
                a[i] = rows[p + i]
            if stage > 0:  # `prepare` left those of the first stage
                own.turn_covariance(rows, V, index, T, C)
                if timed:
                    set_coefficients(own, s, w, u, piece, alpha, h, stage)
                else:
                    own.coefficients(C, a, noise_variance, A, G)
                    own.turn_coefficients(A, G, moving, half)
            if stage == STAGES - 1:
                embedded = own.eps_g(C, a)
            own.stage_pass(s, stage, table[stage], STAGE_C[stage] / h, E, dA, dG, A, G, sums)
            if timed:
                solve_forced(own, k, w, u, noise_variance, stage, h)
            else:
                own.solve(k, w, stage, noise_variance, sums, dA, dG)
        return off_by(own, differences, s, w, u, embedded, atol, rtol, trace)

    @kernel(variant)
    def advance(
        own: Any,
        space: Any,
        scratch: Scratch,
        differences: bool,
        y: Array,
        sectors: Sectors,
        small: Small,
        noise_variance: float,
        schedules: Array,
        control: Control,
        outputs: Outputs,
        atol: float,
        rtol: float,
        budget: int,
    ) -> int:
        """Advance y (blocks, p LANES) by up to `budget` attempted steps, recording the outputs passed on the way.

        `own` are the kernels of an activation, a shape and a form, `space` is what they work in: see `method`. The
        GMRES of large networks has a space of its own, and this kernel another signature there. No step passes a time
        at which a formula of `schedules` changes; where a value jumps, the next step is for the caller to choose.
        """
        k, s, w, u, o = refer(space), refer(sectors), refer(small), refer(scratch), refer(outputs)
        numbers, counts, base, times = control.numbers, control.counts, w.rows, outputs.alpha
        trace = 0.0  # mu_1
        for block in range(s.variance.shape[0]):
            for lane in range(LANES):
                trace += s.variance[block, lane]
        for _ in range(budget):
            alpha, end, noise, piece = numbers[ALPHA], times[-1], noise_variance, schedules
            if timed:
                at = piece_at(schedules, COLUMNS, alpha)
                piece = schedules[at : at + COLUMNS]
                end = min(end, piece[END])
                set_paces(piece, alpha, u.paces)
                w.second[0] = u.paces[SECOND]
                noise = u.paces[VARIANCE]
            status, h = next_step(numbers, counts, times, end)
            if status != RUNNING:
                return status
            if timed and NEARLY * h > end - alpha:
                h = end - alpha
            # Also after a rejected attempt: what comes of a step must not depend on where a call has ended.
            if not prepare(own, k, y, s, w, u, noise, numbers[FLOOR]):
                return SPECIALISED
            if timed:
                set_slopes(own, w, u, piece, alpha)
            error = attempt(own, k, differences, s, w, u, noise, piece, alpha, h, atol, rtol, trace)
            if not decide(numbers, counts, h, end, error):
                continue
            for n in range(counts[NEXT], outputs.sectors.shape[0]):
                if times[n] <= numbers[ALPHA]:
                    dense_weights((times[n] - alpha) / h, u.weights)
                    own.dense_sectors(s, u.weights, u.back, outputs.sectors[n])
            record_outputs(s, w, counts, alpha, h, numbers[ALPHA], o)
            own.turn_all(s.trial, u.back, s.offset, y)
            for i in range(base.size - u.sums.size):
                w.a[i] = u.rows[u.sums.size + i]
            for b in range(base.size):
                if not abs(base[b]) < numbers[LIMIT]:  # also for NaN
                    return DIVERGED
            if timed and numbers[ALPHA] == piece[END] and piece[JUMP] > 0.0:
                return JUMPED
            if u.held[0] > 0.0 and not timed:  # what is scheduled may set it in motion again
                return AT_REST
        return RUNNING

    return advance


class Method(NamedTuple):
    """What `advance` is handed for one activation, shape and form."""

    own: Any  # kernels of its own, see callees.py
    space: Callable[[], Any]  # in which these work, see step_algebra.py
    scratch: Callable[[], Scratch]
    differences: bool

    def arguments(self) -> tuple[Any, ...]:
        """The first ones, for one call: no other writes into the same arrays."""
        return self.own, self.space(), self.scratch(), self.differences


@functools.cache
def method(
    activation: Averages,
    K: int,
    M: int,
    rows: int,
    differences: bool = False,
    trained: bool = False,
    remembered: int = 0,
) -> Method:
    """That of one problem, whose rule has so many rows of factors; in the form of near_teacher.py if asked.

    With a `trained` second layer, whose v is in `Small.a` between two steps, and below C in `Small.rows`. An optimiser
    that has so many numbers `remembered` has them in their place.
    """
    bordered = bordered_algebra(activation, *one_of_its_kind(K, M)) if trained else None
    algebra, force = bordered or step_algebra(activation, K, M, differences), force_covariance
    if not activation.symmetric:
        algebra, force = unsymmetric_algebra(activation), unsymmetric_force
    passes, moving = sector_passes(K, M, rows, symmetric=activation.symmetric), K if trained else remembered
    _, eps_g, error_terms, _, overlap_rounding = coefficient_kernels(activation)
    if remembered:
        algebra, eps_g, error_terms = memory_algebra(activation, *one_of_its_kind(K, M), remembered)
    if differences:
        eps_g = difference_error(activation)
    number, vector, matrix = 1.0, np.zeros(1), np.zeros((1, 1))
    s, w, k = reference_to(SECTORS), reference_to(SMALL), reference_to(algebra.space(K, M))
    own = callees(
        turn_all=(passes.turn_all, matrix, matrix, SECTORS.offset, matrix),
        coupling_moments=(passes.coupling_moments, s, number, vector, matrix, vector),
        stage_pass=(passes.stage_pass, s, 1, vector, vector, matrix, matrix, matrix, matrix, matrix, vector),
        finish_pass=(passes.finish_pass, s, matrix, matrix, matrix, number, number, number),
        dense_sectors=(passes.dense_sectors, s, vector, matrix, matrix),
        eps_g=(eps_g, matrix, vector),
        error_terms=(error_terms, matrix, vector),
        overlap_rounding=(overlap_rounding, matrix, 1),
        turn_covariance=(algebra.turn_covariance, vector, matrix, SMALL.overlap, matrix, matrix),
        coefficients=(algebra.coefficients, matrix, vector, number, matrix, matrix),
        turn_coefficients=(algebra.turn_coefficients, matrix, matrix, matrix, matrix),
        linearise=(algebra.linearise, k, w, number, matrix),
        decompose=(algebra.decompose, k, w, number),
        solve=(algebra.solve, k, w, 1, number, vector, matrix, matrix),
        force_covariance=(force, SMALL.overlap, vector, matrix, matrix, vector, vector),
        second_layer_error=(algebra.second_layer_error, w, vector, number, number),
    )
    scratch = functools.partial(scratch_for, K, M, moving)
    return Method(own, functools.partial(algebra.space, K, M), scratch, differences)


def rosenbrock(
    activation: Averages,
    K: int,
    M: int,
    rows: int,
    differences: bool = False,
    trained: bool = False,
    timed: bool = False,
    remembered: int = 0,
) -> Callable[..., int]:
    """Function (y, s, w, noise_variance, schedules, control, outputs, atol, rtol, budget) that advances a problem.

    One with schedules if it is `timed`.
    """
    its, advance = method(activation, K, M, rows, differences, trained, remembered), steps(timed)
    return lambda *rest: advance(*its.arguments(), *rest)
