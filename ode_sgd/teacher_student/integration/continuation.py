"""A run that goes on from where another one has ended, with its time: schedules are functions of the whole alpha."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import single
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.trajectory import Sectors, Trajectory, error_curve

POINTS = 400  # of the grid where only a last time is given, as in `check.times`
OF_ONE = ("stopped_at",)  # that of the later run, or of none
ADDED = ("steps", "rejected", "right_hand_sides", "seconds", "compiling")  # of what two runs count together


def state_of(problem: Problem, start: Any, continues: Any) -> OrderParameters:
    """The last state of the trajectory that is to be continued.

    Raises
    ------
    InvalidProblem
        If it is of another problem or a simulation, ended early by a fault, or has no last state; if there is a start
        besides.
    """
    check.instance("continues", continues, Trajectory)
    if isinstance(problem.optimizer, Adaptive) and problem.optimizer.remembers:
        raise InvalidProblem(
            f"the run to be continued is one with optimizer = {problem.optimizer}, of whose end only overlaps are "
            "kept; integrate to the later times from the start"
        )
    if start is not None:
        raise InvalidProblem("continues takes the place of start; give start = None")
    if continues.is_simulation:
        raise InvalidProblem(
            "the run to be continued is a simulation; give a trajectory of integrate, or start from its `final`"
        )
    if continues.problem.identity != problem.identity:
        own, other = problem.canonical, continues.problem.canonical
        differ = ", ".join(sorted(name for name in own.keys() | other.keys() if own.get(name) != other.get(name)))
        raise InvalidProblem(
            f"the run to be continued is of another problem (other {differ}); give the same one: what changes on the "
            "way is an ode_sgd.Schedule, or start a run of its own from `final`"
        )
    if continues.status not in ("complete", "interrupted"):
        raise InvalidProblem(f"the run to be continued has the status {continues.status!r}: {continues.message}")
    if not isinstance(continues.final, OrderParameters):
        raise InvalidProblem(
            "the run to be continued has no last state, as runs on nodes of a spectrum have none; integrate it with "
            "nodes = None"
        )
    return continues.final


def times_from(begin: float, alpha: Any) -> Array:
    """Output times of the whole alpha, the first of them `begin`; of a number that is the last, a grid.

    Raises
    ------
    InvalidProblem
        If they do not increase from there.
    """
    if single(alpha):
        end = check.number("alpha", alpha, above=begin, allowed=f"a time beyond {begin:g}, where the other run ends")
        return np.concatenate([[begin], np.geomspace(begin, end, POINTS + 1)[1:-1], [end]])
    given = check.array("alpha", alpha, "(n,)", 1)
    if given[0] > begin:
        given = np.concatenate([[begin], given])
    if given[0] < begin or (np.diff(given) <= 0.0).any():
        raise InvalidProblem(
            f"alpha must increase strictly from {begin:g}, where the run that it continues ends; it is the whole alpha"
        )
    return given


def later_times(alpha: Array, continues: Trajectory) -> Array:
    """Those of the output times that are beyond the run which is continued.

    Raises
    ------
    InvalidProblem
        If there are none.
    """
    later: Array = alpha[alpha > continues.alpha[-1]]
    if not later.size:
        raise InvalidProblem(
            f"the run that is continued ends at alpha = {continues.alpha[-1]:g}, and [integration] alpha at "
            f"{alpha[-1]:g}; give a later one"
        )
    return later


def joined(first: Trajectory, second: Trajectory) -> Trajectory:
    """Both as one run; the time at which they meet is the first one's.

    The second has started from overlaps: it cannot know an error that is below their rounding.
    """
    moments = {
        order: (_behind(Q, first.moments[order][0]), _behind(R, first.moments[order][1]), T)
        for order, (Q, R, T) in second.moments.items()
        if order in first.moments
    }
    sectors = None
    if first.sectors is not None and second.sectors is not None:
        parts = _behind(second.sectors.q, first.sectors.q), _behind(second.sectors.r, first.sectors.r)
        sectors = Sectors(*frozen.sealed(parts), second.sectors.t)
    at = second.moments[1]
    C = np.block([[at[0][0], at[1][0]], [at[1][0].T, at[2]]])
    v, earlier = second.student_weights, first.student_weights
    errors, level = error_curve(second.problem, C[None], second_layer=None if v is None else v[:1])
    meeting = level if errors[0] < 1e3 * level else 0.0
    return replace(
        second,
        alpha=_behind(second.alpha, first.alpha),
        generalization_error=_behind(second.generalization_error, first.generalization_error),
        moments=frozen.sealed(moments),
        sectors=sectors,
        copies=None if second.copies is None or first.copies is None else _behind(second.copies, first.copies),
        student_weights=None if v is None or earlier is None else _behind(v, earlier),
        resolution=max(first.resolution, second.resolution, meeting),
        stats=_stats(first.stats, second.stats),
    )


def _stats(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Counts and seconds of both; of all else what the later run says, or else the first one."""
    return {
        name: first.get(name, 0.0) + second.get(name, 0.0) if name in ADDED else second.get(name, first.get(name, 0.0))
        for name in {**first, **second}
        if name not in OF_ONE or name in second
    }


def _behind(later: Array, earlier: Array) -> Array:
    """Behind one another, without the first entry of the later one, which both have."""
    return frozen.sealed(np.concatenate([earlier, later[1:]]))
