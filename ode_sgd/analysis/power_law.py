"""Exponents of eps_g(alpha): local ones, fitted ones, and where a power law gives way to an exponential.

docs/theory/measured.md section 10. Values at or under the resolution of eps_g are left out everywhere.
"""

from dataclasses import dataclass

import numpy as np

from ode_sgd.analysis.plateau import FEWEST_TIMES, PlateauSearch, find_plateaus
from ode_sgd.core import check
from ode_sgd.core.arrays import Array, Flags
from ode_sgd.core.errors import AnalysisError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.run import Run, check_run

CONSTANT = 0.1  # the local exponent of a power law stays within this fraction of its middle value
SHORTEST = 0.5  # decades of alpha that a window must span
STEEP_ENOUGH = 0.05  # flatter stretches are plateaus and floors, not power laws
SMOOTH = 0.3  # decades over which the local exponents of simulations are taken
DENSITY = 50  # points a decade on which curves are judged
LOST = 0.5  # flatter than this fraction of it in between, and what ends later is something else
ENDED = 2.0  # a power law is over where the local exponent is beyond this multiple of the fitted one


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLawFit:
    """eps_g = amplitude alpha^-exponent on a window of alpha.

    Attributes
    ----------
    exponent : float
        Positive where the error falls: minus the local exponent.
    error : float
        The largest difference from the exponents of the three thirds of the window (how much it drifts) and the
        standard error of the line, added in squares; over replicas the jackknife error is added too.
    window : (float, float)
        First and last alpha.
    decades : float
        log10 of their ratio.
    amplitude : float
    residual : float
        Root mean square deviation of ln eps_g from the line: 0.01 is one per cent.
    exponential_residual : float
        The same for the best exponential, ln eps_g = a - rate alpha, on the same points.
    law : str
        "power law" or "exponential", whichever deviates less.

    Examples
    --------
    >>> fit = ode_sgd.fit_power_law(ode_sgd.integrate(linear, small, 1e5))
    >>> fit.law, fit.decades > 2
    ('power law', True)
    """

    exponent: float
    error: float
    window: tuple[float, float]
    decades: float
    amplitude: float
    residual: float
    exponential_residual: float
    law: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossover:
    """The end of a power law in an exponential.

    Attributes
    ----------
    alpha : float
        After the power law, the first from which on the local exponent stays above twice the fitted one: a drop on the
        way, such as the end of a plateau, is not the end.
    exponent : float
        Of the power law before.
    rate : float
        -d ln eps_g / d alpha over the last third, in alpha, of the curve after the crossover.

    Examples
    --------
    >>> crossover = ode_sgd.find_crossover(ode_sgd.integrate(linear, small, 1e9))
    >>> round(crossover.exponent, 1)
    0.5
    """

    alpha: float
    exponent: float
    rate: float


@own_keywords
@check.underflow_is_zero
def local_exponent(trajectory: Run, width: float = 0.0) -> Array:
    """d ln eps_g / d ln alpha at the output times, (n,): negative where the error falls.

    Parameters
    ----------
    trajectory : Trajectory or other Run
        With replicas their mean is taken first.
    width : float
        Decades of alpha over which a straight line is laid at every time, >= 0; 0 takes the neighbouring output times.
        Simulations want some 0.3.

    Returns
    -------
    ndarray (n,)
        NaN at alpha = 0 and where eps_g is at or below its resolution.

    Raises
    ------
    AnalysisError
        If `trajectory` is not a Run.

    Examples
    --------
    >>> run = ode_sgd.integrate(linear, small, [0.0, *np.geomspace(10.0, 1e4, 31)])
    >>> float(ode_sgd.local_exponent(run)[11].round(1))
    -0.5
    """
    check_run("trajectory", trajectory, AnalysisError)
    width = check.number("width", width, least=0.0)
    exponents = np.full(trajectory.alpha.size, np.nan)
    usable = _usable(trajectory)
    if usable.sum() >= 3:
        x, y = np.log(trajectory.alpha[usable]), np.log(_curve(trajectory)[usable])
        exponents[usable] = np.gradient(y, x) if width == 0.0 else _running_slope(x, y, 0.5 * width * np.log(10.0))
    return exponents


