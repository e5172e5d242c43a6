"""The linear network at any time, exactly (docs/theory/linear_network.md section 7): error and order parameters.

The error vector is a sum over the modes of `modes`; what the sectors that do not move hold is a constant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.moments import OverlapMoments
from ode_sgd.teacher_student.model.observables import Moments
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.finite_size import FiniteSize
from ode_sgd.teacher_student.theory.linear_network import (
    checked_dimension,
    effective_rate,
    error_vector,
    moves,
    require_linear,
)
from ode_sgd.teacher_student.theory.modes import MovingSectors

BLOCK = 2**13  # exponentials at once: 64 KiB, and products too small for BLAS to spread over threads
LARGEST_EXPONENT = 690.0  # beyond exp(690) = 1e299 a growing error counts as infinite
VANISHED = 745.0  # exp(-745) underflows


@own_keywords
@check.underflow_is_zero
def linear_error(
    problem: Problem, start: OrderParameters, alpha: Any, *, dimension: int | None = None, continuous: bool = False
) -> Array:
    """eps_g (n,) of a linear network at the times alpha, in closed form, to about 1e-12 of itself however small it is
    (down to 1e-140 of its start).

    Exact at any learning rate by `linear_modes`. Under gradient flow it is a sum of exponentials, (7.4), in O(L) for
    each time: for L of a million and more, and small learning rates, of which it is the limit. What gradient flow
    leaves out is eta / eta_c of the error, relatively, within a power-law window, and shifts the rates in the
    exponential decay after it.

    Parameters
    ----------
    problem : Problem
        With the linear activation.
    start : OrderParameters
        At alpha = 0. Its own rounding is all that limits the result: e_k is a difference of overlaps.
    alpha : array_like, shape (n,)
        Times >= 0, dimensionless, in any order. Eigenvalues below 1e-100 of the largest count as 0.
    dimension : int or None
        N of SGD: the mean over all runs from this start, exactly, after the nearest whole number of steps. None is the
        ODE, N -> infinity.
    continuous : bool
        With a dimension: steps at random times at a mean rate of N per unit of alpha, as some papers have them.

    Returns
    -------
    ndarray, shape (n,)
        Never negative; infinite where a learning rate beyond critical has made it overflow.

    Raises
    ------
    InvalidProblem
        Unless the activation is linear, without gradient flow for more than 30,000 distinct eigenvalues, and for a
        dimension with gradient flow, which has no steps.
    InvalidStart
        If the start does not fit the problem.

    Notes
    -----
    Equations: (7.4), (7.9) and (23.2).

    Examples
    --------
    >>> ode_sgd.theory.linear_error(linear, small, [0.0, 10.0, 1000.0]).round(3).tolist()
    [0.505, 0.024, 0.002]
    """
    finite = _finite(problem, dimension, continuous)
    times = check.times_in_any_order(alpha)
    return 0.5 * _ErrorVector(problem, start, finite).sums(times if finite is None else finite.times(times), (1,))[1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearSolution(OverlapMoments):
    """Exact course of a linear network.

    Attributes
    ----------
    alpha : (n,)
    generalization_error : (n,)
        eps_g >= 0.
    moments : dict
        Order l -> Q (n, K, K), R (n, K, M), T (M, M) of (2.3).

    Examples
    --------
    >>> solution = ode_sgd.theory.linear_order_parameters(linear, small, [0.0, 1000.0])
    >>> solution.Q.shape, solution.T.shape
    ((2, 1, 1), (1, 1))
    """

    alpha: Array
    generalization_error: Array
    moments: Moments

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)


@own_keywords
@check.underflow_is_zero
def linear_order_parameters(
    problem: Problem,
    start: OrderParameters,
    alpha: Any,
    *,
    moments: Sequence[int] = (0, 1, 2),
    dimension: int | None = None,
    continuous: bool = False,
) -> LinearSolution:
    """Q, R and eps_g of a linear network at the times alpha, in closed form, for any K, M and second layers.

    All students move along v: with rho_k = v.r_k - u.t_k and h_k = q_k v - r_k u - v e_k / |v|^2, both of which decay
    as exp(-eta' lambda_k alpha),

        r_k(alpha) = r_k(0) - v rho_k(0)^T (1 - exp(-eta' lambda_k alpha)) / |v|^2,
        q_k(alpha) = q_k(0) + v v^T (e_k(alpha) - e_k(0)) / |v|^4
                     - (v h_k(0)^T + h_k(0) v^T) (1 - exp(-eta' lambda_k alpha)) / |v|^2.

    Parameters
    ----------
    problem, start, alpha, dimension, continuous
        As for `linear_error`; at finite N they are means over all runs, with (1 - eta' lambda_k / N)^steps in place of
        the exponential, at the times of the nearest whole steps.
    moments : sequence of int
        Orders l >= 0 wanted of Q, R and T; 1 is always there.

    Raises
    ------
    As `linear_error`.

    Notes
    -----
    Equations: (7.10), (7.11), (7.12) and (23.3).

    Examples
    --------
    >>> solution = ode_sgd.theory.linear_order_parameters(linear, small, [0.0, 1000.0])
    >>> solution.R.round(2).ravel().tolist()
    [0.0, 0.99]
    """
    finite = _finite(problem, dimension, continuous)
    error = _ErrorVector(problem, start, finite)
    times = check.times_in_any_order(alpha) if finite is None else finite.times(check.times_in_any_order(alpha))
    orders = check.orders(moments)
    sums = error.sums(times, orders)
    v, norm = problem.v, float(problem.v @ problem.v)
    rho = np.einsum("i,kin->kn", v, start.r) - start.t @ problem.u
    h = start.q @ v - start.r @ problem.u
    if norm > 0.0:
        rho, h = rho / norm, (h - np.outer(error.initial, v) / norm) / norm
    course = np.concatenate([h, rho], axis=1)
    rates = np.where(moves(problem), effective_rate(problem) * problem.spectrum.eigenvalues, 0.0)
    K = v.size
    result = {}
    for order in orders:
        Q, R, T = start.moments(problem.spectrum, order)
        moved = _approach(rates, course * problem.spectrum.powers(order)[:, None], times, finite)
        along = np.einsum("i,nj->nij", v, moved)
        change = sums[order] - problem.spectrum.powers(order) @ error.initial
        own = np.einsum("i,j,n->nij", v, v, change / norm**2 if norm > 0.0 else 0.0 * change)
        side = along[:, :, :K]
        result[order] = Q + own - side - side.transpose(0, 2, 1), R - along[:, :, K:], T
    return LinearSolution(alpha=times, generalization_error=0.5 * sums[1], moments=result)


class _ErrorVector:
    """e_k of one start, and its weighted sums at any time."""

    def __init__(self, problem: Problem, start: OrderParameters, finite: FiniteSize | None = None) -> None:
        require_linear(problem)
        self._problem, self._moving, self._finite = problem, MovingSectors.of(problem), finite
        self.initial = error_vector(problem, start)

    def sums(self, alpha: Array, orders: tuple[int, ...]) -> dict[int, Array]:
        """sum_k w_k lambda_k^l e_k(alpha), (n,), for every order l. Equations: (7.4) and (7.9)."""
        problem, moving = self._problem, self._moving
        powers = {order: problem.spectrum.powers(order) * self.initial for order in orders}
        still = {order: float(values[moving.place < 0].sum()) for order, values in powers.items()}
        if not moving.eigenvalues.size:
            return {order: np.full(alpha.size, still[order]) for order in orders}
        begin = np.stack([moving.summed(powers[order]) for order in orders], axis=1)
        with np.errstate(over="ignore"):  # exp(-infinity) is zero, and exp(+infinity) is told
            course = _decay(*self._alone(begin), alpha)
            if not problem.gradient_flow:
                # What the sectors hold by themselves is a lower bound, which rounding must not undercut.
                course = np.maximum(course, self._driven(alpha, orders))
        return {order: still[order] + course[:, number] for number, order in enumerate(orders)}

    def _alone(self, begin: Array) -> tuple[Array, Array]:
        """The rates of sectors that no others feed, increasing, and `begin` (n, m) in this order."""
        moving, rate = self._moving, effective_rate(self._problem)
        if self._finite is None:
            return 2.0 * rate * moving.eigenvalues, begin
        rates = self._finite.decay(self._finite.own_rates(rate, moving.eigenvalues))
        order = np.argsort(rates, kind="stable")
        return rates[order], begin[order]

    def _driven(self, alpha: Array, orders: tuple[int, ...]) -> Array:
        """The sums over moving sectors with the term of order eta^2, (n, orders). Equations: (7.9) and (23.2)."""
        problem, moving, finite = self._problem, self._moving, self._finite
        modes = moving.modes(problem, finite)
        equation = modes._equation
        assert equation is not None
        # y = sqrt(w) e in the modes, and the readouts sqrt(w) lambda^(l-1) of sums over z_k y_k.
        place = np.searchsorted(moving.eigenvalues, modes.eigenvalues)
        shares = np.sqrt(modes.weights)
        amplitude = moving.summed(problem.spectrum.weights * self.initial)[place] / shares
        readouts = [shares * modes.eigenvalues ** float(order) for order in orders]
        projected = equation.sums(equation.vector[:, None] * np.stack([amplitude, *readouts], axis=1))
        unit = 2.0 * effective_rate(problem) * moving.eigenvalues[-1]
        overlap, readout = projected[:, 0], projected[:, 1:]
        batch = 1.0 if finite is None else float(finite.batch)
        scale = np.sqrt(unit / batch)  # of eta' sqrt(w) lambda / b over the equation's vector
        if 1 in orders:  # sum_k z_k^2 / (d_k - g) = 1 is the secular equation itself: nothing cancels
            readout[:, orders.index(1)] = np.sqrt(unit * batch) / effective_rate(problem)
        norms = modes.strengths / unit
        still = problem.spectrum.powers(1)[moving.place < 0] @ self.initial[moving.place < 0]
        noise = effective_rate(problem) * scale * (still + fixed(problem.label_noise) ** 2)
        course = modes.rates if finite is None else finite.decay(modes.rates)
        return _response(modes.rates, course, norms[:, None] * readout, overlap, noise, alpha)


def _response(rates: Array, course: Array, readout: Array, overlap: Array, noise: float, alpha: Array) -> Array:
    """sum_j readout_j [overlap_j exp(-course_j alpha) + noise (1 - exp(-course_j alpha)) / rate_j], (n, orders).

    The course is the rate itself but for the steps of finite N. Equation: (7.9).
    """
    result = np.empty((alpha.size, readout.shape[1]))
    steady = np.where(rates == 0.0, 1.0, rates)
    for rows in _row_blocks(alpha.size, rates.size):
        exponents = np.outer(-alpha[rows], course)
        grown = exponents[:, 0] > LARGEST_EXPONENT  # the first rate is the smallest
        np.minimum(exponents, LARGEST_EXPONENT, out=exponents)
        filled = np.where(rates == 0.0, alpha[rows, None], -np.expm1(exponents) / steady)
        result[rows] = (np.exp(exponents) * overlap + noise * filled) @ readout
        result[rows][grown] = np.inf
    return result


def _decay(rates: Array, begin: Array, alpha: Array) -> Array:
    """sum_k begin_k exp(-rates_k alpha) of every column of begin (L, m), rates increasing, at every time: (n, m).

    Equation: (7.4).
    """
    result = np.zeros((alpha.size, begin.shape[1]))
    for row, time in enumerate(alpha):
        alive = int(np.searchsorted(time * rates, VANISHED))  # numbers that underflow are slow ones
        for columns in _column_blocks(alive):
            result[row] += np.exp(-time * rates[columns]) @ begin[columns]
    return result


def _approach(rates: Array, end: Array, alpha: Array, finite: FiniteSize | None = None) -> Array:
    """sum_k end_k (1 - exp(-rates_k alpha)) of every column of end (L, m), at every time: (n, m).

    At finite N it is the power of (23.3) in place of the exponential.
    """
    result = np.zeros((alpha.size, end.shape[1]))
    if finite is not None and not finite.continuous:
        for columns in _column_blocks(rates.size):
            for row in range(alpha.size):
                result[row] += (1.0 - finite.shrinking(rates[columns], alpha[row : row + 1])[0]) @ end[columns]
        return result
    with np.errstate(over="ignore"):  # expm1(-infinity) is -1
        for columns in _column_blocks(rates.size):
            for row, time in enumerate(alpha):
                result[row] -= np.expm1(-time * rates[columns]) @ end[columns]
    return result


def _column_blocks(n: int) -> Iterator[slice]:
    return (slice(begin, min(begin + BLOCK, n)) for begin in range(0, n, BLOCK))


def _row_blocks(rows: int, columns: int) -> Iterator[slice]:
    height = max(1, BLOCK // columns)
    return (slice(begin, min(begin + height, rows)) for begin in range(0, rows, height))


def _finite(problem: Problem, dimension: int | None, continuous: bool) -> FiniteSize | None:
    """N and how steps are timed; None for the ODE."""
    require_linear(problem)
    continuous = check.boolean("continuous", continuous)
    if dimension is None:
        if continuous:
            raise InvalidProblem("continuous = True is about the steps of finite N; give a dimension as well")
        return None
    return FiniteSize(dimension=checked_dimension(problem, dimension), continuous=continuous)
