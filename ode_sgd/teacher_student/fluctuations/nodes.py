"""Nodes for averages over the fields: midpoints of a lattice within a ball, from coarse to fine, or Sobol points.

A lattice of step h sums exp(-p g^2 / 2) with the relative error 2 exp(-2 pi^2 / (p h^2)), so for smooth activations a
little finer one is far better. It has (2 R / h)^d midpoints, of which a ball of radius R holds a third where d = 4.
"""

import functools
from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.model.rule_nodes import normal_nodes

LATTICES = ((0.9, 5.0), (0.7, 5.8), (0.55, 6.5), (0.43, 7.2), (0.34, 7.9), (0.26, 8.6), (0.2, 9.2), (0.15, 9.6))
MOST = 600_000  # nodes, without their negatives
SOBOL = (2**14, 2**16, 2**18)


class Nodes(NamedTuple):
    """Half of the nodes (n, d), the others being their negatives, and weights (n,), which sum to one half."""

    places: Array
    weights: Array


def lattice_size(level: int, d: int) -> float:
    """About how many nodes a lattice in d dimensions has."""
    from math import gamma, pi

    step, radius = LATTICES[level]
    return float(0.5 * pi ** (d / 2) / gamma(d / 2 + 1) * (radius / step) ** d)


def levels(d: int) -> int:
    """How many sets of nodes there are in d dimensions."""
    return _lattices(d) or len(SOBOL)


def _lattices(d: int) -> int:
    """How many lattices are affordable; none where there are not even three of them."""
    found = sum(lattice_size(level, d) <= MOST for level in range(len(LATTICES)))
    return found if found >= 3 else 0


@functools.lru_cache(maxsize=8)
def nodes(level: int, d: int) -> Nodes:
    """One set of nodes. Equation: (32.5)."""
    if not _lattices(d):
        points = normal_nodes(SOBOL[level], d, 0)
        return Nodes(points.copy(), np.full(len(points), 0.5 / len(points)))
    step, radius = LATTICES[level]
    count = int(np.ceil(radius / step))
    line: Array = (np.arange(-count, count, dtype=np.float64) + 0.5) * step
    places: Array = line[line > 0.0][:, None]
    for _ in range(d - 1):
        wider = np.concatenate([np.repeat(places, line.size, axis=0), np.tile(line, len(places))[:, None]], axis=1)
        places = wider[(wider**2).sum(axis=1) <= radius**2]
    weights = np.exp(-0.5 * (places**2).sum(axis=1))
    return Nodes(np.ascontiguousarray(places), 0.5 * weights / weights.sum())
