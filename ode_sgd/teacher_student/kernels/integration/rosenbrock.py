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
from ode_sgd.core.kernels.vector_type import room, zeros
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.near_teacher import difference_error
from ode_sgd.teacher_student.kernels.integration import rodas5p
from ode_sgd.teacher_student.kernels.integration.step_algebra import SMALL, Small, step_algebra
from ode_sgd.teacher_student.kernels.integration.step_control import (
    ALPHA,
    DIVERGED,
    FLOOR,
    LIMIT,
    NEXT,
    RUNNING,
    SLACK,
    SPECIALISED,
    decide,
    next_step,
    sums_error,
)
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.kernels.sectors.eigenbasis import turn_covariance
from ode_sgd.teacher_student.kernels.sectors.layout import row_count
from ode_sgd.teacher_student.kernels.sectors.rule_factors import PLAIN, RATE
from ode_sgd.teacher_student.kernels.sectors.sector_passes import (
    SECTORS,
    Sectors,
    dense_sums,
    sector_passes,
    sector_sums,
)

STAGE_A, STAGE_C, DENSE, GAMMA = rodas5p.A, rodas5p.C, rodas5p.DENSE, rodas5p.GAMMA
STAGES = rodas5p.STAGES

SPECIALISED_AT = 1e-2
ROUNDING = 5e-16  # of eps_g in overlap form, relative to the terms of its sum
SMALLEST = 1e-50  # squared differences, relative to the teacher, below which nothing keeps its relative precision
TINY = 1e-300  # keeps 0 / 0 out


class Control(NamedTuple):
    """What a run carries from call to call."""

    numbers: Array  # (5,), see step_control.py
    counts: Indices  # (5,)


class Outputs(NamedTuple):
    """What is written on the way."""

    alpha: Array  # (n,), times
    weights: Array  # (orders, blocks, LANES), of sums over sectors
    order_one: int  # which of them are `variance`, so that the sums are C
    rows: Array  # (n, orders, p), those sums at every time
    sectors: Array  # (n, blocks, p LANES), or of length 0 where they are not wanted


@kernel(inline=True)
def dense_value(x: float, before: float, whole: float, first: float, second: float, third: float) -> float:
    """At the fraction x of a step, from the state before it and from sums of its stages with the rows of DENSE.

    Equation: (5.2a).
    """
    return before + x * (whole + (1.0 - x) * (first + x * (second + x * third)))


@kernel(inline=True)
def dense_weights(x: float, weights: Array) -> None:
    """Of the stages in the state at the fraction x of a step."""
    for j in range(weights.size):
        weights[j] = dense_value(x, 0.0, DENSE[0, j], DENSE[1, j], DENSE[2, j], DENSE[3, j])


@kernel()
def dense_rows(s: Sectors, w: Small, weights: Array, order_one: int, nothing: Array, table: Array, sums: Array) -> None:
    """`dense_sums` turned back; nothing (M, M) is 0. C is scratch.

    Those of order one are C and the dC of the stages, which are known.
    """
    K, d, p = w.A.shape[0], w.A.shape[1], w.rows.size
    dense_sums(s, weights, order_one, table, sums)
    known = sums[order_one]
    for b in range(p):
        known[0, b] = w.rows[b]
        for m in range(table.shape[0]):
            total = 0.0 * w.rows[b]
            for j in range(STAGES):
                total += table[m, j] * w.dC[j, b]
            known[1 + m, b] = total
    for order in range(sums.shape[0]):
        for m in range(sums.shape[1]):
            turn_covariance(sums[order, m], w.V, w.overlap, nothing, w.C)
            for i in range(K):
                for c in range(i, d):
                    sums[order, m, w.overlap[i, c]] = w.C[i, c]


