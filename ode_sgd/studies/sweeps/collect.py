"""A sweep's runs in one file, from files alone."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ode_sgd.analysis.selection import Selection
from ode_sgd.core import check
from ode_sgd.core.arrays import Indices
from ode_sgd.core.errors import StorageError, StudyError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.measure import Measure
from ode_sgd.core.model import Model
from ode_sgd.core.registry import find_model
from ode_sgd.storage.hdf5 import write_attributes
from ode_sgd.storage.stack import put, stack_file
from ode_sgd.storage.sweep_folder import CHECKPOINTS, FAILURES, MANIFEST, PLAN, RETRIED, RUNS, SweepFolder
from ode_sgd.studies.study_file import load_tables
from ode_sgd.studies.sweeps.agreements import measures_of
from ode_sgd.studies.sweeps.axes import column_names
from ode_sgd.studies.sweeps.chosen import COLLECT, name_fault
from ode_sgd.studies.sweeps.collected_layout import Layout
from ode_sgd.studies.sweeps.manifest import stored_sweep
from ode_sgd.studies.sweeps.quantities import Function, loaded_functions, quantity_measures
from ode_sgd.studies.sweeps.stack import STATUS
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.studies.sweeps.table import Table
from ode_sgd.studies.sweeps.unloaded import check_loaded
from ode_sgd.studies.validation import SWEEP, chosen_model, located_values, with_location

COLLECTED = "collected.h5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What `collect_sweep` wrote.

    Attributes
    ----------
    path : Path
    runs, complete, present : int
        Of the sweep; those that are complete; those that are in the file.
    selections : tuple of Selection
        For everything that was measured: which runs have it, and why the others do not.
    notes : tuple of str
        What functions of the user, or the measures of a user's model, raised first.
    """

    path: Path
    runs: int
    complete: int
    present: int
    selections: tuple[Selection, ...]
    notes: tuple[str, ...]


@own_keywords
@check.underflow_is_zero
def collect_sweep(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    moments: bool = True,
    columns: Sequence[str] | None = None,
    quantities: Mapping[str, str | Function] | None = None,
    progress: Callable[[int, int], None] | None = None,
    model: str | Model | None = None,
) -> Collected:
    """Stack the runs of a sweep, as far as they are there, into one file with a leading dimension `run`.

    Parameters
    ----------
    folder : path-like
        The sweep's.
    output : path-like or None
        None is "collected.h5" in it; replaced if it exists.
    moments : bool
        Keep the overlaps Q, R, T, too, and not eps_g and the summary only.
    columns : sequence of str or None
        What is measured, such as "half_height_time": these, and what is found along with them. None: what the sweep
        file said, or else all but "theory_escape_rate".
    quantities : mapping or None
        Further columns: name -> an entry of an array of the ODE, such as "R_1[-1, 0, 0]", or a function that takes the
        ODE's Trajectory (without sectors and last state) and returns a number, or None where there is none. None: what
        the sweep file said.
    progress : callable or None
        Called with the numbers of runs done and of all.
    model : str, Model or None
        That of the sweep, where its study named a file or a module. None: a registered one.

    Returns
    -------
    Collected

    Raises
    ------
    StorageError
        If there is no sweep, a file is damaged or of another sweep, or the output cannot be written.
    StudyError
        For columns and quantities that are none; also where the sweep file named a function, or its model by a file: a
        folder says only where that was, and what lies there is not run. Give the function, or the model.

    Notes
    -----
    Rows are numbered as the runs; docs/reference/files.md has the layout. Where runs differ in K, M, replicas or
    output times, arrays are as large as the largest, and NaN beyond their own.

    Examples
    --------
    >>> _ = ode_sgd.run_sweep(ode_sgd.Sweep(study, {"problem.learning_rate": [0.1, 0.2]}), "rates.sweep")
    >>> ode_sgd.collect_sweep("rates.sweep", columns=["final_error"]).path.name
    'collected.h5'
    """
    sweep, place, partition = stored_sweep(folder, find_model(model) if isinstance(model, str) else model)
    check_loaded(sweep.model)
    if partition is None:
        raise StorageError(f"{place.path} holds no runs yet; run the sweep first")
    path = check.path("output", output) if output is not None else place.path / COLLECTED
    _check_output(path, place)
    notes: list[str] = []
    measures = chosen_measures(sweep, columns, quantities, notes)
    table = Table(sweep, place, partition, measures)
    layout = Layout(sweep, table.contents, moments=moments)
    dimensions = {dimension for column in layout.samples.values() for dimension in column.dimensions} - {"run"}
    if both := sorted((layout.samples.keys() | dimensions) & table.samples.keys()):
        fault = f"{both[0]} names an array of the runs, too, or a dimension; call the quantity otherwise"
        raise StudyError(COLLECT, [fault])
    facts = {
        "sweep_identity": sweep.identity,
        "study_json": json.dumps(sweep.tables),
        "axes_json": json.dumps(sweep.names),
    }
    with stack_file(path, layout.samples | table.samples, len(sweep), facts) as file:
        done = 0
        for piece, runs in table.pieces():
            for name, column in layout.fitted(piece).items():
                for rows, part in _segments(runs):
                    put(file, name, (rows, *(slice(0, n) for n in column.values.shape[1:])), column.values[part])
            done += len(runs)
            if progress is not None:
                progress(done, len(sweep))
        for name, values in table.finished().items():
            put(file, name, ..., values)
        selections = table.selections()
        for measure, selection in zip(measures, selections, strict=True):
            told = {"runs_with_value": selection.count, "comment": selection.sentence}
            for name in measure.columns:
                write_attributes(file[name], told)
    codes = table.numbers["status"]
    return Collected(
        path=path,
        runs=len(sweep),
        complete=int((codes == STATUS.index("complete")).sum()),
        present=int((codes < STATUS.index("failed")).sum()),
        selections=tuple(selections),
        notes=(*notes, table.raised) if table.raised else tuple(notes),
    )


