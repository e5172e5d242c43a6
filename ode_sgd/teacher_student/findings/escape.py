"""The escape from a plateau: growth rate of what tells the students apart (docs/theory/measured.md section 10)."""

from dataclasses import dataclass

import numpy as np

from ode_sgd.analysis.plateau import Plateau, find_plateau
from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import AnalysisError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.trajectory import Trajectory

# Spread of the students over the size of R beyond which the growth is no longer that of the linearised flow: 2 % off
# for two students at a tenth; more students first grow faster, 9 % at a tenth for K = 8 and under 3 % at 0.03.
SATURATED, SATURATED_MANY = 0.1, 0.03
POINTS = 100  # of the fit, evenly spaced in alpha
LEAST_GROWTH = 2.0  # factor by which the mode must grow in the window for a rate to mean anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Escape:
    """Exponential growth of the symmetry-breaking mode, e^(rate alpha).

    Attributes
    ----------
    rate : float
        Per unit of alpha.
    error : float
        Added in squares: the standard error of the straight line, half the difference of the rates in the two halves of
        the window, and half the difference from the rate in an equally long window before it. Over replicas the
        standard error of their mean.
    window : (float, float)
        The alpha between which it was fitted; with replicas of the median replica.
    growth : float
        Factor by which the mode grew in the window.

    Examples
    --------
    >>> escape = ode_sgd.fit_escape(ode)
    >>> escape.error < 0.1 * escape.rate, escape.window[0] < escape.window[1]
    (True, True)
    """

    rate: float
    error: float
    window: tuple[float, float]
    growth: float


@own_keywords
@check.underflow_is_zero
def asymmetry(trajectory: Trajectory) -> Array:
    """What tells the students apart: R_in - (1/K) sum_j R_jn of order one, root of its sum of squares, (.., n).

    Examples
    --------
    >>> ode_sgd.asymmetry(ode).shape
    (121,)
    """
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    return np.asarray(np.sqrt(np.sum(_differences(trajectory.R) ** 2, axis=(-2, -1))))


@own_keywords
@check.underflow_is_zero
def fit_escape(trajectory: Trajectory, plateau: Plateau | None = None) -> Escape | None:
    """Rate at which the permutation symmetry of the students is broken, from ln of the mode against alpha.

    Parameters
    ----------
    trajectory : Trajectory
        ODE or simulation; replicas are fitted one by one.
    plateau : Plateau or None
        Where the escape begins, the same for all replicas; None finds it.

    Returns
    -------
    Escape or None
        None where there is no plateau, where the students are never alike enough on it (spread below a tenth of R, or
        0.03 for more than two), or the mode grows by less than a factor 2 in the window; also where that is so in more
        than half of the replicas.

    Raises
    ------
    AnalysisError
        If `trajectory` is not a Trajectory, or there is a single student, which has nobody to differ from.

    Notes
    -----
    The mode is the projection of R_in - (1/K) sum_j R_jn (order one) on its own direction at the end of the window,
    which keeps decaying directions and noise out. The window ends where the students' spread reaches a tenth of the
    root mean square of R (0.03 for K > 2), and is the second half, in alpha, of the time since the mode was smallest.
    From a random start the rate may lie some per cent below `theory.escape_rate`: slow sectors are still moving, and a
    teacher that is not orthonormal splits the rate for K > 2, so that the mode is a mixture (10 % at K = 5).

    Examples
    --------
    >>> round(ode_sgd.fit_escape(ode).rate, 3)
    0.062
    """
    fit = escape_or_reason(trajectory, plateau)
    return fit if isinstance(fit, Escape) else None


def escape_or_reason(trajectory: Trajectory, plateau: Plateau | None = None) -> Escape | str:
    """As `fit_escape`, with the reason in words in place of None."""
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    if trajectory.problem.student_units < 2:
        raise AnalysisError("student_units = 1: the escape breaks a symmetry between students; it needs at least 2")
    if plateau is not None:
        check.instance("plateau", plateau, Plateau, AnalysisError)
    found = plateau or find_plateau(trajectory)
    if found is None:
        return "there is no plateau to escape from"
    curves = trajectory.R if trajectory.replicas is not None else trajectory.R[None]
    fits = [_fit(trajectory.alpha, R, found) for R in curves]
    good = [fit for fit in fits if isinstance(fit, Escape)]
    if 2 * len(good) < len(fits):
        reason = next(fit for fit in fits if isinstance(fit, str))
        return reason if trajectory.replicas is None else f"in {len(fits) - len(good)} of {len(fits)} replicas {reason}"
    return good[0] if trajectory.replicas is None else _mean(good)


