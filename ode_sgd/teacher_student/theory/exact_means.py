"""The exact mean of linear SGD at finite N, for a run of the ODE beside it (docs/theory/floors.md section 23)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.exact import Exact
from ode_sgd.core.run import component
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.teacher_student.model import observables as named
from ode_sgd.teacher_student.model.observables import Parts
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.linear_solution import linear_order_parameters
from ode_sgd.teacher_student.theory.linear_variance import MOST_SQUARED, linear_error_variance

WORST = 1e4  # condition of the moments' equations: beyond, rounding would show in sectors that they give
LONGEST = 3000  # distinct eigenvalues, half a second
MOST_WORK = 3e6  # sector pairs times steps for the variance, about a second


def exact_means(
    problem: Problem, moments: Mapping[int, Parts], sectors: Parts | None, alpha: Array, dimension: int
) -> Exact | None:
    """Means of eps_g, Q and R at the times alpha, None unless the network is linear and its start is known.

    Parameters
    ----------
    moments : dict
        Order -> Q (n, K, K), R (n, K, M), T (M, M) of the ODE, whose first time is the start.
    sectors : (q, r, t) of all sectors at the start, or None
    """
    plain = problem.g.is_linear and not problem.gradient_flow and not problem.update_rule.further_terms
    if not plain or problem.spectrum.distinct > LONGEST:
        return None
    known = _of_moments(problem, moments) if sectors is None else (problem, OrderParameters.from_solution(*sectors))
    if known is None:
        return None
    problem, start = known
    try:
        found = linear_order_parameters(problem, start, alpha, moments=(1,), dimension=dimension)
    except InvalidProblem:
        return None
    means = {named.ERROR: found.generalization_error}
    K, M = problem.student_units, problem.teacher_units
    means |= {component("Q", (i, j)): found.Q[:, i, j] for i in range(K) for j in range(i, K)}
    means |= {component("R", (i, n)): found.R[:, i, n] for i in range(K) for n in range(M)}
    L = problem.spectrum.distinct
    cheap = L <= MOST_SQUARED or L**2 * float(alpha[-1]) * dimension <= MOST_WORK
    if not cheap:
        return Exact(means, {})
    return Exact(means, {named.ERROR: linear_error_variance(problem, start, alpha, dimension=dimension)})


def _of_moments(problem: Problem, moments: Mapping[int, Parts]) -> tuple[Problem, OrderParameters] | None:
    """Overlaps of as many eigenvalues as there are moments: sum_k lambda_k^l w_k c_k = C_l, of orders 0, 1, 2 ..."""
    values, inverse = np.unique(problem.spectrum.eigenvalues, return_inverse=True)
    orders = sorted(moments)
    if problem.trainable not in (None, problem.spectrum.distinct) or values.size > len(orders):
        return None
    powers = (values / values[-1]) ** np.array(orders, float)[:, None]
    if np.linalg.cond(powers) > WORST:
        return None
    weights = np.bincount(inverse, problem.spectrum.weights)
    scale = values[-1] ** np.array(orders, float)
    parts = []
    for part in range(3):
        first = [moments[order][part] if part == 2 else moments[order][part][0] for order in orders]
        right = np.array([value.ravel() for value in first]) / scale[:, None]
        solved = np.linalg.lstsq(powers, right, rcond=None)[0] / weights[:, None]
        parts.append(np.asarray(solved.reshape(values.size, *first[0].shape)))
    merged = replace(problem, spectrum=Spectrum(values, weights / weights.sum()), trainable=None)
    q, r, t = parts
    return merged, OrderParameters.from_solution(q, r, t)
