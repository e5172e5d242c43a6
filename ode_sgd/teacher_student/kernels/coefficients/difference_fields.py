"""Fields on the way from a teacher unit to its student, for averages of differences.

With delta_a = x_a - y_a and shifts s_0 = 1 and s_1 .. s_n, the nodes of a rule on [0, 1],

    z_f = y_a + s_m delta_a,   f = m K + a,       so z_a = x_a for a < K
"""

from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room


class Fields(NamedTuple):
    """Their covariances, from C (2K, 2K) = Cov(delta_1..delta_K, y_1..y_K)."""

    z: Array  # (F, F), Cov(z_f, z_g)
    drag: Array  # (F, K), Cov(z_f, delta_c)
    delta: Array  # (K, K), Cov(delta_c, delta_e)
    weights: Array  # (n,), of the nodes


# Gauss-Legendre rules on [0, 1]: (up to which |delta| / |y|, nodes). Relative errors: 1e-13, with 4 nodes 1e-11.
RULES = ((3e-7, 1), (1e-3, 2), (2e-2, 3), (1e-1, 4), (np.inf, 10))


def _rule(count: int) -> tuple[Array, Array]:
    x, w = np.polynomial.legendre.leggauss(count)
    return np.concatenate([[1.0], 0.5 * (1.0 + x)]), 0.5 * w


SHIFTS_1, WEIGHTS_1 = _rule(1)
SHIFTS_2, WEIGHTS_2 = _rule(2)
SHIFTS_3, WEIGHTS_3 = _rule(3)
SHIFTS_4, WEIGHTS_4 = _rule(4)
SHIFTS_10, WEIGHTS_10 = _rule(10)
REACH_1, REACH_2, REACH_3, REACH_4 = (reach**2 for reach, _ in RULES[:4])


@kernel(inline=True)
def largest_difference(C: Array) -> float:
    """The largest |delta|^2 / (1 + |y|^2)."""
    K, largest = C.shape[0] // 2, 0.0
    for i in range(K):
        largest = max(largest, C[i, i] / (1.0 + C[K + i, K + i]))
    return largest


@kernel()
def quadrature(C: Array) -> tuple[Array, Array]:
    """Shifts and weights of the rule that the largest difference needs."""
    ratio = largest_difference(C)
    if ratio < REACH_1:
        return SHIFTS_1, WEIGHTS_1
    if ratio < REACH_2:
        return SHIFTS_2, WEIGHTS_2
    if ratio < REACH_3:
        return SHIFTS_3, WEIGHTS_3
    if ratio < REACH_4:
        return SHIFTS_4, WEIGHTS_4
    return SHIFTS_10, WEIGHTS_10


@kernel()
def fields_of(C: Array) -> Fields:
    """The fields that the largest difference needs."""
    K = C.shape[0] // 2
    shifts, weights = quadrature(C)
    count = shifts.size * K
    z, drag = room(C, (count, count)), room(C, (count, K))
    for f in range(count):
        s, a = shifts[f // K], f % K
        for c in range(K):
            drag[f, c] = C[c, K + a] + s * C[a, c]
        for g in range(f + 1):
            t, b = shifts[g // K], g % K
            z[f, g] = z[g, f] = C[K + a, K + b] + t * C[b, K + a] + s * (C[a, K + b] + t * C[a, b])
    return Fields(z, drag, C[:K, :K], weights)
