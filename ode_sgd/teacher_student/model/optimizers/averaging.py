"""Averages of the weights: beside SGD, and where schedule-free SGD takes its gradient."""

from dataclasses import dataclass

from ode_sgd.core import check
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import Schedule, quantity
from ode_sgd.teacher_student.model.optimizers.copies import NOTHING, Copies, Signed
from ode_sgd.teacher_student.model.optimizers.optimizer import Optimizer

RUNNING_MEAN = "running_mean"
SOON = 1e-6  # the alpha for which a running mean counts its start


@own_keywords
@dataclass(frozen=True, slots=True, repr=False)
class Averaging(Optimizer):
    """SGD of a student z, and an average x of its weights: x <- x + (rho / N) (z - x), from x = z.

    The overlaps and the error of a run are those of x, which is what one keeps; those of z are in `run.memory`.

    Parameters
    ----------
    rate : float, Schedule or "running_mean"
        rho: a number from 1e-50 to 1e50 averages over the last alpha = 1 / rho, exponentially. "running_mean" is rho =
        1 / alpha, the mean of all weights since the start. With `Schedule.power(1 / a, 1.0, a)`, rho = 1 / (alpha + a),
        the start counts as much as all of a time a.

    Examples
    --------
    >>> print(ode_sgd.optimizers.Averaging(rate=0.5), ode_sgd.optimizers.Averaging("running_mean"))
    Averaging(rate = 0.5) Averaging(rate = running_mean)
    """

    rate: float | Schedule | str

    def __post_init__(self) -> None:
        if isinstance(self.rate, str):
            self._keep(rate=check.choice("rate", self.rate, (RUNNING_MEAN,)))
        else:
            self._keep(rate=quantity("rate", self.rate))

    @property
    def copies(self) -> Copies:
        """Weights and their average."""
        rho = mean_since(SOON) if isinstance(self.rate, str) else self.rate
        return Copies(
            names=("student", "average"),
            mixing=((NOTHING, NOTHING), (Signed(rho), Signed(rho, -1.0))),
            rates=(Signed(1.0), NOTHING),
            point=(1.0, 0.0),
            deployed=1,
            start=(1.0, 1.0),
        )


@own_keywords
@dataclass(frozen=True, slots=True, repr=False)
class ScheduleFree(Optimizer):
    """z <- z - (eta / sqrt N) delta xi, x the running mean of z, with delta at J = (1 - beta) z + beta x.

    The overlaps and the error of a run are those of x, which is what one keeps.

    Parameters
    ----------
    interpolation : float
        beta, 0 <= beta <= 1: 0 is SGD with a running mean beside it, 1 takes the gradient at the mean.
    head_start : float
        a, from 1e-50 to 1e50: x <- x + (z - x) / (N (alpha + a)), so that the start counts as much as all of a time a.

    Notes
    -----
    Source: Defazio et al., arXiv:2405.15682.

    Examples
    --------
    >>> print(ode_sgd.optimizers.ScheduleFree(interpolation=0.9))
    ScheduleFree(interpolation = 0.9, head_start = 1e-06)
    """

    interpolation: float = 0.9
    head_start: float = SOON

    def __post_init__(self) -> None:
        beta = check.number("interpolation", self.interpolation, least=0.0, below=1.0 + 1e-15, allowed="0 <= beta <= 1")
        self._keep(interpolation=beta, head_start=check.size("head_start", self.head_start))

    @property
    def copies(self) -> Copies:
        """z and x."""
        rho, beta = mean_since(self.head_start), self.interpolation
        return Copies(
            names=("student", "average"),
            mixing=((NOTHING, NOTHING), (Signed(rho), Signed(rho, -1.0))),
            rates=(Signed(1.0), NOTHING),
            point=(1.0 - beta, beta),
            deployed=1,
            start=(1.0, 1.0),
        )


def mean_since(head_start: float) -> Schedule:
    """rho = 1 / (alpha + a): a mean that counts its start as much as all of a time a."""
    return Schedule.power(initial=1.0 / head_start, exponent=1.0, time=head_start)
