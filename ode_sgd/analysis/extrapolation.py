"""From simulations at several N to N -> infinity: is what is left of the deviation from the ODE nothing?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from ode_sgd.analysis.quantities import (
    FALSE_ALARM,
    RMS_LIMIT,
    SAME_START,
    Deviation,
    common_times,
    largest_start,
    starts_apart,
)
from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import ComparisonError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.run import Run, Wording

FEWEST_REPLICAS = 8
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Extrapolation:
    """Deviations d(N) of the simulations' means from the ODE, fitted by d = limit + slope / N at every time.

    Attributes
    ----------
    alpha : (n,)
        Times, of the largest N; the common start is left out.
    dimensions : (s,)
        The N, increasing.
    limit, error, slope : dict
        Name (as in `Agreement.z`) -> (n,), the deviation left at N -> infinity, its standard error, and N times the
        deviation at finite N; all in the quantity's own units.
    z : dict
        limit / error.
    rms : float
        Root mean square of all z; about sqrt((replicas - 1) / (replicas - 3)) where the ODE is the limit.
    worst : Deviation
    worst_allowed : float
        What the largest of so many |z| stays below with probability 0.999 (Student's t of the fewest replicas,
        Bonferroni).
    agrees : bool
        rms <= 2 and worst within worst_allowed.
    chi_square : float or None
        Mean squared residual of the fits in standard errors, per degree of freedom: about 1 where deviations fall
        as 1/N; None with two N, which a line always fits.
    wording : Wording
        How to speak of runs of this model.

    Examples
    --------
    >>> grid = [0.0, 1.0, 2.0]
    >>> runs = [ode_sgd.simulate(problem, start, grid, dimension=N, replicas=16, seed=N) for N in (100, 200, 400)]
    >>> ode_sgd.compare(ode_sgd.integrate(problem, start, grid), runs).extrapolation.dimensions
    (100, 200, 400)
    """

    alpha: Array
    dimensions: tuple[int, ...]
    limit: dict[str, Array]
    error: dict[str, Array]
    slope: dict[str, Array]
    z: dict[str, Array]
    rms: float
    worst: Deviation
    worst_allowed: float
    chi_square: float | None
    wording: Wording = Run.wording

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)

    @property
    def agrees(self) -> bool:
        return self.rms <= RMS_LIMIT and abs(self.worst.z) <= self.worst_allowed

    @property
    def verdict(self) -> str:
        """The result in words."""
        text = (
            f"extrapolated to N -> infinity from N = {', '.join(map(str, self.dimensions))} they "
            f"{'agree' if self.agrees else 'DISAGREE'}: rms z = {self.rms:.2f}, "
            f"worst {self.worst.z:+.2f} ({self.worst.quantity} at {self.wording.time_symbol} = {self.worst.alpha:.4g}; "
            f"allowed {self.worst_allowed:.2f})"
        )
        return text if self.chi_square is None else f"{text}; chi^2 of the 1/N law {self.chi_square:.2f} per degree"


@own_keywords
@check.underflow_is_zero
def extrapolate(pairs: Sequence[tuple[Run, Run]]) -> Extrapolation:
    """Fit limit + slope / N to simulations at different N, each beside an ODE that holds its times.

    Parameters
    ----------
    pairs : sequence of (ode, sgd)
        Of one problem and start, at two or more different N, on the same times up to the rounding to whole steps; at
        least 8 replicas each, for the standard errors weigh the fit.

    Raises
    ------
    ComparisonError
        For pairs that `compare` would refuse, different problems or starts, fewer than two different N or 8 replicas,
        or times that are not the same.

    Examples
    --------
    >>> grid = [0.0, 1.0, 2.0]
    >>> runs = [ode_sgd.simulate(problem, start, grid, dimension=N, replicas=16, seed=N) for N in (100, 200, 400)]
    >>> ode_sgd.extrapolate([(ode_sgd.integrate(problem, start, grid), run) for run in runs]).agrees
    True
    """
    pairs = _checked(pairs)
    dimensions = [sgd.dimension or 0 for _, sgd in pairs]
    if len(set(dimensions)) < 2 or len(set(dimensions)) < len(dimensions):
        raise ComparisonError(f"N = {dimensions}: an extrapolation needs two or more simulations, each at its own N")
    last = pairs[-1][1].alpha
    for _, sgd in pairs:
        if sgd.alpha.size != last.size or np.abs(sgd.alpha - last).max() > 2.0 / dimensions[0]:
            raise ComparisonError(
                f"N = {sgd.dimension}: {sgd.alpha.size} times up to {sgd.words().time_symbol} = {sgd.alpha[-1]:.6g}; "
                f"N = {dimensions[-1]}: {last.size} up to {last[-1]:.6g}; "
                f"give all the same times, multiples of 1/{dimensions[0]}"
            )
    return _fit(pairs, np.array(dimensions, float))


def _checked(pairs: Sequence[tuple[Run, Run]]) -> list[tuple[Run, Run]]:
    """In the order of N, all of one problem and start."""
    check.sequence("pairs", pairs, ComparisonError)
    for number, pair in enumerate(pairs):
        if not (isinstance(pair, tuple) and len(pair) == 2):
            raise ComparisonError(f"pairs[{number}] is a {type(pair).__name__}; give (ode, sgd)")
        common_times(*pair)
    first = pairs[0][0] if pairs else None
    for number, (ode, sgd) in enumerate(pairs):
        assert first is not None
        if ode.problem.identity != first.problem.identity:
            raise ComparisonError(f"pairs[{number}] is of another problem than pairs[0]; only N may differ")
        if starts_apart(ode, first) > SAME_START:
            words = sgd.words()
            raise ComparisonError(f"pairs[{number}] has another start than pairs[0]; give all the same {words.start}")
        if (sgd.replicas or 0) < FEWEST_REPLICAS:
            raise ComparisonError(
                f"N = {sgd.dimension}: {sgd.replicas} replicas; an extrapolation needs {FEWEST_REPLICAS} or more"
            )
    return sorted(pairs, key=lambda pair: pair[1].dimension or 0)


def _fit(pairs: Sequence[tuple[Run, Run]], N: Array) -> Extrapolation:
    """Weighted least squares at every time, for every quantity."""
    rows = [np.searchsorted(ode.alpha, sgd.alpha) for ode, sgd in pairs]
    odes = [ode.compared() for ode, _ in pairs]
    means = [sgd.mean().compared() for _, sgd in pairs]
    errors = [sgd.standard_error().compared() for _, sgd in pairs]
    limit, error_of, slope, residuals = {}, {}, {}, []
    size = largest_start(pairs[0][0])  # what vanishes is known to rounding of the others
    for name in [name for name in odes[0] if all(name in mean for mean in means)]:
        theory = np.array([ode[name][row] for ode, row in zip(odes, rows, strict=True)])
        deviation = np.array([mean[name] for mean in means]) - theory
        scale = np.array([error[name] for error in errors])[:, 1:]
        x, d = 1.0 / N[:, None], deviation[:, 1:]
        # What does not fluctuate is known to rounding, not exactly.
        weight = 1.0 / np.maximum(scale, ROUNDING * max(float(np.abs(theory).max()), size)) ** 2
        total, middle = weight.sum(axis=0), (weight * x).sum(axis=0) / weight.sum(axis=0)
        width = (weight * (x - middle) ** 2).sum(axis=0)
        rise = (weight * (x - middle) * d).sum(axis=0) / width
        constant = (weight * d).sum(axis=0) / total - rise * middle
        limit[name], slope[name], error_of[name] = constant, rise, np.sqrt(1.0 / total + middle**2 / width)
        residuals.append(((d - constant - rise * x) ** 2 * weight).sum(axis=0))
    z = {name: np.divide(limit[name], error_of[name]) for name in limit}
    scores = np.array(list(z.values()))
    row, time = np.unravel_index(np.argmax(np.abs(scores)), scores.shape)
    alpha, fewest = pairs[-1][1].alpha[1:], min(sgd.replicas or 0 for _, sgd in pairs)
    return Extrapolation(
        alpha=alpha,
        dimensions=tuple(int(n) for n in N),
        limit=limit,
        error=error_of,
        slope=slope,
        z=z,
        rms=float(np.sqrt(np.mean(scores**2))),
        worst=Deviation(list(z)[row], float(alpha[time]), float(scores[row, time])),
        worst_allowed=-float(stdtrit(fewest - 1, FALSE_ALARM / 2.0 / scores.size)),
        chi_square=float(np.mean(residuals)) / (N.size - 2) if N.size > 2 else None,
        wording=pairs[0][0].words(),
    )
