"""Plateaus of eps_g(alpha): where they begin and end, how high they are (docs/theory/measured.md section 10).

Everything is judged on a linear clock: a curve that is flat on a logarithmic axis only, as every start is at
alpha << 1/eta and every power law, has no plateau.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ode_sgd.analysis.curve import RESTLESS, Curve
from ode_sgd.analysis.floor import LATE
from ode_sgd.analysis.plateau_search import BAND, END, FLAT, FLATTEST, PERSISTENCE, Stay, crossing, distinct, find_stays
from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import AnalysisError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.run import Run, check_run

FEWEST_TIMES = 4
QUANTITIES = ("start", "end", "length", "height")
FOUND = "found"
OUTCOMES = (  # of a search
    FOUND,
    "too_short",  # no stay near one height lasts
    "slope",  # one lasts, but moves while it does
    "not_left",  # the curve ends near a level, having rested on none above it: a plateau not yet left, or a floor
    "fluctuates",  # stays of a simulation that noise may have made
    "replicas",  # most replicas do not come back to the plateau of their mean, or do not leave it
    "ended_early",  # diverged, interrupted or stopped before anything was seen
    "unresolved",  # eps_g is above its rounding at too few times
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """A stretch over which eps_g hardly moves before it falls on.

    Attributes
    ----------
    start : float
        The alpha from which eps_g stays within 10 % of `height` until it leaves.
    end : float
        First alpha at which it is half-way down from `height` to the floor; before another plateau higher than that,
        to the midst between the two. The floor is the level on which the curve ends if it has come to rest
        (`HalfHeight.floor`), else 0.
    height : float
        eps_g on it, dimensionless: the mean over the flattest fifth.
    start_error, end_error, length_error, height_error : float
        Over replicas, standard errors. Without them half the distance between the output times around `start` and
        `end`, and of the height what eps_g drifts over the flattest fifth and the standard error of its mean there.
    replicas : int or None
        Number of replicas that the means are over; None without that axis.

    Examples
    --------
    >>> plateau = ode_sgd.find_plateau(sgd)
    >>> plateau.replicas, plateau.start < plateau.end
    (8, True)
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
    """All plateaus of a trajectory in order of time, and why there are none or some were left out.

    Attributes
    ----------
    plateaus : tuple of Plateau
    reason : str
        In words; empty where nothing was left out.
    outcome : str
        One of `OUTCOMES`: "found", or why there are none, to count and compare by.
    """

    plateaus: tuple[Plateau, ...]
    reason: str
    outcome: str


@own_keywords
@check.underflow_is_zero
def find_plateau(trajectory: Run) -> Plateau | None:
    """The longest plateau of eps_g, or None; `find_plateaus` has all of them, and says why there are none.

    Parameters
    ----------
    trajectory : Trajectory or other Run
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
        If `trajectory` is not a Run, or has fewer than four output times.

    Notes
    -----
    Falls are counted as fractions of what eps_g lies above its floor (the level on which the curve ends, see
    `Plateau`). A plateau is a stay of eps_g - floor within 10 % of one height which lasts at least 6 times as long as
    the fastest fall by the same factor (1.1 to 0.9) while it leaves, and moves by at most 0.5 % over its flattest
    fifth. Where its logarithm is convex, as in linear networks (docs/theory/linear_network.md (7.4)), that ratio is at
    most 1 on any stretch. Leaving is for good: half-way down to the floor or for as long as the stay was, and never
    back into the band. The level on which a curve ends is none of its plateaus: it may be a floor. Simulations must not
    fluctuate by more than 2 % of the height above the floor from one output time to the next (a mean over replicas
    fluctuates less).

    Examples
    --------
    >>> plateau = ode_sgd.find_plateau(ode)
    >>> round(plateau.height, 4), round(plateau.length)
    (0.0106, 96)
    """
    return longest(find_plateaus(trajectory))


@own_keywords
@check.underflow_is_zero
def find_plateaus(trajectory: Run) -> PlateauSearch:
    """All plateaus of eps_g; for parameters, errors and definitions see `find_plateau`.

    Of replicas with starts of their own that do not have equally many, only the longest of each is used. A run that
    ended early with fewer than four output times is no error: its outcome is "ended_early".

    Examples
    --------
    >>> search = ode_sgd.find_plateaus(ode)
    >>> search.outcome, len(search.plateaus)
    ('found', 1)
    """
    check_run("trajectory", trajectory, AnalysisError)
    alpha = trajectory.alpha
    ended = f"the run ended at {trajectory.words().time_symbol} = {alpha[-1]:.4g}: {trajectory.status}"
    early = "" if trajectory.status == "complete" else ended
    if alpha.size < FEWEST_TIMES:
        if early:
            return PlateauSearch((), early, "ended_early")
        raise AnalysisError(
            f"{alpha.size} output times cannot show a plateau; give at least {FEWEST_TIMES}, better 100 or more"
        )
    search = _search(trajectory)
    if early and not search.plateaus:
        return PlateauSearch((), f"{early}; until then {search.reason}", "ended_early")
    return search


