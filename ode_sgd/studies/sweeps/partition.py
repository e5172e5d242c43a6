"""Which runs share a file: decided once, from the measured time of a run, and the same for all who work on a sweep."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Indices
from ode_sgd.core.errors import OdeSgdError, StorageError, StudyError
from ode_sgd.core.kernels.vector_type import WIDTH
from ode_sgd.storage.sweep_folder import PLAN, RETRIED, Failure, SweepFolder, holds
from ode_sgd.studies.study_file import Study
from ode_sgd.studies.sweeps.compute import batched, check_interrupted, one_by_one, theory_alike
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.studies.tables import shown
from ode_sgd.studies.warm import compile_together

PROBED = 1.0  # seconds after which a trial run has shown that it is long
UNHEARD = 4.0  # seconds of one whose model does not call `progress` then, so that it goes on: no other is tried
FILE_SECONDS = 0.5  # work in one file: a file costs 10 to 15 ms, and what a kill loses is no more than this
SHARE = 16  # a sweep has at least as many files, so that every worker has something to do
FEWEST = 32  # ... as long as that many short runs still share one: they are computed side by side
MOST = 1000
LONG = 20.0  # seconds of a first integration that are not those of compiling: it is not done again to be timed
CLASSES = 4  # classes of runs that are tried, of all that there are
BUNDLES = 4  # at least, for every worker


@dataclass(frozen=True, slots=True)
class Item:
    """Work for one process that ends in one file."""

    path: str
    runs: tuple[int, ...]


class Partition:
    """The runs of a sweep in the order of their classes, cut into items.

    Parameters
    ----------
    sweep : Sweep
    folder : SweepFolder
    runs_per_file : list of int
        For every class of runs with arrays of one shape.
    measured : bool
        They follow from the time that runs take, and were not asked for.
    """

    def __init__(self, sweep: Sweep, folder: SweepFolder, runs_per_file: list[int], *, measured: bool) -> None:
        self._folder, self.measured = folder, measured
        classes = sweep.classes()
        self.order: Indices = np.argsort(classes, kind="stable")
        counts = np.bincount(classes)
        starts, first = [], 0
        for count, together in zip(counts.tolist(), runs_per_file, strict=True):
            starts.append(np.arange(first, first + count, together))
            first += count
        self.bounds = np.append(np.concatenate(starts), first)

    def __len__(self) -> int:
        return self.bounds.size - 1

    def item(self, number: int) -> Item:
        """One piece of work, 0 <= number < len(partition)."""
        runs = self.order[self.bounds[number] : self.bounds[number + 1]].tolist()
        return Item(str(self._folder.file(number, runs[0], len(runs))), tuple(runs))

    def size(self, number: int) -> int:
        """Runs of one piece of work."""
        return int(self.bounds[number + 1] - self.bounds[number])

    def number(self, run: int) -> int:
        """The piece of work that a run belongs to."""
        return int(np.searchsorted(self.bounds, self._places[run], side="right")) - 1

    @functools.cached_property
    def _places(self) -> Indices:
        places = np.empty_like(self.order)
        places[self.order] = np.arange(self.order.size)
        return places

    def items(self, numbers: range) -> Iterator[Item]:
        """The pieces of work of the partition."""
        return map(self.item, numbers)

    def settled(self, failure: Failure) -> bool:
        """Whether a run failed and was complete later: a kill can come before its failure is removed."""
        if failure.stored:
            return False
        if failure.run >= self.order.size:  # of no run of this sweep
            return True
        item = self.item(self.number(failure.run))
        return holds(self._folder.retried(failure.run)) or (len(item.runs) == 1 and holds(Path(item.path)))

    def missing(self, numbers: range) -> Iterator[Item]:
        """Those whose file is not there, and runs that failed in a batch whose file is."""
        present, retried = self._folder.present(), self._folder.present(RETRIED)
        failures = self._folder.failures()
        for item in self.items(numbers):
            if Path(item.path).name not in present:
                yield item
                continue
            for run in item.runs if failures and len(item.runs) > 1 else ():
                path = self._folder.retried(run)
                if run in failures and not failures[run].stored and path.name not in retried:
                    yield Item(str(path), (run,))


def bundles(partition: Partition, items: Sequence[Item], sweep: Sweep, workers: int) -> Iterator[tuple[Item, ...]]:
    """Items to be handed out in one go: runs with files of their own, as many as are computed side by side.

    Only where somebody asked for such files: runs that have them because they take long are handed out one by one, so
    that all workers end together. Fewer where workers would have nothing to do.
    """
    classes, firsts = sweep.classes(), sweep.firsts()
    together = min(WIDTH, max(1, len(items) // (BUNDLES * workers))) if workers > 1 else WIDTH
    together = 1 if partition.measured else together
    suits = functools.cache(lambda kind: together > 1 and _fills_lanes(sweep.study(firsts[kind])))
    for (kind, single), group in itertools.groupby(items, lambda i: (int(classes[i.runs[0]]), len(i.runs) == 1)):
        alike, size = tuple(group), 1
        with suppress(OdeSgdError):  # these will be named as failed runs
            size = together if single and suits(kind) else 1
        yield from (alike[begin : begin + size] for begin in range(0, len(alike), size))


def partition_of(
    sweep: Sweep,
    folder: SweepFolder,
    runs_per_file: int | None = None,
    check_signals: Callable[[], None] = lambda: None,
    jobs: int = 1,
) -> Partition:
    """The partition that holds in a folder; if there is none yet, one is made from a trial of the first run.

    Kernels are compiled before, by so many processes. A partition holds for good: one is written only if
    `check_signals` and the trial itself know of no interruption.

    Raises
    ------
    StorageError
        If `runs_per_file` is not that of the partition that is there.
    """
    found = folder.partition()
    if found is None:
        wanted = checked_runs_per_file(sweep, runs_per_file)
        compile_together(sweep, jobs, check_signals, whole=CLASSES if jobs > 1 else 0)
        seconds = {} if wanted else trial_seconds(sweep, check_signals)
        sizes = [wanted] * _count(sweep) if wanted else chosen_sizes(sweep, seconds)
        check_signals()
        found = folder.propose({"sweep": sweep.identity, "seconds_per_run": seconds, "runs_per_file": sizes})
    check_same_size(folder, _sizes(sweep, folder, found), runs_per_file)
    return _read(sweep, folder, found)


def checked_runs_per_file(sweep: Sweep, runs_per_file: int | None) -> int | None:
    """The number, or InvalidProblem; StudyError where the runs of this sweep cannot share a file."""
    if runs_per_file is None:
        return None
    wanted = check.integer("runs_per_file", runs_per_file, 1, MOST)
    if wanted > 1 and (reason := _alone_because(sweep)):
        told = f"runs_per_file = {wanted}, but {reason}; give 1, or leave it out"
        raise StudyError("--runs-per-file", [told])
    return wanted


def _alone_because(sweep: Sweep) -> str:
    """Why runs of this sweep have files of their own, empty where they may share one."""
    for first in sweep.firsts():
        with suppress(OdeSgdError):  # these will be named as failed runs
            study = sweep.study(first)
            if reason := study.model.alone_because(study.tables):
                return reason
    return ""


def check_same_size(folder: SweepFolder, sizes: list[int], runs_per_file: int | None) -> None:
    """StorageError if the folder was begun with another number."""
    if runs_per_file is not None and sizes and set(sizes) != {runs_per_file}:
        raise StorageError(
            f"{folder.path} was begun with {_told(sizes)} runs a file, not {runs_per_file}; leave it out, "
            "or give another folder"
        )


def known_partition(sweep: Sweep, folder: SweepFolder) -> Partition | None:
    """The partition that holds in a folder, None before there is one."""
    found = folder.partition()
    return None if found is None else _read(sweep, folder, found)


def _read(sweep: Sweep, folder: SweepFolder, found: Mapping[str, Any]) -> Partition:
    """The partition that a folder's file says."""
    return Partition(sweep, folder, _sizes(sweep, folder, found), measured=bool(found.get("seconds_per_run")))


