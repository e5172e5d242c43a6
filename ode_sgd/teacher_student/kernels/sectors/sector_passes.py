"""Passes over all sectors of one Rosenbrock step, block by block (blocks.py), in the eigenbasis of D.

For arrays of numbers; or, with blocks of one sector, of vectors that hold a number of several problems
(core/kernels/vector_type.py).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.prefetch import prefetch
from ode_sgd.core.kernels.vector_type import room, zeros
from ode_sgd.teacher_student.kernels.integration.stage_sums import stage_sums
from ode_sgd.teacher_student.kernels.sectors.block_loops import Offsets
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.kernels.sectors.generated_block import (
    UNSYMMETRIC,
    block_kernels,
    one_of_its_kind,
    shape_variant,
)
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, DECAY_FORCED

BEYOND_CACHES = 1_000_000  # numbers in all stages


class Sectors(NamedTuple):
    """Constants and work space of all sectors; p rows move, P = p + M(M+1)/2 with those of t."""

    offset: Offsets  # (d, d), where the row of c_ab begins in a block
    factors: Array  # (blocks, rows LANES), what the rule does: rows of rule_factors.py
    variance: Array  # (blocks, LANES), w lambda
    z: Array  # (blocks, P LANES), the state turned into the eigenbasis, and t
    trial: Array  # (blocks, p LANES), the next state, turned
    stages: Array  # (8, blocks or more, p LANES), g_1 .. g_8, turned
    inverse: Array  # (blocks, (K + K(K+1)/2) LANES), see block_loops.py


_MATRIX, _STACK = np.zeros((1, 1)), np.zeros((1, 1, 1))
SECTORS = Sectors(
    _MATRIX.astype(np.uint64), _MATRIX, _MATRIX, _MATRIX, _MATRIX, _STACK, _MATRIX
)  # the smallest, an example of the types


class SectorPasses(NamedTuple):
    """The compiled passes of one shape."""

    turn_all: Callable[..., None]  # (y, V, offset, z)
    coupling_moments: Callable[..., None]  # (s, g, L, E, moments)
    stage_pass: Callable[..., None]  # (s, stage, a, c, E, dA, dG, A, G, dC)
    finish_pass: Callable[..., float]  # (s, E, dA, dG, mean_size, atol, rtol) -> error norm
    dense_sectors: Callable[..., None]  # (s, weights, back, out)


@kernel(sums=True)
def sum_lanes(lanes: Array, sums: Array) -> None:
    """sums[row] = sum over the lanes of a row."""
    count = lanes.size // sums.size
    for row in range(sums.size):
        total = 0.0
        for lane in range(count):
            total += lanes[row * count + lane]
        sums[row] = total


@kernel(sums=True)
def sector_sums(y: Array, weight: Array, rows: Array) -> None:
    """rows (p,) = sum over sectors of weight (blocks, LANES) times overlaps. Equation: (2.2)."""
    count = weight.shape[1]
    lanes = zeros(y, (rows.size * count,))
    for block in range(y.shape[0]):
        for row in range(rows.size):
            for lane in range(count):
                lanes[row * count + lane] += weight[block, lane] * y[block, row * count + lane]
    sum_lanes(lanes, rows)


sum_all = stage_sums()


@kernel(inline=True, always=True)
def look_ahead(s: Any, block: int, stages: int) -> None:
    """Have the block after next brought near, with that many stages, where they do not fit the caches.

    The processor guesses what comes next in every stream, but not while it computes.
    """
    later = block + 2
    if s.stages.size > BEYOND_CACHES and later < s.variance.shape[0]:
        for j in range(stages):
            prefetch(s.stages[j, later])
        prefetch(s.z[later])
        prefetch(s.inverse[later])


@kernel(sums=True)
def dense_sums(s: Sectors, weights: Array, skipped: int, table: Array, sums: Array) -> None:
    """Sums over sectors, with weights (orders, blocks, LANES), that dense output is made of, (orders, 1 + rows, p).

    Of the turned state before the step, and of sum_j table[m, j] g_j for the rows m of table (rows, 8). One order is
    left out, and what follows the p overlaps in a row.

    Equation: (2.3).
    """
    orders, rows, size, width = sums.shape[0], table.shape[0], s.trial.shape[1], weights.shape[2]
    p = size // width
    lanes, values = zeros(sums, (orders * (1 + rows) * size,)), room(sums, (rows + 1, size))
    nothing, tile = zeros(sums, (size,)), room(sums, (size,))
    for block in range(s.variance.shape[0] if orders > 1 else 0):
        look_ahead(s, block, table.shape[1])
        for m in range(0, rows, 2):
            other = min(m + 1, rows - 1)
            sum_all(table.shape[1], table[m], table[other], s.stages, block, nothing, values[m], values[m + 1])
        for order in range(orders):
            if order != skipped:
                total = lanes[order * (1 + rows) * size : (order + 1) * (1 + rows) * size]
                for row in range(p):
                    for lane in range(width):
                        tile[row * width + lane] = weights[order, block, lane]
                for e in range(size):
                    total[e] += tile[e] * s.z[block, e]
                for m in range(rows):
                    for e in range(size):
                        total[(1 + m) * size + e] += tile[e] * values[m, e]
    for order in range(orders):
        if order != skipped:
            for m in range(1 + rows):
                at = (order * (1 + rows) + m) * size
                sum_lanes(lanes[at : at + size], sums[order, m, :p])


@kernel(inline=True)
def set_left(g: float, factors: Array, left: Array) -> None:
    """What the left factors of r, then of q, hold beside the rate: g + decay and g + 2 decay, (2 lanes,)."""
    lanes = np.uint64(left.size // 2)
    for lane in range(lanes):
        left[lane] = left[lanes + lane] = g
    if factors.size > np.uint64(DECAY) * lanes:
        for lane in range(lanes):
            decay = factors[np.uint64(DECAY) * lanes + lane]
            left[lane] += decay
            left[lanes + lane] += 2.0 * decay


def sector_passes(K: int, M: int, rows: int, lanes: int = LANES, symmetric: bool = True) -> SectorPasses:
    """Build (or load from disk) the passes for K students and M teachers, in blocks of `lanes` sectors.

    `rows` are those of the rule's factors; `symmetric` says whether D is, and where it is not nothing is turned.
    """
    shape = one_of_its_kind(K, M) if symmetric else UNSYMMETRIC
    turn_all, coupling_moments, finish_pass, dense_sectors = _passes(*shape, lanes)
    stage_pass = _stage_pass(*shape, lanes, rows > DECAY, rows > DECAY_FORCED)
    return SectorPasses(turn_all, coupling_moments, stage_pass, finish_pass, dense_sectors)


@functools.cache
def _passes(K: int, M: int, lanes: int) -> tuple[Callable[..., Any], ...]:
    """Those that take any rule."""
    variant = shape_variant(K, M, lanes)
    turn, moments, couple, _, error_ratios, *_ = block_kernels(K, M, lanes)
    sum_stages = stage_sums(2 if lanes > 1 else 1)  # with one sector a block, a sum in vain costs as much as another

    @kernel(variant)
    def turn_all(y: Array, V: Array, offset: Offsets, z: Array) -> None:
        for block in range(y.shape[0]):
            turn(y[block], V, offset, z[block])

    @kernel(variant)
    def coupling_moments(s: Sectors, g: float, L: Array, E: Array, sums: Array) -> None:
        """Inverses of the sectors' left factors, and M1, N, H of block_loops.moments one after the other."""
        totals = zeros(sums, (sums.size * s.variance.shape[1],))
        left = room(sums, (2 * s.variance.shape[1],))
        for block in range(s.variance.shape[0]):
            factors = s.factors[block]
            set_left(g, factors, left)
            moments(s.z[block], s.inverse[block], factors, s.variance[block], left, L, E, s.offset, totals)
        sum_lanes(totals, sums)

    @kernel(variant, sums=True)
    def finish_pass(s: Sectors, E: Array, dA: Array, dG: Array, mean_size: float, atol: float, rtol: float) -> float:
        """Finish the last stage, form the new state in `trial`, and return the error norm.

        It is the worst sector's. The error of q_k (Frobenius norm) is held against atol + rtol size_k, size_k the
        larger of tr q_k and its mean over sectors, that of r_k against atol + rtol sqrt(size_k |tr t_k|), its largest
        possible value. Neither changes when the basis turns. Nodes that stand for a spectrum may have negative traces.

        Equation: (5.3).
        """
        size, last = s.trial.shape[1], s.stages.shape[0] - 1
        worst, poison = zeros(s.z, (s.variance.shape[1],)), zeros(s.z, (s.variance.shape[1],))
        for block in range(s.variance.shape[0]):
            z, g, trial = s.z[block], s.stages[last, block], s.trial[block]
            couple(z, g, s.inverse[block], s.factors[block], E, dA, dG, s.offset)
            for e in range(size):
                trial[e] += g[e]
            error_ratios(z, g, trial, E, mean_size, atol, rtol, s.offset, worst, poison)
        result = 0.0
        for lane in range(worst.size):
            result = max(result, worst[lane]) + poison[lane]
        return result

    @kernel(variant, sums=True)
    def dense_sectors(s: Sectors, weights: Array, back: Array, out: Array) -> None:
        """z + sum_j weights[j] g_j of every sector, turned back with `back` = V^T, (blocks, p LANES)."""
        size = s.trial.shape[1]
        value, spare = room(s.z, (size,)), room(s.z, (size,))
        for block in range(s.variance.shape[0]):
            sum_stages(weights.size, weights, weights, s.stages, block, s.z[block], value, spare)
            turn(value, back, s.offset, out[block])

    return turn_all, coupling_moments, finish_pass, dense_sectors


