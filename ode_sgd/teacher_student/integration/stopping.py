"""Where within a step a condition is met: the root on the polynomial that the dense output is.

A step is taken again from where it began, with outputs inside it: it is the same to the last bit, and four of them and
its begin say what the sums are at all times in between.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration import near_teacher
from ode_sgd.teacher_student.integration.copies import kept_overlaps
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.integration.stop import Look
from ode_sgd.teacher_student.kernels.integration import step_control
from ode_sgd.teacher_student.kernels.integration.dense_output import Outputs
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.trajectory import error_curve

if TYPE_CHECKING:
    from ode_sgd.teacher_student.integration.rosenbrock import UnfinishedRun

INSIDE = np.array([0.25, 0.5, 0.75, 1.0])  # fractions of a step: with its begin they determine a quartic
EXACT = 1e-13  # of a step, to which the root is found

Condition = Callable[[Look], float]


def look_at(
    system: SectorSystem, alpha: float, rows: Array, slopes: Array | None, matching: near_teacher.Matching | None
) -> Look:
    """What a condition sees, of sums of order one: rows (p,), of all copies, or of differences, and then v."""
    K, M = system.units
    size = rows.size - system.beside.size
    v = rows[None, size:] if system.moving_weights else None
    if matching is not None:
        overlaps, error = near_teacher.overlaps_and_error(system, matching, rows[:size])
        slope = None if slopes is None else near_teacher.change_of_overlaps(slopes[:size], matching)
    else:
        overlaps, slope, error = rows[:size], None if slopes is None else slopes[:size], np.nan
    Q, R = kept_overlaps(system.copies, overlaps, K, M)
    if matching is None:
        C = layout.covariance(Q, R, system.T)
        errors, resolution = error_curve(system, C[None], second_layer=v)
        error = max(float(errors[0]), resolution)  # below that it is rounding
    return Look(alpha, Q, R, error, None if slope is None else _covariance(system, slope))


def _covariance(system: SectorSystem, slope: Array) -> Array:
    """dC/dalpha, with the teachers at rest."""
    K, M = system.units
    return layout.covariance(*kept_overlaps(system.copies, slope, K, M), np.zeros((M, M)))


class Watch:
    """A condition of a run of the Rosenbrock method, looked at after every step."""

    def __init__(self, run: "UnfinishedRun", condition: Condition) -> None:
        self._run, self._condition, self._slopes = run, condition, run.request.stop_slopes
        self._keep()

    def holds_at_once(self) -> bool:
        """Whether the condition holds where the run is; of one that asks how fast C changes that is not known."""
        return not self._slopes and not self._value(0.0, self._sums(), None) > 0.0

    def step(self, advance: Callable[..., int], given: Any) -> int:
        """Take one step; where the condition is met in it, go back to where that is. The status is that of the run."""
        run, before = self._run, self._keep()
        code = self._advance(advance, given, run.outputs)
        reached = float(run.control.numbers[step_control.ALPHA])
        if reached == before or not np.isfinite(run.y).all():
            return code
        rows = None
        if not self._slopes and self._value(reached, self._sums(), None) > 0.0:
            return code
        after, counts = run.y.copy(), run.control.counts.copy()
        numbers, beside = run.control.numbers.copy(), run.beside.copy()
        rows = self._inside(advance, given, before + INSIDE * (reached - before))
        met = self._first(before, reached, rows)
        if met is None:
            run.y[:], run.beside[:] = after, beside
            run.control.counts[:], run.control.numbers[:] = counts, numbers
            return code
        self._end_at(advance, given, met)
        return step_control.COMPLETE

    def _keep(self) -> float:
        """Remember where a step begins."""
        run = self._run
        self._y, self._beside = run.y.copy(), run.beside.copy()
        self._numbers, self._counts = run.control.numbers.copy(), run.control.counts.copy()
        return float(self._numbers[step_control.ALPHA])

    def _again(self) -> None:
        run = self._run
        run.y[:], run.beside[:] = self._y, self._beside
        run.control.numbers[:], run.control.counts[:] = self._numbers, self._counts

    def _advance(self, advance: Callable[..., int], given: Any, outputs: Outputs) -> int:
        run = self._run
        return advance(run.y, *run.space, *given, run.control, outputs, *run.tolerances, 1)

    def _sums(self) -> Array:
        """Of order one, of the state as it is, and what moves beside it."""
        run = self._run
        weights = run.request.weights[run.request.order_one]
        return np.concatenate([run.state @ weights, run.beside])

    def _value(self, alpha: float, rows: Array, slopes: Array | None) -> float:
        run = self._run
        return self._condition(look_at(run.system, alpha, rows, slopes, run.matching))

    def _outputs(self, alpha: Array, sectors: bool) -> Outputs:
        """Outputs at times within the step, and at the run's last one, beyond which steps do not go."""
        run = self._run
        times = np.append(alpha, run.outputs.alpha[-1])
        rows = np.zeros((times.size, *run.outputs.rows.shape[1:]))
        kept = np.empty((times.size * sectors, *run.y.shape))
        return run.outputs._replace(alpha=times, rows=rows, sectors=kept)

    def _inside(self, advance: Callable[..., int], given: Any, alpha: Array) -> Array:
        """Sums of order one at the begin of the step and at times inside it, (1 + n, p)."""
        self._again()
        first, run = self._sums(), self._run
        run.control.counts[step_control.NEXT] = 0
        outputs = self._outputs(alpha, sectors=False)
        self._advance(advance, given, outputs)
        return np.concatenate([first[None], outputs.rows[:-1, run.request.order_one]])

    def _first(self, before: float, reached: float, rows: Array) -> float | None:
        """Where the condition begins to hold within the step; None where it does not at its end."""
        from scipy.optimize import brentq  # takes a third of a second to load

        size = reached - before
        fit = np.linalg.solve(np.vander(np.append(0.0, INSIDE), increasing=True), rows)  # (5, p)
        powers = np.arange(len(fit))

        def value(x: float) -> float:
            slopes = (powers[1:] * x ** (powers[1:] - 1)) @ fit[1:] / size if self._slopes else None
            return self._value(before + x * size, x**powers @ fit, slopes)

        if value(1.0) > 0.0:
            return None
        if not value(0.0) > 0.0:
            return before
        return before + float(brentq(value, 0.0, 1.0, xtol=EXACT)) * size

    def _end_at(self, advance: Callable[..., int], given: Any, alpha: float) -> None:
        """Leave the run where the condition is met."""
        run, begun = self._run, float(self._numbers[step_control.ALPHA])
        self._again()
        if alpha > begun:
            outputs = self._outputs(np.array([alpha]), sectors=True)
            run.control.counts[step_control.NEXT] = 0
            self._advance(advance, given, outputs)
            run.y[:] = outputs.sectors[0]
            run.beside[:] = outputs.rows[0, run.request.order_one, len(run.start) :]
        run.control.numbers[step_control.ALPHA] = alpha
        run.control.counts[:] = self._counts
        run.control.counts[step_control.STEPS] += alpha > begun
        run.control.counts[step_control.NEXT] = np.searchsorted(run.outputs.alpha, alpha, side="right")
        run.stopped = True
