"""A sweep's runs in one file, and how far a sweep is; both from files alone."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ode_sgd.analysis.plateau import find_plateau
from ode_sgd.model.errors import OdeSgdError, StorageError
from ode_sgd.solvers.trajectory import Trajectory
from ode_sgd.storage.hdf5 import load
from ode_sgd.storage.stack import Column, put, read_stack, stack_file
from ode_sgd.storage.sweep_folder import CHECKPOINTS, FAILURES, MANIFEST, PLAN, RETRIED, RUNS, SweepFolder
from ode_sgd.studies.study_file import Study
from ode_sgd.studies.sweeps.plan import Plan
from ode_sgd.studies.sweeps.run import stored_sweep
from ode_sgd.studies.sweeps.stack import (
    SECONDS_ATTRIBUTES,
    SGD,
    STATUS,
    STATUS_ATTRIBUTES,
    Computed,
    columns_of,
    value_columns,
)
from ode_sgd.studies.sweeps.sweep import Sweep, run_identity

COLLECTED = "collected.h5"
RECENT = 64  # files that the present rate is taken from
IDLE = 10.0  # a sweep is at rest when its last file is older than so many times their usual distance, and a minute

# Numbers of each run that are computed when it is collected, from eps_g of the ODE.
SUMMARY = {
    "final_error": "eps_g of the ODE at the last time reached",
    "plateau_start": "alpha from which eps_g stays within 10 % of the height of its longest plateau",
    "plateau_end": "first alpha at which eps_g is below half of that height",
    "plateau_length": "plateau_end - plateau_start",
    "plateau_height": "eps_g on its longest plateau; NaN: there is none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What `collect_sweep` wrote: the file; the runs of the sweep, those that are complete, those that are in it."""

    path: Path
    runs: int
    complete: int
    present: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStatus:
    """How far a sweep is.

    Attributes
    ----------
    runs, complete, failed : int
        All; with a complete file; tried without getting to the end.
    files, bytes : int
        Of results.
    rate : float
        Runs a second of late, 0 while nothing is written.
    seconds_left : float
        At that rate; infinite where it is 0.
    last : float or None
        Seconds since the last file was written.
    """

    runs: int
    complete: int
    failed: int
    files: int
    rate: float
    seconds_left: float
    last: float | None


def sweep_status(folder: str | Path) -> SweepStatus:
    """How far the sweep in a folder is, whoever works on it, from its files alone.

    Raises
    ------
    StorageError
        If there is no sweep.
    """
    sweep, place, plan = stored_sweep(folder)
    if plan is None:
        return SweepStatus(runs=len(sweep), complete=0, failed=0, files=0, rate=0.0, seconds_left=np.inf, last=None)
    present = place.present()
    there, written, sizes = np.zeros(len(sweep), dtype=bool), [], []
    for number in range(len(plan)):
        item = plan.item(number)
        stamp = present.get(Path(item.path).name)
        if stamp is not None:
            there[list(item.runs)] = True
            written.append(stamp)
            sizes.append(len(item.runs))
    failed = [run for run, failure in place.failures().items() if not plan.settled(failure)]
    complete = int(there.sum()) - int(there[failed].sum())
    rate, last = _rate(np.array(written), np.array(sizes))
    left = len(sweep) - complete - len(failed)
    seconds = 0.0 if left == 0 else left / rate if rate > 0.0 else np.inf
    return SweepStatus(
        runs=len(sweep),
        complete=complete,
        failed=len(failed),
        files=len(written),
        rate=rate,
        seconds_left=seconds,
        last=last,
    )


def _rate(written: NDArray[np.float64], sizes: NDArray[np.int64]) -> tuple[float, float | None]:
    """Runs a second over the latest files, 0 if they are long past, and the age of the last one."""
    if written.size == 0:
        return 0.0, None
    order = np.argsort(written)[-RECENT:]
    stamps, runs = written[order], sizes[order]
    last = max(0.0, time.time() - float(stamps[-1]))
    span = float(stamps[-1] - stamps[0])
    if stamps.size < 2 or span <= 0.0 or last > max(60.0, IDLE * span / (stamps.size - 1)):
        return 0.0, last
    return float(runs[1:].sum()) / span, last


