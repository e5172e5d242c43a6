"""The symmetric saddle: where the plateau lies (docs/theory/plateau.md section 8)."""

from dataclasses import dataclass, replace

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory import branch as branches
from ode_sgd.teacher_student.theory import closed_forms, even_saddle, momentum_saddle
from ode_sgd.teacher_student.theory.branch import Start
from ode_sgd.teacher_student.theory.branch_fixed_point import SymmetricFixedPoint
from ode_sgd.teacher_student.trajectory import Trajectory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Saddle:
    """A fixed point at which all students are equally correlated with each of the teachers.

    Attributes
    ----------
    problem : Problem
        What it is a fixed point of, at that learning rate.
    branch : str
        "identical", "split", or "orthogonal" for even activations.
    order_parameters : OrderParameters
        Overlaps of all L sectors; where lambda_k = 0, which nothing ever moves, they are filled in like the others.
    generalization_error : float
        eps_g there, the height of the plateau; dimensionless.
    Q, R, T : ndarray, shapes (K, K), (K, M), (M, M)
        Overlaps of order one.
    residual : float
        Largest component of the drift of R and Q left there, in units of eta mu_1: rounding.

    Examples
    --------
    >>> saddle = ode_sgd.theory.symmetric_saddle(problem)
    >>> round(saddle.generalization_error, 4), saddle.residual < 1e-9
    (0.0147, True)
    """

    problem: Problem
    branch: str
    order_parameters: OrderParameters
    generalization_error: float
    Q: Array
    R: Array
    T: Array
    residual: float

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)


@own_keywords
@check.underflow_is_zero
def symmetric_saddle(problem: Problem, start: Start = None, branch: str | None = None) -> Saddle:
    """The fixed point on which the plateau rests, at the problem's learning rate, for any spectrum and activation.

    Parameters
    ----------
    problem : Problem
        K >= 2 students with equal second-layer weights; any teacher. With `HeavyBall` the fixed point is that of plain
        SGD, at any friction, with velocities beside it; the run that chooses a branch is then that of plain SGD.
    start : OrderParameters, Trajectory or None
        Supplies the teacher's overlaps t_k, and, where no branch is named, the students that choose it; None is an
        orthonormal teacher, t_k = I / mu_1 (T = I), and identical students.
    branch : str or None
        "identical": all students are one vector, which is where small starts arrive. "split": they also have parts
        of their own, q_ii > q_ij, kept up by the noise of the samples; of order eta for erf, and gone with it under
        gradient flow. None: the one near whose height the run is for longer until students part; where both heights
        are the same within 10 %, the one whose parts are nearer to those that the students have when their rows of R
        differ by a tenth. A Trajectory shows that; for an OrderParameters the flow of the students' mean and of small
        differences is followed until then, which takes up to a second. For an even activation (quadratic) None is
        "orthogonal", for K = 1 as well: students without any overlap with the teachers, which none of them ever finds
        by itself. Source: docs/theory/plateau.md (8.8).

    Raises
    ------
    InvalidProblem
        Where there is no symmetry to break or none that the dynamics keeps (K = 1, unequal student weights, sectors
        that do not learn, linear activation), and where the overlaps do not come to rest.
    InvalidStart
        If the start's shapes are not the problem's.

    Notes
    -----
    lambda_k cancels from the fixed-point equations, so that M + 2 numbers determine all sectors; they are found by
    following their flow. Source: Saad & Solla, PRE 52, 4225 (1995); docs/theory/plateau.md section 8.

    Examples
    --------
    >>> saddle = ode_sgd.theory.symmetric_saddle(problem)
    >>> saddle.branch, saddle.R.round(2).tolist()
    ('identical', [[0.41, 0.41], [0.41, 0.41]])
    """
    if momentum_saddle.is_meant(problem):
        plain = symmetric_saddle(*momentum_saddle.without(problem, start), branch)
        state = momentum_saddle.with_velocities(problem, plain.order_parameters)
        return replace(plain, problem=problem, order_parameters=state)
    if even_saddle.is_meant(problem, branch):
        return _orthogonal(problem, even_saddle.at_rest(problem, branches.teacher_of(problem, start)))
    return _at(problem, branches.saddle(problem, start, branch))


