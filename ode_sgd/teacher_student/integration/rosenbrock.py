"""The sector ODE through our own Rosenbrock kernels: work space, first step, chunks, status."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration import near_teacher
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.integration.solution import (
    INTERRUPTED,
    Request,
    Solution,
    divergence_limit,
    field_scale,
)
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.integration import rosenbrock as kernels
from ode_sgd.teacher_student.kernels.integration import step_control
from ode_sgd.teacher_student.kernels.integration.batch import Constants
from ode_sgd.teacher_student.kernels.integration.step_algebra import Small
from ode_sgd.teacher_student.kernels.sectors import blocks, layout
from ode_sgd.teacher_student.kernels.sectors.sector_passes import Sectors
from ode_sgd.teacher_student.model.activation import Activation

MAX_STEPS = 1_000_000
CHUNK_SECONDS = 0.03  # between two looks at the outside world
TINY = 1e-300  # keeps 0 / 0 out of the error norm of a sector without teacher or student


def constants_of(system: SectorSystem) -> Constants:
    """What does not change along a run, as the kernels take it."""
    return Constants(
        factors=blocks.to_blocks(system.factors),
        variance=blocks.to_blocks(system.variance[None]),
        t=blocks.to_blocks(system.t[layout.upper(system.teacher_units)]),
        T=system.T.copy(),
        a=system.signed_weights,
        noise_variance=system.noise_variance,
    )


def work_space(system: SectorSystem) -> tuple[Sectors, Small]:
    """Arrays of one integration, O(L)."""
    return _work_space(*system.units, constants_of(system))


def _work_space(K: int, M: int, constants: Constants) -> tuple[Sectors, Small]:
    d, p, pairs, count = K + M, layout.row_count(K, M), K * (K + 1) // 2, len(constants.t)
    index, lanes = layout.overlap_index(K, M), blocks.LANES
    sectors = Sectors(
        offset=(index * lanes).astype(np.uint64),
        factors=constants.factors,
        variance=constants.variance,
        z=np.concatenate([np.zeros((count, p * lanes)), constants.t], axis=1),
        trial=np.zeros((count, p * lanes)),
        # An odd number of blocks: at distances of many powers of two, stages would share the same lines of the cache.
        stages=np.zeros((kernels.STAGES, count | 1, p * lanes)),
        inverse=np.zeros((count, (K + pairs) * lanes)),
    )
    small = Small(
        T=constants.T,
        a=constants.a,
        overlap=index,
        C=np.zeros((d, d)),
        V=np.zeros((K, K)),
        moving=np.zeros((K, K)),
        L=np.zeros(K),
        A=np.zeros((K, d)),
        G=np.zeros((K, K)),
        JA=np.zeros((K * d, layout.row_count(d, 0))),
        JG=np.zeros((pairs, layout.row_count(d, 0))),
        scratch=np.zeros((K * d, p)),
        moments=np.zeros(K * d * M + K * K * d + K * K),
        coupling=np.zeros((p, p)),
        pivots=np.zeros(p, dtype=np.int64),
        rows=np.zeros(p),
        dC=np.zeros((kernels.STAGES, p)),
    )
    return sectors, small


def first_step(system: SectorSystem, C: Array, rtol: float) -> float:
    """A cautious first step: a small part of the shortest time in which the drift changes the overlaps."""
    K, M = system.units
    Q, (rate, noise, alone) = C[:K, :K], system.rule.largest(system.factors)
    A, G = np.empty((K, K + M)), np.empty((K, K))
    coefficient_kernels(system.g).coefficients(C, system.signed_weights, system.noise_variance, A, G)
    size = np.sqrt(np.trace(Q) / max(np.trace(C), TINY)) if np.trace(Q) > 0.0 else rtol
    own = max(np.trace(Q), rtol * max(np.trace(C), field_scale(system, C)), TINY)
    speed = rate * np.abs(A).max() + noise * system.variance.sum() * np.abs(G).max() / own + alone
    return float(0.1 * rtol**0.2 * max(size, rtol) / max(speed, TINY))


@dataclass(kw_only=True)
class UnfinishedRun:
    """One integration under way."""

    system: SectorSystem
    request: Request
    start: Array  # (p, L)
    y: Array
    control: kernels.Control
    outputs: kernels.Outputs
    code: int = step_control.RUNNING
    interrupted: bool = False
    matching: near_teacher.Matching | None = None
    switched_at: int = 0  # the first output after the change to differences

    @cached_property
    def constants(self) -> Constants:
        """What does not change along the run, made when it is first used."""
        return constants_of(self.system)

    @cached_property
    def space(self) -> tuple[Sectors, Small]:
        """Work space, made when it is first used."""
        return _work_space(*self.system.units, self.constants)

    @property
    def tolerances(self) -> tuple[float, float]:
        """atol and rtol, as the kernels take them."""
        return max(self.request.atol, TINY), self.request.rtol

    @property
    def form(self) -> tuple[Activation, int, int, int, bool]:
        """What its kernels are compiled for: activation, K, M, rows of factors, and whether it is in differences."""
        return self.system.g, *self.system.units, len(self.system.factors), self.matching is not None

    @property
    def state(self) -> Array:
        """(p, L), of overlaps or of differences."""
        return blocks.from_blocks(self.y, self.system.sectors)

    def advance(self, progress: Callable[[float], None]) -> None:
        """Advance until something ends it."""
        advance, noise = kernels.rosenbrock(*self.form), self.system.noise_variance
        self.code, budget = step_control.RUNNING, 1
        while self.code == step_control.RUNNING:
            began = time.perf_counter()
            self.code = advance(self.y, *self.space, noise, self.control, self.outputs, *self.tolerances, budget)
            spent = time.perf_counter() - began
            budget = max(1, min(4 * budget, int(budget * CHUNK_SECONDS / max(spent, 1e-6))))
            progress(self.control.numbers[step_control.ALPHA])

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
    rows = np.empty((alpha.size, len(weights), len(state)))
    kept = np.empty((alpha.size * request.keep_sectors, *y.shape))
    rows[0], kept[:1] = (state @ weights.T).T, y
    C = system.covariance(state)
    first = first_step(system, C, request.rtol)
    # The equations amplify the rounding of the overlaps to about 1e-16 times the largest eigenvalue over their mean
    # (measured, L = 1e4 and 1e6): differences that small have lost rtol.
    floor = min(1e-2, 3e-16 * system.stiffness / request.rtol) if near_teacher.possible(system) else 0.0
    limit = divergence_limit(system, C)
    return UnfinishedRun(
        system=system,
        request=request,
        start=state,
        y=y,
        control=kernels.Control(np.array([0.0, first, 1.0, floor, limit]), np.array([0, 0, 1, MAX_STEPS, 0])),
        outputs=kernels.Outputs(alpha, _weight_blocks(weights), request.order_one, rows, kept),
    )


def _weight_blocks(weights: Array) -> Array:
    """(orders, L) -> (orders, blocks, LANES)."""
    split = blocks.to_blocks(weights).reshape(-1, len(weights), blocks.LANES)
    return np.ascontiguousarray(split.transpose(1, 0, 2))


def solve(system: SectorSystem, state: Array, request: Request, progress: Callable[[float], None]) -> Solution:
    """Integrate the state (p, L) from alpha[0] = 0 through all output times, with dense output.

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
    reached = int(run.control.counts[step_control.NEXT])
    at, final = float(run.control.numbers[step_control.ALPHA]), run.state
    status, message = _ending(run, at, final)
    alpha, rows = run.request.alpha[:reached], run.outputs.rows[:reached]
    kept = run.outputs.sectors[:reached] if run.request.keep_sectors else None
    sectors = None if kept is None else blocks.from_blocks(kept, run.system.sectors)
    if at > alpha[-1] and status != "complete" and np.isfinite(final).all():  # where it stopped is worth keeping
        alpha, rows = np.append(alpha, at), np.concatenate([rows, (final @ weights.T).T[None]])
        sectors = np.concatenate([sectors, final[None]]) if sectors is not None else None
    steps, rejected = float(run.control.counts[step_control.STEPS]), float(run.control.counts[step_control.REJECTED])
    solution = Solution(
        alpha=alpha,
        rows=rows,
        state=final,
        sectors=sectors,
        order_one=run.request.order_one,
        ended=at,
        status=status,
        message=message,
        stats={"steps": steps, "rejected": rejected, "right_hand_sides": kernels.STAGES * (steps + rejected)},
    )
    if run.matching is not None:
        near_teacher.translate(run.system, run.matching, weights, solution, min(run.switched_at, len(rows)))
    if solution.state is not None:
        solution.state[:, frozen] = run.start[:, frozen]  # turning them to and fro has rounded them
    if solution.sectors is not None:
        solution.sectors[:, :, frozen] = run.start[:, frozen]
    return solution


