"""What a start has become when its students begin to part, which tells its saddle (docs/theory/plateau.md section 8).

Before that, differences between students are small. The students' mean follows the flow of the symmetric subspace, and
rho, pi1, pi2 (symmetric.py) its linearisation. With l_k = eta lambda_k,

    r_k' = -l_k (D_S r_k + E t_k)
    s_k' = -l_k [2 (D_S s_k + K E.r_k) - eta G_S],    n_k' = -l_k (2 D_Delta n_k - eta G_Delta)
    rho_k' = -l_k (D_Delta rho_k + K d1 r_k + epsilon t_k)
    pi1_k' = -l_k [(D_S + D_Delta) pi1_k + d1 (s_k + n_k) + rho_k.E + epsilon r_k - eta g1]
    pi2_k' = -l_k (2 D_Delta pi2_k + 2 d2 n_k - eta g2)
"""

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.branch_fixed_point import (
    PARTED,
    SPREAD,
    TINY,
    Approach,
    SymmetricFixedPoint,
    at_level,
    own_part,
)
from ode_sgd.teacher_student.theory.escape_modes import deviations, linearisation

LONGEST = 40.0  # in units of 1 / lambda_esc: e^-40 is a start without any asymmetry
BINS = 48  # sectors that stand for a spectrum here; a choice between two needs no more
PRECISION = 1e-3  # relative, for the same reason
LONG = 1e3  # times the fastest rate: an explicit method then takes as many steps for its stability alone
MOST = 10_000  # evaluations
FEW, MANY = 100, 1000  # numbers in the state: implicit steps cost no more than explicit ones, or far too much


