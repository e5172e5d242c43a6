"""Which student stands for which teacher where the error vanishes, and which students are left over.

A student stands for a teacher whose second-layer weight has the same modulus. For an odd activation it may be the
teacher's mirror image, J = -B with v = -u.
"""

from dataclasses import dataclass

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.problem import Problem

ALIKE = 1e-12  # relative difference of second-layer weights that is rounding
POINTS = (0.3, 1.7)  # where an activation is asked whether it is odd


@dataclass(frozen=True, slots=True, kw_only=True)
class Specialised:
    """Students that have become teachers.

    Attributes
    ----------
    students, teachers : (m,) of int
        Their numbers, from 0, student by student.
    signs : (m,)
        1 for J = B, -1 for J = -B.
    left_over : (K - m,) of int
        The other students.
    """

    students: Indices
    teachers: Indices
    signs: Array
    left_over: Indices


def specialised(problem: Problem) -> Specialised:
    """The students that stand for the teachers with a second-layer weight, one for each.

    Raises InvalidProblem where some teacher has no student of its weight, or a student none at all.
    """
    v, u, odd = problem.v, problem.u, is_odd(problem.g_student)
    if not v.all():
        raise InvalidProblem(
            f"student_weights = {tuple(v.tolist())} hold a zero: that student never moves; leave it out"
        )
    free, pairs = list(range(v.size)), []
    for n in np.flatnonzero(u):
        found = [i for i in free if _fits(float(v[i]), float(u[n]), odd)]
        if not found:
            raise InvalidProblem(_unmatched(problem, int(n)))
        exact = [i for i in found if v[i] * u[n] > 0.0]
        pairs.append(((exact or found)[0], int(n)))
        free.remove(pairs[-1][0])
    students, teachers = (np.array(part, dtype=np.int64) for part in zip(*sorted(pairs), strict=True))
    return Specialised(
        students=students,
        teachers=teachers,
        signs=np.sign(v[students] * u[teachers]),
        left_over=np.array(free, dtype=np.int64),
    )


def unpaired(problem: Problem, left_over: Indices) -> list[int]:
    """The left-over students that find no partner of the same |v|: one at most of every weight."""
    alone: list[int] = []
    for i in left_over:
        partner = [j for j in alone if _fits(float(abs(problem.v[i])), float(abs(problem.v[j])), False)]
        if partner:
            alone.remove(partner[0])
        else:
            alone.append(int(i))
    return alone


def is_odd(activation: Activation) -> bool:
    """Whether g(-x) = -g(x)."""
    value = activation.functions.value
    return all(value(-x) == -value(x) for x in POINTS)


def _fits(v: float, u: float, odd: bool) -> bool:
    return abs((abs(v) - abs(u)) if odd else (v - u)) <= ALIKE * abs(u)


def _unmatched(problem: Problem, n: int) -> str:
    told = f"teacher {n + 1} has the second-layer weight {problem.u[n]:g}, which no student that is left has"
    sizes = f"student_units = {problem.student_units}, teacher_units = {problem.teacher_units}"
    return (
        f"{told} ({sizes}, student_weights = {tuple(problem.v.tolist())}): the error cannot vanish unit by unit; "
        "give students of that weight, or integrate the ODE (theory.noise_floor and theory.fixed_point also take a "
        "start, such as the last state of a run, and follow the flow from there)"
    )
