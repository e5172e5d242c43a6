"""Many problems of one small shape, WIDTH of them at a time side by side; a lane that ends takes the next problem."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.compile.references import refer
from ode_sgd.core.kernels.vector_type import WIDTH, as_lanes, choose, room
from ode_sgd.teacher_student.kernels.integration.rosenbrock import DENSE, STAGES, dense_rows, dense_value
from ode_sgd.teacher_student.kernels.integration.step_algebra import Small
from ode_sgd.teacher_student.kernels.integration.step_control import (
    ALPHA,
    DIVERGED,
    FLOOR,
    LIMIT,
    NEXT,
    RUNNING,
    SPECIALISED,
    decide,
    next_step,
)
from ode_sgd.teacher_student.kernels.integration.steps_side_by_side import rosenbrock_lanes
from ode_sgd.teacher_student.kernels.sectors.generated_block import shape_variant
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count
from ode_sgd.teacher_student.kernels.sectors.sector_passes import Sectors, sector_passes


class Queue(NamedTuple):
    """The problems of a call, on the first axis."""

    y: Array  # (B, p, L)
    t: Array  # (B, teacher rows, L)
    rate: Array  # (B, L)
    noise: Array  # (B, L)
    variance: Array  # (B, L)
    T: Array  # (B, M, M)
    a: Array  # (B, K + M)
    noise_variance: Array  # (B,)
    weights: Array  # (B, orders, L), see rosenbrock.Outputs
    order_one: int
    numbers: Array  # (B, 5), see step_control.py
    counts: Indices  # (B, 5)
    rows: Array  # (B, n, orders, p)
    codes: Indices  # (B,), status
    seats: Indices  # (WIDTH + 1,), the problem in every lane or -1, and the next one that waits


class LaneSpace(NamedTuple):
    """What the lanes hold between two calls, (.., WIDTH) each; the rest of the names are those of other files."""

    y: Array  # (L, p), at the beginning of a step
    sectors: Sectors  # in blocks of one sector
    small: Small
    swaps: Array  # (p, p)
    noise_variance: Array  # (1,)
    floor: Array  # (1,)
    h: Array  # (1,)
    accepted: Array  # (1,), 1 or 0
    weights: Array  # (orders, L, 1)
    sums: Array  # (orders, 5, p)


def lane_space(K: int, M: int, L: int, orders: int) -> LaneSpace:
    """Work space for one thread."""
    d, p, P, pairs = K + M, row_count(K, M), row_count(K + M, 0), K * (K + 1) // 2

    def empty(*shape: int) -> Array:
        return np.ones((*shape, WIDTH))  # numbers that do no harm in a lane without a problem

    index = overlap_index(K, M)
    sectors = Sectors(
        offset=index.astype(np.uint64),
        rate=empty(L, 1),
        noise=empty(L, 1),
        variance=empty(L, 1),
        z=empty(L, P),
        trial=empty(L, p),
        stages=empty(STAGES, L | 1, p),  # odd, as in rosenbrock_method.work_space
        inverse=empty(L, K + pairs),
    )
    small = Small(
        T=empty(M, M),
        a=empty(d),
        overlap=index,
        C=empty(d, d),
        V=empty(K, K),
        moving=empty(K, K),
        L=empty(K),
        A=empty(K, d),
        G=empty(K, K),
        JA=empty(K * d, P),
        JG=empty(pairs, P),
        scratch=empty(K * d, p),
        moments=empty(K * d * M + K * K * d + K * K),
        coupling=empty(p, p),
        pivots=np.zeros(0, dtype=np.int64),
        rows=empty(p),
        dC=empty(STAGES, p),
    )
    more = empty(p, p), empty(1), empty(1), empty(1), empty(1), empty(orders, L, 1), empty(orders, 5, p)
    return LaneSpace(empty(L, p), sectors, small, *more)


@kernel()
def _seat(x: Queue, b: int, space: LaneSpace, lane: int) -> None:
    """Problem b into a lane."""
    s, w = space.sectors, space.small
    p = x.y.shape[1]
    for k in range(x.rate.shape[1]):
        for row in range(p):
            space.y[k, row, lane] = x.y[b, row, k]
        for row in range(x.t.shape[1]):
            s.z[k, p + row, lane] = x.t[b, row, k]
        s.rate[k, 0, lane], s.noise[k, 0, lane], s.variance[k, 0, lane] = x.rate[b, k], x.noise[b, k], x.variance[b, k]
        for order in range(x.weights.shape[1]):
            space.weights[order, k, 0, lane] = x.weights[b, order, k]
    for n in range(x.T.shape[1]):
        for m in range(x.T.shape[1]):
            w.T[n, m, lane] = x.T[b, n, m]
    for c in range(x.a.shape[1]):
        w.a[c, lane] = x.a[b, c]
    space.noise_variance[0, lane], space.floor[0, lane] = x.noise_variance[b], x.numbers[b, FLOOR]


@kernel()
def _save(x: Queue, b: int, y: Array, lane: int) -> None:
    """The state of problem b out of a lane."""
    for k in range(y.shape[0]):
        for row in range(y.shape[1]):
            x.y[b, row, k] = y[k, row, lane]


@kernel(inline=True, always=True)
def _ready(numbers: Array, counts: Indices, codes: Indices, b: int, alpha: Array, h: Array, lane: int) -> bool:
    """Set the next step of problem b; False, with its status, where there is none."""
    if codes[b] == RUNNING:
        codes[b], h[0, lane] = next_step(numbers[b], counts[b], alpha)
    return codes[b] == RUNNING


@kernel()
def _fill(x: Queue, space: LaneSpace, alpha: Array) -> bool:
    """Give every lane a problem that is ready for a step, as long as there are any; False if all have ended."""
    numbers, counts, codes, seats, h = x.numbers, x.counts, x.codes, x.seats, space.h
    working = False
    for lane in range(WIDTH):
        b = seats[lane]
        if b >= 0 and not _ready(numbers, counts, codes, b, alpha, h, lane):
            _save(x, b, space.y, lane)
            b = -1
        while b < 0 and seats[WIDTH] < codes.size:
            waiting = seats[WIDTH]
            _seat(x, waiting, space, lane)
            if _ready(numbers, counts, codes, waiting, alpha, h, lane):
                b = waiting
            seats[WIDTH] += 1
        if b < 0:
            h[0, lane] = 1.0
        seats[lane] = b
        working |= b >= 0
    return working


@kernel()
def _decide(
    numbers: Array, counts: Indices, codes: Indices, b: int, h: float, end: float, error: float, far: bool, size: float
) -> bool:
    """Step control of problem b after an attempt; whether its step counts. far: it wants differences as variables."""
    if far:
        codes[b] = SPECIALISED
        return False
    accepted = decide(numbers[b], counts[b], h, end, error)
    if accepted and not size < numbers[b, LIMIT]:  # also for NaN
        codes[b] = DIVERGED
    return accepted


@kernel()
def _write_outputs(x: Queue, b: int, lane: int, alpha: Array, began: float, h: float, sums: Array) -> None:
    """Dense output of problem b at the times that its step from `began` has passed; sums as `dense_rows` left them."""
    n = x.counts[b, NEXT]
    while n < alpha.size and alpha[n] <= x.numbers[b, ALPHA]:
        at = (alpha[n] - began) / h
        for order in range(sums.shape[0]):
            for row in range(sums.shape[2]):
                before, whole = sums[order, 0, row, lane], sums[order, 1, row, lane]
                k1, k2, k3 = sums[order, 2, row, lane], sums[order, 3, row, lane], sums[order, 4, row, lane]
                x.rows[b, n, order, row] = dense_value(at, before, whole, k1, k2, k3)
        n += 1
    x.counts[b, NEXT] = n


@functools.cache
def batch_lanes(activation: str, K: int, M: int) -> Callable[..., bool]:
    """Kernel (queue, space, alpha, atol, rtol, budget): `budget` attempts in every lane; False when all have ended."""
    attempt, turn_all = rosenbrock_lanes(activation, K, M), sector_passes(K, M, 1).turn_all

    @kernel(f"{activation}-{shape_variant(K, M)}")
    def advance(queue: Queue, lanes: LaneSpace, alpha: Array, atol: float, rtol: float, budget: int) -> bool:
        x, space, f, g = refer(queue), refer(lanes), lanes.sectors, lanes.small
        y = as_lanes(space.y)
        sectors = Sectors(
            f.offset,
            as_lanes(f.rate),
            as_lanes(f.noise),
            as_lanes(f.variance),
            as_lanes(f.z),
            as_lanes(f.trial),
            as_lanes(f.stages),
            as_lanes(f.inverse),
        )
        small = Small(
            as_lanes(g.T),
            as_lanes(g.a),
            g.overlap,
            as_lanes(g.C),
            as_lanes(g.V),
            as_lanes(g.moving),
            as_lanes(g.L),
            as_lanes(g.A),
            as_lanes(g.G),
            as_lanes(g.JA),
            as_lanes(g.JG),
            as_lanes(g.scratch),
            as_lanes(g.moments),
            as_lanes(g.coupling),
            g.pivots,
            as_lanes(g.rows),
            as_lanes(g.dC),
        )
        s, w = refer(sectors), refer(small)
        swaps, weights, sums = as_lanes(space.swaps), as_lanes(space.weights), as_lanes(space.sums)
        noise_variance, floor, h = as_lanes(space.noise_variance), as_lanes(space.floor), as_lanes(space.h)
        accepted, back = as_lanes(space.accepted), room(w.V, (K, K))
        nothing, said, table = room(w.T, (M, M)), np.empty((3, WIDTH)), DENSE.copy()
        report = as_lanes(said)
        nothing[:] = 0.0
        numbers, counts, codes, seats = x.numbers, x.counts, x.codes, x.seats
        taken, sizes, began = space.accepted, space.h, np.empty(WIDTH)
        for _ in range(budget):
            if not _fill(x, space, alpha):
                return False
            report[0], report[1], report[2] = attempt(y, s, w, swaps, noise_variance[0], h[0], floor[0], atol, rtol)
            passed = False
            for lane in range(WIDTH):
                b = seats[lane]
                taken[0, lane] = 0.0
                if b >= 0:
                    began[lane] = numbers[b, ALPHA]
                    error, far, size = said[0, lane], said[1, lane] > 0.0, said[2, lane]
                    if _decide(numbers, counts, codes, b, sizes[0, lane], alpha[-1], error, far, size):
                        taken[0, lane] = 1.0
                        passed |= alpha[counts[b, NEXT]] <= numbers[b, ALPHA]
            if passed:
                dense_rows(s, w, weights, x.order_one, nothing, table, sums)
                for lane in range(WIDTH):
                    if taken[0, lane] > 0.0:
                        _write_outputs(x, seats[lane], lane, alpha, began[lane], sizes[0, lane], space.sums)
            for i in range(K):
                for j in range(K):
                    back[i, j] = w.V[j, i]
            turn_all(s.trial, back, s.offset, s.z)
            for k in range(y.shape[0]):
                for row in range(y.shape[1]):
                    y[k, row] = choose(accepted[0], s.z[k, row], y[k, row])
        for lane in range(WIDTH):
            if x.seats[lane] >= 0:
                _save(x, x.seats[lane], space.y, lane)
        return True

    return advance
