"""One piece of a sweep's work, in whichever process: compute its runs, write their file, write down what failed."""

import functools
import platform
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ode_sgd.core.errors import OdeSgdError, StorageError
from ode_sgd.storage.checkpoint import Checkpoint
from ode_sgd.storage.hdf5 import image
from ode_sgd.storage.sweep_folder import RAISED, STORAGE, Failure, SweepFolder, holds, make_parent
from ode_sgd.studies.study_file import Study
from ode_sgd.studies.sweeps.agreements import AGREEMENT, judged
from ode_sgd.studies.sweeps.compute import batched, check_interrupted, computed, theory_alike
from ode_sgd.studies.sweeps.partition import PROBED, Item
from ode_sgd.studies.sweeps.stack import Computed, batch_image
from ode_sgd.studies.sweeps.sweep import SCHEMA, Sweep, run_identity
from ode_sgd.studies.validation import SWEEP

ATTEMPTS = 3  # of a run, and of writing a file, in one command
PAUSE = 0.2  # seconds before a second attempt; twice as long before the third


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What became of a piece of work.

    Attributes
    ----------
    runs : tuple of int
        That it had.
    failures : tuple of Failure
    skipped : bool
        The file was there before anything was computed.
    twice : bool
        Another process wrote it in the meantime.
    """

    runs: tuple[int, ...]
    failures: tuple[Failure, ...]
    skipped: bool = False
    twice: bool = False


@dataclass(slots=True)
class _Attempt:
    """A run of a task: its study, and what it gave or why it gave nothing."""

    run: int
    values: dict[str, Any]
    study: Study | None = None
    result: Computed | None = None
    failure: Failure | None = None


def do_together(
    sweep: Sweep, folder: SweepFolder, items: Sequence[Item], check: Callable[[], None] = lambda: None
) -> Iterator[TaskResult]:
    """Compute the runs of items and write them, unless their file is there; what became of each, as it is known.

    One after the other, until one has shown that they are short: the rest are then computed side by side. `check` may
    raise KeyboardInterrupt.
    """
    left, count = list(items), 1
    while left:
        group, left = left[:count], left[count:]
        began, skipped = time.perf_counter(), True
        for result in _done(sweep, folder, group, check):
            skipped &= result.skipped
            yield result
        count = len(left) if not skipped and time.perf_counter() - began < PROBED else 1


def _done(sweep: Sweep, folder: SweepFolder, items: Sequence[Item], check: Callable[[], None]) -> Iterator[TaskResult]:
    """Compute all runs of some items, then write one file after the other."""
    attempts = {}
    for item in items:
        if not holds(Path(item.path)):
            attempts[item.path] = [_Attempt(run, sweep.values(run)) for run in item.runs]
            _prepare(sweep, Path(item.path), attempts[item.path], check)
    _compute([attempt for own in attempts.values() for attempt in own], folder, check)
    for item in items:
        own = attempts.get(item.path)
        if own is None:
            yield TaskResult(runs=item.runs, failures=(), skipped=True)
            continue
        present = _store(sweep, folder, Path(item.path), own)
        failures = tuple(attempt.failure for attempt in own if attempt.failure is not None)
        yield TaskResult(runs=item.runs, failures=failures, twice=present)


def _prepare(sweep: Sweep, path: Path, attempts: Sequence[_Attempt], check: Callable[[], None]) -> None:
    """Read the studies of a file's runs; where nothing can be written, all of them have failed."""
    unwritable = _unwritable(path)
    for attempt in attempts:
        if unwritable is None:
            _try(attempt, functools.partial(_read, attempt, sweep), check)
        else:
            attempt.failure = _failure(attempt, STORAGE, unwritable)


def _compute(attempts: Sequence[_Attempt], folder: SweepFolder, check: Callable[[], None]) -> None:
    """Fill in results and failures."""
    readable = [attempt for attempt in attempts if attempt.study is not None]
    together = [attempt for attempt in readable if attempt.study is not None and batched(attempt.study)]
    if len(together) > 1 and _computed_together(together):
        readable = [attempt for attempt in readable if attempt.result is None]
    for attempt in readable:
        _try(attempt, functools.partial(_alone, attempt, folder, check), check)


def _computed_together(attempts: Sequence[_Attempt]) -> bool:
    """Whether all were computed side by side; if that raises, each is tried by itself, to find out which."""
    began = time.perf_counter()
    try:
        results = theory_alike([attempt.study for attempt in attempts if attempt.study is not None])
    except Exception:
        return False
    check_interrupted(results)
    each = (time.perf_counter() - began) / len(attempts)
    for attempt, result in zip(attempts, results, strict=True):
        attempt.result = Computed(attempt.run, attempt.values, attempt.study, (result,), each)  # type: ignore[arg-type]
    return True


def _read(attempt: _Attempt, sweep: Sweep) -> None:
    attempt.study = sweep.study(attempt.run)


