"""The spectrum of the data covariance: L sectors, each one eigenvalue on its own eigenspace."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm

import numpy as np

from ode_sgd.core import check, frozen, inputs, notice, rounding
from ode_sgd.core.arrays import Array, ArrayLike, Indices
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords

WRITTEN = 4  # eigenvalues that are written out; of more their range says more
LARGEST = 10**15  # dimension; beyond, N_k are no longer exact in 64-bit floats


@own_keywords
@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Eigenvalues of the input covariance Sigma and the share of all directions that each of them holds.

    Parameters
    ----------
    eigenvalues : array_like, shape (L,)
        lambda_k >= 0, dimensionless, the largest from 1e-50 to 1e50. Equal ones stay separate sectors, in the order
        given.
    weights : array_like, shape (L,)
        w_k = N_k / N > 0, with sum 1.

    Raises
    ------
    InvalidProblem
        For negative or non-finite eigenvalues, weights that are not positive or do not sum to one, unequal lengths.

    Notes
    -----
    An eigenvalue zero is legal: a direction without variance is never learned.

    Equation: (1.1).

    Examples
    --------
    >>> spectrum = ode_sgd.Spectrum([2.0, 0.5], [0.4, 0.6])
    >>> round(spectrum.moment(1), 3), round(spectrum.effective_dimension(1000), 1)
    (1.1, 691.4)
    """

    eigenvalues: Array
    weights: Array

    @check.underflow_is_zero
    def __post_init__(self) -> None:
        eigenvalues = check.array("eigenvalues", self.eigenvalues, "(L,)", 1)
        weights = check.array("weights", self.weights, "(L,)", 1)
        if eigenvalues.shape != weights.shape:
            raise InvalidProblem(f"{eigenvalues.size} eigenvalues but {weights.size} weights; give one weight each")
        if (eigenvalues < 0.0).any():
            raise InvalidProblem(f"eigenvalue {eigenvalues[eigenvalues < 0.0][0]:g} is negative; all must be >= 0")
        if not eigenvalues.any():
            raise InvalidProblem("all eigenvalues are zero; at least one must be positive")
        check.size("the largest eigenvalue", eigenvalues.max())
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

    __setstate__ = frozen.restore_frozen

    def __repr__(self) -> str:
        if self.eigenvalues.size <= WRITTEN:
            return f"Spectrum(eigenvalues={self.eigenvalues!r}, weights={self.weights!r})"
        low, high, zeros = self.eigenvalues.min(), self.eigenvalues.max(), int((self.eigenvalues == 0.0).sum())
        none = f", {zeros} of them 0" if zeros else ""
        values = f"{self.eigenvalues.size} eigenvalues from {low:.4g} to {high:.4g}{none}"
        return f"Spectrum({values}, trace {self.moment(1):.4g} per dimension)"

    def __hash__(self) -> int:
        return hash((self.eigenvalues.tobytes(), self.weights.tobytes()))

    @classmethod
    @check.underflow_is_zero
    def power_law(cls, distinct: int, beta: float, trace: float = 1.0) -> "Spectrum":
        """lambda_k = lambda_+ k^-(1+beta), k = 1..distinct, equal weights, Tr Sigma / N = trace.

        Parameters
        ----------
        distinct : int
            L >= 1, the number of distinct eigenvalues.
        beta : float
            Exponent > 0, dimensionless. Source: Worschech & Rosenow (2025); docs/theory/model.md section 1.
        trace : float
            mu_1 = Tr Sigma / N, from 1e-50 to 1e50.

        Notes
        -----
        Equation: (1.3).
        """
        distinct = check.integer("distinct", distinct, 1)
        beta = check.number("beta", beta, above=0.0)
        shape = np.arange(1.0, distinct + 1.0) ** -(1.0 + beta)
        return cls(check.size("trace", trace) * shape / shape.mean(), np.full(distinct, 1.0 / distinct))

    @classmethod
    def isotropic(cls) -> "Spectrum":
        """White inputs: one sector of eigenvalue 1."""
        return cls(np.ones(1), np.ones(1))

    @classmethod
    @check.underflow_is_zero
    def from_eigenvalues(cls, values: ArrayLike, tolerance: float | None = None) -> "Spectrum":
        """The spectrum of a covariance matrix from its N eigenvalues: equal ones merged, largest first.

        Parameters
        ----------
        values : array_like, shape (N,)
            >= 0 up to rounding, in any order.
        tolerance : float or None
            Differences up to this fraction of the largest eigenvalue, 0 <= tolerance < 1, count as rounding: such
            values are merged into their mean, and all that do not exceed it count as 0. 0 merges only what is equal and
            takes nothing below 0. None is eps (48 + 3 sqrt N), with eps of the type of `values`: 1.2e-7 for float32,
            2.2e-16 for float64; 4.9e-4 for float16, in which numbers are only stored; 0 for integers, which are exact.

        Raises
        ------
        InvalidProblem
            If an eigenvalue is negative beyond rounding, or all are 0.

        Warns
        -----
        UserWarning
            If values were merged or set to 0 that are not equal; it says how many.

        Notes
        -----
        A diagonalisation scatters equal eigenvalues by its rounding. Only groups of values are merged that lie within
        the tolerance as a whole and further than that from all others: the dense tail of a power law stays as it is,
        and so, unless a tolerance is given, do small values that all are positive but differ by factors and that no gap
        of a factor 1000 or more sets apart from all others, as it does the zeros of a singular value decomposition.
        Where a dense tail meets values below 0, what is no larger than these counts as 0. What merging changes is below
        the tolerance, absolutely; the trace is kept, apart from what counts as 0.
        """
        checked = np.sort(check.array("eigenvalues", values, "(N,)", 1))[::-1]
        given = rounding.checked_tolerance(tolerance)
        relative = rounding.solver_level(values) if given is None else given
        if checked[0] > 0.0:
            check.size("the largest eigenvalue", checked[0])
        level = relative * np.abs(checked).max()
        if checked[-1] < -level:
            raise InvalidProblem(
                f"eigenvalue {checked[-1]:g} is negative; all must be >= 0, up to rounding (here {level:.2g}). If that "
                "of your computation is larger, give its level, as a fraction of the largest: tolerance=1e-5, say, for "
                "numbers that were once float32"
            )
        merged = rounding.merged(checked, level, obeyed=given is not None)
        _notify(merged, relative)
        return cls(merged.eigenvalues, merged.counts / checked.size)

    @classmethod
    @check.underflow_is_zero
    def from_data(cls, X: ArrayLike, tolerance: float | None = None) -> "Spectrum":
        """The spectrum of a data set's sample covariance, scaled by one factor to Tr Sigma / N = 1.

        Parameters
        ----------
        X : array_like, shape (samples, features)
            Finite, any units, at least two samples. Columns are centred; those without variance are dropped, with a
            warning that says which.
        tolerance : float or None
            As for `from_eigenvalues`. None follows from the type of X, its size and how far its mean is from 0
            (docs/howto/problem.md); it is far finer than that of eigenvalues, since the data themselves are decomposed.

        Raises
        ------
        InvalidProblem
            If X is not such a matrix or nothing varies.

        Warns
        -----
        UserWarning
            For columns that were dropped, and for eigenvalues that were merged or set to 0 by their rounding.

        See Also
        --------
        ode_sgd.principal_axes : the same spectrum, with its eigenvectors.

        Notes
        -----
        With fewer samples than features the directions that the samples do not span get the eigenvalue 0.
        """
        given = rounding.checked_tolerance(tolerance)
        return of_principal(inputs.principal_values(X), given)

    @property
    def distinct(self) -> int:
        """L, the number of sectors (equal eigenvalues given separately count separately)."""
        return self.eigenvalues.size

    def moment(self, order: int) -> float:
        """mu_l = sum_k w_k lambda_k^l = Tr Sigma^l / N, dimensionless, for an integer order l >= 0. Equation: (1.2)."""
        return float(self.powers(order).sum())

    @check.underflow_is_zero
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

    def effective_dimension(self, dimension: int) -> float:
        """N_eff = (Tr Sigma)^2 / Tr Sigma^2 = N mu_1^2 / mu_2: how many directions share the variance of the inputs.

        What is of order 1/N for white inputs is of order 1/N_eff in general, such as the difference between the mean
        of finite-N runs and the ODE. `compare` allows for that much.

        Parameters
        ----------
        dimension : int
            N, the number of inputs, from 1 to 1e15. It need not fit the weights as it must for a simulation.

        Returns
        -------
        float
            Dimensionless, larger than 0 and at most N, up to rounding; N for white inputs. The scale of the
            eigenvalues has no bearing on it.

        Raises
        ------
        InvalidProblem
            If the dimension is not a whole number in that range.

        Notes
        -----
        Equation: (3.6).
        """
        return check.integer("dimension", dimension, 1, LARGEST) * self.moment(1) ** 2 / self.moment(2)

    @check.underflow_is_zero
    def sector_dimensions(self, dimension: int) -> Indices:
        """N_k = N w_k, shape (L,).

        Raises
        ------
        InvalidProblem
            If the weights do not divide N = dimension into whole numbers; it names the nearest N that they do divide.

        Notes
        -----
        Equation: (1.1).
        """
        dimension = check.integer("dimension", dimension, 1, LARGEST)
        exact = self.weights * dimension
        whole = whole_inputs(exact)
        if whole.all() and whole.sum() == dimension:
            return whole
        raise InvalidProblem(
            f"dimension N = {dimension} gives sector {int(np.argmin(whole)) + 1} of {self.distinct} "
            f"{exact[np.argmin(whole)]:g} inputs, not a whole number >= 1; {self._nearest(dimension)}"
        )

    def _nearest(self, dimension: int) -> str:
        """The nearest dimension that the weights divide, in words."""
        step = 1
        for weight in np.unique(self.weights):
            step = lcm(step, Fraction(float(weight)).limit_denominator(10**6).denominator)
            if step > 10**12:
                return "no dimension up to 1e12 fits these weights; give weights that are multiples of 1/N"
        return f"the nearest that fits is {max(1, round(dimension / step)) * step}"


def of_principal(data: inputs.Principal, given: float | None) -> Spectrum:
    """The spectrum of decomposed data; `given` is the tolerance that was asked for, if any."""
    levels = data.levels if given is None else given * data.values[0]
    merged = rounding.merged(data.values, levels, obeyed=given is not None)
    if given is None:
        merged = replace(merged, zeroed=merged.zeroed + data.unresolved)
    _notify(merged, float(data.levels[0] / data.values[0]) if given is None else given)
    return Spectrum(merged.eigenvalues, merged.counts / data.values.size)


def _notify(merged: rounding.Merged, level: float) -> None:
    """Warn, at the line that asked for a spectrum, of eigenvalues that were changed."""
    told = merged.notice(level)
    if told:
        notice.warn(told)


def whole_inputs(exact: Array) -> Indices:
    """Numbers of inputs of sectors, (L,), as integers; 0 for those that are not whole numbers >= 1.

    Weights may be given to nine digits, but no input may be won or lost by their rounding.
    """
    whole = np.rint(exact).astype(np.int64)
    close = np.abs(exact - whole) <= np.minimum(1e-6 * np.maximum(1.0, exact), 0.05)
    return np.where(close & (whole > 0), whole, 0)
