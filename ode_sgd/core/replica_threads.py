"""Pieces of a simulation on several threads: progress, a checkpoint every minute, and an end at Ctrl-C."""

import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from threading import Event
from typing import Protocol

from ode_sgd.core.interruption import Interruption

CHECKPOINT_SECONDS = 60.0


class Piece(Protocol):
    """What one thread runs at a time."""

    def run(self, stop: Event) -> None:
        """Run to its end, or until `stop` is set."""


def run_all(
    pieces: Sequence[Piece],
    workers: int,
    fraction: Callable[[], float],
    progress: Callable[[float], None],
    keep: Callable[[], None] | None,
) -> bool:
    """Run all pieces; True if the user interrupted. Errors of a piece are raised here.

    `progress` is called with what `fraction` finds done. `keep` writes a checkpoint: every minute, and after an
    interruption (Ctrl-C, SIGTERM, SIGHUP) or an error.
    """
    stop, left = Event(), iter(pieces)

    def work() -> None:
        # A task for every thread, not for every piece: a pool looks through all its tasks again and again.
        while (piece := next(left, None)) is not None:
            piece.run(stop)

    kept, interrupted = time.monotonic(), False
    # Without a checkpoint SIGTERM does what it always does.
    with Interruption() if keep is not None else nullcontext(), ThreadPoolExecutor(workers) as pool:
        pending: set[Future[None]] = set()
        try:
            pending |= {pool.submit(work) for _ in range(workers)}
            while pending:
                finished, pending = wait(pending, timeout=0.05, return_when="FIRST_EXCEPTION")
                for future in finished:
                    future.result()
                progress(fraction())
                if keep is not None and pending and time.monotonic() - kept > CHECKPOINT_SECONDS:
                    try_to_keep(keep)
                    kept = time.monotonic()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            if keep is not None:
                try_to_keep(keep)
    return interrupted


def try_to_keep(keep: Callable[[], None]) -> None:
    """Write a checkpoint; that it cannot be written must not end the run that it is to save."""
    try:
        keep()
    except (OSError, MemoryError) as error:  # StorageError is an OSError
        warnings.warn(f"no checkpoint: {error}", stacklevel=2)