def model_of_file(file: Path) -> Model:
    """The model that a sweep file names; a file that it names is run.

    Raises
    ------
    StudyError
        If there is none.
    """
    faults: list[str] = []
    model = chosen_model(with_location(load_tables(file), file.parent), faults)
    if faults:
        raise StudyError(str(file), faults)
    return model


def asked_for(
    folder: Path, file: Path | None, columns: str | None, model: Model | None = None
) -> tuple[list[str] | None, dict[str, str | Function] | None]:
    """Columns and quantities, as `collect_sweep` takes them, of a sweep file and of names with commas between.

    `model` is that of the sweep, where its study named a file or a module; None: the one that the sweep file names.
    The functions that the file names are loaded, which runs the Python files that they are in. Names choose among the
    columns that there are and the quantities of the file, or of the folder if no file is given; those that they leave
    out are not loaded.

    Raises
    ------
    StudyError
        Naming all faults of the table [collect], or the names that are none.
    """
    if columns is None and file is None:
        return None, None
    faults: list[str] = []
    sweep = stored_sweep(folder, model or (None if file is None else model_of_file(file)))[0]
    check_loaded(sweep.model)
    choice = sweep.choice
    if file is not None:
        tables = load_tables(file)
        if not tables.keys() & {SWEEP, COLLECT}:
            faults.append("is no sweep file: it has neither a table [sweep] nor [collect]")
        located_values(tables, sweep.model, file.parent, faults)  # loads the files of the user's that it names
        choice = sweep.read_choice(tables.get(COLLECT, {}), file.parent, faults)
        if faults:
            raise StudyError(str(file), faults)
    if columns is not None:
        choice = choice.among([name.strip() for name in columns.split(",") if name.strip()], sweep.model)
    functions = {} if file is None else loaded_functions(choice, file.parent)
    quantities: dict[str, str | Function] = {**choice.quantities, **functions}
    measures = measures_of(sweep.model, choice.columns, simulated=sweep.simulates)
    return [name for measure in measures for name in measure.columns], quantities


def chosen_measures(
    sweep: Sweep,
    columns: Sequence[str] | None,
    quantities: Mapping[str, str | Function] | None,
    notes: list[str],
) -> tuple[Measure, ...]:
    """What is measured, as `collect_sweep` is asked; where it is not, as the sweep file said."""
    chosen = sweep.choice.columns if columns is None else columns
    given = sweep.choice.quantities if quantities is None else quantities
    functions = {name: value for name, value in given.items() if callable(value)}
    texts = {name: value for name, value in given.items() if name not in functions}
    faults: list[str] = []
    table = {"quantities": texts} | ({} if chosen is None else {"columns": chosen})
    choice = sweep.read_choice(table, None, faults)
    for name in functions:
        fault = name_fault(name, column_names(sweep.names).values(), sweep.model)
        faults += [f"quantities: {name}: {fault}"] if fault else []
    if faults:
        raise StudyError(COLLECT, faults)
    return measures_of(sweep.model, choice.columns, simulated=sweep.simulates) + quantity_measures(
        choice, functions, notes
    )


def _check_output(path: Path, place: SweepFolder) -> None:
    """StorageError for a file that would stand among the runs, or in place of one that is no HDF5 file."""
    for kind in (RUNS, RETRIED, FAILURES, CHECKPOINTS):
        if path.resolve().is_relative_to((place.path / kind).resolve()):
            told = f"is among the sweep's own files, below {place.path / kind}"
            raise StorageError(f"{path} {told}; give another place, such as {place.path / COLLECTED}")
    if path.resolve() in ((place.path / name).resolve() for name in (MANIFEST, PLAN)):
        raise StorageError(f"{path} is the sweep's own; give another name, such as {place.path / COLLECTED}")
    if os.path.isfile(path) and path.stat().st_size and not h5py.is_hdf5(path):  # noqa: PTH113
        raise StorageError(f"{path} is no HDF5 file, and is not replaced; give another name with -o")


def _segments(runs: Indices) -> Iterator[tuple[slice, slice]]:
    """Rows of the file and of a piece, as slices: HDF5 takes those far faster than lists of numbers."""
    breaks = np.flatnonzero(np.diff(runs) != 1) + 1
    for part in np.split(np.arange(runs.size), breaks):
        first, last = int(part[0]), int(part[-1]) + 1
        yield slice(int(runs[first]), int(runs[first]) + last - first), slice(first, last)
