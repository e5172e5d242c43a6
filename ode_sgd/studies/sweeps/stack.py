"""Runs of a sweep side by side: one column a quantity, with a leading dimension `run`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array
from ode_sgd.storage.stack import Column, stack_image
from ode_sgd.studies.study_file import Study
from ode_sgd.studies.sweeps.agreements import NUMBERS, OUTCOME, WORDS, Judgement
from ode_sgd.studies.sweeps.axes import SGD, column_names
from ode_sgd.studies.sweeps.sweep import run_identity
from ode_sgd.teacher_student.model import observables as named
from ode_sgd.teacher_student.trajectory import Trajectory

# What `status` numbers mean, in a batch and in a collected sweep.
STATUS = ("complete", "diverged", "step_size", "step_limit", "interrupted", "failed", "missing")
RESOLUTION_ATTRIBUTES = {"long_name": "level of eps_g below which its values mean nothing"}
SECONDS_ATTRIBUTES = {"long_name": "time of computation", "units": "s"}


def flag_attributes(long_name: str, words: Sequence[str]) -> dict[str, Any]:
    """Attributes of a column of codes, as the CF conventions have them."""
    codes = np.arange(len(words), dtype=np.int8)
    return {"long_name": long_name, "flag_values": codes, "flag_meanings": " ".join(words)}


STATUS_ATTRIBUTES = flag_attributes("how the run ended", STATUS)


@dataclass(frozen=True, slots=True)
class Computed:
    """A run, what varies in it, its study, its trajectories (ODE, simulation), and the seconds that they took.

    `agreement` is what `compare` says of the two, None where the study does not simulate.
    """

    run: int
    values: Mapping[str, Any]
    study: Study
    trajectories: tuple[Trajectory, ...]
    seconds: float
    agreement: Judgement | None = None


def batch_image(results: Sequence[Computed], attributes: Mapping[str, Any]) -> memoryview:
    """The bytes of the file of a batch of runs with arrays of one shape."""
    return stack_image(columns_of(results), attributes)


def columns_of(results: Sequence[Computed]) -> dict[str, Column]:
    """Columns of runs with arrays of one shape; NaN where a run did not get."""
    columns = {
        "run": Column(("run",), np.array([result.run for result in results]), {"long_name": "number of the run"}),
        **value_columns([result.values for result in results]),
        "status": Column(("run",), np.array([_status(r) for r in results], dtype=np.int8), STATUS_ATTRIBUTES),
        "seconds": Column(("run",), np.array([r.seconds for r in results]), SECONDS_ATTRIBUTES),
        "resolution": Column(
            ("run",),
            np.array([r.trajectories[0].resolution for r in results]),
            RESOLUTION_ATTRIBUTES,
        ),
        "identity": Column(
            ("run",),
            np.array([run_identity(r.study, r.values) for r in results], dtype="S64"),
            {"long_name": "SHA-256 of problem, settings and seeds"},
        ),
    }
    judgements = [result.agreement for result in results if result.agreement is not None]
    if len(judgements) == len(results):
        columns |= _agreement_columns(judgements)
    for prefix, grid, group in _groups(results):
        columns[f"{prefix}alpha"] = Column((f"{prefix}alpha",), grid, {"long_name": named.DIMENSIONS["alpha"]})
        reached = np.array([trajectory.alpha.size if trajectory else 0 for trajectory in group])
        told = {"long_name": "number of output times reached"}
        columns[f"{prefix}reached"] = Column(("run",), reached, told)
        columns |= _arrays(prefix, grid.size, group)
    return columns


def _agreement_columns(judgements: Sequence[Judgement]) -> dict[str, Column]:
    codes = np.array([WORDS.index(judgement.outcome) for judgement in judgements], dtype=np.int8)
    columns = {OUTCOME: Column(("run",), codes, flag_attributes("what comparing ODE and SGD comes to", WORDS))}
    numbers = zip(*(judgement.numbers for judgement in judgements), strict=True)
    for (name, text), values in zip(NUMBERS.items(), numbers, strict=True):
        columns[name] = Column(("run",), np.array(values), {"long_name": text, "ancillary_variables": OUTCOME})
    return columns


def _status(result: Computed) -> int:
    ends = [trajectory.status for trajectory in result.trajectories]
    return STATUS.index(next((status for status in ends if status != "complete"), "complete"))


def _groups(results: Sequence[Computed]) -> list[tuple[str, Array, list[Trajectory | None]]]:
    """Prefix, output times and trajectories of the ODE, and of the simulation where the study has one."""
    study = results[0].study
    alpha = study.integration.times
    if study.simulation is None:
        return [("", alpha, [result.trajectories[0] for result in results])]
    times = study.simulation.times(float(alpha[-1]))
    simulated = [result.trajectories[1] if len(result.trajectories) > 1 else None for result in results]
    ode = [result.trajectories[0] for result in results]
    return [("", np.union1d(alpha, times), list(ode)), (SGD, times, simulated)]


def _arrays(prefix: str, times: int, group: Sequence[Trajectory | None]) -> dict[str, Column]:
    """eps_g and the moments of trajectories, filled up with NaN to the same times."""
    sample = next((trajectory for trajectory in group if trajectory is not None), None)
    if sample is None:
        return {}
    lead = () if sample.replicas is None else (f"{SGD}replica",)
    columns: dict[str, Column] = {}
    for name, of in _quantities(sample).items():
        dimensions, long_name = named.entry(name) or ((), "")
        inner = tuple(f"{prefix}alpha" if d == "alpha" else d for d in dimensions)
        whole = lead if inner[0] == f"{prefix}alpha" else ()
        parts = [None if trajectory is None else _quantities(trajectory)[name] for trajectory in group]
        shape = tuple(times if d == f"{prefix}alpha" else n for d, n in zip((*whole, *inner), of.shape, strict=True))
        values = np.full((len(group), *shape), np.nan)
        for row, part in zip(values, parts, strict=True):
            if part is not None:
                row[tuple(slice(0, n) for n in part.shape)] = part
        text = long_name + (" (SGD)" if prefix else "")
        columns[f"{prefix}{name}"] = Column(("run", *whole, *inner), values, {"long_name": text})
    return columns


def _quantities(trajectory: Trajectory) -> dict[str, NDArray[np.float64]]:
    found = {"generalization_error": trajectory.generalization_error}
    for order, overlaps in sorted(trajectory.moments.items()):
        found |= {f"{letter}_{order}": part for letter, part in zip("QRT", overlaps, strict=True)}
    return found


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
