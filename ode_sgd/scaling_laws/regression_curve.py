"""The run of a regression: its loss along the number of samples, or of features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown, single
from ode_sgd.core.run import Parameters, Run, Wording
from ode_sgd.scaling_laws.loss_curve import ASYMPTOTIC, LOSS
from ode_sgd.scaling_laws.power_law_task import PowerLawTask

SAMPLES, FEATURES = "samples", "features"
MOST = 1e15  # beyond, neighbouring numbers are one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RegressionCurve(Run):
    """Loss E (y - f)^2 of a regression on random features, without a factor 1/2 and without label noise.

    Attributes
    ----------
    alpha : ndarray, shape (n,)
        How many samples or features, as `time_name` says; 0 comes first.
    loss : ndarray, shape (n,) or (replica, n)
        Dimensionless, >= 0.
    method : str
        "asymptotic regression" or "simulated regression".
    dimension : int or None
        Of a simulation, the fewest samples or features of a fit.

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> model = sl.RandomFeatures(sl.PowerLawTask(modes=1000))
    >>> curve = model.curve(samples=[32, 64, 128], features=512)
    >>> curve.alpha.tolist(), curve.loss.round(3).tolist()
    ([0.0, 32.0, 64.0, 128.0], [1.955, 0.221, 0.138, 0.091])
    """

    time_name: str = SAMPLES
    error_name: str = LOSS

    __setstate__ = frozen.restore_frozen

    wording: ClassVar[Wording] = Wording(
        noun="curve",
        nouns="curves",
        error_label=r"loss  $L$  (dimensionless)",
        error_symbol="loss",
        calls=("model.curve(...)", "model.simulate(...)"),
        symbols={SAMPLES: r"$D$", FEATURES: r"$P$", LOSS: r"$L$"},
    )

    @property
    def loss(self) -> Array:
        """Losses, (n,) or (replica, n)."""
        return self.error

    def effective_dimension(self) -> float:
        """One over the most that theory may be off by at any point, as a part of the loss there."""
        off = float(self.relative_bias().max())
        return 1.0 / off if off else float("inf")

    def relative_bias(self) -> Array:
        """What theory may be off by: 2 / min(D, P) at each point, and nothing before learning or for theory itself."""
        if self.dimension is None:
            return np.zeros(self.alpha.size)
        given: dict[str, Any] = getattr(self.problem, "canonical", {})
        fixed = given.get(SAMPLES if self.time_name == FEATURES else FEATURES)
        fewest = np.minimum(self.alpha, np.inf if fixed is None else fixed)
        return np.divide(2.0, fewest, out=np.zeros_like(fewest), where=fewest > 0.0)

    @property
    def can_have_plateaus(self) -> bool:
        """A regression is fitted anew at every point."""
        return False


class Axis(NamedTuple):
    """Along what a curve goes: the points, 0 first, and how many there are of the other, None for infinitely many."""

    name: str
    points: Indices
    fixed: int | None

    @classmethod
    def of(cls, samples: Any, features: Any) -> "Axis":
        """What `curve` and `simulate` are given."""
        if single(samples) == single(features):
            raise InvalidProblem(
                f"samples = {shown(samples)} and features = {shown(features)}; give one of them as an increasing "
                "array, along which the curve goes, and the other as a number or None"
            )
        name, along, fixed = (FEATURES, features, samples) if single(samples) else (SAMPLES, samples, features)
        other = SAMPLES if name == FEATURES else FEATURES
        points = check.array(name, along, "(n,)", 1)
        if (wrong := (points != np.rint(points)) | (points < 0.0) | (points > MOST)).any():
            raise InvalidProblem(f"{name} holds {points[wrong][0]:g}; give whole numbers >= 0 and <= {MOST:g}")
        if (np.diff(points) <= 0.0).any():
            raise InvalidProblem(f"{name} must increase strictly; leave out what repeats, and sort the others")
        whole = np.unique(np.concatenate([[0], points.astype(np.int64)]))
        return cls(name, whole, None if fixed is None else check.integer(other, fixed, 1))

    def at(self, point: int) -> tuple[int | None, int | None]:
        """Samples and features at a point."""
        return (point, self.fixed) if self.name == SAMPLES else (self.fixed, point)


def parameters(task: PowerLawTask, axis: Axis, ridge: float, label_noise: float) -> Parameters:
    """What a curve is of: all but its points."""
    other = SAMPLES if axis.name == FEATURES else FEATURES
    given = {"task": dict(task.definition), other: axis.fixed, "ridge": ridge, "label_noise": label_noise}
    return Parameters({"model": "random features", "along": axis.name, **given})


def theory_curve(
    task: PowerLawTask, loss: Callable[..., Array], samples: Any, features: Any, ridge: Any, label_noise: Any
) -> RegressionCurve:
    """The curve of `RandomFeatures.curve`."""
    axis = Axis.of(samples, features)
    ridge = check.size("ridge", ridge, zero=True)
    label_noise = check.size("label_noise", label_noise, zero=True)
    counts = {axis.name: axis.points, SAMPLES if axis.name == FEATURES else FEATURES: axis.fixed}
    return RegressionCurve(
        problem=parameters(task, axis, ridge, label_noise),
        alpha=axis.points.astype(np.float64),
        error=frozen.sealed(loss(ridge=ridge, label_noise=label_noise, **counts)),
        method=f"{ASYMPTOTIC} regression",
        time_name=axis.name,
    )
