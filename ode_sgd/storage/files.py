"""Files that appear whole or not at all."""

import functools
import hashlib
import os
import platform
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from ode_sgd.core import check
from ode_sgd.core.errors import StorageError

try:
    import fcntl
except ImportError:  # not on this platform: there, temporary files are told by their age alone
    fcntl = None  # type: ignore[assignment]

Buffer = bytes | memoryview
HDF5 = (".h5", ".hdf5")  # endings of files of results
FIGURES = (".png", ".pdf", ".svg", ".pgf")
TEMPORARY = ".ode_sgd-"  # how the names of temporary files begin
STALE = 3600.0  # seconds after which one of another machine is of a process that was killed
FIGURE_STALE = 10.0  # the same of a figure, which is written at once, and not locked


def beside(path: Path, ending: str) -> Path:
    """The file with the same name but for the ending: an ending of ours gives way, what else follows a point stays."""
    return path.with_suffix(ending) if path.suffix in HDF5 else path.with_name(path.name + ending)


def is_same(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether both name one file that exists."""
    try:
        return Path(path).samefile(other)
    except (OSError, ValueError):
        return False


def check_writable(path: str | os.PathLike[str]) -> None:
    """Make sure, before anything is computed, that a file can be written at `path`; an existing one is not touched.

    Temporary files that killed processes left in its folder are removed.

    Parameters
    ----------
    path : path-like
        Where the file is to be, or a symbolic link to that place.

    Raises
    ------
    StorageError
        If its folder does not exist, is not a folder or refuses a new file, or if `path` exists and is no regular file.

    Notes
    -----
    A small file is written and removed: permission bits say nothing about root, quotas and read-only mounts.
    """
    check_folder(destination(path).parent)


def check_figure(path: Path, sources: Iterable[Path]) -> None:
    """StorageError, before anything is computed, unless a figure can be written that replaces none of its sources."""
    if path.suffix.lower() not in FIGURES:
        raise StorageError(
            f"{path}: a figure ends in {', '.join(FIGURES[:-1])} or {FIGURES[-1]}, not in {path.suffix!r}"
        )
    check_writable(path)
    if any(is_same(path, source) for source in sources):
        raise StorageError(f"{path} is the file to draw; give the figure another name")


def check_folder(folder: Path) -> None:
    """StorageError unless a file can be written into a folder."""
    try:
        with temporary(folder) as unfinished:
            _write(unfinished, b"ode_sgd")
        sweep_up(folder)
    except OSError as error:
        raise StorageError(
            f"cannot write into the folder {folder.absolute()}: {_reason(error)}; "
            "choose another folder, or make this one writable"
        ) from error


def destination(path: str | os.PathLike[str]) -> Path:
    """Where a file of this name is to be, once its folder exists and it is free or a regular file, else StorageError.

    That is `path`, or what it points to if it is a symbolic link: links stay.
    """
    named = check.path("path", path)
    try:
        target = followed(named)
        told, folder = (f"{named}, a link to {target}," if target != named else f"{named}"), target.parent
        if target.is_symlink():
            raise StorageError(f"{named} is a symbolic link that leads nowhere; remove it, or give another name")
        if target.is_dir():
            raise StorageError(f"{told} is a folder; give a file in it, such as {named / 'run.h5'}")
        if target.exists() and not target.is_file():
            raise StorageError(f"{told} is not a regular file and will not be replaced; give another name")
        if not folder.exists():
            where = f" of {named}, a link to {target.name} in it," if target != named else ""
            raise StorageError(f"the folder {folder.absolute()}{where} does not exist; create it, or choose another")
        if not folder.is_dir():
            raise StorageError(f"{folder.absolute()} is not a folder; choose another folder for {named.name}")
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"{named} cannot be a file: {_reason(error)}; give another name or folder") from error
    return target


def followed(path: Path) -> Path:
    """What a symbolic link points to, any other path as it is."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def write_whole(path: Path, data: Buffer) -> None:
    """Put a file of these bytes at `path`, replacing what is there: readers and crashes see the old or the new one.

    Raises
    ------
    StorageError
        If it cannot be written; what was there stays.
    """
    target = followed(path)
    try:
        with temporary(target.parent) as unfinished:
            _write(unfinished, data)
            os.replace(unfinished, target)  # noqa: PTH105
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {_reason(error)}; nothing was changed. Free space or choose another folder, "
            "then save again"
        ) from error
    _sync_folder(target.parent)


def write_new(path: Path, data: Buffer) -> bool:
    """Put a file of these bytes at `path` unless there is one: of many writers exactly one gets True.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    target = followed(path)
    try:
        with temporary(target.parent) as unfinished:
            _write(unfinished, data)
            try:
                os.link(unfinished, target)
            except FileExistsError:
                return False
            except OSError:  # a file system without hard links; between these two lines another writer may come in
                if target.exists():
                    return False
                os.replace(unfinished, target)  # noqa: PTH105
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {_reason(error)}. Free space or make the folder writable, then run again"
        ) from error
    _sync_folder(target.parent)
    return True


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """An empty new file in `folder`, locked lest it be swept up; whatever has its name at the end is removed."""
    path, file = _begun(folder)
    with closing(file):
        try:
            yield path
        finally:
            # An error that led here matters more than one from removing.
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _begun(folder: Path) -> tuple[Path, Any]:
    """Name and lock of a new file."""
    while True:
        path = folder / f"{TEMPORARY}{_machine()}-{uuid.uuid4().hex}.tmp"
        file = path.open("xb")
        locked = _lock(file)
        if locked is None:
            file.close()  # it holds nothing, and some platforms rename no open file
        if locked is None or (locked and path.exists()):
            return path, file
        file.close()  # swept up before it was locked


def sweep_up(folder: Path) -> None:
    """Remove temporary files of processes that were killed.

    The system forgets the lock of a process that has died. Locks may not reach beyond a machine: a file of another one
    is removed once it is old.
    """
    with suppress(OSError):
        for path in folder.glob(f"{TEMPORARY}*.tmp"):
            with suppress(OSError), path.open("r+b") as file:
                free, age = _lock(file), time.time() - os.fstat(file.fileno()).st_mtime
                stale = FIGURE_STALE if path.name.startswith(f"{TEMPORARY}figure-") else STALE
                if free is not False and (age > stale or (free and _machine() in path.name)):
                    path.unlink()


def _lock(file: Any) -> bool | None:
    """Whether nobody held a file, which is locked then; None where that cannot be known."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (AttributeError, OSError):
        return None
    return True


@functools.cache
def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:12]


def put_in_place(unfinished: Path, target: Path) -> None:
    """Bring a file that was written under a temporary name to the disk, and give it its own; OSError if that fails."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(unfinished, target)  # noqa: PTH105
    _sync_folder(target.parent)


def _write(path: Path, data: Buffer) -> None:
    """These bytes into a file, on the disk. Not from tempfile: its files are closed to all but their owner."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk. The file is whole and in place already: a file system may refuse this."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
