"""What noise leaves of copies of the weights in one sector, and how fast they forget (docs/theory/momentum.md).

Copies with constant numbers obey U' = Y U but for noise and what they are pulled to, Y = Gamma - m eta p^T: m is the
rate at which plain SGD of the same learning rate would forget.
"""

from dataclasses import dataclass

import numpy as np

from ode_sgd.core.arrays import Array, Flags
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.plain_sgd import NotPlainSGD


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The copies that count, one or two, or none where no step moves the student.

    Attributes
    ----------
    mixing : (R, R)
        Gamma.
    rates : (R,)
        eta_r, over the learning rate.
    point, kept : (R,)
        p of the weights at which the gradient is taken, and of those that a user keeps.
    """

    mixing: Array
    rates: Array
    point: Array
    kept: Array

    @property
    def of_gradient(self) -> "Memory":
        """Only the copies that the weights feel at which the gradient is taken: averages are left out."""
        return self._only(_closed(self.mixing, self.point != 0.0))

    def _with_velocity_of_order_one(self) -> "Memory":
        """The same with a second copy, unless it is one that is kept, in units in which its own rate is one."""
        if len(self.rates) < 2 or self.point[1] or self.kept[1] or not self.rates[1]:
            return self
        units = np.array([1.0, self.rates[1]])
        return Memory(
            mixing=self.mixing * units / units[:, None], rates=self.rates / units, point=self.point, kept=self.kept
        )

    def _only(self, chosen: Flags) -> "Memory":
        return Memory(
            mixing=self.mixing[np.ix_(chosen, chosen)],
            rates=self.rates[chosen],
            point=self.point[chosen],
            kept=self.kept[chosen],
        )

    def matrices(self, m: Array) -> Array:
        """Y (n, R, R) at every m (n,)."""
        return np.asarray(self.mixing - m[:, None, None] * np.outer(self.rates, self.point))

    def slowest(self, m: Array) -> Array:
        """The smallest rate at which copies forget, at every m (n,): the real part of -Y's eigenvalues."""
        Y = self.matrices(m)
        if len(self.rates) == 1:
            return np.asarray(-Y[:, 0, 0])
        half = -0.5 * np.trace(Y, axis1=1, axis2=2)
        product = Y[:, 0, 0] * Y[:, 1, 1] - Y[:, 0, 1] * Y[:, 1, 0]
        inside = half * half - product  # the smaller root is a quotient, which does not cancel
        real = inside >= 0.0
        smaller = np.divide(
            product, half + np.sqrt(np.maximum(inside, 0.0)), out=half.copy(), where=real & (half > 0.0)
        )
        return np.asarray(smaller)

    def stationary(self, m: Array, other: Array, growth: float = 0.0) -> Array:
        """X (n, R, R): (Y + g/2) X + X (Y' + g/2)^T + eta eta^T = 0 with Y at m, Y' at `other`, g the growth.

        It is the Laplace transform of the response to noise at -g. Equation: (24.2).
        """
        R, one = len(self.rates), np.eye(len(self.rates))
        left, right = (self.matrices(values) + 0.5 * growth * one for values in (m, other))
        whole = np.einsum("kac,bd->kabcd", left, one) + np.einsum("ac,kbd->kabcd", one, right)
        source = -np.outer(self.rates, self.rates).reshape(-1, 1)
        found: Array = np.linalg.solve(whole.reshape(-1, R * R, R * R), np.broadcast_to(source, (len(m), R * R, 1)))
        return found.reshape(-1, R, R)

    def pulled_to(self, m: Array) -> Array:
        """Where a unit pull eta_r takes the copies, (n, R): -Y^-1 eta."""
        return np.asarray(
            -np.linalg.solve(self.matrices(m), np.broadcast_to(self.rates[:, None], (len(m), *self.rates.shape, 1)))[
                :, :, 0
            ]
        )


PLAIN = Memory(mixing=np.zeros((1, 1)), rates=np.ones(1), point=np.ones(1), kept=np.ones(1))


def memory_of(problem: Problem) -> Memory:
    """The copies of a problem that count: those that move, and that the student or the one that is kept feels.

    Raises
    ------
    InvalidProblem
        Where numbers change with alpha, and where momentum is kept for ever while nothing else slows the student down.
    """
    copies = problem.update_rule.copies
    if copies is None:
        return PLAIN
    if copies.schedules:
        raise NotPlainSGD(f"optimizer = {problem.optimizer}, whose numbers change with alpha, has no theory here")
    mixing, rates = copies.mixing_at(0.0), copies.rates_at(0.0)
    kept = np.eye(copies.count)[copies.deployed]
    moved = _closed(mixing.T, rates != 0.0)
    memory = Memory(mixing=mixing, rates=rates, point=copies.p, kept=kept)
    chosen = moved & _closed(mixing, (copies.p != 0.0) | (kept != 0.0))
    if not (moved & (copies.p != 0.0)).any():
        chosen = np.zeros_like(moved)
    found = memory._only(chosen)._with_velocity_of_order_one()
    if len(found.rates) and not found.slowest(np.ones(1))[0] > 0.0:
        raise InvalidProblem(
            f"optimizer = {problem.optimizer} keeps momentum for ever, and nothing else slows the student down: it "
            "swings about its teacher, wider with every sample's noise; give delta > 0 or g2 > 0"
        )
    return found


def _closed(mixing: Array, chosen: Flags) -> Flags:
    """Those copies, and all that they feel through Gamma."""
    found = chosen.copy()
    for _ in range(len(chosen)):
        found = found | ((mixing[found] != 0.0).any(axis=0))
    return np.asarray(found)
