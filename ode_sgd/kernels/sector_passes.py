"""Passes over all sectors of one Rosenbrock step, block by block (blocks.py), in the eigenbasis of D."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ode_sgd.kernels.block_code import block_kernels, shape_variant
from ode_sgd.kernels.block_loops import Offsets
from ode_sgd.kernels.blocks import LANES
from ode_sgd.kernels.compile import Array, kernel


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
    for row in range(sums.size):
        total = 0.0
        for lane in range(LANES):
            total += lanes[row * LANES + lane]
        sums[row] = total


@kernel(sums=True)
def sector_sums(y: Array, weight: Array, rows: Array) -> None:
    """rows (p,) = sum over sectors of weight (blocks, LANES) times overlaps."""
    lanes = np.zeros(rows.size * LANES)
    for block in range(y.shape[0]):
        for row in range(rows.size):
            for lane in range(LANES):
                lanes[row * LANES + lane] += weight[block, lane] * y[block, row * LANES + lane]
    sum_lanes(lanes, rows)


@kernel(sums=True)
def dense_sums(s: Sectors, weight: Array, H: Array, sums: Array) -> None:
    """Sums over sectors with a weight (blocks, LANES) of what the dense output needs, (5, p).

    The turned state before and after the step, and k_m = sum_j H_mj g_j.
    """
    p, count = sums.shape[1], s.stages.shape[1]
    size = p * LANES
    lanes, tile = np.zeros((count + 2, size)), np.empty(size)
    for block in range(s.rate.shape[0]):
        for e in range(size):
            tile[e] = weight[block, e % LANES]
        for e in range(size):
            lanes[count, e] += tile[e] * s.z[block, e]
        for e in range(size):
            lanes[count + 1, e] += tile[e] * s.trial[block, e]
        for j in range(count):
            for e in range(size):
                lanes[j, e] += tile[e] * s.stages[block, j, e]
    sum_lanes(lanes[count], sums[0])
    sum_lanes(lanes[count + 1], sums[1])
    moved = np.empty(p)
    for m in range(2, 5):
        for row in range(p):
            sums[m, row] = 0.0
    for j in range(count):
        sum_lanes(lanes[j], moved)
        for m in range(3):
            for row in range(p):
                sums[2 + m, row] += H[m, j] * moved[row]


@kernel(sums=True)
def add_stages(count: int, weights: Array, g: Array, out: Array) -> None:
    """out += sum_j weights[j] g[j], j < count; four at a time, so that `out` is read and written less often."""
    whole = count - count % 4
    for j in range(0, whole, 4):
        w0, w1, w2, w3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        for e in range(out.size):
            out[e] += w0 * g[j, e] + w1 * g[j + 1, e] + w2 * g[j + 2, e] + w3 * g[j + 3, e]
    for j in range(whole, count):
        for e in range(out.size):
            out[e] += weights[j] * g[j, e]


@functools.cache
def sector_passes(K: int, M: int) -> SectorPasses:
    """Build (or load from disk) the passes for K students and M teachers."""
    variant = shape_variant(K, M)
    turn, moments, couple, solve = block_kernels(K, M)

    @kernel(variant)
    def turn_all(y: Array, V: Array, offset: Offsets, z: Array) -> None:
        for block in range(y.shape[0]):
            turn(y[block], V, offset, z[block])

    @kernel(variant)
    def coupling_moments(s: Sectors, g: float, L: Array, E: Array, sums: Array) -> None:
        """Inverses of the sectors' left factors, and M1, N, H of block_loops.moments one after the other."""
        lanes = np.zeros(sums.size * LANES)
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
                lanes,
            )
        sum_lanes(lanes, sums)

    @kernel(variant, sums=True)
    def stage_pass(
        s: Sectors, stage: int, a: Array, c: Array, E: Array, dA: Array, dG: Array, A: Array, G: Array, dC: Array
    ) -> None:
        """Finish stage - 1 with its dA, dG; then solve `stage` without coupling and sum its dC (p,).

        a and c / h are the method's coefficients of this stage, A and G the coefficients at its argument.
        """
        size = s.trial.shape[1]
        arg, b, lanes = np.empty(s.z.shape[1]), np.empty(size), np.zeros(size)
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
            solve(z, arg, b, g[stage], inverse, rate, noise, s.variance[block], E, A, G, s.offset, lanes)
        sum_lanes(lanes, dC)

    @kernel(variant, sums=True)
    def finish_pass(
        s: Sectors, a: Array, E: Array, dA: Array, dG: Array, mean_size: float, atol: float, rtol: float
    ) -> float:
        """Finish the last stage, form the new state in `trial`, and return the error norm: the worst sector's.

        The error of q_k (Frobenius norm) is held against atol + rtol size_k, size_k the larger of tr q_k and its mean
        over sectors, that of r_k against atol + rtol sqrt(size_k |tr t_k|), its largest possible value. Neither changes
        when the basis turns. Nodes that stand for a spectrum may have negative traces.
        """
        students, moving = E.size, s.trial.shape[1] // LANES
        size, last, lanes = s.trial.shape[1], s.stages.shape[1] - 1, s.rate.shape[1]
        diagonal = np.zeros(moving + 1)
        for i in range(E.shape[0]):
            diagonal[np.int64(s.offset[i, i]) // LANES] = 1.0
        r_error, q_error, worst = np.empty(LANES), np.empty(LANES), np.zeros(LANES)
        old, new, teacher, poison = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.zeros(LANES)
        for block in range(s.rate.shape[0]):
            z, g, trial = s.z[block], s.stages[block], s.trial[block]
            couple(z, g[last], s.inverse[block], s.rate[block], s.noise[block], E, dA, dG, s.offset)
            for e in range(size):
                trial[e] = z[e] + g[last, e]
            add_stages(last, a, g, trial)
            for lane in range(lanes):
                r_error[lane] = q_error[lane] = old[lane] = new[lane] = teacher[lane] = 0.0
            for row in range(students):
                for lane in range(lanes):
                    r_error[lane] += g[last, row * LANES + lane] ** 2
            for row in range(students, moving):
                share, on = 2.0 - diagonal[row], diagonal[row]
                for lane in range(lanes):
                    q_error[lane] += share * g[last, row * LANES + lane] ** 2
                    old[lane] += on * z[row * LANES + lane]
                    new[lane] += on * trial[row * LANES + lane]
            for n in range(E.shape[1]):
                at = np.int64(s.offset[E.shape[0] + n, E.shape[0] + n])
                for lane in range(lanes):
                    teacher[lane] += z[at + lane]
            for lane in range(lanes):
                own = max(old[lane], new[lane], mean_size)
                q_ratio = np.sqrt(q_error[lane]) / (atol + rtol * own)
                r_ratio = np.sqrt(r_error[lane]) / (atol + rtol * np.sqrt(own * abs(teacher[lane])))
                ratio = max(q_ratio, r_ratio)
                worst[lane] = max(worst[lane], ratio)
                poison[lane] += 0.0 * (q_ratio + r_ratio)  # max loses a NaN, a sum keeps it
        result = 0.0
        for lane in range(LANES):
            result = max(result, worst[lane]) + poison[lane]
        return result

    @kernel(variant, sums=True)
    def dense_sectors(s: Sectors, x: float, H: Array, back: Array, out: Array) -> None:
        """The state of every sector at the fraction x of the step, turned back with `back` = V^T, (blocks, p LANES)."""
        value, weights = np.empty(s.trial.shape[1]), np.empty(s.stages.shape[1])
        for j in range(weights.size):
            weights[j] = x * (1.0 - x) * (H[0, j] + x * (H[1, j] + x * H[2, j]))
        for block in range(s.rate.shape[0]):
            for e in range(value.size):
                value[e] = (1.0 - x) * s.z[block, e] + x * s.trial[block, e]
            add_stages(weights.size, weights, s.stages[block], value)
            turn(value, back, s.offset, out[block])

    return SectorPasses(turn_all, coupling_moments, stage_pass, finish_pass, dense_sectors)
