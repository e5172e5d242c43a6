"""The sector ODE through SciPy's solvers, for cross-checks: one step at a time, landing on every output time.

SciPy's dense output is less accurate than its steps (DOP853 was off by 1.5e-7 between steps at rtol 1e-10), so the
solver is stopped at each output time and started again with the step size it had.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.integrate import DOP853, LSODA, OdeSolver
from scipy.optimize import brentq

from ode_sgd.core.arrays import Array
from ode_sgd.core.kernels.schedule_value import schedule_value
from ode_sgd.teacher_student.integration import copies
from ode_sgd.teacher_student.integration.adaptive_drift import AdaptiveDrift
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.integration.solution import (
    COLLAPSED,
    INTERRUPTED,
    Request,
    Solution,
    divergence_limit,
    field_scale,
)
from ode_sgd.teacher_student.integration.stopping import look_at
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.second_layer import second_layer_kernels
from ode_sgd.teacher_student.kernels.paces import SECOND_LAYER_RATE
from ode_sgd.teacher_student.kernels.sectors.drift import keep_lengths, right_hand_side
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive

STOPPED = "stopped"
EXACT = 1e-12  # of a step, to which the time is found at which a condition is met
Watch = Callable[[Callable[[float, Array], Array], float, Array], float]
METHODS: dict[str, type[OdeSolver]] = {"DOP853": DOP853, "LSODA": LSODA}
# Their tolerance, in units of that of eps_g: they bound the error that each step adds to the overlaps, of which eps_g
# is a small difference, and it grows on a plateau. That of eps_g was up to 400 (DOP853) and 7e4 (LSODA) times theirs.
TIGHTER = {"DOP853": 1e-2, "LSODA": 1e-5}
TIGHTEST = 100.0 * float(np.finfo(float).eps)
ROUNDING_UNIT = 4.0 * float(np.finfo(float).eps)  # of eps_g, relative to its terms
ATOL_PART = 1e-2  # of that: default absolute tolerance, in units of a typical overlap


def flat_right_hand_side(
    activation: Averages, system: SectorSystem, shape: tuple[int, ...], piece: Array | None = None
) -> Callable[[float, Array], Array]:
    """f(alpha, y) for SciPy, y the flattened state (p L,) of that shape, and v (K,) after it where that is trained.

    Within a piece of the schedules, if any. What an adaptive optimiser keeps follows the state in place of v.
    """
    if isinstance(system.rule.optimizer, Adaptive):
        return AdaptiveDrift(system, system.rule.optimizer, shape)
    if system.copies is not None:
        return copies.right_hand_side(system, piece)
    evaluate, arrays, spherical = right_hand_side(activation), system.arrays, system.rule.spherical
    weights, size = np.array(system.weights), shape[0] * shape[1]

    def overlaps(state: Array, at: tuple[Any, ...], out: Array) -> None:
        evaluate(state, *at, out)
        if spherical:
            keep_lengths(state, weights, *system.units, out)

    def function(alpha: float, y: Array) -> Array:
        out = np.empty(shape)
        overlaps(y.reshape(shape), arrays if piece is None else system.arrays_at(piece, alpha), out)
        return out.reshape(-1)

    rule, K = system.rule, system.student_units
    if not rule.trains_second_layer:  # of which there are no averages for two activations
        return function
    drift = second_layer_kernels(activation).drift

    def with_second_layer(alpha: float, y: Array) -> Array:
        out, state, h, rate = np.empty(shape), y[:size].reshape(shape), np.empty(K), rule.second_layer_rate
        t, T, a, *rest = arrays if piece is None else system.arrays_at(piece, alpha)
        signed = np.concatenate([y[size:], a[K:]])
        overlaps(state, (t, T, signed, *rest), out)
        if piece is not None:
            rate *= schedule_value(piece, SECOND_LAYER_RATE, alpha)
        drift(system.covariance(state), signed, rate, rule.second_layer_decay, h)
        return np.concatenate([out.reshape(-1), h])

    return with_second_layer


@np.errstate(over="ignore", invalid="ignore")  # a state `beyond` all numbers ends the run
def solve(
    system: SectorSystem,
    state: Array,
    request: Request,
    method: str,
    progress: Callable[[float], None],
) -> Solution:
    """Integrate from alpha[0] = 0 to every output time; KeyboardInterrupt keeps what was reached."""
    function, timetable = flat_right_hand_side(system.g, system, state.shape), system.rule.timetable
    grid = np.union1d(request.alpha, system.breaks(float(request.alpha[-1])))
    wanted = set(request.alpha.tolist())
    rtol, C = max(TIGHTER[method] * request.rtol, TIGHTEST), system.covariance(state)
    options: dict[str, Any] = {"rtol": rtol, "atol": request.atol or ATOL_PART * rtol * _overlap_scale(system, C)}
    beyond = _limits(system, state.shape, divergence_limit(field_scale(system, C)))
    size: float | None = None  # the step size, carried from one interval to the next
    y, watch = np.append(state.reshape(-1), system.beside), _watch(system, request, state.shape)
    kept = _Kept(state.shape).add(float(request.alpha[0]), y)
    status, message, ended = "complete", "", 0.0
    stats = {"steps": 0.0, "right_hand_sides": 0.0}
    try:
        if watch is not None and not request.stop_slopes and not watch(function, kept.times[0], y) > 0.0:
            stats["stopped_at"], grid = kept.times[0], grid[:1]
        for begin, end in pairwise(grid.tolist()):
            if timetable:
                function = flat_right_hand_side(system.g, system, state.shape, timetable.piece(begin))
                size = None if timetable.jumps_at(begin) else size
            first = None if size is None else min(size, end - begin)
            solver = METHODS[method](function, begin, y, end, first_step=first, **options)
            leg = _advance(solver, end, beyond, watch)
            size = max(leg.size, size or 0.0) if leg.steps == 1 else leg.size
            stats["right_hand_sides"] += solver.nfev
            stats["steps"] += leg.steps
            ended = leg.ended
            if leg.status == STOPPED:
                stats["stopped_at"], y = _where(leg, function, METHODS[method], options, watch)
                kept.add(ended := stats["stopped_at"], y)
                break
            if leg.status:
                status, message = leg.status, leg.message
                break
            y = solver.y
            if end in wanted:
                kept.add(end, y)
            progress(end)
    except KeyboardInterrupt:
        status, message = "interrupted", INTERRUPTED
    states = np.stack(kept.states)
    return Solution(
        alpha=np.array(kept.times),
        rows=(states @ request.weights.T).transpose(0, 2, 1),
        state=states[-1],
        sectors=states if request.keep_sectors else None,
        second_layer=np.stack(kept.beside) if system.moving_weights else None,
        remembered=np.stack(kept.beside) if system.memory.size else None,
        order_one=request.order_one,
        ended=ended,
        blurred=request.rtol / ROUNDING_UNIT,  # these hold the error of the overlaps, not that of eps_g
        status=status,
        message=message,
        stats=stats | _told(function, states[-1], kept.beside[-1]),
    )


class _Kept:
    """States (p, L) at the output times, and what moves beside them."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self.times: list[float] = []
        self.states: list[Array] = []
        self.beside: list[Array] = []

    def add(self, alpha: float, y: Array) -> "_Kept":
        """The same with one more."""
        size = self._shape[0] * self._shape[1]
        self.times.append(alpha)
        self.states.append(y[:size].reshape(self._shape).copy())
        self.beside.append(y[size:].copy())
        return self


