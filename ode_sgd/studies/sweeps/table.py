"""One number a run: what varies, how it ended, and what is measured on it; and the files that this comes from."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ode_sgd.analysis.selection import Selection
from ode_sgd.core import frozen
from ode_sgd.core.arrays import Indices
from ode_sgd.core.errors import StorageError
from ode_sgd.core.measure import NO_FILE, Measure, Measured
from ode_sgd.core.run import Observable, Run
from ode_sgd.storage.hdf5 import load
from ode_sgd.storage.stack import LABEL_ATTRIBUTE, Column, read_stack
from ode_sgd.storage.sweep_folder import SweepFolder
from ode_sgd.studies.study_file import Study
from ode_sgd.studies.sweeps.agreements import AGREEMENT, NUMBERS, OUTCOME, WORDS, Judgement, judged
from ode_sgd.studies.sweeps.partition import Partition
from ode_sgd.studies.sweeps.stack import (
    SECONDS_ATTRIBUTES,
    STATUS,
    STATUS_ATTRIBUTES,
    Computed,
    columns_of,
    flag_attributes,
    resolution_attributes,
    value_columns,
)
from ode_sgd.studies.sweeps.sweep import Sweep, run_identity


class Table:
    """Columns with one number a run, filled while the files of the runs are read.

    Parameters
    ----------
    sweep : Sweep
    folder : SweepFolder
    partition : Partition
    measures : sequence of Measure

    Attributes
    ----------
    raised : str
        What a user's model raised first when a run was measured; empty if nothing.
    """

    def __init__(self, sweep: Sweep, folder: SweepFolder, partition: Partition, measures: Sequence[Measure]) -> None:
        self._sweep, self._folder, self._partition, self._measures = sweep, folder, partition, measures
        self.raised = ""
        count = len(sweep)
        self.numbers: dict[str, NDArray[Any]] = {
            "status": np.full(count, STATUS.index("missing"), dtype=np.int8),
            "seconds": np.full(count, np.nan),
            "resolution": np.full(count, np.nan),
        }
        texts = {
            "status": STATUS_ATTRIBUTES,
            "seconds": SECONDS_ATTRIBUTES,
            "resolution": resolution_attributes(sweep.model),
        }
        for measure in measures:
            outcome, words = measure.outcome_column, measure.words
            self.numbers |= {name: np.full(count, np.nan) for name in measure.columns}
            self.numbers[outcome] = np.full(count, words.index("missing"), dtype=np.int8)
            texts |= {
                name: {"long_name": text, "ancillary_variables": outcome} for name, text in measure.columns.items()
            }
            texts[outcome] = flag_attributes(f"outcome of the measurement of {', '.join(measure.columns)}", words)
        self._values = value_columns([sweep.values(run) for run in range(count)])
        samples = {
            "run": Column(("run",), np.arange(count), {"long_name": "number of the run"}),
            **self._values,
            **{name: Column(("run",), values, texts[name]) for name, values in self.numbers.items()},
        }
        self.samples = {name: _labelled(name, column, sweep.model.symbols) for name, column in samples.items()}

    def finished(self) -> dict[str, NDArray[Any]]:
        """Everything that has one number a run."""
        values = {name: column.values for name, column in self._values.items()}
        return {"run": np.arange(len(self._sweep))} | values | self.numbers

    def selections(self) -> list[Selection]:
        """For every measurement which runs have it, and why the others do not."""
        return [
            Selection(
                name=measure.name,
                has=np.isfinite(self.numbers[next(iter(measure.columns))]),
                codes=self.numbers[measure.outcome_column],
                words=measure.words,
            )
            for measure in self._measures
        ]

    def pieces(self) -> Iterator[tuple[dict[str, Column], Indices]]:
        """Columns of file after file, and the runs that they are of; the numbers are noted on the way."""
        for run, failure in self._folder.failures().items():
            if not failure.stored and run < len(self._sweep):
                self._without_file(run, "failed")
        present = self._folder.present()
        for number in range(len(self._partition)):
            item = self._partition.item(number)
            if Path(item.path).name in present:
                yield self._noted(Path(item.path), item.runs)
        for run in self._folder.retried_runs():
            yield self._noted(self._folder.retried(run), (run,))

    def contents(self) -> Iterator[dict[str, Column]]:
        """The columns of file after file, to see how large they are."""
        present = self._folder.present()
        for number in range(len(self._partition)):
            path = Path(self._partition.item(number).path)
            if path.name in present:
                yield _read(path, self._sweep)
        for run in self._folder.retried_runs():
            yield _read(self._folder.retried(run), self._sweep)

    def _without_file(self, run: int, word: str) -> None:
        assert word in NO_FILE
        self.numbers["status"][run] = STATUS.index(word)
        for measure in self._measures:
            self.numbers[measure.outcome_column][run] = measure.words.index(word)

    def _noted(self, path: Path, expected: tuple[int, ...]) -> tuple[dict[str, Column], Indices]:
        columns = _read(path, self._sweep)
        runs = columns["run"].values
        if not set(runs.tolist()) <= set(expected):
            raise StorageError(f"{path} holds other runs than its name says; remove it and run again")
        for row, run in enumerate(runs.tolist()):
            study = self._sweep.study(run)
            if columns["identity"].values[row].decode() != run_identity(study, self._sweep.values(run)):
                raise StorageError(f"{path} holds a run of another sweep as run {run}; remove it and run again")
            for name in ("status", "seconds", "resolution"):
                self.numbers[name][run] = columns[name].values[row]
            self._measure(study, columns, row, run)
        return columns, runs

    def _note(self, text: str) -> None:
        self.raised = self.raised or text

    def _measure(self, study: Study, columns: Mapping[str, Column], row: int, run: int) -> None:
        """Note all measurements of a row."""
        theory = run_of(study, columns, row)
        measured = Measured(theory, functools.partial(_judgement, study, columns, row, theory), self._note)
        for measure in self._measures:
            outcome, numbers = measure.measure(measured)
            self.numbers[measure.outcome_column][run] = measure.words.index(outcome)
            if numbers:
                for name, number in zip(measure.columns, numbers, strict=True):
                    self.numbers[name][run] = number


def _labelled(name: str, column: Column, symbols: Mapping[str, str]) -> Column:
    """The column with what its model writes on an axis, found by its name or by the swept key that it is of."""
    key = str(column.attributes.get("key", ""))
    told = next((symbols[one] for one in (name, key, key.rpartition(".")[2]) if one in symbols), None)
    return column if told is None else replace(column, attributes={**column.attributes, LABEL_ATTRIBUTE: told})


def _read(path: Path, sweep: Sweep) -> dict[str, Column]:
    """The columns of a batch, or of a run by itself."""
    if path.name.startswith("batch"):
        return read_stack(path)[0]
    stored = load(path)
    facts = (stored.config or {}).get("sweep")
    if not isinstance(facts, dict) or stored.ode is None:
        raise StorageError(f"{path} is not a run of a sweep; remove it and run again")
    run = int(facts["run"])
    study = sweep.study(run)
    parts = tuple(part for part in (stored.ode, stored.sgd) if part is not None)
    agreement = Judgement.of_facts(facts[AGREEMENT]) if AGREEMENT in facts else None
    columns = columns_of([Computed(run, sweep.values(run), study, parts, float(facts["seconds"]), agreement)])
    columns["identity"] = Column(("run",), np.array([facts["identity"].encode()]), {})
    return columns


def run_of(study: Study, columns: Mapping[str, Column], row: int, prefix: str = "") -> Run:
    """The theory of a row as far as it got, or its simulation, from what a file of many runs has of it."""
    model, other = study.model, study.model.prefix
    time = f"{prefix}{model.time_name}"
    times, reached = columns[time].values, int(columns[f"{prefix}reached"].values[row])
    variables = {model.time_name: Observable(frozen.sealed(np.array(times[:reached])), (model.time_name,))}
    for name, column in columns.items():
        if len(column.dimensions) > 1 and name.startswith(other) == bool(prefix):
            until = tuple(slice(0, reached) if d == time else slice(None) for d in column.dimensions[1:])
            inner = tuple(d.removeprefix(prefix) for d in column.dimensions[1:] if d != f"{prefix}replica")
            values = frozen.sealed(np.array(column.values[row][until]))
            variables[name.removeprefix(prefix)] = Observable(values, inner)
    status = STATUS[int(columns["status"].values[row])]
    attributes = {
        "status": "complete" if reached == times.size else status,
        "resolution": 0.0 if prefix else float(columns["resolution"].values[row]),
        "method": "",
        "time_name": model.time_name,
        "error_name": model.error_name,
    }
    return model.restore_from(study.tables, attributes, variables)


def _judgement(study: Study, columns: Mapping[str, Column], row: int, theory: Run) -> Judgement:
    """What was found when the run was computed; files of older versions do not say, and are compared here."""
    if OUTCOME in columns:
        ratio, error = (float(columns[name].values[row]) for name in NUMBERS)
        return Judgement(WORDS[int(columns[OUTCOME].values[row])], ratio, error)
    prefix = study.model.prefix
    simulated = f"{prefix}reached" in columns and columns[f"{prefix}reached"].values[row]
    return judged(study.model, [theory, run_of(study, columns, row, prefix)] if simulated else [theory])
