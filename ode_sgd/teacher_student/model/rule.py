"""What one step of SGD does to the weights, as a value: all that integrators and simulators know of a learning rule."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, FACTORS, NOISE, RATE
from ode_sgd.teacher_student.kernels.simulation.weight_update import SectorUpdates, WeightUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRule:
    """J_i <- (1 - eta kappa / N) J_i - (eta / sqrt N) delta_i xi in the sectors that learn.

    Here delta_i = v_i g'(x_i) (f - label).

    Attributes
    ----------
    learning_rate : float
        eta, in the units of alpha.
    second_order : bool
        Whether the term of order eta^2 counts; without it the rule is gradient flow, which has no steps.
    weight_decay : float
        kappa: weights that learn decay at the rate eta kappa, whatever variance their inputs have.
    """

    learning_rate: float
    second_order: bool
    weight_decay: float = 0.0

    def factors(self, eigenvalues: Array, learning: Array) -> Array:
        """Rows of rule_factors.py for sectors with these eigenvalues, (rows, L).

        `learning` (L,) is 1 for sectors that learn, 0 for others. Equation: (3.2).
        """
        rows = np.zeros((FACTORS if self.weight_decay else DECAY, eigenvalues.size))
        rows[RATE] = self.learning_rate * eigenvalues * learning
        rows[DECAY:] = self.learning_rate * self.weight_decay * learning
        if self.second_order:
            rows[NOISE] = self.learning_rate * rows[RATE]
        return rows

    def largest(self, factors: Array) -> tuple[float, float, float]:
        """The largest rate and noise of all sectors, and the largest rate at which overlaps fall by themselves."""
        return float(factors[RATE].max()), float(factors[NOISE].max()), float(factors[DECAY:].max(initial=0.0))

    def weight_update(self, dimension: int) -> WeightUpdate:
        """Of the weights that learn, of N inputs. Equation: (1.5)."""
        lost = self.learning_rate * self.weight_decay / dimension
        return WeightUpdate(rate=self.learning_rate / float(np.sqrt(dimension)), kept=1.0 - lost)

    def sector_updates(self, eigenvalues: Array, sizes: NDArray[np.int64], learning: Array) -> SectorUpdates:
        """Of the rows [S | W] of every sector, whose rate is f_k. Equation: (6.4)."""
        rate = self.learning_rate * np.sqrt(eigenvalues / (float(sizes.sum()) * sizes)) * learning
        return SectorUpdates(rate=rate, kept=1.0 - self.learning_rate * self.weight_decay / sizes.sum() * learning)

    @property
    def has_steps(self) -> bool:
        """Whether it is a rule of steps, which can be simulated."""
        return self.second_order

    @property
    def lets_the_error_vanish(self) -> bool:
        """Whether students that have become their teachers stay there, where labels have no noise."""
        return self.weight_decay == 0.0

    @property
    def further_terms(self) -> str:
        """What it does beside following the gradient, in words; empty where theory for plain SGD holds."""
        return f"weight_decay = {self.weight_decay:g}" if self.weight_decay else ""