def known_sizes(sweep: Sweep, folder: SweepFolder) -> list[int] | None:
    """Runs a file of the partition that holds in a folder, for every class, None before there is one."""
    found = folder.partition()
    return None if found is None else _sizes(sweep, folder, found)


def _sizes(sweep: Sweep, folder: SweepFolder, found: Mapping[str, Any]) -> list[int]:
    """Runs a file, for every class, as the partition that was read says."""
    given = found.get("runs_per_file")
    sizes = [size for size in given if type(size) is int and 1 <= size <= MOST] if isinstance(given, list) else []
    if len(sizes) != _count(sweep) or sizes != given:
        told = f"runs_per_file = {shown(given)}, but there are {_count(sweep)} classes of runs"
        raise StorageError(f"{folder.path / PLAN} is damaged ({told}); bring it back, or begin the sweep anew")
    return sizes


def _told(sizes: list[int]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else f"{min(sizes)} to {max(sizes)}"


def _count(sweep: Sweep) -> int:
    return int(sweep.classes().max()) + 1


def chosen_sizes(sweep: Sweep, seconds: Mapping[int, float]) -> list[int]:
    """Runs in one file, for every class, from the seconds that some runs take (PROBED: at least so many).

    As many as make FILE_SECONDS of work, but not so many that fewer than SHARE files are left, unless that is below
    FEWEST.
    """
    classes = sweep.classes()
    costs = {run: _cost(sweep.study(run)) for run in seconds}
    sizes: list[int] = []
    for first, count in zip(sweep.firsts(), np.bincount(classes).tolist(), strict=True):
        try:
            study = sweep.study(first)
        except OdeSgdError:  # these will be named as failed runs
            sizes.append(1)
            continue
        like = min(costs, key=lambda run: abs(np.log(costs[run] / _cost(study)))) if costs else None
        each = PROBED if like is None else max(seconds[like] * _cost(study) / costs[like], 1e-6)
        together = min(int(FILE_SECONDS / each), max(FEWEST, -(-len(sweep) // SHARE)), MOST, count)
        alone = each >= PROBED or study.model.alone_because(study.tables)
        sizes.append(1 if alone else max(1, together))
    return sizes


def _cost(study: Study) -> float:
    """What a run costs beside another of the same sweep, roughly."""
    return max(study.model.cost(study.tables), 1e-300)


def _fills_lanes(study: Study) -> bool:
    """Whether several such runs take hardly longer than one."""
    return study.model.fills_lanes(study.tables)


class _Long(Exception):
    """A trial that has run long enough."""


def trial_seconds(sweep: Sweep, check_signals: Callable[[], None] = lambda: None) -> dict[int, float]:
    """Seconds of processor time that some runs take, at most PROBED and a bit each: then one is given up.

    Not the time that passes: others may load the machine. What fails here will be met again when its turn comes.
    """
    firsts = sweep.firsts()
    tried = [firsts[place] for place in np.unique(np.linspace(0, len(firsts) - 1, CLASSES).astype(int))]
    seconds = {}
    for run in tried:
        with suppress(Exception):
            seconds[run] = _seconds(sweep.study(run))
        check_signals()  # what failed may be what became of an interruption
        if seconds.get(run, 0.0) > UNHEARD:
            break
    return seconds


def _seconds(study: Study) -> float:
    if not batched(study):
        first = min(_trial(study) for _ in range(2))  # the very first one may still compile
        return first if first >= PROBED else min(first, _trial(study))
    if study.model.is_long(study.tables):
        return PROBED
    first = _batch_seconds(study, 1)  # compiles what only a whole run needs
    return first if first > LONG else _batch_trial(study)


def _trial(study: Study) -> float:
    """Seconds of a run by itself."""
    began = time.process_time()
    try:
        check_interrupted(one_by_one(study, None, _limited(began)))
    except _Long:
        return max(PROBED, time.process_time() - began)
    return time.process_time() - began


def _batch_trial(study: Study) -> float:
    """Seconds of a run among others that are computed side by side."""
    count, seconds = 1, 0.0
    while count <= FEWEST and seconds < PROBED / 4:
        seconds = _batch_seconds(study, count)
        each, count = seconds / count, 4 * count
    return each


def _batch_seconds(study: Study, count: int) -> float:
    began = time.process_time()
    check_interrupted(theory_alike([study] * count))
    return time.process_time() - began


def _limited(began: float) -> Any:
    def progress(stage: str, fraction: float) -> None:
        if time.process_time() - began > PROBED:
            raise _Long

    return progress
