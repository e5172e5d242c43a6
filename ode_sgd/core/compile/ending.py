"""Ending a compilation before it is through, in a thread that no signal reaches.

Handlers of signals run in the main thread. Of the others, who needs kernels says what to ask (`ended_by`), and the
compiler asks between its passes, the longest of which take half a second.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Own(threading.local):
    """Of every thread."""

    stopped: Callable[[], bool] | None = None


_own = _Own()


@contextmanager
def ended_by(stopped: Callable[[], bool]) -> Iterator[None]:
    """In it a compilation of this thread ends with KeyboardInterrupt as soon as that says so."""
    before, _own.stopped = _own.stopped, stopped
    try:
        yield
    finally:
        _own.stopped = before


def ask() -> None:
    """Raise KeyboardInterrupt if this thread is to end."""
    if _own.stopped is not None and _own.stopped():
        raise KeyboardInterrupt
