"""Stays of a curve in a narrow band around one height: what plateaus are told by (docs/theory/measured.md section 10).

The curve is ln(eps_g - floor), so that all falls are fractions of what lies above the floor on which eps_g ends.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ode_sgd.core.arrays import Array

BAND = 0.1  # a curve is on a plateau while within this fraction of its height
LEFT = 0.2  # it has left when this fraction below it; from there its last moment in the band is looked for
END = 0.5  # the plateau has ended when the curve is below this fraction of it
# Time in the band over the shortest time in which the curve, while it leaves, falls by the same factor 1.1 / 0.9. Where
# the curve is convex (linear networks) this is at most 1, an escape e^(2 lambda alpha) after a stay of
# some 1 / lambda gives 10.
PERSISTENCE = 6.0
FLATTEST = 0.2  # the height is the mean over the flattest stretch, of this fraction of the time in the band
FLAT = 0.005  # most that the curve may move over that stretch: more is a slope, whose height means nothing to 1 %
REFINED = 3  # times that a height is moved to the mean of its flattest stretch
WINDOWS, POINTS = 200, 50  # places for the flattest stretch, and points on it
NORMAL_MEDIAN = 0.6745  # of the modulus of a standard normal
SURROUNDINGS = 20  # output times on either side of a stay, at least, from which its noise is told
ANCHORS = 300  # output times at which a plateau is looked for
_LOWER, _UPPER, _OUTSIDE = (float(np.log1p(part)) for part in (-BAND, BAND, -LEFT))
ROUNDING = 1e-9  # relative; what two ways to compute a time may differ by


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One stay of a curve in a band around `height`, above the floor: from `start` to `leave`."""

    start: float
    leave: float
    height: float
    middle: float  # of the flattest fifth
    drift: float  # of the curve over it
    noise: float  # standard error of the curve's mean over it


def find_stays(alpha: Array, curve: Array) -> list[Stay]:
    """Stays of ln(eps_g - floor) that last and end, and nearly the same ones again; also those on slopes."""
    found: list[Stay] = []
    search = _Search(alpha, curve)
    for anchor in _anchors(alpha):
        if not any(stay.drift <= FLAT and stay.start <= alpha[anchor] <= stay.leave for stay in found):
            stay = search.stay(anchor)
            found += [stay] if stay is not None else []
    return found


