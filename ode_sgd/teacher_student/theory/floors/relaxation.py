"""How fast students come to rest at their teachers, and the best rate for it (docs/theory/floors.md section 21)."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.kernels.sectors.layout import upper
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.branch import Start
from ode_sgd.teacher_student.theory.floors.block_modes import BlockModes
from ode_sgd.teacher_student.theory.floors.covered import Teachers, require_nonlinear, teachers_of
from ode_sgd.teacher_student.theory.floors.field_flow import Coefficients
from ode_sgd.teacher_student.theory.floors.floor import critical_learning_rate
from ode_sgd.teacher_student.theory.floors.pairing_of_weights import Specialised, specialised
from ode_sgd.teacher_student.theory.floors.small_noise import SmallNoise, to_matrix

AT_REST = 1e-30  # of an eigenvalue to the largest: below, bisection cannot tell the sector's rates from zero


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RelaxationRates:
    """Rates, per unit of alpha, at which small deviations from the teacher decay; negative where they grow.

    Attributes
    ----------
    s : (n,)
        Of deviations s_ij = e_i.e_j / N of the students from their teachers, increasing; eps_g is linear in them.
    b : (n,)
        Of deviations r_k - t_k, increasing; eps_g is quadratic in them.

    Examples
    --------
    >>> rates = ode_sgd.theory.relaxation_rates(problem)
    >>> rates.s[:2].round(5).tolist(), round(rates.error, 5)
    ([0.00863, 0.01533], 0.00863)
    """

    s: Array
    b: Array

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)

    @property
    def error(self) -> float:
        """The rate at which eps_g decays in the end: the smaller of s[0] and 2 b[0]."""
        return min(float(self.s[0]), 2.0 * float(self.b[0]))


@own_keywords
@check.underflow_is_zero
def relaxation_rates(problem: Problem, start: Start = None, *, count: int = 10) -> RelaxationRates:
    """The slowest rates of relaxation to the teacher, without label noise, for any spectrum; all of them are real.

    Parameters
    ----------
    problem : Problem
        K = M with the same second layers, up to order and for erf up to signs. Label noise is not looked at.
    start : OrderParameters, Trajectory or None
        The teacher's overlaps t_k; None is an orthonormal one, t_k = I / mu_1.
    count : int
        How many rates of each kind, or all if there are less. Each takes O(L) operations. Eigenvalues below 1e-30 of
        the largest count as 0.

    Raises
    ------
    InvalidProblem
        For linear networks, which have `linear_modes`, and as `critical_learning_rate`.

    Notes
    -----
    Equations: (21.6) and (21.7).

    Examples
    --------
    >>> ode_sgd.theory.relaxation_rates(problem, count=2).b.round(5).tolist()
    [0.00432, 0.00432]
    """
    count = check.integer("count", count, 1)
    modes = TeacherModes(problem, start)
    return RelaxationRates(s=modes.of_deviations(problem).slowest(count), b=modes.of_overlaps(problem).slowest(count))


@own_keywords
@check.underflow_is_zero
def optimal_learning_rate(problem: Problem, start: Start = None) -> tuple[float, float]:
    """The constant learning rate at which eps_g decays fastest in the end, without label noise, and that decay's rate.

    It depends on the whole spectrum, and comes close to critical for long ones, whose slowest sectors hardly feel what
    the others feed back.

    Parameters
    ----------
    problem, start
        As for `relaxation_rates`; the problem's own learning rate is not looked at.

    Returns
    -------
    (float, float)
        eta, dimensionless, and the rate per unit of alpha.

    Raises
    ------
    InvalidProblem
        Under gradient flow, where any rate is the better the larger it is, and as `relaxation_rates`.

    Notes
    -----
    Equation: (21.8).

    Examples
    --------
    >>> eta, rate = ode_sgd.theory.optimal_learning_rate(problem)
    >>> round(eta, 5), round(rate, 5)
    (2.18853, 0.0363)
    """
    modes = TeacherModes(problem, start)
    if problem.gradient_flow:
        raise InvalidProblem("gradient_flow = True has no best learning rate; it is about steps: leave it out")
    critical = critical_learning_rate(problem, start)

    def s(eta: float) -> float:
        return float(modes.of_deviations(_at_rate(problem, eta)).slowest(1)[0])

    def still_rising(eta: float) -> float:
        """(eta/2) ds/deta + s/2 = s - <a>/2, of the sign of the slope."""
        found = modes.of_deviations(_at_rate(problem, eta))
        value = float(found.slowest(1)[0])
        return 2.0 * value - found.mean_diagonal(value)

    overlaps = 2.0 * float(modes.of_overlaps(_at_rate(problem, 1.0)).slowest(1)[0])
    best = (1.0 - 1e-12) * critical
    if still_rising(best) <= 0.0:  # else the slowest sectors feel nothing of what the others feed back
        best = float(brentq(still_rising, 1e-6 * critical, best, xtol=1e-14 * critical, rtol=1e-14))
    if overlaps * best < s(best) and s(critical) < overlaps * critical:
        # Of the two rates the overlaps' is the smaller, and grows with eta, until they cross.
        best = float(brentq(lambda eta: s(eta) - overlaps * eta, best, critical, xtol=1e-14 * critical, rtol=1e-14))
    return best, min(s(best), overlaps * best)


def _at_rate(problem: Problem, eta: float) -> Problem:
    return replace(problem, learning_rate=eta)


class TeacherModes:
    """What the modes of one problem are made of, at any learning rate."""

    def __init__(self, problem: Problem, start: Start) -> None:
        require_nonlinear(problem)
        pairs = specialised(problem)
        if pairs.left_over.size:
            raise InvalidProblem(
                f"student_units = {problem.student_units} are more than the teachers: students that are left over have "
                "no rate at which they come to rest; give K = M"
            )
        teacher = teachers_of(problem, start)
        self._small = SmallNoise.at_teachers(problem, teacher.T)
        self._small.require_regular()
        moving = problem.spectrum.eigenvalues > AT_REST * problem.spectrum.eigenvalues.max()
        self._lam, self._weights = problem.spectrum.eigenvalues[moving], problem.spectrum.weights[moving]
        self._t = _of_students(pairs, teacher.t[moving])
        self._answer = _answer(problem, pairs, teacher)
        self._rates, self._basis = np.linalg.eigh(self._small.H)

    def of_deviations(self, problem: Problem) -> BlockModes:
        """s_k -> eta lambda_k (H s_k + s_k H) - eta^2 lambda_k Gamma : S. Equation: (21.6)."""
        eta, K = fixed(problem.learning_rate), len(self._rates)
        i, j = upper(K)
        # In the eigenbasis of H, X is diagonal.
        units = np.array([self._basis @ to_matrix(unit, K) @ self._basis.T for unit in np.eye(i.size)])
        turn = np.array([unit[i, j] * np.where(i == j, 1.0, np.sqrt(2.0)) for unit in units])
        coupling = 0.0 if problem.gradient_flow else eta**2
        return self._modes(
            poles=eta * np.outer(self._lam, self._rates[i] + self._rates[j]),
            coupling=coupling * turn @ self._small.Y @ turn.T,
            response=lambda f: np.diag(self._strength @ f),
            copies=1,
            norm=1.0,
        )

    def of_overlaps(self, problem: Problem) -> BlockModes:
        """beta_k = r_k - t_k -> eta lambda_k [H beta_k + (W : rho) t_k], rho = sum_k w_k lambda_k beta_k.

        With beta_k = beta'_k t_k^(1/2) it is symmetric. Equation: (21.7).
        """
        eta, K = fixed(problem.learning_rate), len(self._rates)
        coupling = np.einsum("ia,ipjm,jb->apbm", self._basis, self._answer, self._basis).reshape(K * K, K * K)

        def response(f: Array) -> Array:
            blocks = np.tensordot((self._strength[:, None] * f).T, self._t, axes=1)  # (K, K, K), one for each rate of H
            return np.asarray(np.einsum("aij,ab->aibj", blocks, np.eye(K)).reshape(K * K, K * K))

        return self._modes(
            poles=eta * np.outer(self._lam, self._rates),
            coupling=-eta * 0.5 * (coupling + coupling.T),
            response=response,
            copies=K,
            norm=float(np.linalg.norm(self._t, axis=(1, 2)).max()),
        )

    @property
    def _strength(self) -> Array:
        """u_k^2 = w_k lambda_k^2, (L,)."""
        return np.asarray(self._weights * self._lam**2)

    def _modes(self, poles: Array, coupling: Array, response: object, copies: int, norm: float) -> BlockModes:
        bound = float(np.linalg.norm(coupling)) * float(self._strength.sum()) * norm
        return BlockModes(poles=poles, copies=copies, coupling=coupling, response=response, bound=bound)  # type: ignore[arg-type]


def _of_students(pairs: Specialised, t: Array) -> Array:
    """Overlaps of the teachers as the students stand for them, (L, K, K)."""
    chosen = t[:, pairs.teachers][:, :, pairs.teachers]
    return np.asarray(chosen * np.multiply.outer(pairs.signs, pairs.signs))


def _answer(problem: Problem, pairs: Specialised, teacher: Teachers) -> Array:
    """W_ip,jm (K, K, K, K): change of D + E by overlaps rho_jm of deviations e_j with what student m stands for.

    A deviation changes R by rho and Q by rho + rho^T. Equation: (21.7).
    """
    K, M = problem.student_units, problem.teacher_units
    copies = np.zeros((K, M))
    copies[pairs.students, pairs.teachers] = pairs.signs
    R = copies @ teacher.T
    found = Coefficients(problem, np.block([[R @ copies.T, R], [R.T, teacher.T]]), 0.0)
    # What a student is pulled to, seen from the teachers that the students stand for: D + E copies^T.
    drift = found.dA[:, :K] + np.einsum("inp,jn->ijp", found.dA[:, K:], copies)
    by_R = drift[:, :, : K * M].reshape(K, K, K, M) @ copies.T
    i, j = upper(K)
    by_Q = np.zeros((K, K, K, K))
    by_Q[:, :, i, j] = drift[:, :, K * M :]
    by_Q = by_Q + by_Q.transpose(0, 1, 3, 2)  # the diagonal counts rho_ii twice, as Q does
    return np.asarray(by_R + by_Q)
