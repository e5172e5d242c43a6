"""One-pass SGD on real weight vectors (docs/theory/model.md section 1), inputs diagonal in their eigenbasis.

x_i = J_i.xi / sqrt N,  y_n = B_n.xi / sqrt N,  Delta = sum_i v_i g(x_i) - sum_n u_n g(y_n) - sigma noise,
J_i <- J_i - (eta / sqrt N) v_i g'(x_i) Delta xi

A step passes once over the weights, in tiles that stay in the first-level cache: it draws a tile of the new input,
moves the weights there by the previous step's update, and adds to the new fields. The update of the last step follows
on its own: between two calls the weights are up to date, and they and the random stream are all there is to keep.
"""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array, Bits, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.random_lanes import fill_normals, fill_normals_float32
from ode_sgd.teacher_student.kernels.averages import Averages, teacher_of
from ode_sgd.teacher_student.kernels.paces import PACES
from ode_sgd.teacher_student.kernels.sectors.generated_block import shape_variant
from ode_sgd.teacher_student.kernels.simulation.step_paces import NOISE, paced, set_step_paces
from ode_sgd.teacher_student.kernels.simulation.weight_pass import dot, move, weight_pass
from ode_sgd.teacher_student.kernels.simulation.weight_update import WeightUpdate, without_step

LANES = 64
TILE = 8 * LANES  # normals drawn at once


@kernel()
def _draw_pcg64(generator: np.random.Generator, rows: Array, tile: Array, count: int) -> None:
    """Machine code of its own: within its caller the loop has registers to share, and takes a tenth longer."""
    for n in range(count):
        tile[n] = generator.standard_normal()


@kernel(inline=True)
def _pairs_of_rows(count: int) -> int:
    """Rows that hold that many numbers, an even number of them."""
    return 2 * ((count + 2 * LANES - 1) // (2 * LANES))


@kernel(inline=True)
def _draw_float64(state: Bits, rows: Array, tile: Array, count: int) -> None:
    fill_normals(state, rows[: _pairs_of_rows(count)])


@kernel(inline=True)
def _draw_float32(state: Bits, rows: Any, tile: Any, count: int) -> None:
    fill_normals_float32(state, rows[: _pairs_of_rows(count)])


DRAW = {"pcg64": _draw_pcg64, "float64": _draw_float64, "float32": _draw_float32}
NORMALS = tuple(DRAW)


@functools.cache
def explicit_steps(activation: Averages, normals: str, K: int, M: int, scheduled: bool = False) -> Callable[..., None]:
    """Kernel (source, steps, J, B, amplitude, a, update, noise, learned, xi, tile, schedules, taken) that updates J.

    `source` is the Generator of "pcg64", else the lanes' state (4, LANES). amplitude (N,) holds the inputs' standard
    deviations; xi (N,), finite, and tile (TILE,), of the normals' type, are scratch. A step takes N normals, then one
    for its label noise if there is any; lanes are drawn by whole pairs of rows, and what is left of them is dropped.

    Where something is `scheduled`, `update` and a positive `noise` are those of quantities one, and `taken` is the
    number of steps before.
    """
    averages: Any = activation.functions
    value, slope = averages.value, averages.slope
    taught: Any = teacher_of(averages).value
    draw: Any = DRAW[normals]
    one_pass: Any = weight_pass(K, M)

    @kernel(f"{activation.variant}-{normals}-{shape_variant(K, M)}{'-scheduled' * scheduled}")
    def advance(
        source: Any,
        steps: int,
        J: Array,
        B: Array,
        amplitude: Array,
        a: Array,
        update: WeightUpdate,
        noise: float,
        learned: int,
        xi: Array,
        tile: Any,
        schedules: Array,
        taken: int,
    ) -> None:
        """Take `steps` steps. Equations: (1.4), (1.5) and (1.5b)."""
        K, N = J.shape
        rows = tile.reshape(TILE // LANES, LANES)
        fields, factors, still = np.empty(a.size), np.zeros(K), np.zeros(K)
        drawn, nothing = N + 1 if noise > 0.0 else N, without_step(update)
        last, now, sigma, paces = nothing, update, noise, np.empty(PACES)
        for step in range(steps):
            if scheduled:
                set_step_paces(schedules, taken + step, N, paces)
                now, sigma = paced(update, paces), paces[NOISE]
            fields[:] = 0.0
            for begin in range(0, drawn, TILE):
                draw(source, rows, tile, min(TILE, drawn - begin))
                end = min(begin + TILE, N)
                split = min(max(begin, learned), end)
                if begin < split:
                    one_pass(J, B, last, factors, xi, amplitude, tile, begin, split, fields)
                if split < end:
                    one_pass(J, B, nothing, still, xi, amplitude, tile[split - begin :], split, end, fields)
            error = -sigma * tile[N % TILE] if noise > 0.0 else 0.0
            for c in range(a.size):
                fields[c] /= sqrt(N)
                error += a[c] * (value(fields[c]) if c < K else taught(fields[c]))
            for i in range(K):
                factors[i] = now.rate * a[i] * slope(fields[i]) * error
            last = now
        for i in range(K):
            move(J[i, :learned], last, factors[i], xi)

    return advance


@kernel(inline=True)
def scale_back(J: Array, length: Array) -> None:
    """Give every student its length (K,) again."""
    for i in range(length.size):
        now = sqrt(dot(J[i], J[i]))
        for n in range(J.shape[1]):
            J[i, n] *= length[i] / now if now > 0.0 else 1.0


@functools.cache
def spherical_steps(activation: Averages, normals: str, K: int, M: int, scheduled: bool = False) -> Callable[..., None]:
    """`explicit_steps` after each of which every student has its length (K,) again: the same arguments behind it."""
    step = explicit_steps(activation, normals, K, M, scheduled)

    @kernel(f"{activation.variant}-{normals}-{shape_variant(K, M)}{'-scheduled' * scheduled}")
    def advance(
        length: Array,
        source: Any,
        steps: int,
        J: Array,
        B: Array,
        amplitude: Array,
        a: Array,
        update: WeightUpdate,
        noise: float,
        learned: int,
        xi: Array,
        tile: Any,
        schedules: Array,
        taken: int,
    ) -> None:
        for done in range(steps):
            step(source, 1, J, B, amplitude, a, update, noise, learned, xi, tile, schedules, taken + done)
            scale_back(J, length)

    return advance


@kernel()
def sector_grams(J: Array, B: Array, sector_ends: Indices, q: Array, r: Array) -> None:
    """q (L, K, K) and r (L, K, M): sector overlaps of the weights, each divided by the sector's dimension.

    Equation: (2.1).
    """
    K, M = J.shape[0], B.shape[0]
    begin = 0
    for k in range(sector_ends.size):
        end = sector_ends[k]
        for i in range(K):
            for n in range(M):
                r[k, i, n] = dot(J[i, begin:end], B[n, begin:end]) / (end - begin)
            for j in range(i, K):
                q[k, i, j] = q[k, j, i] = dot(J[i, begin:end], J[j, begin:end]) / (end - begin)
        begin = end
