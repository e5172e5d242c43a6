"""Passes over all sectors of one Rosenbrock step, block by block (blocks.py), in the eigenbasis of D.

For arrays of numbers; or, with blocks of one sector, of vectors that hold a number of several problems (lanes.py).
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ode_sgd.kernels.block_code import block_kernels, shape_variant
from ode_sgd.kernels.block_loops import Offsets
from ode_sgd.kernels.blocks import LANES
from ode_sgd.kernels.compile import Array, kernel
from ode_sgd.kernels.lanes import room, zeros


class Sectors(NamedTuple):
    """Constants and work space of all sectors; p rows move, P = p + M(M+1)/2 with those of t."""

    offset: Offsets  # (d, d), where the row of c_ab begins in a block
    rate: Array  # (blocks, LANES), eta lambda
    noise: Array  # (blocks, LANES), eta^2 lambda
    variance: Array  # (blocks, LANES), w lambda
    z: Array  # (blocks, P LANES), the state turned into the eigenbasis, and t
    trial: Array  # (blocks, p LANES), the next state, turned
    stages: Array  # (blocks, 8, p LANES), g_1 .. g_8, turned
    inverse: Array  # (blocks, (K + K(K+1)/2) LANES), see block_loops.py


class SectorPasses(NamedTuple):
    """The compiled passes of one shape."""

    turn_all: Callable[..., None]  # (y, V, offset, z)
    coupling_moments: Callable[..., None]  # (s, g, L, E, moments)
    stage_pass: Callable[..., None]  # (s, stage, a, c, E, dA, dG, A, G, dC)
    finish_pass: Callable[..., float]  # (s, a, E, dA, dG, mean_size, atol, rtol) -> error norm
    dense_sectors: Callable[..., None]  # (s, x, H, back, out)


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
    """rows (p,) = sum over sectors of weight (blocks, LANES) times overlaps."""
    count = weight.shape[1]
    lanes = zeros(y, rows.size * count)
    for block in range(y.shape[0]):
        for row in range(rows.size):
            for lane in range(count):
                lanes[row * count + lane] += weight[block, lane] * y[block, row * count + lane]
    sum_lanes(lanes, rows)


@kernel(sums=True)
def dense_sums(s: Sectors, weight: Array, H: Array, sums: Array) -> None:
    """Sums over sectors with a weight (blocks, LANES) of what the dense output needs, (5, p).

    The turned state before and after the step, and k_m = sum_j H_mj g_j.
    """
    p, count = sums.shape[1], s.stages.shape[1]
    width = weight.shape[1]
    size = p * width
    lanes, tile = room(sums, (count + 2, size)), room(sums, (size,))
    lanes[:] = 0.0
    for block in range(s.rate.shape[0]):
        for e in range(size):
            tile[e] = weight[block, e % width]
        for e in range(size):
            lanes[count, e] += tile[e] * s.z[block, e]
        for e in range(size):
            lanes[count + 1, e] += tile[e] * s.trial[block, e]
        for j in range(count):
            for e in range(size):
                lanes[j, e] += tile[e] * s.stages[block, j, e]
    sum_lanes(lanes[count], sums[0])
    sum_lanes(lanes[count + 1], sums[1])
    moved = room(sums, (p,))
    for m in range(2, 5):
        for row in range(p):
            sums[m, row] = 0.0
    for j in range(count):
        sum_lanes(lanes[j], moved)
        for m in range(3):
            for row in range(p):
                sums[2 + m, row] += H[m, j] * moved[row]


@functools.cache
def sector_passes(K: int, M: int, lanes: int = LANES) -> SectorPasses:
    """Build (or load from disk) the passes for K students and M teachers, in blocks of `lanes` sectors."""
    variant = shape_variant(K, M, lanes)
    turn, moments, couple, solve, error_ratios, add_stages = block_kernels(K, M, lanes)

    @kernel(variant)
    def turn_all(y: Array, V: Array, offset: Offsets, z: Array) -> None:
        for block in range(y.shape[0]):
            turn(y[block], V, offset, z[block])

    @kernel(variant)
    def coupling_moments(s: Sectors, g: float, L: Array, E: Array, sums: Array) -> None:
        """Inverses of the sectors' left factors, and M1, N, H of block_loops.moments one after the other."""
        totals = zeros(sums, sums.size * s.rate.shape[1])
        for block in range(s.rate.shape[0]):
            moments(
                s.z[block],
                s.inverse[block],
                s.rate[block],
                s.noise[block],
                s.variance[block],
                g,
                L,
                E,
                s.offset,
                totals,
            )
        sum_lanes(totals, sums)

    @kernel(variant, sums=True)
    def stage_pass(
        s: Sectors, stage: int, a: Array, c: Array, E: Array, dA: Array, dG: Array, A: Array, G: Array, dC: Array
    ) -> None:
        """Finish stage - 1 with its dA, dG; then solve `stage` without coupling and sum its dC (p,).

        a and c / h are the method's coefficients of this stage, A and G the coefficients at its argument.
        """
        size = s.trial.shape[1]
        arg, b, totals = room(s.z, (s.z.shape[1],)), room(s.z, (size,)), zeros(s.z, size)
        for block in range(s.rate.shape[0]):
            z, g, inverse = s.z[block], s.stages[block], s.inverse[block]
            rate, noise = s.rate[block], s.noise[block]
            if stage > 0:
                couple(z, g[stage - 1], inverse, rate, noise, E, dA, dG, s.offset)
            for e in range(size):
                arg[e] = z[e]
                b[e] = 0.0
            add_stages(stage, a, g, arg[:size])
            add_stages(stage, c, g, b)
            solve(z, arg, b, g[stage], inverse, rate, noise, s.variance[block], E, A, G, s.offset, totals)
        sum_lanes(totals, dC)

    @kernel(variant, sums=True)
    def finish_pass(
        s: Sectors, a: Array, E: Array, dA: Array, dG: Array, mean_size: float, atol: float, rtol: float
    ) -> float:
        """Finish the last stage, form the new state in `trial`, and return the error norm: the worst sector's.

        The error of q_k (Frobenius norm) is held against atol + rtol size_k, size_k the larger of tr q_k and its mean
        over sectors, that of r_k against atol + rtol sqrt(size_k |tr t_k|), its largest possible value. Neither changes
        when the basis turns. Nodes that stand for a spectrum may have negative traces.
        """
        size, last = s.trial.shape[1], s.stages.shape[1] - 1
        worst, poison = zeros(s.z, s.rate.shape[1]), zeros(s.z, s.rate.shape[1])
        for block in range(s.rate.shape[0]):
            z, g, trial = s.z[block], s.stages[block], s.trial[block]
            couple(z, g[last], s.inverse[block], s.rate[block], s.noise[block], E, dA, dG, s.offset)
            for e in range(size):
                trial[e] = z[e] + g[last, e]
            add_stages(last, a, g, trial)
            error_ratios(z, g[last], trial, E, mean_size, atol, rtol, s.offset, worst, poison)
        result = 0.0
        for lane in range(worst.size):
            result = max(result, worst[lane]) + poison[lane]
        return result

    @kernel(variant, sums=True)
    def dense_sectors(s: Sectors, x: float, H: Array, back: Array, out: Array) -> None:
        """The state of every sector at the fraction x of the step, turned back with `back` = V^T, (blocks, p LANES)."""
        value, weights = room(s.z, (s.trial.shape[1],)), np.empty(s.stages.shape[1])
        for j in range(weights.size):
            weights[j] = x * (1.0 - x) * (H[0, j] + x * (H[1, j] + x * H[2, j]))
        for block in range(s.rate.shape[0]):
            for e in range(value.size):
                value[e] = (1.0 - x) * s.z[block, e] + x * s.trial[block, e]
            add_stages(weights.size, weights, s.stages[block], value)
            turn(value, back, s.offset, out[block])

    return SectorPasses(turn_all, coupling_moments, stage_pass, finish_pass, dense_sectors)
