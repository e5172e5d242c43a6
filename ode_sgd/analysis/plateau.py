"""Plateaus of eps_g(alpha): where they begin and end, how high they are (docs/theory.md section 10).

Everything is judged on a linear clock: a curve that is flat on a logarithmic axis only, as every start is at
alpha << 1/eta and every power law, has no plateau.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ode_sgd.model import check
from ode_sgd.model.check import Array
from ode_sgd.model.errors import AnalysisError
from ode_sgd.solvers.trajectory import Trajectory

BAND = 0.1  # a curve is on a plateau while within this fraction of its height
LEFT = 0.2  # it has left when this fraction below it; from there its last moment in the band is looked for
END = 0.5  # the plateau has ended when the curve is below this fraction of it
# Time in the band over the shortest time in which the curve, while it leaves, falls by the same factor 1.1 / 0.9. Where
# ln eps_g is convex (linear networks without noise) this is at most 1, an escape e^(2 lambda alpha) after a stay of
# some 1 / lambda gives 10.
PERSISTENCE = 6.0
FLATTEST = 0.2  # the height is the mean over the flattest stretch, of this fraction of the time in the band
FLAT = 0.005  # most that the curve may move over that stretch: more is a slope, whose height means nothing to 1 %
FEWEST_TIMES = 4
ANCHORS = 300  # output times at which a plateau is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """A stretch over which eps_g hardly moves before it falls on.

    Attributes
    ----------
    start : float
        The alpha from which eps_g stays within 10 % of `height` until it leaves.
    end : float
        First alpha at which it is below half of `height`; before another plateau or a floor higher than that, below the
        midst between the two.
    height : float
        eps_g on it, dimensionless: the mean over the flattest fifth.
    start_error, end_error, height_error : float
        Over replicas, standard errors. Without them half the distance between the output times around `start` and
        `end`, and what eps_g moves over the flattest fifth.
    replicas : int or None
        Number of replicas that the means are over; None without that axis.
    """

    start: float
    end: float
    height: float
    start_error: float
    end_error: float
    height_error: float
    replicas: int | None = None

    @property
    def length(self) -> float:
        """end - start, in units of alpha."""
        return self.end - self.start

    @property
    def length_error(self) -> float:
        """Its error, from those of start and end as if independent."""
        return float(np.hypot(self.start_error, self.end_error))


@dataclass(frozen=True, slots=True)
class PlateauSearch:
    """All plateaus of a trajectory in order of time, and in words why there are none or some were left out."""

    plateaus: tuple[Plateau, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stay:
    """One stay of a curve in a band around `height`: from `start` to `leave`."""

    start: float
    leave: float
    height: float
    change: float  # of ln eps_g over the flattest fifth


def find_plateau(trajectory: Trajectory) -> Plateau | None:
    """The longest plateau of eps_g, or None; `find_plateaus` has all of them, and says why there are none.

    Parameters
    ----------
    trajectory : Trajectory
        ODE or simulation, with output times close enough to resolve start and end. With replicas every replica is
        searched by itself, and means and standard errors are returned; those without a plateau are left out, and if
        they are more than half, the answer is None.

    Returns
    -------
    Plateau or None

    Raises
    ------
    AnalysisError
        If `trajectory` is none, or has fewer than four output times.

    Notes
    -----
    A plateau is a stay of eps_g within 10 % of one height which lasts at least 6 times as long as the fastest fall by
    the same factor (1.1 to 0.9) while it leaves, and moves by at most 0.5 % over its flattest fifth. Where ln eps_g
    is convex, as in linear networks (docs/theory.md (7.4)), that ratio is at most 1 on any stretch. A curve that stays
    to the last output time has not left: it may be a floor.
    """
    return longest(find_plateaus(trajectory))


def find_plateaus(trajectory: Trajectory) -> PlateauSearch:
    """All plateaus of eps_g; for parameters, errors and definitions see `find_plateau`.

    With replicas that do not have equally many, only the longest of each is used.
    """
    searches = search_curves(trajectory)
    return searches[0] if trajectory.replicas is None else _over_replicas(searches)


def search_curves(trajectory: Trajectory) -> list[PlateauSearch]:
    """The search in every replica, or in the one curve of a trajectory without that axis."""
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    alpha = trajectory.alpha
    if alpha.size < FEWEST_TIMES:
        raise AnalysisError(
            f"{alpha.size} output times cannot show a plateau; give at least {FEWEST_TIMES}, better 100 or more"
        )
    curves = np.atleast_2d(trajectory.generalization_error)
    return [_search(alpha, curve, trajectory.resolution) for curve in curves]


def longest(search: PlateauSearch) -> Plateau | None:
    """The longest of the plateaus found, if any."""
    return max(search.plateaus, key=lambda plateau: plateau.length, default=None)


def _search(alpha: Array, error: Array, resolution: float) -> PlateauSearch:
    """The plateaus of one curve."""
    usable = error > resolution
    last = int(np.argmin(usable)) if not usable.all() else error.size
    alpha, curve = alpha[:last], np.log(error[:last])
    if last < FEWEST_TIMES:
        return PlateauSearch((), "eps_g is above its resolution at fewer than four output times")
    found = [stay for anchor in _anchors(alpha) if (stay := _stay(alpha, curve, anchor)) is not None]
    stays = _distinct([stay for stay in found if stay.change <= FLAT])
    if not stays:
        return PlateauSearch((), _why_none(alpha, curve, min(found, key=lambda stay: stay.change, default=None)))
    return PlateauSearch(tuple(_plateau(alpha, curve, stays, number) for number in range(len(stays))), "")


def _anchors(alpha: Array) -> Sequence[int]:
    """Indices to look at, spread evenly over the output times and over alpha itself."""
    even = np.linspace(0, alpha.size - 1, ANCHORS // 2).round().astype(int)
    clock = np.searchsorted(alpha, np.linspace(0.0, alpha[-1], ANCHORS // 2)[1:-1])
    return [int(anchor) for anchor in np.union1d(even, clock)]


def _stay(alpha: Array, curve: Array, anchor: int) -> _Stay | None:
    """The stay around the height at `anchor`, refined once; None where it does not last or is not left."""
    rough = _band(alpha, curve, anchor, float(curve[anchor]))
    if rough is None:
        return None
    level, change = _flattest(alpha, curve, *rough[:2])
    final = _band(alpha, curve, anchor, level)
    if final is None:
        return None
    start, leave, fall = final
    if leave - start < PERSISTENCE * fall:
        return None
    return _Stay(start=start, leave=leave, height=float(np.exp(level)), change=change)


def _band(alpha: Array, curve: Array, anchor: int, level: float) -> tuple[float, float, float] | None:
    """Begin and end of the stay within 10 % of e^level around `anchor`, and the fastest such fall after it."""
    low, high = level + np.log1p(-BAND), level + np.log1p(BAND)
    gone = anchor + int(np.argmax(curve[anchor:] < level + np.log1p(-LEFT)))
    if gone == anchor or not low <= curve[anchor] <= high:
        return None  # it does not leave downwards
    before = np.flatnonzero((curve[: anchor + 1] > high) | (curve[: anchor + 1] < low))
    first = int(before[-1]) if before.size else -1
    bound = high if first >= 0 and curve[first] > high else low
    start = _crossing(alpha, curve, first, bound) if first >= 0 else float(alpha[0])
    inside = anchor + int(np.flatnonzero(curve[anchor:gone] >= low)[-1])
    leave = _crossing(alpha, curve, inside, low)
    below = np.flatnonzero(curve[gone:] < level + np.log(END))
    end = gone + int(below[0]) if below.size else curve.size - 1
    return start, leave, _fastest_fall(alpha[inside : end + 1], curve[inside : end + 1], high - low)


def _crossing(alpha: Array, curve: Array, index: int, level: float) -> float:
    """Where the curve passes `level` between two output times, interpolated linearly in ln eps_g."""
    step = curve[index + 1] - curve[index]
    return float(alpha[index] + (alpha[index + 1] - alpha[index]) * (level - curve[index]) / step)


def _fastest_fall(alpha: Array, curve: Array, drop: float) -> float:
    """The shortest time in which the curve's running minimum falls by `drop` in ln eps_g."""
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


