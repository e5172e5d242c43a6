"""One-pass SGD on real weight vectors (docs/theory.md section 1), inputs diagonal in their eigenbasis.

x_i = J_i.xi / sqrt N,  y_n = B_n.xi / sqrt N,  Delta = sum_i v_i g(x_i) - sum_n u_n g(y_n) - sigma noise,
J_i <- J_i - (eta / sqrt N) v_i g'(x_i) Delta xi
"""

import functools
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ode_sgd.kernels.averages import load
from ode_sgd.kernels.compile import Array, kernel

Indices = NDArray[np.int64]


@kernel(inline=True)
def _draw_input(generator: np.random.Generator, sector_ends: Indices, amplitude: Array, xi: Array) -> None:
    begin = 0
    for k in range(sector_ends.size):
        for n in range(begin, sector_ends[k]):
            xi[n] = amplitude[k] * generator.standard_normal()
        begin = sector_ends[k]


@kernel(sums=True)
def _dot(left: Array, right: Array) -> float:
    total = 0.0
    for n in range(left.size):
        total += left[n] * right[n]
    return total


@functools.cache
def explicit_steps(activation: str) -> Callable[..., None]:
    """Kernel (generator, steps, J, B, sector_ends, amplitude, a, learning_rate, noise, learned) that updates J."""
    averages: Any = load(activation)
    value, slope = averages.value, averages.slope

    @kernel(activation)
    def advance(
        generator: np.random.Generator,
        steps: int,
        J: Array,
        B: Array,
        sector_ends: Indices,
        amplitude: Array,
        a: Array,
        learning_rate: float,
        noise: float,
        learned: int,
    ) -> None:
        K, N = J.shape
        xi = np.empty(N)
        x = np.empty(K)
        for _ in range(steps):
            _draw_input(generator, sector_ends, amplitude, xi)
            error = 0.0
            for i in range(K):
                x[i] = _dot(J[i], xi) / sqrt(N)
                error += a[i] * value(x[i])
            for n in range(B.shape[0]):
                error += a[K + n] * value(_dot(B[n], xi) / sqrt(N))
            if noise > 0.0:
                error -= noise * generator.standard_normal()
            for i in range(K):
                factor = learning_rate / sqrt(N) * a[i] * slope(x[i]) * error
                for n in range(learned):
                    J[i, n] -= factor * xi[n]

    return advance


@kernel()
def sector_grams(J: Array, B: Array, sector_ends: Indices, q: Array, r: Array) -> None:
    """q (L, K, K) and r (L, K, M): sector overlaps of the weights, each divided by the sector's dimension."""
    K, M = J.shape[0], B.shape[0]
    begin = 0
    for k in range(sector_ends.size):
        end = sector_ends[k]
        for i in range(K):
            for n in range(M):
                r[k, i, n] = _dot(J[i, begin:end], B[n, begin:end]) / (end - begin)
            for j in range(i, K):
                q[k, i, j] = q[k, j, i] = _dot(J[i, begin:end], J[j, begin:end]) / (end - begin)
        begin = end