def _told(function: Callable[..., Array], state: Array, memory: Array) -> dict[str, float]:
    """What a run with an adaptive optimiser says at its end; nothing of others."""
    return function.told(np.append(state.reshape(-1), memory)) if isinstance(function, AdaptiveDrift) else {}


@dataclass
class _Leg:
    """How one interval between output times went."""

    steps: int = 0
    ended: float = 0.0  # alpha after the last step that counts
    before: tuple[float, Array] | None = None  # where the step began in which the condition is met
    size: float = 0.0  # the largest step that was not cut short by the end of the interval, else the last one
    status: str = ""
    message: str = ""


def _overlap_scale(system: SectorSystem, C: Array) -> float:
    """A typical overlap of a sector: the largest entry of C over mu_1; of the noise where there are no weights yet."""
    size = float(np.abs(C).max()) or system.noise_variance or 1.0
    return size / (float(system.variance.sum()) or 1.0)


def _limits(system: SectorSystem, shape: tuple[int, ...], limit: float) -> Callable[..., bool]:
    """Function (y, part=1) that says whether the overlaps exceed a part of the limit, or v is no number."""
    size = shape[0] * shape[1]

    def beyond(y: Array, part: float = 1.0) -> bool:
        overlaps = y[:size].reshape(shape) @ system.variance
        return not np.abs(overlaps).max() < part * limit or not np.isfinite(y[size:]).all()  # also for NaN

    return beyond