@functools.cache
def _stage_pass(K: int, M: int, lanes: int, decays: bool, timed: bool) -> Callable[..., None]:
    """One for rules with decay and one without: a branch inside would keep the sums of a stage out of registers.

    `timed` says that the decay changes with alpha.
    """
    variant = shape_variant(K, M, lanes) + "-decay" * decays + "-timed" * timed
    _, _, couple, solve, _, add_decay, add_timed_decay = block_kernels(K, M, lanes)
    sum_stages = stage_sums(2 if lanes > 1 else 1)

    @kernel(variant, sums=True)
    def stage_pass(
        s: Sectors, stage: int, a: Array, c: Array, E: Array, dA: Array, dG: Array, A: Array, G: Array, dC: Array
    ) -> None:
        """Finish stage - 1 with its dA, dG; then solve `stage` without coupling and sum its dC (p,).

        a and c / h are the method's coefficients of this stage, A and G the coefficients at its argument. That of the
        last stage, which lacks only g_8 to be the new state, goes into `trial`.
        """
        size, last = s.trial.shape[1], s.stages.shape[0] - 1
        arg, b, totals = room(s.z, (s.z.shape[1],)), room(s.z, (size,)), zeros(s.z, (size,))
        for block in range(s.variance.shape[0]):
            look_ahead(s, block, stage + 1)
            z, inverse, factors = s.z[block], s.inverse[block], s.factors[block]
            if stage > 0:
                couple(z, s.stages[stage - 1, block], inverse, factors, E, dA, dG, s.offset)
            sum_stages(stage, a, c, s.stages, block, z, arg, b)
            if timed:
                add_timed_decay(arg, z, factors, s.variance[block], s.offset, b)
            elif decays:
                add_decay(arg, factors, s.variance[block], s.offset, b)
            if stage == last:
                for e in range(size):
                    s.trial[block, e] = arg[e]
            g = s.stages[stage, block]
            solve(z, arg, b, g, inverse, factors, s.variance[block], E, A, G, s.offset, totals)
        sum_lanes(totals, dC)

    return stage_pass
