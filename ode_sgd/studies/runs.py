"""The runs that a study's model computes, once they are known to be runs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ode_sgd.core.model import Model
from ode_sgd.core.run import Run, check_run
from ode_sgd.studies.study_file import Study

Progress = Callable[[str, float], None]


def theory_of(study: Study, progress: Progress) -> Run:
    """The theory's run."""
    model = study.model
    found = model.theory(study.tables, lambda fraction: progress(model.labels[0], fraction))
    return _named(model, "theory", found)


def theory_of_all(studies: Sequence[Study]) -> list[Run]:
    """The theory's runs of studies with arrays of one shape, side by side."""
    model = studies[0].model
    found = model.theory_many([study.tables for study in studies], lambda fraction: None)
    return [_named(model, "theory_many", run) for run in found]


def simulation_of(study: Study, progress: Progress, checkpoint: Any) -> Run | None:
    """The simulation's run, None where the study has none."""
    model = study.model
    if not study.simulates:
        return None
    found = model.simulation(study.tables, lambda fraction: progress(model.labels[1], fraction), checkpoint)
    return None if found is None else _named(model, "simulation", found)


def _named(model: Model, method: str, found: Any) -> Run:
    """What a model's method returned, with the model's name where it does not say it."""
    check_run(f"what {method} of the model {model.name} returned", found)
    run: Run = found
    return run if run.model else replace(run, model=model.name)
