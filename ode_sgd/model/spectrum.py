"""The spectrum of the data covariance: L sectors, each one eigenvalue on its own eigenspace."""

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ode_sgd.model import check, inputs
from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidProblem

LARGEST = 10**15  # dimension; beyond, N_k are no longer exact in 64-bit floats


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Eigenvalues of the input covariance Sigma and the share of all directions that each of them holds.

    Parameters
    ----------
    eigenvalues : array_like, shape (L,)
        lambda_k >= 0, dimensionless; at least one is positive. Equal ones stay separate sectors, in the order given.
    weights : array_like, shape (L,)
        w_k = N_k / N > 0, with sum 1.

    Raises
    ------
    InvalidProblem
        For negative or non-finite eigenvalues, weights that are not positive or do not sum to one, unequal lengths.

    Notes
    -----
    An eigenvalue zero is legal: a direction without variance is never learned.
    """

    eigenvalues: Array
    weights: Array

    def __post_init__(self) -> None:
        eigenvalues = check.array("eigenvalues", self.eigenvalues, "(L,)", 1)
        weights = check.array("weights", self.weights, "(L,)", 1)
        if eigenvalues.shape != weights.shape:
            raise InvalidProblem(f"{eigenvalues.size} eigenvalues but {weights.size} weights; give one weight each")
        if (eigenvalues < 0.0).any():
            raise InvalidProblem(f"eigenvalue {eigenvalues[eigenvalues < 0.0][0]:g} is negative; all must be >= 0")
        if not eigenvalues.any():
            raise InvalidProblem("all eigenvalues are zero; at least one must be positive")
        if (weights <= 0.0).any():
            raise InvalidProblem(f"weight {weights[weights <= 0.0][0]:g} is not positive; leave the sector out")
        if abs(weights.sum() - 1.0) > 1e-9:
            raise InvalidProblem(f"weights sum to {weights.sum():.12g}, not to 1; divide them by their sum")
        object.__setattr__(self, "eigenvalues", eigenvalues)
        object.__setattr__(self, "weights", weights)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spectrum):
            return NotImplemented
        return np.array_equal(self.eigenvalues, other.eigenvalues) and np.array_equal(self.weights, other.weights)

    __setstate__ = check.restore_frozen

    def __hash__(self) -> int:
        return hash((self.eigenvalues.tobytes(), self.weights.tobytes()))

    @classmethod
    def power_law(cls, distinct: int, beta: float, trace: float = 1.0) -> "Spectrum":
        """lambda_k = lambda_+ k^-(1+beta), k = 1..distinct, equal weights, Tr Sigma / N = trace.

        Parameters
        ----------
        distinct : int
            L >= 1, the number of distinct eigenvalues.
        beta : float
            Exponent > 0, dimensionless. Source: Worschech & Rosenow (2025); docs/theory.md section 1.
        trace : float
            mu_1 = Tr Sigma / N > 0.
        """
        distinct = check.integer("distinct", distinct, 1)
        beta = check.number("beta", beta, above=0.0)
        shape = np.arange(1.0, distinct + 1.0) ** -(1.0 + beta)
        return cls(check.number("trace", trace, above=0.0) * shape / shape.mean(), np.full(distinct, 1.0 / distinct))

    @classmethod
    def isotropic(cls) -> "Spectrum":
        """White inputs: one sector of eigenvalue 1."""
        return cls(np.ones(1), np.ones(1))

    @classmethod
    def from_eigenvalues(cls, values: Any) -> "Spectrum":
        """The spectrum of a covariance matrix from its N eigenvalues (N,), >= 0: equal ones merged, largest first.

        Negative ones at the rounding level of the largest count as 0.
        """
        checked = check.array("eigenvalues", values, "(N,)", 1)
        # What a solver returns for a rank-deficient matrix: zeros, up to its rounding.
        rounding = checked.size * np.finfo(float).eps * np.abs(checked).max()
        checked = np.where((checked < 0.0) & (checked >= -rounding), 0.0, checked)
        distinct, counts = np.unique(checked, return_counts=True)
        return cls(distinct[::-1], counts[::-1] / counts.sum())

    @classmethod
    def from_data(cls, X: Any) -> "Spectrum":
        """The spectrum of a data set's sample covariance, scaled by one factor to Tr Sigma / N = 1.

        Parameters
        ----------
        X : array_like, shape (samples, features)
            Finite, any units, at least two samples. Columns are centred; those without variance are dropped, with a
            warning that says which.

        Raises
        ------
        InvalidProblem
            If X is not such a matrix or nothing varies.

        Notes
        -----
        With fewer samples than features the directions that the samples do not span get the eigenvalue 0.
        """
        return cls.from_eigenvalues(inputs.principal_values(X))

    @property
    def distinct(self) -> int:
        """L, the number of sectors (equal eigenvalues given separately count separately)."""
        return self.eigenvalues.size

    def moment(self, order: int) -> float:
        """mu_l = sum_k w_k lambda_k^l = Tr Sigma^l / N, dimensionless, for an integer order l >= 0."""
        return float(self.powers(order).sum())

    def powers(self, order: int) -> Array:
        """w_k lambda_k^l, (L,), for an integer order l >= 0.

        Raises
        ------
        InvalidProblem
            If the order is so high that these overflow.
        """
        order = check.integer("order", order, 0)
        if order < 2:  # cannot overflow
            return self.weights * self.eigenvalues if order else self.weights.copy()
        with np.errstate(over="ignore"):
            factors = self.weights * self.eigenvalues**order
        if not np.isfinite(factors).all():
            raise InvalidProblem(f"order {order} is too high: {self.eigenvalues.max():g}^{order} overflows")
        return np.asarray(factors)

    def sector_dimensions(self, dimension: int) -> NDArray[np.int64]:
        """N_k = N w_k, shape (L,).

        Raises
        ------
        InvalidProblem
            If the weights do not divide N = dimension into whole numbers; it names the nearest N that they do divide.
        """
        dimension = check.integer("dimension", dimension, 1, LARGEST)
        exact = self.weights * dimension
        whole = np.rint(exact).astype(np.int64)
        # Weights may be given to nine digits, but no input may be won or lost by their rounding.
        close = np.abs(exact - whole) <= np.minimum(1e-6 * np.maximum(1.0, exact), 0.05)
        if close.all() and (whole > 0).all() and whole.sum() == dimension:
            return whole
        raise InvalidProblem(
            f"dimension N = {dimension} gives sector {int(np.argmin(close & (whole > 0))) + 1} of {self.distinct} "
            f"{exact[np.argmin(close & (whole > 0))]:g} inputs, not a whole number >= 1; {self._nearest(dimension)}"
        )

    def _nearest(self, dimension: int) -> str:
        """The nearest dimension that the weights divide, in words."""
        step = 1
        for weight in np.unique(self.weights):
            step = lcm(step, Fraction(float(weight)).limit_denominator(10**6).denominator)
            if step > 10**12:
                return "no dimension up to 1e12 fits these weights; give weights that are multiples of 1/N"
        return f"the nearest that fits is {max(1, round(dimension / step)) * step}"