@own_keywords
@check.underflow_is_zero
def fit_power_law(
    trajectory: Run,
    window: tuple[float, float] | None = None,
    *,
    after: float = 0.0,
    plateaus: PlateauSearch | None = None,
) -> PowerLawFit | None:
    """Fit eps_g = amplitude alpha^-exponent.

    Parameters
    ----------
    trajectory : Trajectory or other Run
        ODE or simulation; with replicas their mean is fitted.
    window : (float, float) or None
        First and last alpha. None takes the longest stretch, in decades of alpha and of at least half of one, on which
        the local exponent stays within 10 % of the middle of its range and is steeper than 0.05; after the last plateau
        if there is one. Exponents of simulations are those of lines over 0.3 decades.
    after : float
        Where no window is given, the alpha before which none is looked for, >= 0: what precedes the half-height time
        (`half_height`) is the descent to the saddle, whose exponent is no law of learning.
    plateaus : PlateauSearch or None
        What `find_plateaus` gives; None searches.

    Returns
    -------
    PowerLawFit or None
        None if there is no such stretch. A given window is always fitted; `law` then says which law is nearer.

    Raises
    ------
    AnalysisError
        If `trajectory` is not a Run, or a given window is not one of increasing positive alpha with at least four
        output times at which eps_g is above its resolution.

    Notes
    -----
    All points, 50 a decade and evenly spaced in ln alpha, weigh alike. For a curve without noise the deviation from the
    law is systematic; that is why the error is taken from the thirds of the window.

    Examples
    --------
    >>> fit = ode_sgd.fit_power_law(ode_sgd.integrate(linear, small, 1e5))
    >>> round(fit.exponent, 1)
    0.5
    """
    check_run("trajectory", trajectory, AnalysisError)
    usable = _usable(trajectory)
    after = check.number("after", after, least=0.0)
    given = window is not None
    if window is None:
        begin = max(after, _last_plateau_end(trajectory, plateaus))
        window = _constant_window(trajectory, usable & (trajectory.alpha > begin))
        if window is None:
            return None
    low, high = _checked_window(window)
    inside = usable & (trajectory.alpha >= low * (1 - 1e-12)) & (trajectory.alpha <= high * (1 + 1e-12))
    if inside.sum() < 4:
        if not given:
            return None
        raise AnalysisError(
            f"window = ({low:g}, {high:g}) holds {int(inside.sum())} output times with "
            f"{trajectory.words().error_symbol} above its resolution "
            f"({trajectory.resolution:.1e}); it needs at least 4: widen it, or give more output times"
        )
    return _fit(trajectory, inside)


@own_keywords
@check.underflow_is_zero
def find_crossover(trajectory: Run, fit: PowerLawFit | None = None) -> Crossover | None:
    """Where a power law ends in an exponential.

    Parameters
    ----------
    trajectory : Trajectory or other Run
    fit : PowerLawFit or None
        The power law; None takes that of `fit_power_law(trajectory)`.

    Returns
    -------
    Crossover or None
        None if there is no power law, or it has not ended in an exponential by the last alpha (the last third of the
        curve after the crossover must be nearer to an exponential than to a power law).

    Raises
    ------
    AnalysisError
        If `trajectory` is not a Run.

    Examples
    --------
    >>> crossover = ode_sgd.find_crossover(ode_sgd.integrate(linear, small, 1e9))
    >>> 1e4 < crossover.alpha < 1e5
    True
    """
    if fit is not None:
        check.instance("fit", fit, PowerLawFit, AnalysisError)
    fit = fit or fit_power_law(trajectory)
    if fit is None:
        return None
    usable = _usable(trajectory)
    width = 0.0 if not trajectory.is_simulation else SMOOTH
    alpha, exponents = trajectory.alpha[usable], -local_exponent(trajectory, width)[usable]
    going_on = np.flatnonzero((alpha <= fit.window[1]) | ~(exponents > ENDED * fit.exponent))
    first = int(going_on[-1]) + 1 if going_on.size else 0
    between = (alpha > fit.window[1]) & (alpha < alpha[min(first, alpha.size - 1)])
    if first == alpha.size or (exponents[between] < LOST * fit.exponent).any():
        return None
    crossing, last = alpha[first], alpha[-1]
    tail = (trajectory.alpha >= last - (last - crossing) / 3.0) & usable
    if tail.sum() < 4:
        return None
    end = _fit(trajectory, tail)
    if end.law != "exponential":
        return None
    times, curve = trajectory.alpha[tail], np.log(_curve(trajectory)[tail])
    rate = -(curve[-1] - curve[0]) / (times[-1] - times[0])
    return Crossover(alpha=float(crossing), exponent=fit.exponent, rate=float(rate))


def _curve(trajectory: Run) -> Array:
    errors = trajectory.error
    return errors if trajectory.replicas is None else np.asarray(errors.mean(axis=0))


def _usable(trajectory: Run) -> Flags:
    return np.asarray((trajectory.alpha > 0.0) & (_curve(trajectory) > trajectory.resolution))


