"""Independent subtasks that share a budget of neurons: what each loses, and what one more neuron takes from that.

Source: docs/theory/scaling_laws.md section 13.
"""

from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array

EXACT = 10_000  # subtasks that stand for themselves where there are more
PANELS_PER_E_FOLD = 16  # narrow ones: the allocation has a kink at the last subtask that gets any neurons
NODES = 6  # of a panel


class Subtasks(NamedTuple):
    """Arrays (S,): a subtask's target has a variance v, each of its neurons noise of a variance s2.

    `weights` are its part p in the loss; `counts` for how many subtasks alike an entry stands.
    """

    variances: Array
    noise_variances: Array
    weights: Array
    counts: Array

    @property
    def half_counts(self) -> Array:
        """n0 = s2 / v: with so many neurons half of the loss is left."""
        return self.noise_variances / self.variances

    @property
    def amplitudes(self) -> Array:
        """p a with a = s2: a subtask's part in the loss is this over N + n0."""
        return self.weights * self.noise_variances


def losses(subtasks: Subtasks, neurons: Array) -> Array:
    """Least loss l = v s2 / (s2 + N v) of each subtask with (.., S) neurons. Equation: (13.1).

    A neuron reports g + xi with noise of its own; N of them are worth one whose noise has the variance s2 / N.
    """
    v, s2 = subtasks.variances, subtasks.noise_variances
    found: Array = v * s2 / (s2 + neurons * v)
    return found


def total_loss(subtasks: Subtasks, neurons: Array) -> Array:
    """Loss sum_i p_i l_i of (.., S) neurons, (..). Equation: (13.1)."""
    found: Array = losses(subtasks, neurons) @ (subtasks.counts * subtasks.weights)
    return found


def places_of_subtasks(last: int) -> tuple[Array, Array]:
    """Nodes k of the subtasks 1..last, and for how many each stands.

    The first 10^4 stand for themselves, the others are an integral over log k: Gauss-Legendre nodes on narrow panels.
    """
    first = min(last, EXACT)
    k = np.arange(1.0, first + 1.0)
    if last == first:
        return k, np.ones(first)
    begin, end = np.log(first + 0.5), np.log(last + 0.5)
    edges = np.linspace(begin, end, int(np.ceil((end - begin) * PANELS_PER_E_FOLD)) + 1)
    x, w = np.polynomial.legendre.leggauss(NODES)
    half = 0.5 * (edges[1] - edges[0])
    beyond = np.exp((edges[:-1, None] + half * (1.0 + x)).ravel())
    return np.concatenate([k, beyond]), np.concatenate([np.ones(first), np.tile(half * w, edges.size - 1) * beyond])
