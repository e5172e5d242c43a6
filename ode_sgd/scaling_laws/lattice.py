"""How many points of the lattice Z^d lie on each sphere round the origin, and beyond some radius in each shell.

Source: docs/theory/scaling_laws.md section 14.
"""

from math import gamma, log, pi

import numpy as np

from ode_sgd.core.arrays import Array

MOST_DIMENSIONS = 20
SHELLS = 500  # spheres that stand for themselves
PER_E_FOLD = 6  # nodes for each factor e in the number of points


def shells(dimension: int, modes: int) -> tuple[Array, Array]:
    """Radii |n|, increasing, and for how many of the `modes` points n != 0 next to the origin each stands, (n,) both.

    The last sphere is taken as far as it is needed. Beyond the exact ones the points within a radius are its volume.
    """
    squares, counts = spheres(dimension)
    within = np.cumsum(counts)
    if within[-1] >= modes:
        last = int(np.searchsorted(within, modes))
        held = counts[: last + 1].copy()
        held[last] -= within[last] - modes
        return np.sqrt(squares[: last + 1]), held
    radii, more = _beyond(dimension, float(within[-1]), float(modes))
    return np.concatenate([np.sqrt(squares), radii]), np.concatenate([counts, more])


def spheres(dimension: int) -> tuple[Array, Array]:
    """Squares |n|^2 > 0 of the innermost spheres that hold points, and how many each holds."""
    if dimension == 1:
        return np.arange(1.0, SHELLS + 1.0) ** 2, np.full(SHELLS, 2.0)
    size = 4 * SHELLS  # of squares looked at: in two dimensions a third of them are sums of squares
    line = np.zeros(size)
    line[np.arange(int(np.sqrt(size - 1)) + 1) ** 2] = 2.0
    line[0] = 1.0
    counts = line
    for _ in range(dimension - 1):
        counts = np.convolve(counts, line)[:size]  # n^2 + the rest
    squares = np.flatnonzero(counts)[1 : SHELLS + 1]
    return squares.astype(np.float64), counts[squares]


def _beyond(dimension: int, first: float, last: float) -> tuple[Array, Array]:
    """Nodes for the points number first + 1 to last: Gauss-Legendre in the logarithm of the number, origin included."""
    volume = pi ** (dimension / 2) / gamma(dimension / 2 + 1)
    begin, end = log(first + 1.0), log(last + 1.0)
    panels = int(np.ceil(end - begin))
    x, w = np.polynomial.legendre.leggauss(PER_E_FOLD)
    edges = np.linspace(begin, end, panels + 1)
    half = 0.5 * (edges[1] - edges[0])
    numbers = np.exp((edges[:-1, None] + half * (1.0 + x)).ravel())
    return (numbers / volume) ** (1.0 / dimension), np.tile(half * w, panels) * numbers
