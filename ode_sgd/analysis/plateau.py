"""Plateaus of eps_g(alpha): where they begin and end, how high they are (docs/theory.md section 10).

Everything is judged on a linear clock: a curve that is flat on a logarithmic axis only, as every start is at
alpha << 1/eta and every power law, has no plateau.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ode_sgd.analysis.stays import (
    BAND,
    END,
    FLAT,
    FLATTEST,
    PERSISTENCE,
    Stay,
    crossing,
    distinct,
    find_stays,
    restlessness,
)
from ode_sgd.model import check
from ode_sgd.model.check import Array
from ode_sgd.model.errors import AnalysisError
from ode_sgd.solvers.trajectory import Trajectory

FEWEST_TIMES = 4
QUANTITIES = ("start", "end", "length", "height")
RESTLESS = 0.02  # most that a simulation may fluctuate on a plateau, of its height; more may look like anything


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


def _search_stays(alpha: Array, error: Array, resolution: float, fluctuates: bool) -> tuple[PlateauSearch, list[Stay]]:
    """The plateaus of one curve, and the stays behind them."""
    last = _last_usable(error, resolution)
    if last < FEWEST_TIMES:
        return PlateauSearch((), "eps_g is above its resolution at fewer than four output times"), []
    alpha, curve = alpha[:last], np.log(error[:last])
    found = find_stays(alpha, curve)
    if fluctuates:
        found = [stay for stay in found if restlessness(alpha, curve, stay) <= RESTLESS]
    stays = distinct([stay for stay in found if stay.drift <= FLAT])
    if not stays:
        nearest = min(found, key=lambda stay: stay.drift, default=None)
        return PlateauSearch((), _why_none(alpha, curve, nearest)), []
    plateaus = tuple(_plateau(alpha, curve, stays, number) for number in range(len(stays)))
    return PlateauSearch(plateaus, ""), stays


def _last_usable(error: Array, resolution: float) -> int:
    """How many output times come before eps_g first is within its resolution."""
    usable = error > resolution
    return error.size if usable.all() else int(np.argmin(usable))


def _plateau(alpha: Array, curve: Array, stays: list[Stay], number: int) -> Plateau:
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


def _end_level(alpha: Array, curve: Array, stays: list[Stay], number: int) -> float:
    """ln of what eps_g has to fall below: half of the height, or half-way to what follows if that lies higher."""
    height, after = stays[number].height, alpha > stays[number].leave
    lowest = stays[number + 1].height if number + 1 < len(stays) else float(np.exp(curve[after].min()))
    return float(np.log(END * height if lowest < END * height else 0.5 * (height + lowest)))


def _first_below(alpha: Array, curve: Array, time: float, level: float) -> float:
    """The first time after `time` at which the curve is below `level`; it must be at some."""
    after = int(np.searchsorted(alpha, time, side="right"))
    index = after + int(np.argmax(curve[after:] < level))
    return crossing(alpha, curve, max(index, 1) - 1, level)


def _spacing(alpha: Array, time: float) -> float:
    """Half the distance between the output times around `time`."""
    after = int(np.clip(np.searchsorted(alpha, time), 1, alpha.size - 1))
    return 0.5 * float(alpha[after] - alpha[after - 1])


def _why_none(alpha: Array, curve: Array, nearest: Stay | None) -> str:
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


def _span(alpha: Array, curve: Array, stay: Stay, level: float) -> tuple[float, float] | None:
    """When one replica comes within 10 % of the common height, last before the middle of the stay, and when it ends."""
    high = np.log(stay.height) + np.log1p(BAND)
    middle = int(np.searchsorted(alpha, stay.middle, side="right"))
    above, below = np.flatnonzero(curve[:middle] > high), np.flatnonzero(curve[middle:] < level)
    if not below.size or (above.size and above[-1] == middle - 1):
        return None
    start = crossing(alpha, curve, int(above[-1]), high) if above.size else float(alpha[0])
    return start, _first_below(alpha, curve, float(alpha[middle - 1]), level)


def _mean_span(spans: Array, errors: Array, alpha: Array, stay: Stay) -> Plateau:
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
