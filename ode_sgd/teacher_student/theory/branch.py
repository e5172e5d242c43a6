"""Which of the two symmetric saddles a run leaves (docs/theory/plateau.md section 8).

Identical students are unstable to parts of their own, at rates of order eta^2. So it is a matter of time: the branch is
the one near whose height eps_g stays for longer until the students have parted. Where both heights are the same within
10 %, it is told by Delta, the eigenvalue of Q on differences of students that no teacher explains, when what tells the
students apart begins to show, at a tenth (SPREAD) of their overlaps with the teachers. Where g' jumps at 0, identical
students part faster than at any rate, and it is the split one.
"""

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.given import shown
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.branch_fixed_point import (
    BRANCHES,
    PARTED,
    SPREAD,
    TINY,
    Approach,
    SymmetricFixedPoint,
    Teacher,
    at_level,
    at_rest,
    own_part,
    own_parts_grow,
    require_symmetry,
    split_from,
)
from ode_sgd.teacher_student.trajectory import Trajectory

BAND = 0.1  # heights within this fraction of each other tell no branch
NEAR = 0.3  # a run within this fraction of a height, or half-way to the other one, is near it

Start = OrderParameters | Trajectory | None


def saddle(problem: Problem, start: Start, branch: str | None) -> SymmetricFixedPoint:
    """The saddle of a named branch, or where that is None of the one that the start leads to; checks its arguments."""
    check.instance("problem", problem, Problem)
    if branch is not None:
        check.choice("branch", branch, BRANCHES)
    teacher = teacher_of(problem, start)
    require_symmetry(problem)
    if problem.g.has_kink and branch is None:
        branch = "split"
    if branch is not None or start is None:
        return at_rest(problem, teacher, branch or "identical")
    if isinstance(start, Trajectory):
        return _left(problem, teacher, _seen(start))
    identical = at_rest(problem, teacher, "identical")
    split = _split(identical)
    if split is None:
        return identical
    from ode_sgd.teacher_student.theory import followed  # scipy.integrate takes a third of a second to load

    return _nearer(identical, split, followed.approach(problem, start, identical, split))


def saddle_of_run(problem: Problem, trajectory: Trajectory) -> SymmetricFixedPoint:
    """The saddle that a run of this problem leaves; an orthonormal teacher's where every replica has one of its own."""
    teacher = teacher_of(problem, trajectory if trajectory.T.ndim == 2 else None)
    require_symmetry(problem)
    return _left(problem, teacher, _seen(trajectory))


def _left(problem: Problem, teacher: Teacher, run: Approach) -> SymmetricFixedPoint:
    """The saddle that a run leaves.

    The split one is found in many steps. It is not looked for where the run is at the identical one most of the time,
    and students of twice its Delta would still grow apart, which takes one.
    """
    if problem.g.has_kink:
        return at_rest(problem, teacher, "split")
    identical = at_rest(problem, teacher, "identical")
    if run.stay(identical.height, BAND) >= 0.5 * run.duration.sum() and own_parts_grow(identical, 2.0 * run.own):
        return identical
    split = _split(identical)
    return identical if split is None else _nearer(identical, split, run)


def _nearer(identical: SymmetricFixedPoint, split: SymmetricFixedPoint, run: Approach) -> SymmetricFixedPoint:
    """The one near whose height the run is for longer, or where both have the same, the one whose Delta is nearer."""
    apart = abs(np.log(max(identical.height, TINY) / max(split.height, TINY)))
    if apart < np.log1p(BAND):
        return split if run.own > 0.5 * split.own else identical
    near = min(NEAR, np.expm1(0.5 * apart))
    return split if run.stay(split.height, near) > run.stay(identical.height, near) else identical


def _split(identical: SymmetricFixedPoint) -> SymmetricFixedPoint | None:
    """The split saddle; None where there is none but the identical one."""
    try:
        split = split_from(identical)
    except InvalidProblem:
        return None
    return split if split.own_norm > 0.0 else None  # as under gradient flow: the two are one


def teacher_of(problem: Problem, start: Start) -> Teacher:
    """The teacher of a start or of a run; an orthonormal one for None."""
    if start is None:
        return Teacher(T=np.eye(problem.teacher_units), t=None)
    if isinstance(start, Trajectory):
        if start.T.ndim == 3:
            raise InvalidStart(
                "every replica of this trajectory has a teacher of its own, and so a saddle of its own; give the start "
                "of one of them, or branch='identical' or 'split' without a start"
            )
        kept = start.final[0] if isinstance(start.final, tuple) else start.final
        if kept is None:
            return Teacher(T=start.T, t=None)
        return teacher_of(problem, kept)
    if not isinstance(start, OrderParameters):
        raise InvalidProblem(f"start is {shown(start)}; give ode_sgd.OrderParameters, an ode_sgd.Trajectory, or None")
    start.without_copies().check_fits(problem)
    return Teacher(T=start.moments(problem.spectrum, 1)[2], t=start.t)


def _seen(trajectory: Trajectory) -> Approach:
    """A run until its students have parted: every replica by itself, and Delta their median.

    They part at different times, and students in whatever pairing, so that the mean over replicas stays alike.
    """
    Q, R = (part if part.ndim == 4 else part[None] for part in (trajectory.Q, trajectory.R))
    T = np.broadcast_to(trajectory.T, (len(R), *trajectory.T.shape[-2:]))
    errors = np.atleast_2d(trajectory.generalization_error)
    each = [_one(trajectory.alpha, *parts) for parts in zip(Q, R, T, errors, strict=True)]
    return Approach(
        own=float(np.median([run.own for run in each])),
        error=np.concatenate([run.error for run in each]),
        duration=np.concatenate([run.duration for run in each]),
    )


def _one(alpha: Array, Q: Array, R: Array, T: Array, error: Array) -> Approach:
    """The branch that one curve shows, up to where its students' overlaps were last alike to PARTED, or most alike."""
    size = np.linalg.norm(R, axis=(1, 2))
    spread = np.linalg.norm(R - R.mean(axis=1, keepdims=True), axis=(1, 2)) / np.where(size > 0.0, size, np.inf)
    spread[size == 0.0] = np.inf
    alike = np.flatnonzero(spread <= PARTED)
    end = 1 + int(alike[-1] if alike.size else np.argmin(spread))
    own = own_part(Q - R @ np.linalg.pinv(T) @ R.swapaxes(-1, -2))
    logarithm = np.log(np.clip(spread, TINY, 1.0 / TINY))
    return Approach.of(at_level(logarithm, float(np.log(SPREAD)), own), alpha[:end], error[:end])
