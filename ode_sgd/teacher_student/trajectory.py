"""What a run returns, whether it integrated the ODE or simulated the SGD."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import is_real, scalar, shown
from ode_sgd.core.registry import DEFAULT
from ode_sgd.core.run import Observable, Run, Wording, component
from ode_sgd.teacher_student.integration.solution import Solution
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.integration.rosenbrock import SMALLEST
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model import observables as named
from ode_sgd.teacher_student.model.observables import Final, Moments
from ode_sgd.teacher_student.model.pairing import field_correlation, followed_teacher
from ode_sgd.teacher_student.model.problem import Networks, Problem

SAMPLED = "sampled"  # the method whose inputs are rows of data


@dataclass(frozen=True, slots=True, eq=False)
class Sectors:
    """Overlaps in every sector along a trajectory: q (.., n, L, K, K), r (.., n, L, K, M), and t (.., L, M, M)."""

    q: Array
    r: Array
    t: Array

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        for name in ("q", "r", "t"):
            object.__setattr__(self, name, frozen.own(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Trajectory(Run):
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
        rtol times the terms of eps_g. At least the activation's `accuracy` times those terms, except below their
        rounding.
    stats : dict
        steps, rejected, right_hand_sides, seconds, and compiling (the seconds before that which went into compiling
        kernels, once for a shape), as far as the method has them.
    dimension, seed : int or None
        N and the seed of a simulation.
    error : (n,) or (replica, n)
        The generalization error, as every `Run` has one.
    observables : dict
        The overlaps by name: "Q_1", "R_1", "T_1" of order 1, "sector_q" of every sector.

    Examples
    --------
    >>> ode.R.shape, sgd.R.shape, sgd.mean().R.shape
    ((121, 2, 2), (8, 121, 2, 2), (121, 2, 2))
    >>> ode.status, ode.moment(0)[0][-1].round(1).tolist()
    ('complete', [[0.8, 0.4], [0.4, 0.9]])
    """

    problem: Problem
    generalization_error: Array
    moments: Moments
    sectors: Sectors | None = None
    final: Final = None
    error: Array = field(init=False)
    observables: Mapping[str, Observable] = field(init=False)
    time_name: str = field(init=False, default=named.TIME)
    error_name: str = field(init=False, default=named.ERROR)
    model: str = field(init=False, default=DEFAULT)

    __setstate__ = frozen.restore_frozen

    wording: ClassVar[Wording] = Wording(
        noun="trajectory",
        nouns="trajectories",
        problem="Problem",
        theory="ODE",
        simulation="SGD",
        time_label=r"time  $\alpha$ = steps / $N$  (dimensionless)",
        error_label=r"generalization error  $\epsilon_g$  (dimensionless)",
        error_symbol="eps_g",
        symbols={named.TIME: r"$\alpha$", named.ERROR: r"$\epsilon_g$", "Q": r"$Q_{ij}$", "R": r"$R_{in}$"},
        state="overlaps",
        start="OrderParameters",
        calls=("integrate(...)", "simulate(...)"),
        anew="run the simulation first and pass integrate(..., alpha=sgd.alpha)",
        differ="replicas pair students and teachers in different ways",
        otherwise="paired students and teachers otherwise than",
        briefly="paired them otherwise than",
        remedy="draw a start further from symmetric, at a smaller dimension",
    )

    def __post_init__(self) -> None:
        for name in ("alpha", "generalization_error"):
            values = getattr(self, name)
            check.refuse_masked("an array of a trajectory", values)
            object.__setattr__(self, name, frozen.own(values))
        sectors = self.sectors
        parts = None if sectors is None else (sectors.q, sectors.r, sectors.t)
        observables = named.overlaps(self.moments, parts)
        object.__setattr__(self, "moments", named.moments_in(observables, self.moments))
        object.__setattr__(self, "error", self.generalization_error)
        object.__setattr__(self, "observables", observables)

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

    def with_values(self, error: Array, observables: Mapping[str, Observable]) -> Self:
        """The same run with other values, and without a state to go on from."""
        arrays = {name: observable.values for name, observable in observables.items()}
        sectors = named.sectors_of(arrays)
        return replace(
            self,
            generalization_error=error,
            moments=named.moments_of(arrays),
            sectors=None if sectors is None else Sectors(*sectors),
            final=None,
        )

    # What analysis asks of a run.

    def headline(self) -> str:
        """Activation, K, M and L."""
        problem = self.problem
        return (
            f"{problem.activation}, K = {problem.student_units}, M = {problem.teacher_units}, "
            f"L = {problem.spectrum.distinct}"
        )

    def details(self) -> str:
        """The headline with the learning rate and whatever is not as usual."""
        problem = self.problem
        return (
            f"{self.headline()}, learning rate {problem.learning_rate:g}"
            + (", gradient flow" if problem.gradient_flow else "")
            + (f", label noise {problem.label_noise:g}" if problem.label_noise else "")
            + (f", {further}" if (further := problem.update_rule.further_terms) else "")
        )

    def compared(self) -> dict[str, Array]:
        """eps_g, the upper triangle of Q and all of R of order one, as "Q_12" with units counted from 1."""
        K, M = self.problem.student_units, self.problem.teacher_units
        found = {named.ERROR: self.generalization_error}
        found |= {component("Q", (i, j)): self.Q[..., i, j] for i in range(K) for j in range(i, K)}
        return found | {component("R", (i, n)): self.R[..., i, n] for i in range(K) for n in range(M)}

    def start_values(self) -> dict[str, Array]:
        """The first Q, R and T of order one, of every replica where there are several."""
        Q, R, T = self.moment(1)
        return {"Q": Q[..., 0, :, :], "R": R[..., 0, :, :], "T": T}

    @property
    def own_starts(self) -> bool:
        """Whether every replica has a start, and a teacher, of its own."""
        return self.T.ndim == 3

    def outcome_at(self, row: int) -> NDArray[np.int64]:
        """The teacher that every student follows, (.., K), -1 for none."""
        return followed_teacher(field_correlation(self.Q[..., row, :, :], self.R[..., row, :, :], self.T))

    def effective_dimension(self) -> float:
        """The directions that the inputs fill: N mu_1^2 / mu_2."""
        return self.problem.spectrum.effective_dimension(self.dimension or 0)

    @property
    def inputs_fix_dimension(self) -> bool:
        """Rows of data have their N."""
        return self.method == SAMPLED

    @property
    def can_have_plateaus(self) -> bool:
        """Networks of constant slope, such as linear ones, have none."""
        return not self.problem.g.has_constant_slope

    def has_left_plateau(self) -> bool:
        """Whether in most replicas a student follows a teacher, or there are no plateaus."""
        if not self.can_have_plateaus:
            return True
        return bool(np.mean((self.outcome_at(-1) >= 0).any(axis=-1)) > 0.5)


