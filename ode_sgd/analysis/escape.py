"""The escape from a plateau: growth rate of what tells the students apart (docs/theory.md section 10)."""

from dataclasses import dataclass

import numpy as np

from ode_sgd.analysis.plateau import Plateau, longest, search_curves
from ode_sgd.model import check
from ode_sgd.model.check import Array
from ode_sgd.model.errors import AnalysisError
from ode_sgd.solvers.trajectory import Trajectory

SATURATED = 0.1  # of the overlap with the teachers: beyond it the growth is no longer that of the linearised flow
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
        Half the difference of the rates in the two halves of the window (is it one exponential?) and the standard error
        of the straight line, added in squares; over replicas the standard error of their mean.
    window : (float, float)
        The alpha between which it was fitted; with replicas of the median replica.
    growth : float
        Factor by which the mode grew in the window.
    """

    rate: float
    error: float
    window: tuple[float, float]
    growth: float


def asymmetry(trajectory: Trajectory) -> Array:
    """What tells the students apart: R_in - (1/K) sum_j R_jn of order one, root of its sum of squares, (.., n)."""
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    return np.asarray(np.sqrt(np.sum(_differences(trajectory.R) ** 2, axis=(-2, -1))))


def fit_escape(trajectory: Trajectory, plateau: Plateau | None = None) -> Escape | None:
    """Rate at which the permutation symmetry of the students is broken, from ln of the mode against alpha.

    Parameters
    ----------
    trajectory : Trajectory
        ODE or simulation; replicas are fitted one by one.
    plateau : Plateau or None
        Where the escape begins; None finds it (in every replica).

    Returns
    -------
    Escape or None
        None where there is no plateau, or the mode grows by less than a factor 2 in the window.

    Raises
    ------
    AnalysisError
        If `trajectory` is none, or there is a single student, which has nobody to differ from.

    Notes
    -----
    The mode is the projection of R_in - (1/K) sum_j R_jn (order one) on its own direction at the end of the window,
    which keeps decaying directions and noise out. The window ends where the mode reaches a tenth of the root mean
    square of R, and is the second half, in alpha, of the time since the plateau began or the mode was smallest. From
    a random start the rate comes out a few per cent below `theory.escape_rate` where slow sectors are still moving.
    """
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    if trajectory.problem.student_units < 2:
        raise AnalysisError("student_units = 1: the escape breaks a symmetry between students; it needs at least 2")
    curves = trajectory.R if trajectory.replicas is not None else trajectory.R[None]
    found = [plateau] * len(curves) if plateau else [longest(search) for search in search_curves(trajectory)]
    fits = [
        fit
        for R, start in zip(curves, found, strict=True)
        if start is not None and (fit := _fit(trajectory.alpha, R, start.start)) is not None
    ]
    if not fits or 2 * len(fits) < len(curves):
        return None
    return fits[0] if trajectory.replicas is None else _mean(fits)


def _differences(R: Array) -> Array:
    return np.asarray(R - R.mean(axis=-2, keepdims=True))


def _fit(alpha: Array, R: Array, start: float) -> Escape | None:
    """The rate in one curve R (n, K, M)."""
    begin = int(np.searchsorted(alpha, start))
    difference, size = _differences(R), np.sqrt(np.mean(R**2, axis=(1, 2)))
    spread = np.sqrt(np.mean(difference**2, axis=(1, 2)))
    saturated = np.flatnonzero(spread[begin:] > SATURATED * size[begin:])
    if not saturated.size or saturated[0] < 2:
        return None
    end = begin + int(saturated[0])
    direction = difference[end] / np.linalg.norm(difference[end])
    mode = np.tensordot(difference[begin : end + 1], direction, axes=2)
    begin += int(np.argmin(np.abs(mode)))
    mode = mode[mode.size - (end + 1 - begin) :]
    times = alpha[begin : end + 1]
    later = (times >= 0.5 * (times[0] + times[-1])) & (mode > 0.0)
    if later.sum() < 3 or mode[later][-1] < LEAST_GROWTH * mode[later][0]:
        return None
    return _line(times[later], np.log(mode[later]))


def _line(alpha: Array, logarithm: Array) -> Escape:
    """Straight line through ln of the mode, on points evenly spaced in alpha."""
    even = np.linspace(alpha[0], alpha[-1], POINTS)
    values = np.interp(even, alpha, logarithm)
    slope, half = _slope(even, values), POINTS // 2
    scatter = values - values.mean() - slope * (even - even.mean())
    # Points between two output times are no new ones.
    noise = np.sqrt(np.sum(scatter**2) / POINTS * 12.0 / max(1, min(POINTS, alpha.size) - 2)) / np.ptp(even)
    curvature = 0.5 * (_slope(even[half:], values[half:]) - _slope(even[:half], values[:half]))
    return Escape(
        rate=slope,
        error=float(np.hypot(noise, curvature)),
        window=(float(alpha[0]), float(alpha[-1])),
        growth=float(np.exp(logarithm[-1] - logarithm[0])),
    )


def _slope(x: Array, y: Array) -> float:
    x = x - x.mean()
    return float(x @ y / (x @ x))


def _mean(fits: list[Escape]) -> Escape:
    rates = np.array([fit.rate for fit in fits])
    error = rates.std(ddof=1) / np.sqrt(len(fits)) if len(fits) > 1 else fits[0].error
    begin, end, growth = np.median([[*fit.window, fit.growth] for fit in fits], axis=0).tolist()
    return Escape(rate=float(rates.mean()), error=float(error), window=(begin, end), growth=growth)
