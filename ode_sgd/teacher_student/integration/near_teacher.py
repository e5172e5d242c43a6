"""From overlaps to differences and back, once every student has found its teacher (../kernels/coefficients)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration.solution import Solution
from ode_sgd.teacher_student.kernels.coefficients.near_teacher import difference_error, has_difference_form
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model.problem import Problem


@dataclass(frozen=True)
class Matching:
    """Student i has become teacher order[i]."""

    order: NDArray[np.int64]


def possible(problem: Problem) -> bool:
    """Whether the error can vanish with every student on its own teacher."""
    return (
        has_difference_form(problem.activation)
        and problem.student_units == problem.teacher_units
        and problem.label_noise == 0.0
        and bool(np.all(problem.learning[problem.spectrum.eigenvalues > 0.0] > 0.0))
    )


def match(problem: Problem, C: Array) -> Matching | None:
    """The teacher nearest to every student, from the fields' covariance; None if two share one or v differs from u."""
    K = problem.student_units
    distance = np.diag(C)[:K, None] - 2.0 * C[:K, K:] + np.diag(C)[None, K:]
    order = np.argmin(distance, axis=1)
    if np.unique(order).size < K or not np.array_equal(problem.v, problem.u[order]):
        return None
    return Matching(order)


def from_overlaps(state: Array, t: Array, matching: Matching) -> Array:
    """State (p, L) of alpha = q - r - r^T + t and beta = r - t, from that of q and r; t is (M, M, L).

    Equation: (5.6).
    """
    K = len(t)
    q, r = layout.unpack(state.T, K, K)
    r = r[:, :, matching.order]
    t = t[np.ix_(matching.order, matching.order)].transpose(2, 0, 1)
    return layout.pack(q - r - r.transpose(0, 2, 1) + t, r - t)


def translate(problem: Problem, matching: Matching, t: Array, weights: Array, solution: Solution, first: int) -> None:
    """Turn everything of a solution from the output `first` on, and its last state, from differences into overlaps.

    The errors, which would lose their precision on the way, are computed before, into `solution.errors`.
    """
    K = len(t)
    T = np.tensordot(weights, t[np.ix_(matching.order, matching.order)], axes=(1, 2))  # (orders, M, M)
    beyond = solution.rows[first:]
    alpha, beta = layout.unpack(beyond[:, solution.order_one], K, K)
    teacher = np.broadcast_to(T[solution.order_one], alpha.shape)
    C = np.ascontiguousarray(np.block([[alpha, beta], [beta.transpose(0, 2, 1), teacher]]))
    signed = np.concatenate([problem.v, -problem.v])
    solution.errors = np.array([difference_error(problem.activation)(covariance, signed) for covariance in C])
    for order in range(len(weights)):
        beyond[:, order] = _overlap_rows(beyond[:, order], T[order], matching)
    sectors = t[np.ix_(matching.order, matching.order)].transpose(2, 0, 1)
    if solution.sectors is not None:
        later = solution.sectors[first:].transpose(0, 2, 1)
        solution.sectors[first:] = _overlap_rows(later, sectors, matching).transpose(0, 2, 1)
    if solution.state is not None:
        solution.state = _overlap_rows(solution.state.T, sectors, matching).T


def _overlap_rows(rows: Array, t: Array, matching: Matching) -> Array:
    """Rows (.., p) of q and r, teachers in their own order, from those of alpha and beta; t (.., M, M).

    Equation: (5.6).
    """
    K = t.shape[-1]
    alpha, beta = layout.unpack(rows, K, K)
    r = beta + t
    q = alpha + beta + np.swapaxes(r, -1, -2)
    own = np.empty_like(r)
    own[..., matching.order] = r
    i, j = layout.upper(K)
    return np.concatenate([own.reshape(*rows.shape[:-1], K * K), q[..., i, j]], axis=-1)
