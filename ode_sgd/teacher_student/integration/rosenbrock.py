"""The sector ODE through our own Rosenbrock kernels: work space, first step, chunks, status."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration import near_teacher
from ode_sgd.teacher_student.integration.copies_space import copies_space, timed_copies
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.integration.solution import (
    COLLAPSED,
    INTERRUPTED,
    Request,
    Solution,
    divergence_limit,
    field_scale,
)
from ode_sgd.teacher_student.integration.stopping import Watch
from ode_sgd.teacher_student.integration.work_space import constants_of, rates_beside, small_of, work_space
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.second_layer import second_layer_kernels
from ode_sgd.teacher_student.kernels.integration import rosenbrock as kernels
from ode_sgd.teacher_student.kernels.integration import step_control
from ode_sgd.teacher_student.kernels.integration.batch import Constants
from ode_sgd.teacher_student.kernels.integration.copies_steps import copies_rosenbrock
from ode_sgd.teacher_student.kernels.integration.dense_output import Outputs
from ode_sgd.teacher_student.kernels.integration.step_algebra import Small
from ode_sgd.teacher_student.kernels.sectors import blocks, layout
from ode_sgd.teacher_student.kernels.sectors.copies_passes import CopySectors
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY
from ode_sgd.teacher_student.kernels.sectors.sector_passes import Sectors
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.activation_pair import ActivationPair
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive
from ode_sgd.teacher_student.model.rule_averages import RuleAverages

MAX_STEPS = 1_000_000
CHUNK_SECONDS = 0.03  # between two looks at the outside world
GOING = (step_control.RUNNING, step_control.JUMPED)
PATIENCE = 200  # steps in which noise or decay may lift eps_g from the teacher; from a start there it takes some ten
TINY = 1e-300  # keeps 0 / 0 out of the error norm of a sector without teacher or student


def first_step(
    system: SectorSystem, C: Array, scale: float, rtol: float, alpha: float = 0.0, end: float = np.inf
) -> float:
    """A cautious first step: a small part of the shortest time in which the drift changes the overlaps.

    C is the fields' covariance, `scale` what `field_scale` makes of it. Where something is scheduled, the run goes from
    alpha to `end`.
    """
    K, M = system.units
    Q, (rate, noise, alone), variance = C[:K, :K], system.rule.largest(system.factors), system.noise_variance
    second = system.rule.second_layer_rate
    if system.schedules.size:
        paces = system.rule.timetable.largest_paces(alpha, end)
        rate, noise, alone, variance, second = paces * (rate, noise, alone, 1.0, second)
    A, G = np.empty((K, K + M)), np.empty((K, K))
    coefficient_kernels(system.g).coefficients(C, system.signed_weights, variance, A, G)
    if system.memory.size and isinstance(system.rule.optimizer, Adaptive):
        system.rule.optimizer.apply(A, G, system.memory, system.learned_variance)
    students, fields = Q.trace(), C.trace()
    size = np.sqrt(students / max(fields, TINY)) if students > 0.0 else rtol
    own = max(students, rtol * max(fields, scale), TINY)
    speed = rate * np.abs(A).max() + noise * system.variance.sum() * np.abs(G).max() / own + alone
    first = float(0.1 * rtol**0.2 * max(size, rtol) / max(speed, TINY))
    if system.memory.size > 1:  # Adam, whose moments change within e / b
        first = min(first, float(system.memory[-1]) / rates_beside(system)[0])
    return min(first, _first_step_of_second_layer(system, C, second, rtol)) if second > 0.0 else first


def _first_step_of_second_layer(system: SectorSystem, C: Array, rate: float, rtol: float) -> float:
    """As `first_step`, of v; one that begins at zero is as large as the teacher's by then."""
    h, decay = np.empty(system.student_units), system.rule.second_layer_decay
    second_layer_kernels(system.g).drift(C, system.signed_weights, rate, decay, h)
    size = np.abs(system.v).max() or np.abs(system.u).max()
    return float(0.1 * rtol**0.2 * size / max(np.abs(h).max(), TINY))


