"""What a comparison rests on: does eps_g deviate by more than chance, and does it pass only for what is allowed?"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from ode_sgd.analysis.quantities import FALSE_ALARM, RMS_LIMIT
from ode_sgd.core import frozen
from ode_sgd.core.arrays import Array, Flags
from ode_sgd.core.run import Run, Wording

LOOSE = 0.25  # an allowance of more than this fraction of eps_g lets anything pass
MIXED = 0.05  # share of replicas that end in another pairing, above which their mean mixes two outcomes

CHANCE = 0.01  # probability with which chance alone may look like a deviation, by its root mean square
STEP = 4.0  # from one level of looseness to the next
DEEPEST = 1000.0  # level of an eps_g of exactly 0
MOST = 1e3  # standard errors; more say no more, and a simulation without scatter has no end of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """SGD mean of eps_g over the ODE's at one time, with its standard error (NaN: neither is above its resolution).

    `bound` is ">" where the ODE is below its resolution and SGD is not, so that the value is a lower bound; "<" the
    other way round; else "". A bound has no error (NaN).
    """

    value: float
    error: float
    alpha: float
    bound: str = ""
    sides: tuple[str, str] = (Run.wording.theory, Run.wording.simulation)

    def __str__(self) -> str:
        if self.bound:
            side = self.sides[0] if self.bound == ">" else self.sides[1]
            exact = self.value == 0.0 or np.isinf(self.value)
            return f"{'' if exact else self.bound + ' '}{self.value:.4g} ({side} below its resolution)"
        return f"{self.value:.4g} +- {self.error:.1g}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """eps_g of a simulation beside the ODE, by itself.

    Attributes
    ----------
    alpha, theory, mean, error : (n,)
        Times after the start, eps_g of the ODE, replica mean and its standard error.
    resolution : float
        Below which eps_g of either is not known.
    allowance : (n,)
        The bias allowed for.
    deviation : (n,)
        mean - theory. Where one of them is below the resolution: the distance of the other from it, with its sign;
        where both are, 0.
    chance : (n,)
        Deviation over standard error, cut at 1000.
    excess : (n,)
        |deviation| beyond what is allowed for, over the standard error, cut at 1000. The bias is allowed for at tight
        times, where it is at most a quarter of eps_g; at loose times, where it would let anything pass, nothing is.
    hidden : (n,)
        The deviation that chance hides: the standard error; at loose times, where nothing but chance is left to judge
        by, as many times more as `widening` says of so few replicas.
    weight : (n,)
        Share of each time in what says more than chance, excess^2 where excess > 2 and `beyond` finds it; normalised.
    wording : Wording
        How the run speaks of itself.
    """

    alpha: Array
    theory: Array
    mean: Array
    error: Array
    resolution: float
    allowance: Array
    deviation: Array
    chance: Array
    excess: Array
    hidden: Array
    weight: Array
    wording: Wording = Run.wording

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)

    @property
    def resolved(self) -> Flags:
        """(n,) Where eps_g of the ODE is above its resolution."""
        return self.theory > self.resolution

    @property
    def size(self) -> Array:
        """(n,) What allowance and errors are held against: eps_g of the ODE, or its resolution where it is below."""
        return np.maximum(self.theory, self.resolution)

    @property
    def tight(self) -> Flags:
        """(n,) Where the bias allowed for is at most a quarter of eps_g."""
        return self.allowance <= LOOSE * self.size

    @property
    def beyond_chance(self) -> bool:
        """Whether eps_g deviates somewhere by more than chance and what is allowed for."""
        return bool(self.weight.any())

    @property
    def clearest(self) -> int:
        """The row of the deviation, of those that have weight, that is most standard errors."""
        return int(np.argmax(self.weight))

    @property
    def largest(self) -> Ratio:
        """The ratio furthest from 1 (in its logarithm), of all times with either above the resolution."""
        ratios = [self.ratio_at(row) for row in range(self.alpha.size)]
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.abs(np.log([ratio.value for ratio in ratios]))
        if np.isnan(distance).all():
            return self._ratio(np.nan, np.nan, np.nan)
        return ratios[int(np.nanargmax(distance))]

    def ratio_at(self, row: int) -> Ratio:
        """The ratio at one time, or its bound."""
        theory, mean, alpha = float(self.theory[row]), float(self.mean[row]), float(self.alpha[row])
        if theory > self.resolution and mean > self.resolution:
            return self._ratio(mean / theory, float(self.error[row]) / theory, alpha)
        if mean > self.resolution:
            value = mean / self.resolution if self.resolution else np.inf
            return self._ratio(value, np.nan, alpha, ">")
        value = self.resolution / theory if theory > self.resolution else np.nan
        return self._ratio(value, np.nan, alpha, "<")

    def _ratio(self, value: float, error: float, alpha: float, bound: str = "") -> Ratio:
        sides = self.wording.theory, self.wording.simulation
        return Ratio(value=value, error=error, alpha=alpha, bound=bound, sides=sides)

    @property
    def noisy(self) -> tuple[int, str]:
        """The row to show where `is_noise` holds of what is hidden, and in words why it: the last, or the quietest."""
        share = self.hidden[self.resolved] / self.theory[self.resolved]
        rows, time = np.flatnonzero(self.resolved), self.wording.time_symbol
        if share.min() > LOOSE:
            row = rows[np.argmin(share)]
            return int(row), f"even at {time} = {self.alpha[row]:.4g}, where the statistical error is smallest"
        if share[-1] > LOOSE:
            return int(rows[-1]), f"at the end, {time} = {self.alpha[rows[-1]]:.4g}"
        row = rows[np.argmax(share)]
        hidden = f"chance hides a quarter of {self.wording.error_symbol} over most of ln({time})"
        return int(row), f"{hidden}; at {time} = {self.alpha[row]:.4g}"

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

    def is_loose(self, error: Array) -> bool:
        """Whether at most of the times that deviate, by weight, an error exceeds eps_g / 4 or half of the deviation."""
        limit = np.minimum(LOOSE * self.theory, 0.5 * np.abs(self.deviation))
        return float(self.weight[error > limit].sum()) > 0.5

    def singles_out(self, z: Array, replicas: int) -> bool:
        """Whether other z-scores of eps_g at these times, with nothing allowed for, are beyond chance."""
        return bool(beyond(np.abs(z), self.allowance / self.size, replicas).any())


def beyond(excess: Array, looseness: Array, replicas: int) -> Flags:
    """The times at which eps_g deviates by more than chance.

    Output times elsewhere that agree must not dilute a deviation. So tight and loose times are judged apart, and
    either in levels, each at half the error probability of the one before: loose times with an allowance above
    eps_g / 4, eps_g, 4 eps_g ...; tight ones with one above eps_g / 16, eps_g / 64 ... Those of a level may all be
    correlated, so their root mean square is held against the quantile of a single Student's t; the largest against
    that of as many (Bonferroni).

    Parameters
    ----------
    excess, looseness : (n,)
        What is not allowed for over its standard error; allowance over eps_g.
    """
    loose = looseness > LOOSE
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.nan_to_num(np.ceil(np.log(looseness / LOOSE) / np.log(STEP)), posinf=DEEPEST, neginf=-DEEPEST)
    found = np.zeros(excess.size, bool)
    for judged, levels in ((loose, np.unique(level[loose])), (~loose, np.unique(level[~loose])[::-1])):
        for number, lowest in enumerate(levels, 1):
            times = judged & (level >= lowest)
            if _stands_out(excess[times], replicas, 0.5**number):
                found |= times
                break
    return found


def _stands_out(size: Array, replicas: int, probability: float) -> bool:
    usual = max(RMS_LIMIT, -float(stdtrit(replicas - 1, probability * CHANCE / 2.0)))
    allowed = -float(stdtrit(replicas - 1, probability * FALSE_ALARM / 2.0 / size.size))
    return bool(np.sqrt(np.mean(size**2)) > usual or size.max() > allowed)


def widening(replicas: int) -> float:
    """By how much few replicas widen what chance may do, against many: of the largest of 100 z-scores.

    About 14 with 4 replicas, 2.5 with 8, 1.5 with 16, 1.1 with 64.
    """
    probability = FALSE_ALARM / 2.0 / 100.0
    return float(stdtrit(replicas - 1, probability) / ndtri(probability))


def weigh(
    alpha: Array, theory: Array, mean: Array, error: Array, *, resolution: float, allowance: Array, replicas: int
) -> Evidence:
    """The evidence in eps_g after the start; `allowance`, (n,), is the bias allowed for. Equation: (6.6)."""
    # What is below the resolution may be anything from 0 up to it: only the distance from there is a deviation.
    deviation = np.maximum(mean, resolution) - np.maximum(theory, resolution)
    size = np.maximum(theory, resolution)
    with np.errstate(divide="ignore", invalid="ignore"):
        looseness = allowance / size
        beside = np.abs(deviation) - np.where(looseness > LOOSE, 0.0, allowance)
        chance = np.where(deviation == 0.0, 0.0, np.clip(deviation / error, -MOST, MOST))
        excess = np.where(beside <= 0.0, 0.0, np.minimum(beside / error, MOST))
    says = beyond(excess, looseness, replicas) & (excess > RMS_LIMIT)
    weight = np.where(says, excess**2, 0.0)
    return Evidence(
        alpha=alpha,
        theory=theory,
        mean=mean,
        error=error,
        resolution=resolution,
        allowance=allowance,
        deviation=deviation,
        chance=chance,
        excess=excess,
        hidden=np.where(looseness > LOOSE, widening(replicas), 1.0) * error,
        weight=weight / max(weight.sum(), 1.0),
    )
