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
REFINED = 3  # times that a height is moved to the mean of its flattest stretch
WINDOWS, POINTS = 200, 50  # places for the flattest stretch, and points on it
FEWEST_TIMES = 4
QUANTITIES = ("start", "end", "length", "height")
NORMAL_MEDIAN = 0.6745  # of the modulus of a standard normal
SURROUNDINGS = 20  # output times on either side of a stay, at least, from which its noise is told
RESTLESS = 0.02  # most that a simulation may fluctuate on a plateau, of its height; more may look like anything
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
    start_error, end_error, length_error, height_error : float
        Over replicas, standard errors. Without them half the distance between the output times around `start` and
        `end`, and of the height what eps_g drifts over the flattest fifth and the standard error of its mean there.
    replicas : int or None
        Number of replicas that the means are over; None without that axis.
    """

    start: float
    end: float
    height: float
    start_error: float
    end_error: float
    length_error: float
    height_error: float
    replicas: int | None = None

    @property
    def length(self) -> float:
        """end - start, in units of alpha."""
        return self.end - self.start


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
    middle: float  # of the flattest fifth
    drift: float  # of ln eps_g over it
    noise: float  # standard error of the mean of ln eps_g over it


def find_plateau(trajectory: Trajectory) -> Plateau | None:
    """The longest plateau of eps_g, or None; `find_plateaus` has all of them, and says why there are none.

    Parameters
    ----------
    trajectory : Trajectory
        ODE or simulation, with output times close enough to resolve start and end. Replicas of one start are judged
        by their mean, which fluctuates least; start and end are then those of every replica. Replicas with starts of
        their own are searched one by one; those without a plateau are left out, and if they are more than half, the
        answer is None.

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
    is convex, as in linear networks (docs/theory.md (7.4)), that ratio is at most 1 on any stretch. Leaving is for
    good: down to half of the height or for as long as the stay was, and never back into the band. A curve that stays
    to the last output time has not left: it may be a floor. Simulations must not fluctuate by more than 2 % from one
    output time to the next (a mean over replicas fluctuates less).
    """
    return longest(find_plateaus(trajectory))


def find_plateaus(trajectory: Trajectory) -> PlateauSearch:
    """All plateaus of eps_g; for parameters, errors and definitions see `find_plateau`.

    Of replicas with starts of their own that do not have equally many, only the longest of each is used.
    """
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    alpha, error = trajectory.alpha, trajectory.generalization_error
    if alpha.size < FEWEST_TIMES:
        raise AnalysisError(
            f"{alpha.size} output times cannot show a plateau; give at least {FEWEST_TIMES}, better 100 or more"
        )
    if trajectory.replicas is None:
        return _search_stays(alpha, error, trajectory.resolution, trajectory.dimension is not None)[0]
    if trajectory.T.ndim == 2:
        return _of_one_start(alpha, error, trajectory.resolution)
    return _over_replicas([_search_stays(alpha, curve, trajectory.resolution, True)[0] for curve in error])


def longest(search: PlateauSearch) -> Plateau | None:
    """The longest of the plateaus found, if any."""
    return max(search.plateaus, key=lambda plateau: plateau.length, default=None)


def _search_stays(alpha: Array, error: Array, resolution: float, fluctuates: bool) -> tuple[PlateauSearch, list[_Stay]]:
    """The plateaus of one curve, and the stays behind them."""
    last = _last_usable(error, resolution)
    if last < FEWEST_TIMES:
        return PlateauSearch((), "eps_g is above its resolution at fewer than four output times"), []
    alpha, curve = alpha[:last], np.log(error[:last])
    found: list[_Stay] = []
    for anchor in _anchors(alpha):
        if not any(stay.drift <= FLAT and stay.start <= alpha[anchor] <= stay.leave for stay in found):
            stay = _stay(alpha, curve, anchor)
            found += [stay] if stay is not None else []
    if fluctuates:
        found = [stay for stay in found if _restlessness(alpha, curve, stay) <= RESTLESS]
    stays = _distinct([stay for stay in found if stay.drift <= FLAT])
    if not stays:
        nearest = min(found, key=lambda stay: stay.drift, default=None)
        return PlateauSearch((), _why_none(alpha, curve, nearest)), []
    plateaus = tuple(_plateau(alpha, curve, stays, number) for number in range(len(stays)))
    return PlateauSearch(plateaus, ""), stays


def _last_usable(error: Array, resolution: float) -> int:
    """How many output times come before eps_g first is within its resolution."""
    usable = error > resolution
    return error.size if usable.all() else int(np.argmin(usable))


def _anchors(alpha: Array) -> Sequence[int]:
    """Indices to look at, spread evenly over the output times and over alpha itself."""
    even = np.linspace(0, alpha.size - 1, ANCHORS // 2).round().astype(int)
    clock = np.searchsorted(alpha, np.linspace(0.0, alpha[-1], ANCHORS // 2)[1:-1])
    return [int(anchor) for anchor in np.union1d(even, clock)]


def _stay(alpha: Array, curve: Array, anchor: int) -> _Stay | None:
    """The stay around the height at `anchor`, moved to its flattest stretch; None if it does not last or end."""
    level = float(curve[anchor])
    for _ in range(REFINED):
        band = _band(alpha, curve, anchor, level)
        if band is None or band[1] - band[0] < 0.5 * PERSISTENCE * band[2]:
            return None
        level, middle, drift, noise = _flattest(alpha, curve, *band[:2])
        anchor = int(np.argmin(np.abs(alpha - middle)))
    band = _band(alpha, curve, anchor, level)
    if band is None or band[1] - band[0] < PERSISTENCE * band[2]:
        return None
    return _Stay(start=band[0], leave=band[1], height=float(np.exp(level)), middle=middle, drift=drift, noise=noise)


def _band(alpha: Array, curve: Array, anchor: int, level: float) -> tuple[float, float, float] | None:
    """Begin and end of the stay within 10 % of e^level around `anchor`, and the fastest such fall after it."""
    low, high = level + np.log1p(-BAND), level + np.log1p(BAND)
    if not low <= curve[anchor] <= high or curve[-1] >= level + np.log1p(-LEFT):
        return None
    inside = int(np.flatnonzero(curve >= low)[-1])  # it leaves for good
    out = curve[inside + 1 :]
    if (curve[anchor : inside + 1] > high).any() or out.min() >= level + np.log1p(-LEFT):
        return None
    before = np.flatnonzero((curve[: anchor + 1] > high) | (curve[: anchor + 1] < low))
    first = int(before[-1]) if before.size else -1
    bound = high if first >= 0 and curve[first] > high else low
    start = _crossing(alpha, curve, first, bound) if first >= 0 else float(alpha[0])
    leave = _crossing(alpha, curve, inside, low)
    below = np.flatnonzero(out < level + np.log(END))
    if not below.size and alpha[-1] - leave < leave - start:
        return None
    end = inside + 1 + int(below[0]) if below.size else curve.size - 1
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


def _flattest(alpha: Array, curve: Array, start: float, leave: float) -> tuple[float, float, float, float]:
    """Of the flattest fifth of a stay: mean of ln eps_g, middle, drift, and standard error of that mean.

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


