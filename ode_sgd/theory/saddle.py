"""The symmetric saddle: where the plateau lies (docs/theory.md section 8)."""

from dataclasses import dataclass

import numpy as np

from ode_sgd.kernels.coefficients import coefficient_kernels
from ode_sgd.model import check
from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidProblem
from ode_sgd.model.order_parameters import OrderParameters
from ode_sgd.model.problem import Problem
from ode_sgd.theory import closed_forms, fixed_point
from ode_sgd.theory.fixed_point import FixedPoint
from ode_sgd.theory.symmetric import SymmetricSpace

BRANCHES = ("identical", "split")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Saddle:
    """A fixed point at which all students are equally correlated with each of the teachers.

    Attributes
    ----------
    problem : Problem
        What it is a fixed point of, at that learning rate.
    branch : str
        "identical" or "split".
    order_parameters : OrderParameters
        Overlaps of all L sectors; where lambda_k = 0, which nothing ever moves, they are filled in like the others.
    generalization_error : float
        eps_g there, the height of the plateau; dimensionless.
    Q, R, T : ndarray, shapes (K, K), (K, M), (M, M)
        Overlaps of order one.
    residual : float
        Largest component of the drift of R and Q left there, in units of eta mu_1: rounding.
    """

    problem: Problem
    branch: str
    order_parameters: OrderParameters
    generalization_error: float
    Q: Array
    R: Array
    T: Array
    residual: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A fixed point, and the teacher of which it is one."""

    space: SymmetricSpace
    point: FixedPoint
    T: Array  # (M, M), of order one
    t: Array | None  # (L, M, M); None: T / mu_1 in all sectors
    noise: float  # eta, 0 under gradient flow
    trace: float  # mu_1

    @property
    def covariance(self) -> Array:
        """C there, (d, d)."""
        return self.space.covariance(self.point.fields, self.T)

    def teacher_sum(self, factor: Array) -> Array:
        """sum_k f_k t_k, (M, M), of f (L,)."""
        if self.t is None:
            return np.asarray(factor.sum() / self.trace * self.T)
        return np.tensordot(factor, self.t, axes=1)

    @property
    def x(self) -> Array:
        """(M,): r_k,in = (x t_k)_n in every sector."""
        return np.asarray(-self.point.coefficients.E / self.point.coefficients.D_S)

    @property
    def common_noise(self) -> float:
        """What the noise of the samples adds to K x t_k x^T, the eigenvalue of q_k on 1; the same in all sectors."""
        return self.noise * float(self.point.coefficients.G[0]) / (2.0 * self.point.coefficients.D_S)

    @property
    def own_norm(self) -> float:
        """Eigenvalue of q_k on differences of students; the same in all sectors."""
        return float(self.point.fields[-1]) / self.trace


def symmetric_saddle(problem: Problem, start: OrderParameters | None = None, branch: str = "identical") -> Saddle:
    """The fixed point on which the plateau rests, at the problem's learning rate, for any spectrum and activation.

    Parameters
    ----------
    problem : Problem
        K >= 2 students with equal second-layer weights; any teacher.
    start : OrderParameters or None
        Supplies the teacher's overlaps t_k, and nothing else; None is an orthonormal teacher, t_k = I / mu_1 (T = I).
    branch : str
        "identical": all students are one vector, which is where small starts arrive. "split": they also have parts
        of their own, q_ii > q_ij, kept up by the noise of the samples; of order eta for erf, and gone with it under
        gradient flow.

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
    following their flow. Source: Saad & Solla, PRE 52, 4225 (1995); docs/theory.md section 8.
    """
    rest = at_rest(problem, start, branch)
    K, M, L = problem.student_units, problem.teacher_units, problem.spectrum.distinct
    t = np.tile(rest.T / rest.trace, (L, 1, 1)) if rest.t is None else rest.t
    row = t @ rest.x
    on_ones = K * row @ rest.x + rest.common_noise
    q = rest.own_norm * np.eye(K) + ((on_ones - rest.own_norm) / K)[:, None, None]
    C = rest.covariance
    return Saddle(
        problem=problem,
        branch=branch,
        order_parameters=OrderParameters.from_solution(q, np.broadcast_to(row[:, None, :], (L, K, M)), t),
        generalization_error=_error(problem, C),
        Q=C[:K, :K],
        R=C[:K, K:],
        T=C[K:, K:],
        residual=rest.point.residual,
    )


def plateau_height(problem: Problem, start: OrderParameters | None = None, branch: str = "identical") -> float:
    """eps_g at `symmetric_saddle`, at the problem's learning rate; dimensionless.

    Parameters and errors as there. With gradient_flow=True, erf, K = M, equal second-layer weights s, no label noise
    and no start it is s^2 (K/pi) (pi/6 - K asin(1/(2K))); at eta = 0.1 it is 4.1 % more for K = 2, s = 1.
    """
    rest = at_rest(problem, start, branch)
    if closed_forms.exist(problem, start):
        return closed_forms.height(problem)
    return _error(problem, rest.covariance)


def at_rest(problem: Problem, start: OrderParameters | None, branch: str) -> Rest:
    """The fixed point of one branch; arguments are checked here."""
    check.instance("problem", problem, Problem)
    check.choice("branch", branch, BRANCHES)
    _require_symmetry(problem)
    trace, T, t = problem.spectrum.moment(1), np.eye(problem.teacher_units), None
    if start is not None:
        check.instance("start", start, OrderParameters)
        start.check_fits(problem)
        T, t = np.array(start.moments(problem.spectrum, 1)[2]), start.t
    noise = 0.0 if problem.gradient_flow else problem.learning_rate
    space = SymmetricSpace(problem)
    find = fixed_point.identical if branch == "identical" else fixed_point.split
    return Rest(space=space, point=find(space, T, noise * trace), T=T, t=t, noise=noise, trace=trace)


def _require_symmetry(problem: Problem) -> None:
    v = problem.v
    idle = (problem.learning == 0.0) & (problem.spectrum.eigenvalues > 0.0)
    for wrong, reason in (
        (problem.student_units < 2, "K = 1: one student has no permutation symmetry to break (K >= 2)"),
        (
            problem.activation == "linear",
            "activation = 'linear': only the sum of the students matters, and nothing breaks their symmetry",
        ),
        (
            bool(np.ptp(v) > 1e-12 * np.abs(v).max()),
            f"student_weights = {tuple(v.tolist())}: students of unequal weights are not alike; give equal ones",
        ),
        (not v.any(), "student_weights are zero: the student does not move"),
        (
            bool(idle.any()),
            f"trainable = {problem.trainable}: sectors that do not learn keep their start, which is not symmetric; "
            "let all of them learn",
        ),
    ):
        if wrong:
            raise InvalidProblem(f"there is no symmetric saddle for {reason}")


def _error(problem: Problem, C: Array) -> float:
    return max(0.0, float(coefficient_kernels(problem.activation).generalization_error(C, problem.signed_weights)))