def _watch(system: SectorSystem, request: Request, shape: tuple[int, ...]) -> Watch | None:
    """Function (f, alpha, y) of what is above 0 until the condition of the request is met."""
    condition, size, weights = request.stop, shape[0] * shape[1], request.weights[request.order_one]
    if condition is None:
        return None

    def sums(y: Array) -> Array:
        return np.append(y[:size].reshape(shape) @ weights, y[size:])

    def value(function: Callable[[float, Array], Array], alpha: float, y: Array) -> float:
        slopes = sums(function(alpha, y)) if request.stop_slopes else None
        return condition(look_at(system, alpha, sums(y), slopes, None))

    return value


def _where(
    leg: _Leg, function: Callable[[float, Array], Array], method: type[OdeSolver], options: Any, watch: Any
) -> tuple[float, Array]:
    """The time within the last step at which the condition is met, and the state of then."""
    assert leg.before is not None
    begin, state = leg.before

    def at(alpha: float) -> Array:
        solver = method(function, begin, state, alpha, **options)
        while solver.status == "running":
            solver.step()
        return np.array(solver.y)

    def value(alpha: float) -> float:
        return float(watch(function, alpha, at(alpha) if alpha > begin else state))

    if not value(begin) > 0.0:
        return begin, state
    if value(leg.ended) > 0.0:  # of the way to it in one step, by a part of the tolerance
        return leg.ended, at(leg.ended)
    alpha = float(brentq(value, begin, leg.ended, xtol=EXACT * (leg.ended - begin)))
    return alpha, at(alpha)


def _advance(solver: OdeSolver, end: float, beyond: Callable[..., bool], watch: Watch | None) -> _Leg:
    """Step to the end of the interval, until the overlaps are `beyond` what comes back, or a condition is met."""
    leg = _Leg()
    while solver.status == "running":
        leg.ended = before = solver.t
        leg.before = (before, np.array(solver.y)) if watch is not None else None
        fault = solver.step()
        leg.steps += 1
        if solver.status == "failed" and beyond(solver.y, COLLAPSED):
            leg.status = "diverged"
            return leg
        if solver.status == "failed":
            leg.status = "step_size"
            leg.message = (
                f"the step size collapsed at alpha = {before:.6g} ({fault}); raise rtol or lower learning_rate"
            )
            return leg
        if beyond(solver.y):
            leg.status = "diverged"
            return leg
        leg.ended = solver.t
        if watch is not None and not watch(solver.fun, solver.t, solver.y) > 0.0:
            leg.status = STOPPED
            return leg
        if solver.t < end or leg.steps == 1:
            leg.size = solver.step_size
    return leg
