"""Files that appear whole or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ode_sgd.model import check
from ode_sgd.model.errors import StorageError

Buffer = bytes | memoryview


def check_writable(path: str | os.PathLike[str]) -> None:
    """Make sure, before anything is computed, that a file can be written at `path`; an existing one is not touched.

    Parameters
    ----------
    path : path-like
        Where the file is to be.

    Raises
    ------
    StorageError
        If its folder does not exist, is not a folder or refuses a new file, or if `path` exists and is no regular file.

    Notes
    -----
    A small file is written and removed: permission bits say nothing about root, quotas and read-only mounts.
    """
    target = destination(path)
    try:
        with temporary(target.parent) as unfinished:
            _write(unfinished, b"ode_sgd")
    except OSError as error:
        raise StorageError(
            f"cannot write into the folder {target.parent.absolute()}: {_reason(error)}; "
            "choose another folder, or make this one writable"
        ) from error


def destination(path: str | os.PathLike[str]) -> Path:
    """`path`, once its folder exists and it is free or a regular file, otherwise StorageError."""
    target = check.path("path", path)
    folder = target.parent
    try:
        if target.is_dir():
            raise StorageError(f"{target} is a folder; give a file in it, such as {target / 'run.h5'}")
        if target.exists() and not target.is_file():
            raise StorageError(f"{target} is not a regular file and will not be replaced; give another name")
        if not folder.exists():
            raise StorageError(f"the folder {folder.absolute()} does not exist; create it, or choose another")
        if not folder.is_dir():
            raise StorageError(f"{folder.absolute()} is not a folder; choose another folder for {target.name}")
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"{target} cannot be a file: {_reason(error)}; give another name or folder") from error
    return target


def write_whole(target: Path, data: Buffer) -> None:
    """Put a file of these bytes at `target`, replacing what is there: readers and crashes see the old or the new one.

    Raises
    ------
    StorageError
        If it cannot be written; what was there stays.
    """
    try:
        with temporary(target.parent) as unfinished:
            _write(unfinished, data)
            os.replace(unfinished, target)  # noqa: PTH105
    except OSError as error:
        raise StorageError(
            f"cannot write {target}: {_reason(error)}; nothing was changed. Free space or choose another folder, "
            "then save again"
        ) from error
    _sync_folder(target.parent)


def write_new(target: Path, data: Buffer) -> bool:
    """Put a file of these bytes at `target` unless there is one: of many writers exactly one gets True.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
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
            f"cannot write {target}: {_reason(error)}. Free space or make the folder writable, then run again"
        ) from error
    _sync_folder(target.parent)
    return True


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """A name for a new file in `folder`; whatever has it at the end is removed."""
    path = folder / f".ode_sgd-{uuid.uuid4().hex}.tmp"
    try:
        yield path
    finally:
        # An error that led here matters more than one from removing.
        with suppress(OSError):
            path.unlink(missing_ok=True)


def put_in_place(unfinished: Path, target: Path) -> None:
    """Bring a file that was written under a temporary name to the disk, and give it its own; OSError if that fails."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(unfinished, target)  # noqa: PTH105
    _sync_folder(target.parent)


def _write(path: Path, data: Buffer) -> None:
    """A new file with these bytes, on the disk. Not from tempfile: its files are closed to all but their owner."""
    with path.open("xb") as file:
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