def _ending(run: UnfinishedRun, at: float, state: Array) -> tuple[str, str]:
    """Status and message; `at` is the time reached, `state` (p, L) that of then."""
    code = run.code
    if run.interrupted:
        return "interrupted", INTERRUPTED
    if code == step_control.DIVERGED:
        return "diverged", ""  # of which integrate tells the cause
    if code == step_control.STEP_SIZE:
        said = f"the step size collapsed at alpha = {at:.6g}"
        if run.matching is None and not _possible(run, state):
            return "step_size", (
                f"{said}: at rtol = {run.request.rtol:g} the overlaps have become some that no weights have, as when "
                "students that are nearly alike part within a step; lower rtol by a factor of ten"
            )
        return "step_size", f"{said}; raise rtol, or lower learning_rate if the overlaps grow"
    if code == step_control.STEP_LIMIT:
        return "step_limit", f"{MAX_STEPS} steps reached only alpha = {at:.6g}; raise rtol or ask for a shorter run"
    return "complete", ""


def _possible(run: UnfinishedRun, state: Array) -> bool:
    """Whether the fields' covariance C of a state in overlaps is positive semidefinite, up to the tolerance."""
    C = run.system.covariance(state)
    if not np.isfinite(C).all():
        return False
    norms = np.sqrt(np.abs(np.diagonal(C)))
    lengths = np.where(norms > 0.0, norms, 1.0)
    return bool(np.linalg.eigvalsh(C / np.outer(lengths, lengths))[0] > -10.0 * run.request.rtol)
