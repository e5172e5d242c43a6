"""What a comparison rests on: does eps_g deviate by more than chance, and does it pass only for what is allowed?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from ode_sgd.analysis.quantities import FALSE_ALARM, RMS_LIMIT
from ode_sgd.model.check import Array

LOOSE = 0.25  # an allowance of more than this fraction of eps_g lets anything pass
MIXED = 0.05  # share of replicas that end in another pairing, above which their mean mixes two outcomes

CHANCE = 0.01  # probability with which chance alone may look like a deviation that only the allowance lets pass
STEP = 4.0  # from one level of looseness to the next


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
        Deviation over standard error; 0 where eps_g is not above its resolution.
    hidden : (n,)
        The deviation that chance hides: the standard error; at loose times (allowance above a quarter of eps_g), where
        nothing but chance is left to judge by, as many times more as `widening` says of so few replicas.
    resolved : (n,) of bool
        Where eps_g of the ODE is above its resolution.
    largest : Ratio
        The ratio furthest from 1 (in its logarithm) of all times with both above their resolution.
    weight : (n,)
        Share of each loose time in what says more than chance, chance^2 where |chance| > 2, normalised; all 0 where
        `beyond` finds nothing. Times that are not loose have none: there the z-scores themselves decide.
    """

    alpha: Array
    theory: Array
    error: Array
    chance: Array
    hidden: Array
    resolved: NDArray[np.bool_]
    largest: Ratio
    weight: Array

    @property
    def beyond_chance(self) -> bool:
        """Whether there are loose times that deviate by more than chance."""
        return bool(self.weight.any())

    @property
    def clearest(self) -> int:
        """The row of the deviation, of those that have weight, that is most standard errors."""
        return int(np.argmax(self.weight))

    def ratio_at(self, row: int) -> Ratio:
        """The ratio at one time."""
        theory = float(self.theory[row])
        value = 1.0 + float(self.chance[row] * self.error[row]) / theory
        return Ratio(value=value, error=float(self.error[row]) / theory, alpha=float(self.alpha[row]))

    @property
    def noisy(self) -> tuple[int, str]:
        """The row to show where `is_noise` holds of what is hidden, and in words why it: the last, or the quietest."""
        share = self.hidden[self.resolved] / self.theory[self.resolved]
        rows = np.flatnonzero(self.resolved)
        if share.min() > LOOSE:
            row = rows[np.argmin(share)]
            return int(row), f"even at alpha = {self.alpha[row]:.4g}, where the statistical error is smallest"
        if share[-1] > LOOSE:
            return int(rows[-1]), f"at the end, alpha = {self.alpha[rows[-1]]:.4g}"
        row = rows[np.argmax(share)]
        return int(row), f"chance hides a quarter of eps_g over most of ln(alpha); at alpha = {self.alpha[row]:.4g}"

    def is_noise(self, error: Array) -> bool:
        """Whether an error exceeds a quarter of eps_g at the last time or over more than half of ln(alpha).

        Of the times at which eps_g is resolved.
        """
        noisy = error[self.resolved] > LOOSE * self.theory[self.resolved]
        if not noisy.size:
            return False
        time = np.log(self.alpha[self.resolved])
        edges = np.concatenate([time[:1], 0.5 * (time[1:] + time[:-1]), time[-1:]])
        width = np.diff(edges)
        return bool(noisy[-1] or width[noisy].sum() > 0.5 * width.sum())

    def is_loose(self, allowance: Array) -> bool:
        """Whether at most of the times that deviate (by weight) an allowance exceeds a quarter of eps_g."""
        return float(self.weight[allowance > LOOSE * self.theory].sum()) > 0.5


def beyond(chance: Array, looseness: Array, replicas: int) -> NDArray[np.bool_]:
    """The loose times, if they deviate by more than chance; else none.

    Times that are not loose have no say, or any deviation could be diluted by output times elsewhere. For the same
    reason the times whose allowance is above eps_g / 4, above eps_g, above 4 eps_g ... are judged by themselves, each
    level at half the error probability of the one before. Those of a level may all be correlated, so their root mean
    square is held against the quantile of a single Student's t; the largest against that of as many (Bonferroni).

    Parameters
    ----------
    chance, looseness : (n,)
        Deviation over standard error; allowance over eps_g, negative for times without a say.
    """
    level, probability = LOOSE, 1.0
    while (loose := looseness > level).any():
        probability /= 2.0
        size, freedom = np.abs(chance[loose]), replicas - 1
        usual = max(RMS_LIMIT, -float(stdtrit(freedom, probability * CHANCE / 2.0)))
        allowed = -float(stdtrit(freedom, probability * FALSE_ALARM / 2.0 / size.size))
        if np.sqrt(np.mean(size**2)) > usual or size.max() > allowed:
            return loose
        level *= STEP
    return np.zeros(chance.size, bool)


def widening(replicas: int) -> float:
    """By how much few replicas widen what chance may do, against many: of the largest of 100 z-scores.

    About 14 with 4 replicas, 2.5 with 8, 1.5 with 16, 1.1 with 64.
    """
    probability = FALSE_ALARM / 2.0 / 100.0
    return float(stdtrit(replicas - 1, probability) / ndtri(probability))


def weigh(
    alpha: Array, theory: Array, mean: Array, error: Array, *, resolution: float, allowance: float, replicas: int
) -> Evidence:
    """The evidence in eps_g at the times after the start; `allowance` is the bias allowed for."""
    deviation = mean - theory
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.where(deviation == 0.0, 0.0, deviation / error)
        ratio = np.where((theory > resolution) & (mean > resolution), mean / theory, np.nan)
        distance = np.abs(np.log(ratio))
        looseness = np.where(theory > resolution, allowance / theory, -1.0)
    known = np.isfinite(distance) & np.isfinite(chance)
    chance = np.where(known, chance, 0.0)
    says = beyond(chance, np.where(known, looseness, -1.0), replicas) & (np.abs(chance) > RMS_LIMIT)
    weight = np.where(says, chance**2, 0.0)
    total = weight.sum()
    largest = Ratio(value=np.nan, error=np.nan, alpha=np.nan)
    if known.any():
        row = int(np.argmax(np.where(known, distance, -1.0)))
        largest = Ratio(value=float(ratio[row]), error=float(error[row] / theory[row]), alpha=float(alpha[row]))
    return Evidence(
        alpha=alpha,
        theory=theory,
        error=error,
        chance=chance,
        hidden=np.where(looseness > LOOSE, widening(replicas), 1.0) * error,
        resolved=theory > resolution,
        largest=largest,
        weight=weight / total if total > 0.0 else weight,
    )
