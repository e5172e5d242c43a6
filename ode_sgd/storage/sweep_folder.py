"""The folder of a sweep: what it is, which runs are there, which failed. Everything is known from files alone.

    sweep.json                   what is swept; written once, by whoever comes first
    plan.json                    which runs share a file; the same
    runs/000/run-00000012.h5     one run, or batch-00000032.h5: many short ones, named after the first
    retried/000/run-00000033.h5  a run of a batch that failed there and was computed later
    failures/000/run-....json    why a run failed, with its traceback
    checkpoints/000/...          long simulations under way

A file is never changed once it is there, and a folder holds at most 1000.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ode_sgd.core import check
from ode_sgd.core.errors import StorageError
from ode_sgd.storage import files

try:
    import fcntl
except ImportError:  # not on this platform: nothing warns of two drivers then, and files still appear once
    fcntl = None  # type: ignore[assignment]

IN_A_FOLDER = 1000
MANIFEST, PLAN, LOCKS = "sweep.json", "plan.json", "locks"
RUNS, RETRIED, FAILURES, CHECKPOINTS = "runs", "retried", "failures", "checkpoints"
DIGEST = "sha256"  # key of what a file of JSON holds besides
OURS = re.compile(r"(run|batch)-\d{8,}\.(h5|json)")  # names of files, beside temporary ones
RAISED, LOST, STORAGE = "raised", "lost", "storage"  # kinds of failure that leave no file; others are a run's status


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A run that is not complete.

    Attributes
    ----------
    run : int
    kind : str
        "raised", "lost" (its process died), "storage" (it could not be written): no file. Otherwise the run's status,
        such as "diverged": its file holds the times that it reached.
    values : dict
        What varies in the sweep, and its values in this run.
    message : str
    traceback : str
    attempts : int
    host : str
    """

    run: int
    kind: str
    values: Mapping[str, Any]
    message: str
    traceback: str = ""
    attempts: int = 1
    host: str = ""

    @property
    def stored(self) -> bool:
        """Whether the run has a file all the same."""
        return self.kind not in (RAISED, LOST, STORAGE)


