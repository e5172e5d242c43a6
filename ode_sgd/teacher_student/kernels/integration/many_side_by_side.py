"""Many problems of one small shape, WIDTH of them at a time side by side; a lane that ends takes the next problem."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ode_sgd.core.alignment import aligned_zeros
from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.compile.references import refer
from ode_sgd.core.kernels.vector_type import WIDTH, as_lanes, choose, room
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.integration.batch import Batch
from ode_sgd.teacher_student.kernels.integration.dense_output import DENSE, STAGES, dense_rows, dense_value
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
from ode_sgd.teacher_student.kernels.integration.steps_side_by_side import steps_side_by_side
from ode_sgd.teacher_student.kernels.sectors.generated_block import shape_variant
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count
from ode_sgd.teacher_student.kernels.sectors.sector_passes import Sectors, sector_passes


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
    occupants: Indices  # (WIDTH + 1,), not split: the problem in every lane or -1, and the next one that waits


def lane_space(K: int, M: int, L: int, orders: int, factors: int) -> LaneSpace:
    """Work space for one thread, for so many orders of sums and so many factors of the rule."""
    d, p, P, pairs = K + M, row_count(K, M), row_count(K + M, 0), K * (K + 1) // 2

    def empty(*shape: int) -> Array:
        array = aligned_zeros(*shape, WIDTH)
        array.fill(1.0)  # a number that does no harm in a lane without a problem
        return array

    index = overlap_index(K, M)
    sectors = Sectors(
        offset=index.astype(np.uint64),
        factors=empty(L, factors),
        variance=empty(L, 1),
        z=empty(L, P),
        trial=empty(L, p),
        stages=empty(STAGES, L | 1, p),  # odd, as in work_space of integration/rosenbrock.py
        inverse=empty(L, K + pairs),
    )
    V = empty(K, K)
    small = Small(
        T=empty(M, M),
        a=empty(d),
        overlap=index,
        C=empty(d, d),
        V=V,
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
        second=np.zeros(2),
        into=V,
    )
    more = empty(p, p), empty(1), empty(1), empty(1), empty(1), empty(orders, L, 1), empty(orders, 5, p)
    return LaneSpace(empty(L, p), sectors, small, *more, np.array([-1] * WIDTH + [0]))


@kernel()
def load_problem(x: Batch, b: int, space: LaneSpace, lane: int) -> None:
    """Problem b into a lane."""
    s, w = space.sectors, space.small
    factors, variance, t, T, a, noise_variance, _, _ = x.constants
    p = x.y.shape[2]
    for k in range(variance.shape[1]):
        for row in range(p):
            space.y[k, row, lane] = x.y[b, k, row]
        for row in range(t.shape[2]):
            s.z[k, p + row, lane] = t[b, k, row]
        for row in range(factors.shape[2]):
            s.factors[k, row, lane] = factors[b, k, row]
        s.variance[k, 0, lane] = variance[b, k, 0]
        for order in range(x.weights.shape[1]):
            space.weights[order, k, 0, lane] = x.weights[b, order, k, 0]
    for n in range(T.shape[1]):
        for m in range(T.shape[1]):
            w.T[n, m, lane] = T[b, n, m]
    for c in range(a.shape[1]):
        w.a[c, lane] = a[b, c]
    space.noise_variance[0, lane], space.floor[0, lane] = noise_variance[b], x.numbers[b, FLOOR]


@kernel()
def store_state(x: Batch, b: int, y: Array, lane: int) -> None:
    """The state of problem b out of a lane."""
    for k in range(y.shape[0]):
        for row in range(y.shape[1]):
            x.y[b, k, row] = y[k, row, lane]


@kernel(inline=True, always=True)
def set_next_step(numbers: Array, counts: Indices, codes: Indices, b: int, alpha: Array, h: Array, lane: int) -> bool:
    """Set the next step of problem b; False, with its status, where there is none."""
    if codes[b] == RUNNING:
        codes[b], h[0, lane] = next_step(numbers[b], counts[b], alpha, alpha[-1])
    return codes[b] == RUNNING


@kernel()
def occupy_lanes(x: Batch, space: LaneSpace, alpha: Array) -> bool:
    """Give every lane a problem that has a step to take, as long as there are any; False if all have ended."""
    numbers, counts, codes, occupants, h = x.numbers, x.counts, x.codes, space.occupants, space.h
    working = False
    for lane in range(WIDTH):
        b = occupants[lane]
        if b >= 0 and not set_next_step(numbers, counts, codes, b, alpha, h, lane):
            store_state(x, b, space.y, lane)
            b = -1
        while b < 0 and occupants[WIDTH] < codes.size:
            waiting = occupants[WIDTH]
            load_problem(x, waiting, space, lane)
            if set_next_step(numbers, counts, codes, waiting, alpha, h, lane):
                b = waiting
            occupants[WIDTH] += 1
        if b < 0:
            h[0, lane] = 1.0
        occupants[lane] = b
        working |= b >= 0
    return working


@kernel()
def end_attempt(
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
def write_outputs(x: Batch, b: int, lane: int, alpha: Array, began: float, h: float, sums: Array) -> None:
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


@kernel(inline=True)
def vectors_of_sectors(f: Sectors) -> Sectors:
    """The same, with the lanes of an element as one vector."""
    return Sectors(
        f.offset,
        as_lanes(f.factors),
        as_lanes(f.variance),
        as_lanes(f.z),
        as_lanes(f.trial),
        as_lanes(f.stages),
        as_lanes(f.inverse),
    )


@kernel(inline=True)
def vectors_of_matrices(g: Small) -> Small:
    """The same, with the lanes of an element as one vector."""
    return Small(
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
        g.second,
        as_lanes(g.into),
    )


@kernel()
def judge(x: Batch, space: LaneSpace, said: Array, alpha: Array, began: Array) -> bool:
    """Step control of every lane after an attempt, of which `said` (3, WIDTH) tells; whether any passed an output."""
    passed = False
    for lane in range(WIDTH):
        b = space.occupants[lane]
        space.accepted[0, lane] = 0.0
        if b >= 0:
            began[lane] = x.numbers[b, ALPHA]
            error, far, size = said[0, lane], said[1, lane] > 0.0, said[2, lane]
            if end_attempt(x.numbers, x.counts, x.codes, b, space.h[0, lane], alpha[-1], error, far, size):
                space.accepted[0, lane] = 1.0
                passed |= alpha[x.counts[b, NEXT]] <= x.numbers[b, ALPHA]
    return passed


@functools.cache
def advance_side_by_side(activation: Averages, K: int, M: int, rows: int) -> Callable[..., bool]:
    """Kernel (batch, space, alpha, atol, rtol, budget): `budget` attempts in every lane; False when all have ended."""
    attempt, turn_all = steps_side_by_side(activation, K, M, rows), sector_passes(K, M, rows, 1).turn_all

    @kernel(f"{activation.variant}-{shape_variant(K, M)}-{rows}")
    def advance(batch: Batch, lanes: LaneSpace, alpha: Array, atol: float, rtol: float, budget: int) -> bool:
        x, space = refer(batch), refer(lanes)
        sectors, small = vectors_of_sectors(lanes.sectors), vectors_of_matrices(lanes.small)
        s, w, y = refer(sectors), refer(small), as_lanes(space.y)
        swaps, weights, sums = as_lanes(space.swaps), as_lanes(space.weights), as_lanes(space.sums)
        noise_variance, floor, h = as_lanes(space.noise_variance), as_lanes(space.floor), as_lanes(space.h)
        accepted, back = as_lanes(space.accepted), room(w.V, (K, K))
        nothing, said, table, began = room(w.T, (M, M)), room(alpha, (3, WIDTH)), DENSE.copy(), np.empty(WIDTH)
        report = as_lanes(said)
        nothing[:] = 0.0
        for _ in range(budget):
            if not occupy_lanes(x, space, alpha):
                return False
            report[0], report[1], report[2] = attempt(y, s, w, swaps, noise_variance[0], h[0], floor[0], atol, rtol)
            if judge(x, space, said, alpha, began):
                dense_rows(s, w, weights, x.order_one, nothing, table, sums)
                for lane in range(WIDTH):
                    if space.accepted[0, lane] > 0.0:
                        write_outputs(x, space.occupants[lane], lane, alpha, began[lane], space.h[0, lane], space.sums)
            for i in range(K):
                for j in range(K):
                    back[i, j] = w.V[j, i]
            turn_all(s.trial, back, s.offset, s.z)
            for k in range(y.shape[0]):
                for row in range(y.shape[1]):
                    y[k, row] = choose(accepted[0], s.z[k, row], y[k, row])
        for lane in range(WIDTH):
            if space.occupants[lane] >= 0:
                store_state(x, space.occupants[lane], space.y, lane)
        return True

    return advance
