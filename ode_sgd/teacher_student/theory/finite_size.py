"""What finite N changes of a linear network's mean error (docs/theory/floors.md section 23).

A step of batch size b multiplies e_k by 1 - D_k / N and adds the feedback of all sectors: the equations (7.1) with
D_k = 2 eta' lambda_k - (1 + 1/b) (eta' lambda_k)^2 / N in place of 2 eta' lambda_k, in steps of 1 / N.
"""

from dataclasses import dataclass

import numpy as np

from ode_sgd.core.arrays import Array

BELOW = 1.0 - 1e-12  # of the first pole


@dataclass(frozen=True, slots=True, kw_only=True)
class FiniteSize:
    """N, the batch size, and whether time is continuous (a step at each event of a Poisson process of rate N)."""

    dimension: int
    batch: int = 1
    continuous: bool = False

    @property
    def _bend(self) -> float:
        return (1.0 + 1.0 / self.batch) / self.dimension

    def own_rates(self, rate: float, eigenvalues: Array) -> Array:
        """D_k, (n,), at eta' = rate. Equation: (23.2)."""
        speed = rate * eigenvalues
        return np.asarray(speed * (2.0 - self._bend * speed))

    def feedback(self, rate: float, eigenvalues: Array, weights: Array) -> float:
        """s(eta'): the fraction of 2 eps_g + sigma^2 that comes back as error. Equation: (23.4)."""
        speed = rate * eigenvalues
        return float(np.sum(weights * speed / (2.0 - self._bend * speed))) / self.batch

    def critical(self, eigenvalues: Array, weights: Array) -> float:
        """eta' at which s = 1, the mean error's end. Equation: (23.4)."""
        from scipy.optimize import brentq  # takes a tenth of a second to load, and runs load this file

        pole = 2.0 / (self._bend * float(eigenvalues.max()))

        def excess(share: float) -> float:
            return self.feedback(share * pole, eigenvalues, weights) - 1.0

        # s grows, and at the pole it is infinite; without the bend it would be 1 at the limit of large N.
        return float(brentq(excess, 0.0, BELOW, xtol=1e-300, rtol=8.9e-16)) * pole

    def times(self, alpha: Array) -> Array:
        """The times of the nearest whole steps, or all where time is continuous."""
        return alpha if self.continuous else np.rint(alpha * self.dimension) / self.dimension

    def decay(self, rates: Array) -> Array:
        """gamma with which exp(-gamma alpha) is what happens to a mode of that rate, (n,). Equation: (23.2)."""
        if self.continuous:
            return rates
        return np.asarray(-self.dimension * np.log1p(-rates / self.dimension))

    def shrinking(self, rates: Array, alpha: Array) -> Array:
        """(1 - rate / N)^(N alpha) of overlaps, (times, n): negative where a step overshoots. Equation: (23.3)."""
        if self.continuous:
            return np.exp(-np.outer(alpha, rates))
        factor, steps = 1.0 - rates / self.dimension, np.rint(alpha * self.dimension)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.exp(np.where(steps > 0.0, steps * np.log(np.abs(factor)), 0.0))
        return np.asarray(np.where((factor < 0.0) & (steps % 2.0 == 1.0), -size, size))
