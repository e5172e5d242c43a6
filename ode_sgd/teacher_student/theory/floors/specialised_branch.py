"""The fixed point that students at their teachers go over into, as learning rate and label noise are raised.

Newton's method follows it in small steps of both, so that rounding does not choose between states where it becomes
unstable, as it would if the flow were followed. Without noise the branch passes the critical learning rate on the side
on which the error stays finite: it is found with noise, which is then taken away.
"""

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.floors.covered import noise_scale
from ode_sgd.teacher_student.theory.floors.field_flow import FieldFlow
from ode_sgd.teacher_student.theory.floors.pairing_of_weights import Specialised, specialised
from ode_sgd.teacher_student.theory.floors.settling import NOWHERE, Settled, newton, settle
from ode_sgd.teacher_student.theory.floors.small_noise import SmallNoise

FIRST = 0.02  # of the critical rate, where the branch is taken up
ASIDE = 1e-3  # squared distance from the teachers, over T, where the flow is followed instead
FARTHEST = 0.3  # change of the overlaps, over their size, in one step
LEAST = 1e-5  # step, over the whole way, below which the branch is given up
AUXILIARY = 0.3  # label noise, over the teacher's output, with which the critical rate is passed
WEAKEST = 1e-6  # of that: from here noise is taken away altogether


def follow_teachers(problem: Problem, T: Array) -> Settled:
    """The fixed point of the branch, stable or not; where Newton's method loses it, that to which the flow leads."""
    try:
        return _followed(problem, T)
    except InvalidProblem:
        found = settle(FieldFlow(problem, T), _beside_teachers(problem, T))
        if found.unstable:
            raise
        return found


def _beside_teachers(problem: Problem, T: Array) -> Array:
    """x of students a little off their teachers, in the direction that grows first."""
    pairs = specialised(problem)
    Q, R = fields_at_teachers(problem, pairs, T)
    if not pairs.left_over.size:
        Q = Q + ASIDE * float(np.trace(T)) * SmallNoise.at_teachers(problem, T).growing()
    return FieldFlow(problem, T).variables(Q, R)


def _followed(problem: Problem, T: Array) -> Settled:
    flow = FieldFlow(problem, T)
    Q, R = fields_at_teachers(problem, specialised(problem), T)
    x, noise, scale = flow.variables(Q, R), fixed(problem.label_noise), noise_scale(problem)
    if scale == 0.0:
        return Settled(x=x, jacobian=flow.slope(x)[1])
    critical = _critical(problem, T)
    if noise == 0.0 and (critical is None or scale < critical):
        return Settled(x=x, jacobian=flow.slope(x)[1])
    first = scale if critical is None else min(scale, FIRST * critical)
    if noise > 0.0:
        return _raised(flow, x, first, scale, noise)
    strong = AUXILIARY * float(np.sqrt(problem.u @ problem.u * np.diag(T).mean()))
    found = _raised(flow, x, first, scale, strong)
    for weaker in strong * 0.5 ** np.arange(1.0, np.log2(1.0 / WEAKEST)):
        flow.label_noise = float(weaker)
        found = newton(flow, found.x)
    flow.label_noise = 0.0
    return newton(flow, found.x)


def fields_at_teachers(problem: Problem, pairs: Specialised, T: Array) -> tuple[Array, Array]:
    """Q and R of students that have become teachers; the others have norm zero."""
    copies = np.zeros((problem.student_units, problem.teacher_units))
    copies[pairs.students, pairs.teachers] = pairs.signs
    return copies @ T @ copies.T, copies @ T


def _critical(problem: Problem, T: Array) -> float | None:
    """The critical eta mu_1, None where students are left over."""
    return None if specialised(problem).left_over.size else SmallNoise.at_teachers(problem, T).critical()


def _raised(flow: FieldFlow, x: Array, first: float, last: float, noise: float) -> Settled:
    """From eta mu_1 = first to last at one label noise."""
    flow.label_noise, flow.noise = noise, first
    found, done, step = newton(flow, x), first, 0.1 * last
    while done < last:
        flow.noise = min(done + step, last)
        try:
            trial = newton(flow, found.x)
        except InvalidProblem:
            trial = None
        if trial is None or np.abs(trial.x - found.x).max() > FARTHEST * np.abs(found.x).max():
            step *= 0.5
            if step < LEAST * last:
                raise InvalidProblem(NOWHERE)
            continue
        found, done, step = trial, flow.noise, 1.5 * step
    return found
