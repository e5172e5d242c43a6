"""The tables of study files of the scaling-law models that are not public names of their own."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown, single
from ode_sgd.scaling_laws.power_law_task import PowerLawTask
from ode_sgd.scaling_laws.regression_curve import FEATURES, SAMPLES
from ode_sgd.scaling_laws.resource_checks import increasing
from ode_sgd.scaling_laws.resource_model import ResourceModel

MOST_POINTS = 10**6  # of a grid
FIRST = 1e-2  # time at which a logarithmic grid begins, or 1e-4 of the last
FEWEST = 16  # samples or features: the theory is off by 1 over them
POLICIES = ("greedy", "optimal", "equal", "polya")  # what has a curve along the neurons; the first is the usual one
PEAK = 1  # what a grid keeps away from the interpolation peak


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Gradient flow: output times, or the last one of a logarithmic grid that begins with 0."""

    times: Any = 1e4
    points: int = 200

    fresh: ClassVar[bool] = False  # whether every step takes fresh data

    def __post_init__(self) -> None:
        _keep(self, times=_given("times", self.times), points=check.whole("points", self.points, 2, MOST_POINTS))

    @property
    def grid(self) -> Array:
        """Output times, (n,)."""
        if np.ndim(self.times):
            return np.asarray(self.times)
        last = float(self.times)
        return np.concatenate([[0.0], np.geomspace(min(FIRST, last * 1e-4), last, self.points)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sgd:
    """One-pass SGD: output steps, or the last one of a logarithmic grid that begins with 0."""

    steps: Any = 10000
    learning_rate: float
    batch_size: int = 1
    points: int = 200

    fresh: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _keep(
            self,
            steps=_whole("steps", self.steps),
            learning_rate=check.size("learning_rate", self.learning_rate),
            batch_size=check.whole("batch_size", self.batch_size, 1),
            points=check.whole("points", self.points, 2, MOST_POINTS),
        )

    @property
    def grid(self) -> Indices:
        """Output steps, (n,)."""
        return whole_grid(self.steps, self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Explicit networks of the feature-learning model. The learning rate is that of a flow's steps; SGD has its own."""

    replicas: int = 16
    seed: int = 0
    learning_rate: float | None = None
    points: int = 40

    def __post_init__(self) -> None:
        rate = self.learning_rate
        _keep(
            self,
            replicas=check.whole("replicas", self.replicas, 1),
            seed=check.seed(self.seed),
            learning_rate=None if rate is None else check.size("learning_rate", rate),
            points=check.whole("points", self.points, 2, MOST_POINTS),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlongSamples:
    """A regression with more and more samples: their numbers, or the last one; features is a number, None infinite."""

    samples: Any = 1024
    features: int | None = None
    ridge: float = 0.0
    label_noise: float = 0.0
    first: int = FEWEST
    points: int = 40

    along: ClassVar[str] = SAMPLES

    def __post_init__(self) -> None:
        _keep(self, samples=_whole(SAMPLES, self.samples), features=_fixed(FEATURES, self.features))
        _keep_regression(self)

    @property
    def arguments(self) -> dict[str, Any]:
        """As `RandomFeatures.curve` takes them."""
        return _regression(self, self.samples, self.features)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlongFeatures:
    """A regression with more and more features: their numbers, or the last one; samples is a number, None infinite."""

    features: Any = 1024
    samples: int | None = None
    ridge: float = 0.0
    label_noise: float = 0.0
    first: int = FEWEST
    points: int = 40

    along: ClassVar[str] = FEATURES

    def __post_init__(self) -> None:
        _keep(self, features=_whole(FEATURES, self.features), samples=_fixed(SAMPLES, self.samples))
        _keep_regression(self)

    @property
    def arguments(self) -> dict[str, Any]:
        """As `RandomFeatures.curve` takes them."""
        return _regression(self, self.features, self.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regressions:
    """Trained regressions."""

    replicas: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        _keep(self, replicas=check.whole("replicas", self.replicas, 1), seed=check.seed(self.seed))


def power_law_subtasks(
    capacity: float = 1.5,
    source: float = 0.5,
    modes: int = 1000,
    relative_noise: float | None = None,
    additive_noise: float | None = None,
) -> ResourceModel:
    """One subtask for each mode of a task, as `ResourceModel.from_task`."""
    task = PowerLawTask(capacity, source, modes)
    if relative_noise is None and additive_noise is None:
        relative_noise = 1.0
    return ResourceModel.from_task(task, relative_noise=relative_noise, additive_noise=additive_noise)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """Numbers of neurons, or the last of a logarithmic grid that begins with 0, and the policy that shares them.

    Without policy and shares it is greedy; `policy` is None where there are shares.
    """

    neurons: Any = 120
    policy: str | None = None
    shares: Any = None
    concentration: float | None = None
    points: int = 40

    def __post_init__(self) -> None:
        policy, shares = self.policy, self.shares
        if policy is not None:
            check.choice("policy", policy, POLICIES)
            if shares is not None:
                raise InvalidProblem(f"shares = {shown(shares)} beside policy = {policy!r}; leave one of the two out")
        elif shares is None:
            policy = POLICIES[0]
        _keep(
            self,
            neurons=_whole("neurons", self.neurons),
            policy=policy,
            points=check.whole("points", self.points, 2, MOST_POINTS),
            shares=None if shares is None else tuple(check.array("shares", shares, "(subtasks,)", 1).tolist()),
        )

    @property
    def grid(self) -> Indices:
        """Numbers of neurons, (n,)."""
        return whole_grid(self.neurons, self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selections:
    """Forward selection of neurons by so many samples."""

    samples: int
    replicas: int = 16
    seed: int = 0
    pool: int | None = None

    def __post_init__(self) -> None:
        _keep(
            self,
            samples=check.whole("samples", self.samples, 1),
            replicas=check.whole("replicas", self.replicas, 1),
            seed=check.seed(self.seed),
            pool=None if self.pool is None else check.whole("pool", self.pool, 1),
        )


def whole_grid(given: Any, points: int, first: int = 1) -> Indices:
    """Given whole numbers; or 0, and about so many from a first to a last one, in equal ratios where these allow it."""
    if np.ndim(given):
        return np.asarray(given, dtype=np.int64)
    return np.unique(np.concatenate([[0], np.rint(np.geomspace(min(first, given), given, points))]).astype(np.int64))


def _regression(table: AlongSamples | AlongFeatures, given: Any, other: int | None) -> dict[str, Any]:
    """Arguments of a curve; without a ridge a grid leaves out the interpolation peak, where the loss diverges."""
    grid = whole_grid(given, table.points, table.first)
    if not np.ndim(given) and other is not None and table.ridge == 0.0:
        grid = grid[np.abs(grid - other) > PEAK]
    fixed = FEATURES if table.along == SAMPLES else SAMPLES
    return {table.along: grid, fixed: other, "ridge": table.ridge, "label_noise": table.label_noise}


def _keep_regression(table: AlongSamples | AlongFeatures) -> None:
    _keep(
        table,
        ridge=check.number("ridge", table.ridge, least=0.0),
        label_noise=check.number("label_noise", table.label_noise, least=0.0),
        points=check.whole("points", table.points, 2, MOST_POINTS),
        first=check.whole("first", table.first, 1),
    )


def _fixed(name: str, given: Any) -> int | None:
    return None if given is None else check.whole(name, given, 1)


def _given(name: str, given: Any) -> Any:
    """A last time as a number, output times as a tuple, both checked."""
    return check.number(name, given, above=0.0) if single(given) else tuple(increasing(name, given).tolist())


def _whole(name: str, given: Any) -> Any:
    """A last whole number, or whole numbers that increase, as a tuple."""
    if single(given):
        return check.whole(name, given, 1, 2**53)
    values = increasing(name, given)
    if (values != np.rint(values)).any():
        raise InvalidProblem(f"{name} = {shown(given)}: give whole numbers, or the last of them")
    return tuple(int(value) for value in values)


def _keep(part: Any, **checked: Any) -> None:
    """Put what the checks made of its values into a frozen part of a study."""
    for name, value in checked.items():
        object.__setattr__(part, name, value)