class SweepFolder:
    """Names in a sweep's folder, and the small files in it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = check.path("folder", path)

    def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Make the folder, or find it as another process made it; its manifest.

        Raises
        ------
        StorageError
            If it cannot be written, or is there and no sweep's.
        """
        self.check()
        try:
            Path(os.path.realpath(self.path)).mkdir(parents=True, exist_ok=True)  # also what a link points to
        except OSError as error:
            raise self._not_made(error) from error
        files.check_writable(self.path / MANIFEST)
        if not (self.path / MANIFEST).exists():
            files.write_new(self.path / MANIFEST, _text(manifest))
        return self.manifest()

    def check(self) -> None:
        """Raise what `create` would raise, as far as it can be known before the folder is made."""
        place = Path(os.path.realpath(self.path))
        try:
            nearest = next(folder for folder in (place, *place.parents) if folder.exists())
            if place.is_symlink():
                raise StorageError(
                    f"{self.path} is a symbolic link that leads nowhere; remove it, or give another name"
                )
            if not nearest.is_dir():
                raise StorageError(
                    f"the sweep folder {self.path} cannot be made: {nearest} is a file; give another name"
                )
            entries = [entry.name for entry in os.scandir(place)] if nearest == place else []
        except OSError as error:
            raise error if isinstance(error, StorageError) else self._not_made(error) from error
        # What another process that is just making it may have written by now does not count.
        foreign = [name for name in entries if not name.startswith(files.TEMPORARY) and name != MANIFEST]
        if foreign and not (self.path / MANIFEST).exists():
            raise StorageError(f"{self.path} holds files, but no sweep ({foreign[0]}, ...); give a new or empty folder")
        files.check_folder(nearest)

    def _not_made(self, error: OSError) -> StorageError:
        return StorageError(f"the sweep folder {self.path} cannot be made: {error.strerror or error}")

    def manifest(self) -> dict[str, Any]:
        """What `create` wrote first.

        Raises
        ------
        StorageError
            If there is none.
        """
        found = self._read(self.path / MANIFEST)
        if found is None:
            raise StorageError(f"{self.path} holds no sweep (no {MANIFEST}); give the folder of `ode-sgd sweep run`")
        return found

    def partition(self) -> dict[str, Any] | None:
        """Which runs share a file; None before that is settled."""
        return self._read(self.path / PLAN)

    def propose(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        """Write a plan unless there is one; the one that holds."""
        files.write_new(self.path / PLAN, _text(plan))
        return self.partition() or dict(plan)

    def _read(
        self, path: Path, remedy: str = "bring an intact copy back, or begin the sweep anew"
    ) -> dict[str, Any] | None:
        """What `_text` wrote, None if there is no such file."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise StorageError(f"{path} cannot be read ({error}); {remedy}") from error
        if not isinstance(found, dict):
            raise StorageError(f"{path} is none of ours; give the folder of `ode-sgd sweep run`")
        digest = found.pop(DIGEST, None)
        if digest is not None and digest != _digest(found):
            raise StorageError(f"{path} is damaged: its contents do not match their checksum; {remedy}")
        return found

    def file(self, number: int, first: int, count: int) -> Path:
        """File of task `number`, whose first run is `first`."""
        name = f"{'run' if count == 1 else 'batch'}-{first:08d}.h5"
        return self.path / RUNS / f"{number // IN_A_FOLDER:03d}" / name

    def retried(self, run: int) -> Path:
        """File of a run computed after its batch."""
        return self._of_run(RETRIED, run, ".h5")

    def retried_runs(self) -> list[int]:
        """The runs that have such a file."""
        names = (name.removeprefix("run-").removesuffix(".h5") for name in self.present(RETRIED))
        return sorted(int(name) for name in names)

    def checkpoint(self, run: int) -> Path:
        """Checkpoint of a run."""
        return self._of_run(CHECKPOINTS, run, ".checkpoint")

    def _of_run(self, kind: str, run: int, ending: str) -> Path:
        return self.path / kind / f"{run // IN_A_FOLDER:03d}" / f"run-{run:08d}{ending}"

    def present(self, kind: str = RUNS) -> dict[str, float]:
        """Names of the files of a kind that hold something, and when they were written (seconds since 1970)."""
        found: dict[str, float] = {}
        for entry in self._entries(kind):
            with suppress(FileNotFoundError):  # this one is gone in the meantime; the others count
                facts = entry.stat()
                if facts.st_size > 0:
                    found[entry.name] = facts.st_mtime
        return found

    def _entries(self, kind: str) -> Iterator["os.DirEntry[str]"]:
        """The files of a kind; what is not named like one is none of ours."""
        for folder in _scanned(self.path / kind):
            if folder.is_dir():
                yield from (entry for entry in _scanned(folder.path) if OURS.fullmatch(entry.name))

    def publish(self, path: Path, data: files.Buffer) -> bool:
        """Write a file of results; False if it was there already. StorageError if it cannot be written.

        An empty file, as a crash of a file server leaves one, is replaced.
        """
        make_parent(path)
        if files.write_new(path, data):
            return True
        if holds(path):
            return False
        files.write_whole(path, data)
        return True

    def record(self, failure: Failure) -> None:
        """Write down a failure. StorageError if that fails, too."""
        path = self._of_run(FAILURES, failure.run, ".json")
        make_parent(path)
        facts = {name: getattr(failure, name) for name in Failure.__dataclass_fields__}
        files.write_whole(path, _text(facts | {"time": time.time()}))

    def resolve(self, run: int) -> None:
        """Forget a failure: the run is complete by now."""
        with suppress(OSError):
            self._of_run(FAILURES, run, ".json").unlink(missing_ok=True)

    def failures(self) -> dict[int, Failure]:
        """All failures written down, by run."""
        found = {}
        for name in sorted(entry.name for entry in self._entries(FAILURES)):
            run = int(name.removeprefix("run-").removesuffix(".json"))
            failure = self.failure(run)
            if failure is not None:
                found[run] = failure
        return found

    def failure(self, run: int) -> Failure | None:
        """What is written down of a run, None for nothing."""
        path, again = self._of_run(FAILURES, run, ".json"), f"remove it, and run {run} is tried again"
        facts = self._read(path, again)
        if facts is None:
            return None
        known = {name: facts[name] for name in Failure.__dataclass_fields__ if name in facts}
        try:
            failure = Failure(**known)
        except TypeError as error:
            raise StorageError(f"{path} is damaged ({error}); {again}") from error
        if failure.run != run or not isinstance(failure.values, Mapping):
            raise StorageError(f"{path} is damaged (of run {failure.run!r}); {again}")
        return failure

    def sweep_up(self) -> None:
        """Remove temporary files of processes that were killed."""
        files.sweep_up(self.path)
        for kind in (RUNS, RETRIED, FAILURES, CHECKPOINTS):
            for folder in _scanned(self.path / kind):
                files.sweep_up(Path(folder.path))

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """While one process runs this sweep, or this shard of it, another is refused; the system forgets a dead one.

        Raises
        ------
        StorageError
            If another process holds the lock. Where the file system knows no locks, nothing is checked.
        """
        path = self.path / LOCKS / f"{name}.lock"
        make_parent(path)
        try:
            opened = path.open("a+")
        except OSError as error:
            raise StorageError(f"{path} cannot be opened: {error.strerror or error}; make it writable") from error
        with opened as file:
            try:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise StorageError(
                    f"{self.path} is being worked on by {file.read().strip() or 'another process'}; wait for it, "
                    "or end it first"
                ) from None
            except OSError:
                pass
            file.truncate(0)
            file.write(f"process {os.getpid()} on {os.uname().nodename if hasattr(os, 'uname') else 'this machine'}\n")
            file.flush()
            yield


def _text(facts: Mapping[str, Any]) -> bytes:
    """A file of JSON that holds a checksum of itself."""
    plain = json.loads(json.dumps(facts, default=str))
    return json.dumps({**plain, DIGEST: _digest(plain)}).encode()


def _digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def holds(path: Path) -> bool:
    """Whether a file is there and not empty."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _scanned(folder: str | Path) -> "list[os.DirEntry[str]]":
    """What is in a folder; nothing if it is not there."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def make_parent(path: Path) -> None:
    """The folder of a file, or StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {path.parent}: {error.strerror or error}") from error


def named(values: Mapping[str, Any]) -> str:
    """Values of a run in a line."""
    return ", ".join(
        f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}" for name, value in values.items()
    )


def first_lines(failures: Sequence[Failure], most: int) -> list[str]:
    """One line a failure, the first ones only."""
    lines = []
    for failure in failures[:most]:
        told = (failure.message.strip().splitlines() or [""])[-1].strip()
        lines.append(f"run {failure.run} ({named(failure.values)}): {failure.kind}: {told}")
    return [*lines, f"... and {len(failures) - most} more"] if len(failures) > most else lines
