"""Ctrl-C, SIGTERM and SIGHUP during a long run."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)  # of a terminal that is closed; not on Windows
TO_ALL = (signal.SIGINT, *([HANGUP] if HANGUP is not None else []))  # what a terminal sends to all its processes
SIGNALS = (*TO_ALL, signal.SIGTERM)
PATIENCE = 2  # signals that are only remembered where they may be


def check_interrupted(runs: Sequence[Any]) -> None:
    """Solvers return at Ctrl-C what they have; where the whole is kept or nothing, that is a KeyboardInterrupt."""
    if any(run.status == "interrupted" for run in runs):
        raise KeyboardInterrupt


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Context after which signals do what they did before: some libraries set handlers where they are imported."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


class Interruption:
    """Context in which these signals raise KeyboardInterrupt, and are remembered.

    A SIGHUP that is ignored stays ignored: `nohup` asks for that.

    An exception out of a signal handler can get lost on its way: a compiler's callback swallows it, or turns it into
    an error of its own; in a weak reference's or a finaliser's Python would print it, and go on. `check` raises it
    again, also that of a context around or inside this one, and such an error leaves the context as KeyboardInterrupt.
    """

    _lost = False  # one that Python went on after
    _depth = 0  # contexts in this thread, one within another

    def __init__(self) -> None:
        self.asked = Interruption._lost
        self._patient, self._heard = False, 0
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # no other thread may set handlers
            heard = [n for n in SIGNALS if n != HANGUP or signal.getsignal(n) != signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._interrupt) for number in heard}
            Interruption._depth += 1
            self._hook, sys.unraisablehook = sys.unraisablehook, self._unraisable
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._previous:
            sys.unraisablehook = self._hook
            Interruption._depth -= 1
            if not Interruption._depth:
                Interruption._lost = False
        if self.asked and kind is not None and issubclass(kind, Exception):
            raise KeyboardInterrupt from error

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.asked, self._heard = True, self._heard + 1
        if not self._patient or self._heard > PATIENCE:
            raise KeyboardInterrupt

    def _unraisable(self, what: "sys.UnraisableHookArgs") -> None:
        """Report an exception as Python does; an interruption of ours is remembered instead."""
        if self.asked and what.exc_type is KeyboardInterrupt:
            Interruption._lost = True
        else:
            self._hook(what)

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """Here signals are only remembered: for code of others that no exception may come into the middle of.

        Whoever is in here calls `check` often. The third signal raises as ever: something hangs.
        """
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal has come."""
        if self.asked or Interruption._lost:
            raise KeyboardInterrupt