def _search(trajectory: Run) -> PlateauSearch:
    """By what the curves look like, and by whether there is anything left to leave."""
    alpha, error, words = trajectory.alpha, trajectory.error, trajectory.words()
    make = partial(
        Curve.of,
        alpha,
        resolution=trajectory.resolution,
        left=trajectory.has_left_plateau(),
        symbol=words.error_symbol,
        time=words.time_symbol,
    )
    if trajectory.replicas is None:
        return _search_stays(make(error, fluctuates=trajectory.is_simulation))[0]
    if not trajectory.own_starts:
        return _of_one_start(make(error.mean(axis=0), fluctuates=True), error)
    return _over_replicas([_search_stays(make(curve, fluctuates=True))[0] for curve in error])


def longest(search: PlateauSearch) -> Plateau | None:
    """The longest of the plateaus found, if any."""
    return max(search.plateaus, key=lambda plateau: plateau.length, default=None)


def _search_stays(curve: Curve) -> tuple[PlateauSearch, list[Stay]]:
    """The plateaus of one curve, and the stays behind them. Equation: (10.1)."""
    if curve.alpha.size < FEWEST_TIMES:
        told = f"{curve.symbol} is above its resolution at fewer than four output times"
        return PlateauSearch((), told, "unresolved"), []
    found = find_stays(curve.alpha, curve.above)
    steady = [stay for stay in found if not curve.restless(stay)]
    stays = distinct([stay for stay in steady if stay.drift <= FLAT])
    if not stays:
        return PlateauSearch((), *_why_none(curve, found, steady)), []
    plateaus = tuple(_plateau(curve, stays, number) for number in range(len(stays)))
    return PlateauSearch(plateaus, "", FOUND), stays


def _plateau(curve: Curve, stays: list[Stay], number: int) -> Plateau:
    """What is reported of one stay among all."""
    stay, alpha = stays[number], curve.alpha
    start = _start(curve, stays, number)
    end = _first_below(alpha, curve.logarithm, stay.leave, _end_level(curve, stays, number))
    start_error, end_error = _spacing(alpha, start), _spacing(alpha, end)
    return Plateau(
        start=start,
        end=end,
        height=curve.height(stay),
        start_error=start_error,
        end_error=end_error,
        length_error=float(np.hypot(start_error, end_error)),
        height_error=stay.height * float(np.hypot(stay.drift, stay.noise)),
    )


def _start(curve: Curve, stays: list[Stay], number: int) -> float:
    """When eps_g comes within 10 % of the whole height, which is earlier than of that above a floor."""
    stay, earliest = stays[number], stays[number - 1].leave if number else float(curve.alpha[0])
    if curve.floor == 0.0:
        return stay.start
    level = np.log(curve.height(stay))
    before = curve.logarithm[curve.alpha <= stay.start]
    outside = np.flatnonzero((before > level + np.log1p(BAND)) | (before < level + np.log1p(-BAND)))
    if not outside.size:
        return earliest
    last = int(outside[-1])
    bound = level + np.log1p(BAND if before[last] > level else -BAND)
    return max(earliest, crossing(curve.alpha, curve.logarithm, last, float(bound)))


def _end_level(curve: Curve, stays: list[Stay], number: int) -> float:
    """ln of what eps_g has to fall below: half-way down to the floor, or to what follows if that lies higher.

    Equation: (10.2).
    """
    height, after = curve.height(stays[number]), curve.alpha > stays[number].leave
    following = number + 1 < len(stays)
    lowest = curve.height(stays[number + 1]) if following else float(np.exp(curve.logarithm[after].min()))
    half = curve.floor + END * (height - curve.floor)
    return float(np.log(half if lowest < half else 0.5 * (height + lowest)))


def _first_below(alpha: Array, curve: Array, time: float, level: float) -> float:
    """The first time after `time` at which the curve is below `level`; it must be at some."""
    after = int(np.searchsorted(alpha, time, side="right"))
    index = after + int(np.argmax(curve[after:] < level))
    return crossing(alpha, curve, max(index, 1) - 1, level)


def _spacing(alpha: Array, time: float) -> float:
    """Half the distance between the output times around `time`."""
    after = int(np.clip(np.searchsorted(alpha, time), 1, alpha.size - 1))
    return 0.5 * float(alpha[after] - alpha[after - 1])


