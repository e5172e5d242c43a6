"""From overlaps to differences and back, once every student has found its teacher (../kernels/coefficients)."""

from dataclasses import dataclass

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.schedule import largest
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.integration.solution import Solution
from ode_sgd.teacher_student.kernels.coefficients.matrix_form import has_matrix_form
from ode_sgd.teacher_student.kernels.coefficients.near_teacher import difference_error
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model.problem import Networks


@dataclass(frozen=True)
class Matching:
    """Student i has become teacher order[i]."""

    order: Indices


def possible(system: SectorSystem) -> bool:
    """Whether the error can vanish with every student on its own teacher."""
    return (
        system.g.has_near_teacher_form
        and not has_matrix_form(system.g, *system.units)
        and system.student_units == system.teacher_units
        and largest(system.label_noise) == 0.0
        and system.rule.lets_the_error_vanish
        and system.copies is None
        and not system.memory.size
        and not system.rule.trains_second_layer  # the form is that of v = u, which would have to move along
        and bool(np.all(system.learning[system.eigenvalues > 0.0] > 0.0))
    )


def match(networks: Networks, C: Array) -> Matching | None:
    """The teacher nearest to every student, from the fields' covariance; None if two share one or v differs from u."""
    K = networks.student_units
    distance = np.diag(C)[:K, None] - 2.0 * C[:K, K:] + np.diag(C)[None, K:]
    order = np.argmin(distance, axis=1)
    if np.unique(order).size < K or not np.array_equal(networks.v, networks.u[order]):
        return None
    return Matching(order)


def from_overlaps(state: Array, t: Array, matching: Matching) -> Array:
    """State (p, L) of a = q - r - r^T + t and b = r - t, from that of q and r; t is (M, M, L).

    Equation: (5.6).
    """
    K = len(t)
    q, r = layout.unpack(state.T, K, K)
    r = r[:, :, matching.order]
    t = t[np.ix_(matching.order, matching.order)].transpose(2, 0, 1)
    return layout.pack(q - r - r.transpose(0, 2, 1) + t, r - t)


def translate(system: SectorSystem, matching: Matching, weights: Array, solution: Solution, first: int) -> None:
    """Turn everything of a solution from the output `first` on, and its last state, from differences into overlaps.

    The errors, which would lose their precision on the way, are computed before, into `solution.errors`.
    """
    t, K = system.t, system.student_units
    T = np.tensordot(weights, t[np.ix_(matching.order, matching.order)], axes=(1, 2))  # (orders, M, M)
    beyond = solution.rows[first:]
    a, b = layout.unpack(beyond[:, solution.order_one], K, K)
    teacher = np.broadcast_to(T[solution.order_one], a.shape)
    C = np.ascontiguousarray(np.block([[a, b], [b.transpose(0, 2, 1), teacher]]))
    signed = np.concatenate([system.v, -system.v])
    solution.errors = np.array([difference_error(system.g)(covariance, signed) for covariance in C])
    for order in range(len(weights)):
        beyond[:, order] = _overlap_rows(beyond[:, order], T[order], matching)
    sectors = t[np.ix_(matching.order, matching.order)].transpose(2, 0, 1)
    if solution.sectors is not None:
        later = solution.sectors[first:].transpose(0, 2, 1)
        solution.sectors[first:] = _overlap_rows(later, sectors, matching).transpose(0, 2, 1)
    if solution.state is not None:
        solution.state = _overlap_rows(solution.state.T, sectors, matching).T


def overlaps_and_error(system: SectorSystem, matching: Matching, rows: Array) -> tuple[Array, float]:
    """Rows (p,) of order one of q and r, and eps_g, from those of differences."""
    K = system.student_units
    T = system.T[np.ix_(matching.order, matching.order)]
    a, b = layout.unpack(rows, K, K)
    error = difference_error(system.g)(layout.covariance(a, b, T), np.concatenate([system.v, -system.v]))
    return _overlap_rows(rows, T, matching), float(error)


def change_of_overlaps(rows: Array, matching: Matching) -> Array:
    """The change (p,) of rows of q and r, from that of differences."""
    K = matching.order.size
    return _overlap_rows(rows, np.zeros((K, K)), matching)


def _overlap_rows(rows: Array, t: Array, matching: Matching) -> Array:
    """Rows (.., p) of q and r, teachers in their own order, from those of a and b; t (.., M, M).

    Equation: (5.6).
    """
    K = t.shape[-1]
    a, b = layout.unpack(rows, K, K)
    r = b + t
    q = a + b + np.swapaxes(r, -1, -2)
    own = np.empty_like(r)
    own[..., matching.order] = r
    i, j = layout.upper(K)
    return np.concatenate([own.reshape(*rows.shape[:-1], K * K), q[..., i, j]], axis=-1)
