"""What a comparison rests on: does eps_g deviate by more than chance, and does it pass only for what is allowed?"""

from dataclasses import dataclass

import numpy as np

from ode_sgd.analysis.quantities import RMS_LIMIT
from ode_sgd.model.check import Array

LOOSE = 0.25  # an allowance of more than this fraction of eps_g lets anything pass
MIXED = 0.05  # share of replicas that end in another pairing, above which their mean mixes two outcomes

OUTCOMES = AGREE, DISAGREE, UNDECIDED = ("agree", "disagree", "undecided")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """SGD mean of eps_g over the ODE's at one time, with its standard error (NaN: nothing above rounding)."""

    value: float
    error: float
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """eps_g of a simulation beside the ODE, without any allowance for a bias.

    Attributes
    ----------
    alpha, theory, error : (n,)
        Times after the start, eps_g of the ODE, standard error of the replica mean.
    chance : (n,)
        Deviation over standard error.
    largest : Ratio
        The ratio furthest from 1 (in its logarithm) of all times with both above their resolution.
    weight : (n,)
        Share of each time in what says more than chance: chance^2 where |chance| > 2, normalised; all 0 where neither
        its root mean square is above 2 nor its largest modulus above what is allowed.
    """

    alpha: Array
    theory: Array
    error: Array
    chance: Array
    largest: Ratio
    weight: Array

    @property
    def beyond_chance(self) -> bool:
        """Whether there are times that decide."""
        return bool(self.weight.any())

    @property
    def clearest(self) -> int:
        """The row of the deviation that is most standard errors."""
        return int(np.argmax(np.abs(self.chance)))

    def ratio_at(self, row: int) -> Ratio:
        """The ratio at one time."""
        theory = float(self.theory[row])
        value = 1.0 + float(self.chance[row] * self.error[row]) / theory
        return Ratio(value=value, error=float(self.error[row]) / theory, alpha=float(self.alpha[row]))

    @property
    def quietest(self) -> int:
        """The row at which the standard error is the smallest fraction of eps_g."""
        return int(np.argmin(self.error / np.maximum(self.theory, np.finfo(float).tiny)))

    def is_noise(self, error: Array) -> bool:
        """Whether a standard error exceeds a quarter of eps_g at every time, so that chance hides any deviation."""
        return bool(np.all(error > LOOSE * self.theory))

    def is_loose(self, allowance: Array | float) -> bool:
        """Whether at most of the times that decide (by weight) an allowance exceeds a quarter of eps_g."""
        return float(self.weight[allowance > LOOSE * self.theory].sum()) > 0.5


def weigh(alpha: Array, theory: Array, mean: Array, error: Array, resolution: float, allowed: float) -> Evidence:
    """The evidence in eps_g at the times after the start; `allowed` is what the largest |z| stays below by chance."""
    deviation = mean - theory
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.where(deviation == 0.0, 0.0, deviation / error)
        ratio = np.where((theory > resolution) & (mean > resolution), mean / theory, np.nan)
        distance = np.abs(np.log(ratio))
    known = np.isfinite(distance) & np.isfinite(chance)
    size = np.where(known, np.abs(chance), 0.0)
    weight = np.where(size > RMS_LIMIT, size**2, 0.0)
    if np.sqrt(np.mean(size**2)) <= RMS_LIMIT and size.max() <= allowed:
        weight[:] = 0.0
    total = weight.sum()
    largest = Ratio(value=np.nan, error=np.nan, alpha=np.nan)
    if known.any():
        row = int(np.argmax(np.where(known, distance, -1.0)))
        largest = Ratio(value=float(ratio[row]), error=float(error[row] / theory[row]), alpha=float(alpha[row]))
    return Evidence(
        alpha=alpha,
        theory=theory,
        error=error,
        chance=np.where(known, chance, 0.0),
        largest=largest,
        weight=weight / total if total > 0.0 else weight,
    )
