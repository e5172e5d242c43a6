"""The symmetric saddle that a run comes to: that of its own teacher, on the branch that its students are nearer to."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np

from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidProblem
from ode_sgd.model.order_parameters import OrderParameters
from ode_sgd.solvers.trajectory import Trajectory
from ode_sgd.theory.rest import BRANCHES
from ode_sgd.theory.saddle import Saddle, symmetric_saddle

T = TypeVar("T")
ALIKE = 0.02  # spread of the students, of their norm, that is none; see `saddle_passed`
NEAR = 0.1  # within this fraction of a saddle's height a run is looked at for how alike its students are


def where_it_exists(compute: Callable[[], T]) -> T | None:
    """What theory gives, or None where it says that there is no such thing."""
    try:
        return compute()
    except InvalidProblem:
        return None


def teacher_of(trajectory: Trajectory) -> OrderParameters | None:
    """Order parameters that hold the run's own teacher; None where every replica has its own.

    Where the last state is not kept (a mean, nodes in place of a long spectrum) every sector gets T / mu_1.
    """
    if trajectory.T.ndim != 2:
        return None
    kept, spectrum = last_state(trajectory), trajectory.problem.spectrum
    if kept is not None:
        return kept
    K, M = trajectory.problem.student_units, trajectory.problem.teacher_units
    L = spectrum.distinct
    t = np.broadcast_to(trajectory.T / spectrum.moment(1), (L, M, M))
    return OrderParameters(np.zeros((L, K, K)), np.zeros((L, K, M)), t)


def last_state(trajectory: Trajectory) -> OrderParameters | None:
    """The last state kept, of the first replica; what sectors hold that do not learn cannot be had from elsewhere."""
    return trajectory.final[0] if isinstance(trajectory.final, tuple) else trajectory.final


def saddles_of(trajectory: Trajectory) -> dict[str, Saddle]:
    """Branch -> symmetric saddle of the run's own teacher, where there is one; it may be none."""
    problem, teacher = trajectory.problem, teacher_of(trajectory)
    found = {branch: where_it_exists(partial(symmetric_saddle, problem, teacher, branch)) for branch in BRANCHES}
    return {branch: saddle for branch, saddle in found.items() if saddle is not None}


def saddle_passed(trajectory: Trajectory, stretch: tuple[float, float, float] | None) -> Saddle | None:
    """The saddle that a run passes, on the branch of `branch_of`, if there is one.

    To find the split saddle takes several times as long as the identical one. It is not looked for where the students'
    spread is below ALIKE of their norm: where the split saddle has twice that, the two heights differ by 4e-4.
    """
    problem, teacher = trajectory.problem, teacher_of(trajectory)
    find = partial(symmetric_saddle, problem, teacher)
    identical = where_it_exists(partial(find, BRANCHES[0]))
    if identical is None:
        return where_it_exists(partial(find, BRANCHES[1]))
    mean = trajectory if trajectory.replicas is None else trajectory.mean()
    row = _passing(mean, identical.generalization_error) if stretch is None else _on_stretch(mean, *stretch)
    if row is not None and _spread(mean.Q[row]) < ALIKE * np.trace(mean.Q[row]) / len(mean.Q[row]):
        return identical
    split = where_it_exists(partial(find, BRANCHES[1]))
    if split is None:
        return identical
    saddles = dict(zip(BRANCHES, (identical, split), strict=True))
    return saddles[branch_of(trajectory, saddles, stretch)]


def branch_of(trajectory: Trajectory, saddles: dict[str, Saddle], stretch: tuple[float, float, float] | None) -> str:
    """The branch whose spread of students, mean Q_ii - mean Q_ij, is nearest to that of the run.

    `stretch` is (start, end, height) of a plateau, on which the time nearest to the height is looked at. Without one
    each branch is compared in the midst of the time that the run spends within 10 % of its height.
    """
    if len(saddles) < len(BRANCHES):
        return next(iter(saddles), BRANCHES[0])
    mean = trajectory if trajectory.replicas is None else trajectory.mean()
    distance: dict[str, float] = {}
    for branch, saddle in saddles.items():
        height = saddle.generalization_error
        row = _on_stretch(mean, *stretch) if stretch is not None else _passing(mean, height)
        if row is not None:
            distance[branch] = abs(_spread(saddle.Q) - _spread(mean.Q[row]))
    return min(distance, key=lambda branch: distance[branch], default=BRANCHES[0])


def _on_stretch(mean: Trajectory, start: float, end: float, height: float) -> int | None:
    on_it = np.flatnonzero((mean.alpha >= start) & (mean.alpha <= end))
    if not on_it.size:
        return None
    return int(on_it[np.argmin(np.abs(mean.generalization_error[on_it] - height))])


def _passing(mean: Trajectory, height: float) -> int | None:
    """The middle, in alpha, of the first stretch within 10 % of the height."""
    near = np.abs(mean.generalization_error / height - 1.0) <= NEAR
    if not near.any():
        return None
    first = int(np.argmax(near))
    away = np.flatnonzero(~near[first:])
    last = first + int(away[0]) - 1 if away.size else near.size - 1
    return int(np.argmin(np.abs(mean.alpha - 0.5 * (mean.alpha[first] + mean.alpha[last]))))


def _spread(Q: Array) -> float:
    """Mean of Q_ii less that of Q_ij."""
    K = len(Q)
    return float(np.trace(Q) / K - (Q.sum() - np.trace(Q)) / (K * (K - 1)))
