"""Computing what is wanted now: one thread, of whose wishes only the last one counts."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ode_sgd.core.compile import ending

Wish = TypeVar("Wish")
Found = TypeVar("Found")


class Superseded(Exception):
    """A newer wish has come, or nobody waits any more."""


SOON = 0.15  # seconds for which an older wish goes on, since it is likely to be done: curves move along with a hand


class Latest(Generic[Wish, Found]):
    """Computes the newest wish in a thread of its own; those between it and the one before are passed over.

    An older wish that is under way is given up if it takes long.

    Parameters
    ----------
    compute : callable (wish, check) -> found
        `check` raises Superseded once the wish is to be given up. A compilation ends by itself then, with
        KeyboardInterrupt; what else is raised belongs to `compute`.
    deliver : callable (found)
        Called in that thread.
    """

    def __init__(
        self, compute: Callable[[Wish, Callable[[], None]], Found], deliver: Callable[[Found], object]
    ) -> None:
        self._compute, self._deliver = compute, deliver
        self._changed = threading.Condition()
        self._wish: tuple[int, Wish] | None = None
        self._number, self._closed = 0, False
        self._thread = threading.Thread(target=self._work, daemon=True, name="ode-sgd explorer")
        self._thread.start()

    def ask(self, wish: Wish) -> int:
        """Compute this instead of whatever is computed; its number."""
        with self._changed:
            self._number += 1
            self._wish = self._number, wish
            self._changed.notify()
        return self._number

    def close(self) -> None:
        """End the thread; what it computes is given up."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _is_over(self, number: int, began: float) -> bool:
        return self._closed or (number != self._number and time.monotonic() - began > SOON)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._wish is not None)
                if self._closed or self._wish is None:
                    return
                (number, wish), self._wish = self._wish, None
            self._one(number, wish)

    def _one(self, number: int, wish: Wish) -> None:
        """Compute one wish, and deliver it unless it was given up."""
        began = time.monotonic()

        def check() -> None:
            if self._is_over(number, began):
                raise Superseded

        try:
            with ending.ended_by(lambda: self._is_over(number, began)):
                found = self._compute(wish, check)
            check()
        except (Superseded, KeyboardInterrupt):
            return
        self._deliver(found)
