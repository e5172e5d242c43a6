"""What a run returns, whether it integrated the ODE or simulated the SGD."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.exact import Exact
from ode_sgd.core.registry import DEFAULT
from ode_sgd.core.run import Observable, Run, Wording, component
from ode_sgd.core.schedule import largest
from ode_sgd.teacher_student.integration.solution import Solution
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.second_layer import second_layer_kernels
from ode_sgd.teacher_student.kernels.integration.rosenbrock import SMALLEST
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model import observables as named
from ode_sgd.teacher_student.model.memory import Memory, Remembered
from ode_sgd.teacher_student.model.moments import OverlapMoments
from ode_sgd.teacher_student.model.observables import Final, Moments, Parts
from ode_sgd.teacher_student.model.pairing import field_correlation, followed_teacher
from ode_sgd.teacher_student.model.problem import Networks, Problem
from ode_sgd.teacher_student.theory.exact_means import exact_means

# Part of the weights that decay may take in a step: the exponential law of decay is off by half of that.
SMALL_LOSS = 0.01
SAMPLED = "sampled"  # the method whose inputs are rows of data
OPTIONAL = {
    "held_out_error": named.HELD_OUT,
    "student_weights": named.SECOND_LAYER,
    "copies": named.COPIES,
    "remembered": named.REMEMBERED,
}
KINKED = 3e-9  # of the terms of eps_g: about what a kink leaves of it, where a run is held (rosenbrock.HELD)


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
class Trajectory(OverlapMoments, Run):
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
    student_weights : (n, K) or (replica, n, K), or None
        v of the student, where the second layer is trained.
    copies : (n, R K, R K + M) or (replica, n, R K, R K + M), or None
        Of an optimiser with memory: overlaps of order one of all copies of the weights, see `memory`.
    remembered : (n, E) or (replica, n, E), or None
        Second moments of Adam, or the sum B of AdaGradNorm, see `memory`.
    held_out_error : (replica, n) or None
        Of a simulation on data with rows held out: mean of (1/2) (f - h)^2 over these.
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
        rounding; and 3e-9 of them where g' jumps, as that of ReLU (docs/theory/activations.md).
    stats : dict
        steps, rejected, right_hand_sides, seconds, and compiling (the seconds before that which went into compiling
        kernels, once for a shape), as far as the method has them; held_from, the alpha from which the state is held
        because eps_g has come down to what a kink of g leaves of it.
    memory : Memory, Remembered or None
        What the optimiser remembers, by name.
    dimension, seed : int or None
        N and the seed of a simulation.
    error : (n,) or (replica, n)
        The generalization error, as every `Run` has one.
    observables : dict
        The overlaps by name: "Q_1", "R_1", "T_1" of order 1, "sector_q" of every sector; "student_weights".

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
    held_out_error: Array | None = None
    student_weights: Array | None = None
    copies: Array | None = None
    remembered: Array | None = None
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
        symbols={
            named.TIME: r"$\alpha$",
            named.ERROR: r"$\epsilon_g$",
            "Q": r"$Q_{ij}$",
            "R": r"$R_{in}$",
            "v": r"$v_i$",
        },
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
        beside = self.held_out_error, self.student_weights, self.copies, self.remembered
        observables = named.overlaps(self.moments, parts, *beside)
        for own, name in OPTIONAL.items():
            if name in observables:
                object.__setattr__(self, own, observables[name].values)
        object.__setattr__(self, "moments", named.moments_in(observables, self.moments))
        object.__setattr__(self, "error", self.generalization_error)
        object.__setattr__(self, "observables", observables)

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
            held_out_error=arrays.get(named.HELD_OUT),
            student_weights=arrays.get(named.SECOND_LAYER),
            copies=arrays.get(named.COPIES),
            remembered=arrays.get(named.REMEMBERED),
        )

    @property
    def memory(self) -> Memory | Remembered | None:
        """What the optimiser remembers, by name, where it has memory.

        Of copies of the weights, `run.memory.overlaps("student")` is the pair (Q, R) of a copy, and
        `run.memory.error("student")` its eps_g; "gradient" is where the gradient is taken. Q, R and
        `generalization_error` of the run are those of the weights that one keeps. Of Adam and AdaGradNorm,
        `run.memory.of("second_moment_1")` and `run.memory.of("squared_gradients")` are numbers at all times.
        """
        held = self.problem.update_rule.copies
        if self.remembered is not None:
            return Remembered(self.problem.update_rule.remembered(self.problem.student_units), self.remembered)
        if held is None or self.copies is None:
            return None
        return Memory(held, self.problem, self.copies, self.T)

    # What analysis asks of a run.

    def headline(self) -> str:
        """Activation, K, M and L."""
        problem = self.problem
        return f"{problem.g}, K = {problem.student_units}, M = {problem.teacher_units}, L = {problem.spectrum.distinct}"

    def details(self) -> str:
        """The headline with the learning rate and whatever is not as usual."""
        problem = self.problem
        return (
            f"{self.headline()}, learning rate {problem.learning_rate:g}"
            + (", gradient flow" if problem.gradient_flow else "")
            + (f", label noise {problem.label_noise:g}" if problem.label_noise else "")
            + (f", {further}" if (further := problem.update_rule.added_terms) else "")
        )

    def compared(self) -> dict[str, Array]:
        """eps_g, upper triangle of Q and all of R of order one, as "Q_12" with units counted from 1; v if trained."""
        K, M = self.problem.student_units, self.problem.teacher_units
        found = {named.ERROR: self.generalization_error}
        found |= {component("Q", (i, j)): self.Q[..., i, j] for i in range(K) for j in range(i, K)}
        found |= {component("R", (i, n)): self.R[..., i, n] for i in range(K) for n in range(M)}
        v = self.student_weights
        return found if v is None else found | {component("v", (i,)): v[..., i] for i in range(K)}

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

    def exact_at(self, simulation: Run) -> Exact | None:
        """Of linear networks, where the start of every sector is known: means of all overlaps at that N."""
        if simulation.method == SAMPLED or simulation.dimension is None or self.own_starts:
            return None
        return exact_means(self.problem, self.moments, self._first_sectors(), simulation.alpha, simulation.dimension)

    def _first_sectors(self) -> Parts | None:
        """q, r and t of all sectors at the first time, where they were kept."""
        kept = self.sectors
        return None if kept is None or kept.q.ndim != 4 else (kept.q[0], kept.r[0], kept.t)

    @property
    def inputs_fix_dimension(self) -> bool:
        """Rows of data have their N."""
        return self.method == SAMPLED

    def caution(self) -> str:
        """That a step takes more than a small part of the weights from themselves."""
        rule, N = self.problem.update_rule, self.dimension or np.inf
        fastest = largest(self.problem.second_layer_rate)
        losses = {
            "learning_rate weight_decay": rule.lost_in_a_step(1) / N,
            "second_layer_rate second_layer_decay": fastest * rule.second_layer_decay / N,
        }
        return "; ".join(
            f"{name} / dimension = {lost:.2g} is not small, so that steps differ from their limit, the ODE: raise the "
            "dimension"
            for name, lost in losses.items()
            if lost > SMALL_LOSS
        )

    @property
    def can_have_plateaus(self) -> bool:
        """Networks of constant slope, such as linear ones, have none."""
        return not self.problem.g.has_constant_slope

    def has_left_plateau(self) -> bool:
        """Whether in most replicas a student follows a teacher, or there are no plateaus."""
        if not self.can_have_plateaus:
            return True
        return bool(np.mean((self.outcome_at(-1) >= 0).any(axis=-1)) > 0.5)


def error_curve(
    problem: Networks, C: Array, larger: float = 1.0, second_layer: Array | None = None
) -> tuple[Array, float]:
    """eps_g (n,) of field covariances C (n, d, d), never negative, and its resolution. Equation: (5.5).

    `second_layer` (n, K) is v where it moves. The resolution is the level of rounding, times how much `larger` the
    error of C is; or, where it is more, what the activation's averages leave, or its kinks leave of C.
    """
    errors, terms, C = np.empty(len(C)), np.empty(len(C)), np.ascontiguousarray(C)
    if second_layer is None:
        coefficient_kernels(problem.g).generalization_errors(C, problem.signed_weights, errors, terms)
    else:
        signed = np.concatenate([second_layer, np.broadcast_to(-problem.u, (len(C), problem.u.size))], axis=1)
        second_layer_kernels(problem.g).errors(C, signed, errors, terms)
    kinks = KINKED if problem.g.has_kink else 0.0
    relative = max(4.0 * float(np.finfo(float).eps) * larger, problem.g.accuracy, kinks)
    return np.maximum(errors, 0.0), relative * float(terms.max(initial=0.0))


def errors_of(problem: Networks, moment: Parts, solution: Solution) -> tuple[Array, float]:
    """eps_g (n,) along a solution with the moment of order one, Q (n, K, K), R (n, K, M), T (M, M); its resolution."""
    Q, R, T = moment
    larger = solution.cancelled * solution.blurred
    errors, resolution = error_curve(problem, layout.covariance(Q, R, T), larger, solution.second_layer)
    if solution.errors is not None and solution.errors.size:
        errors[-solution.errors.size :] = np.maximum(solution.errors, 0.0)
        resolution = SMALLEST * float(np.trace(T))  # the difference form keeps its relative precision down to there
    return errors, resolution


def blank_trajectory(problem: Problem, alpha: Array, lead: tuple[int, ...], orders: Iterable[int]) -> Trajectory:
    """A trajectory of zeros, with the axes `lead` before the times."""
    K, M, n = problem.student_units, problem.teacher_units, alpha.size
    moments = {order: (np.zeros((*lead, n, K, K)), np.zeros((*lead, n, K, M)), np.zeros((M, M))) for order in orders}
    copies = problem.update_rule.copies
    held = None if copies is None else np.zeros((*lead, n, copies.count * K, copies.count * K + M))
    errors, moments, held = frozen.sealed((np.zeros((*lead, n)), moments, held))  # zeros take memory once copied
    return Trajectory(
        problem=problem, alpha=alpha, generalization_error=errors, moments=moments, method="", copies=held
    )
