"""Do theory and simulation lie on top of each other? z-scores of the replica mean against the ODE."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import stdtrit  # the quantile of Student's t, without the second that scipy.stats takes to load

from ode_sgd.analysis.advice import what_would_tell
from ode_sgd.analysis.evidence import MIXED, Evidence, weigh
from ode_sgd.analysis.extrapolation import Extrapolation, extrapolate
from ode_sgd.analysis.quantities import (
    AGREE,
    DISAGREE,
    FALSE_ALARM,
    RMS_LIMIT,
    UNDECIDED,
    Deviation,
    common_times,
    group_of,
)
from ode_sgd.core import check, frozen, notebook
from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.errors import ComparisonError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.run import Run, Wording


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
        The same for the error and for all components of an observable: "generalization_error", "Q" and "R".
    worst : Deviation
        The largest |z|.
    worst_allowed : float
        What the largest of so many |z| stays below with probability 0.999 (Student's t, Bonferroni).
    bias_allowance : dict
        Name -> the largest bias allowed for, in the quantity's own units: its largest modulus along the ODE, over
        `effective_dimension`; of models whose bias is relative, the largest of what is allowed for at each time.
    effective_dimension : float
        Of the simulation: `Spectrum.effective_dimension` at its N, which is N for isotropic inputs and less for steep
        spectra; of models whose bias is relative, one over the largest part that is allowed for.
    bias_is_relative : bool
        Whether the bias allowed for is a part of the quantity at each time, `Run.relative_bias`.
    exact : bool
        Whether the simulation was held against the exact mean at its own N, so that no bias is allowed for: linear
        networks, where the start of every sector is known; eps_g also against its exact standard error.
    corrected : bool
        Whether it was held against the ODE with bias and variance of order 1/N, from `fluctuations`.
    largest : dict
        Name -> the largest |replica mean - ODE|, in the quantity's own units, and the alpha at which it is.
    otherwise_paired : int
        Replicas that end in another outcome than the ODE: that pair students and teachers in another way.
    extrapolation : Extrapolation or None
        What is left of the deviations at N -> infinity, where simulations at several N were given; all else is about
        the largest N.
    ratio, ratio_error, ratio_alpha : float
        The ratio of eps_g, SGD mean over ODE, that is furthest from 1 (in its logarithm), its standard error, and the
        alpha at which it is; NaN where eps_g is nowhere above its resolution. A bound, without an error (NaN), where
        the mean or the ODE is below its resolution and the other is not.
    evidence : Evidence
        How far eps_g deviates beyond chance and what is allowed for, and when: the times that decide.
    wording : Wording
        How to speak of runs of this model.
    inputs_fix_dimension : bool
        Whether the simulation's inputs are given data, so that no other N can be had.
    caution : str
        Why the simulation need not be near its limit, where that is known of it.
    outcome : str
        "disagree": rms > 2 or worst beyond worst_allowed; with several N also where the extrapolation disagrees.
        "undecided": not so, but eps_g by itself deviates by more than chance and the bias allowed for, which counts
        only at times at which it is at most a quarter of eps_g; or what chance hides (`Evidence.hidden`) exceeds a
        quarter of it at the last time or over more than half of ln(alpha); or more than 5 % of the replicas are
        otherwise paired and it is not eps_g that disagrees. "agree": everything else.

    Examples
    --------
    >>> agreement = ode_sgd.compare(ode, sgd)
    >>> agreement.rms < 2.0, agreement.replicas, sorted(agreement.rms_by_quantity)
    (True, 8, ['Q', 'R', 'generalization_error'])
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
    method: str
    evidence: Evidence
    outcome: str
    extrapolation: Extrapolation | None = None
    wording: Wording = Run.wording
    inputs_fix_dimension: bool = False
    caution: str = ""
    bias_is_relative: bool = False
    exact: bool = False
    corrected: bool = False

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)

    def __repr__(self) -> str:
        over = f"{len(self.z)} quantities at {self.alpha.size} times"
        of = f"N = {self.dimension}, {self.replicas} replicas"
        return f"Agreement({self.outcome}: rms z = {self.rms:.2f} over {over}; {of})"

    def _repr_html_(self) -> str:
        return notebook.html(self)

    @property
    def agrees(self) -> bool:
        """Whether the outcome is "agree"."""
        return self.outcome == AGREE

    @property
    def ratio(self) -> float:
        return self.evidence.largest.value

    @property
    def ratio_error(self) -> float:
        return self.evidence.largest.error

    @property
    def ratio_alpha(self) -> float:
        return self.evidence.largest.alpha

    @property
    def mixed(self) -> bool:
        """Whether the mean over replicas is one over two outcomes."""
        return self.otherwise_paired > MIXED * self.replicas

    @property
    def verdict(self) -> str:
        """The result in words."""
        unclear = self.mixed and self.outcome == UNDECIDED
        text = (
            f"{self._unclear() if unclear else self._words()}: "
            f"rms z = {self.rms:.2f} over {len(self.z)} quantities at {self.alpha.size} times, worst "
            f"{self.worst.z:+.2f} ({self.worst.quantity} at {self.wording.time_symbol} = {self.worst.alpha:.4g}; "
            f"allowed {self.worst_allowed:.2f}), {self.replicas} replicas{self._bias()}; largest error ratio "
            f"{self.wording.simulation}/{self.wording.theory} "
            f"{self.evidence.largest} at {self.wording.time_symbol} = {self.ratio_alpha:.4g}"
        )
        if self.outcome == UNDECIDED:
            text += what_would_tell(
                self.evidence,
                dimension=self.dimension,
                replicas=self.replicas,
                scores=len(self.z) * self.alpha.size,
                sampled=self.inputs_fix_dimension,
            )
        if self.otherwise_paired and not unclear:
            text += (
                f"; {self.otherwise_paired} of {self.replicas} replicas {self.wording.otherwise} the "
                f"{self.wording.theory}, so their mean mixes two outcomes"
            )
        if self.mixed:
            text += f"; {self.wording.remedy}"
        if self.caution:
            text += f"; {self.caution}"
        return text if self.extrapolation is None else f"{text}\n{self.extrapolation.verdict}"

    def _words(self) -> str:
        return WORDS[self.outcome].format(f"{self.wording.theory} and {self.wording.simulation}")

    def _bias(self) -> str:
        if not self.dimension:
            return ""
        if self.exact:
            return f" against the exact mean at N = {self.dimension}"
        if self.corrected:
            return f" against the ODE with its bias and variance of order 1/N, at N = {self.dimension}"
        if self.effective_dimension == np.inf:  # theory of the model is exact at any N
            return f" at N = {self.dimension}"
        told = "each quantity's scale"
        if self.bias_is_relative:
            told = f"the {self.wording.error_symbol}" if len(self.z) == 1 else "each quantity"
        return f" at N = {self.dimension}, a bias of up to 1/{self.effective_dimension:.4g} of {told} allowed for"

    def _unclear(self) -> str:
        words = self.wording
        return (
            f"UNDECIDED: {words.differ}, so their mean cannot be compared with the {words.theory} "
            f"({self.otherwise_paired} of {self.replicas} replicas {words.briefly} the {words.theory})"
        )


ROUNDING = 1e-12  # of a quantity's largest value: deviations below say nothing where no bias is allowed for

WORDS = {
    AGREE: "{} agree",
    DISAGREE: "{} DISAGREE",
    UNDECIDED: "UNDECIDED: too loose to tell whether {} agree",
}


@own_keywords
@check.underflow_is_zero
def compare(ode: Run, sgd: Run | Sequence[Run], *, fluctuations: Any = None) -> Agreement:
    """Compare a simulation with the ODE of the same problem, started from the same overlaps.

    Parameters
    ----------
    ode : Trajectory or other Run
        From `integrate`; its alpha contain every alpha of the simulation.
    sgd : Trajectory or other Run, or a sequence of them at different N
        From `simulate` with a common start and at least 4 replicas. Several are also extrapolated to N -> infinity.
    fluctuations : Fluctuations or None
        From `fluctuations`, at the simulation's times: in place of an allowance the bias of order 1/N is added to the
        ODE, and z has the standard error that follows from the variance.

    Returns
    -------
    Agreement
        z = (replica mean - ODE) / sqrt(standard error^2 + bias^2) for eps_g and all distinct entries of Q and R of
        order one. SGD at finite N differs from its limit by O(1/N) also in the mean (steps are finite, fluctuations
        feed back through the curvature of the drift). What counts is the number of directions that the inputs fill,
        N mu_1^2 / mu_2: `bias` is the quantity's largest modulus over it. Linear networks have no bias: they are held
        against the exact mean at that N, where the start of every sector is known (three eigenvalues at most, or runs
        with sectors=True). Theory of scaling laws is off by a part of
        the loss at each time, so `bias` is that part of it there, `Run.relative_bias`.

    Raises
    ------
    ComparisonError
        If the two are not of the same problem, start or times; it says how to get that.

    Examples
    --------
    >>> agreement = ode_sgd.compare(ode, sgd)
    >>> agreement.outcome, agreement.agrees
    ('agree', True)
    """
    if fluctuations is not None and not hasattr(fluctuations, "expected"):
        raise ComparisonError(
            f"fluctuations is a {type(fluctuations).__name__}; give what "
            "ode_sgd.fluctuations(problem, start, sgd.alpha) returns"
        )
    if isinstance(sgd, Run) or not isinstance(sgd, Sequence):
        return _compare(ode, sgd, fluctuations)
    return compare_pairs([(ode, single) for single in sgd], fluctuations)


def compare_if_possible(ode: Run, sgd: Run) -> tuple[Agreement | None, str]:
    """The agreement, or None and in words why the two cannot be compared: for programs that go through many runs."""
    try:
        return compare(ode, sgd), ""
    except ComparisonError as error:
        return None, f"{ode.wording.theory} and {ode.wording.simulation} are not compared: {error}"


@check.underflow_is_zero
def compare_pairs(pairs: Sequence[tuple[Run, Run]], fluctuations: Any = None) -> Agreement:
    """As `compare` with simulations at several N, each beside an ODE of its own that holds its times.

    The extrapolation is free of the bias that the largest N alone has to allow for: where that is undecided, the
    extrapolation decides, unless its own standard error exceeds a quarter of eps_g, or half of the deviation, at the
    times that decide, or what it leaves of eps_g is beyond chance there.
    """
    extrapolation = extrapolate(pairs)
    agreement = _compare(*max(pairs, key=lambda pair: pair[1].dimension or 0), fluctuations)
    outcome = agreement.outcome
    if not extrapolation.agrees:
        outcome = DISAGREE
    elif outcome == UNDECIDED and not agreement.mixed:
        name = pairs[0][0].error_name
        error = extrapolation.error[name]
        fewest = min(sgd.replicas or 0 for _, sgd in pairs)
        evidence = agreement.evidence
        loose = evidence.is_loose(error) or evidence.is_noise(error)
        stays = evidence.singles_out(extrapolation.z[name], fewest)
        outcome = UNDECIDED if loose or stays else AGREE
    return replace(agreement, extrapolation=extrapolation, outcome=outcome)


def _compare(ode: Run, sgd: Run, fluctuations: Any = None) -> Agreement:
    """The comparison of one simulation with the ODE. Equations: (6.5) and (32.10)."""
    rows = common_times(ode, sgd)
    mean, error = sgd.mean(), sgd.standard_error()
    z: dict[str, Array] = {}
    allowance: dict[str, Array] = {}
    largest: dict[str, tuple[float, float]] = {}
    means, errors = mean.compared(), error.compared()
    exact = ode.exact_at(sgd) if fluctuations is None else fluctuations.expected(sgd)
    if exact is not None:
        known = {name: np.sqrt(variance / (sgd.replicas or 1)) for name, variance in exact.variances.items()}
        errors = errors | known
    both = {name: theory for name, theory in ode.compared().items() if name in means}
    for name, theory in both.items():
        at = theory[rows] if exact is None else exact.means[name]
        bias = _allowed(sgd, theory, rows) if exact is None else np.zeros(rows.size)
        deviation = means[name] - at
        if exact is not None:  # what nothing moves has no scatter, and differs by rounding
            deviation = np.where(np.abs(deviation) <= ROUNDING * np.abs(at).max(), 0.0, deviation)
        scale = np.sqrt(errors[name] ** 2 + bias**2)
        # Where both vanish (a quantity that is zero for good) any deviation is infinitely many standard errors.
        with np.errstate(divide="ignore", invalid="ignore"):
            z[name] = np.where(deviation == 0.0, 0.0, deviation / scale)[1:]
        allowance[name] = bias
        worst = int(np.argmax(np.abs(deviation)))
        largest[name] = float(abs(deviation[worst])), float(sgd.alpha[worst])
    theirs, own = sgd.outcome_at(-1), ode.outcome_at(int(rows[-1]))
    otherwise = ((theirs != own) & (theirs >= 0) & (own >= 0)).any(axis=-1)
    scored = _scored(sgd, z)
    evidence = weigh(
        sgd.alpha[1:],
        (ode.error[rows] if exact is None else exact.means[ode.error_name])[1:],
        mean.error[1:],
        errors[ode.error_name][1:],
        resolution=max(ode.resolution, sgd.resolution),
        allowance=allowance[ode.error_name][1:],
        replicas=scored["replicas"],
    )
    paired = int(otherwise.sum())
    return Agreement(
        **scored,
        bias_allowance={name: float(bias[1:].max()) for name, bias in allowance.items()},
        bias_is_relative=sgd.relative_bias() is not None,
        effective_dimension=sgd.effective_dimension(),
        exact=exact is not None and fluctuations is None,
        corrected=fluctuations is not None,
        largest=largest,
        otherwise_paired=paired,
        evidence=replace(evidence, wording=sgd.words()),
        outcome=_outcome(scored, evidence, paired, ode.error_name),
        wording=sgd.words(),
        inputs_fix_dimension=sgd.inputs_fix_dimension,
        caution=sgd.caution(),
    )


def _allowed(sgd: Run, theory: Array, rows: Indices) -> Array:
    """The bias allowed for of a quantity at the simulation's times."""
    part = sgd.relative_bias()
    if part is None:
        return np.full(rows.size, float(np.abs(theory).max()) / sgd.effective_dimension())
    return part * np.abs(theory[rows])


