"""Fixed points of the order parameters for any spectrum (docs/theory/floors.md section 21)."""

from dataclasses import dataclass, replace

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.branch import Start
from ode_sgd.teacher_student.theory.floors.covered import Teachers, require_nonlinear, teachers_of
from ode_sgd.teacher_student.theory.floors.field_flow import FieldFlow
from ode_sgd.teacher_student.theory.floors.settling import Settled, newton, settle
from ode_sgd.teacher_student.theory.floors.specialised_branch import follow_teachers
from ode_sgd.teacher_student.trajectory import Trajectory

METHODS = ("flow", "newton")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FixedPoint:
    """A state at which the order parameters rest.

    Attributes
    ----------
    problem : Problem
    order_parameters : OrderParameters
        Overlaps of all L sectors; where lambda_k = 0, which nothing ever moves, they are filled in like the others.
    generalization_error : float
        eps_g there, dimensionless.
    unstable : int
        Directions in which small deviations of C grow. They are counted for one sector; a long spectrum changes rates,
        and never the number of real ones that grow.
    cosines : (K, M)
        R_in / sqrt(Q_ii T_nn), 0 for a student or teacher of norm zero.
    Q, R, T : ndarray, shapes (K, K), (K, M), (M, M)
        Overlaps of order one.

    Examples
    --------
    >>> point = ode_sgd.theory.fixed_point(noisy)
    >>> point.stable, point.cosines.round(3).tolist()
    (True, [[0.998, -0.003], [-0.003, 0.998]])
    """

    problem: Problem
    order_parameters: OrderParameters
    generalization_error: float
    unstable: int
    cosines: Array
    Q: Array
    R: Array
    T: Array

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)

    @property
    def stable(self) -> bool:
        """Whether no deviation grows."""
        return self.unstable == 0


@own_keywords
@check.underflow_is_zero
def fixed_point(problem: Problem, start: Start = None, *, method: str = "flow") -> FixedPoint:
    """A fixed point of the ODE at the problem's learning rate and label noise, for any spectrum.

    Parameters
    ----------
    problem : Problem
        Not linear; all sectors learn.
    start : OrderParameters, Trajectory or None
        Where to begin, and the teacher's overlaps t_k; of a trajectory its last state. None is an orthonormal teacher,
        t_k = I / mu_1, and the state that students at their teachers go over into as learning rate and noise are raised
        (students too many have norm zero), stable or not; it takes a student of its weight for every teacher.
    method : str
        "flow": where the ODE ends from there. That is stable; rounding breaks the symmetry of a start that has one, as
        it does in `integrate`.
        "newton": the fixed point nearest to the start in the sense of Newton's method, of whatever stability.

    Raises
    ------
    InvalidProblem
        For a rule that is not plain SGD, linear networks (`noise_floor` has theirs), sectors that do not learn; without
        a start where weights do not match (K < M); and where overlaps come to no rest.
    InvalidStart
        If the start does not fit the problem.

    Notes
    -----
    Overlaps of order one depend on the spectrum through eta mu_1 and T alone. Equations: (21.1) and (21.2).

    Examples
    --------
    >>> ode_sgd.theory.fixed_point(problem).generalization_error
    0.0
    >>> round(ode_sgd.theory.fixed_point(noisy).generalization_error, 5)
    0.00117
    """
    require_nonlinear(problem)
    check.choice("method", method, METHODS)
    teacher = teachers_of(problem, start)
    flow = FieldFlow(problem, teacher.T)
    if start is None:
        return _at(problem, teacher, flow, follow_teachers(problem, teacher.T))
    x = _fields_of(problem, flow, start)
    return _at(problem, teacher, flow, newton(flow, x) if method == "newton" else settle(flow, x))


def without(problem: Problem, students: list[int]) -> Problem:
    """The problem without some of its students."""
    v = np.delete(problem.v, students)
    return replace(problem, student_units=v.size, student_weights=tuple(v.tolist()), teacher_weights=tuple(problem.u))


def _fields_of(problem: Problem, flow: FieldFlow, start: Start) -> Array:
    """x of a start, or of the end of a run."""
    if isinstance(start, Trajectory):
        if start.Q.ndim != 3:
            raise InvalidStart("this trajectory has replicas, and so several ends; give the state of one of them")
        return flow.variables(start.Q[-1], start.R[-1])
    assert isinstance(start, OrderParameters)  # `teachers_of` has seen to it
    Q, R, _ = start.moments(problem.spectrum, 1)
    return flow.variables(Q, R)


def _at(problem: Problem, teacher: Teachers, flow: FieldFlow, found: Settled) -> FixedPoint:
    K, C = flow.K, flow.covariance(found.x)
    Q, R, T = C[:K, :K], C[:K, K:], C[K:, K:]
    sizes = np.sqrt(np.outer(np.diag(Q), np.diag(T)).clip(0.0))
    return FixedPoint(
        problem=problem,
        order_parameters=sectors(problem, teacher, flow, found.x),
        generalization_error=flow.error(found.x),
        unstable=found.unstable,
        cosines=np.divide(R, sizes, out=np.zeros_like(R), where=sizes > 0.0),
        Q=Q.copy(),
        R=R.copy(),
        T=T.copy(),
    )


def sectors(problem: Problem, teacher: Teachers, flow: FieldFlow, x: Array) -> OrderParameters:
    """r_k = -D^-1 E t_k and q_k of D q_k + q_k D = eta G - E r_k^T - r_k E^T. Equation: (21.2)."""
    found, K = flow.coefficients(x), flow.K
    D, E, eta = found.A[:, :K], found.A[:, K:], 0.0 if problem.gradient_flow else fixed(problem.learning_rate)
    rates, basis = np.linalg.eigh(0.5 * (D + D.T))
    if rates[0] <= 1e-13 * abs(rates[-1]):
        raise InvalidProblem(
            "the drift D of students on students is singular where they rest, so that their overlaps in single sectors "
            "are not determined (students alike, or free to move); give a start that tells them apart"
        )
    r = -np.linalg.solve(D, E) @ teacher.t
    source = eta * found.G - E @ r.transpose(0, 2, 1) - r @ E.T
    q = basis @ (basis.T @ source @ basis / np.add.outer(rates, rates)) @ basis.T
    return OrderParameters.from_solution(q, r, teacher.t)