@kernel()
def record_outputs(
    s: Sectors, w: Small, counts: Indices, alpha: float, h: float, reached: float, outputs: Outputs
) -> None:
    """Dense output at all times up to `reached`, the end of the step of size h from alpha.

    The weights of a few times are put together beforehand; of many, every one is a polynomial of the same four rows.
    """
    first = last = counts[NEXT]
    while last < outputs.alpha.size and outputs.alpha[last] <= reached:
        last += 1
    if first == last:
        return
    few = last - first < DENSE.shape[0]
    table = DENSE.copy()
    if few:
        table = zeros(table, (last - first, STAGES))
        for m in range(last - first):
            dense_weights((outputs.alpha[first + m] - alpha) / h, table[m])
    sums = room(table, (outputs.weights.shape[0], 1 + table.shape[0], w.rows.size))
    nothing = zeros(table, (w.T.shape[0], w.T.shape[1]))
    dense_rows(s, w, outputs.weights, outputs.order_one, nothing, table, sums)
    for n in range(first, last):
        x = (outputs.alpha[n] - alpha) / h
        for order in range(sums.shape[0]):
            rows, now = sums[order], outputs.rows[n, order]
            for b in range(now.size):
                if few:
                    now[b] = rows[0, b] + rows[1 + n - first, b]
                else:
                    now[b] = dense_value(x, rows[0, b], rows[1, b], rows[2, b], rows[3, b], rows[4, b])
    counts[NEXT] = last


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


class Scratch(NamedTuple):
    """Small arrays of the steps of one call."""

    E: Array  # (K, M)
    dA: Array  # (K, d), of the last stage
    dG: Array  # (K, K)
    half: Array  # (K, d), scratch
    sums: Array  # (p,), of a stage over sectors
    rows: Array  # (p,), C in a stage
    back: Array  # (K, K), V^T
    weights: Array  # (8,), of the stages in dense output
    table: Array  # STAGE_A, not read-only: a type of arguments the less


def scratch_for(K: int, M: int) -> Scratch:
    """That of one shape."""
    p = row_count(K, M)
    return Scratch(
        E=np.empty((K, M)),
        dA=np.zeros((K, K + M)),
        dG=np.zeros((K, K)),
        half=np.empty((K, K + M)),
        sums=np.empty(p),
        rows=np.empty(p),
        back=np.empty((K, K)),
        weights=np.empty(STAGES),
        table=STAGE_A.copy(),
    )


@kernel()
def prepare(own: Any, k: Any, y: Array, s: Any, w: Any, u: Any, noise_variance: float, floor: float) -> bool:
    """Coefficients and their derivatives, then everything into the eigenbasis of D.

    False where students deserve differences as variables.
    """
    index, V, C, A, E, back = w.overlap, w.V, w.C, w.A, u.E, u.back
    K, M = E.shape
    sector_sums(y, s.variance, u.sums)
    for i in range(K):
        for j in range(K):
            V[i, j] = 1.0 if i == j else 0.0
    own.turn_covariance(u.sums, V, index, w.T, C)
    if floor > 0.0 and specialised(C, y, s, index, floor):
        return False
    own.linearise(k, w, noise_variance, u.half)
    own.turn_all(y, V, s.offset, s.z)
    sector_sums(s.z, s.variance, w.rows)
    for i in range(K):
        for m in range(M):
            E[i, m] = A[i, K + m]
        for j in range(K):
            back[i, j] = V[j, i]
    return True


@kernel()
def attempt(
    own: Any,
    k: Any,
    differences: bool,
    s: Any,
    w: Any,
    u: Any,
    noise_variance: float,
    h: float,
    atol: float,
    rtol: float,
    trace: float,
) -> float:
    """Try a step of size h: the new state, turned, in s.trial; what it is off by, relative to what it may be.

    Equations: (5.2a) and (5.3).
    """
    # Every w.X counts a reference up and down: once here, not in every loop.
    index, T, a, C, V, moving, base, dC, A, G = w.overlap, w.T, w.a, w.C, w.V, w.moving, w.rows, w.dC, w.A, w.G
    E, dA, dG, half, sums, rows, table = u.E, u.dA, u.dG, u.half, u.sums, u.rows, u.table
    embedded = np.inf
    own.coupling_moments(s, 1.0 / (GAMMA * h), w.L, E, w.moments)
    if not own.decompose(k, w):
        return np.inf
    for stage in range(STAGES):
        for b in range(base.size):
            rows[b] = base[b]
            for j in range(stage):
                rows[b] += STAGE_A[stage, j] * dC[j, b]
        if stage > 0:  # `prepare` left those of the first stage
            own.turn_covariance(rows, V, index, T, C)
            own.coefficients(C, a, noise_variance, A, G)
            own.turn_coefficients(A, G, moving, half)
        if stage == STAGES - 1:
            embedded = own.eps_g(C, a)
        own.stage_pass(s, stage, table[stage], STAGE_C[stage] / h, E, dA, dG, A, G, sums)
        own.solve(k, w, stage, noise_variance, sums, dA, dG)
    smallest = 0.0
    if differences:
        for n in range(T.shape[0]):
            smallest += SMALLEST * T[n, n]
    mean_size = 0.0
    for i in range(V.shape[0]):
        mean_size += base[index[i, i]] / trace
    mean_size = max(mean_size, smallest / trace)
    for b in range(base.size):
        rows[b] += dC[STAGES - 1, b]
    own.turn_covariance(rows, V, index, T, C)
    final = own.eps_g(C, a)
    error = own.finish_pass(s, E, dA, dG, mean_size, atol, rtol)
    # eps_g may be far smaller than the overlaps: hold its own error against it, down to its rounding.
    rounding = rtol * smallest if differences else ROUNDING * own.error_terms(C, a)
    off = abs(final - embedded) / (rtol * abs(final) + rounding + TINY)
    summed = sums_error(index, base, rows, dC[STAGES - 1], T, smallest, atol * trace, rtol)
    poison = 0.0 * (error + off + summed)  # max loses a NaN, a sum keeps it
    return max(max(error, off) / SLACK, summed) + poison


