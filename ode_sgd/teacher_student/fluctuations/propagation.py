"""Covariance and bias along the ODE: from the state, D and f1 at nodes in time to S and b at every output time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.integrate import DOP853

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.fluctuations.increments import Increments
from ode_sgd.teacher_student.fluctuations.response import Coefficients, Response, coefficients_at
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.kernels.sectors.drift import right_hand_side

DEGREE = 10  # of the polynomials in alpha
STATE_TOLERANCE = 1e-12
SHORTEST = 1e-7  # of the whole time, of a piece
PART = 1e-2  # of rtol, of the steps of covariance and bias: between them their curve is of one order less
TIGHTEST = 3e-14
ROUNDING = 1e-6  # of what values come from: they need not be known beyond that part of the tolerance


@dataclass(frozen=True, slots=True)
class Piece:
    """State, D, f1 and the drift's coefficients from `begin` to `end`, as Chebyshev polynomials of degree DEGREE."""

    begin: float
    end: float
    terms: tuple[Array, ...]  # (DEGREE + 1, ..) each
    sizes: Array  # of the values, at least what is not rounding

    def at(self, alpha: float) -> tuple[Array, Array, Array, Coefficients]:
        """The values at a time within: state (p L,), D (L p, L p), f1 (L, p) and the coefficients."""
        x = (2.0 * alpha - self.begin - self.end) / (self.end - self.begin)
        weights = np.cos(np.arange(DEGREE + 1) * np.arccos(np.clip(x, -1.0, 1.0)))
        state, D, f1, *others = (
            (weights @ terms.reshape(DEGREE + 1, -1)).reshape(terms.shape[1:]) for terms in self.terms
        )
        return state, D, f1, Coefficients(*others)


class Path:
    """The state along the ODE, with the increments of a step, in pieces that are found as they are asked for."""

    def __init__(self, system: SectorSystem, first: Array, end: float, rtol: float) -> None:
        self.system, self.rtol, self._end = system, rtol, end
        self.increments = Increments(system, rtol)
        self._drift, self._shape = right_hand_side(system.g), first.shape
        self._state = first.reshape(-1)
        self._angles = np.cos(np.pi * np.arange(DEGREE, -1, -1) / DEGREE)  # from -1 to 1
        degrees = np.arange(DEGREE + 1)
        self._to_terms = np.linalg.inv(np.cos(np.multiply.outer(np.arccos(self._angles), degrees)))
        self._scales = np.zeros(3 + len(Coefficients._fields))
        self.pieces = 0

    def __iter__(self) -> Iterator[Piece]:
        """The pieces, one after the other."""
        begin, length = 0.0, min(self._end, 1.0 / max(float(np.abs(self.system.factors[0]).max()), 1e-300))
        while begin < self._end:
            length = min(length, self._end - begin)
            if self._end - begin - length < 0.1 * length:
                length = self._end - begin
            piece, last, left = self._piece(begin, length)
            if self.increments.resolve(self.system.covariance(last.reshape(self._shape))):
                continue
            if left > 1.0 and length > SHORTEST * self._end:
                length *= 0.5
                continue
            self._state, begin = last, piece.end
            self.pieces += 1
            yield piece
            length *= 2.0 if left < 1e-3 else 1.2 if left < 0.1 else 0.9

    def _piece(self, begin: float, length: float) -> tuple[Piece, Array, float]:
        """The piece, the state at its end, and what its last terms leave, in units of what they may."""
        end = begin + length
        times = begin + 0.5 * length * (1.0 + self._angles)
        times[-1] = end
        states = self._states(times)
        found = [(state, *self._increments(state)) for state in states]
        values = [np.array(value) for value in zip(*found, strict=True)]
        terms = tuple(np.tensordot(self._to_terms, value, axes=1) for value in values)
        sizes = self._sizes(values)
        self._scales = np.maximum(self._scales, sizes)
        tails = np.array([float(np.abs(term[-2:]).max()) for term in terms])
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.nan_to_num(tails / (self._allowed() * self._scales))  # what is zero for good leaves nothing
        return Piece(begin, end, terms, sizes), states[-1], float(left.max())

    def _sizes(self, values: list[Array]) -> Array:
        """The largest entries of state, D, f1 and the coefficients, or where these are rounding what they come from.

        At a student that is its teacher, without noise, D, f1, G and its derivatives vanish.
        """
        sizes = np.array([float(np.abs(value).max()) for value in values])
        size = float(np.abs(self.system.variance).sum()) * sizes[0] or 1.0  # of C
        for first in (3, 4):  # A and G, each with two derivatives
            group = first + np.array([0, 2, 4])
            units = size ** np.arange(3.0)
            sizes[group] = np.maximum(sizes[group], ROUNDING * np.max(sizes[group] * units) / units)
        moved = float(np.abs(self.increments.rate).max()) ** 2 * sizes[4] * sizes[0] / size
        sizes[1:3] = np.maximum(sizes[1:3], ROUNDING * moved * np.array([sizes[0], 1.0]))
        return sizes

    def _allowed(self) -> Array:
        """What the last terms may be, of the largest values: not less than nodes leave of averages."""
        part = np.full(self._scales.size, 0.1 * self.rtol)
        part[0] = 0.01 * self.rtol
        if np.isfinite(self.increments.error):
            part[1:3] = np.maximum(part[1:3], self.increments.error)
        return part

    def _states(self, times: Array) -> Array:
        """States (n, p L) at the times, the first being the state reached."""
        states = [self._state]
        for begin, end in pairwise(times.tolist()):
            solver = DOP853(self._function, begin, states[-1], end, rtol=STATE_TOLERANCE, atol=self._atol())
            advance(solver)
            states.append(solver.y)
        return np.array(states)

    def _atol(self) -> float:
        return STATE_TOLERANCE * float(np.abs(self._state).max() or 1.0)

    def _function(self, alpha: float, state: Array) -> Array:
        out = np.empty(self._shape)
        self._drift(state.reshape(self._shape), *self.system.arrays, out)
        return out.reshape(-1)

    def first_coefficients(self) -> Coefficients:
        """Those of the drift at the start."""
        return coefficients_at(self.system, self.system.covariance(self._state.reshape(self._shape)))

    def _increments(self, state: Array) -> tuple[Array, ...]:
        """D, f1 and the coefficients at a state (p L,)."""
        c = self.overlaps(state)
        at = coefficients_at(self.system, np.tensordot(self.system.variance, c, axes=1))
        return *self.increments.covariance_and_drift(c, at.A, at.G), *at

    def overlaps(self, state: Array) -> Array:
        """c (L, d, d) of a state (p L,)."""
        q, r = self.system.unpack(state.reshape(self._shape).T)
        return layout.covariance(q, r, self.system.t.transpose(2, 0, 1))


