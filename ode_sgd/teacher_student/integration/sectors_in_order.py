"""Sectors as a function of u = log lambda, in order; of a long spectrum interpolated on a few nodes of short panels.

A sum over sectors of a smooth function of u, with the overlaps of each, becomes one over Chebyshev nodes of panels of
one octave. Source: docs/theory/numerics.md section 5.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array, Flags

LONG = 4000  # eigenvalues from which panels come first
APART = 1e-13  # relative, by which eigenvalues differ that are not equal to rounding
PANEL = np.log(2.0)  # width of a panel in u
PANEL_NODES = 16  # interpolation error at the rounding of doubles for exp(-2 eta lambda alpha) at any alpha
PORTION = 4096  # sectors that are read at once: their polynomials stay in the cache


class Spectral(NamedTuple):
    """A weighted set of sectors: u (L,), weights (L,), overlaps (rows, L) of any kind that enter linearly."""

    u: Array
    weights: Array
    overlaps: Array


def distinct(values: Array) -> int:
    """How many values there are that differ by more than rounding."""
    if _ascends(values[::-1]) or _ascends(values):
        return values.size
    return _clusters(values)[1].size


def read(values: Array, weights: Array, blocks: Sequence[Array]) -> tuple[Spectral, int]:
    """Sectors in increasing order, on panels where they are many; and how many distinct eigenvalues there are.

    A long spectrum in one of the usual orders is read where it lies.
    """
    for step in (1, -1):
        if values.size > LONG and _ascends(values[::step]):
            return _panels(np.log(values[::step]), weights[::step], [block[:, ::step] for block in blocks]), values.size
    merged = _merge(values, weights, np.concatenate(blocks))
    count = merged.u.size
    return merged if count <= LONG else _panels(merged.u, merged.weights, [merged.overlaps]), count


def _merge(values: Array, weights: Array, overlaps: Array) -> Spectral:
    """Equal eigenvalues joined, in increasing order."""
    order, begins = _clusters(values)
    weights = weights[order]
    total = np.add.reduceat(weights, begins)
    joined = np.add.reduceat(weights * overlaps[:, order], begins, axis=1) / total
    return Spectral(np.log(values[order][begins]), total, joined)


def _clusters(values: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The order in which values increase, and where in it each cluster of values begins that are equal to rounding."""
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    return order, np.flatnonzero(np.append(True, _larger(ascending)))


def _larger(values: Array) -> Flags:
    """Which values, from the second on, exceed the one before by more than rounding."""
    return np.asarray(np.diff(values) > APART * values[1:])


def _ascends(values: Array) -> bool:
    """Whether every value exceeds the one before, by more than rounding."""
    return bool(_larger(values).all())


def _panels(u: Array, weights: Array, blocks: Sequence[Array]) -> Spectral:
    """Sectors interpolated on Chebyshev nodes, panel by panel; panels with few sectors stay as they are.

    The overlaps are given in several blocks of rows.
    """
    edges = np.linspace(u[0], u[-1], int(np.ceil((u[-1] - u[0]) / PANEL)) + 1)
    cuts = np.searchsorted(u, edges[1:-1])
    parts = []
    for begin, end, low, high in zip([0, *cuts], [*cuts, u.size], edges[:-1], edges[1:], strict=True):
        its = u[begin:end], weights[begin:end], [block[:, begin:end] for block in blocks]
        few = end - begin <= 2 * PANEL_NODES
        parts.append(Spectral(*its[:2], np.concatenate(its[2])) if few else _on_panel(*its, low, high))
    return Spectral(*(np.concatenate(pieces, axis=-1) for pieces in zip(*parts, strict=True)))


def _on_panel(u: Array, weights: Array, blocks: Sequence[Array], low: float, high: float) -> Spectral:
    """w'_j and c'_j at the Chebyshev nodes of a panel, from its sectors' moments with Chebyshev polynomials.

    Equation: (5.4).
    """
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    if weights.strides[0] < 0:  # sums do not mind their order, and NumPy copies what it would read backwards
        u, weights, blocks = u[::-1], weights[::-1], [block[:, ::-1] for block in blocks]
    moments = np.zeros((PANEL_NODES, 1 + sum(map(len, blocks))))
    for begin in range(0, u.size, PORTION):
        portion = slice(begin, begin + PORTION)
        polynomials = _weighted_chebyshev((u[portion] - middle) / half, weights[portion])
        sums = [polynomials @ block[:, portion].T for block in blocks]
        moments += np.column_stack([polynomials.sum(axis=1), *sums])
    x, lagrange = _panel_nodes()
    projected = lagrange @ moments
    return Spectral(middle + half * x, projected[:, 0], (projected[:, 1:] / projected[:, :1]).T)


@functools.cache
def _panel_nodes() -> tuple[Array, Array]:
    """Chebyshev nodes x_j from -1 to 1, and the coefficients of T_i in ell_j = sum_i 2 T_i(x_j) T_i / n.

    That of i = 0 is half as large.
    """
    angles = np.pi * (np.arange(PANEL_NODES)[::-1] + 0.5) / PANEL_NODES
    lagrange = np.cos(np.outer(angles, np.arange(PANEL_NODES))) * (2.0 / PANEL_NODES)
    lagrange[:, 0] *= 0.5
    return np.cos(angles), lagrange


def _weighted_chebyshev(x: Array, weights: Array) -> Array:
    """The first polynomials T_i(x) times the weights, (PANEL_NODES, n)."""
    values = np.empty((PANEL_NODES, x.size))
    values[0] = weights
    np.multiply(x, weights, out=values[1])
    twice = 2.0 * x
    for i in range(2, PANEL_NODES):
        np.multiply(twice, values[i - 1], out=values[i])
        values[i] -= values[i - 2]
    return values
