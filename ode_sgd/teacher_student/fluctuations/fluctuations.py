"""How far SGD at finite N is from the ODE: covariance and bias of the overlaps and of the error, to order 1/N."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ode_sgd.analysis.quantities import SAME_START, largest_start, starts_apart
from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.errors import AnalysisError, ComparisonError, InvalidProblem
from ode_sgd.core.exact import Exact
from ode_sgd.core.given import shown
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.progress import Progress, reporting
from ode_sgd.core.run import Run, component
from ode_sgd.teacher_student.fluctuations.covered import random_start as covariance_of_start
from ode_sgd.teacher_student.fluctuations.covered import require_covered
from ode_sgd.teacher_student.fluctuations.propagation import Moved, Path
from ode_sgd.teacher_student.fluctuations.response import Coefficients, error_derivatives
from ode_sgd.teacher_student.integration.integrate import checked_tolerance, integrate
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model import observables as named
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.trajectory import SAMPLED, Trajectory

SMALL = 0.5  # of eps_g, by which its bias may move it where what is left out is small
FINEST = 1e-10  # rtol: differences behind the second derivatives leave that


@own_keywords
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Fluctuations:
    """Covariance of order 1/N, and bias of order 1/N, of SGD at large N, along its ODE.

    Of one run at N an observable is ODE + bias / N + sqrt(variance / N) times a normal, as long as fluctuations are
    small: not while a plateau is being left from a small asymmetry.

    Attributes
    ----------
    ode : Trajectory
        The ODE at the same times.
    names : tuple of str
        Observables: "generalization_error", "Q_11", "Q_12", ..., "R_11", ... with units counted from 1.
    covariances : (n, m, m)
        N times the covariance of the m observables over runs, dimensionless.
    biases : (n, m)
        N times (their mean - ODE).
    sector_covariance : (n, L, p, L, p) or None
        N times the covariance of the overlaps of every sector, r_11, r_12, ... and then q_11, q_12, ..., where kept.
    sector_bias : (n, L, p) or None
        N times (mean - ODE) of these.
    random_start : bool
        Whether the students' first weights are random, too.
    averages_error : float
        By how much the averages behind them change, of their largest entry, if others than the nodes taken are taken.

    Examples
    --------
    >>> found = ode_sgd.fluctuations(problem, start, [0.0, 1.0, 2.0])
    >>> found.error_variance.round(3).tolist(), found.Q_variance.shape
    ([0.0, 0.025, 0.007], (3, 2, 2))
    """

    ode: Trajectory
    names: tuple[str, ...]
    covariances: Array
    biases: Array
    sector_covariance: Array | None = None
    sector_bias: Array | None = None
    random_start: bool = False
    averages_error: float = 0.0

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)

    def __repr__(self) -> str:
        last = f"eps_g at the last time: variance {self.error_variance[-1]:.3g} / N, bias {self.error_bias[-1]:.3g} / N"
        return f"Fluctuations({len(self.names)} observables at {self.alpha.size} times; {last})"

    @property
    def problem(self) -> Problem:
        """The problem of the ODE."""
        return self.ode.problem

    @property
    def alpha(self) -> Array:
        """Times (n,), steps / N."""
        return self.ode.alpha

    @property
    def error_variance(self) -> Array:
        """N Var eps_g, (n,)."""
        return self.covariance(named.ERROR)

    @property
    def error_bias(self) -> Array:
        """N (mean of eps_g - ODE), (n,)."""
        return self.bias(named.ERROR)

    @property
    def Q_variance(self) -> Array:  # noqa: N802
        """N Var Q_ij, (n, K, K)."""
        return self._matrix("Q", np.diagonal(self.covariances, axis1=1, axis2=2))

    @property
    def R_variance(self) -> Array:  # noqa: N802
        """N Var R_in, (n, K, M)."""
        return self._matrix("R", np.diagonal(self.covariances, axis1=1, axis2=2))

    @property
    def Q_bias(self) -> Array:  # noqa: N802
        """N (mean of Q_ij - ODE), (n, K, K)."""
        return self._matrix("Q", self.biases)

    @property
    def R_bias(self) -> Array:  # noqa: N802
        """N (mean of R_in - ODE), (n, K, M)."""
        return self._matrix("R", self.biases)

    def covariance(self, observable: str, other: str | None = None) -> Array:
        """N times the covariance of two observables over runs, (n,); of one with itself if no other is given.

        Raises
        ------
        AnalysisError
            If there is none of this name.
        """
        second = observable if other is None else other
        return np.array(self.covariances[:, self._place(observable), self._place(second)])

    def bias(self, observable: str) -> Array:
        """N (mean - ODE) of an observable, (n,)."""
        return np.array(self.biases[:, self._place(observable)])

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise AnalysisError(f"no observable {shown(name)}; there are {', '.join(self.names)}")
        return self.names.index(name)

    def _matrix(self, name: str, values: Array) -> Array:
        """One kind of overlap out of values (n, m) of all observables, as a matrix."""
        K, M = self.problem.student_units, self.problem.teacher_units
        columns = [[self.names.index(_overlap(name, i, j)) for j in range(K if name == "Q" else M)] for i in range(K)]
        return np.array(values[:, np.array(columns)])

    def expected(self, simulation: Run) -> Exact:
        """Mean of a simulation's observables over runs at its N and its times, and the variances of single runs.

        Raises
        ------
        ComparisonError
            If it is of another problem or start, or at times that are not among these.
        """
        if simulation.problem.identity != self.problem.identity:
            raise ComparisonError(
                "the fluctuations are of another problem than the simulation; compute them of its own"
            )
        if self.random_start or simulation.method == SAMPLED or not simulation.dimension:
            kind = "random starts" if self.random_start else "Gaussian inputs of a given dimension"
            raise ComparisonError(f"the fluctuations are those of {kind}, and the simulation is not")
        if starts_apart(simulation, self.ode) > SAME_START * max(1.0, largest_start(self.ode)):
            raise ComparisonError("the fluctuations do not start where the simulation does; pass both the same start")
        rows = np.minimum(np.searchsorted(self.alpha, simulation.alpha), self.alpha.size - 1)
        if (self.alpha[rows] != simulation.alpha).any():
            raise ComparisonError(
                "times of the simulation are not among those of the fluctuations; "
                "compute them with fluctuations(..., alpha=sgd.alpha)"
            )
        curves, N = self.ode.compared(), simulation.dimension
        self._require_small(rows, N)
        return Exact(
            {name: curves[name][rows] + self.bias(name)[rows] / N for name in self.names},
            {name: np.maximum(self.covariance(name)[rows], 0.0) / N for name in self.names},
        )

    def _require_small(self, rows: Indices, N: int) -> None:
        """Raise where the mean error is off by as much as the error itself, or its variance has come out below zero."""
        error = self.ode.generalization_error[rows]
        seen = error > 10.0 * self.ode.resolution
        off = np.abs(self.error_bias[rows]) > SMALL * N * error
        failed = np.flatnonzero(seen & (off | (self.error_variance[rows] < 0.0)))
        if failed.size:
            first = failed[0]
            at, part = self.alpha[rows][first], abs(self.error_bias[rows][first]) / (N * error[first])
            raise ComparisonError(
                f"fluctuations are not small from alpha = {at:.4g} on: at N = {N} the bias of eps_g is {part:.0%} of "
                "it; compare earlier times, a larger N, or without fluctuations"
            )


def _overlap(name: str, i: int, j: int) -> str:
    return component(name, (min(i, j), max(i, j)) if name == "Q" else (i, j))


@own_keywords
@check.underflow_is_zero
def fluctuations(
    problem: Problem,
    start: OrderParameters,
    alpha: Any,
    *,
    rtol: float = 1e-6,
    random_start: bool = False,
    sectors: bool = False,
    progress: Progress = None,
) -> Fluctuations:
    """Covariance and bias of SGD at large N, to order 1/N, of eps_g and of all overlaps, along the ODE.

    Parameters
    ----------
    problem : Problem
        With numbers for learning rate, label noise and decay; any activation, widths, output, batch size, weight decay
        and `trainable`. At most 600 overlaps move, L (K M + K (K + 1) / 2).
    start : OrderParameters
    alpha : float or array_like, shape (n,)
        As for `integrate`.
    rtol : float
        Of covariance and bias, relative to their largest entries, 1e-10 <= rtol <= 1e-2; also of the averages behind
        them, as far as their nodes go: `averages_error` says what was reached. For up to four fields, K + M, and smooth
        activations that is 1e-5 or better, beyond about 5e-3; with kinks 5e-4 (two fields) to 2e-2.
    random_start : bool
        False: every run starts from exactly these overlaps. True: the first weights of the students are Gaussian, with
        these overlaps on average, as those of `OrderParameters.random` with the teacher held fixed.
    sectors : bool
        Keep covariance and bias of every sector's overlaps too.
    progress : callable, True or None
        Called with alpha as it grows. True draws a bar.

    Returns
    -------
    Fluctuations

    Raises
    ------
    InvalidProblem, InvalidStart
        For arguments outside their range, an ODE that does not reach the last time, rules whose increments are others
        (schedules, momentum, a trained second layer, ...), and more overlaps.

    Notes
    -----
    Equations (32.2) to (32.9) of docs/theory/fluctuations.md.

    Examples
    --------
    >>> found = ode_sgd.fluctuations(problem, start, [0.0, 1.0, 2.0])
    >>> found.error_bias.round(2).tolist(), found.covariance("Q_11", "R_11").round(2).tolist()
    ([0.0, -0.04, -0.02], [0.0, 0.07, 0.05])
    """
    check.instance("problem", problem, Problem)
    require_covered(problem)
    random_start = check.boolean("random_start", random_start)
    keep = check.boolean("sectors", sectors)
    rtol = checked_tolerance(rtol)
    if rtol < FINEST:
        raise InvalidProblem(f"rtol = {rtol:g} is finer than differences are; give 1e-10 <= rtol <= 1e-2")
    ode = integrate(problem, start, alpha, rtol=min(rtol, 1e-6), nodes=None)
    if ode.status != "complete":
        raise InvalidProblem(
            f"the ODE ends at alpha = {ode.alpha[-1]:.6g}: {ode.message or ode.status}; give times before"
        )
    system, first = sector_system(problem, start), initial_state(start)
    n = first.size
    S = covariance_of_start(problem, start) if random_start else np.zeros((n, n))
    path = Path(system, first, float(ode.alpha[-1]), rtol)
    held = _Held(path, keep)
    with reporting(progress, "fluctuations", float(ode.alpha[-1]) or 1.0) as report:
        for at, covariance, bias in Moved(path, S, np.zeros(n)).through(ode.alpha, report):
            held.add(at, covariance, bias)
    return held.result(ode, random_start)


class _Held:
    """Observables at the output times, as they are reached."""

    def __init__(self, path: Path, keep: bool) -> None:
        self._path, self._keep = path, keep
        self._L = path.system.sectors
        self.covariances: list[Array] = []
        self.biases: list[Array] = []
        self.sectors: list[tuple[Array, Array]] = []

    def add(self, at: Coefficients, S: Array, b: Array) -> None:
        """Of eps_g by its first and second derivatives, of overlaps as sums over sectors. Equation: (32.9)."""
        L, variance = self._L, self._path.system.variance
        whole, bias = S.reshape(L, -1, L, S.shape[0] // L), b.reshape(L, -1)
        among = np.einsum("k,kplq,l->pq", variance, whole, variance, optimize=True)
        moved = variance @ bias
        gradient, second = error_derivatives(at)
        rows = np.vstack([gradient, np.eye(gradient.size)])
        self.covariances.append(rows @ among @ rows.T)
        self.biases.append(np.append(gradient @ moved + 0.5 * np.sum(second * among), moved))
        if self._keep:
            self.sectors.append((whole, bias))

    def result(self, ode: Trajectory, random_start: bool) -> Fluctuations:
        """All of it, observables in the order of `Trajectory.compared`."""
        K, M = self._path.system.units
        index = layout.overlap_index(K, M)
        pairs = {_overlap("Q", i, j): index[i, j] for i in range(K) for j in range(i, K)}
        pairs |= {_overlap("R", i, n): index[i, K + n] for i in range(K) for n in range(M)}
        order = np.array([0, *(1 + place for place in pairs.values())])
        kept = [np.array(part) for part in zip(*self.sectors, strict=True)] if self._keep else [None, None]
        return Fluctuations(
            ode=ode,
            names=(named.ERROR, *pairs),
            covariances=np.array(self.covariances)[:, order][:, :, order],
            biases=np.array(self.biases)[:, order],
            sector_covariance=kept[0],
            sector_bias=kept[1],
            random_start=random_start,
            averages_error=self._path.increments.error if self._path.pieces else 0.0,
        )
