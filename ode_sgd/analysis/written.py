"""Small files that appear whole or not at all: figures, and curves as text."""

import os
import uuid
from contextlib import suppress
from pathlib import Path

from ode_sgd.core.errors import StorageError


def write_whole(path: Path, data: bytes | memoryview, what: str) -> None:
    """Put a file in place as a whole, or leave what is there; a symbolic link is followed.

    Parameters
    ----------
    path : pathlib.Path
    data : bytes
    what : str
        What it is, for messages.
    """
    target = Path(os.path.realpath(path))
    unfinished = target.with_name(f".ode_sgd-figure-{uuid.uuid4().hex}.tmp")  # as storage.files sweeps up
    try:
        unfinished.write_bytes(data)
        unfinished.replace(target)
    except OSError as error:
        raise StorageError(f"{path}: {what} cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