def _scored(sgd: Run, z: dict[str, Array]) -> dict[str, Any]:
    """What the z-scores amount to, by the names of `Agreement`."""
    scores = np.array(list(z.values()))
    name, time = np.unravel_index(np.argmax(np.abs(scores)), scores.shape)
    groups: dict[str, list[str]] = {}
    for key in z:
        groups.setdefault(group_of(key), []).append(key)
    replicas = sgd.replicas or 0
    return {
        "alpha": sgd.alpha[1:],
        "z": z,
        "rms": float(np.sqrt(np.mean(scores**2))),
        "rms_by_quantity": {
            group: float(np.sqrt(np.mean([z[key] ** 2 for key in keys]))) for group, keys in groups.items()
        },
        "worst": Deviation(list(z)[name], float(sgd.alpha[1:][time]), float(scores[name, time])),
        "worst_allowed": -float(stdtrit(replicas - 1, FALSE_ALARM / 2.0 / scores.size)),
        "replicas": replicas,
        "dimension": sgd.dimension or 0,
        "method": sgd.method,
    }


def _outcome(scored: dict[str, Any], evidence: Evidence, otherwise_paired: int, error_name: str) -> str:
    """ "agree", "disagree" or "undecided", as `Agreement.outcome` defines them."""
    allowed, mixed = scored["worst_allowed"], otherwise_paired > MIXED * scored["replicas"]
    error_alone = scored["rms_by_quantity"][error_name], scored["z"][error_name]
    if mixed:  # the mean of R is one over two outcomes; the error does not see which student follows which teacher
        rms, worst = error_alone[0], float(np.abs(error_alone[1]).max())
    else:
        rms, worst = scored["rms"], abs(scored["worst"].z)
    if not (rms <= RMS_LIMIT and worst <= allowed):  # NaN is no agreement
        return DISAGREE
    return UNDECIDED if mixed or evidence.beyond_chance or evidence.is_noise(evidence.hidden) else AGREE
