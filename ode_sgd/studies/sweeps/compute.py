"""The runs of a sweep's studies: one study by itself, or the theory of many of one shape side by side."""

from collections.abc import Sequence
from typing import Any

from ode_sgd.core import allowance
from ode_sgd.core.interruption import check_interrupted
from ode_sgd.core.run import Run
from ode_sgd.studies.runs import Progress, simulation_of, theory_of, theory_of_all
from ode_sgd.studies.study_file import Study

__all__ = ["batched", "check_interrupted", "computed", "one_by_one", "theory_alike"]


def batched(study: Study) -> bool:
    """Whether runs like this are computed side by side: the others are computed one by one."""
    return study.model.is_batched(study.tables)


def computed(study: Study, checkpoint: Any, progress: Progress) -> tuple[Run, ...]:
    """The theory, and the simulation where the study has one and the theory came to its end; on one thread."""
    if batched(study):  # in the same way as many of them: a run's numbers must not depend on which runs share a file
        return tuple(theory_alike([study]))
    return one_by_one(study, checkpoint, progress)


def one_by_one(study: Study, checkpoint: Any, progress: Progress) -> tuple[Run, ...]:
    """As `computed`, in a way that can be stopped in between."""
    with allowance.at_most(1):
        run = theory_of(study, progress)
        simulated = simulation_of(study, progress, checkpoint) if run.status == "complete" else None
        return (run,) if simulated is None else (run, simulated)


def theory_alike(studies: Sequence[Study]) -> list[Run]:
    """The theory of studies with arrays of one shape, side by side."""
    with allowance.at_most(1):
        return theory_of_all(studies)