@dataclass(kw_only=True)
class UnfinishedRun:
    """One integration under way."""

    system: SectorSystem
    request: Request
    start: Array  # (p, L)
    y: Array
    control: kernels.Control
    outputs: Outputs
    code: int = step_control.RUNNING
    interrupted: bool = False
    matching: near_teacher.Matching | None = None
    switched_at: int = 0  # the first output after the change to differences
    stopped: bool = False  # by the condition of the request
    waited: int = 0  # steps at whose end a kink left nothing of eps_g

    @cached_property
    def constants(self) -> Constants:
        """What does not change along the run, made when it is first used."""
        return constants_of(self.system)

    @cached_property
    def space(self) -> tuple[Sectors | CopySectors, Small]:
        """Work space, made when it is first used."""
        if self.system.copies is not None:
            return copies_space(self.system, self.constants), small_of(self.system, self.constants)
        return work_space(self.system, self.constants)

    @property
    def kernel(self) -> tuple[Callable[..., int], tuple[Any, ...]]:
        """What advances it, and what that is given after its work space."""
        if self.system.copies is None:
            remembered = self.system.memory.size
            return kernels.rosenbrock(*self.form, remembered), (self.system.noise_variance, self.system.schedules)
        given = timed_copies(self.system)
        advance = copies_rosenbrock(
            self.system.g, *self.system.units, len(self.system.factors) > DECAY, given.schedules.size > 0
        )
        return advance, (self.system.noise_variance, *given)

    @property
    def tolerances(self) -> tuple[float, float]:
        """atol and rtol, as the kernels take them."""
        return max(self.request.atol, TINY), self.request.rtol

    @property
    def form(self) -> tuple[Activation | ActivationPair | RuleAverages, int, int, int, bool, bool, bool]:
        """What its kernels are compiled for.

        Activation, K, M, rows of factors; and whether it is in differences, trains the second layer, and has schedules.
        """
        system = self.system
        differences, trained = self.matching is not None, system.rule.trains_second_layer
        return system.g, *system.units, len(system.factors), differences, trained, system.schedules.size > 0

    @property
    def state(self) -> Array:
        """(p, L), of overlaps or of differences."""
        return blocks.from_blocks(self.y, self.system.sectors)

    @property
    def beside(self) -> Array:
        """v where it is trained, (K,), or what the optimiser remembers, (E,); else (0,)."""
        return self.constants.a[: self.system.beside.size]

    def advance(self, progress: Callable[[float], None]) -> None:
        """Advance until something ends it."""
        advance, given = self.kernel
        if self.request.stop is not None:
            self._advance_until(Watch(self, self.request.stop), progress)
            return
        self.code, budget = step_control.RUNNING, 1
        while self.code in GOING or self.sets_out_again(self.code):
            if self.code == step_control.JUMPED:
                self.begin_anew(self.y, self.control.numbers)
            if self.code == step_control.AT_REST:  # after one step, which says little of how long steps take
                budget = 1
            began = time.perf_counter()
            self.code = advance(self.y, *self.space, *given, self.control, self.outputs, *self.tolerances, budget)
            spent = time.perf_counter() - began
            budget = max(1, min(4 * budget, int(budget * CHUNK_SECONDS / max(spent, 1e-6))))
            progress(self.control.numbers[step_control.ALPHA])

    def _advance_until(self, watch: Watch, progress: Callable[[float], None]) -> None:
        """Advance until something ends it or the condition is met."""
        advance, given = self.kernel
        self.code, self.stopped = step_control.RUNNING, watch.holds_at_once()
        while not self.stopped and (self.code in GOING or self.sets_out_again(self.code)):
            if self.code == step_control.JUMPED:
                self.begin_anew(self.y, self.control.numbers)
            self.code = watch.step(advance, given)
            progress(self.control.numbers[step_control.ALPHA])

    def sets_out_again(self, code: int) -> bool:
        """Whether a run that came down to what a kink leaves of eps_g is driven from there, by noise or decay.

        Where these are too weak for that it is held after all: steps become many there.
        """
        if code != step_control.AT_REST or not self.system.driven:
            return False
        self.waited += 1
        return self.waited <= PATIENCE

    def begin_anew(self, y: Array, numbers: Array) -> None:
        """Choose the first step after a jump of what is scheduled, for a state and step control of this run."""
        alpha, end = float(numbers[step_control.ALPHA]), float(self.request.alpha[-1])
        if self.matching is not None:  # of differences no covariance of fields is at hand; a step too long is refused
            numbers[step_control.STEP] *= 1e-2
        else:
            C = self.system.covariance(blocks.from_blocks(y, self.system.sectors))
            scale = field_scale(self.system, C)
            numbers[step_control.STEP] = first_step(self.system, C, scale, self.request.rtol, alpha, end)
        numbers[step_control.ERROR] = 1.0

    def specialise(self) -> None:
        """Go on in differences, where that is possible."""
        self.control.numbers[step_control.FLOOR] = 0.0
        self.matching = near_teacher.match(self.system, self.system.covariance(self.state))
        if self.matching is None:
            return
        self.switched_at = int(self.control.counts[step_control.NEXT])
        self._to_differences(self.matching)
        # What the tolerance of the overlaps left in fast sectors is large for the differences. One short step damps
        # it away; its error estimate, which is that rest, would otherwise force steps as fast as those.
        self.control.numbers[step_control.STEP] *= 0.1
        self.control.counts[step_control.FORCED] = 1

    def _to_differences(self, matching: near_teacher.Matching) -> None:
        """Turn the state in place into that of the differences, the teachers in the students' order."""
        system, (of_t, T, a) = self.system, (self.constants.t, self.constants.T, self.constants.a)
        self.y[:] = blocks.to_blocks(near_teacher.from_overlaps(self.state, system.t, matching))
        t = system.t[np.ix_(matching.order, matching.order)]
        of_t[:] = blocks.to_blocks(t[layout.upper(len(t))])
        T[:] = T[np.ix_(matching.order, matching.order)]
        a[len(t) :] = -a[: len(t)]
        if "space" in vars(self):
            self.space[0].z[:, self.y.shape[1] :] = of_t