@kernel()
def advance(
    own: Any,
    space: Any,
    scratch: Scratch,
    differences: bool,
    y: Array,
    sectors: Sectors,
    small: Small,
    noise_variance: float,
    control: Control,
    outputs: Outputs,
    atol: float,
    rtol: float,
    budget: int,
) -> int:
    """Advance y (blocks, p LANES) by up to `budget` attempted steps, recording the outputs passed on the way.

    `own` are the kernels of an activation, a shape and a form, `space` is what they work in: see `method`. The GMRES of
    large networks has a space of its own, and this kernel another signature there.
    """
    k, s, w, u, o = refer(space), refer(sectors), refer(small), refer(scratch), refer(outputs)
    numbers, counts, base, times = control.numbers, control.counts, w.rows, outputs.alpha
    trace = 0.0  # mu_1
    for block in range(s.variance.shape[0]):
        for lane in range(LANES):
            trace += s.variance[block, lane]
    for _ in range(budget):
        status, h = next_step(numbers, counts, times)
        if status != RUNNING:
            return status
        # Also after a rejected attempt: what comes of a step must not depend on where a call has ended.
        if not prepare(own, k, y, s, w, u, noise_variance, numbers[FLOOR]):
            return SPECIALISED
        error = attempt(own, k, differences, s, w, u, noise_variance, h, atol, rtol, trace)
        alpha = numbers[ALPHA]
        if not decide(numbers, counts, h, times[-1], error):
            continue
        for n in range(counts[NEXT], outputs.sectors.shape[0]):
            if times[n] <= numbers[ALPHA]:
                dense_weights((times[n] - alpha) / h, u.weights)
                own.dense_sectors(s, u.weights, u.back, outputs.sectors[n])
        record_outputs(s, w, counts, alpha, h, numbers[ALPHA], o)
        own.turn_all(s.trial, u.back, s.offset, y)
        for b in range(base.size):
            if not abs(base[b]) < numbers[LIMIT]:  # also for NaN
                return DIVERGED
    return RUNNING


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
def method(activation: Averages, K: int, M: int, rows: int = PLAIN, differences: bool = False) -> Method:
    """That of one problem, whose rule has so many rows of factors; in the form of near_teacher.py if asked."""
    passes, algebra = sector_passes(K, M, rows=rows), step_algebra(activation, K, M, differences)
    _, eps_g, error_terms, _ = coefficient_kernels(activation)
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
        turn_covariance=(algebra.turn_covariance, vector, matrix, SMALL.overlap, matrix, matrix),
        coefficients=(algebra.coefficients, matrix, vector, number, matrix, matrix),
        turn_coefficients=(algebra.turn_coefficients, matrix, matrix, matrix, matrix),
        linearise=(algebra.linearise, k, w, number, matrix),
        decompose=(algebra.decompose, k, w),
        solve=(algebra.solve, k, w, 1, number, vector, matrix, matrix),
    )
    return Method(own, functools.partial(algebra.space, K, M), functools.partial(scratch_for, K, M), differences)


def rosenbrock(
    activation: Averages, K: int, M: int, rows: int = PLAIN, differences: bool = False
) -> Callable[..., int]:
    """Function (y, s, w, noise_variance, control, outputs, atol, rtol, budget) that advances one problem."""
    its = method(activation, K, M, rows, differences)
    return lambda *rest: advance(*its.arguments(), *rest)
