"""Optimisers with linear memory: several copies of the student's weights that one gradient moves."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.schedule import Schedule, value_at


class Signed(NamedTuple):
    """A quantity, or what it is with the other sign: schedules themselves are never negative."""

    value: float | Schedule
    sign: float = 1.0

    def at(self, alpha: float) -> float:
        """What it is at alpha."""
        return self.sign * value_at(self.value, alpha)

    def slope_at(self, alpha: float) -> float:
        """Its derivative by alpha, from the right."""
        return self.sign * float(self.value.derivative(alpha)) if isinstance(self.value, Schedule) else 0.0


NOTHING = Signed(0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """U_r <- U_r + (1/N) sum_s Gamma_rs U_s - (eta eta_r / sqrt N) delta xi, with delta at J = sum_r p_r U_r.

    Here eta is the problem's learning rate, and delta that of SGD for a student with the weights J. Equation: (18.1).

    Attributes
    ----------
    names : tuple of str
        What the R copies are called.
    mixing : R tuples of R Signed
        Gamma_rs, functions of alpha.
    rates : tuple of R Signed
        eta_r over the learning rate, functions of alpha.
    point : tuple of R float
        p_r: where the gradient is taken.
    deployed : int
        The copy that a user keeps in the end: its overlaps and its error are those of the run.
    start : tuple of R float
        What each copy is at alpha = 0, as a multiple of the student's weights then.
    """

    names: tuple[str, ...]
    mixing: tuple[tuple[Signed, ...], ...]
    rates: tuple[Signed, ...]
    point: tuple[float, ...]
    deployed: int
    start: tuple[float, ...]

    @property
    def count(self) -> int:
        """R."""
        return len(self.names)

    @property
    def p(self) -> Array:
        """Where the gradient is taken, (R,)."""
        return np.array(self.point)

    def mixing_at(self, alpha: float) -> Array:
        """Gamma (R, R) at alpha."""
        return np.array([[entry.at(alpha) for entry in row] for row in self.mixing])

    def mixing_slope_at(self, alpha: float) -> Array:
        """The derivative (R, R) of Gamma by alpha."""
        return np.array([[entry.slope_at(alpha) for entry in row] for row in self.mixing])

    def rates_at(self, alpha: float) -> Array:
        """eta_r (R,) at alpha, over the learning rate."""
        return np.array([rate.at(alpha) for rate in self.rates])

    def rates_slope_at(self, alpha: float) -> Array:
        """The derivative (R,) of eta_r by alpha, over the learning rate."""
        return np.array([rate.slope_at(alpha) for rate in self.rates])

    @property
    def frame(self) -> Array:
        """(J, W) from the copies, (2, 2): J, where the gradient is taken, and W, which is 0 at rest.

        W is the copy that begins at 0, or else the difference of both. Without a gradient J moves by W alone, and W
        decays: Gamma is [[0, push], [0, -drag]] there. Equation: (18.3).
        """
        return np.array([self.point, [1.0, -1.0] if all(self.start) else [float(not own) for own in self.start]])

    @property
    def out_of_frame(self) -> Array:
        """The copies from (J, W), (2, 2)."""
        return np.array(np.linalg.inv(self.frame), np.float64)

    def turned_at(self, alpha: float) -> tuple[Array, Array]:
        """Gamma (2, 2) and eta_r (2,) of (J, W) at alpha."""
        frame = self.frame
        return frame @ self.mixing_at(alpha) @ self.out_of_frame, frame @ self.rates_at(alpha)

    def turned_slopes_at(self, alpha: float) -> tuple[Array, Array]:
        """Their derivatives by alpha."""
        frame = self.frame
        return frame @ self.mixing_slope_at(alpha) @ self.out_of_frame, frame @ self.rates_slope_at(alpha)

    @property
    def linear(self) -> Array:
        """Push, drag and eta_r of (J, W) as linear in 1 and the n schedules, (4, 1 + n)."""
        entries = [entry for row in self.mixing for entry in row] + list(self.rates)
        found = np.zeros((len(entries), 1 + len(self.schedules)))
        for row, entry in zip(found, entries, strict=True):
            if isinstance(entry.value, Schedule):
                row[1 + self.schedules.index(entry.value)] = entry.sign
            else:
                row[0] = entry.sign * entry.value
        R, frame, back = self.count, self.frame, self.out_of_frame
        mixing = np.einsum("ar,rsn,sb->abn", frame, found[: R * R].reshape(R, R, -1), back)
        return np.concatenate([[mixing[0, 1], -mixing[1, 1]], frame @ found[R * R :]])

    def require_reaches(self, alpha: float) -> None:
        """Raise InvalidProblem where a schedule ends before alpha."""
        for schedule in self.schedules:
            schedule.require_reaches("optimizer: a schedule", alpha)

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """All that change with alpha, each once and in order."""
        entries = [entry.value for row in self.mixing for entry in row] + [rate.value for rate in self.rates]
        return tuple(dict.fromkeys(value for value in entries if isinstance(value, Schedule)))
