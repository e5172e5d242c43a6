"""What `compare` says of a run that was simulated: found out once, when it is computed, and kept in its file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ode_sgd.analysis.quantities import OUTCOMES
from ode_sgd.core.errors import StorageError
from ode_sgd.storage.hdf5 import stored_config
from ode_sgd.storage.stack import read_flags
from ode_sgd.studies.sweeps.catalogue import CATALOGUE, outcome_column
from ode_sgd.teacher_student.trajectory import Trajectory

AGREEMENT = "agreement"  # the key of a run's config, and before the names of columns
OUTCOME = outcome_column(AGREEMENT)
NOT_COMPARED, NOT_SIMULATED = "not_compared", "not_simulated"
WORDS = (*OUTCOMES, NOT_COMPARED, NOT_SIMULATED)
NUMBERS = CATALOGUE[AGREEMENT]  # a run's, in this order


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


def judged(trajectories: Sequence[Trajectory]) -> Judgement:
    """What the comparison of an ODE and a simulation comes to, if there is one."""
    if len(trajectories) < 2:
        return Judgement(NOT_SIMULATED)
    from ode_sgd.analysis.agreement import compare_if_possible  # brings SciPy, which integrations can do without

    agreement, _ = compare_if_possible(*trajectories)
    return (
        Judgement(NOT_COMPARED)
        if agreement is None
        else Judgement(agreement.outcome, agreement.ratio, agreement.ratio_error)
    )


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
