"""Whether two runs can be compared, and what the deviations between them amount to."""

import re
from dataclasses import dataclass

import numpy as np

from ode_sgd.core.arrays import Indices
from ode_sgd.core.errors import ComparisonError
from ode_sgd.core.run import Run, check_run

COMPONENT = re.compile(r"_[\d,]+$")
OUTCOMES = AGREE, DISAGREE, UNDECIDED = ("agree", "disagree", "undecided")  # of a comparison
RMS_LIMIT = 2.0  # of z-scores that still count as agreement
SAME_START = 1e-8  # what values at the start may differ by, of the largest, or of 1
FALSE_ALARM = 1e-3  # probability with which the worst of them may exceed what is allowed


def group_of(name: str) -> str:
    """The observable that a component such as "Q_12" belongs to; the name itself of what has no components."""
    return COMPONENT.sub("", name)


@dataclass(frozen=True, slots=True)
class Deviation:
    """One comparison: which quantity, at which time, by how many standard errors."""

    quantity: str
    alpha: float
    z: float


def common_times(ode: Run, sgd: Run) -> Indices:
    """Rows of the ODE at the simulation's times, after checking that the two can be compared at all."""
    check_run("ode", ode, ComparisonError)
    check_run("sgd", sgd, ComparisonError)
    words = sgd.words()
    if ode.is_simulation or sgd.replicas is None:
        raise ComparisonError(
            f"give the {words.theory} first and the simulation second: compare({', '.join(words.calls)})"
        )
    if ode.problem.identity != sgd.problem.identity:
        raise ComparisonError(
            f"the two {words.nouns} are of different problems; run both with the same {words.problem}"
        )
    if sgd.replicas < 4:
        raise ComparisonError(f"{sgd.replicas} replicas say too little about their spread; simulate at least 4")
    if sgd.alpha.size < 2:
        raise ComparisonError("the simulation holds its start only; give it a later output time")
    if sgd.own_starts:
        call = words.calls[1].removesuffix("(...)")
        raise ComparisonError(f"every replica has a start of its own; give {call} one common {words.start}")
    rows = np.minimum(np.searchsorted(ode.alpha, sgd.alpha), ode.alpha.size - 1)
    missing = ode.alpha[rows] != sgd.alpha
    if missing.any():
        raise ComparisonError(
            f"{int(missing.sum())} of {sgd.alpha.size} times of the simulation are not among the {words.theory}'s, "
            f"the first {words.time_symbol} = {sgd.alpha[np.argmax(missing)]:.10g}; {words.anew}, "
            "or a union that contains them"
        )
    if starts_apart(sgd, ode) > SAME_START * max(1.0, largest_start(ode)):
        raise ComparisonError(f"the two do not start from the same {words.state}; pass the same {words.start} to both")
    return rows


def starts_apart(run: Run, other: Run) -> float:
    """The largest difference of what both have at the start; every replica of a run beside the other."""
    values, apart = other.start_values(), [0.0]
    for name, own in run.start_values().items():
        if name in values:
            alike = own.shape[own.ndim - values[name].ndim :] == values[name].shape
            apart.append(float(np.abs(own - values[name]).max()) if alike else np.inf)
    return max(apart)


def largest_start(run: Run) -> float:
    """The largest modulus of what a run has at the start, 0 where it has nothing."""
    return float(max((np.abs(values).max() for values in run.start_values().values()), default=0.0))