def _restlessness(alpha: Array, curve: Array, stay: _Stay) -> float:
    """Standard deviation of white noise with the second differences that ln eps_g has around a stay (their median).

    On the stay alone they would be too small: a quiet stretch of noise is what a spurious stay is.
    """
    first, last = np.searchsorted(alpha, [stay.start, stay.leave])
    margin = int(max(last - first, SURROUNDINGS))
    around = curve[max(0, first - margin) : last + margin]
    return float(np.median(np.abs(np.diff(around, 2))) / (NORMAL_MEDIAN * np.sqrt(6.0)))


def _distinct(stays: list[_Stay]) -> list[_Stay]:
    """Of stays that overlap the flattest one, in order of time."""
    kept: list[_Stay] = []
    for stay in sorted(stays, key=lambda stay: stay.drift):
        if all(stay.leave <= other.start or stay.start >= other.leave for other in kept):
            kept.append(stay)
    return sorted(kept, key=lambda stay: stay.start)


def _plateau(alpha: Array, curve: Array, stays: list[_Stay], number: int) -> Plateau:
    """What is reported of one stay among all."""
    stay = stays[number]
    end = _first_below(alpha, curve, stay.leave, _end_level(alpha, curve, stays, number))
    start_error, end_error = _spacing(alpha, stay.start), _spacing(alpha, end)
    return Plateau(
        start=stay.start,
        end=end,
        height=stay.height,
        start_error=start_error,
        end_error=end_error,
        length_error=float(np.hypot(start_error, end_error)),
        height_error=stay.height * float(np.hypot(stay.drift, stay.noise)),
    )


def _end_level(alpha: Array, curve: Array, stays: list[_Stay], number: int) -> float:
    """ln of what eps_g has to fall below: half of the height, or half-way to what follows if that lies higher."""
    height, after = stays[number].height, alpha > stays[number].leave
    lowest = stays[number + 1].height if number + 1 < len(stays) else float(np.exp(curve[after].min()))
    return float(np.log(END * height if lowest < END * height else 0.5 * (height + lowest)))


