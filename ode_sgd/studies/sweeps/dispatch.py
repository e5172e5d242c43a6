"""Handing out a sweep's work to dask's workers, wherever they are, and hearing what became of it.

Only the numbers of runs go to workers, and only counts and failures come back: results go through files. So nothing is
lost with a worker, a job or the driver but what was being computed.
"""

import functools
import queue
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, KilledWorker

from ode_sgd.core.errors import StorageError
from ode_sgd.core.registry import DEFAULT, find_model
from ode_sgd.storage.sweep_folder import LOST, RAISED, Failure, SweepFolder
from ode_sgd.studies.sweeps.manifest import CHANGED
from ode_sgd.studies.sweeps.partition import Item
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.studies.sweeps.task import ATTEMPTS, TaskResult, do_together
from ode_sgd.studies.sweeps.unloaded import stored_digest
from ode_sgd.studies.validation import carried_for

AHEAD = 4  # items a worker that the scheduler knows of: enough to keep it busy, few enough to hold 1e5 runs
DEATHS = 2  # workers that may die with an item before dask gives it up
RENEWED = 20.0  # seconds without a worker after which another takes its place
TICK = 0.1  # seconds between looks at signals while nothing comes
ANSWER = 0.5  # seconds in which a worker that is alive hands over a result
SETTINGS = {
    "distributed.scheduler.allowed-failures": DEATHS,
    "distributed.deploy.lost-worker-timeout": "5s",
}
# dask's pages, and how often it looks at stacks, memory and event loops for them: as it is, 6 % of the time.
UNSEEN = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "250ms",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.gil.enabled": False,
}
HERE = "127.0.0.1:0"  # for dask's web servers, which otherwise listen to everybody; any free port


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Workers, by dask's client; `renew`, called often, puts others in the place of those that are gone."""

    client: Any
    workers: int
    renew: Callable[[], None]


class _NoAnswer(Exception):
    """A worker has a result, and died before it could be asked for it."""


@contextmanager
def pool_of(
    cluster: AbstractContextManager[Any], workers: int, renewal: Callable[[Any], Callable[[], None]], *, dashboard: bool
) -> Iterator[Pool]:
    """So many workers of one of dask's clusters, and from `renewal` what looks after them."""
    known = SETTINGS if dashboard else SETTINGS | UNSEEN
    with dask.config.set(known), cluster as opened, Client(opened, set_as_default=False) as client:
        if dashboard:
            print(f"dashboard  {client.dashboard_link}", file=sys.stderr)
        yield Pool(client=client, workers=workers, renew=renewal(opened))


def distribute(
    work: Iterator[tuple[Item, ...]],
    sweep: Sweep,
    folder: SweepFolder,
    workers: AbstractContextManager[Pool],
    check: Callable[[], None],
) -> Generator[TaskResult, None, None]:
    """Have bundles of items done by workers; what became of each item, in the order in which they end."""
    with ExitStack() as stack:
        pool = _entered(stack, workers, check)
        yield from _fed(pool, work, sweep, folder, check)


