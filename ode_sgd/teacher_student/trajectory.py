"""What a run returns, whether it integrated the ODE or simulated the SGD."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import is_real, scalar, shown
from ode_sgd.teacher_student.integration.solution import Solution
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.integration.rosenbrock import SMALLEST
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem

if TYPE_CHECKING:
    import xarray

Moments = dict[int, tuple[Array, Array, Array]]


@dataclass(frozen=True, slots=True, eq=False)
class Sectors:
    """Overlaps in every sector along a trajectory: q (.., n, L, K, K), r (.., n, L, K, M), and t (.., L, M, M)."""

    q: Array
    r: Array
    t: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Trajectory:
    """Overlaps and error along a run; a leading replica axis for simulations, none for the ODE.

    Attributes
    ----------
    problem : Problem
    alpha : (n,)
        Times, steps / N, dimensionless. For a simulation the times of the nearest whole steps.
    generalization_error : (n,) or (replica, n)
        eps_g >= 0, noise-free.
    moments : dict
        Order l -> (Q (.., n, K, K), R (.., n, K, M), T); see `moment`. T is (M, M), or (replica, M, M) where every
        replica has its own teacher.
    sectors : Sectors or None
        Per-sector overlaps where they were asked for.
    final : OrderParameters, tuple of OrderParameters (one a replica), or None
        State at the last time, from which a run can go on; None for a mean, standard error or variance.
    method : str
        "rodas5p", "DOP853", "LSODA"; "reduced", "explicit", "explicit-float32", "explicit-pcg64", "sampled".
    status : str
        "complete", "interrupted", "diverged", "step_size" or "step_limit": all but the first end early, at alpha[-1].
    message : str
        Cause and remedy, where the status is not "complete".
    resolution : float
        Absolute rounding level of eps_g, below which its values mean nothing. On nodes of a spectrum a hundredth of the
        eps_g above which rounding is below 10 rtol of it (1e-6 where rtol is finer than 1e-7); with SciPy's methods
        rtol times the terms of eps_g.
    stats : dict
        steps, rejected, right_hand_sides, seconds, and compiling (the seconds before that which went into compiling
        kernels, once for a shape), as far as the method has them.
    dimension, seed : int or None
        N and the seed of a simulation.

    Examples
    --------
    >>> ode.R.shape, sgd.R.shape, sgd.mean().R.shape
    ((121, 2, 2), (8, 121, 2, 2), (121, 2, 2))
    >>> ode.status, ode.moment(0)[0][-1].round(1).tolist()
    ('complete', [[0.8, 0.4], [0.4, 0.9]])
    """

    problem: Problem
    alpha: Array
    generalization_error: Array
    moments: Moments
    sectors: Sectors | None = None
    final: OrderParameters | tuple[OrderParameters, ...] | None = None
    method: str
    status: str = "complete"
    message: str = ""
    resolution: float = 0.0
    stats: Mapping[str, float] = field(default_factory=dict)
    dimension: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        arrays = [self.alpha, self.generalization_error, *(part for parts in self.moments.values() for part in parts)]
        if self.sectors is not None:
            arrays += [self.sectors.q, self.sectors.r, self.sectors.t]
        for values in arrays:
            check.refuse_masked("an array of a trajectory", values)
            values.setflags(write=False)

    def __repr__(self) -> str:
        problem = self.problem
        runs = "" if self.replicas is None else f"{self.replicas} replicas, "
        return (
            f"Trajectory({self.method}, {problem.activation}, K = {problem.student_units}, "
            f"M = {problem.teacher_units}, L = {problem.spectrum.distinct}: {runs}{self.alpha.size} times "
            f"to alpha = {self.alpha[-1]:g}, {self.status})"
        )

    @property
    def replicas(self) -> int | None:
        """Number of replicas, None without that axis."""
        return self.generalization_error.shape[0] if self.generalization_error.ndim == 2 else None

    def moment(self, order: int) -> tuple[Array, Array, Array]:
        """Q (.., n, K, K), R (.., n, K, M) and T of one order: sum_k w_k lambda_k^order of the sector overlaps.

        Equation: (2.3).
        """
        order = scalar(order)
        if not (is_real(order) and order in self.moments):
            raise InvalidProblem(
                f"moment {shown(order)} was not kept; this run has {sorted(self.moments)}; run again with moments=..."
            )
        return self.moments[order]

    @property
    def Q(self) -> Array:  # noqa: N802
        """Student overlaps of order one, (.., n, K, K)."""
        return self.moment(1)[0]

    @property
    def R(self) -> Array:  # noqa: N802
        """Student-teacher overlaps of order one, (.., n, K, M)."""
        return self.moment(1)[1]

    @property
    def T(self) -> Array:  # noqa: N802
        """Teacher overlaps of order one, (M, M) or (replica, M, M)."""
        return self.moment(1)[2]

    def mean(self) -> "Trajectory":
        """The mean over replicas."""
        return self._over_replicas(lambda values: values.mean(axis=0))

    def standard_error(self) -> "Trajectory":
        """Standard error of `mean` in every array: standard deviation (divisor replicas - 1) / sqrt(replicas)."""
        self._check_replicas("a standard error")
        return self._over_replicas(lambda values: values.std(axis=0, ddof=1) / np.sqrt(len(values)))

    def variance(self) -> "Trajectory":
        """The variance over replicas of every entry of every array, unbiased (divisor replicas - 1).

        From a common start it falls as 1/N: `dimension` times it tends to a limit at every alpha.

        Raises
        ------
        InvalidProblem
            With fewer than two replicas.
        """
        self._check_replicas("a variance")
        return self._over_replicas(lambda values: values.var(axis=0, ddof=1))

    def _check_replicas(self, wanted: str) -> None:
        if (self.replicas or 0) < 2:
            raise InvalidProblem(f"{wanted} needs at least 2 replicas; this trajectory has {self.replicas}")

    @check.underflow_is_zero
    def _over_replicas(self, reduce: Any) -> "Trajectory":
        if self.replicas is None:
            raise InvalidProblem("this trajectory has no replica axis; only simulations have one")
        count = self.replicas

        def teacher(T: Array, single: int) -> Array:
            full = T if T.ndim > single else np.broadcast_to(T, (count, *T.shape))
            return np.asarray(reduce(full))

        moments = {order: (reduce(Q), reduce(R), teacher(T, 2)) for order, (Q, R, T) in self.moments.items()}
        sectors = self.sectors
        if sectors is not None:
            sectors = Sectors(reduce(sectors.q), reduce(sectors.r), teacher(sectors.t, 3))
        return replace(
            self,
            generalization_error=reduce(self.generalization_error),
            moments=moments,
            sectors=sectors,
            final=None,
        )

    def to_xarray(self) -> "xarray.Dataset":
        """The arrays as an xarray.Dataset with named dimensions (needs the extra `xarray`)."""
        try:
            import xarray
        except ImportError:
            raise ImportError("to_xarray needs xarray: pip install 'ode-sgd[xarray]'") from None
        lead = ("replica",) if self.replicas is not None else ()
        variables: dict[str, Any] = {"generalization_error": ((*lead, "alpha"), self.generalization_error)}
        dims = {
            "Q": (*lead, "alpha", "student", "student_2"),
            "R": (*lead, "alpha", "student", "teacher"),
            "T": ("teacher", "teacher_2"),
        }
        for order, overlaps in sorted(self.moments.items()):
            for name, values in zip("QRT", overlaps, strict=True):
                per_replica = lead if name == "T" and values.ndim == 3 else ()
                variables[f"{name}_{order}"] = ((*per_replica, *dims[name]), values)
        attributes = {
            "method": self.method,
            "status": self.status,
            "resolution": self.resolution,
            "problem": self.problem.identity,
        }
        return xarray.Dataset(variables, coords={"alpha": self.alpha}, attrs=attributes)


def error_curve(problem: Problem, C: Array) -> tuple[Array, float]:
    """eps_g (n,) of field covariances C (n, d, d), never negative, and the level of its rounding. Equation: (5.5)."""
    errors, terms = np.empty(len(C)), np.empty(len(C))
    kernels = coefficient_kernels(problem.activation)
    kernels.generalization_errors(np.ascontiguousarray(C), problem.signed_weights, errors, terms)
    return np.maximum(errors, 0.0), 4.0 * float(np.finfo(float).eps) * float(terms.max(initial=0.0))


def errors_of(problem: Problem, T: Array, solution: Solution) -> tuple[Array, float]:
    """eps_g (n,) along a solution with the T (M, M) of order one, and the level of its rounding."""
    Q, R = layout.unpack(solution.rows[:, solution.order_one], problem.student_units, problem.teacher_units)
    errors, resolution = error_curve(problem, layout.covariance(Q, R, T))
    resolution *= solution.cancelled
    if solution.errors is not None and solution.errors.size:
        errors[-solution.errors.size :] = np.maximum(solution.errors, 0.0)
        resolution = SMALLEST * float(np.trace(T))  # the difference form keeps its relative precision down to there
    return errors, resolution