def begin(system: SectorSystem, state: Array, request: Request) -> UnfinishedRun:
    """An integration of the state (p, L) at its start."""
    alpha, weights = request.alpha, request.weights
    y = blocks.to_blocks(state)
    p, beside = len(state), system.beside
    rows = np.zeros((alpha.size, len(weights), p + beside.size))
    kept = np.empty((alpha.size * request.keep_sectors, *y.shape))
    rows[0, :, :p], kept[:1] = (state @ weights.T).T, y
    rows[0, request.order_one, p:] = beside
    C = system.covariance(state)
    scale = field_scale(system, C)
    first = first_step(system, C, scale, request.rtol, float(alpha[0]), float(alpha[-1]))
    # The equations amplify the rounding of the overlaps to about 1e-16 times the largest eigenvalue over their mean
    # (measured, L = 1e4 and 1e6): differences that small have lost rtol.
    floor = min(1e-2, 3e-16 * system.stiffness / request.rtol) if near_teacher.possible(system) else 0.0
    limit = divergence_limit(scale)
    return UnfinishedRun(
        system=system,
        request=request,
        start=state,
        y=y,
        control=kernels.Control(np.array([alpha[0], first, 1.0, floor, limit]), np.array([0, 0, 1, MAX_STEPS, 0])),
        outputs=Outputs(alpha, _weight_blocks(weights), request.order_one, rows, kept),
    )


def _weight_blocks(weights: Array) -> Array:
    """(orders, L) -> (orders, blocks, LANES)."""
    split = blocks.to_blocks(weights).reshape(-1, len(weights), blocks.LANES)
    return np.ascontiguousarray(split.transpose(1, 0, 2))


def solve(system: SectorSystem, state: Array, request: Request, progress: Callable[[float], None]) -> Solution:
    """Integrate the state (p, L) from alpha[0] through all output times, with dense output.

    KeyboardInterrupt keeps what was reached.
    """
    run = begin(system, state, request)
    try:
        run.advance(progress)
        if run.code == step_control.SPECIALISED:
            run.specialise()
            run.advance(progress)
    except KeyboardInterrupt:
        run.interrupted = True
    return finish(run)


