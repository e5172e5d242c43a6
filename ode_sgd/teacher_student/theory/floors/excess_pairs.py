"""A pair of students that no teacher needs, and its slow growth (docs/theory/floors.md section 22)."""

from dataclasses import dataclass
from math import log, pi
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.branch import Start
from ode_sgd.teacher_student.theory.floors.covered import require_error_function, speed, teachers_of
from ode_sgd.teacher_student.theory.floors.pairing_of_weights import specialised, unpaired
from ode_sgd.teacher_student.theory.floors.small_noise import SINGULAR, SmallNoise, to_matrix, to_vector

RTOL = 1e-10
# Beyond the first of these Q rounding grows as Q^2, and the law is a polynomial in Q^(-1/2) through them.
LARGE = np.array([1e4, 4.5e3, 2.5e3, 1.1e3, 625.0])
LONGEST = 200.0  # growth, in units of 1 / lambda_1 of the pair's own clock: exp(200)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExcessPair:
    """The course of a pair of antiparallel students.

    Attributes
    ----------
    alpha : (n,)
    Q : (n,)
        Squared norm of each of the two, of order one.
    generalization_error : (n,)
        eps_g, with that of the other students, which are at their floor.
    onset : float
        ln(1 / Q(0)) / (kappa lambda_1), when exponential growth at small learning rates has the pair at Q = 1. The pair
        itself grows faster by a part of order eta while it is small, a tenth at eta = 0.1.

    Examples
    --------
    >>> wide = ode_sgd.Problem(
    ...     spectrum=ode_sgd.Spectrum.isotropic(), student_units=3, teacher_units=1, learning_rate=0.1, label_noise=0.1
    ... )
    >>> round(ode_sgd.theory.excess_pair(wide, 0.01, [0.0]).onset)
    72338
    """

    alpha: Array
    Q: Array
    generalization_error: Array
    onset: float

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)


@own_keywords
@check.underflow_is_zero
def excess_pair(problem: Problem, start_norm: Any, alpha: Any, start: Start = None) -> ExcessPair:
    """How the pair of students that K = M + 2 leaves over grows on a floor of label noise, and what it costs.

    Two students of opposite output cancel. Noise makes them large, since a large erf student feels less of it: late
    Q ~ alpha^(2/3), and what the pair costs falls as alpha^(-1/3). The law is that of small label noise, and any
    learning rate.

    Parameters
    ----------
    problem : Problem
        erf, K = M + 2, second layers as the teacher's but for two students of equal modulus; label_noise > 0.
    start_norm : float, or array_like of shape (L,)
        Q > 0 at alpha = 0, alike in all sectors; or q_k of every sector. The pair is orthogonal to the teachers.
    alpha : array_like, shape (n,)
        Times >= 0, in any order.
    start : OrderParameters, Trajectory or None
        The teacher's overlaps; None is an orthonormal one, T = I.

    Raises
    ------
    InvalidProblem
        For anything else, and at the critical learning rate and beyond.

    Notes
    -----
    Equations: (22.2), (22.3) and (22.4).

    Examples
    --------
    >>> wide = ode_sgd.Problem(
    ...     spectrum=ode_sgd.Spectrum.isotropic(), student_units=3, teacher_units=1, learning_rate=0.1, label_noise=0.1
    ... )
    >>> ode_sgd.theory.excess_pair(wide, 1.0, [0.0, 1e5]).Q.round(2).tolist()
    [1.0, 2.26]
    """
    law = _Law(problem, start)
    q, times = _norms(problem, start_norm), check.times_in_any_order(alpha)
    course = _Course(law, problem, q)
    Q = course.at(times)
    errors = np.array([law.at(value).error for value in Q])
    weight = abs(float(problem.v[law.pair[0]]))
    kappa = 2.0 * fixed(problem.learning_rate) * speed(problem) * (fixed(problem.label_noise) * weight) ** 2 / pi
    onset = log(1.0 / course.begin) / (kappa * float(problem.spectrum.eigenvalues.max()))
    return ExcessPair(alpha=times, Q=Q, generalization_error=errors, onset=onset)


@dataclass(frozen=True, slots=True)
class _Point:
    """growth and source of q'_k = lambda_k (growth q_k + source), and eps_g, at one Q."""

    growth: float
    source: float
    error: float


