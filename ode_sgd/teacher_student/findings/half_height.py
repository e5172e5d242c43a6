"""When eps_g is half-way down from the saddle's height to its floor: a time that every run has, plateau or not."""

from dataclasses import dataclass

import numpy as np

from ode_sgd.analysis.floor import end_level
from ode_sgd.analysis.plateau import PlateauSearch
from ode_sgd.analysis.plateau_search import BAND, END, crossing
from ode_sgd.analysis.selection import FOUND
from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import AnalysisError, InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.findings.specialisation import specialisation
from ode_sgd.teacher_student.model.activation import ActivationNotLoaded
from ode_sgd.teacher_student.theory.branch_fixed_point import SymmetricFixedPoint
from ode_sgd.teacher_student.theory.even_saddle import EvenSaddle
from ode_sgd.teacher_student.theory.plain_sgd import NotPlainSGD
from ode_sgd.teacher_student.theory.saddle import left_by
from ode_sgd.teacher_student.trajectory import Trajectory

NO_THEORY = "no_theory"
OUTCOMES = (FOUND, "not_reached", "no_saddle", "not_passed", NO_THEORY)
STILL_THERE = 0.02  # a floor within this fraction of the height is the saddle itself, not yet left (both known to 1 %)


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfHeight:
    """How a run passes the height that theory gives for its symmetric saddle.

    Attributes
    ----------
    height : float
        eps_g at `theory.symmetric_saddle` with the run's own teacher (replicas with teachers of their own: an
        orthonormal one); dimensionless.
    branch : str
        "identical" or "split": the one that `theory.symmetric_saddle` chooses for the run.
    entered : float
        First alpha at which eps_g is within 10 % of `height`; NaN: never.
    within : float
        Time that eps_g spends within 10 % of it, in units of alpha, over the whole run.
    time : float
        Alpha at which eps_g falls below floor + (height - floor) / 2. Of several such times (on the first descent, from
        which it comes back; by fluctuations) the one with the least time below before and above after it. NaN: not
        reached, the run ends on the saddle, or it does not pass it (eps_g begins below that level, or never comes
        within 10 % of `height`).
    floor : float
        The level on which eps_g ends if it has come to rest, else 0: it moved by less than 1 % over the last third of
        alpha, or is on an exponential way to it and within 2 %; of simulations it moved by less than their fluctuations
        allow, 10 % at most. Of replicas the median over those that have left the saddle.
    time_error : float
        Half the distance between the output times around `time`; over replicas its standard error.
    reached : int
        How many curves have a `time`: of one curve 0 or 1. The mean is over these, and NaN if they are less than half.
    replicas : int or None
        Of how many replicas; None without that axis.

    Examples
    --------
    >>> half = ode_sgd.half_height(ode)
    >>> round(half.height, 4), half.floor
    (0.0106, 0.0)
    """

    height: float
    branch: str
    entered: float
    within: float
    time: float
    floor: float
    time_error: float
    reached: int
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class HalfHeightSearch:
    """What `half_height` found, and why there is no saddle or no time.

    Attributes
    ----------
    half_height : HalfHeight or None
    reason : str
        In words; empty where there is a time.
    outcome : str
        "found" (a time), "not_reached", "no_saddle" (the problem has none), "not_passed" (the run does not come to the
        saddle), or "no_theory": the problem may have a saddle, but its height is not known. Of replicas what most of
        those without a time have.
    """

    half_height: HalfHeight | None
    reason: str
    outcome: str


@own_keywords
@check.underflow_is_zero
def half_height(trajectory: Trajectory) -> HalfHeight | None:
    """Height of the run's saddle, time near it, and when eps_g is half-way from there down to the floor.

    Unlike a plateau (`find_plateau`), which a run may pass too fast to have, this is there for every problem with a
    symmetric saddle, so that means over many runs do not select.

    Parameters
    ----------
    trajectory : Trajectory
        ODE or simulation; replicas are taken one by one, against one height; those of one start against one floor,
        those with starts of their own each against its own. Times are interpolated linearly in ln eps_g.

    Returns
    -------
    HalfHeight or None
        None where the problem has no symmetric saddle (one student, students of unequal weights, linear activation,
        sectors that do not learn), and where theory does not give its height (weight decay); `search_half_height` says
        why.

    Raises
    ------
    AnalysisError
        If `trajectory` is not a Trajectory.

    Examples
    --------
    >>> half = ode_sgd.half_height(ode)
    >>> half.branch, round(half.time)
    ('identical', 117)
    """
    return search_half_height(trajectory).half_height


