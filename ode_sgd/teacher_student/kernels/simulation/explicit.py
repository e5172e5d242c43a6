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
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.sectors.generated_block import shape_variant
from ode_sgd.teacher_student.kernels.simulation.weight_pass import dot, move, weight_pass
from ode_sgd.teacher_student.kernels.simulation.weight_update import WeightUpdate, without_step

LANES = 64
TILE = 8 * LANES  # normals drawn at once


@kernel(inline=True)
def _draw_pcg64(generator: np.random.Generator, rows: Array, tile: Array, count: int) -> None:
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


_DRAW = {"pcg64": _draw_pcg64, "float64": _draw_float64, "float32": _draw_float32}
NORMALS = tuple(_DRAW)


@functools.cache
def explicit_steps(activation: Averages, normals: str, K: int, M: int) -> Callable[..., None]:
    """Kernel (source, steps, J, B, amplitude, a, update, noise, learned, xi, tile) that updates J.

    `source` is the Generator of "pcg64", else the lanes' state (4, LANES). amplitude (N,) holds the inputs' standard
    deviations; xi (N,), finite, and tile (TILE,), of the normals' type, are scratch. A step takes N normals, then one
    for its label noise if there is any; lanes are drawn by whole pairs of rows, and what is left of them is dropped.
    """
    averages: Any = activation.functions
    value, slope = averages.value, averages.slope
    draw: Any = _DRAW[normals]
    one_pass: Any = weight_pass(K, M)

    @kernel(f"{activation.variant}-{normals}-{shape_variant(K, M)}")
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
    ) -> None:
        """Take `steps` steps. Equations: (1.4) and (1.5)."""
        K, N = J.shape
        rows = tile.reshape(TILE // LANES, LANES)
        fields, factors, still = np.empty(a.size), np.zeros(K), np.zeros(K)
        drawn, nothing = N + 1 if noise > 0.0 else N, without_step(update)
        last = nothing
        for _ in range(steps):
            fields[:] = 0.0
            for begin in range(0, drawn, TILE):
                draw(source, rows, tile, min(TILE, drawn - begin))
                end = min(begin + TILE, N)
                split = min(max(begin, learned), end)
                if begin < split:
                    one_pass(J, B, last, factors, xi, amplitude, tile, begin, split, fields)
                if split < end:
                    one_pass(J, B, nothing, still, xi, amplitude, tile[split - begin :], split, end, fields)
            error = -noise * tile[N % TILE] if noise > 0.0 else 0.0
            for c in range(a.size):
                fields[c] /= sqrt(N)
                error += a[c] * value(fields[c])
            for i in range(K):
                factors[i] = update.rate * a[i] * slope(fields[i]) * error
            last = update
        for i in range(K):
            move(J[i, :learned], last, factors[i], xi)

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
