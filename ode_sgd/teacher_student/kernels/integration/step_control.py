"""Step control of the Rosenbrock method: what a step's error may be, and how long the next step is.

Of a number, or of vectors that hold the numbers of several problems (vector_type.py).
"""

from math import sqrt
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel

# Status of a run.
RUNNING, COMPLETE, DIVERGED, STEP_SIZE, STEP_LIMIT, SPECIALISED, JUMPED, AT_REST = 0, 1, 2, 3, 4, 5, 6, 7

# What a run carries from step to step. Of its numbers: alpha, h, the error norm of the step before, the floor of
# `rosenbrock.specialised` (0: never), and overlaps that count as diverged.
ALPHA, STEP, ERROR, FLOOR, LIMIT = 0, 1, 2, 3, 4
# Of its counts: steps, rejected attempts, the next output, attempts allowed, and 1 where a step is to be accepted
# whatever its error.
STEPS, REJECTED, NEXT, ALLOWED, FORCED = 0, 1, 2, 3, 4

# Step control: PI controller on the error norm e, h <- h SAFETY e^-INTEGRAL e_previous^PROPORTIONAL.
SAFETY, INTEGRAL, PROPORTIONAL = 0.9, 0.7 / 5.0, 0.4 / 5.0
SHRINK, GROW = 0.2, 6.0
# What a step may be off by, over rtol: in a sector (sector_passes.finish_pass) and in eps_g; in C, of itself and of its
# change. The error at the end is about rtol then (measured, tests/teacher_student/integration/battery.py).
SLACK, SUMS, QUIET = 4.0, 0.2, 200.0
STILL = 4e-14  # of C, in place of its change where that is lost in rounding
RELATED = 1e-6  # r^2 over tr q tr t below which r counts as that large
EPSILON = float(np.finfo(float).eps)
SHORTEST = 1e-290  # of steps: its inverse is a number, times any coefficient of the method


@kernel(inline=True)
def too_short(h: float, alpha: float) -> bool:
    """Whether alpha + h is no step at all; also for NaN."""
    return not h > max(4.0 * EPSILON * alpha, SHORTEST)


@kernel()
def sums_error(
    index: Indices, before: Array, after: Array, off: Array, T: Array, smallest: float, atol: Any, rtol: float
) -> Any:
    """Error of C in a step, relative to what it may be: the larger of those of Q and R (Frobenius norms).

    `before` and `after` (p,) are the sums over sectors, `off` (p,) their error; none counts as less than `smallest`. It
    may be SUMS rtol of them plus atol; where they hardly move, at a saddle, no more than QUIET rtol of their change:
    what moves there is what leaves it, and its relative error is that of everything afterwards.

    Equation: (5.3a).
    """
    K, M = index.shape[0] - T.shape[0], T.shape[0]
    q_off, q_change, q_before, q_after = 0.0 * off[0], 0.0 * off[0], 0.0 * off[0], 0.0 * off[0]
    r_off, r_change, r_before, r_after = 0.0 * off[0], 0.0 * off[0], 0.0 * off[0], 0.0 * off[0]
    own, teacher = 0.0 * off[0] + smallest, 0.0 * off[0]
    for n in range(M):
        teacher += T[n, n]
    for i in range(K):
        size = max(abs(before[index[i, i]]), abs(after[index[i, i]]))
        own = max(own, size)
        for n in range(K, K + M):
            b = index[i, n]
            r_off += off[b] * off[b]
            r_change += (after[b] - before[b]) * (after[b] - before[b])
            r_before += before[b] * before[b]
            r_after += after[b] * after[b]
        for j in range(K):
            b = index[i, j]
            q_off += off[b] * off[b]
            q_change += (after[b] - before[b]) * (after[b] - before[b])
            q_before += before[b] * before[b]
            q_after += after[b] * after[b]
    q_size, r_size = max(q_before, q_after), max(r_before, r_after)
    q, r = sqrt(max(q_size, smallest * smallest)), sqrt(max(r_size, RELATED * own * teacher))
    q_allowed = min(SUMS * rtol * q, QUIET * rtol * sqrt(q_change) + STILL * q)
    r_allowed = min(SUMS * rtol * r, QUIET * rtol * sqrt(r_change) + STILL * r)
    return max(sqrt(q_off) / (q_allowed + atol), sqrt(r_off) / (r_allowed + atol))


@kernel(inline=True)
def step_factor(error: float, previous: float) -> float:
    """By which the step should grow after one that was accepted; errors relative to what they may be."""
    factor = SAFETY * max(error, 1e-10) ** -INTEGRAL * max(previous, 1e-4) ** PROPORTIONAL
    return min(GROW, max(SHRINK, factor))


@kernel(inline=True)
def retry_factor(error: float) -> float:
    """By which the step shrinks after one that was rejected."""
    return max(SHRINK, SAFETY * error**-0.2) if np.isfinite(error) else 0.1


@kernel(inline=True)
def next_step(numbers: Array, counts: Indices, times: Array, end: float) -> tuple[int, float]:
    """Status before an attempt, and the size of its step, which goes no further than `end`."""
    h = min(numbers[STEP], end - numbers[ALPHA])
    if counts[NEXT] >= times.size:
        return COMPLETE, h
    if counts[STEPS] + counts[REJECTED] >= counts[ALLOWED]:
        return STEP_LIMIT, h
    if too_short(h, numbers[ALPHA]):
        return STEP_SIZE, h
    return RUNNING, h


@kernel(inline=True)
def decide(numbers: Array, counts: Indices, h: float, end: float, error: float) -> bool:
    """After an attempt of size h: whether it counts, and how long the next step is. `end` is what no step passes."""
    accepted = error <= 1.0 or (counts[FORCED] > 0 and np.isfinite(error))
    counts[FORCED] = 0
    if not accepted:  # also for NaN
        counts[REJECTED] += 1
        numbers[STEP] = h * retry_factor(error)
        return False
    counts[STEPS] += 1
    factor = step_factor(error, numbers[ERROR])
    if h == numbers[STEP] or factor < 1.0:  # a step cut short by the end says little about growth
        numbers[STEP] = h * factor
    numbers[ERROR] = error
    numbers[ALPHA] = end if h == end - numbers[ALPHA] else numbers[ALPHA] + h
    return True