def approach(
    problem: Problem, start: OrderParameters, identical: SymmetricFixedPoint, split: SymmetricFixedPoint
) -> Approach:
    """The students' mean until the asymmetry has grown to PARTED; if it never does for LONGEST, or MOST evaluations."""
    flow = Flow(problem, start, identical)
    last = LONGEST / min(_leading_rate(problem, rest) for rest in (identical, split))
    stiff = last * flow.fastest() > LONG
    if stiff and flow.start.size > MANY:  # an implicit step is of the cube of that
        flow = Flow(problem, start, identical, bins=max(8, MANY * flow.variance.size // flow.start.size))
    begins = SPREAD * np.sqrt(problem.student_units) * float(np.linalg.norm(identical.point.fields[:-2]))
    begins = max(begins, 2.0 * flow.asymmetry(flow.start))
    parted = begins * PARTED / SPREAD

    def leaves(_: float, state: Array) -> float:
        return float(flow.asymmetry(state) - parted)

    leaves.terminal, leaves.direction = True, 1.0  # type: ignore[attr-defined]
    method = "BDF" if stiff or flow.start.size <= FEW else "RK23"
    bounded = _Bounded(flow)
    try:
        run = solve_ivp(bounded, (0.0, last), flow.start, method, events=leaves, rtol=PRECISION, atol=flow.resolution)
    except _Enough:
        fields = flow.fields(bounded.latest)
        return Approach.of(float(fields[-1]), np.array([0.0, last]), np.full(2, flow.error(fields)))
    if run.status < 0:
        raise InvalidProblem(
            f"which of the two saddles this start leads to was not found ({run.message.rstrip('.')} at alpha = "
            f"{run.t[-1]:.3g}); name it, branch='identical' or 'split', or give the Trajectory of `integrate`"
        )
    fields, asymmetry = map(np.array, zip(*[(flow.fields(row), flow.asymmetry(row)) for row in run.y.T], strict=True))
    own = at_level(np.log(np.maximum(asymmetry, TINY)), float(np.log(begins)), fields[:, -1])
    return Approach.of(own, run.t, np.array([flow.error(row) for row in fields]))


class _Enough(Exception):
    """The flow has been evaluated as often as the choice between two saddles is worth."""


class _Bounded:
    """The slope of a flow, MOST times; from starts far from the symmetric subspace steps can collapse."""

    def __init__(self, flow: "Flow") -> None:
        self._flow, self._left, self.latest = flow, MOST, flow.start

    def __call__(self, time: float, state: Array) -> Array:
        if self._left == 0:
            raise _Enough
        self._left, self.latest = self._left - 1, state
        return self._flow.slope(time, state)


def _leading_rate(problem: Problem, rest: SymmetricFixedPoint) -> float:
    """lambda_esc, or where nothing grows a hundredth of the fastest rate."""
    linear = linearisation(problem, rest)
    return next(iter(linear.growth_rates()), 1e-2 * linear.scale)


class Flow:
    """The equations above for one start, in units in which mu_1 = 1 and in few bins of the spectrum.

    One array holds r, s, n, rho, pi1 and pi2, (bins, ...) each.
    """

    def __init__(self, problem: Problem, start: OrderParameters, rest: SymmetricFixedPoint, bins: int = BINS) -> None:
        K, spectrum = problem.student_units, problem.spectrum
        self._space, self._T, self._K = rest.space, rest.T, K
        self._noise = rest.noise * rest.trace
        share, place = spectrum.powers(1) / rest.trace, _bins(spectrum.eigenvalues, bins)
        self.variance = np.bincount(place, share)

        def binned(values: Array) -> Array:
            total = np.zeros((self.variance.size, *values.shape[1:]))
            np.add.at(total, place, (values.T * share).T)
            return np.divide(total.T, self.variance, out=total.T.copy(), where=self.variance > 0.0).T

        self._decay = rest.point.coefficients
        self._rates, self._t = fixed(problem.learning_rate) * binned(spectrum.eigenvalues), rest.trace * binned(start.t)
        sums, own = start.q.sum(axis=(1, 2)) / K, own_part(start.q)
        kinds = [start.r.mean(axis=1), sums, np.maximum(own, 0.0), *deviations(start)]
        first = [rest.trace * binned(kind) for kind in kinds]
        self._shapes, self._cuts = [part.shape for part in first], np.cumsum([part.size for part in first])[:-1]
        self.start = np.concatenate([part.ravel() for part in first])
        # Small parts of a start grow exponentially, so that each kind is followed to its own size.
        sizes = PRECISION * np.array([np.abs(part).max() for part in first])
        sizes[:2] = np.maximum(sizes[:2], 1e-2 * PRECISION * np.diag(rest.T).max())
        self.resolution = np.repeat(np.maximum(sizes, 1e-30), [part.size for part in first])

    def parts(self, state: Array) -> list[Array]:
        """r (bins, M), s and n (bins,), rho (bins, K, M), pi1 and pi2 (bins, K)."""
        return [part.reshape(shape) for part, shape in zip(np.split(state, self._cuts), self._shapes, strict=True)]

    def asymmetry(self, state: Array) -> float:
        """Norm of the part of R that differs between students."""
        return float(np.linalg.norm(np.tensordot(self.variance, self.parts(state)[3], axes=1)))

    def fields(self, state: Array) -> Array:
        """(R, S, Delta) of the students' mean, of order one."""
        R, S, Delta = (np.tensordot(self.variance, part, axes=1) for part in self.parts(state)[:3])
        return np.array([*R, S, max(float(Delta), 0.0)])

    def error(self, fields: Array) -> float:
        """eps_g."""
        return self._space.error(fields, self._T)

    def fastest(self) -> float:
        """The fastest rate of decay, at the start or at the saddle, per unit of alpha."""
        first = self._space.coefficients(self.fields(self.start), self._T)
        size = max(abs(float(D)) for there in (first, self._decay) for D in (there.D_S, there.D_Delta))
        return 2.0 * float(self._rates.max()) * size

    def slope(self, _: float, state: Array) -> Array:
        """The time derivative of all parts. Equations: (8.1a) and (8.5)."""
        r, s, n, rho, pi1, pi2 = self.parts(state)
        differ = [np.tensordot(self.variance, part, axes=1) for part in (rho, pi1, pi2)]
        there = self._space.coefficients(self.fields(state), self._T)
        answer = np.column_stack(differ) @ there.breaking.T  # (K, M + 4)
        epsilon, (d1, d2, g1, g2) = answer[:, :-4], answer[:, -4:].T
        D_S, D_Delta, E, (G_S, G_Delta) = there.D_S, there.D_Delta, there.E, self._noise * there.G
        decay = [
            D_S * r + self._t @ E,
            2.0 * (D_S * s + self._K * r @ E) - G_S,
            2.0 * D_Delta * n - G_Delta,
            D_Delta * rho + self._K * d1[:, None] * r[:, None] + epsilon @ self._t,
            (D_S + D_Delta) * pi1 + np.outer(s + n, d1) + rho @ E + r @ epsilon.T - self._noise * g1,
            2.0 * (D_Delta * pi2 + np.outer(n, d2)) - self._noise * g2,
        ]
        return np.concatenate([-(self._rates * part.T).T.ravel() for part in decay])


def _bins(eigenvalues: Array, bins: int) -> NDArray[np.intp]:
    """The bin of every sector: one an eigenvalue, or `bins` evenly in its logarithm; without variance in the first."""
    distinct, place = np.unique(eigenvalues, return_inverse=True)
    if distinct.size <= bins:
        return np.asarray(place)
    u = np.log(np.maximum(eigenvalues, distinct[distinct > 0.0][0]))
    edges = np.linspace(u.min(), u.max(), bins + 1)[1:-1]
    return np.unique(np.searchsorted(edges, u), return_inverse=True)[1]