class _Law:
    """What drives the pair at any Q."""

    def __init__(self, problem: Problem, start: Start) -> None:
        require_error_function(problem)
        pairs = specialised(problem)
        if pairs.left_over.size != 2 or unpaired(problem, pairs.left_over):
            raise InvalidProblem(
                f"student_units = {problem.student_units}, teacher_units = {problem.teacher_units}, student_weights = "
                f"{tuple(problem.v.tolist())}: a pair takes two students more than teachers, of weights of equal size"
            )
        if not fixed(problem.label_noise) or problem.gradient_flow:
            raise InvalidProblem(
                f"label_noise = {problem.label_noise:g}, gradient_flow = {problem.gradient_flow}: nothing moves a pair "
                "without noise of labels in steps of finite size; give label_noise > 0 and gradient_flow=False"
            )
        self.problem, self.pair, self._pairs = problem, pairs.left_over, pairs
        self._T = teachers_of(problem, start).T
        self._known: dict[float, _Point] = {}
        self._limit: Array | None = None
        if self._deviations(0.0)[1] is None:
            raise InvalidProblem(
                f"learning_rate = {problem.learning_rate:g} is critical or beyond, where noise-free errors do not "
                "vanish; give a smaller one"
            )

    def at(self, Q: float) -> _Point:
        """Growth, source and error. Equations: (22.2) and (22.3)."""
        if LARGE[0] < Q:
            return self._extrapolated(Q)
        if Q not in self._known:
            self._known[Q] = self._computed(Q)
        return self._known[Q]

    def _extrapolated(self, Q: float) -> _Point:
        """What the law becomes for large Q, where growth and source / Q fall as Q^(-3/2)."""
        if self._limit is None:
            points = [self.at(float(large)) for large in LARGE]
            scale = LARGE**1.5
            values = [
                scale * [point.growth for point in points],
                scale / LARGE * [point.source for point in points],
                np.array([point.error for point in points]),
            ]
            self._limit = np.linalg.solve(np.vander(LARGE**-0.5), np.transpose(values))
        growth, source, error = (float(np.polyval(column, Q**-0.5)) for column in self._limit.T)
        return _Point(growth * Q**-1.5, source * Q**-0.5, error)

    def _computed(self, Q: float) -> _Point:
        problem = self.problem
        small, m = self._deviations(Q)
        assert m is not None
        eta, sigma = fixed(problem.learning_rate), fixed(problem.label_noise)
        v = np.abs(problem.v)
        a, b = self.pair
        # b's mirror image where the two have opposite weights and so are parallel.
        signs = np.ones(v.size)
        signs[b] = np.sign(problem.v[a] * problem.v[b])
        others = self._pairs.students
        slope, along = 2.0 / pi, m[a] + signs[b] * m[b]
        own = along[a] + signs[b] * along[b]
        single = slope * (1.0 + 2.0 * Q) ** -1.5
        beside = problem.v[a] * problem.v[others] * along[others]
        T = np.diag(self._T)[self._pairs.teachers]
        growth = v[a] ** 2 * own * single + slope * (1.0 + Q) ** -1.5 * float(np.sum(beside / np.sqrt(1.0 + T)))
        source = 0.25 * (eta * v[a] * sigma) ** 2 * own * single * Q
        return _Point(eta * growth, source, small.error(m))

    def _deviations(self, Q: float) -> tuple[SmallNoise, Array | None]:
        """S for the pair at Q, of least norm: the pair's own direction costs nothing. Equation: (22.2)."""
        small = SmallNoise.at(self.problem, self._covariance(Q))
        values, vectors = np.linalg.eigh(small.X)
        kept = values > SINGULAR**0.75 * values[-1]
        basis = vectors[:, kept] / np.sqrt(values[kept])
        shares = speed(self.problem) * basis.T @ small.Y @ basis
        if np.linalg.eigvalsh(shares)[-1] >= 1.0:
            return small, None
        noise = speed(self.problem) * fixed(self.problem.label_noise) ** 2 * basis.T @ to_vector(small.H)
        m = basis @ np.linalg.solve(np.eye(len(shares)) - shares, noise)
        return small, to_matrix(m, len(small.H))

    def _covariance(self, Q: float) -> Array:
        K, M = self.problem.student_units, self.problem.teacher_units
        copies = np.zeros((K, M))
        copies[self._pairs.students, self._pairs.teachers] = self._pairs.signs
        R = copies @ self._T
        students = R @ copies.T
        a, b = self.pair
        students[a, a] = students[b, b] = Q
        students[a, b] = students[b, a] = -np.sign(self.problem.v[a] * self.problem.v[b]) * Q
        return np.block([[students, R], [R.T, self._T]])


class _Course:
    """q_k on the pair's own clock tau, dtau = growth dalpha, up to any alpha."""

    def __init__(self, law: _Law, problem: Problem, q: Array) -> None:
        self._law, self._lam = law, problem.spectrum.eigenvalues
        self._first, self._read = q, problem.spectrum.powers(1)
        self.begin = float(self._read @ q)

    def at(self, alpha: Array) -> Array:
        """Q at the times. Equation: (22.2)."""
        last = float(alpha.max(initial=0.0))
        if last == 0.0:
            return np.full(alpha.size, self.begin)

        def there(_: float, y: Array) -> float:
            return float(y[-1] / last - 1.0)

        there.terminal = True  # type: ignore[attr-defined]
        run = solve_ivp(
            self._slope,
            (0.0, LONGEST / float(self._lam.max())),
            np.append(self._first, 0.0),
            method="DOP853",
            events=there,
            dense_output=True,
            rtol=RTOL,
            atol=np.append(np.full(self._lam.size, 1e-3 * RTOL * self.begin), 1e-9 * RTOL * last),
        )
        end = float(run.t[-1])
        return np.array([float(self._read @ run.sol(self._when(run.sol, time, end))[:-1]) for time in alpha])

    def _when(self, course: Any, alpha: float, end: float) -> float:
        """tau at one alpha."""
        if alpha == 0.0:
            return 0.0
        reached = float(course(end)[-1])
        if alpha >= reached:
            return end
        return float(brentq(lambda tau: float(course(tau)[-1]) - alpha, 0.0, end, xtol=1e-14 * end, rtol=1e-13))

    def _slope(self, _: float, y: Array) -> Array:
        """d(q_k, alpha)/dtau."""
        point = self._law.at(float(self._read @ y[:-1]))
        return np.append(self._lam * (y[:-1] + point.source / point.growth), 1.0 / point.growth)


def _norms(problem: Problem, start_norm: Any) -> Array:
    """q_k (L,) at the start."""
    L = problem.spectrum.distinct
    if np.ndim(start_norm) == 0:
        return np.full(L, check.number("start_norm", start_norm, above=0.0) / problem.spectrum.moment(1))
    q = check.array("start_norm", start_norm, f"({L},)", 1)
    if q.size != L or (q <= 0.0).any():
        raise InvalidProblem(f"start_norm has {q.size} entries, the smallest {q.min():g}; give {L} norms > 0, or one")
    return q