def error_curve(problem: Networks, C: Array, larger: float = 1.0) -> tuple[Array, float]:
    """eps_g (n,) of field covariances C (n, d, d), never negative, and its resolution. Equation: (5.5).

    That is the level of rounding, times how much `larger` the error of C is; or, where it is more, what the
    activation's averages leave.
    """
    errors, terms = np.empty(len(C)), np.empty(len(C))
    kernels = coefficient_kernels(problem.g)
    kernels.generalization_errors(np.ascontiguousarray(C), problem.signed_weights, errors, terms)
    relative = max(4.0 * float(np.finfo(float).eps) * larger, problem.g.accuracy)
    return np.maximum(errors, 0.0), relative * float(terms.max(initial=0.0))


def errors_of(problem: Networks, T: Array, solution: Solution) -> tuple[Array, float]:
    """eps_g (n,) along a solution with the T (M, M) of order one, and its resolution."""
    Q, R = layout.unpack(solution.rows[:, solution.order_one], problem.student_units, problem.teacher_units)
    errors, resolution = error_curve(problem, layout.covariance(Q, R, T), solution.cancelled * solution.blurred)
    if solution.errors is not None and solution.errors.size:
        errors[-solution.errors.size :] = np.maximum(solution.errors, 0.0)
        resolution = SMALLEST * float(np.trace(T))  # the difference form keeps its relative precision down to there
    return errors, resolution