def collect_sweep(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    moments: bool = True,
    progress: Callable[[int, int], None] | None = None,
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
    progress : callable or None
        Called with the numbers of runs done and of all.

    Returns
    -------
    Collected

    Raises
    ------
    StorageError
        If there is no sweep, a file is damaged or of another sweep, or the output cannot be written.

    Notes
    -----
    Rows are numbered as the runs; docs/files.md has the layout. Where runs differ in K, M, replicas or output times,
    arrays are as large as the largest, and NaN beyond their own.
    """
    sweep, place, plan = stored_sweep(folder)
    if plan is None:
        raise StorageError(f"{place.path} holds no runs yet; run the sweep first")
    path = Path(output) if output is not None else place.path / COLLECTED
    _check_output(path, place)
    layout = _Layout(sweep, moments=moments)
    table = _Table(sweep, place, plan)
    facts = {
        "sweep_identity": sweep.identity,
        "study_json": json.dumps(sweep.tables),
        "axes_json": json.dumps(sweep.names),
    }
    with stack_file(path, layout.samples | table.samples, len(sweep), facts) as file:
        done = 0
        for columns, runs in table.pieces():
            for name, column in layout.fitted(columns).items():
                for rows, part in _segments(runs):
                    put(file, name, (rows, *(slice(0, n) for n in column.values.shape[1:])), column.values[part])
            done += len(runs)
            if progress is not None:
                progress(done, len(sweep))
        for name, values in table.finished().items():
            put(file, name, ..., values)
    codes = table.numbers["status"]
    return Collected(
        path=path,
        runs=len(sweep),
        complete=int((codes == STATUS.index("complete")).sum()),
        present=int((codes < STATUS.index("failed")).sum()),
    )


def _check_output(path: Path, place: SweepFolder) -> None:
    """StorageError for a file that would stand among the runs: it could replace one, or pass for one."""
    for kind in (RUNS, RETRIED, FAILURES, CHECKPOINTS):
        if path.resolve().is_relative_to((place.path / kind).resolve()):
            told = f"is among the sweep's own files, below {place.path / kind}"
            raise StorageError(f"{path} {told}; give another place, such as {place.path / COLLECTED}")
    if path.resolve() in ((place.path / name).resolve() for name in (MANIFEST, PLAN)):
        raise StorageError(f"{path} is the sweep's own; give another name, such as {place.path / COLLECTED}")


def _segments(runs: NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
    """Rows of the file and of a piece, as slices: HDF5 takes those far faster than lists of numbers."""
    breaks = np.flatnonzero(np.diff(runs) != 1) + 1
    for part in np.split(np.arange(runs.size), breaks):
        first, last = int(part[0]), int(part[-1]) + 1
        yield slice(int(runs[first]), int(runs[first]) + last - first), slice(first, last)


class _Layout:
    """The arrays of the file: as large as those of the largest run."""

    def __init__(self, sweep: Sweep, *, moments: bool) -> None:
        self._moments = moments
        firsts = np.unique(sweep.classes(), return_index=True)[1].tolist()
        studies = [study for study in (_study_or_none(sweep, run) for run in firsts) if study is not None]
        shapes = [_shapes(study) for study in studies]
        self._common = {
            prefix: len({grid.tobytes() for shape in shapes for name, grid in shape.grids.items() if name == prefix})
            == 1
            for prefix in ("", SGD)
        }
        self.samples: dict[str, Column] = {}
        for shape in shapes:
            for name, column in self.fitted(shape.columns).items():
                held = self.samples.get(name, column)
                size = tuple(max(pair) for pair in zip(held.values.shape, column.values.shape, strict=True))
                # No array of that size: only its shape is looked at.
                self.samples[name] = Column(
                    column.dimensions, np.broadcast_to(column.values.dtype.type(0), size), column.attributes
                )
        for prefix, common in self._common.items():
            grids = [shape.grids[prefix] for shape in shapes if prefix in shape.grids]
            if common and grids:
                self.samples[f"{prefix}alpha"] = Column(
                    (f"{prefix}alpha",), grids[0], {"long_name": "time alpha, steps / N"}
                )

    def fitted(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        """Those of a run's or batch's columns that are arrays, named and dimensioned as in the file."""
        result: dict[str, Column] = {}
        for name, column in columns.items():
            prefix = SGD if name.startswith(SGD) else ""
            if name == f"{prefix}alpha":
                if not self._common[prefix]:
                    values = np.broadcast_to(column.values, (columns["run"].values.size, column.values.size))
                    result[name] = Column(("run", f"{prefix}time"), values, column.attributes)
            elif len(column.dimensions) > 1 and (self._moments or name.endswith("generalization_error")):
                own, there = f"{prefix}alpha", f"{prefix}{'alpha' if self._common[prefix] else 'time'}"
                dimensions = tuple(there if d == own else d for d in column.dimensions)
                result[name] = Column(dimensions, column.values, column.attributes)
        return result


@dataclass(frozen=True, slots=True)
class _Shapes:
    """Output times by prefix, and columns, of one run of a study, all numbers 0."""

    grids: dict[str, NDArray[np.float64]]
    columns: dict[str, Column]


def _study_or_none(sweep: Sweep, run: int) -> Study | None:
    try:
        return sweep.study(run)
    except OdeSgdError:
        return None


def _shapes(study: Study) -> _Shapes:
    """What the arrays of a study's run look like, without computing any."""
    K, M = study.problem.student_units, study.problem.teacher_units
    orders = study.integration.moments

    def like(alpha: NDArray[np.float64], lead: tuple[int, ...]) -> Trajectory:
        n = alpha.size
        moments = {
            order: (np.zeros((*lead, n, K, K)), np.zeros((*lead, n, K, M)), np.zeros((M, M))) for order in orders
        }
        return Trajectory(
            problem=study.problem, alpha=alpha, generalization_error=np.zeros((*lead, n)), moments=moments, method=""
        )

    alpha = study.integration.times
    grids, runs = {"": alpha}, []
    if study.simulation is not None:
        times = study.simulation.times(float(alpha[-1]))
        grids = {"": np.union1d(alpha, times), SGD: times}
        runs = [like(times, (study.simulation.replicas,))]
    computed = Computed(0, {}, study, (like(grids[""], ()), *runs), 0.0)
    return _Shapes(grids, columns_of([computed]))


class _Table:
    """One number a run: what varies, status, seconds, summary; and the files that they come from."""

    def __init__(self, sweep: Sweep, folder: SweepFolder, plan: Plan) -> None:
        self._sweep, self._folder, self._plan = sweep, folder, plan
        count = len(sweep)
        self.numbers: dict[str, NDArray[Any]] = {
            "status": np.full(count, STATUS.index("missing"), dtype=np.int8),
            "seconds": np.full(count, np.nan),
            **{name: np.full(count, np.nan) for name in SUMMARY},
        }
        texts = {"status": STATUS_ATTRIBUTES, "seconds": SECONDS_ATTRIBUTES}
        texts |= {name: {"long_name": text} for name, text in SUMMARY.items()}
        self._values = value_columns([sweep.values(run) for run in range(count)])
        self.samples = {
            "run": Column(("run",), np.arange(count), {"long_name": "number of the run"}),
            **self._values,
            **{name: Column(("run",), values, texts[name]) for name, values in self.numbers.items()},
        }

    def finished(self) -> dict[str, NDArray[Any]]:
        """Everything that has one number a run."""
        values = {name: column.values for name, column in self._values.items()}
        return {"run": np.arange(len(self._sweep))} | values | self.numbers

    def pieces(self) -> Iterator[tuple[dict[str, Column], NDArray[np.int64]]]:
        """Columns of file after file, and the runs that they are of; the numbers are noted on the way."""
        for run, failure in self._folder.failures().items():
            if not failure.stored and run < len(self._sweep):
                self.numbers["status"][run] = STATUS.index("failed")
        present = self._folder.present()
        for number in range(len(self._plan)):
            item = self._plan.item(number)
            if Path(item.path).name in present:
                yield self._noted(Path(item.path), item.runs)
        for name in sorted(self._folder.present(RETRIED)):
            run = int(name.removeprefix("run-").removesuffix(".h5"))
            yield self._noted(self._folder.retried(run), (run,))

    def _noted(self, path: Path, expected: tuple[int, ...]) -> tuple[dict[str, Column], NDArray[np.int64]]:
        columns = _read(path, self._sweep)
        runs = columns["run"].values
        if not set(runs.tolist()) <= set(expected):
            raise StorageError(f"{path} holds other runs than its name says; remove it and run again")
        for row, run in enumerate(runs.tolist()):
            study = self._sweep.study(run)
            if columns["identity"].values[row].decode() != run_identity(study, self._sweep.values(run)):
                raise StorageError(f"{path} holds a run of another sweep as run {run}; remove it and run again")
            for name, value in _summary(study, columns, row).items():
                self.numbers[name][run] = value
            self.numbers["status"][run] = columns["status"].values[row]
            self.numbers["seconds"][run] = columns["seconds"].values[row]
        return columns, runs


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
    columns = columns_of([Computed(run, sweep.values(run), study, parts, float(facts["seconds"]))])
    columns["identity"] = Column(("run",), np.array([facts["identity"].encode()]), {})
    return columns


def _summary(study: Study, columns: Mapping[str, Column], row: int) -> dict[str, float]:
    """The numbers of SUMMARY for a row."""
    reached = int(columns["reached"].values[row])
    error = columns["generalization_error"].values[row, :reached]
    found = {"final_error": float(error[-1])} if reached else {}
    if reached < 4:
        return found
    trajectory = Trajectory(
        problem=study.problem,
        alpha=np.array(columns["alpha"].values[:reached]),
        generalization_error=np.array(error),
        moments={},
        method=study.integration.method,
        resolution=float(columns["resolution"].values[row]),
    )
    plateau = find_plateau(trajectory)
    if plateau is None:
        return found
    return found | {
        "plateau_start": plateau.start,
        "plateau_end": plateau.end,
        "plateau_length": plateau.length,
        "plateau_height": plateau.height,
    }