def _differences(R: Array) -> Array:
    return np.asarray(R - R.mean(axis=-2, keepdims=True))


def _fit(alpha: Array, R: Array, plateau: Plateau) -> Escape | str:
    """The rate in one curve R (n, K, M), or why there is none."""
    begin = int(np.searchsorted(alpha, plateau.start))
    difference, size = _differences(R), np.sqrt(np.mean(R**2, axis=(1, 2)))
    spread = np.sqrt(np.mean(difference**2, axis=(1, 2))) / np.where(size > 0.0, size, 1.0)  # R = 0: alike
    until = max(int(np.searchsorted(alpha, plateau.end)), begin + 1)
    begin += int(np.argmin(spread[begin:until]))  # from a wide start the students first become more alike
    saturated = SATURATED if R.shape[1] == 2 else SATURATED_MANY
    grown = np.flatnonzero(spread[begin:] > saturated)
    if not grown.size:
        return f"the students do not part: their spread in R stays below {saturated:g} of it to the last alpha"
    if grown[0] < 2:
        return (
            f"the students are not alike enough on the plateau: their spread in R is {spread[begin]:.2g} of it at "
            f"least, and must come below {saturated:g} for two output times or more"
        )
    end = begin + int(grown[0])
    direction = difference[end] / np.linalg.norm(difference[end])
    mode = np.tensordot(difference[begin : end + 1], direction, axes=2)
    begin += int(np.argmin(np.abs(mode)))
    mode = mode[mode.size - (end + 1 - begin) :]
    return _line(alpha[begin : end + 1], mode)


def _line(alpha: Array, mode: Array) -> Escape | str:
    """Straight line through ln of the mode in the second half of the time; its error also from the first."""
    middle, positive = 0.5 * (alpha[0] + alpha[-1]), mode > 0.0
    later, earlier = positive & (alpha >= middle), positive & (alpha < middle)
    if later.sum() < 3:
        return f"{int(later.sum())} output times are in the window of the fit, which needs 3"
    growth = float(mode[later][-1] / mode[later][0])
    if growth < LEAST_GROWTH:
        return f"the mode grows by a factor {growth:.2g} in the window of the fit, less than {LEAST_GROWTH:g}"
    slope, noise = _even_line(alpha[later], np.log(mode[later]))
    before = _even_line(alpha[earlier], np.log(mode[earlier]))[0] if earlier.sum() >= 3 else slope
    half = 0.5 * (alpha[later][0] + alpha[-1])
    halves = later & (alpha < half), later & (alpha >= half)
    drift = [_even_line(alpha[part], np.log(mode[part]))[0] for part in halves]
    return Escape(
        rate=slope,
        error=float(np.sqrt(noise**2 + 0.25 * (drift[1] - drift[0]) ** 2 + 0.25 * (slope - before) ** 2)),
        window=(float(alpha[later][0]), float(alpha[-1])),
        growth=growth,
    )


def _even_line(alpha: Array, logarithm: Array) -> tuple[float, float]:
    """Slope and its standard error, on points even in alpha; those between two output times are no new ones."""
    if alpha.size < 2:
        return 0.0, 0.0
    even = np.linspace(alpha[0], alpha[-1], POINTS)
    values = np.interp(even, alpha, logarithm)
    slope = _slope(even, values)
    scatter = values - values.mean() - slope * (even - even.mean())
    count = max(1, min(POINTS, alpha.size) - 2)
    return slope, float(np.sqrt(np.sum(scatter**2) / POINTS * 12.0 / count) / np.ptp(even))


def _slope(x: Array, y: Array) -> float:
    x = x - x.mean()
    return float(x @ y / (x @ x))


def _mean(fits: list[Escape]) -> Escape:
    rates = np.array([fit.rate for fit in fits])
    error = rates.std(ddof=1) / np.sqrt(len(fits)) if len(fits) > 1 else fits[0].error
    begin, end, growth = np.median([[*fit.window, fit.growth] for fit in fits], axis=0).tolist()
    return Escape(rate=float(rates.mean()), error=float(error), window=(begin, end), growth=growth)
