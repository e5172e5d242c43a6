"""A sweep on many processes: dask's scheduler in this process, workers on this machine or in a cluster's jobs.

Only the numbers of runs go to workers, and only counts and failures come back: results go through files. So nothing is
lost with a worker, a job or the driver but what was being computed.
"""

import functools
import logging
import multiprocessing
import os
import queue
import shutil
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import dask
from distributed import Client, KilledWorker, LocalCluster, Status
from distributed.security import Security
from distributed.utils import get_mp_context

from ode_sgd.model.errors import StudyError
from ode_sgd.storage.sweep_folder import LOST, RAISED, Failure, SweepFolder, make_parent
from ode_sgd.studies.sweeps.cluster_file import ClusterSettings
from ode_sgd.studies.sweeps.plan import Item
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.studies.sweeps.task import ATTEMPTS, TaskResult, do_together

AHEAD = 4  # items a worker that the scheduler knows of: enough to keep it busy, few enough to hold 1e5 runs
DEATHS = 2  # workers that may die with an item before dask gives it up
SETTINGS = {"distributed.scheduler.allowed-failures": DEATHS, "distributed.deploy.lost-worker-timeout": "5s"}
RENEWED = 20.0  # seconds without a worker after which another takes its place
METHOD = "distributed.worker.multiprocessing-method"
FORKS = sys.platform == "linux"
DEAF = "ode_sgd.studies.sweeps.deaf"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
HERE = "127.0.0.1:0"  # for dask's web servers, which otherwise listen to everybody; any free port
PAGES = ("distributed.scheduler.http.routes", "distributed.worker.http.routes")
CLUSTER = "--cluster"  # what faults are reported of
TICK = 0.5  # seconds between looks at signals while nothing comes


def prepare() -> None:
    """Start the process that workers of this machine are forked from, with everything imported already.

    A worker is there in a tenth of a second then, also in place of one that died, and not in two. Nothing but imports
    happens in that process, on one thread, so that a fork of it is safe.
    """
    if not FORKS:
        return
    with dask.config.set({METHOD: "forkserver"}):
        get_mp_context()  # dask's own list of imports, in place of which comes ours
    multiprocessing.get_context("forkserver").set_forkserver_preload(["distributed.nanny", __name__, DEAF])
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))  # what is forked cannot change them any more
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def distribute(
    work: Iterator[tuple[Item, ...]],
    sweep: Sweep,
    folder: SweepFolder,
    jobs: int,
    settings: ClusterSettings | None,
    *,
    part: str,
    dashboard: bool,
    check: Callable[[], None],
) -> Generator[TaskResult, None, None]:
    """Have bundles of items done by workers; what became of each item, in the order in which they end."""
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(SETTINGS if dashboard else SETTINGS | {page: [] for page in PAGES}))
        stack.enter_context(dask.config.set({METHOD: "forkserver" if FORKS else "spawn"}))
        if settings is None:
            cluster = stack.enter_context(_local(jobs, dashboard=dashboard))
            workers = jobs
        else:
            submissions = _Submissions()
            cluster = stack.enter_context(_queued(settings, folder, part, submissions, dashboard=dashboard))
            workers = settings.jobs * settings.cores
        client = stack.enter_context(Client(cluster, set_as_default=False))
        if dashboard:
            print(f"dashboard  {client.dashboard_link}", file=sys.stderr)
        renew = _Renewal(cluster, jobs) if settings is None else functools.partial(submissions.look, cluster)
        yield from _fed(client, work, sweep, folder, AHEAD * workers, check, renew)


