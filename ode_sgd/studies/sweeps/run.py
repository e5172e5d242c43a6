"""Running a sweep: what is not there yet is computed, in this process, in several, or on a cluster."""

import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ode_sgd.core import allowance, check, notice
from ode_sgd.core.compile.processor import processor_kind
from ode_sgd.core.errors import StudyError
from ode_sgd.core.given import plain, shown
from ode_sgd.core.interruption import Interruption
from ode_sgd.core.keywords import own_keywords
from ode_sgd.storage.sweep_folder import MANIFEST, Failure, SweepFolder
from ode_sgd.studies.sweeps.cluster_file import ClusterSettings
from ode_sgd.studies.sweeps.fork_server import start_fork_server
from ode_sgd.studies.sweeps.manifest import check_same, open_folder
from ode_sgd.studies.sweeps.partition import (
    Item,
    Partition,
    bundles,
    check_same_size,
    checked_runs_per_file,
    known_sizes,
    partition_of,
)
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.studies.sweeps.task import TaskResult, do_together
from ode_sgd.studies.warm import compile_together

Progress = Callable[[int, int, int], None]
MOST_JOBS = 1000  # processes of one machine
DRIVERS = 2  # processes that compile where jobs are submitted from, which others use too
EXTRA = "pip install 'ode-sgd[cluster]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """What a sweep, or a shard of one, has come to.

    Attributes
    ----------
    folder : Path
    runs : int
        That it has.
    complete : int
        Runs that are complete, also those of earlier commands.
    failures : tuple of Failure
        All others that were tried: `run`, `values`, `kind` ("raised", "lost", "storage", or the run's status, such as
        "diverged"), `message`, `traceback`.
    computed : int
        Runs that this command completed.
    twice : int
        Runs that another process finished while this one computed them; its numbers are kept.
    interrupted : bool
        Stopped by Ctrl-C, SIGTERM or SIGHUP; the same command goes on.
    seconds : float

    Examples
    --------
    >>> sweep = ode_sgd.Sweep(study, {"problem.learning_rate": [0.1, 0.2]})
    >>> result = ode_sgd.run_sweep(sweep, "rates.sweep")
    >>> result.runs, result.failures, result.interrupted
    (2, (), False)
    """

    folder: Path
    runs: int
    complete: int
    failures: tuple[Failure, ...]
    computed: int
    twice: int
    interrupted: bool
    seconds: float


@own_keywords
@check.underflow_is_zero
def run_sweep(
    sweep: Sweep,
    folder: str | Path,
    *,
    jobs: int = 1,
    shard: str | tuple[int, int] | None = None,
    cluster: str | Path | ClusterSettings | None = None,
    runs_per_file: int | None = None,
    dashboard: bool = False,
    progress: Progress | None = None,
) -> SweepResult:
    """Compute the runs of a sweep that are not in its folder yet.

    Parameters
    ----------
    sweep : Sweep
    folder : path-like
        Made if it does not exist, of a symbolic link where it points to; otherwise it must be this sweep's. What is
        complete in it is skipped, what failed is tried again, so that the same call goes on after an end of any kind.
    jobs : int
        Processes, 0..1000; 1 computes in this one, 0 stands for as many as this process may use processors, and more
        than that are a warning. Two or more need the extra `cluster`.
    shard : "i/n", (i, n) or None
        Only the i-th of n parts, 0 <= i < n, for job arrays: the parts share the folder and need nothing else.
    cluster : path-like, ClusterSettings or None
        A cluster file (docs/howto/sweeps.md): jobs of a queueing system do the work, as many as it says.
    runs_per_file : int or None
        1..1000; None decides from the time that the first run takes. Fixed once the folder is begun.
    dashboard : bool
        Serve dask's own page, to this machine only; its address is printed on stderr.
    progress : callable or None
        Called with the numbers of complete runs, of all runs and of failed ones.

    Returns
    -------
    SweepResult

    Raises
    ------
    StorageError
        If the folder cannot be written, is another sweep's, or another process works on the same part.
    ProcessorError
        If `ODE_SGD_CPU` names no kind of processor, or one wider than this.
    StudyError
        For a shard outside its range, for jobs other than 1 beside a cluster, for several runs a file with sectors (a
        file of several runs holds none), where the extra `cluster` or the queueing system's command is missing, or
        where the queueing system takes no job.
    InvalidProblem
        For other arguments outside their range.

    Notes
    -----
    A run that raises, diverges or cannot be written does not stop the others. Scripts that call this with jobs > 1
    must do so below ``if __name__ == "__main__":``, since the processes import them.

    Examples
    --------
    >>> sweep = ode_sgd.Sweep(study, {"problem.learning_rate": [0.1, 0.2]})
    >>> ode_sgd.run_sweep(sweep, "rates.sweep").complete
    2
    """
    began = time.perf_counter()
    processor_kind()  # a wrong choice would fail run by run
    check.instance("sweep", sweep, Sweep)
    part = _shard(shard)
    settings = cluster if cluster is None or isinstance(cluster, ClusterSettings) else ClusterSettings.read(cluster)
    jobs = _jobs(jobs, settings)
    _check_engine(jobs, settings, folder, dashboard)
    checked_runs_per_file(sweep, runs_per_file)
    # Jobs of some queueing systems begin in another folder than the one from which they were submitted.
    place = open_folder(sweep, folder if settings is None else check.path("folder", folder).absolute())
    name = _part_name(shard)
    with place.locked(name), Interruption() as interruption:
        place.sweep_up()
        if jobs > 1:
            start_fork_server()
        work = None
        try:
            begun = place.partition() is not None
            processes = jobs if settings is None else min(DRIVERS, allowance.threads())
            partition = partition_of(sweep, place, runs_per_file, interruption.check, processes)
            interruption.check()
            work = _Work(partition, place, range(part[0], len(partition), part[1]), progress)
            if work.items:
                workers = jobs if settings is None else settings.jobs * settings.cores
                if begun and (jobs > 1 or settings is not None):  # a new partition's trial has compiled already
                    compile_together(sweep, processes, interruption.check)
                engine = _engine(sweep, place, jobs, settings, name, dashboard, interruption)
                with closing(engine(bundles(partition, work.items, sweep, workers))) as results:
                    for result in results:
                        work.add(result)
                        interruption.check()
        except KeyboardInterrupt:
            if work is None:
                raise
            return work.result(time.perf_counter() - began, interrupted=True)
        return work.result(time.perf_counter() - began, interrupted=False)


def check_arguments(
    sweep: Sweep,
    folder: str | Path,
    jobs: int,
    shard: str | tuple[int, int] | None,
    cluster: str | Path | None,
    *,
    runs_per_file: int | None = None,
    dashboard: bool = False,
) -> None:
    """Raise what `run_sweep` would raise before it computes anything; no folder is made."""
    _shard(shard)
    settings = None if cluster is None else ClusterSettings.read(cluster)
    _check_engine(_jobs(jobs, settings), settings, folder, dashboard)
    checked_runs_per_file(sweep, runs_per_file)
    if settings is None:
        study = sweep.study(0)  # what that takes of the memory, most often all others take
        if study.simulates:
            study.model.prepare(study.tables)
    place = SweepFolder(folder)
    place.check()
    if (place.path / MANIFEST).exists():
        check_same(place.manifest(), sweep, place)
        check_same_size(place, known_sizes(sweep, place) or [], runs_per_file)


def told_of_jobs(cluster: str | Path, folder: str | Path, shard: str | tuple[int, int] | None) -> str:
    """What a cluster file asks a queueing system for: how many jobs, and the script of each."""
    from ode_sgd.studies.sweeps.job_script import example_script, job_class  # bring dask, an extra

    settings, place = ClusterSettings.read(cluster), check.path("folder", folder).absolute()
    jobs = "1 job" if settings.jobs == 1 else f"at most {settings.jobs} jobs at one time"
    script = example_script(settings, place, _part_name(shard)).rstrip()
    return f"it would submit {jobs} with {job_class(settings).submit_command}, of this kind:\n\n{script}"


def _part_name(shard: str | tuple[int, int] | None) -> str:
    """Of what one command works on, in names of files."""
    index, count = _shard(shard)
    return "all" if shard is None else f"shard-{index}-of-{count}"


def _shard(given: str | tuple[int, int] | None) -> tuple[int, int]:
    """i and n."""
    if given is None:
        return 0, 1
    if isinstance(given, str):
        found = re.fullmatch(r"\s*(-?\d{1,18})\s*/\s*(-?\d{1,18})\s*", given)
        if found is None:
            told = f"{shown(given)} is no part; give i/n with 0 <= i < n, such as 0/10{_outside(given)}"
            raise StudyError("--shard", [told])
        given = int(found[1]), int(found[2])
    given = plain(given)
    if not (isinstance(given, tuple | list) and len(given) == 2 and all(type(number) is int for number in given)):
        raise StudyError(
            "--shard", [f"{shown(given)} is no part; give (i, n) or 'i/n' with 0 <= i < n, such as (0, 10)"]
        )
    index, count = given
    if count < 1 or not 0 <= index < count:
        told = f"parts of {count} count from 0 to {count - 1}" if count >= 1 else "there must be at least 1 part"
        raise StudyError("--shard", [f"{index}/{count} is outside its range: {told}{_outside(index)}"])
    return index, count


def _outside(index: object) -> str:
    """What a part such as -1, or one without a number, most often comes from."""
    if index == -1 or (isinstance(index, str) and not index.strip()[:1].isdigit()):
        return "; outside of a job array there is no number of an element (Grid Engine's is then the word undefined)"
    return ""


def _jobs(given: int, settings: ClusterSettings | None) -> int:
    """How many processes of this machine; a warning where there are more than may run at one time."""
    jobs, allowed = check.integer("jobs", given, 0), allowance.threads()
    if jobs != 1 and settings is not None:
        raise StudyError("-j", [f"{jobs} processes of this machine and --cluster: give one (a cluster file has jobs)"])
    if jobs > MOST_JOBS:
        raise StudyError(
            "-j", [f"{jobs} processes are too many for one machine; give at most {MOST_JOBS}, or --cluster"]
        )
    if jobs > allowed:
        limits = ", ".join(f"{name} {limit:g}" for name, limit in allowance.processor_limits().items())
        told = f"jobs = {jobs}, but {allowed} can run at one time here ({limits}): the others wait, and take memory"
        notice.warn(f"{told}; 0 stands for as many as can run")
    return jobs or allowed


def _check_engine(jobs: int, settings: ClusterSettings | None, folder: str | Path, dashboard: bool) -> None:
    """Say what is missing before anything is computed."""
    if jobs == 1 and settings is None:
        if dashboard:
            raise StudyError("--dashboard", ["is dask's page; give -j 2 or more, or --cluster"])
        return
    needed = ["dask", "distributed", "cryptography"] + (["dask_jobqueue"] if settings is not None else [])
    missing = [name.replace("_", "-") for name in needed if find_spec(name) is None]
    asked = "--cluster" if settings is not None else f"-j {jobs}"
    if missing:
        raise StudyError(
            asked, [f"needs {', '.join(missing)}: {EXTRA}; without it, -j 1 and --shard i/n work, one process a part"]
        )
    if dashboard and find_spec("bokeh") is None:
        raise StudyError("--dashboard", ["needs bokeh: pip install bokeh"])
    if settings is not None:
        from ode_sgd.studies.sweeps.queueing import check_queue  # brings dask, an extra

        check_queue(settings, check.path("folder", folder).absolute())


Engine = Callable[[Iterator[tuple[Item, ...]]], Generator[TaskResult, None, None]]


def _engine(
    sweep: Sweep,
    folder: SweepFolder,
    jobs: int,
    settings: ClusterSettings | None,
    part: str,
    dashboard: bool,
    interruption: Interruption,
) -> Engine:
    """A function that takes bundles of items and yields what became of each item."""
    if jobs == 1 and settings is None:

        def here(work: Iterator[tuple[Item, ...]]) -> Generator[TaskResult, None, None]:
            for bundle in work:
                yield from do_together(sweep, folder, bundle, interruption.check)

        return here

    def there(work: Iterator[tuple[Item, ...]]) -> Generator[TaskResult, None, None]:
        with interruption.remembered():  # dask, an extra, is not made for exceptions that come from anywhere
            from ode_sgd.studies.sweeps.dispatch import distribute

            if settings is not None:
                from ode_sgd.studies.sweeps.queueing import queued_pool

                workers = queued_pool(settings, folder, part, dashboard=dashboard)
            else:
                from ode_sgd.studies.sweeps.local import local_pool

                workers = local_pool(jobs, dashboard=dashboard)
            yield from distribute(work, sweep, folder, workers, interruption.check)

    return there


class _Work:
    """What is there, and what comes."""

    def __init__(self, partition: Partition, folder: SweepFolder, numbers: range, progress: Progress | None) -> None:
        self._partition, self._folder = partition, folder
        self._progress = progress or (lambda complete, runs, failed: None)
        self.items = list(partition.missing(numbers))  # to be done
        self._mine = {run for number in numbers for run in partition.item(number).runs}
        self._complete = self._mine.difference(*(item.runs for item in self.items))
        self._computed, self._twice = 0, 0
        self._failures: dict[int, Failure] = {}
        self._written_down()
        self._tell()

    @property
    def runs(self) -> int:
        """Of the sweep, or of this part of it."""
        return len(self._mine)

    def add(self, result: TaskResult) -> None:
        """Count what became of an item."""
        self._failures |= {failure.run: failure for failure in result.failures}
        complete = set(result.runs) - self._failures.keys()
        self._complete |= complete
        self._computed += 0 if result.skipped else len(complete)
        self._twice += len(result.runs) if result.twice else 0
        self._tell()

    def _written_down(self) -> None:
        """Take what the folder says of runs that have a file: also of those that another process computed."""
        noted = {
            run: failure
            for run, failure in self._folder.failures().items()
            if run in self._complete and not self._partition.settled(failure)
        }
        self._failures |= noted
        self._complete -= noted.keys()

    def _tell(self) -> None:
        self._progress(len(self._complete), self.runs, len(self._failures))

    def result(self, seconds: float, *, interrupted: bool) -> SweepResult:
        """What all of it has come to."""
        self._written_down()
        return SweepResult(
            folder=self._folder.path,
            runs=self.runs,
            complete=len(self._complete),
            failures=tuple(self._failures[run] for run in sorted(self._failures)),
            computed=self._computed,
            twice=self._twice,
            interrupted=interrupted,
            seconds=seconds,
        )
