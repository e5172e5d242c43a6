"""Conditions at which an integration ends before its last output time: `integrate(..., stop=...)`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import largest
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.pairing import SETTLED, field_correlation
from ode_sgd.teacher_student.model.problem import Problem

BELOW = 1.0 - 1e-10  # of the level of an escape: where eps_g has passed it, so that findings see it passed
SMALL = 1e-300  # errors below it are none


@dataclass(frozen=True, slots=True)
class Look:
    """What a condition sees of a run at one time: overlaps of order one, eps_g, and how fast C changes."""

    alpha: float
    Q: Array  # (K, K)
    R: Array  # (K, M)
    error: float
    slope: Array | None  # dC/dalpha (d, d), for those that ask for it


@dataclass(frozen=True, slots=True)
class Stop:
    """A condition at which a run ends; `ode_sgd.stop` has functions that make them.

    Attributes
    ----------
    name : str
        Which: one of "below", "escape", "specialised" and "at_rest".
    value : float
        Its number.
    """

    name: str
    value: float

    def __str__(self) -> str:
        return f"{self.name}({self.value:g})"

    @property
    def stored(self) -> dict[str, Any]:
        """It as plain values, as study files have it: {"name": "below", "error": 0.001}."""
        return {"name": self.name, KINDS[self.name].parameter: self.value}

    @property
    def asks_for_slope(self) -> bool:
        """Whether it looks at how fast C changes."""
        return self.name == "at_rest"

    def function(self, problem: Problem, start: OrderParameters) -> Callable[[Look], float]:
        """What is above 0 before and is not once the condition holds.

        Raises
        ------
        InvalidProblem
            Where the condition does not exist for the problem.
        """
        return KINDS[self.name].function(self.value, problem, start)

    @classmethod
    def of(cls, given: Any) -> "Stop | None":
        """The condition that is meant, also by its name alone or by a table of a study file.

        Raises
        ------
        InvalidProblem
            For all else, naming what there is.
        """
        if given is None or isinstance(given, Stop):
            return given
        if isinstance(given, str):
            given = {"name": given}
        if not isinstance(given, Mapping) or "name" not in given:
            raise InvalidProblem(
                f"stop = {shown(given)} is no condition; give one of ode_sgd.stop, such as ode_sgd.stop.below(1e-3)"
            )
        kind = KINDS[check.choice("stop.name", given["name"], tuple(KINDS))]
        others = {key: value for key, value in given.items() if key != "name"}
        for key in others:
            check.choice(f"stop.{given['name']}: a key", key, (kind.parameter,))
        if not others and kind.needed:
            raise InvalidProblem(f"stop.{given['name']} lacks {kind.parameter}")
        return kind.make(**others)


@own_keywords
def below(error: float) -> Stop:
    """Ends a run when eps_g has come down to a number.

    Parameters
    ----------
    error : float
        From 1e-50 to 1e50, dimensionless.

    Raises
    ------
    InvalidProblem
        For any other.

    Examples
    --------
    >>> run = ode_sgd.integrate(problem, start, 1e4, stop=ode_sgd.stop.below(1e-3))
    >>> f"{run.alpha[-1]:.1f}", f"{run.generalization_error[-1]:.6f}", run.message
    ('206.8', '0.001000', 'stopped at alpha = 206.817 by below(0.001)')
    """
    return Stop("below", check.size("error", error))


@own_keywords
def escape(fraction: float = 0.5) -> Stop:
    """Ends a run when eps_g has left the symmetric plateau.

    Parameters
    ----------
    fraction : float
        Of the plateau's height in theory (`theory.plateau_height`) at which it counts as left, 0 < fraction < 1. The
        half-height time is that of 0.5.

    Raises
    ------
    InvalidProblem
        For any other; and when it is used, where theory knows no plateau of the problem.

    Examples
    --------
    >>> run = ode_sgd.integrate(problem, start, 1e4, stop=ode_sgd.stop.escape())
    >>> height = ode_sgd.theory.plateau_height(problem, start)
    >>> float(round(run.generalization_error[-1] / height, 6))
    0.5
    """
    return Stop("escape", _part("fraction", fraction))


@own_keywords
def specialised(correlation: float = SETTLED) -> Stop:
    """Ends a run when every student follows a teacher: their fields' correlation is above a number in modulus.

    Parameters
    ----------
    correlation : float
        0 < correlation < 1; 0.8 is that of `specialisation`.

    Examples
    --------
    >>> run = ode_sgd.integrate(problem, start, 1e4, stop=ode_sgd.stop.specialised())
    >>> f"{ode_sgd.specialisation(run).correlation[-1].max(axis=1).min():.6f}"
    '0.800000'
    """
    return Stop("specialised", _part("correlation", correlation))


@own_keywords
def at_rest(change: float = 1e-6) -> Stop:
    """Ends a run when no overlap moves any more: over a time alpha + 1 / (eta mu_1) none of C by more than a part.

    Parameters
    ----------
    change : float
        That part of the largest entry of C, 0 < change < 1.

    Notes
    -----
    Not with optimisers of linear memory, schedules and a trained second layer, where more than the overlaps moves. A
    plateau that is left only slowly may count as rest: from a start with R of size r it does for `change` above
    about r.

    Examples
    --------
    >>> noisy = ode_sgd.Problem(
    ...     spectrum=problem.spectrum, student_units=2, teacher_units=2, learning_rate=0.5, label_noise=0.1
    ... )
    >>> run = ode_sgd.integrate(noisy, start, 1e6, stop=ode_sgd.stop.at_rest(1e-5))
    >>> run.alpha[-1] < 1e6, abs(run.generalization_error[-1] / ode_sgd.theory.noise_floor(noisy, start) - 1) < 1e-4
    (np.True_, np.True_)
    """
    return Stop("at_rest", _part("change", change))


def _part(name: str, value: Any) -> float:
    return check.number(name, value, above=0.0, below=1.0, allowed=f"0 < {name} < 1")


def _below(error: float, problem: Problem, start: OrderParameters) -> Callable[[Look], float]:
    def function(look: Look) -> float:
        return float(np.log(max(look.error, SMALL) / error))

    return function


def _escape(fraction: float, problem: Problem, start: OrderParameters) -> Callable[[Look], float]:
    from ode_sgd.teacher_student.theory.saddle import plateau_height  # brings SciPy

    try:
        height = plateau_height(problem, start)
    except InvalidProblem as error:
        raise InvalidProblem(
            f"stop = escape({fraction:g}) needs the height of the plateau in theory: {error}; give "
            "ode_sgd.stop.below(...) in its place"
        ) from None
    return _below(BELOW * fraction * height, problem, start)


def _specialised(correlation: float, problem: Problem, start: OrderParameters) -> Callable[[Look], float]:
    T = start.moments(problem.spectrum, 1)[2]

    def function(look: Look) -> float:
        return correlation - float(np.abs(field_correlation(look.Q, look.R, T)).max(axis=1).min())

    return function


def _at_rest(change: float, problem: Problem, start: OrderParameters) -> Callable[[Look], float]:
    held = problem.update_rule.copies
    if held is not None or problem.timetable or problem.second_layer_rate:
        what = f"optimizer = {problem.optimizer}" if held else "schedules, or a second layer that is trained"
        raise InvalidProblem(
            f"stop = at_rest({change:g}) looks at the overlaps alone, which say little of rest with {what}; give "
            "ode_sgd.stop.below(...) in its place"
        )
    unit = 1.0 / (largest(problem.learning_rate) * float(problem.spectrum.powers(1).sum()))

    def function(look: Look) -> float:
        assert look.slope is not None
        size = max(float(np.abs(look.Q).max()), float(np.abs(look.R).max()))
        return float(np.log(max((look.alpha + unit) * np.abs(look.slope).max(), SMALL) / (change * max(size, SMALL))))

    return function


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a condition is made, and what it is."""

    make: Callable[..., Stop]
    parameter: str
    needed: bool
    function: Callable[[float, Problem, OrderParameters], Callable[[Look], float]]


KINDS = {
    "below": _Kind(below, "error", True, _below),
    "escape": _Kind(escape, "fraction", False, _escape),
    "specialised": _Kind(specialised, "correlation", False, _specialised),
    "at_rest": _Kind(at_rest, "change", False, _at_rest),
}