def _fed(
    client: Any,
    work: Iterator[tuple[Item, ...]],
    sweep: Sweep,
    folder: SweepFolder,
    ahead: int,
    check: Callable[[], None],
    renew: Callable[[], None],
) -> Iterator[TaskResult]:
    """Keep the scheduler supplied, and hand on what comes; `renew` looks after the workers while nothing does."""
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    under_way: dict[Any, tuple[tuple[Item, ...], int, float]] = {}

    def submit(bundle: tuple[Item, ...], attempt: int) -> None:
        future = client.submit(_remote, str(folder.path), bundle, pure=False)
        under_way[future.key] = bundle, attempt, time.time()
        future.add_done_callback(done.put)

    while True:
        while len(under_way) < ahead and (bundle := next(work, None)) is not None:
            submit(bundle, 1)
        if not under_way:
            return
        try:
            future = done.get(timeout=TICK)
        except queue.Empty:
            continue
        finally:
            check()
            renew()
        bundle, attempt, began = under_way.pop(future.key)
        try:
            results: list[TaskResult] = future.result(timeout=TICK)
        except TimeoutError:  # its worker died before it could be asked for the result: they are done again
            under_way[future.key] = bundle, attempt, began
            future.add_done_callback(done.put)
            time.sleep(TICK)
        except Exception as error:  # not of a run: those come back as results
            if len(bundle) > 1:  # to find out which of them it is; those that are written are skipped
                for item in bundle:
                    submit((item,), 1)
                continue
            (item,) = bundle
            if not isinstance(error, KilledWorker):
                yield _given_up(sweep, folder, item, RAISED, f"{type(error).__name__}: {error}")
                continue
            # A long simulation that outlives its jobs gets on by its checkpoint: that is no failure.
            attempt = attempt if _got_on(folder, item, began) else attempt + 1
            if attempt > ATTEMPTS:
                yield _given_up(sweep, folder, item, LOST, f"its worker died {ATTEMPTS * (DEATHS + 1)} times ({error})")
            else:
                submit(bundle, attempt)
        else:
            yield from results


class _Renewal:
    """Puts new workers in place of those that are gone for long: of one killed in its first moments dask lets go."""

    def __init__(self, cluster: Any, jobs: int) -> None:
        self._cluster, self._jobs = cluster, jobs
        self._whole = time.monotonic()

    def __call__(self) -> None:
        """Look, and act where workers have been missing for RENEWED seconds."""
        there = {worker.name for worker in list(self._cluster.scheduler.workers.values())}
        if len(there) >= self._jobs:
            self._whole = time.monotonic()
        elif time.monotonic() - self._whole > RENEWED:
            self._whole = time.monotonic()
            for name in set(self._cluster.worker_spec) - there:
                del self._cluster.worker_spec[name]
            self._cluster.scale(self._jobs)


def _got_on(folder: SweepFolder, item: Item, since: float) -> bool:
    """Whether a run's checkpoint was written after it was handed out."""
    try:
        return any(folder.checkpoint(run).stat().st_mtime > since for run in item.runs)
    except OSError:
        return False


def _given_up(sweep: Sweep, folder: SweepFolder, item: Item, kind: str, message: str) -> TaskResult:
    """The result of an item that no worker could finish."""
    failures = tuple(
        Failure(run=run, kind=kind, values=sweep.values(run), message=message, attempts=ATTEMPTS) for run in item.runs
    )
    for failure in failures:
        try:
            folder.record(failure)
        except OSError:
            break
    return TaskResult(runs=item.runs, failures=failures)


def _remote(folder: str, bundle: tuple[Item, ...]) -> list[TaskResult]:
    """In a worker: do a bundle of items."""
    sweep, place = _known(folder)
    return list(do_together(sweep, place, bundle))


@functools.lru_cache(maxsize=4)
def _known(folder: str) -> tuple[Sweep, SweepFolder]:
    """The sweep of a folder, read once in every process."""
    place = SweepFolder(folder)
    return Sweep.of_document(place.manifest()["sweep"], folder), place


@contextmanager
def _local(jobs: int, *, dashboard: bool) -> Iterator[Any]:
    """Processes on this machine. With certificates: on a login node others reach the same loopback device."""
    cluster = LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        host="127.0.0.1",
        protocol="tls://",
        security=Security.temporary(),
        dashboard_address=HERE,
        worker_dashboard_address=HERE,
        preload=[DEAF],  # where workers are not forked
        scheduler_kwargs={"dashboard": dashboard},
        silence_logs=logging.CRITICAL,
    )
    with cluster:
        yield cluster


class _Submissions:
    """Whether the queueing system takes jobs.

    dask keeps a refusal to itself, counts the job as asked for, and asks for no other: one failure of the queueing
    system, and it would wait for ever.
    """

    def __init__(self) -> None:
        self._taken, self._refusal = False, ""
        self._refused: dict[str, float] = {}

    def recorded(self, job: Any) -> Any:
        """A class of jobs like the one given, of which it is known here how its submissions end."""

        async def start(this: Any) -> None:
            try:
                await job.start(this)
                self._taken = True
            except Exception as error:
                self._refusal = " ".join(str(error).split()) or type(error).__name__
                self._refused[this.name] = time.monotonic()
                this.status = Status.running  # for dask, which would stop replacing jobs otherwise

        return type(job.__name__, (job,), {"start": start})

    def look(self, cluster: Any) -> None:
        """StudyError if a job was refused and none was ever taken; another is asked for in place of a later one."""
        if self._refusal and not self._taken:
            raise StudyError(CLUSTER, [f"the queueing system refuses the job: {self._refusal}"])
        for name, since in list(self._refused.items()):
            if time.monotonic() - since > RENEWED:
                del self._refused[name]
                cluster.worker_spec.pop(name, None)


