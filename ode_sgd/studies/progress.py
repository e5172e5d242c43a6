"""How far a run is, on stderr: a bar on a terminal, elsewhere a line every half minute."""

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm

PERIOD = 30.0  # seconds between lines of a log


class Progress:
    """Callable (stage, fraction done); `close` clears the bar.

    Parameters
    ----------
    stream : text stream or None
        None is stderr.
    clock : callable
        Seconds, from any origin.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._bar: Any = None
        self._stage = ""
        self._began = self._said = clock()

    def __call__(self, stage: str, fraction: float) -> None:
        """Show that the stage is done up to the fraction, 0..1."""
        if stage != self._stage:
            self._begin(stage)
        if self._bar is not None:
            self._bar.update(fraction - self._bar.n)
        elif self._clock() - self._said >= PERIOD:
            self._said = self._clock()
            print(f"{stage}: {fraction:.0%} after {self._said - self._began:.0f} s", file=self._stream, flush=True)

    def _begin(self, stage: str) -> None:
        self.close()
        self._stage = stage
        self._began = self._said = self._clock()
        if self._stream.isatty():
            form = "{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} to go"
            self._bar = tqdm(total=1.0, desc=stage, file=self._stream, leave=False, bar_format=form)

    def close(self) -> None:
        """Clear the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
