"""Runs of a sweep side by side: one column a quantity, with a leading dimension `run`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array
from ode_sgd.core.model import Model
from ode_sgd.core.run import Observable, Run
from ode_sgd.storage.stack import Column, stack_image
from ode_sgd.studies.study_file import Study
from ode_sgd.studies.sweeps.agreements import OUTCOME, WORDS, Judgement, agreement_columns
from ode_sgd.studies.sweeps.axes import column_names
from ode_sgd.studies.sweeps.sweep import run_identity

# What `status` numbers mean, in a batch and in a collected sweep.
STATUS = ("complete", "diverged", "step_size", "step_limit", "interrupted", "failed", "missing")
SECONDS_ATTRIBUTES = {"long_name": "time of computation", "units": "s"}


def resolution_attributes(model: Model) -> dict[str, str]:
    """Attributes of the column of resolutions."""
    return {"long_name": f"level of {model.error_symbol} below which its values mean nothing"}


def flag_attributes(long_name: str, words: Sequence[str]) -> dict[str, Any]:
    """Attributes of a column of codes, as the CF conventions have them."""
    codes = np.arange(len(words), dtype=np.int8)
    return {"long_name": long_name, "flag_values": codes, "flag_meanings": " ".join(words)}


STATUS_ATTRIBUTES = flag_attributes("how the run ended", STATUS)


@dataclass(frozen=True, slots=True)
class Computed:
    """A run, what varies in it, its study, its runs (of theory, of simulation), and the seconds that they took.

    `agreement` is what `compare` says of the two, None where the study does not simulate.
    """

    run: int
    values: Mapping[str, Any]
    study: Study
    runs: tuple[Run, ...]
    seconds: float
    agreement: Judgement | None = None


def batch_image(results: Sequence[Computed], attributes: Mapping[str, Any]) -> memoryview:
    """The bytes of the file of a batch of runs with arrays of one shape."""
    return stack_image(columns_of(results), attributes)


def columns_of(results: Sequence[Computed]) -> dict[str, Column]:
    """Columns of runs with arrays of one shape; NaN where a run did not get."""
    model = results[0].study.model
    columns = {
        "run": Column(("run",), np.array([result.run for result in results]), {"long_name": "number of the run"}),
        **value_columns([result.values for result in results]),
        "status": Column(("run",), np.array([_status(r) for r in results], dtype=np.int8), STATUS_ATTRIBUTES),
        "seconds": Column(("run",), np.array([r.seconds for r in results]), SECONDS_ATTRIBUTES),
        "resolution": Column(
            ("run",),
            np.array([r.runs[0].resolution for r in results]),
            resolution_attributes(model),
        ),
        "identity": Column(
            ("run",),
            np.array([run_identity(r.study, r.values) for r in results], dtype="S64"),
            {"long_name": "SHA-256 of problem, settings and seeds"},
        ),
    }
    judgements = [result.agreement for result in results if result.agreement is not None]
    if len(judgements) == len(results):
        columns |= _agreement_columns(judgements, model)
    time = model.time_name
    for prefix, grid, group in _groups(results):
        columns[f"{prefix}{time}"] = Column((f"{prefix}{time}",), grid, {"long_name": model.time_label})
        reached = np.array([_on_grid(run, grid) for run in group])
        told = {"long_name": "number of output times reached"}
        columns[f"{prefix}reached"] = Column(("run",), reached, told)
        columns |= _arrays(prefix, grid, group, model)
    return columns


def _on_grid(run: Run | None, grid: Array) -> int:
    """How many of a run's times are in the file: not the last one of a run that a condition has ended between two."""
    if run is None:
        return 0
    size = run.alpha.size
    between = run.status == "complete" and run.alpha[-1] != grid[size - 1]
    return size - 1 if between else size


def _agreement_columns(judgements: Sequence[Judgement], model: Model) -> dict[str, Column]:
    codes = np.array([WORDS.index(judgement.outcome) for judgement in judgements], dtype=np.int8)
    told = f"what comparing {' and '.join(model.labels)} comes to"
    columns = {OUTCOME: Column(("run",), codes, flag_attributes(told, WORDS))}
    numbers = zip(*(judgement.numbers for judgement in judgements), strict=True)
    for (name, text), values in zip(agreement_columns(model).items(), numbers, strict=True):
        columns[name] = Column(("run",), np.array(values), {"long_name": text, "ancillary_variables": OUTCOME})
    return columns


def _status(result: Computed) -> int:
    ends = [run.status for run in result.runs]
    first = next((status for status in ends if status != "complete"), "complete")
    return STATUS.index(first if first in STATUS else "failed")


def _groups(results: Sequence[Computed]) -> list[tuple[str, Array, list[Run | None]]]:
    """Prefix, output times and runs of the theory, and of the simulation where there is one."""
    study, found = results[0].study, []
    for place, times in enumerate(study.model.times(study.tables)):
        runs = [result.runs[place] if len(result.runs) > place else None for result in results]
        grid = max((run.alpha for run in runs if run is not None), key=len, default=None) if times is None else times
        if grid is not None:
            found.append((study.model.prefix if place else "", grid, runs))
    return found


def _arrays(prefix: str, grid: Array, group: Sequence[Run | None], model: Model) -> dict[str, Column]:
    """The error and the observables of runs, filled up with NaN to the same times."""
    parts = [{} if run is None else _quantities(run, model) for run in group]
    sample = next((run for run in group if run is not None), None)
    columns: dict[str, Column] = {}
    for name, of in ({} if sample is None else _quantities(sample, model)).items():
        assert sample is not None
        time = f"{prefix}{model.time_name}"
        inner = tuple(time if d == sample.time_name else d for d in of.dimensions)
        whole = (f"{prefix}replica",) if of.has_replicas else ()
        axes = (*whole, *inner)
        shape = tuple(grid.size if d == time else n for d, n in zip(axes, of.values.shape, strict=True))
        values = np.full((len(group), *shape), np.nan)
        for row, part in enumerate(parts):
            if name in part:
                reached, sizes = _on_grid(group[row], grid), part[name].values.shape
                filled: tuple[Any, ...] = tuple(
                    slice(0, reached if d == time else n) for d, n in zip(axes, sizes, strict=True)
                )
                values[(row, *filled)] = part[name].values[filled]
        text = (of.long_name or name) + (f" ({model.labels[1]})" if prefix else "")
        columns[f"{prefix}{name}"] = Column(("run", *whole, *inner), values, {"long_name": text})
    return columns


def _quantities(run: Run, model: Model) -> dict[str, Observable]:
    return {model.error_name: Observable(run.error, (run.time_name,), model.error_label), **model.stacked(run)}


def value_columns(values: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """A column for everything that varies; numbers as numbers, the rest as text, lists in JSON."""
    names = column_names(list(values[0]))
    return {
        names[name]: Column(("run",), _array([entry[name] for entry in values]), {"long_name": name, "key": name})
        for name in values[0]
    }


def _array(values: Sequence[Any]) -> NDArray[Any]:
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return np.array(values, dtype=np.int64)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values, dtype=np.float64)
    if all(isinstance(value, bool) for value in values):
        return np.array(values, dtype=np.int8)
    return np.array([(value if isinstance(value, str) else json.dumps(value)).encode() for value in values])