def advance(solver: DOP853) -> None:
    """To the end of its interval."""
    while solver.status == "running":
        step(solver)


def step(solver: DOP853) -> None:
    """One step, or an error where it has collapsed."""
    fault = solver.step()
    if solver.status == "failed":
        raise InvalidProblem(
            f"the step size collapsed at alpha = {solver.t:.6g} ({fault}): fluctuations take an explicit method; "
            "give fewer or closer eigenvalues, or a shorter time"
        )


class Moved:
    """S (n, n) and b (n,), n = L p, along a path."""

    def __init__(self, path: Path, S: Array, b: Array) -> None:
        self.path, self.S, self.b = path, S, b

    def through(self, alpha: Array, report: Callable[[float], None]) -> Iterator[tuple[Coefficients, Array, Array]]:
        """The drift's coefficients, S and b at every output time, the first of which is 0."""
        yield self.path.first_coefficients(), self.S, self.b
        reached = 1
        for piece in self.path:
            solver = self._solver(piece)
            while solver.status == "running":
                step(solver)
                curve = None
                while reached < alpha.size and alpha[reached] <= solver.t:
                    curve = curve or solver.dense_output()
                    here = float(alpha[reached])
                    yield piece.at(here)[3], *self._parts(curve(here))
                    reached += 1
            self.S, self.b = self._parts(solver.y)
            report(piece.end)

    def _parts(self, y: Array) -> tuple[Array, Array]:
        n = self.b.size
        S = y[: n * n].reshape(n, n)
        return 0.5 * (S + S.T), y[n * n :].copy()

    def _solver(self, piece: Piece) -> DOP853:
        """Through one piece. Equations: (32.2) and (32.7)."""
        rtol, length, n = PART * self.path.rtol, piece.end - piece.begin, self.b.size
        sizes = [
            max(float(np.abs(value).max()), length * source)
            for value, source in ((self.S, piece.sizes[1]), (self.b, piece.sizes[2]))
        ]
        return DOP853(
            lambda alpha, y: self._derivative(piece, alpha, y),
            piece.begin,
            np.append(self.S.reshape(-1), self.b),
            piece.end,
            rtol=max(rtol, TIGHTEST),
            atol=np.maximum(rtol * np.repeat(sizes, [n * n, n]), 1e-300),
        )

    def _derivative(self, piece: Piece, alpha: float, y: Array) -> Array:
        n = self.b.size
        state, D, f1, coefficients = piece.at(alpha)
        at = Response(self.path.system, self.path.overlaps(state), coefficients)
        L, p = f1.shape
        S, b = y[: n * n].reshape(L, p, n), y[n * n :].reshape(L, p)
        JS = at.times(S).reshape(n, n)
        change = JS + JS.T + D
        bent = at.curvature(S.reshape(L, p, L, p))
        drift = at.times(b) + 0.5 * bent + f1 - 0.5 * at.times(at.drift())
        return np.append(change.reshape(-1), drift.reshape(-1))
