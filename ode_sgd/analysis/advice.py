"""What would decide a comparison that is undecided: a larger N, more replicas, or fewer times."""

import numpy as np
from scipy.special import stdtrit

from ode_sgd.analysis.evidence import LOOSE, MOST, Evidence
from ode_sgd.analysis.quantities import FALSE_ALARM

FEWEST = 16  # replicas to advise: fewer leave Student's t too wide
FEASIBLE = 1000.0  # times the N, or the replicas, of the run; more is no advice
MANY = 100.0  # times eps_g, from where the number itself says nothing


def what_would_tell(evidence: Evidence, *, dimension: int, replicas: int, scores: int, sampled: bool) -> str:
    """Why the comparison is too loose, and what would make it tight; "" if it is not.

    Parameters
    ----------
    scores : int
        How many z-scores there are.
    sampled : bool
        Whether the inputs are rows of data, which fix N.
    """
    size = np.maximum(evidence.size, np.finfo(float).tiny)  # an eps_g of exactly 0
    share, noise = evidence.allowance / size, evidence.error / size
    if evidence.beyond_chance:
        row, rows = evidence.clearest, evidence.weight > 0.0
        text = (
            f"; at {evidence.wording.time_symbol} = {evidence.alpha[row]:.4g} the ratio is {evidence.ratio_at(row)}, "
            f"{_standard_errors(abs(evidence.chance[row]))} from 1, but the bias allowed for is "
        )
        # There it has to be clear of what z allows, or, where a quarter of eps_g would cover it, allowed for.
        deviation = (np.abs(evidence.deviation) / size)[rows]
        allowed = -float(stdtrit(max(replicas, FEWEST) - 1, FALSE_ALARM / 2.0 / scores))
        covered = ~evidence.tight[rows] & (deviation <= LOOSE)
        target = np.where(covered, LOOSE, np.minimum(LOOSE, deviation / (2.0 * allowed)))
        rougher = noise[rows] / target
    elif evidence.is_noise(evidence.hidden):
        row, where = evidence.noisy
        rows = np.arange(share.size) == row
        text = f"; {where}, the bias allowed for is "
        target, rougher = np.array([LOOSE]), 2.0 * noise[rows] / LOOSE
    else:
        return ""
    symbol = evidence.wording.error_symbol
    text += f"{_of_error(share[row], symbol)} and the standard error {_of_error(noise[row], symbol)}"
    wider = max(1.0, float((share[rows] / target).max()))
    more = max(1.0, min(float(rougher.max()), FEASIBLE) ** 2)
    if max(wider, more) > FEASIBLE:
        return f"{text}; {_earlier(evidence)}"
    inputs = "a simulation"
    if sampled:
        text += "; the data fix N"
        inputs += " with Gaussian inputs of the same spectrum"
    larger, most = int(np.ceil(dimension * wider)), max(FEWEST, int(np.ceil(replicas * more)))
    needed = f"N >= {larger} and at least {most} replicas" if dimension else f"at least {most} replicas"
    return f"{text}; {inputs}, {needed}, would decide"


def _earlier(evidence: Evidence) -> str:
    """Up to which alpha the comparison is tight."""
    wrong = ~evidence.tight | (evidence.weight > 0.0) | (evidence.error > LOOSE * evidence.size)
    last = int(np.argmax(wrong)) - 1
    if last < 0:
        symbol = evidence.wording.error_symbol
        few = f"{symbol} is too small a part of its scale at all of these times"
        wide = f"{symbol} scatters too much, or deviates too little, at all of these times"
        return f"no feasible simulation would decide: {wide if evidence.tight.all() else few}"
    return (
        "no feasible simulation would decide that late: "
        f"compare up to {evidence.wording.time_symbol} = {evidence.alpha[last]:.4g}, where the comparison is tight"
    )


def _standard_errors(number: float) -> str:
    return f"over {MOST:.0f} standard errors" if number >= MOST else f"{number:.1f} standard errors"


def _of_error(share: float, symbol: str) -> str:
    return f"over {MANY:.0f} times {symbol}" if share > MANY else f"{share:.2g} of {symbol}"
