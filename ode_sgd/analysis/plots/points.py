"""Medians over the runs of a sweep that have equal keys, and how many runs each of them stands for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array, Flags, Indices

SHARE = 0.2  # of a point's runs that may be missing from its median


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """What runs with equal keys come to.

    Attributes
    ----------
    keys : (p, d)
        Distinct rows of the keys.
    places : (runs,)
        Point of each run.
    median, lower, upper : (p,)
        Of the ranked runs: median and quartiles, which may be infinite; NaN where there are none.
    count, ranked, total : (p,)
        How many have the number, how many have it or are known to be above all that have, and how many there are.
    """

    keys: NDArray[Any]
    places: Indices
    median: Array
    lower: Array
    upper: Array
    count: Indices
    ranked: Indices
    total: Indices

    @property
    def drawn(self) -> Flags:
        """Which have a median that is a number."""
        return np.isfinite(self.median)

    @property
    def beyond(self) -> Flags:
        """Which have one that is larger than all numbers of theirs."""
        return np.isinf(self.median)

    @property
    def few(self) -> Flags:
        """Which are drawn, but stand for fewer than half of their runs."""
        return self.drawn & (2 * self.ranked < self.total)

    @property
    def biased(self) -> Flags:
        """Which are drawn without more than a fifth of their runs."""
        return self.drawn & (self.total - self.ranked > SHARE * self.total)


def summarised(keys: NDArray[Any], values: Array) -> Points:
    """Medians of `values` (runs,), NaN left out, over runs with equal rows of `keys` (runs, d).

    Infinite values are above all others: of times that the last alpha has cut off, the median is right as long as more
    than half are not. Lengths of plateaus and times of escape are spread by a factor, with a tail to one side: a mean
    would be that of the slowest few.
    """
    distinct, places = np.unique(keys, axis=0, return_inverse=True)
    places, ranked = places.reshape(-1), ~np.isnan(values)
    quartiles = np.full((3, len(distinct)), np.nan)
    for point in np.unique(places[ranked]):
        quartiles[:, point] = _quartiles(values[ranked & (places == point)])
    return Points(
        keys=distinct,
        places=places,
        median=quartiles[1],
        lower=quartiles[0],
        upper=quartiles[2],
        count=np.bincount(places[np.isfinite(values)], minlength=len(distinct)),
        ranked=np.bincount(places[ranked], minlength=len(distinct)),
        total=np.bincount(places, minlength=len(distinct)),
    )


def _quartiles(values: Array) -> Array:
    """Quartiles and median, half-way between neighbours; infinite where the upper one is."""
    shares = [0.25, 0.5, 0.75]
    finite = np.where(np.isinf(values), values[np.isfinite(values)].max(initial=0.0), values)
    beyond = np.isinf(np.quantile(values, shares, method="higher"))
    return np.where(beyond, np.inf, np.quantile(finite, shares))
