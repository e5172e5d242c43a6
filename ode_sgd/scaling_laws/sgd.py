"""One-pass stochastic gradient descent of the feature-learning model: its loss, averaged over the data."""

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ode_sgd.core import check, notice
from ode_sgd.core.arrays import Array, ArrayLike
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.scaling_laws.closure_error import TRUSTED, off_by
from ode_sgd.scaling_laws.given_measure import checked_measure
from ode_sgd.scaling_laws.kernels import sgd as kernels
from ode_sgd.scaling_laws.loss_curve import CLOSURE, LossCurve, observables
from ode_sgd.scaling_laws.sgd_steps import checked_batch, checked_steps, sgd_problem
from ode_sgd.scaling_laws.spectral_measure import SpectralMeasure
from ode_sgd.scaling_laws.stability import largest_learning_rate, largest_learning_rate_of, largest_rate_on

if TYPE_CHECKING:
    from ode_sgd.scaling_laws.feature_learning import FeatureLearning

ONE_BY_ONE = 10_000  # steps that are always taken one after the other
LEAP = math.log(10.0) / 200.0  # longest leap afterwards, as a fraction of the steps done: 200 a decade
ROOM = 1.2  # of that, times the share of the bound that eta a leaves
CHANGE = 0.02  # of the loss's logarithm in a leap, at most: along power laws hardly less than without, but where it
# falls exponentially, once all modes are learned
WORTH = 8  # steps from which a leap is less work than they are
CHUNK = 2_000_000  # nodes times steps between two looks at the outside world, some 10 ms


def recursion(
    model: "FeatureLearning",
    steps: ArrayLike,
    learning_rate: float,
    batch_size: int | None = 1,
    measure: SpectralMeasure | None = None,
) -> LossCurve:
    """Loss of one-pass SGD, averaged over the data.

    Parameters
    ----------
    model : FeatureLearning
        With endless data.
    steps : array_like of int, shape (n,)
        Increasing, >= 0: the loss before step n. The first 10,000 are taken one by one. Beyond, up to n / 87 are taken
        at once, which changes the loss by less than 1e-4 of itself while eta a is below half of the bound of stability.
        Nearer to it that is 1e-3 at gamma = 0, and up to some percent with gamma > 0, as the closure itself is.
    learning_rate : float
        eta > 0, dimensionless, below the bound of stability.
    batch_size : int or None
        Fresh samples a step, >= 1; None is the mean over all inputs.
    measure : SpectralMeasure or None
        Where it is to run on one instance, `SpectralMeasure.instance`, of the model's task and width. None is the
        model's own.

    Returns
    -------
    LossCurve
        method "exact recursion" at gamma = 0 and infinite width, or of one instance; "asymptotic recursion" at finite
        width; "closure recursion" with gamma > 0: to leading order in the learning rate. Where a grows until eta a
        reaches the bound, the curve ends there, with the status "diverged".

    Raises
    ------
    InvalidProblem
        With finite samples, for values outside their ranges, a measure of another task or width, and where the learning
        rate is unstable.

    Warns
    -----
    UserWarning
        With gamma > 0 where eta a lambda_1 exceeds 0.12, and where the steps become unstable on the way.

    Notes
    -----
    Equations: (12.12) to (12.15).
    """
    if model.samples is not None:
        raise InvalidProblem(
            f"samples = {model.samples}, but SGD takes fresh samples at every step; give a model with samples=None, "
            "or use `flow` for training on a fixed data set"
        )
    wanted, rate = checked_steps(steps), check.size("learning_rate", learning_rate)
    batch = checked_batch(batch_size)
    run = _Recursion(model, checked_measure(model, measure), rate, batch)
    return run.curve(wanted)


