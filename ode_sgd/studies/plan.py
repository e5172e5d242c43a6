"""The parts of a study that are not public names of their own: where it starts, what is integrated and simulated."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ode_sgd.model import check
from ode_sgd.model.check import Array
from ode_sgd.model.order_parameters import OrderParameters
from ode_sgd.model.problem import Problem
from ode_sgd.solvers.integrate import METHODS as INTEGRATORS
from ode_sgd.solvers.integrate import checked_tolerance
from ode_sgd.solvers.simulate import METHODS, nearest_steps
from ode_sgd.solvers.trajectory import wanted_moments

MOST_POINTS = 10**7  # of a grid, which takes 8 bytes each


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomStart:
    """Arguments of `OrderParameters.random`; a dimension of None is the simulation's."""

    dimension: int | None = None
    student_scale: float = 0.01
    teacher_scale: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dimension is not None:
            check.integer("dimension", self.dimension, 1)
        check.number("student_scale", self.student_scale, least=0.0)
        check.number("teacher_scale", self.teacher_scale, least=0.0)
        check.integer("seed", self.seed, 0)

    def overlaps(self, problem: Problem) -> OrderParameters:
        """The overlaps at alpha = 0."""
        dimension = check.integer("dimension", self.dimension, 1)
        return OrderParameters.random(problem, dimension, self.student_scale, self.teacher_scale, self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypicalStart:
    """Arguments of `OrderParameters.typical`."""

    student_scale: float
    teacher_scale: float = 1.0

    def __post_init__(self) -> None:
        check.number("student_scale", self.student_scale, least=0.0)
        check.number("teacher_scale", self.teacher_scale, least=0.0)

    def overlaps(self, problem: Problem) -> OrderParameters:
        """The overlaps at alpha = 0."""
        return OrderParameters.typical(problem, self.student_scale, self.teacher_scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """Arguments of `integrate`; `moments` and `sectors` hold for the simulation too."""

    alpha: Any
    rtol: float = 1e-6
    atol: float | None = None
    moments: tuple[int, ...] = (0, 1, 2)
    sectors: bool = False
    nodes: int | str = "auto"  # "whole" is None there: TOML has no such value
    method: str = "rodas5p"

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", _fixed(self.alpha))
        check.choice("method", self.method, INTEGRATORS)
        if isinstance(self.nodes, str):
            check.choice("nodes", self.nodes, ("auto", "whole"))
        else:
            check.integer("nodes", self.nodes, 2)
        checked_tolerance(self.rtol)
        if self.atol is not None:
            check.number("atol", self.atol, least=0.0)
        object.__setattr__(self, "moments", wanted_moments(self.moments))
        check.boolean("sectors", self.sectors)

    @property
    def times(self) -> Array:
        """Output times, (n,), from 0."""
        return check.times(self.alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """Arguments of `simulate`; an alpha of None is the integration's last time, a number a grid of `points` times."""

    dimension: int
    replicas: int = 1
    seed: int = 0
    method: str = "auto"
    alpha: Any = None
    points: int = 60

    def __post_init__(self) -> None:
        check.integer("dimension", self.dimension, 1)
        check.integer("replicas", self.replicas, 1)
        check.integer("seed", self.seed, 0)
        check.choice("method", self.method, METHODS)
        if self.alpha is not None:
            object.__setattr__(self, "alpha", _fixed(self.alpha))
        check.integer("points", self.points, 2, MOST_POINTS)

    def times(self, last: float) -> Array:
        """Output times (n,), whole steps divided by N; `last` is used where alpha is None."""
        end = last if self.alpha is None else self.alpha
        if np.ndim(end) == 0:
            if end == 0.0:
                return np.zeros(1)
            # Logarithmic, as for the ODE, but sparser: each point is drawn as a marker with an error bar.
            end = np.concatenate([[0.0], np.geomspace(min(1e-2, end / 1e4), end, self.points)])
        return np.asarray(nearest_steps(end, self.dimension) / self.dimension)


def _fixed(alpha: Any) -> Any:
    """A last time as it is, output times as a tuple, both checked."""
    clean = check.times(alpha)
    return alpha if np.ndim(alpha) == 0 else tuple(clean.tolist())