def _running_slope(x: Array, y: Array, half: float) -> Array:
    """Slope of the straight line through all points within `half` of each, at least through its neighbours."""
    slopes = np.empty(x.size)
    for n in range(x.size):
        near = np.abs(x - x[n]) <= half
        near[max(0, n - 1) : n + 2] = True
        slopes[n] = _line(x[near], y[near])[0]
    return slopes


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Slope and intercept of the least-squares line."""
    middle = x.mean()
    slope = float((x - middle) @ y / ((x - middle) @ (x - middle)))
    return slope, float(y.mean()) - slope * float(middle)


def _even(trajectory: Run, inside: Flags, curve: Array) -> tuple[Array, Array]:
    """ln alpha and ln eps_g on points evenly spaced in ln alpha, between output times interpolated."""
    x = np.log(trajectory.alpha[inside])
    points = np.linspace(x[0], x[-1], max(4, int(DENSITY * np.ptp(x) / np.log(10.0)) + 1))
    return points, np.interp(points, x, np.log(curve[inside]))


def _last_plateau_end(trajectory: Run, plateaus: PlateauSearch | None) -> float:
    """What falls towards a plateau is no asymptotic law; 0 without one."""
    if not trajectory.can_have_plateaus or trajectory.alpha.size < FEWEST_TIMES:
        return 0.0
    return max((plateau.end for plateau in (plateaus or find_plateaus(trajectory)).plateaus), default=0.0)


def _constant_window(trajectory: Run, usable: Flags) -> tuple[float, float] | None:
    """The longest stretch of nearly constant local exponent, in one sweep with two ends."""
    if usable.sum() < 4:
        return None
    x, y = _even(trajectory, usable, np.where(usable, _curve(trajectory), 1.0))
    slopes = np.gradient(y, x) if not trajectory.is_simulation else _running_slope(x, y, 0.5 * SMOOTH * np.log(10.0))
    best, begin = (0, 0), 0
    for end in range(x.size):
        while begin <= end and not _constant(slopes[begin : end + 1]):
            begin += 1
        if end - begin > best[1] - best[0]:
            best = begin, end
    if x[best[1]] - x[best[0]] < SHORTEST * np.log(10.0):
        return None
    return float(np.exp(x[best[0]])), float(np.exp(x[best[1]]))


def _constant(slopes: Array) -> bool:
    low, high = float(slopes.min()), float(slopes.max())
    return high < -STEEP_ENOUGH and (high - low) <= CONSTANT * abs(high + low)


def _checked_window(window: tuple[float, float]) -> tuple[float, float]:
    ends = check.array("window", window, "(2,)", 1, AnalysisError)
    if ends.size != 2 or not 0.0 < ends[0] < ends[1]:
        raise AnalysisError(f"window = {window!r}; give two increasing times > 0, the first and the last")
    return float(ends[0]), float(ends[1])


def _fit(trajectory: Run, inside: Flags) -> PowerLawFit:
    x, y = _even(trajectory, inside, _curve(trajectory))
    slope, intercept = _line(x, y)
    rate, constant = _line(np.exp(x), y)
    residual = _rms(y - intercept - slope * x)
    exponential = _rms(y - constant - rate * np.exp(x))
    thirds = np.array_split(np.arange(x.size), min(3, x.size // 2))
    with np.errstate(over="ignore"):  # a steep piece far out: its line may meet alpha = 1 beyond all numbers
        amplitude = float(np.exp(intercept))
    drift = max(abs(_line(x[part], y[part])[0] - slope) for part in thirds)
    scatter = residual * np.sqrt(12.0 / max(1, int(inside.sum()) - 2)) / float(np.ptp(x))
    return PowerLawFit(
        exponent=-slope,
        error=float(np.sqrt(drift**2 + scatter**2 + _jackknife(trajectory, inside))),
        window=(float(np.exp(x[0])), float(np.exp(x[-1]))),
        decades=float(np.ptp(x)) / float(np.log(10.0)),
        amplitude=amplitude,
        residual=residual,
        exponential_residual=exponential,
        law="power law" if residual <= exponential else "exponential",
    )


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _jackknife(trajectory: Run, inside: Flags) -> float:
    """Variance of the slope over replicas; 0 without them."""
    count = trajectory.replicas or 1
    if count < 2:
        return 0.0
    errors = trajectory.error
    without = (errors.sum(axis=0) - errors) / (count - 1)
    slopes = np.array([_line(*_even(trajectory, inside, curve))[0] for curve in without])
    return float((count - 1) / count * np.sum((slopes - slopes.mean()) ** 2))
