"""Where the flow of C comes to rest: implicit Euler steps that grow until they are Newton's, or Newton's alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.theory.floors.field_flow import FieldFlow

STEPS = 2000  # of the implicit flow; some 20 are usual, a few hundred where a rate almost vanishes
NEWTON = 100
SHORT, LONGEST = (
    0.05,
    0.5,
)  # moves, over the overlaps: the flow is followed well with the first, and lost beyond the second
UNSTABLE = 1e-9  # of the largest rate: what grows more slowly is rounding
PUSH = 1e-4  # of the overlaps: how far a run is moved off a saddle that it came across
SADDLES = 20  # that a run may come across
SEEN = 1e-9  # part along an unstable direction, of the distance come, below which a start is on the saddle's own ridge


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Overlaps x at which the flow rests, and its Jacobian there."""

    x: Array
    jacobian: Array

    @property
    def unstable(self) -> int:
        """How many directions grow."""
        rates = np.linalg.eigvals(self.jacobian)
        return int((rates.real > UNSTABLE * np.abs(rates).max()).sum())


def settle(flow: FieldFlow, x: Array) -> Settled:
    """Where the flow from x ends. Saddles on the way are left, except by symmetry of the start.

    The limit of large steps is Newton's method, which would stop at a saddle as well: there the run goes on from
    beside it, on the side on which the start lies.
    """
    start = x
    for _ in range(SADDLES):
        found = _follow(flow, x)
        if not found.unstable:
            return found
        aside = _aside(flow, found, start)
        if aside is None:
            return newton(flow, found.x)  # steps were kept short: it is near to the saddle, and no more
        x = aside
    raise InvalidProblem("the overlaps come to no stable fixed point from this start; integrate the ODE")


def newton(flow: FieldFlow, x: Array) -> Settled:
    """The fixed point, of whatever stability, to which Newton's method leads from x."""
    value, jacobian = flow.slope(x)
    for _ in range(NEWTON):
        if not np.isfinite(jacobian).all():
            break
        move, share = -np.linalg.lstsq(jacobian, value, rcond=None)[0], 1.0
        while not flow.possible(x + share * move):
            share *= 0.5
            if share < 1e-6:
                raise InvalidProblem(NOWHERE)
        x, before = x + share * move, float(np.abs(value).max())
        value, jacobian = flow.slope(x)
        if _arrived(x, share * move, before, float(np.abs(value).max())):
            return Settled(x=x, jacobian=jacobian)
    raise InvalidProblem(NOWHERE)


def _follow(flow: FieldFlow, x: Array) -> Settled:
    value, jacobian = flow.slope(x)
    step = 1.0 / max(float(np.abs(jacobian).max()), 1e-300)
    unit = np.eye(x.size)
    for _ in range(STEPS):
        if not np.isfinite(jacobian).all():
            break
        # Where something grows, longer steps would lead back to the saddle that it grows away from.
        growth = float(np.linalg.eigvals(jacobian).real.max())
        step = min(step, 0.5 / growth) if growth > 0.0 else step
        move = np.linalg.solve(unit / step - jacobian, value)
        share = float(np.abs(move).max()) / float(np.abs(x).max())
        ahead = flow.slope(x + move) if share <= LONGEST and flow.possible(x + move) else None
        if ahead is None or not np.isfinite(ahead[1]).all():
            step *= 0.25
            if step < 1e-12:
                break
            continue
        before = float(np.abs(value).max())
        x, (value, jacobian) = x + move, ahead
        after = float(np.abs(value).max())
        if _arrived(x, move, before, after):
            return Settled(x=x, jacobian=jacobian)
        step = min(step * min(max(before / max(after, 1e-300), 2.0 if share < SHORT else 0.5), 10.0), 1e15)
    raise InvalidProblem(NOWHERE)


def _arrived(x: Array, move: NDArray[np.floating], before: float, after: float) -> bool:
    """Whether steps have come down to rounding: they are small, and gain nothing more."""
    small = float(np.abs(move).max()) <= 1e-11 * float(np.abs(x).max())
    return small and (after >= 0.5 * before or after <= 1e-16)


def _aside(flow: FieldFlow, found: Settled, start: Array) -> Array | None:
    """A point beside a saddle in its unstable directions, on the start's side; None where the start has no side."""
    rates, right = np.linalg.eig(found.jacobian)
    growing = np.flatnonzero(rates.real > UNSTABLE * np.abs(rates).max())
    # Shares of the start's distance along every direction: rows of the inverse are the left eigenvectors.
    parts = np.linalg.pinv(right)[growing] @ (start - found.x)
    distance = float(np.linalg.norm(start - found.x))
    direction = np.real(right[:, growing] @ parts)
    length = float(np.linalg.norm(direction))
    if length <= SEEN * distance:
        return None
    push = PUSH * float(np.abs(found.x).max()) * direction / length
    while not flow.possible(found.x + push):
        push = 0.5 * push
        if np.abs(push).max() < 1e-12:
            return None
    return found.x + push


NOWHERE = (
    "the overlaps come to no fixed point: the learning rate may be so large that the norms of students grow without "
    "end (theory.norm_divergence_rate), or nothing but noise moves a pair of students; integrate the ODE"
)
