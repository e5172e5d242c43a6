"""Overlaps and errors from the coordinates of the chain: students S (n, L, K, M) and W (n, L, K, K), teachers B."""

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration import near_teacher
from ode_sgd.teacher_student.kernels.coefficients.near_teacher import difference_error
from ode_sgd.teacher_student.model.problem import Problem

NEAR = 1e-2  # variance of x - y over 1 + that of y, below which errors come from the differences, which are more exact


def overlaps(S: Array, W: Array, B: Array) -> tuple[Array, Array]:
    """q (n, L, K, K) and r (n, L, K, M). Equation: (6.3)."""
    q = S @ S.swapaxes(-1, -2) + W @ W.swapaxes(-1, -2)
    return 0.5 * (q + q.swapaxes(-1, -2)), S @ B.swapaxes(-1, -2)


def errors(problem: Problem, S: Array, W: Array, B: Array) -> Array:
    """eps_g (n,), never negative, where every student is near a teacher of its own; NaN elsewhere.

    They come from S - B and W, not from the overlaps, so they do not cancel: they are good until S - B itself rounds,
    some 1e-27 of T. The second layer is the problem's.
    """
    found = np.full(len(S), np.nan)
    if problem.teacher_units != problem.student_units or not problem.g.has_near_teacher_form:
        return found
    q, r = overlaps(S, W, B)
    factor = problem.spectrum.weights * problem.spectrum.eigenvalues
    # Replica by replica: what a matrix product rounds depends on how many it is done for.
    for n in np.flatnonzero(_perhaps_near(q, r, B, factor)):
        found[n] = _error(problem, q[n], r[n], S[n], W[n], B[n], factor)
    return found


def _perhaps_near(q: Array, r: Array, B: Array, factor: Array) -> NDArray[np.bool_]:
    """Which replicas `_error` might know the error of, (n,): for nearly all it is quickly seen that it does not."""
    student = np.einsum("k,nkii->ni", factor, q)
    teacher = np.einsum("k,nkmc,nkmc->nm", factor, B, B)
    distance = student[:, :, None] - 2.0 * np.einsum("k,nkim->nim", factor, r) + teacher[:, None, :]
    near: NDArray[np.bool_] = (distance < 2.0 * NEAR * (1.0 + teacher[:, None, :])).any(axis=2).all(axis=1)
    return near


def _error(problem: Problem, q: Array, r: Array, S: Array, W: Array, B: Array, factor: Array) -> float:
    K = problem.student_units
    C = _mean(factor, np.block([[q, r], [r.swapaxes(-1, -2), B @ B.swapaxes(-1, -2)]]))
    matching = near_teacher.match(problem, C)
    if matching is not None:
        teachers = B[:, matching.order]
        stacked = np.concatenate([S - teachers, teachers], axis=1)
        near = _mean(factor, stacked @ stacked.swapaxes(-1, -2))
        near[:K, :K] += _mean(factor, W @ W.swapaxes(-1, -2))
        if (np.diag(near)[:K] < NEAR * (1.0 + np.diag(near)[K:])).all():
            signed = np.concatenate([problem.v, -problem.v])
            return max(0.0, difference_error(problem.g)(near, signed))
    return float("nan")


def _mean(factor: Array, sectors: Array) -> Array:
    """sum_k factor_k sectors_k."""
    return np.tensordot(factor, sectors, 1)
