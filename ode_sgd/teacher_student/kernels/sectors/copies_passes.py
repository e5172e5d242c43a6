"""Passes over all sectors with two copies of the weights, block by block, in the eigenbasis of D.

As those of sector_passes.py.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room, zeros
from ode_sgd.teacher_student.kernels.integration.stage_sums import stage_sums
from ode_sgd.teacher_student.kernels.sectors.block_loops import Offsets
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.kernels.sectors.copies_generated import copies_blocks_of
from ode_sgd.teacher_student.kernels.sectors.generated_block import one_of_its_kind, shape_variant
from ode_sgd.teacher_student.kernels.sectors.sector_passes import look_ahead, sum_lanes


class CopySectors(NamedTuple):
    """Constants and work space of all sectors, rows as in copies_layout.py."""

    offset: Offsets  # (2K + M, 2K + M), where the row of an overlap begins in a block
    column: Offsets  # (2K + M, d), of those with the fields (J, B)
    factors: Array  # (blocks, 3 LANES): rate, noise and decay of unit pace
    variance: Array  # (blocks, LANES), w lambda
    z: Array  # (blocks, rows and those of t), the state turned into the eigenbasis, and t
    trial: Array  # (blocks, rows), the next state, turned
    stages: Array  # (8, blocks or more, rows), g_1 .. g_8, turned
    inverse: Array  # (blocks, (K + K(K+1)/2) LANES), see copies_blocks.py
    force: Array  # (blocks, rows): derivative of the drift by alpha, at the step's start; of no length if it has none
    start: Array  # (MIX,), numbers of the rule at the step's start
    now: Array  # (MIX,), in a stage
    step: Array  # (2,): 1 / (gamma h), and the mean over sectors of tr <W, W>
    L: Array  # (K,), eigenvalues of D


_OFFSETS, _MATRIX, _STACK, _VECTOR = np.zeros((1, 1), np.uint64), np.zeros((1, 1)), np.zeros((1, 1, 1)), np.zeros(1)
COPY_SECTORS = CopySectors(
    _OFFSETS,
    _OFFSETS,
    _MATRIX,
    _MATRIX,
    _MATRIX,
    _MATRIX,
    _STACK,
    _MATRIX,
    _MATRIX,
    _VECTOR,
    _VECTOR,
    _VECTOR,
    _VECTOR,
)  # the smallest, an example of the types


class CopiesPasses(NamedTuple):
    """The compiled passes of one shape."""

    turn_all: Callable[..., None]  # (y, V, offset, z)
    coupling_moments: Callable[..., None]  # (s, g, L, E, sums)
    set_force: Callable[..., None]  # (s, slopes, A, G, A_slope, G_slope, still)
    stage_pass: Callable[..., None]  # (s, stage, a, c, share, E, dA, dG, A, G, dC)
    finish_pass: Callable[..., float]  # (s, E, dA, dG, mean_size, atol, rtol) -> error norm
    dense: Callable[..., None]  # (s, weights, orders, back, rows, kept)


def copies_passes(K: int, M: int, decays: bool) -> CopiesPasses:
    """Build (or load from disk) the passes for K students and M teachers, for rules with decay or without."""
    return _passes(*one_of_its_kind(K, M), decays or shape_variant(K, M) == "any")


@functools.cache
def _passes(K: int, M: int, decays: bool) -> CopiesPasses:
    variant, its, sum_stages = shape_variant(K, M) + "-decay" * decays, copies_blocks_of(K, M, decays), stage_sums()
    turn, invert, moments, drift, solve_stage, finish, error_ratios = its

    @kernel(variant)
    def turn_all(y: Array, V: Array, offset: Offsets, z: Array) -> None:
        for block in range(y.shape[0]):
            turn(y[block], V, offset, z[block])

    @kernel(variant)
    def coupling_moments(s: CopySectors, g: float, L: Array, E: Array, sums: Array) -> None:
        """The sectors' inverses, and M1, N, H of block_loops.moments one after the other. Equation: (18.5)."""
        totals, K = zeros(sums, (sums.size * LANES,)), L.size
        s.step[0], size, trace = g, 0.0, 0.0
        for i in range(K):
            s.L[i] = L[i]
        for block in range(s.variance.shape[0]):
            z, inverse, factors, variance = s.z[block], s.inverse[block], s.factors[block], s.variance[block]
            invert(factors, g, s.start, L, s.offset, inverse)
            moments(z, inverse, factors, variance, g, s.start, L, E, s.offset, s.column, totals)
            for lane in range(LANES):
                trace += variance[lane]
                for i in range(K):
                    size += variance[lane] * z[s.offset[K + i, K + i] + np.uint64(lane)]
        s.step[1] = size / trace
        sum_lanes(totals, sums)

    @kernel(variant)
    def set_force(
        s: CopySectors, slopes: Array, A: Array, G: Array, A_slope: Array, G_slope: Array, still: Array
    ) -> None:
        """The derivative of the drift by alpha at fixed overlaps, of every sector.

        `slopes` is the derivative of the mix, `still` the mix itself without Gamma, with the slope of the decay's pace.

        Equation: (18.2).
        """
        for block in range(s.force.shape[0]):
            force, z, factors = s.force[block], s.z[block], s.factors[block]
            for e in range(force.size):
                force[e] = 0.0
            drift(z, factors, slopes, A, G, s.offset, s.column, force)
            drift(z, factors, still, A_slope, G_slope, s.offset, s.column, force)

    @kernel(variant, sums=True)
    def stage_pass(
        s: CopySectors,
        stage: int,
        a: Array,
        c: Array,
        share: float,
        E: Array,
        dA: Array,
        dG: Array,
        A: Array,
        G: Array,
        dC: Array,
    ) -> None:
        """Finish stage - 1 with its dA, dG; then solve `stage` without coupling and sum its dC (p,).

        As sector_passes.stage_pass, with `share` of the derivative by alpha.
        """
        size, last, g, L = s.trial.shape[1], s.stages.shape[0] - 1, s.step[0], s.L
        arg, b, totals = room(s.z, (s.z.shape[1],)), room(s.z, (size,)), zeros(s.z, (dC.size * LANES,))
        for block in range(s.variance.shape[0]):
            look_ahead(s, block, stage + 1)
            z, inverse, factors = s.z[block], s.inverse[block], s.factors[block]
            if stage > 0:
                before = s.stages[stage - 1, block]
                finish(z, before, inverse, factors, g, s.start, L, E, dA, dG, s.offset, s.column)
            sum_stages(stage, a, c, s.stages, block, z, arg, b)
            if share != 0.0:
                force = s.force[block]
                for e in range(size):
                    b[e] += share * force[e]
            if stage == last:
                for e in range(size):
                    s.trial[block, e] = arg[e]
            x, variance = s.stages[stage, block], s.variance[block]
            solve_stage(
                z, arg, b, x, inverse, factors, variance, g, s.now, s.start, L, E, A, G, s.offset, s.column, totals
            )
        sum_lanes(totals, dC)

    @kernel(variant)
    def finish_pass(
        s: CopySectors, E: Array, dA: Array, dG: Array, mean_size: float, atol: float, rtol: float
    ) -> float:
        """Finish the last stage, form the new state in `trial`, and return the error norm. Equation: (18.6)."""
        size, last = s.trial.shape[1], s.stages.shape[0] - 1
        worst, poison = zeros(s.z, (LANES,)), zeros(s.z, (LANES,))
        for block in range(s.variance.shape[0]):
            z, g, trial = s.z[block], s.stages[last, block], s.trial[block]
            finish(z, g, s.inverse[block], s.factors[block], s.step[0], s.start, s.L, E, dA, dG, s.offset, s.column)
            for e in range(size):
                trial[e] += g[e]
            error_ratios(z, g, trial, mean_size, s.step[1], atol, rtol, s.offset, worst, poison)
        result = 0.0
        for lane in range(LANES):
            result = max(result, worst[lane]) + poison[lane]
        return result

    @kernel(variant, sums=True)
    def dense(s: CopySectors, weights: Array, orders: Array, back: Array, rows: Array, kept: Array) -> None:
        """Sums (orders, rows) over sectors, with weights (orders, blocks, LANES), of z + sum_j weights[j] g_j.

        Turned back. Into `kept` (blocks, rows LANES) goes the state itself, if it has a length. Equation: (2.3).
        """
        size = s.trial.shape[1]
        value, spare, out = room(s.z, (size,)), room(s.z, (size,)), room(s.z, (size,))
        totals = zeros(s.z, (orders.shape[0], size))
        for block in range(s.variance.shape[0]):
            sum_stages(weights.size, weights, weights, s.stages, block, s.z[block], value, spare)
            for order in range(orders.shape[0]):
                total, weight = totals[order], orders[order, block]
                for row in range(0, size, LANES):
                    for lane in range(LANES):
                        total[row + lane] += weight[lane] * value[row + lane]
            if kept.shape[0] > 0:
                turn(value, back, s.offset, kept[block])
        for order in range(orders.shape[0]):
            sum_lanes(totals[order], rows[order])
            for row in range(rows.shape[1]):
                for lane in range(LANES):
                    value[row * LANES + lane] = rows[order, row]
            turn(value, back, s.offset, out)
            for row in range(rows.shape[1]):
                rows[order, row] = out[row * LANES]

    return CopiesPasses(turn_all, coupling_moments, set_force, stage_pass, finish_pass, dense)