def _entered(stack: ExitStack, workers: AbstractContextManager[Pool], check: Callable[[], None]) -> Pool:
    """Start the workers, on a thread: they are closed only once they are there, whatever comes in between."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(stack.enter_context, workers)
        while not coming.done():
            wait([coming], TICK)
            check()
        return coming.result()


def _fed(
    pool: Pool, work: Iterator[tuple[Item, ...]], sweep: Sweep, folder: SweepFolder, check: Callable[[], None]
) -> Iterator[TaskResult]:
    """Keep workers supplied."""
    done: queue.SimpleQueue[tuple[Any, list[TaskResult] | BaseException]] = queue.SimpleQueue()
    under_way: dict[Any, tuple[tuple[Item, ...], int, float]] = {}
    location, carried = sweep.location or DEFAULT, carried_for(sweep.document(), sweep.model)
    loaded = [carried] if carried else []  # most have nothing

    def ended(future: Any) -> None:  # on a thread of dask's
        done.put((future, _outcome(future)))

    def submit(bundle: tuple[Item, ...], attempt: int) -> None:
        future = pool.client.submit(_remote, str(folder.path), location, bundle, *loaded, pure=False)
        under_way[future.key] = bundle, attempt, time.time()
        future.add_done_callback(ended)

    while True:
        while len(under_way) < AHEAD * pool.workers and (bundle := next(work, None)) is not None:
            submit(bundle, 1)
        if not under_way:
            return
        try:
            future, outcome = done.get(timeout=TICK)
        except queue.Empty:
            continue
        finally:
            check()
            pool.renew()
        if isinstance(outcome, _NoAnswer):  # it is done again, and comes again
            future.add_done_callback(ended)
            continue
        bundle, attempt, began = under_way.pop(future.key)
        if isinstance(outcome, list):
            yield from outcome
        elif len(bundle) > 1 and isinstance(outcome, Exception):
            for item in bundle:  # to find out which of them it is; those that are written are skipped
                submit((item,), 1)
        elif (again := _next_attempt(folder, bundle[0], attempt, began, outcome)) <= ATTEMPTS:
            submit(bundle, again)
        else:
            yield _given_up(sweep, folder, bundle[0], outcome)


def _outcome(future: Any) -> list[TaskResult] | BaseException:
    """What a task gave, or the error that came instead: not a run's, which come back as results."""
    try:
        results: list[TaskResult] = future.result(timeout=ANSWER)
    except TimeoutError as error:
        return error if future.status == "error" else _NoAnswer()
    except BaseException as error:
        return error
    return results


def _next_attempt(folder: SweepFolder, item: Item, attempt: int, began: float, error: BaseException) -> int:
    """The number of the next attempt at an item; beyond ATTEMPTS where there is to be none."""
    if not isinstance(error, Exception):
        raise error
    if not isinstance(error, KilledWorker):
        return ATTEMPTS + 1
    # A long simulation that outlives its jobs gets on by its checkpoint: that is no failure.
    return attempt if _got_on(folder, item, began) else attempt + 1


def _got_on(folder: SweepFolder, item: Item, since: float) -> bool:
    """Whether a run's checkpoint was written after it was handed out."""
    try:
        return any(folder.checkpoint(run).stat().st_mtime > since for run in item.runs)
    except OSError:
        return False


def _given_up(sweep: Sweep, folder: SweepFolder, item: Item, error: BaseException) -> TaskResult:
    """The result of an item that no worker could finish."""
    kind, message = RAISED, f"{type(error).__name__}: {error}"
    if isinstance(error, KilledWorker):
        kind, message = LOST, f"its worker died {ATTEMPTS * (DEATHS + 1)} times ({error})"
    failures = tuple(
        Failure(run=run, kind=kind, values=sweep.values(run), message=message, attempts=ATTEMPTS) for run in item.runs
    )
    for failure in failures:
        try:
            folder.record(failure)
        except OSError:
            break
    return TaskResult(runs=item.runs, failures=failures)


def _remote(folder: str, location: str, bundle: tuple[Item, ...], carried: Any = None) -> list[TaskResult]:
    """In a worker: do a bundle of items. Model and what it has loaded are the driver's, whatever the folder says."""
    find_model(location).take(carried)
    sweep, place = _known(folder, location)
    return list(do_together(sweep, place, bundle))


@functools.lru_cache(maxsize=4)
def _known(folder: str, location: str) -> tuple[Sweep, SweepFolder]:
    """The sweep of a folder, read once in every process."""
    place, model = SweepFolder(folder), find_model(location)
    manifest = place.manifest()
    if model.source_digest != stored_digest(manifest):  # it was edited while the driver was at work
        raise StorageError(f"{place.path}: {CHANGED}; begin another sweep in another folder")
    return Sweep.of_document(manifest["sweep"], folder, model), place