def finish(run: UnfinishedRun) -> Solution:
    """What an ended integration hands back."""
    weights, frozen = run.request.weights, run.system.frozen
    held = _hold(run)
    reached = int(run.control.counts[step_control.NEXT])
    at, final = float(run.control.numbers[step_control.ALPHA]), run.state
    status, message = _ending(run, at, final)
    p, order_one = len(final), run.request.order_one
    alpha, rows = run.request.alpha[:reached], run.outputs.rows[:reached, :, :p]
    second = run.outputs.rows[:reached, order_one, p:].copy()  # not a view of what all runs of a batch share
    kept = run.outputs.sectors[:reached] if run.request.keep_sectors else None
    sectors = None if kept is None else blocks.from_blocks(kept, run.system.sectors)
    if (
        at > alpha[-1] and (run.stopped or status != "complete") and np.isfinite(final).all()
    ):  # where it stopped is worth keeping
        alpha, rows = np.append(alpha, at), np.concatenate([rows, (final @ weights.T).T[None]])
        second = np.concatenate([second, run.beside[None]])
        sectors = np.concatenate([sectors, final[None]]) if sectors is not None else None
    steps, rejected = float(run.control.counts[step_control.STEPS]), float(run.control.counts[step_control.REJECTED])
    solution = Solution(
        alpha=alpha,
        rows=rows,
        state=final,
        sectors=sectors,
        second_layer=second if run.system.moving_weights else None,
        remembered=second if run.system.memory.size else None,
        order_one=order_one,
        ended=at,
        status=status,
        message=message,
        stats={"steps": steps, "rejected": rejected, "right_hand_sides": kernels.STAGES * (steps + rejected)}
        | held
        | ({"stopped_at": at} if run.stopped else {})
        | _told(run, second[-1]),
    )
    if run.matching is not None:
        near_teacher.translate(run.system, run.matching, weights, solution, min(run.switched_at, len(rows)))
    if solution.state is not None:
        solution.state[:, frozen] = run.start[:, frozen]  # turning them to and fro has rounded them
    if solution.sectors is not None:
        solution.sectors[:, :, frozen] = run.start[:, frozen]
    return solution


def _told(run: UnfinishedRun, beside: Array) -> dict[str, float]:
    """What an optimiser remembers at the end."""
    rule = run.system.rule
    return rule.optimizer.told(beside, rule.learning_rate) if isinstance(rule.optimizer, Adaptive) else {}


def _hold(run: UnfinishedRun) -> dict[str, float]:
    """Where eps_g has come down to its resolution: all later outputs with that state, and since when."""
    if run.code != step_control.AT_REST:
        return {}
    numbers, counts, outputs = run.control.numbers, run.control.counts, run.outputs
    first, since = int(counts[step_control.NEXT]), float(numbers[step_control.ALPHA])
    p = len(run.start)
    outputs.rows[first:, :, :p] = (run.state @ run.request.weights.T).T
    outputs.rows[first:, run.request.order_one, p:] = run.beside
    outputs.sectors[first:] = run.y
    counts[step_control.NEXT], numbers[step_control.ALPHA] = outputs.alpha.size, outputs.alpha[-1]
    return {"held_from": since}


def _ending(run: UnfinishedRun, at: float, state: Array) -> tuple[str, str]:
    """Status and message; `at` is the time reached, `state` (p, L) that of then."""
    code = run.code
    if run.interrupted:
        return "interrupted", INTERRUPTED
    collapsed = code == step_control.STEP_SIZE
    if code == step_control.DIVERGED or (collapsed and run.matching is None and _has_grown(run, state)):
        return "diverged", ""  # of which integrate tells the cause
    if collapsed:
        said = f"the step size collapsed at alpha = {at:.6g}"
        if run.matching is None and not _possible(run, state):
            return "step_size", (
                f"{said}: at rtol = {run.request.rtol:g} the overlaps have become some that no weights have, as when "
                "students that are nearly alike part within a step; lower rtol by a factor of ten"
            )
        return "step_size", f"{said}; raise rtol"
    if code == step_control.STEP_LIMIT:
        return "step_limit", f"{MAX_STEPS} steps reached only alpha = {at:.6g}; raise rtol or ask for a shorter run"
    return "complete", ""


def _has_grown(run: UnfinishedRun, state: Array) -> bool:
    """Whether the overlaps are far beyond what the problem asks for, so that steps collapse since they diverge."""
    limit = run.control.numbers[step_control.LIMIT]
    return not np.abs(run.system.covariance(state)).max() < COLLAPSED * limit  # also for NaN


def _possible(run: UnfinishedRun, state: Array) -> bool:
    """Whether the fields' covariance C of a state in overlaps is positive semidefinite, up to the tolerance."""
    C = run.system.covariance(state)
    if not np.isfinite(C).all():
        return False
    norms = np.sqrt(np.abs(np.diagonal(C)))
    lengths = np.where(norms > 0.0, norms, 1.0)
    return bool(np.linalg.eigvalsh(C / np.outer(lengths, lengths))[0] > -10.0 * run.request.rtol)
