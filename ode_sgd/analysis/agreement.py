"""Do theory and simulation lie on top of each other? z-scores of the replica mean against the ODE."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit  # the quantile of Student's t, without the second that scipy.stats takes to load

from ode_sgd.analysis.extrapolation import Extrapolation, extrapolate
from ode_sgd.analysis.quantities import FALSE_ALARM, RMS_LIMIT, Deviation, common_times, quantities
from ode_sgd.analysis.specialisation import field_correlation, followed_teacher
from ode_sgd.model.check import Array
from ode_sgd.solvers.trajectory import Trajectory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Agreement:
    """z-scores of a simulation against the ODE and what they amount to.

    Attributes
    ----------
    alpha : (n,)
        Times compared; the common start is left out.
    z : dict
        Name, such as "generalization_error", "Q_11" or "R_12" (units counted from 1), -> z-scores (n,), dimensionless.
    rms : float
        Root mean square of all z. Exact agreement gives about sqrt((replicas - 1) / (replicas - 3)).
    rms_by_quantity : dict
        The same for "generalization_error", "Q" and "R".
    worst : Deviation
        The largest |z|.
    worst_allowed : float
        What the largest of so many |z| stays below with probability 0.999 (Student's t, Bonferroni).
    bias_allowance : dict
        Name -> the bias allowed for, in the quantity's own units: its largest modulus along the ODE, over
        `effective_dimension`.
    effective_dimension : float
        N mu_1^2 / mu_2, the number of directions that the inputs fill: N for isotropic ones.
    largest : dict
        Name -> the largest |replica mean - ODE|, in the quantity's own units, and the alpha at which it is.
    otherwise_paired : int
        Replicas that at the end pair students and teachers in another way than the ODE.
    extrapolation : Extrapolation or None
        What is left of the deviations at N -> infinity, where simulations at several N were given; all else is about
        the largest N.
    agrees : bool
        rms <= 2 and worst within worst_allowed; with several N also the extrapolation.
    """

    alpha: Array
    z: dict[str, Array]
    rms: float
    rms_by_quantity: dict[str, float]
    worst: Deviation
    worst_allowed: float
    bias_allowance: dict[str, float]
    effective_dimension: float
    largest: dict[str, tuple[float, float]]
    otherwise_paired: int
    replicas: int
    dimension: int
    agrees: bool
    extrapolation: Extrapolation | None = None

    @property
    def verdict(self) -> str:
        """The result in words."""
        text = (
            f"ODE and SGD {'agree' if self.agrees else 'DISAGREE'}: "
            f"rms z = {self.rms:.2f} over {len(self.z)} quantities at {self.alpha.size} times, worst "
            f"{self.worst.z:+.2f} ({self.worst.quantity} at alpha = {self.worst.alpha:.4g}; allowed "
            f"{self.worst_allowed:.2f}), {self.replicas} replicas at N = {self.dimension}, a bias of up to 1/"
            f"{self.effective_dimension:.4g} of each quantity's scale allowed for"
        )
        if self.otherwise_paired:
            text += (
                f"; {self.otherwise_paired} of {self.replicas} replicas paired students and teachers otherwise than "
                "the ODE, so their mean mixes two outcomes: draw a start further from symmetric, at a smaller dimension"
            )
        return text if self.extrapolation is None else f"{text}\n{self.extrapolation.verdict}"


def compare(ode: Trajectory, sgd: Trajectory | Sequence[Trajectory]) -> Agreement:
    """Compare a simulation with the ODE of the same problem, started from the same overlaps.

    Parameters
    ----------
    ode : Trajectory
        From `integrate`; its alpha contain every alpha of the simulation.
    sgd : Trajectory, or a sequence of them at different N
        From `simulate` with a common start and at least 4 replicas. Several are also extrapolated to N -> infinity.

    Returns
    -------
    Agreement
        z = (replica mean - ODE) / sqrt(standard error^2 + bias^2) for eps_g and all distinct entries of Q and R of
        order one. SGD at finite N differs from its limit by O(1/N) also in the mean (steps are finite, fluctuations
        feed back through the curvature of the drift). What counts is the number of directions that the inputs fill,
        N mu_1^2 / mu_2: `bias` is the quantity's largest modulus over it.

    Raises
    ------
    ComparisonError
        If the two are not of the same problem, start or times; it says how to get that.
    """
    if isinstance(sgd, Trajectory) or not isinstance(sgd, Sequence):
        return _compare(ode, sgd)
    return compare_pairs([(ode, single) for single in sgd])


def compare_pairs(pairs: Sequence[tuple[Trajectory, Trajectory]]) -> Agreement:
    """As `compare` with simulations at several N, each beside an ODE of its own that holds its times."""
    extrapolation = extrapolate(pairs)
    agreement = _compare(*max(pairs, key=lambda pair: pair[1].dimension or 0))
    return replace(agreement, extrapolation=extrapolation, agrees=agreement.agrees and extrapolation.agrees)


def _compare(ode: Trajectory, sgd: Trajectory) -> Agreement:
    """Of one simulation."""
    rows = common_times(ode, sgd)
    mean, error = sgd.mean(), sgd.standard_error()
    assert sgd.dimension is not None
    effective = sgd.dimension * ode.problem.spectrum.moment(1) ** 2 / ode.problem.spectrum.moment(2)
    z: dict[str, Array] = {}
    allowance: dict[str, float] = {}
    largest: dict[str, tuple[float, float]] = {}
    for pick in quantities(ode):
        name, theory = pick.name, pick(ode)
        bias = float(np.abs(theory).max()) / effective
        deviation = pick(mean) - theory[rows]
        scale = np.sqrt(pick(error) ** 2 + bias**2)
        # Where both vanish (a quantity that is zero for good) any deviation is infinitely many standard errors.
        with np.errstate(divide="ignore", invalid="ignore"):
            z[name] = np.where(deviation == 0.0, 0.0, deviation / scale)[1:]
        allowance[name] = bias
        worst = int(np.argmax(np.abs(deviation)))
        largest[name] = float(abs(deviation[worst])), float(sgd.alpha[worst])
    theirs = followed_teacher(field_correlation(sgd.Q[:, -1], sgd.R[:, -1], sgd.T))
    own = followed_teacher(field_correlation(ode.Q[rows[-1]], ode.R[rows[-1]], ode.T))
    otherwise = ((theirs != own) & (theirs >= 0) & (own >= 0)).any(axis=-1)
    return _judge(sgd, z, allowance, largest, effective, int(otherwise.sum()))


def _judge(
    sgd: Trajectory,
    z: dict[str, Array],
    allowance: dict[str, float],
    largest: dict[str, tuple[float, float]],
    effective: float,
    otherwise_paired: int,
) -> Agreement:
    scores = np.array(list(z.values()))
    name, time = np.unravel_index(np.argmax(np.abs(scores)), scores.shape)
    groups = {"generalization_error": ["generalization_error"]}
    groups |= {letter: [key for key in z if key.startswith(f"{letter}_")] for letter in "QR"}
    replicas = sgd.replicas or 0
    allowed = -float(stdtrit(replicas - 1, FALSE_ALARM / 2.0 / scores.size))
    rms = float(np.sqrt(np.mean(scores**2)))
    worst = Deviation(list(z)[name], float(sgd.alpha[1:][time]), float(scores[name, time]))
    return Agreement(
        alpha=sgd.alpha[1:],
        z=z,
        rms=rms,
        rms_by_quantity={
            group: float(np.sqrt(np.mean([z[key] ** 2 for key in keys]))) for group, keys in groups.items()
        },
        worst=worst,
        worst_allowed=allowed,
        bias_allowance=allowance,
        effective_dimension=effective,
        largest=largest,
        otherwise_paired=otherwise_paired,
        replicas=replicas,
        dimension=sgd.dimension or 0,
        agrees=rms <= RMS_LIMIT and abs(worst.z) <= allowed,
    )
