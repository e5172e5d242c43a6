"""Forward selection: of a pool of neurons, one after the other, the one whose readout lowers the residual most.

Orthogonal least squares (Chen, Cowan & Grant, IEEE Trans. Neural Networks 2, 302 (1991)), which is a Cholesky
factorisation of the pool's Gram matrix with the candidates as pivots: only the columns of those that are chosen are
ever computed. Source: docs/theory/scaling_laws.md section 13.
"""

from math import sqrt

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel

TAKEN = -1.0  # in place of the squared length of a candidate that has been chosen


@kernel(sums=True)
def inner_product(one: Array, other: Array) -> float:
    """one . other, its terms in any order: the same order every time."""
    total = 0.0
    for n in range(one.size):
        total += one[n] * other[n]
    return total


@kernel()
def most_useful(lengths: Array, cross: Array) -> int:
    """The candidate with the largest sum_i (h . y_i)^2 / |h|^2, of those not taken; -1 if none is left."""
    best, most = -1, -1.0
    for k in range(lengths.size):
        if lengths[k] <= 0.0:
            continue
        gain = 0.0
        for i in range(cross.shape[1]):
            gain += cross[k, i] ** 2
        if gain > most * lengths[k]:
            best, most = k, gain / lengths[k]
    return best


@kernel()
def forward_selection(pool: Array, targets: Array, chosen: Indices, residuals: Array) -> int:
    """Choose neurons of a pool (P, D) for all targets (S, D) together; returns how many were chosen.

    `chosen` (N,) receives their places in the pool, `residuals` (N + 1,) the mean square residual with 0..N neurons and
    the readout that fits best, summed over the targets.
    """
    size, samples = pool.shape
    lengths, cross = np.empty(size), np.empty((size, targets.shape[0]))
    factor = np.empty((chosen.size, size))  # row n: the pool along the n-th direction
    residuals[0] = 0.0
    for i in range(targets.shape[0]):
        residuals[0] += inner_product(targets[i], targets[i]) / samples
    for k in range(size):
        lengths[k] = inner_product(pool[k], pool[k])
        for i in range(targets.shape[0]):
            cross[k, i] = inner_product(pool[k], targets[i])
    for n in range(chosen.size):
        best = most_useful(lengths, cross)
        if best < 0:
            return n
        residuals[n + 1] = residuals[n] - take(pool, best, n, factor, lengths, cross) / samples
        chosen[n] = best
    return chosen.size


@kernel()
def take(pool: Array, best: int, n: int, factor: Array, lengths: Array, cross: Array) -> float:
    """Make everything orthogonal to the candidate that is chosen; returns by how much the squared residual falls."""
    length = sqrt(lengths[best])
    outputs = cross.shape[1]
    along = np.empty(outputs)
    fall = 0.0
    for i in range(outputs):
        along[i] = cross[best, i] / length
        fall += along[i] ** 2
    for k in range(lengths.size):
        if lengths[k] <= 0.0:
            continue
        product = inner_product(pool[best], pool[k])
        for m in range(n):
            product -= factor[m, best] * factor[m, k]
        product /= length
        factor[n, k] = product
        lengths[k] -= product**2
        for i in range(outputs):
            cross[k, i] -= product * along[i]
    lengths[best] = TAKEN
    return fall