def _alone(attempt: _Attempt, folder: SweepFolder, check: Callable[[], None]) -> None:
    study, checkpoint = attempt.study, None
    assert study is not None
    began = time.perf_counter()
    if study.simulates:
        path = folder.checkpoint(attempt.run)
        make_parent(path)
        checkpoint = Checkpoint(path)
    found = computed(study, checkpoint, lambda stage, fraction: check())
    check_interrupted(found)
    seconds = time.perf_counter() - began
    agreement = judged(study.model, found) if study.simulates else None
    attempt.result = Computed(attempt.run, attempt.values, study, found, seconds, agreement)


def _try(attempt: _Attempt, step: Callable[[], None], check: Callable[[], None]) -> None:
    """Do a step of a run; an error is the run's failure. What another attempt cannot change is not tried again."""
    if attempt.failure is not None:
        return
    for number in range(1, ATTEMPTS + 1):
        try:
            step()
        except Exception as error:
            check()  # it may be what became of an interruption
            told = str(error) or type(error).__name__
            lines = traceback.format_exc()
            if number == ATTEMPTS or (isinstance(error, OdeSgdError) and not isinstance(error, StorageError)):
                kind = STORAGE if isinstance(error, StorageError) else RAISED
                attempt.failure = _failure(attempt, kind, told, lines, number)
                return
            time.sleep(PAUSE * number)
        else:
            return


def _failure(attempt: _Attempt, kind: str, message: str, lines: str = "", attempts: int = 1) -> Failure:
    return Failure(
        run=attempt.run,
        kind=kind,
        values=attempt.values,
        message=message,
        traceback=lines,
        attempts=attempts,
        host=platform.node(),
    )


def _unwritable(path: Path) -> str | None:
    """Why nothing can be written here, found out before hours are spent on it."""
    from ode_sgd.storage.files import check_writable

    try:
        make_parent(path)
        check_writable(path)
    except StorageError as error:
        return f"not computed: {error}"
    return None


def _store(sweep: Sweep, folder: SweepFolder, path: Path, attempts: Sequence[_Attempt]) -> bool:
    """Write failures, then results; whether the file was there already.

    In this order: a file without the failures of its runs would pass for complete.
    """
    results = [attempt.result for attempt in attempts if attempt.result is not None]
    for attempt in attempts:
        early = attempt.result and next((r for r in attempt.result.runs if r.status != "complete"), None)
        if early:
            attempt.failure = _failure(attempt, early.status, early.message)
    present, problem = False, ""
    try:
        for attempt in attempts:
            if attempt.failure is not None:
                folder.record(attempt.failure)
        if results:
            data = _image(sweep, results, whole=len(attempts) == 1)
            present = not _written(folder, path, data)
    except StorageError as error:
        problem = str(error)
    for attempt in attempts:
        if problem and attempt.result is not None:
            attempt.failure = _failure(attempt, STORAGE, problem)
            _note(folder, attempt.failure)
        elif attempt.result is not None:
            if attempt.failure is None and present:
                _supply(sweep, folder, attempt, batch=len(attempts) > 1)
            elif attempt.failure is None:
                folder.resolve(attempt.run)
            folder.checkpoint(attempt.run).unlink(missing_ok=True)
    return present


def _supply(sweep: Sweep, folder: SweepFolder, attempt: _Attempt, *, batch: bool) -> None:
    """Beside a batch that another process wrote, keep a run that it lacks.

    What its writer recorded holds for its file, and says nothing of the results here: a failure is forgotten once the
    run has a file of its own, and otherwise never.
    """
    try:
        failure = folder.failure(attempt.run)
        if not batch or attempt.result is None or failure is None or failure.stored:
            return
        _written(folder, folder.retried(attempt.run), _image(sweep, [attempt.result], whole=True))
    except StorageError:
        return  # the failure stands, and the run is tried again by the next command
    folder.resolve(attempt.run)


def _note(folder: SweepFolder, failure: Failure) -> None:
    """Write down a failure where that is possible: on a full disk it is known to the driver only."""
    try:
        folder.record(failure)
    except StorageError:
        return


def _image(sweep: Sweep, results: Sequence[Computed], *, whole: bool) -> memoryview:
    """The bytes of a run's own file, which `ode_sgd.load` reads, or of a batch."""
    if not whole:
        return batch_image(results, {"sweep_identity": sweep.identity})
    (result,) = results
    facts: dict[str, Any] = {
        "sweep": sweep.identity,
        "run": result.run,
        "identity": run_identity(result.study, result.values),
        "schema": SCHEMA,
        "seconds": result.seconds,
        **result.values,
    }
    if result.agreement is not None:
        facts[AGREEMENT] = result.agreement.facts()
    config: Mapping[str, Any] = {**result.study.config, SWEEP: facts}
    return image(*result.runs, config=config)


def _written(folder: SweepFolder, path: Path, data: Any) -> bool:
    """Publish, with a few attempts."""
    for number in range(1, ATTEMPTS):
        try:
            return folder.publish(path, data)
        except StorageError:
            time.sleep(PAUSE * number)
    return folder.publish(path, data)
