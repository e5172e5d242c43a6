"""A fixed point of one branch together with the teacher that it is one for (docs/theory/plateau.md section 8)."""

from dataclasses import dataclass, replace

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory import symmetric_fixed_point
from ode_sgd.teacher_student.theory.plain_sgd import require_plain_sgd
from ode_sgd.teacher_student.theory.symmetric import SymmetricSpace
from ode_sgd.teacher_student.theory.symmetric_fixed_point import FixedPoint

BRANCHES = ("identical", "split")
SPREAD = 0.1  # what tells students apart in R, over R: from here on they are on their way out
PARTED = 0.5  # ... and from here on they have left
TINY = float(np.finfo(float).tiny)
LEAST = 1e-6  # of the students' common S: below it rounding decides whether Delta grows


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """Overlaps of the teacher: T (M, M) of order one, and t (L, M, M) or None for T / mu_1 in all sectors."""

    T: Array
    t: Array | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach:
    """A run up to where its students have parted."""

    own: float  # Delta, of order one, when they begin to
    error: Array  # (n,) eps_g until they have
    duration: Array  # (n,) alpha that each of these stands for

    @classmethod
    def of(cls, own: float, alpha: Array, error: Array) -> "Approach":
        """From output times, of which each stands for half of the way to its neighbours."""
        halves = 0.5 * np.diff(alpha)
        return cls(own=own, error=error, duration=np.append(halves, 0.0) + np.insert(halves, 0, 0.0))

    def stay(self, height: float, within: float) -> float:
        """How long eps_g is within this fraction of a height."""
        return float(
            self.duration @ (np.abs(np.log(np.maximum(self.error, TINY) / max(height, TINY))) < np.log1p(within))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SymmetricFixedPoint:
    """A fixed point, and the teacher of which it is one."""

    branch: str
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

    @property
    def height(self) -> float:
        """eps_g there."""
        return self.space.error(self.point.fields, self.T)

    @property
    def own(self) -> float:
        """Delta there, of order one."""
        return float(self.point.fields[-1])

    def teacher_sum(self, factor: Array) -> Array:
        """sum_k f_k t_k, (M, M), of f (L,)."""
        if self.t is None:
            return np.asarray(factor.sum() / self.trace * self.T)
        return np.tensordot(factor, self.t, axes=1)

    @property
    def x(self) -> Array:
        """(M,): r_k,in = (x t_k)_n in every sector. Equation: (8.1)."""
        return np.asarray(-self.point.coefficients.E / self.point.coefficients.D_S)

    @property
    def common_noise(self) -> float:
        """What the noise of the samples adds to K x t_k x^T, the eigenvalue of q_k on 1; the same in all sectors.

        Equation: (8.1).
        """
        return self.noise * float(self.point.coefficients.G[0]) / (2.0 * self.point.coefficients.D_S)

    @property
    def own_norm(self) -> float:
        """Eigenvalue of q_k on differences of students; the same in all sectors."""
        return self.own / self.trace


def at_rest(problem: Problem, teacher: Teacher, branch: str) -> SymmetricFixedPoint:
    """The fixed point of one branch."""
    require_symmetry(problem)
    trace, noise = problem.spectrum.moment(1), 0.0 if problem.gradient_flow else fixed(problem.learning_rate)
    space = SymmetricSpace(problem)
    point = symmetric_fixed_point.identical(space, teacher.T, noise * trace)
    identical = SymmetricFixedPoint(
        branch="identical", space=space, point=point, T=teacher.T, t=teacher.t, noise=noise, trace=trace
    )
    return identical if branch == "identical" else split_from(identical)


def split_from(identical: SymmetricFixedPoint) -> SymmetricFixedPoint:
    """The split fixed point, which is looked for from the identical one."""
    noise = identical.noise * identical.trace
    return replace(
        identical,
        branch="split",
        point=symmetric_fixed_point.split(identical.space, identical.T, noise, identical.point),
    )


def own_part(Q: Array) -> Array:
    """Eigenvalue of Q (.., K, K) on differences of students, on average."""
    K = Q.shape[-1]
    return np.asarray((np.trace(Q, axis1=-2, axis2=-1) - Q.sum(axis=(-2, -1)) / K) / (K - 1))


def at_level(rising: Array, level: float, values: Array) -> float:
    """`values` where `rising` (n,) passes the level for the last time, linear in between; its last one if never."""
    below = np.flatnonzero(rising <= level)
    row = int(below[-1]) if below.size else int(np.argmin(rising))
    if not below.size or row + 1 == rising.size:
        return float(values[row])
    share = (level - rising[row]) / (rising[row + 1] - rising[row])
    return float(values[row] + share * (values[row + 1] - values[row]))


def own_parts_grow(identical: SymmetricFixedPoint, Delta: float) -> bool:
    """Whether students with this Delta would grow apart to the split saddle; False also where that cannot be told."""
    Delta = max(Delta, LEAST * float(identical.point.fields[-2]))
    try:
        return (
            symmetric_fixed_point.growth(
                identical.space, identical.T, identical.noise * identical.trace, identical.point, Delta
            )
            > 0.0
        )
    except InvalidProblem:
        return False


def require_symmetry(problem: Problem) -> None:
    """Raise InvalidProblem where students are not alike, or the dynamics does not keep them so.

    NotPlainSGD only where nothing else speaks against a saddle.
    """
    v = problem.v
    idle = (problem.learning == 0.0) & (problem.spectrum.eigenvalues > 0.0)
    for wrong, reason in (
        (problem.student_units < 2, "K = 1: one student has no permutation symmetry to break (K >= 2)"),
        (
            problem.g.has_constant_slope,
            f"activation = {str(problem.g)!r}: only the sum of the students matters, and nothing breaks their symmetry",
        ),
        (
            bool(np.ptp(v) > 1e-12 * np.abs(v).max()),
            f"student_weights = {tuple(v.tolist())}: students of unequal weights are not alike; give equal ones",
        ),
        (np.abs(v).max() < check.SMALLEST, "student_weights are zero, or almost: the student does not move"),
        (
            bool(idle.any()),
            f"trainable = {problem.trainable}: sectors that do not learn keep their start, which is not symmetric; "
            "let all of them learn",
        ),
    ):
        if wrong:
            raise InvalidProblem(f"there is no symmetric saddle for {reason}")
    require_plain_sgd(problem)