@own_keywords
@check.underflow_is_zero
def search_half_height(trajectory: Trajectory) -> HalfHeightSearch:
    """As `half_height`, with the reason where there is no saddle or no time.

    Examples
    --------
    >>> ode_sgd.search_half_height(ode).outcome
    'found'
    """
    return search_and_saddle(trajectory)[0]


def search_and_saddle(trajectory: Trajectory) -> tuple[HalfHeightSearch, SymmetricFixedPoint | EvenSaddle | None]:
    """As `search_half_height`, with the saddle; None where there is none to pass."""
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    try:
        rest = left_by(trajectory)
    except (NotPlainSGD, ActivationNotLoaded) as error:
        return HalfHeightSearch(None, error.reason, NO_THEORY), None
    except InvalidProblem as error:
        return HalfHeightSearch(None, str(error), "no_saddle"), None
    height = rest.height
    if height <= trajectory.resolution:
        reason = f"the saddle's height, {height:.3g}, is within the rounding of eps_g"
        return HalfHeightSearch(None, reason, "no_saddle"), None
    return _passage(trajectory, height, rest.branch), rest


def left_saddle(trajectory: Trajectory, search: HalfHeightSearch, plateaus: PlateauSearch | None) -> float:
    """The alpha from which a power law is one of learning: the half-height time; NaN where the saddle is not left.

    0 where there is no saddle, and for a run that begins beyond it. Where theory does not know the saddle, the students
    tell: see `_parted`.
    """
    if search.outcome == NO_THEORY:
        return _parted(trajectory, plateaus)
    half = search.half_height
    if half is None:
        return 0.0
    last = float(np.median(trajectory.generalization_error[..., -1]))
    return 0.0 if search.outcome == "not_passed" and last < half.height else half.time


def _parted(trajectory: Trajectory, plateaus: PlateauSearch | None) -> float:
    """The alpha since which every student follows a teacher of its own, and the last plateau has ended.

    Either will do; NaN without both, since any power law may then be that of the descent to the saddle. Over replicas
    the mean of those in which the students have parted.
    """
    found = specialisation(trajectory)
    teacher, since = np.atleast_2d(found.teacher), np.atleast_2d(found.alpha)
    own = (teacher >= 0).all(axis=1) & (np.diff(np.sort(teacher, axis=1), axis=1) > 0).all(axis=1)
    times = [_mean_of_most(np.where(own, since.max(axis=1), np.nan))]
    times += [plateau.end for plateau in (plateaus.plateaus if plateaus is not None else ())]
    return max((time for time in times if not np.isnan(time)), default=float("nan"))


