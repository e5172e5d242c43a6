"""The last line of a file: a checksum of all bytes before it.

It is compared before HDF5 or zip see the bytes. Both leave parts unchecked: HDF5 its heap of references, through which
damage makes it crash; zip the headers of NumPy's arrays, whose checksum only those look at who read to their end. Both
formats allow bytes behind their end. A copy that another program wrote lacks the line; there the checksum of the
contents has to do.
"""

import hashlib
import io
import os
from pathlib import Path
from typing import BinaryIO

from ode_sgd.core.errors import StorageError

MARK = b"\node_sgd sha256 "
LENGTH = len(MARK) + 65
PIECE = 2**20


def seal(memory: io.BytesIO) -> memoryview:
    """The bytes in memory, with the line behind them."""
    line = _line(_digest(memory, memory.seek(0, os.SEEK_END)))
    memory.seek(0, os.SEEK_END)
    memory.write(line)
    return memory.getbuffer()


def seal_file(path: Path) -> None:
    """Put the line behind what is in a file; OSError if that fails."""
    with path.open("r+b") as file:
        line = _line(_digest(file, file.seek(0, os.SEEK_END)))
        file.seek(0, os.SEEK_END)
        file.write(line)


def sealed(file: BinaryIO, source: Path, remedy: str) -> bool:
    """Whether a file has the line; it is left at its beginning.

    Raises
    ------
    StorageError
        If the line does not fit the bytes before it. It names the source, and what to do.
    """
    end = max(0, file.seek(0, os.SEEK_END) - LENGTH)
    file.seek(end)
    line = file.read()
    found = len(line) == LENGTH and line.startswith(MARK)
    if found and line != _line(_digest(file, end)):
        raise StorageError(f"{source} is damaged: its bytes do not match their checksum; {remedy}")
    file.seek(0)
    return found


def _digest(file: BinaryIO, end: int) -> str:
    """SHA-256 of the first bytes, up to `end`."""
    digest = hashlib.sha256()
    file.seek(0)
    for begin in range(0, end, PIECE):
        digest.update(file.read(min(PIECE, end - begin)))
    return digest.hexdigest()


def _line(digest: str) -> bytes:
    return MARK + digest.encode() + b"\n"
