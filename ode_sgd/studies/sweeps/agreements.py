"""What `compare` says of a run that was simulated: found out once, when it is computed, and kept in its file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ode_sgd.analysis.quantities import OUTCOMES
from ode_sgd.core.errors import StorageError
from ode_sgd.core.measure import Found, Measure, Measured, outcome_column
from ode_sgd.core.model import Model
from ode_sgd.core.run import Run
from ode_sgd.storage.hdf5 import stored_config
from ode_sgd.storage.stack import read_flags
from ode_sgd.studies.shown import compared

AGREEMENT = "agreement"  # the key of a run's config, and before the names of columns
OUTCOME = outcome_column(AGREEMENT)
NOT_COMPARED, NOT_SIMULATED = "not_compared", "not_simulated"
WORDS = (*OUTCOMES, NOT_COMPARED, NOT_SIMULATED)
NUMBERS = ("error_ratio", "error_ratio_error")  # a run's, in this order


def agreement_columns(model: Model) -> dict[str, str]:
    """What the numbers of a comparison are."""
    theory, _ = model.labels
    texts = (
        f"ratio of {model.error_symbol}, mean over replicas to {theory}, at the time at which it is furthest from 1",
        "standard error of that ratio; none where it is a bound (one side below its resolution)",
    )
    return dict(zip(NUMBERS, texts, strict=True))


def agreement_measure(model: Model) -> Measure:
    """The columns of sweeps that simulate."""

    def measure(measured: Measured) -> Found:
        judgement = measured.agreement
        return judgement.outcome, judgement.numbers if np.isfinite(judgement.ratio) else ()

    return Measure(name=AGREEMENT, columns=agreement_columns(model), outcomes=WORDS, measure=measure)


def measures_of(model: Model, columns: Iterable[str] | None, *, simulated: bool) -> tuple[Measure, ...]:
    """The measurements that these columns come from; None: the model's usual ones, and a comparison."""
    wanted = None if columns is None else set(columns)
    own = model.measurements(wanted)
    asked = simulated if wanted is None else not wanted.isdisjoint(NUMBERS)
    return (*own, agreement_measure(model)) if asked else own


def measured_names(model: Model) -> tuple[str, ...]:
    """Names of all that `collect` can measure."""
    return (*model.columns, *NUMBERS)


@dataclass(frozen=True, slots=True)
class Judgement:
    """One of WORDS, and the largest ratio of eps_g with its standard error."""

    outcome: str
    ratio: float = float("nan")
    ratio_error: float = float("nan")

    @property
    def numbers(self) -> tuple[float, float]:
        """In the order of NUMBERS."""
        return self.ratio, self.ratio_error

    def facts(self) -> dict[str, Any]:
        """The agreement as the config of a run's own file keeps it; JSON has no NaN."""
        known = {"ratio": self.ratio, "ratio_error": self.ratio_error}
        return {"outcome": self.outcome} | {name: value for name, value in known.items() if np.isfinite(value)}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "Judgement":
        """What `facts` gave."""
        nan = float("nan")
        return cls(str(facts["outcome"]), float(facts.get("ratio", nan)), float(facts.get("ratio_error", nan)))


def judged(model: Model, runs: Sequence[Run]) -> Judgement:
    """What the comparison of theory and simulation comes to, if there is one."""
    if len(runs) < 2:
        return Judgement(NOT_SIMULATED)
    agreement, _ = compared(model, runs[0], runs[1])
    if agreement is None:
        return Judgement(NOT_COMPARED)
    return Judgement(agreement.outcome, agreement.ratio, agreement.ratio_error)


def stored_agreements(path: Path) -> list[str]:
    """The words of the runs in a file; none of one that an older version wrote.

    Raises
    ------
    StorageError
        If it is missing or damaged.
    """
    if path.name.startswith("batch"):
        return read_flags(path, OUTCOME)
    try:
        facts = (stored_config(path) or {})["sweep"].get(AGREEMENT)
    except (AttributeError, KeyError) as error:
        raise StorageError(f"{path} is not a run of a sweep; remove it and run again") from error
    return [] if facts is None else [str(facts["outcome"])]