def _passage(trajectory: Trajectory, height: float, branch: str) -> HalfHeightSearch:
    """The numbers of every curve, and their means over replicas."""
    alpha, error = trajectory.alpha, np.atleast_2d(trajectory.generalization_error)
    levels = [end_level(alpha, curve, trajectory.resolution, trajectory.dimension is not None) for curve in error]
    left = [level for level in levels if _below(level, height)]
    floor = float(np.median(left or levels))
    own = trajectory.T.ndim == 3  # then each has a floor of its own, but where it is lost in fluctuations that of most
    floors = [(own and level) or floor if level in left else level for level in levels]
    curves = np.log(np.maximum(error, np.finfo(float).tiny))
    near = np.array([_near(alpha, curve, height) for curve in curves])
    halves = [low + END * (height - low) for low in floors]
    below = np.array([curve[0] < half for curve, half in zip(error, halves, strict=True)])
    passed = ~np.isnan(near[:, 0]) & ~below
    times = np.array(
        [
            _half(alpha, curve, half) if came and _below(low, height) else np.nan
            for curve, low, half, came in zip(curves, floors, halves, passed, strict=True)
        ]
    )
    time, time_error, reached = _mean_time(alpha, times)
    found = HalfHeight(
        height=height,
        branch=branch,
        entered=_mean_of_most(near[:, 0]),
        within=float(near[:, 1].mean()),
        time=time,
        floor=floor,
        time_error=time_error,
        reached=reached,
        replicas=trajectory.replicas,
    )
    if not np.isnan(time):
        return HalfHeightSearch(found, "", FOUND)
    lacking = np.isnan(times)
    if 2 * (lacking & passed).sum() >= lacking.sum():
        return HalfHeightSearch(found, "eps_g is not yet half-way down from the saddle", "not_reached")
    begins = f"eps_g begins below half of the saddle's height {height:.3g}, and does not come to it from above"
    never = f"eps_g is never within {BAND:.0%} of the saddle's height {height:.3g}"
    return HalfHeightSearch(found, begins if 2 * below.sum() > (~passed).sum() else never, "not_passed")


def _near(alpha: Array, curve: Array, height: float) -> tuple[float, float]:
    """First time at which ln eps_g is within 10 % of the height, NaN if never, and for how long altogether."""
    low, high = np.log(height) + np.log1p(-BAND), np.log(height) + np.log1p(BAND)
    if alpha.size < 2:
        return (float(alpha[0]) if low <= curve[0] <= high else np.nan), 0.0
    begin, step = curve[:-1], np.diff(curve)
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.sort(np.clip(np.array([low - begin, high - begin]) / step, 0.0, 1.0), axis=0)
    level = step == 0.0  # wholly inside or wholly outside
    inside = level & (begin >= low) & (begin <= high)
    ends[:, level] = 0.0
    ends[1, inside] = 1.0
    share = ends[1] - ends[0]
    met = np.flatnonzero(share > 0.0)
    if not met.size:
        return np.nan, 0.0
    first, spacing = met[0], np.diff(alpha)
    return float(alpha[first] + ends[0, first] * spacing[first]), float(share @ spacing)


def _below(floor: float, height: float) -> bool:
    """Whether a curve that ends on this floor has left the saddle."""
    return height - floor >= STILL_THERE * height


def _half(alpha: Array, curve: Array, half: float) -> float:
    """When ln eps_g, which begins above it, passes the half level: of its ways down the one that tells best.

    On its first descent a run may fall below and come back, and fluctuations cross the level many times. So the time
    below it before, and above it after, is to be least; NaN if to have stayed above is better than any.

    Equation: (10.2).
    """
    below = curve < np.log(half)
    down = np.flatnonzero(~below[:-1] & below[1:])
    if not down.size:
        return float("nan")
    spacing = np.diff(alpha)
    under = np.insert(np.cumsum(spacing * below[1:]), 0, 0.0)  # until each time
    over = np.insert(np.cumsum(spacing * ~below[1:]), 0, 0.0)
    wrong = under[down] + over[-1] - over[down]
    best = int(np.argmin(wrong))
    return crossing(alpha, curve, int(down[best]), float(np.log(half))) if wrong[best] < under[-1] else float("nan")


def _mean_of_most(values: Array) -> float:
    """The mean of those that are not NaN; NaN if they are less than half."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if 0 < there.size >= 0.5 * values.size else float("nan")


def _mean_time(alpha: Array, times: Array) -> tuple[float, float, int]:
    """Mean of the times, its error, and of how many."""
    there = times[~np.isnan(times)]
    time = _mean_of_most(times)
    if np.isnan(time):
        return time, float("nan"), there.size
    if times.size > 1:
        return time, float(there.std(ddof=1) / np.sqrt(there.size)) if there.size > 1 else float("inf"), there.size
    after = int(np.clip(np.searchsorted(alpha, time), 1, alpha.size - 1))
    return time, 0.5 * float(alpha[after] - alpha[after - 1]), 1