def _flattest(alpha: Array, curve: Array, start: float, leave: float) -> tuple[float, float]:
    """Mean of ln eps_g over the flattest fifth of a stay, and how much it moves there."""
    width = FLATTEST * (leave - start)
    begin = np.linspace(start, leave - width, 200)
    change = np.abs(np.interp(begin + width, alpha, curve) - np.interp(begin, alpha, curve))
    best = int(np.argmin(change))
    times = np.linspace(begin[best], begin[best] + width, 50)
    return float(np.mean(np.interp(times, alpha, curve))), float(change[best])


def _distinct(stays: list[_Stay]) -> list[_Stay]:
    """Of stays that overlap the flattest one, in order of time."""
    kept: list[_Stay] = []
    for stay in sorted(stays, key=lambda stay: stay.change):
        if all(stay.leave <= other.start or stay.start >= other.leave for other in kept):
            kept.append(stay)
    return sorted(kept, key=lambda stay: stay.start)


def _plateau(alpha: Array, curve: Array, stays: list[_Stay], number: int) -> Plateau:
    """What is reported of one stay among all."""
    height, leave = stays[number].height, stays[number].leave
    after = int(np.searchsorted(alpha, leave, side="right"))
    lowest = stays[number + 1].height if number + 1 < len(stays) else float(np.exp(curve[after:].min()))
    level = np.log(END * height if lowest < END * height else 0.5 * (height + lowest))
    end = _crossing(alpha, curve, after + int(np.argmax(curve[after:] < level)) - 1, level)
    return Plateau(
        start=stays[number].start,
        end=end,
        height=height,
        start_error=_spacing(alpha, stays[number].start),
        end_error=_spacing(alpha, end),
        height_error=height * stays[number].change,
    )


