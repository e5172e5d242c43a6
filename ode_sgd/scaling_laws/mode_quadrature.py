"""Sums over very many modes k = 1..M as sums over a few hundred nodes.

The first modes stand for themselves; beyond them a sum of smooth powers of k is an integral over log k, which
Gauss-Legendre nodes on panels of equal ratio give to many digits. Source: docs/theory/scaling_laws.md section 11.
"""

from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array

EXACT = 100  # modes that stand for themselves where there are more than WHOLE
WHOLE = 1000  # up to here every mode does
PER_E_FOLD = 6  # nodes for each factor e in k: sums over 1e16 modes to 3e-6


class Modes(NamedTuple):
    """Places k of the nodes, and for how many modes each of them stands, (n,) both."""

    k: Array
    counts: Array


def modes_up_to(last: int) -> Modes:
    """Nodes for the modes 1..last, in increasing order of k. Equation: (11.3)."""
    if last <= WHOLE:
        return Modes(np.arange(1.0, last + 1.0), np.ones(last))
    first, end = np.log(EXACT + 0.5), np.log(last + 0.5)
    panels = int(np.ceil(end - first))
    x, w = np.polynomial.legendre.leggauss(PER_E_FOLD)
    edges = np.linspace(first, end, panels + 1)
    half = 0.5 * (edges[1] - edges[0])
    k = np.exp((edges[:-1, None] + half * (1.0 + x)).ravel())
    return Modes(
        np.concatenate([np.arange(1.0, EXACT + 1.0), k]),
        np.concatenate([np.ones(EXACT), np.tile(half * w, panels) * k]),
    )
