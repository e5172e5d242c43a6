"""Which problems have fluctuations in closed form, and the covariance of a random start."""

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem

LARGEST = 600  # overlaps that move: their covariance is an array of that many squared, and has a step of its own


def require_covered(problem: Problem) -> None:
    """Raise InvalidProblem, with the reason, for rules and sizes whose fluctuations are not known here."""
    rule = problem.update_rule
    told = ""
    if problem.gradient_flow:
        told = "gradient_flow = True has no steps, and so no fluctuations: they are of order eta at fixed eta alpha"
    elif scheduled := rule.timetable.schedules:
        told = f"{', '.join(scheduled)} change with alpha"
    elif rule.trains_second_layer:
        told = f"second_layer_rate = {rule.second_layer_rate:g}: increments of the second layer are not among them"
    elif problem.spherical:
        told = "spherical = True scales the weights back, with a fluctuation of its own"
    elif problem.optimizer is not None or problem.rule is not None:
        told = f"{rule.further_terms} takes other increments"
    if told:
        allowed = "numbers for learning rate, label noise and decay, a fixed second layer, and SGD on the error"
        raise InvalidProblem(f"{told}; fluctuations are known for {allowed}")
    moving = problem.spectrum.distinct * layout.row_count(problem.student_units, problem.teacher_units)
    if moving > LARGEST:
        raise InvalidProblem(
            f"{problem.spectrum.distinct} sectors have {moving} overlaps that move; fluctuations are computed of at "
            f"most {LARGEST}: merge eigenvalues, or take fewer units"
        )


def random_start(problem: Problem, start: OrderParameters) -> Array:
    """N Cov of the overlaps (L p, L p) of Gaussian students that have those of `start` on average, teachers fixed.

    A student is J = m B + Z with m t = r, and rows of Z are normal of covariance q - r t^-1 r^T. Equation: (32.8).
    """
    K, M = problem.student_units, problem.teacher_units
    index, p = layout.overlap_index(K, M), layout.row_count(K, M)
    L = len(start.q)
    found = np.zeros((L, p, L, p))
    for k, weight in enumerate(problem.spectrum.weights):
        q, r, t = start.q[k], start.r[k], start.t[k]
        mean = np.block([[r @ np.linalg.pinv(t) @ r.T, r], [r.T, t]])
        free = np.zeros_like(mean)
        free[:K, :K] = q - mean[:K, :K]
        whole = mean + free
        for a in range(K):
            for b in range(a, K + M):
                for e in range(K):
                    for f in range(e, K + M):
                        products = whole[a, e] * whole[b, f] + whole[a, f] * whole[b, e]
                        products -= mean[a, e] * mean[b, f] + mean[a, f] * mean[b, e]
                        found[k, index[a, b], k, index[e, f]] = products / weight
    return found.reshape(L * p, L * p)