def _anchors(alpha: Array) -> Sequence[int]:
    """Indices to look at, spread evenly over the output times and over alpha itself."""
    even = np.linspace(0, alpha.size - 1, ANCHORS // 2).round().astype(int)
    clock = np.searchsorted(alpha, np.linspace(0.0, alpha[-1], ANCHORS // 2)[1:-1])
    return [int(anchor) for anchor in np.union1d(even, clock)]


class _Search:
    """Answers about a curve that hundreds of anchors ask, most of them from its extremes before and after a point."""

    def __init__(self, alpha: Array, curve: Array) -> None:
        self._alpha, self._curve = alpha, curve
        self._values: list[float] = curve.tolist()
        falls = -np.diff(curve) / np.diff(alpha)
        self._before: list[float] = np.minimum.accumulate(curve).tolist()  # lowest up to here; the others from here on
        self._lowest: list[float] = np.minimum.accumulate(curve[::-1])[::-1].tolist()
        self._minus_highest: list[float] = np.minimum.accumulate(-curve[::-1])[::-1].tolist()  # increases
        self._fastest: list[float] = np.maximum.accumulate(falls[::-1])[::-1].tolist()

    def stay(self, anchor: int) -> Stay | None:
        """The stay around the height at `anchor`, moved to its flattest stretch; None if it does not last or end."""
        alpha, curve = self._alpha, self._curve
        level = self._values[anchor]
        for _ in range(REFINED):
            band = self._band(anchor, level, 0.5 * PERSISTENCE)
            if band is None:
                return None
            level, middle, drift, noise = _flattest(alpha, curve, *band)
            anchor = int(np.argmin(np.abs(alpha - middle)))
        band = self._band(anchor, level, PERSISTENCE)
        if band is None:
            return None
        return Stay(start=band[0], leave=band[1], height=float(np.exp(level)), middle=middle, drift=drift, noise=noise)

    def _band(self, anchor: int, level: float, persistence: float) -> tuple[float, float] | None:
        """Begin and end of the stay within 10 % of e^level around `anchor`.

        None if it is not left for good, or lasts less than `persistence` times the fastest such fall after it.

        Equation: (10.1).
        """
        alpha, curve = self._alpha, self._curve
        low, high = level + _LOWER, level + _UPPER
        if not low <= self._values[anchor] <= high or self._values[-1] >= level + _OUTSIDE:
            return None
        inside = bisect_right(self._minus_highest, -low) - 1  # it leaves for good
        above = bisect_left(self._minus_highest, -high) - 1
        if above >= anchor or self._lowest[inside + 1] >= level + _OUTSIDE:
            return None
        first = max(above, self._last_below(low, anchor))
        bound = high if first >= 0 and curve[first] > high else low
        start = crossing(alpha, curve, first, bound) if first >= 0 else float(alpha[0])
        leave = crossing(alpha, curve, inside, low)
        end = self._first_below(level + float(np.log(END)), inside + 1)
        if end is None and alpha[-1] - leave < leave - start:
            return None
        drop, total = high - low, float(curve[inside]) - self._lowest[inside + 1]
        # Most anchors are on a slope, as the fastest of all moments tells without looking at every one.
        if leave - start < persistence * (1.0 - ROUNDING) * min(drop, total) / self._fastest[inside]:
            return None
        last = curve.size - 1 if end is None else end
        fall = _fastest_fall(alpha[inside : last + 1], curve[inside : last + 1], drop)
        return None if leave - start < persistence * fall else (start, leave)

    def _last_below(self, level: float, anchor: int) -> int:
        """The last index up to `anchor` at which the curve is below `level`; -1 for none."""
        if self._before[anchor] >= level:
            return -1
        return int(np.flatnonzero(self._curve[: anchor + 1] < level)[-1])

    def _first_below(self, level: float, index: int) -> int | None:
        """The first index from `index` on at which the curve is below `level`."""
        if self._lowest[index] >= level:
            return None
        return index + int(np.argmax(self._curve[index:] < level))


def crossing(alpha: Array, curve: Array, index: int, level: float) -> float:
    """Where the curve, a logarithm, passes `level` between two output times, interpolated linearly."""
    step = curve[index + 1] - curve[index]
    return float(alpha[index] + (alpha[index + 1] - alpha[index]) * (level - curve[index]) / step)


def _fastest_fall(alpha: Array, curve: Array, drop: float) -> float:
    """The shortest time in which the curve's running minimum falls by `drop`."""
    lowest = np.minimum.accumulate(curve)
    keep = np.concatenate([[True], np.diff(lowest) < 0.0])
    depth, time = -lowest[keep], alpha[keep]
    total = depth[-1] - depth[0]
    if depth.size < 2 or total <= 0.0:
        return np.inf
    drop = min(drop, total)
    begin = depth[depth <= depth[-1] - drop * (1.0 - 1e-12)]
    begin = np.union1d(begin, np.clip(depth - drop, depth[0], None))
    return float(np.min(np.interp(begin + drop, depth, time) - np.interp(begin, depth, time)))


def _flattest(alpha: Array, curve: Array, start: float, leave: float) -> tuple[float, float, float, float]:
    """The flattest fifth of a stay: mean of the curve, middle, drift, and standard error of that mean.

    Drift and scatter are those of a straight line through points even in alpha, of which no more count as independent
    than there are output times.
    """
    width = FLATTEST * (leave - start)
    begins = np.linspace(start, leave - width, WINDOWS)
    times = begins[:, None] + np.linspace(0.0, width, POINTS)
    values = np.interp(times, alpha, curve)
    x = np.linspace(-0.5, 0.5, POINTS)
    slopes = values @ x / (x @ x)
    best = int(np.argmin(np.abs(slopes)))
    scatter = float(np.std(values[best] - slopes[best] * x))
    inside = int(np.count_nonzero((alpha >= times[best, 0]) & (alpha <= times[best, -1])))
    noise = scatter / np.sqrt(max(1, min(inside, POINTS)))
    return float(values[best].mean()), float(begins[best] + 0.5 * width), abs(float(slopes[best])), float(noise)


def restlessness(alpha: Array, curve: Array, stay: Stay) -> float:
    """Standard deviation of white noise with the second differences that ln eps_g has around a stay (their median).

    On the stay alone they would be too small: a quiet stretch of noise is what a spurious stay is.
    """
    first, last = np.searchsorted(alpha, [stay.start, stay.leave])
    margin = int(max(last - first, SURROUNDINGS))
    around = curve[max(0, first - margin) : last + margin]
    return float(np.median(np.abs(np.diff(around, 2))) / (NORMAL_MEDIAN * np.sqrt(6.0)))


def distinct(stays: list[Stay]) -> list[Stay]:
    """The flattest of stays that overlap, in order of time."""
    kept: list[Stay] = []
    for stay in sorted(stays, key=lambda stay: stay.drift):
        if all(stay.leave <= other.start or stay.start >= other.leave for other in kept):
            kept.append(stay)
    return sorted(kept, key=lambda stay: stay.start)