def _kind(settings: ClusterSettings) -> Any:
    """dask-jobqueue's class."""
    import dask_jobqueue

    return {
        "slurm": dask_jobqueue.SLURMCluster,
        "pbs": dask_jobqueue.PBSCluster,
        "sge": dask_jobqueue.SGECluster,
        "lsf": dask_jobqueue.LSFCluster,
    }[settings.kind]


def check_queue(settings: ClusterSettings) -> None:
    """StudyError if the queueing system's command is not on this machine."""
    command = _kind(settings).job_cls.submit_command
    if shutil.which(command) is None:
        told = f"kind = {settings.kind!r} needs the command {command}, which is not on this machine's PATH"
        raise StudyError(CLUSTER, [f"{told}; run where jobs are submitted from, or give another kind"])


@contextmanager
def _queued(
    settings: ClusterSettings, folder: SweepFolder, part: str, submissions: _Submissions, *, dashboard: bool
) -> Iterator[Any]:
    """Jobs of a queueing system."""
    logs = folder.path / "logs"
    make_parent(logs / "x")
    kind = _kind(settings)
    with certificates(folder.path / f"certificates-{part}") as security:
        arguments = job_arguments(settings, security, logs, dashboard=dashboard)
        try:
            started = kind(job_cls=submissions.recorded(kind.job_cls), **arguments)
        except (ValueError, OSError, RuntimeError) as error:
            told = f"{error}; look at memory, walltime, interface and driver_interface of the cluster file"
            raise StudyError(CLUSTER, [f"cannot be started: {told}"]) from error
        with started as cluster:
            # adapt, not scale: a job that was cancelled or ran out of time is replaced. As many jobs as there is work
            # for, however short its pieces: fewer only when the end is near.
            cluster.adapt(
                minimum_jobs=1, maximum_jobs=settings.jobs, target_duration="1ms", interval="2s", wait_count=10
            )
            print(f"waiting for the first job of {settings.kind}; jobs write into {logs}", file=sys.stderr)
            yield cluster


@contextmanager
def certificates(place: Path) -> Iterator[Security]:
    """A key and a certificate in files for their owner alone: whoever has them can make the workers do anything.

    What a killed driver left in their place is removed.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True)
    made = Security.temporary()
    paths = {}
    for name, text in (("certificate", made.tls_ca_file), ("key", made.tls_client_key)):
        paths[name] = place / f"{name}.pem"
        with os.fdopen(os.open(paths[name], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    ends = ("client", "scheduler", "worker")
    try:
        yield Security(
            require_encryption=True,
            tls_ca_file=str(paths["certificate"]),
            **{f"tls_{end}_cert": str(paths["certificate"]) for end in ends},
            **{f"tls_{end}_key": str(paths["key"]) for end in ends},
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)


def job_arguments(settings: ClusterSettings, security: Security, logs: Path, *, dashboard: bool) -> dict[str, Any]:
    """Arguments of dask-jobqueue's clusters."""
    directives = list(settings.directives)
    scheduler: dict[str, Any] = {"dashboard_address": HERE, "dashboard": dashboard}
    if settings.driver_interface:
        scheduler["interface"] = settings.driver_interface
    arguments: dict[str, Any] = {
        "cores": settings.cores,
        "processes": settings.cores,
        "memory": settings.memory,
        "walltime": settings.walltime,
        "interface": settings.interface or None,
        "scheduler_options": scheduler,
        "protocol": "tls://",
        "security": security,
        "log_directory": str(logs),
        "local_directory": os.environ.get("TMPDIR", "/tmp"),
        "job_script_prologue": list(settings.prologue),
        "python": settings.python or sys.executable,
        "death_timeout": 60,
        "worker_extra_args": ["--dashboard-address", HERE, "--no-dashboard"],
        "silence_logs": logging.CRITICAL,
    }
    if settings.kind == "slurm":
        directives = ["--requeue", *directives]
    arguments |= {"job_extra_directives": directives}
    for name in ("queue", "account"):
        if getattr(settings, name):
            arguments["project" if settings.kind in ("sge", "lsf") and name == "account" else name] = getattr(
                settings, name
            )
    return arguments
