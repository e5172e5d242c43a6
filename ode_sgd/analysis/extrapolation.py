"""From simulations at several N to N -> infinity: is what is left of the deviation from the ODE nothing?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ode_sgd.analysis.quantities import Deviation, quantities
from ode_sgd.model.check import Array
from ode_sgd.model.errors import ComparisonError
from ode_sgd.solvers.trajectory import Trajectory


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
        Root mean square of all z; about 1 where the ODE is the limit and the law is 1/N.
    worst : Deviation
    chi_square : float or None
        Mean squared residual of the fits in standard errors, per degree of freedom: about 1 where deviations fall
        as 1/N; None with two N, which a line always fits.
    """

    alpha: Array
    dimensions: tuple[int, ...]
    limit: dict[str, Array]
    error: dict[str, Array]
    slope: dict[str, Array]
    z: dict[str, Array]
    rms: float
    worst: Deviation
    chi_square: float | None

    @property
    def verdict(self) -> str:
        """The result in words."""
        text = (
            f"extrapolated to N -> infinity from N = {', '.join(map(str, self.dimensions))}: rms z = {self.rms:.2f}, "
            f"worst {self.worst.z:+.2f} ({self.worst.quantity} at alpha = {self.worst.alpha:.4g})"
        )
        return text if self.chi_square is None else f"{text}; chi^2 of the 1/N law {self.chi_square:.2f} per degree"


def extrapolate(pairs: Sequence[tuple[Trajectory, Trajectory]]) -> Extrapolation:
    """Fit limit + slope / N to simulations at different N, each beside an ODE that holds its times.

    Parameters
    ----------
    pairs : sequence of (ode, sgd)
        Of one problem and start, at two or more different N, on the same times up to the rounding to whole steps.

    Raises
    ------
    ComparisonError
        For fewer than two different N, or times that are not the same.
    """
    pairs = sorted(pairs, key=lambda pair: pair[1].dimension or 0)
    dimensions = [sgd.dimension or 0 for _, sgd in pairs]
    if len(set(dimensions)) < 2 or len(set(dimensions)) < len(dimensions):
        raise ComparisonError(f"N = {dimensions}: an extrapolation needs two or more simulations, each at its own N")
    last = pairs[-1][1].alpha
    for _, sgd in pairs:
        if sgd.alpha.size != last.size or np.abs(sgd.alpha - last).max() > 2.0 / dimensions[0]:
            raise ComparisonError(
                f"N = {sgd.dimension}: {sgd.alpha.size} times up to alpha = {sgd.alpha[-1]:.6g}; N = {dimensions[-1]}: "
                f"{last.size} up to {last[-1]:.6g}; give all the same times, multiples of 1/{dimensions[0]}"
            )
    return _fit(pairs, np.array(dimensions, float))


def _fit(pairs: Sequence[tuple[Trajectory, Trajectory]], N: Array) -> Extrapolation:
    """Weighted least squares at every time, for every quantity."""
    rows = [np.searchsorted(ode.alpha, sgd.alpha) for ode, sgd in pairs]
    means = [sgd.mean() for _, sgd in pairs]
    errors = [sgd.standard_error() for _, sgd in pairs]
    limit, error_of, slope, residuals = {}, {}, {}, []
    for quantity in quantities(pairs[0][0]):
        theory = np.array([quantity(ode)[row] for (ode, _), row in zip(pairs, rows, strict=True)])
        deviation = np.array([quantity(mean) for mean in means]) - theory
        scale = np.array([quantity(error) for error in errors])[:, 1:]
        x, d = 1.0 / N[:, None], deviation[:, 1:]
        weight = 1.0 / np.maximum(scale, np.finfo(float).tiny ** 0.25) ** 2
        total, middle = weight.sum(axis=0), (weight * x).sum(axis=0) / weight.sum(axis=0)
        width = (weight * (x - middle) ** 2).sum(axis=0)
        rise = (weight * (x - middle) * d).sum(axis=0) / width
        constant = (weight * d).sum(axis=0) / total - rise * middle
        name = quantity.name
        limit[name], slope[name], error_of[name] = constant, rise, np.sqrt(1.0 / total + middle**2 / width)
        residuals.append(((d - constant - rise * x) ** 2 * weight).sum(axis=0))
    z = {name: np.divide(limit[name], error_of[name]) for name in limit}
    scores = np.array(list(z.values()))
    row, time = np.unravel_index(np.argmax(np.abs(scores)), scores.shape)
    alpha = pairs[-1][1].alpha[1:]
    return Extrapolation(
        alpha=alpha,
        dimensions=tuple(int(n) for n in N),
        limit=limit,
        error=error_of,
        slope=slope,
        z=z,
        rms=float(np.sqrt(np.mean(scores**2))),
        worst=Deviation(list(z)[row], float(alpha[time]), float(scores[row, time])),
        chi_square=float(np.mean(residuals)) / (N.size - 2) if N.size > 2 else None,
    )
