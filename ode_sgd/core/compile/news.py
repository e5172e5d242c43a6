"""What is being compiled, and how long it took: for whoever waits.

Kernels are compiled where they are first called, in the midst of somebody's work. Who does the work says what it is
(`watched`) and gets to know the seconds; listeners hear of every kernel as it is begun.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Listener = Callable[[str, int], None]  # what for, and how many kernels it has been, this one included

_LOG = logging.getLogger("ode_sgd")
_listeners: list[Listener] = []


class _Clock:
    """Seconds, added up."""

    spent = 0.0


class _OwnClock(_Clock, threading.local):
    """One for every thread."""


_compiler = _Clock()  # at work, for whichever thread: it does one thing at a time
_waiting = _OwnClock()  # that a thread has waited for it


class Watch:
    """What kernels are compiled for, how many they were, and how long that took since the watch began."""

    def __init__(self, what: str, clock: _Clock) -> None:
        self.what, self.kernels, self._clock, self._before = what, 0, clock, clock.spent

    @property
    def seconds(self) -> float:
        return self._clock.spent - self._before


_watches: list[Watch] = []


@contextmanager
def watched(what: str, *, all_threads: bool = False) -> Iterator[Watch]:
    """In it kernels are compiled for `what`, by this thread, or by all that work for it."""
    watch = Watch(what, _compiler if all_threads else _waiting)
    _watches.append(watch)
    try:
        yield watch
    finally:
        _watches.remove(watch)
        if watch.kernels:
            _LOG.info("compiled %d kernels for %s in %.1f s", watch.kernels, what, watch.seconds)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """In it a listener hears what is compiled."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def begun() -> None:
    """A kernel is compiled, not taken from disk."""
    watch = _watches[-1] if _watches else Watch("one call", _waiting)
    watch.kernels += 1
    if watch.kernels == 1:
        _LOG.info("compiling kernels for %s: once, some seconds", watch.what)
    for listener in _listeners:
        listener(watch.what, watch.kernels)


@contextmanager
def _running(clock: _Clock) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        clock.spent += time.perf_counter() - began


def waiting() -> AbstractContextManager[None]:
    """Around the time that a call takes until it has its kernel."""
    return _running(_waiting)


def working() -> AbstractContextManager[None]:
    """Around the part of it in which the compiler is this call's."""
    return _running(_compiler)
