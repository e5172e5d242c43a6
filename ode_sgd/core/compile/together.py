"""Processes of one machine that fill a cache together: each has the same work to do, and no kernel is compiled twice.

The first one takes the work as it comes. The others go before it: of a kernel that Python calls they compile first
what that kernel calls, each in an order of its own. A kernel that another process is at is left out there, and waited
for where nothing goes on without it. Since kernels do not call one another in a circle, nobody waits for ever; and the
system takes a claim back from a process that dies.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from ode_sgd.core.compile import ending

try:
    import fcntl
except ImportError:  # Windows: each compiles what it needs
    fcntl = None  # type: ignore[assignment]

Each = TypeVar("Each")

PAUSE = 0.01  # seconds between two looks at a claim that another process has


class _Part(NamedTuple):
    """A process's part in it."""

    claims: Path  # folder with a file for every kernel that was claimed
    number: int
    size: int  # parts that there are


_parts: list[_Part] = []
_held: set[str] = set()


@contextmanager
def one_of(size: int, number: int, claims: Path) -> Iterator[None]:
    """In it this process is the one with that number of so many, which share a folder of claims."""
    _parts.append(_Part(claims, number, size))
    try:
        yield
    finally:
        _parts.pop()


def several() -> bool:
    """Whether others have the same work to do."""
    return bool(_parts) and _parts[-1].size > 1


def helping() -> bool:
    """Whether this process goes before another."""
    return bool(_parts) and _parts[-1].number > 0


@contextmanager
def claimed(name: str, *, wait: bool = True) -> Iterator[bool]:
    """In it no other process is at what has that name; False where one is, and `wait` is False."""
    if not _parts or fcntl is None or name in _held:
        yield True
        return
    try:
        file = os.open(_parts[-1].claims / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # the folder has gone, with the process that began
        yield True
        return
    try:
        if not _locked(file, wait):
            yield False
            return
        _held.add(name)
        try:
            yield True
        finally:
            _held.discard(name)
    finally:
        os.close(file)


def _locked(file: int, wait: bool) -> bool:
    """Whether the lock is to be had; by looking, since nothing ends a thread's sleep in the system."""
    while True:
        ending.ask()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                return False
            time.sleep(PAUSE)
        except OSError:  # a file system without locks
            return True
        else:
            return True


def in_turn(all_of_them: Sequence[Each]) -> list[Each]:
    """In this process's order: the first as they come, the others from the end, and from places in between."""
    if not helping():
        return list(all_of_them)
    backwards, part = list(all_of_them)[::-1], _parts[-1]
    first = len(backwards) * (part.number - 1) // (part.size - 1)
    return backwards[first:] + backwards[:first]
