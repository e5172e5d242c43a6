"""The modes of the linear network (docs/theory/linear_network.md section 7).

With p_k = w_k lambda_k e_k the equations of the error vector, for every sector that learns,

    dp_k/dalpha = -2 eta' lambda_k p_k + eta'^2 w_k lambda_k^2 (sum_j p_j + U + sigma^2),

are symmetric in y_k = sqrt(w_k) e_k: a diagonal matrix less one of rank one, solved in `secular`. Sectors of equal
eigenvalue act as one, and those that do not move (not trained, without variance) add the constant U.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory import secular
from ode_sgd.teacher_student.theory.finite_size import FiniteSize
from ode_sgd.teacher_student.theory.linear_network import effective_rate, moves, require_linear

MOST_EXACT = 30_000  # distinct eigenvalues: the secular equation is quadratic in them, 15 s there
SMALLEST_RATIO = 1e-100  # of an eigenvalue to the largest: below, its sector rests, as squares would underflow
SMALLEST_VECTOR = 1e-140  # squares of the equation's vector must not underflow


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearModes:
    """Modes of the error vector: (d/dalpha) y = -(D - z z^T) y + (U + sigma^2) eta' z, y_k = sqrt(w_k) e_k.

    One mode for each of the n distinct eigenvalues that learn. D = diag(2 eta' lambda_k) and z_k = eta' sqrt(w_k)
    lambda_k; no z under gradient flow, where the modes are the sectors.

    Attributes
    ----------
    eigenvalues, weights : (n,)
        lambda_k, increasing, and w_k, summed over sectors of that eigenvalue.
    rates : (n,)
        Decay rates gamma_j per unit of alpha, increasing; the first is negative beyond the critical learning rate.
    strengths : (n,)
        (x_j . z)^2, with x_j the modes' vectors of norm one: how strongly noise drives each mode.

    Notes
    -----
    Equation: (7.7).

    Examples
    --------
    >>> modes = ode_sgd.theory.linear_modes(linear)
    >>> bool((modes.rates > 0.0).all()), modes.strengths.shape
    (True, (1000,))
    """

    eigenvalues: Array
    weights: Array
    rates: Array
    strengths: Array
    _equation: secular.Secular | None

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)

    @check.underflow_is_zero
    def vectors(self) -> Array:
        """x_j, orthonormal, (n, n): row j is the mode of rates[j], its columns the eigenvalues."""
        n = self.eigenvalues.size
        if self._equation is None:
            return np.eye(n)
        result = np.empty((n, n))
        for rows, inverse in self._equation.inverse_differences():
            result[rows] = inverse * self._equation.vector
        result /= np.linalg.norm(result, axis=1, keepdims=True)
        return result


@dataclass(frozen=True)
class MovingSectors:
    """The distinct eigenvalues that move, increasing, and the place of every sector among them (-1: it rests)."""

    eigenvalues: Array
    weights: Array
    place: Any

    @classmethod
    def of(cls, problem: Problem) -> "MovingSectors":
        spectrum = problem.spectrum
        mask = moves(problem) & (spectrum.eigenvalues > SMALLEST_RATIO * spectrum.eigenvalues.max())
        distinct, inverse = np.unique(spectrum.eigenvalues[mask], return_inverse=True)
        place = np.full(spectrum.distinct, -1)
        place[mask] = inverse
        weights = np.bincount(inverse, spectrum.weights[mask], distinct.size).astype(np.float64)
        return cls(distinct, weights, place)

    def modes(self, problem: Problem, finite: FiniteSize | None = None) -> LinearModes:
        """The modes, from the equation in units of the largest rate 2 eta' lambda_max. Equations: (7.7) and (23.2)."""
        largest = self.eigenvalues[-1]
        rate, unit = effective_rate(problem), 2.0 * effective_rate(problem) * largest
        ratios = self.eigenvalues / largest
        if problem.gradient_flow:
            return self._modes(unit * ratios, np.zeros(ratios.size), None)
        if rate * largest < 1e-100:
            raise InvalidProblem(
                f"learning_rate = {problem.learning_rate:g} is too small for exact modes; give gradient_flow=True"
            )
        if self.eigenvalues.size > MOST_EXACT:
            raise InvalidProblem(
                f"{self.eigenvalues.size} distinct eigenvalues; exact modes take at most {MOST_EXACT}: give "
                "gradient_flow=True (the limit of small learning rates) or fewer"
            )
        vector = np.sqrt(0.5 * rate * largest) * np.sqrt(self.weights) * ratios
        if finite is not None:
            vector, ratios = vector / np.sqrt(finite.batch), finite.own_rates(rate, self.eigenvalues) / unit
        order, poles = _increasing(ratios)
        equation = secular.solve(poles, np.maximum(vector[order], SMALLEST_VECTOR))
        modes = self._modes(unit * equation.eigenvalues, unit * equation.strengths(), equation)
        return (
            modes
            if finite is None
            else replace(modes, eigenvalues=self.eigenvalues[order], weights=self.weights[order])
        )

    def _modes(self, rates: Array, strengths: Array, equation: secular.Secular | None) -> LinearModes:
        return LinearModes(
            eigenvalues=self.eigenvalues, weights=self.weights, rates=rates, strengths=strengths, _equation=equation
        )

    def summed(self, values: Array) -> Array:
        """Sums of sector values (L,) over every distinct eigenvalue, (n,)."""
        moving = self.place >= 0
        return np.bincount(self.place[moving], values[moving], self.eigenvalues.size).astype(np.float64)


def _increasing(poles: Array) -> tuple[Indices, Array]:
    """The order of poles, and these, strictly increasing: equal ones, which only finite N has, part by rounding."""
    order = np.argsort(poles, kind="stable")
    poles = poles[order]
    if (np.diff(poles) > 0.0).all():
        return order, poles
    for k in range(1, poles.size):
        poles[k] = max(poles[k], np.nextafter(poles[k - 1], np.inf))
    return order, poles


@own_keywords
@check.underflow_is_zero
def linear_modes(problem: Problem) -> LinearModes:
    """Exact modes of a linear network, from the secular equation 1 = sum_k z_k^2 / (2 eta' lambda_k - gamma).

    O(n^2) operations and O(n) memory for n distinct eigenvalues (n = 10^4: a few seconds); `LinearModes.vectors` is an
    n x n array.

    Raises
    ------
    InvalidProblem
        Unless the activation is linear and something learns, or for more than 30,000 distinct eigenvalues.

    Notes
    -----
    Equations: (7.7) and (7.8).

    Examples
    --------
    >>> ode_sgd.theory.linear_modes(linear).rates.shape
    (1000,)
    """
    require_linear(problem)
    moving = MovingSectors.of(problem)
    if not moving.eigenvalues.size:
        raise InvalidProblem("nothing learns here: student_weights are all 0, or trainable sectors have no variance")
    return moving.modes(problem)