def _spacing(alpha: Array, time: float) -> float:
    """Half the distance between the output times around `time`."""
    after = int(np.clip(np.searchsorted(alpha, time), 1, alpha.size - 1))
    return 0.5 * float(alpha[after] - alpha[after - 1])


def _why_none(alpha: Array, curve: Array, nearest: _Stay | None) -> str:
    """Why no plateau was found: by the flattest of the stays that last, or what the end of the curve looks like."""
    if nearest is not None:
        return (
            f"from alpha = {nearest.start:.4g} to {nearest.leave:.4g} eps_g stays within {BAND:.0%} of "
            f"{nearest.height:.3g}, but it moves by {nearest.change:.1%} over the flattest fifth of that, more than "
            f"{FLAT:.1%}: a slope"
        )
    elsewhere = np.flatnonzero(np.abs(curve - curve[-1]) > BAND)
    if elsewhere.size == 0 or alpha[elsewhere[-1]] < 0.5 * alpha[-1]:
        return "eps_g stays near its last value: a floor, or a plateau not yet left; a later last alpha would tell"
    return (
        f"no stay within {BAND:.0%} of a height lasts {PERSISTENCE:g} times as long as the fastest fall by the same "
        "factor after it"
    )


def _over_replicas(searches: list[PlateauSearch]) -> PlateauSearch:
    """Means and standard errors, plateau by plateau."""
    found = [search.plateaus for search in searches if search.plateaus]
    if 2 * len(found) < len(searches) or not found:
        missing = next(search.reason for search in searches if not search.plateaus)
        return PlateauSearch((), f"{len(searches) - len(found)} of {len(searches)} replicas have none: {missing}")
    if len({len(plateaus) for plateaus in found}) > 1:
        found = [(max(plateaus, key=lambda plateau: plateau.length),) for plateaus in found]
    left_out = len(searches) - len(found)
    reason = f"{left_out} of {len(searches)} replicas have none and are left out" if left_out else ""
    return PlateauSearch(tuple(_mean(alike) for alike in zip(*found, strict=True)), reason)


def _mean(plateaus: Sequence[Plateau]) -> Plateau:
    values = np.array([[plateau.start, plateau.end, plateau.height] for plateau in plateaus])
    count = len(values)
    if count == 1:
        return replace(plateaus[0], replicas=1)
    start, end, height = values.mean(axis=0).tolist()
    errors = (values.std(axis=0, ddof=1) / np.sqrt(count)).tolist()
    return Plateau(
        start=start,
        end=end,
        height=height,
        start_error=errors[0],
        end_error=errors[1],
        height_error=errors[2],
        replicas=count,
    )
