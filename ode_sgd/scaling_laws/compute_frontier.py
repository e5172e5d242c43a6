"""The best width for a budget of compute: the least loss over all ways to spend it, measured and not by formula."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array, ArrayLike, Flags
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.scaling_laws.feature_learning import FeatureLearning
from ode_sgd.scaling_laws.loss_curve import LossCurve
from ode_sgd.scaling_laws.power_law_task import PowerLawTask
from ode_sgd.scaling_laws.sgd_steps import checked_batch
from ode_sgd.scaling_laws.spectral_measure import SpectralMeasure

NARROWEST = 16  # width below which the theory of many is off by more than a few percent
FEWEST_MODES = 4 * NARROWEST
WIDTHS = 40  # that are tried
LADDER = 8.0  # between the widths that find where the best ones lie
BESIDE = 4.0  # by what factor the others go beyond the best of these
POINTS = 2000  # between the narrowest and the widest, among which the least loss is looked for
ROUNDING = 1e3  # times its resolution a loss is known to a part in a thousand
# Of n nodes for each factor e along its contour a flow is off by at most 3e-7 / 25^(n - 4) of the loss before learning,
# as was measured for widths 16 to 1e7 and four tasks: the loss is wanted to a millionth of itself.
FEWEST_NODES, MOST_NODES, GAIN, COARSE_ERROR, WANTED = 6, 10, 25.0, 3e-7, 1e-6
LOSS, WIDTH, TIME = "loss", "width", "time"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComputeOptimal:
    """The frontier of compute: at every budget the width of least loss.

    Attributes
    ----------
    compute : ndarray, shape (n,)
        C = width * time, increasing.
    width, time, loss : ndarray, shape (n,)
        The best width, on a continuous scale, the time C / width that it leaves, and the loss there.
    fitted : ndarray of bool, shape (n,)
        The budgets that the exponents are of. At the others the best width is an end of those that can be tried, 16 or
        half of the modes, or the loss is lost in rounding.
    exponents : dict
        "loss", "width" and "time" -> slope of the straight line through their logarithms against that of C, at the
        fitted budgets; NaN with fewer than two.
    widths : ndarray, shape (w,)
        Those that were tried, increasing.
    losses : ndarray, shape (w, n)
        Of each of them at every budget.
    gamma : float
        As given.

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> frontier = sl.compute_optimal(sl.PowerLawTask(modes=10**16), 0.0, np.geomspace(1e8, 1e12, 9))
    >>> round(frontier.exponents["loss"], 2), round(frontier.exponents["width"], 2)
    (-0.3, 0.4)
    """

    compute: Array
    width: Array
    time: Array
    loss: Array
    fitted: Flags
    exponents: dict[str, float]
    widths: Array
    losses: Array
    gamma: float

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)

    def __str__(self) -> str:
        if self.fitted.sum() < 2:
            return (
                f"no exponents: these take two budgets that can be fitted, and of {self.compute.size} from "
                f"{self.compute[0]:g} on {self.fitted.sum()} can; give more of them"
            )
        told = ", ".join(f"{name} ~ C^{slope:.4f}" for name, slope in self.exponents.items())
        return f"{told}, at {self.fitted.sum()} of {self.compute.size} budgets from {self.compute[0]:g} on"

    def local_exponent(self, name: str = LOSS) -> Array:
        """Slope of "loss", "width" or "time" between neighbouring budgets, (n - 1,): how far a power law is reached."""
        values: Array = getattr(self, check.choice("name", name, (LOSS, WIDTH, TIME)))
        return np.asarray(np.diff(np.log(values)) / np.diff(np.log(self.compute)))


@own_keywords
def compute_optimal(
    task: PowerLawTask,
    gamma: float,
    compute: ArrayLike,
    *,
    learning_rate: float | None = None,
    batch_size: int = 1,
) -> ComputeOptimal:
    """The best width of a student for each budget of compute, by minimising losses over widths.

    Parameters
    ----------
    task : PowerLawTask
    gamma : float
        How far the student learns features, from 0 to 100.
    compute : array_like, shape (n,)
        Budgets C > 0, increasing: width times time of training, dimensionless.
    learning_rate : float or None
        None is gradient flow. With a number the student is trained by one-pass SGD, of which the time is the number of
        steps times this.
    batch_size : int
        Of SGD, >= 1.

    Returns
    -------
    ComputeOptimal

    Raises
    ------
    InvalidProblem
        For budgets that do not increase, a task of fewer than 64 modes, or a learning rate that is unstable.

    Notes
    -----
    One run for each of up to 40 widths gives its loss at all budgets; a cubic spline in the logarithm of the width the
    least of them. The first widths grow by factors of 8 from 16 on until the largest budget has more loss; the others
    are laid where the least losses of these lie. The exponents to compare with are
    those of `laws`; "loss in compute" is reached where the time is long and the width large.

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> print(sl.compute_optimal(sl.PowerLawTask(modes=10**16), 10.0, np.geomspace(1e8, 1e12, 9)))
    loss ~ C^-0.3527, width ~ C^0.4703, time ~ C^0.5297, at 9 of 9 budgets from 1e+08 on
    """
    check.instance("task", task, PowerLawTask)
    if task.modes < FEWEST_MODES:
        raise InvalidProblem(f"the task has {task.modes} modes; give one with at least {FEWEST_MODES}")
    checked_batch(batch_size)
    search = _Search(task, _budgets(compute), _trained(task, gamma, learning_rate, batch_size))
    search.climb()
    best, _ = search.least()
    low, high = max(NARROWEST, best.min() / BESIDE), min(search.widest, best.max() * BESIDE)
    search.try_widths(np.geomspace(low, high, WIDTHS - search.tried))
    return search.result(gamma)


Trained = Callable[[int, Array, int], LossCurve]  # of a width, increasing times, and nodes along a contour


def _trained(task: PowerLawTask, gamma: float, learning_rate: float | None, batch_size: int) -> Trained:
    """How a student of a width is trained up to given times."""

    def flow(width: int, times: Array, nodes: int) -> LossCurve:
        measure = SpectralMeasure.asymptotic(task, width, per_efold=nodes)
        return FeatureLearning(task, gamma=gamma, width=width).flow(times, measure=measure)

    def sgd(width: int, times: Array, _: int) -> LossCurve:
        rate = check.size("learning_rate", learning_rate)
        exact = times / rate
        steps = np.unique(np.concatenate([np.floor(exact), np.ceil(exact)]).astype(np.int64))  # one before, one after
        curve = FeatureLearning(task, gamma=gamma, width=width).sgd(steps, learning_rate=rate, batch_size=batch_size)
        if curve.time[-1] < rate * steps[-1]:
            raise InvalidProblem(
                f"learning_rate = {rate:g} becomes unstable at width {width} and t = {curve.time[-1]:.3g}; give a "
                f"smaller one, or compute <= {width * curve.time[-1]:.3g}. {curve.message}"
            )
        return curve

    return flow if learning_rate is None else sgd


class _Search:
    """The widths that were tried, with their losses at all budgets."""

    def __init__(self, task: PowerLawTask, budgets: Array, trained: Trained) -> None:
        self.budgets, self._trained = budgets, trained
        self.widest = min(task.modes // 2, max(2 * NARROWEST, int(budgets[-1])))
        self._losses: dict[int, Array] = {}
        self._resolution = 0.0
        self._initial, self._nodes = task.initial_loss, MOST_NODES

    @property
    def tried(self) -> int:
        return len(self._losses)

    def climb(self) -> None:
        """Wider and wider, until the loss at the largest budget rises or there are no wider ones."""
        width, before = float(NARROWEST), np.inf
        while True:
            self.try_widths(np.array([width]))
            last = self._losses[round(width)][-1]
            if last > before or width == self.widest:
                break
            width, before = min(LADDER * width, float(self.widest)), last
        _, least = self.least()
        needed = np.log(COARSE_ERROR / WANTED * self._initial / least.min()) / np.log(GAIN)
        self._nodes = int(np.clip(4 + np.ceil(needed), FEWEST_NODES, MOST_NODES))

    def try_widths(self, widths: Array) -> None:
        """Train these, rounded, as far as they are new."""
        for width in np.unique(np.rint(widths).astype(np.int64)).tolist():
            if width not in self._losses:
                times = self.budgets / width
                curve = self._trained(width, times, self._nodes)
                self._resolution = max(self._resolution, curve.resolution)
                known = np.log(np.maximum(curve.loss, curve.resolution))
                self._losses[width] = np.exp(np.interp(times, curve.time, known))  # SGD has whole steps

    def table(self) -> tuple[Array, Array]:
        """Widths, increasing, and their losses (w, n)."""
        widths = sorted(self._losses)
        return np.array(widths, np.float64), np.array([self._losses[width] for width in widths])

    def least(self) -> tuple[Array, Array]:
        """Width of least loss at every budget, and that loss: the vertex of the parabola through the least of many."""
        widths, losses = self.table()
        x = np.linspace(np.log(widths[0]), np.log(widths[-1]), POINTS)
        values = np.asarray(CubicSpline(np.log(widths), np.log(losses))(x))
        every = np.arange(self.budgets.size)
        at = values.argmin(axis=0)
        inner = np.clip(at, 1, POINTS - 2)
        before, here, after = (values[inner + side, every] for side in (-1, 0, 1))
        bend = before - 2.0 * here + after
        aside = np.divide(0.5 * (before - after), bend, out=np.zeros_like(bend), where=(at == inner) & (bend > 0.0))
        least = np.where(at == inner, here - 0.25 * (before - after) * aside, values[at, every])
        return np.exp(x[at] + (x[1] - x[0]) * aside), np.exp(least)

    def result(self, gamma: float) -> ComputeOptimal:
        width, loss = self.least()
        inside = (width > NARROWEST) & (width < self.widest * (1.0 - 1e-9))
        fitted = inside & (loss > ROUNDING * self._resolution)
        found = {LOSS: loss, WIDTH: width, TIME: self.budgets / width}
        widths, losses = self.table()
        return ComputeOptimal(
            compute=self.budgets.copy(),
            **found,
            fitted=fitted,
            exponents={name: _slope(self.budgets[fitted], values[fitted]) for name, values in found.items()},
            widths=widths,
            losses=losses,
            gamma=float(gamma),
        )


def _budgets(compute: Any) -> Array:
    budgets = check.array("compute", compute, "(n,)", 1)
    if (budgets <= 0.0).any() or (np.diff(budgets) <= 0.0).any():
        raise InvalidProblem("compute must be > 0 and increase; give budgets such as numpy.geomspace(1e6, 1e12, 30)")
    return budgets


def _slope(x: Array, y: Array) -> float:
    """Of the straight line through the logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0]) if x.size > 1 else float("nan")
