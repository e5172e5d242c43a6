"""The parts of a study that are not public names of their own: what is integrated and simulated."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.given import single
from ode_sgd.core.model import Tables
from ode_sgd.teacher_student import study_files
from ode_sgd.teacher_student.integration.integrate import checked_tolerance
from ode_sgd.teacher_student.integration.methods import method_named
from ode_sgd.teacher_student.integration.stop import Stop
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.simulation.methods import checked_name
from ode_sgd.teacher_student.simulation.simulate import nearest_steps
from ode_sgd.teacher_student.study_starts import AnyStart, keep

MOST_POINTS = 10**7  # of a grid, which takes 8 bytes each


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
    stop: Any = None

    def __post_init__(self) -> None:
        words = isinstance(self.nodes, str)
        keep(
            self,
            alpha=_fixed(self.alpha),
            method=method_named(self.method).name,
            nodes=check.choice("nodes", self.nodes, ("auto", "whole"))
            if words
            else check.integer("nodes", self.nodes, 2),
            rtol=checked_tolerance(self.rtol),
            atol=None if self.atol is None else check.number("atol", self.atol, least=0.0),
            moments=check.orders(self.moments),
            sectors=check.boolean("sectors", self.sectors),
            stop=Stop.of(self.stop),
        )

    @property
    def times(self) -> Array:
        """Output times, (n,), from 0."""
        return check.times(self.alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """Arguments of `simulate`; an alpha of None is the integration's last time, a number a grid of `points` times.

    `inputs` and `held_out` stand for files of data, see `study_files`.
    """

    dimension: int
    replicas: int = 1
    seed: int = 0
    method: str = "auto"
    alpha: Any = None
    points: int = 60
    inputs: str | None = None
    held_out: str | None = None

    def __post_init__(self) -> None:
        keep(
            self,
            dimension=check.integer("dimension", self.dimension, 1),
            replicas=check.integer("replicas", self.replicas, 1),
            seed=check.seed(self.seed),
            method=checked_name(self.method),
            alpha=None if self.alpha is None else _fixed(self.alpha),
            points=check.integer("points", self.points, 2, MOST_POINTS),
        )
        study_files.checked_name("inputs", self.inputs, study_files.INPUTS)
        study_files.checked_name("held_out", self.held_out, study_files.HELD_OUT)

    def times(self, last: float) -> Array:
        """Output times (n,), whole steps divided by N; `last` is used where alpha is None."""
        end = last if self.alpha is None else self.alpha
        if np.ndim(end) == 0:
            if end == 0.0:
                return np.zeros(1)
            # Logarithmic, as for the ODE, but sparser: each point is drawn as a marker with an error bar.
            end = np.concatenate([[0.0], np.geomspace(min(1e-2, end / 1e4), end, self.points)])
        return np.asarray(nearest_steps(end, self.dimension) / self.dimension)


class Parts(NamedTuple):
    """What the tables of a study are."""

    problem: Problem
    start: AnyStart
    integration: Integration
    simulation: Simulation | None

    @property
    def nodes(self) -> Any:
        """As `integrate` takes them."""
        return None if self.integration.nodes == "whole" else self.integration.nodes


def parts_of(tables: Tables) -> Parts:
    """The parts of a study by their names."""
    return Parts(tables["problem"], tables["start"], tables["integration"], tables.get("simulation"))


def _fixed(alpha: Any) -> Any:
    """A last time as a number, output times as a tuple, both checked."""
    clean = check.times(alpha)
    return float(clean[-1]) if single(alpha) else tuple(clean.tolist())
