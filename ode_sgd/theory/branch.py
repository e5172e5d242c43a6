"""Which of the two symmetric saddles a run leaves (docs/theory.md section 8).

Identical students are unstable to parts of their own, at rates of order eta^2. So it is a matter of time: the branch is
told by the parts that they have, Delta (the eigenvalue of Q on differences of students that no teacher explains), when
what tells the students apart begins to show, at a tenth (SPREAD) of their overlaps with the teachers.
"""

import numpy as np

from ode_sgd.model import check
from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidProblem, InvalidStart
from ode_sgd.model.order_parameters import OrderParameters
from ode_sgd.model.problem import Problem
from ode_sgd.solvers.trajectory import Trajectory
from ode_sgd.theory.rest import (
    BRANCHES,
    SPREAD,
    Rest,
    Teacher,
    at_rest,
    own_part,
    own_parts_grow,
    require_symmetry,
)

Start = OrderParameters | Trajectory | None


def saddle(problem: Problem, start: Start, branch: str | None) -> Rest:
    """The saddle of a named branch, or where that is None of the one that the start leads to; checks its arguments."""
    check.instance("problem", problem, Problem)
    if branch is not None:
        check.choice("branch", branch, BRANCHES)
    teacher = teacher_of(problem, start)
    require_symmetry(problem)
    if branch is not None or start is None:
        return at_rest(problem, teacher, branch or "identical")
    if isinstance(start, Trajectory):
        return _nearer(problem, teacher, _measured(start))
    identical = at_rest(problem, teacher, "identical")
    split = _split(problem, teacher)
    if split is None:
        return identical
    from ode_sgd.theory import followed  # scipy.integrate takes a third of a second to load

    own = followed.own_part_when_leaving(problem, start, identical, split)
    return split if own > 0.5 * split.own_norm * split.trace else identical


def saddle_of_run(trajectory: Trajectory) -> Rest:
    """The saddle that a run leaves; that of an orthonormal teacher where every replica has one of its own."""
    problem = trajectory.problem
    teacher = teacher_of(problem, trajectory if trajectory.T.ndim == 2 else None)
    require_symmetry(problem)
    return _nearer(problem, teacher, _measured(trajectory))


def _nearer(problem: Problem, teacher: Teacher, own: float) -> Rest:
    """The saddle whose students' Delta is nearer to `own`.

    That of the split one is found in many steps, and is not looked for where it is larger than twice `own`: there it
    would still grow, which takes one.
    """
    identical = at_rest(problem, teacher, "identical")
    if own_parts_grow(identical, 2.0 * own):
        return identical
    split = _split(problem, teacher)
    return split if split is not None and own > 0.5 * split.own_norm * split.trace else identical


def _split(problem: Problem, teacher: Teacher) -> Rest | None:
    """The split saddle; None where there is none but the identical one."""
    try:
        split = at_rest(problem, teacher, "split")
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
        raise InvalidProblem(f"start is {start!r}; give an ode_sgd.OrderParameters, an ode_sgd.Trajectory, or None")
    start.check_fits(problem)
    return Teacher(T=start.moments(problem.spectrum, 1)[2], t=start.t)


def _measured(trajectory: Trajectory) -> float:
    """Delta of a run where the students' overlaps were last alike to SPREAD, or most alike; of replicas the median.

    Every replica has a row of its own: they part at different times, and students in whatever pairing, so that the
    mean over replicas stays alike.
    """
    Q, R = (part if part.ndim == 4 else part[None] for part in (trajectory.Q, trajectory.R))
    T = np.broadcast_to(trajectory.T, (len(R), *trajectory.T.shape[-2:]))
    return float(np.median([_own_when_leaving(*parts) for parts in zip(Q, R, T, strict=True)]))


def _own_when_leaving(Q: Array, R: Array, T: Array) -> float:
    """The same of one curve; between two output times Delta is linear in the logarithm of the spread."""
    spread = np.linalg.norm(R - R.mean(axis=1, keepdims=True), axis=(1, 2))
    size = np.linalg.norm(R, axis=(1, 2))
    alike = np.flatnonzero(spread <= SPREAD * size)
    row = int(alike[-1] if alike.size else np.argmin(spread / np.where(size > 0.0, size, np.inf)))
    own = [own_part(Q[near] - R[near] @ np.linalg.pinv(T) @ R[near].T) for near in (row, min(row + 1, len(Q) - 1))]
    if not alike.size or row + 1 == len(Q) or spread[row] == 0.0:
        return float(own[0])
    before, after = np.log(spread[row : row + 2] / size[row : row + 2])
    return float(own[0] + (own[1] - own[0]) * (np.log(SPREAD) - before) / (after - before))