def _why_none(curve: Curve, found: list[Stay], steady: list[Stay]) -> tuple[str, str]:
    """Why no plateau was found, in words and as an outcome: by the stays that last, or by the end of the curve."""
    counted = "" if curve.floor == 0.0 else f" above the floor {curve.floor:.3g}"
    nearest = min(steady or found, key=lambda stay: stay.drift, default=None)
    if nearest is not None:
        stays = (
            f"from {curve.time} = {nearest.start:.4g} to {nearest.leave:.4g} {curve.symbol} stays within {BAND:.0%} of "
            f"{curve.height(nearest):.3g}{counted} and "
        )
        if steady:
            return (
                f"{stays}moves by {nearest.drift:.1%} over the flattest fifth of that, more than {FLAT:.1%}: a slope",
                ("slope"),
            )
        return (
            f"{stays}fluctuates by more than {RESTLESS:.0%} of that from one output time to the next; the mean over "
            "more replicas, or a larger dimension, would tell"
        ), "fluctuates"
    since = curve.near_its_end_since(BAND)
    if since < 0.5 * curve.alpha[-1] and not curve.left:
        return (
            f"{curve.symbol} ends within {BAND:.0%} of {np.exp(curve.logarithm[-1]):.3g}, where it is since "
            f"{curve.time} = {since:.4g}, and rested on no higher level before"
            + ("" if curve.floor else f" (it still moves by more than 1 % over the last third of {curve.time})")
            + f": a plateau not yet left, or {'a floor' if curve.floor else 'no rest yet'}"
        ), "not_left"
    unsettled = curve.floor == 0.0 and since < LATE * curve.alpha[-1]
    return (
        f"no stay within {BAND:.0%} of a height{counted} lasts {PERSISTENCE:g} times as long as the fastest fall by "
        "the same factor after it"
        + (f"; {curve.symbol} has not come to rest at its end: a later last {curve.time} may tell" if unsettled else "")
    ), "too_short"


def _of_one_start(curve: Curve, errors: Array) -> PlateauSearch:
    """Plateaus of the mean over replicas; start and end of each as the replicas have them."""
    search, stays = _search_stays(curve)
    if not stays or len(errors) == 1:
        return replace(search, plateaus=tuple(replace(plateau, replicas=len(errors)) for plateau in search.plateaus))
    errors = errors[:, : curve.alpha.size]
    singles = np.log(np.maximum(errors, np.finfo(float).tiny))
    found, missing = [], 0
    for number, stay in enumerate(stays):
        level = _end_level(curve, stays, number)
        spans = [span for single in singles if (span := _span(curve, single, stay, level)) is not None]
        missing = max(missing, len(errors) - len(spans))
        if 2 * len(spans) >= len(errors):
            found.append(_mean_span(np.array(spans), errors, curve, stay))
    reason = f"{missing} of {len(errors)} replicas are not back within it or do not leave" if missing else search.reason
    return PlateauSearch(tuple(found), reason, FOUND if found else "replicas")


def _span(curve: Curve, single: Array, stay: Stay, level: float) -> tuple[float, float] | None:
    """When one replica comes within 10 % of the common height, last before the middle of the stay, and when it ends."""
    alpha, high = curve.alpha, np.log(curve.height(stay)) + np.log1p(BAND)
    middle = int(np.searchsorted(alpha, stay.middle, side="right"))
    above, below = np.flatnonzero(single[:middle] > high), np.flatnonzero(single[middle:] < level)
    if not below.size or (above.size and above[-1] == middle - 1):
        return None
    start = crossing(alpha, single, int(above[-1]), high) if above.size else float(alpha[0])
    return start, _first_below(alpha, single, float(alpha[middle - 1]), level)


def _mean_span(spans: Array, errors: Array, curve: Curve, stay: Stay) -> Plateau:
    flat = np.abs(curve.alpha - stay.middle) <= 0.5 * FLATTEST * (stay.leave - stay.start)
    heights = errors[:, flat].mean(axis=1) if flat.any() else np.full(len(errors), curve.height(stay))
    lengths = spans[:, 1] - spans[:, 0]
    return Plateau(
        start=float(spans[:, 0].mean()),
        end=float(spans[:, 1].mean()),
        height=curve.height(stay),
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
    left_out = len(searches) - len(found)
    if 2 * len(found) < len(searches) or not found:
        outcomes = Counter(search.outcome for search in searches if not search.plateaus)
        usual = outcomes.most_common(1)[0][0]
        example = next(search.reason for search in searches if search.outcome == usual)
        return PlateauSearch(
            (), f"{left_out} of {len(searches)} replicas have none, most as this one: {example}", usual
        )
    if len({len(plateaus) for plateaus in found}) > 1:
        found = [(max(plateaus, key=lambda plateau: plateau.length),) for plateaus in found]
    reason = f"{left_out} of {len(searches)} replicas have none and are left out" if left_out else ""
    return PlateauSearch(tuple(_mean(alike) for alike in zip(*found, strict=True)), reason, FOUND)


def _mean(plateaus: Sequence[Plateau]) -> Plateau:
    if len(plateaus) == 1:
        return replace(plateaus[0], replicas=1)
    columns = {name: np.array([getattr(plateau, name) for plateau in plateaus]) for name in QUANTITIES}
    means = {name: float(columns[name].mean()) for name in ("start", "end", "height")}
    errors = {f"{name}_error": _standard_error(values) for name, values in columns.items()}
    return Plateau(**means, **errors, replicas=len(plateaus))