def saddle_of_run(trajectory: Trajectory) -> tuple[str, float]:
    """Branch and eps_g of the saddle that a run leaves: as `symmetric_saddle` with the run as the start.

    Replicas with teachers of their own are held against an orthonormal one. Raises InvalidProblem as there.
    """
    rest = left_by(trajectory)
    return rest.branch, rest.height


def left_by(trajectory: Trajectory) -> SymmetricFixedPoint | even_saddle.EvenSaddle:
    """The saddle itself that a run leaves; that of an even activation where it has one."""
    problem = momentum_saddle.of_sgd(trajectory.problem)
    if problem.g.is_even:
        teacher = branches.teacher_of(problem, trajectory if trajectory.T.ndim == 2 else None)
        return even_saddle.at_rest(problem, teacher)
    return branches.saddle_of_run(problem, trajectory)


def _at(problem: Problem, rest: SymmetricFixedPoint) -> Saddle:
    """All sectors of a fixed point. Equation: (8.1)."""
    K, M, L = problem.student_units, problem.teacher_units, problem.spectrum.distinct
    t = np.tile(rest.T / rest.trace, (L, 1, 1)) if rest.t is None else rest.t
    row = t @ rest.x
    on_ones = K * row @ rest.x + rest.common_noise
    q = rest.own_norm * np.eye(K) + ((on_ones - rest.own_norm) / K)[:, None, None]
    C = rest.covariance
    return Saddle(
        problem=problem,
        branch=rest.branch,
        order_parameters=OrderParameters.from_solution(q, np.broadcast_to(row[:, None, :], (L, K, M)), t),
        generalization_error=rest.height,
        Q=C[:K, :K],
        R=C[:K, K:],
        T=C[K:, K:],
        residual=rest.point.residual,
    )


def _orthogonal(problem: Problem, rest: even_saddle.EvenSaddle) -> Saddle:
    """All sectors of the saddle of an even activation."""
    K, M, L = problem.student_units, problem.teacher_units, problem.spectrum.distinct
    q = np.tile(rest.s / problem.spectrum.moment(1) * np.eye(K), (L, 1, 1))
    return Saddle(
        problem=problem,
        branch=even_saddle.BRANCH,
        order_parameters=OrderParameters.from_solution(q, np.zeros((L, K, M)), rest.t),
        generalization_error=rest.height,
        Q=rest.s * np.eye(K),
        R=np.zeros((K, M)),
        T=rest.T,
        residual=rest.residual,
    )


@own_keywords
@check.underflow_is_zero
def plateau_height(problem: Problem, start: Start = None, branch: str | None = None) -> float:
    """eps_g at `symmetric_saddle`, at the problem's learning rate; dimensionless.

    Parameters and errors as there. With gradient_flow=True, erf, K = M, equal second-layer weights s, no label noise
    and no start it is s^2 (K/pi) (pi/6 - K asin(1/(2K))); at eta = 0.1 it is 4.1 % more for K = 2, s = 1.

    Examples
    --------
    >>> round(ode_sgd.theory.plateau_height(problem), 4), round(ode_sgd.theory.plateau_height(problem, start), 4)
    (0.0147, 0.0106)
    """
    if momentum_saddle.is_meant(problem):
        return plateau_height(*momentum_saddle.without(problem, start), branch)
    if even_saddle.is_meant(problem, branch):
        return even_saddle.at_rest(problem, branches.teacher_of(problem, start)).height
    return height_at(problem, start, branches.saddle(problem, start, branch))


def height_at(problem: Problem, start: Start, rest: SymmetricFixedPoint) -> float:
    """`plateau_height` where the saddle is known."""
    return closed_forms.height(problem) if closed_forms.exist(problem, start) else rest.height