def _first_below(alpha: Array, curve: Array, time: float, level: float) -> float:
    """The first time after `time` at which the curve is below `level`; it must be at some."""
    after = int(np.searchsorted(alpha, time, side="right"))
    index = after + int(np.argmax(curve[after:] < level))
    return _crossing(alpha, curve, max(index, 1) - 1, level)


def _spacing(alpha: Array, time: float) -> float:
    """Half the distance between the output times around `time`."""
    after = int(np.clip(np.searchsorted(alpha, time), 1, alpha.size - 1))
    return 0.5 * float(alpha[after] - alpha[after - 1])


def _why_none(alpha: Array, curve: Array, nearest: _Stay | None) -> str:
    """Why no plateau was found: by the flattest of the stays that last, or what the end of the curve looks like."""
    if nearest is not None:
        return (
            f"from alpha = {nearest.start:.4g} to {nearest.leave:.4g} eps_g stays within {BAND:.0%} of "
            f"{nearest.height:.3g}, but it moves by {nearest.drift:.1%} over the flattest fifth of that, more than "
            f"{FLAT:.1%}: a slope"
        )
    elsewhere = np.flatnonzero(np.abs(curve - curve[-1]) > BAND)
    if elsewhere.size == 0 or alpha[elsewhere[-1]] < 0.5 * alpha[-1]:
        return "eps_g stays near its last value: a floor, or a plateau not yet left; a later last alpha would tell"
    return (
        f"no stay within {BAND:.0%} of a height lasts {PERSISTENCE:g} times as long as the fastest fall by the same "
        "factor after it"
    )


def _of_one_start(alpha: Array, errors: Array, resolution: float) -> PlateauSearch:
    """Plateaus of the mean over replicas; start and end of each as the replicas have them."""
    mean = errors.mean(axis=0)
    last = _last_usable(mean, resolution)
    search, stays = _search_stays(alpha, mean, resolution, True)
    if not stays or len(errors) == 1:
        return replace(search, plateaus=tuple(replace(plateau, replicas=len(errors)) for plateau in search.plateaus))
    alpha, curves = alpha[:last], np.log(np.maximum(errors[:, :last], np.finfo(float).tiny))
    found, missing = [], 0
    for number, stay in enumerate(stays):
        level = _end_level(alpha, np.log(mean[:last]), stays, number)
        spans = [span for curve in curves if (span := _span(alpha, curve, stay, level)) is not None]
        missing = max(missing, len(curves) - len(spans))
        if 2 * len(spans) >= len(curves):
            found.append(_mean_span(np.array(spans), errors[:, :last], alpha, stay))
    reason = f"{missing} of {len(errors)} replicas are not back within it or do not leave" if missing else search.reason
    return PlateauSearch(tuple(found), reason)


def _span(alpha: Array, curve: Array, stay: _Stay, level: float) -> tuple[float, float] | None:
    """When one replica comes within 10 % of the common height, last before the middle of the stay, and when it ends."""
    high = np.log(stay.height) + np.log1p(BAND)
    middle = int(np.searchsorted(alpha, stay.middle, side="right"))
    above, below = np.flatnonzero(curve[:middle] > high), np.flatnonzero(curve[middle:] < level)
    if not below.size or (above.size and above[-1] == middle - 1):
        return None
    start = _crossing(alpha, curve, int(above[-1]), high) if above.size else float(alpha[0])
    return start, _first_below(alpha, curve, float(alpha[middle - 1]), level)


def _mean_span(spans: Array, errors: Array, alpha: Array, stay: _Stay) -> Plateau:
    flat = np.abs(alpha - stay.middle) <= 0.5 * FLATTEST * (stay.leave - stay.start)
    heights = errors[:, flat].mean(axis=1) if flat.any() else np.full(len(errors), stay.height)
    lengths = spans[:, 1] - spans[:, 0]
    return Plateau(
        start=float(spans[:, 0].mean()),
        end=float(spans[:, 1].mean()),
        height=stay.height,
        start_error=_standard_error(spans[:, 0]),
        end_error=_standard_error(spans[:, 1]),
        length_error=_standard_error(lengths),
        height_error=float(np.hypot(_standard_error(heights), stay.height * stay.drift)),
        replicas=len(spans),
    )


def _standard_error(values: Array) -> float:
    return float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else float("inf")


def _over_replicas(searches: list[PlateauSearch]) -> PlateauSearch:
    """Means and standard errors, plateau by plateau, of runs with starts of their own."""
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
    if len(plateaus) == 1:
        return replace(plateaus[0], replicas=1)
    columns = {name: np.array([getattr(plateau, name) for plateau in plateaus]) for name in QUANTITIES}
    means = {name: float(columns[name].mean()) for name in ("start", "end", "height")}
    errors = {f"{name}_error": _standard_error(values) for name, values in columns.items()}
    return Plateau(**means, **errors, replicas=len(plateaus))