class _Recursion:
    """One curve while it is computed."""

    def __init__(self, model: "FeatureLearning", measure: SpectralMeasure | None, rate: float, batch: int) -> None:
        self.model, self.rate, self.batch = model, rate, batch
        self.problem = sgd_problem(model, rate, batch, measure)
        self.measure = measure or _own_measure(model)
        self.bound, self.bound_of = self._bound()
        if rate >= self.bound:
            raise InvalidProblem(
                f"learning_rate = {rate:g} is unstable; give less than {self.bound:.4g}, {self.bound_of}"
            )
        s = self.measure.nodes
        self.settings = kernels.Settings(
            learning_rate=rate,
            share=1.0 / batch if batch else 0.0,
            gamma=float(model.gamma),
            noise=float(model.label_noise) ** 2,
            floor=float(self.measure.floor),
            largest_gain=self.bound / rate,
        )
        self.nodes = kernels.Nodes(s, self.measure.target, self.measure.trace, self.measure.target / s)
        self.state = np.zeros((3, s.size), s.dtype)
        self.scalars = np.zeros(4)
        self.done = self.leaps = 0
        self._slope = 0.0  # of the loss's logarithm, a step, in the last leap
        self._middle, self._late = np.zeros_like(self.state), np.zeros(4)
        kernels.observe(self.settings, self.nodes, self.state, self.scalars)

    def _bound(self) -> tuple[float, str]:
        """eta a from which it is unstable, and what that is."""
        told = f"the bound of stability for batch_size = {self.batch or None}"
        if np.isrealobj(self.measure.nodes):
            return largest_learning_rate_of(self.measure.nodes, self.measure.trace, self.batch), told
        task, width = self.model.task, self.model.width
        if self.measure.width is not None and np.isfinite(self.measure.width):
            width = int(self.measure.width)
        own = largest_learning_rate(task, width, self.batch)
        contour = largest_rate_on(self.measure.nodes, self.batch)
        if own <= contour:
            return own, f"{told} and width = {width}"
        return contour, f"what the theory at width = {width} takes with batch_size = {self.batch or None}"

    @property
    def unstable(self) -> bool:
        """Whether a has grown too large for the learning rate."""
        return bool(self.scalars[kernels.GAIN] >= self.settings.largest_gain)

    def reach(self, target: int) -> bool:
        """Take steps until so many are done; False where they became unstable before."""
        chunk = max(1, CHUNK // self.nodes.s.size)
        while self.done < target:
            if self.unstable:
                return False
            left = target - self.done
            leap = 2 * int(0.5 * min(left, self._longest_leap()))
            if leap >= WORTH:
                before = self._level
                kernels.leaps(not np.iscomplexobj(self.state))(
                    self.settings, self.nodes, leap, self.state, self._middle, self.scalars, self._late
                )
                self.done += leap
                self.leaps += 1
                self._slope = abs(math.log(self._level / before)) / leap
            else:
                before = ONE_BY_ONE - self.done if self.done < ONE_BY_ONE else left
                self.done += int(
                    kernels.advance(self.settings, self.nodes, min(left, before, chunk), self.state, self.scalars)
                )
        return True

    @property
    def _level(self) -> float:
        """The loss, above what rounding leaves of it."""
        return max(float(self.scalars[kernels.LOSS]), self._rounding())

    def _longest_leap(self) -> float:
        """Steps that may be taken at once.

        Fewer near the bound, where the loss mostly answers itself, and where it falls exponentially.
        """
        if self.done < ONE_BY_ONE:
            return 0.0
        room = 1.0 - float(self.scalars[kernels.GAIN]) / self.settings.largest_gain
        longest = LEAP * self.done * min(1.0, ROOM * room)
        return min(longest, CHANGE / self._slope) if self._slope > 0.0 else longest

    def curve(self, steps: Any) -> LossCurve:
        """The curve at these steps."""
        began, rows = time.perf_counter(), np.zeros((steps.size, 4))
        count = 0
        while count < steps.size and self.reach(int(steps[count])):
            rows[count] = self.scalars
            count += 1
        message = "" if count == steps.size else self._message()
        if not count:
            raise InvalidProblem(message)
        self._warn(rows[:count], steps, message)
        stats = {
            "steps": float(self.done),
            "one by one": float(min(self.done, ONE_BY_ONE)),
            "leaps": float(self.leaps),
            "seconds": time.perf_counter() - began,
        }
        return self._filled(steps[:count], rows[:count], message, stats)

    @property
    def _largest(self) -> float:
        return float(self.model.task.eigenvalues[0])

    def _message(self) -> str:
        a = self.scalars[kernels.GAIN]
        return (
            f"after {self.done} steps eta a = {self.rate * a:.4g} has reached {self.bound:.4g}, {self.bound_of} "
            f"(a = {a:.4g}): features have grown too large for the learning rate; lower learning_rate"
        )

    def _warn(self, rows: Array, steps: Any, message: str) -> None:
        """Say that the curve ended early, and where the closure stopped being good."""
        if message:
            notice.warn(f"{message}; the curve ends at step {steps[len(rows) - 1]}")
        if self.model.gamma == 0.0:
            return
        gains, at = (
            np.append(rows[:, kernels.GAIN], self.scalars[kernels.GAIN]),
            np.append(steps[: len(rows)], self.done),
        )
        size = self.rate * self._largest * gains
        if (size > TRUSTED).any():
            notice.warn(
                f"from step {at[np.argmax(size > TRUSTED)]} on eta a lambda_1 exceeds {TRUSTED} (it reaches "
                f"{size.max():.3g}): with gamma > 0 the curve is to leading order in the learning rate, and "
                f"{off_by(float(size.max()))}; lower learning_rate, or simulate"
            )

    def _rounding(self) -> float:
        """Level below which a loss means nothing: it is a sum of squares, and on a contour a difference of terms."""
        eps, start = 8.0 * float(np.finfo(np.float64).eps), self.model.task.initial_loss
        return eps * (self.settings.floor + (start if np.iscomplexobj(self.state) else eps * start))

    def _filled(self, steps: Any, rows: Array, message: str, stats: dict[str, float]) -> LossCurve:
        reduction = CLOSURE if self.model.gamma > 0.0 else self.measure.kind
        scalars = {name: rows[:, place] for name, place in (("r", kernels.R), ("a", kernels.GAIN), ("c", kernels.RATE))}
        return LossCurve(
            problem=self.problem,
            alpha=steps.astype(np.float64) * self.rate,
            error=rows[:, kernels.LOSS],
            observables=observables(self.measure.floor, scalars, steps.astype(np.float64)),
            method=f"{reduction} recursion",
            status="diverged" if message else "complete",
            message=message,
            resolution=self._rounding(),
            stats=stats,
        )


def _own_measure(model: "FeatureLearning") -> SpectralMeasure:
    """Of the model; on a contour so close to the spectrum that steps are stable on it wherever they are on that."""
    if model.width is None:
        return SpectralMeasure.infinite(model.task)
    return SpectralMeasure.asymptotic(model.task, model.width, close=True)
