"""How many nodes a long spectrum needs, from its start alone: without a run to compare with.

While coefficients are given, overlaps of a sector are sums of exp(-lambda s) with numbers s that all sectors share, and
noise adds lambda exp(-lambda s) to them. So nodes that sum those, for every overlap of the start and every s, sum what
the ODE makes of it. Exponentials that grow stand for the escape from a plateau. Source: docs/theory/numerics.md
section 5.
"""

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.integration.solution import Solution
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.sectors import layout

DECAYS = 48  # values of s, spread evenly over log s
GROWTHS = 1.0, 3.0, 8.0  # -s times the largest eigenvalue: by 3000 a small difference of students becomes a large one
LOOKS = 8  # output times at which a run is asked how fast it learns


def exponents(u: Array) -> Array:
    """Those s by which nodes are judged: until nearly all of what has the smallest eigenvalue is left, no further."""
    largest, smallest = float(np.exp(u[-1])), float(np.exp(u[0]))
    decays = np.geomspace(0.01 / largest, 1.0 / smallest, DECAYS)
    return np.concatenate([-np.array(GROWTHS) / largest, [0.0], decays])


def exponential_sums(u: Array, weights: Array, overlaps: Array, s: Array) -> tuple[Array, Array]:
    """sum_k w_k lambda_k exp(-lambda_k s) (lambda_k, c_k), (1 + rows, s); and the sums of the terms' sizes.

    Equation: (5.4a).
    """
    values = np.exp(u)
    terms = np.vstack([values, overlaps]) * (weights * values)
    decays = np.exp(-np.outer(values, s))
    return terms @ decays, np.abs(terms) @ decays


def slowest_is_left(system: SectorSystem, solution: Solution, end: float) -> bool:
    """Whether a run is too short for the smallest eigenvalue: s has stayed below what `exponents` go up to.

    s is at most twice the integral of rate times the largest eigenvalue of D, taken to be no larger than the norm of D
    at any of some output times.
    """
    rate = system.rule.largest(system.factors)[0]
    if system.schedules.size:
        rate *= float(system.rule.timetable.largest_paces(0.0, end)[0])
    values = system.eigenvalues[system.coupled]
    K, M = system.units
    A, G, kernels = np.empty((K, K + M)), np.empty((K, K)), coefficient_kernels(system.g)
    rows = solution.rows[:, solution.order_one, : layout.row_count(K, M)]
    speed = 0.0
    for at in np.unique(np.linspace(0, len(rows) - 1, LOOKS).astype(int)):
        weights = system.signed_weights
        if solution.second_layer is not None:
            weights[:K] = solution.second_layer[at]
        C = layout.covariance(*system.unpack(rows[at]), system.T)
        kernels.coefficients(C, weights, system.noise_variance, A, G)
        speed = max(speed, float(np.sqrt((A[:, :K] ** 2).sum())))
    return bool(2.0 * rate * speed * end * values.min() <= values.max())
