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
        self._counted = ""
        self._began = self._said = clock()

    def __call__(self, stage: str, fraction: float) -> None:
        """Show that the stage is done up to the fraction, 0..1."""
        if stage != self._stage:
            self._begin(stage)
        if self._bar is not None:
            self._bar.set_description_str(stage, refresh=False)
            self._bar.update(fraction - self._bar.n)
        elif self._clock() - self._said >= PERIOD:
            self._said = self._clock()
            print(f"{stage}: {fraction:.0%} after {self._said - self._began:.0f} s", file=self._stream, flush=True)

    def compiling(self, what: str, kernels: int) -> None:
        """Say what kernels are compiled for, and which one it is, from 1."""
        if self._bar is not None:
            self._bar.set_description_str(f"{self._stage}: compiling kernels for {what}, {kernels} so far")
        elif kernels == 1:
            print(f"compiling kernels for {what}: once, some seconds", file=self._stream, flush=True)
        elif self._stream.isatty():
            self._counted = f"{kernels} so far"
            self._stream.write("\r" + self._counted)
            self._stream.flush()

    def _begin(self, stage: str) -> None:
        self.close()
        self._stage = stage
        self._began = self._said = self._clock()
        if self._stream.isatty():
            form = "{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} to go"
            self._bar = tqdm(total=1.0, desc=stage, file=self._stream, leave=False, bar_format=form)

    def close(self) -> None:
        """Clear the bar, and the count of kernels."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._counted:
            self._stream.write("\r" + " " * len(self._counted) + "\r")
            self._stream.flush()
            self._counted = ""


class SweepProgress:
    """Callable (complete, runs, failed): one line that is written over on a terminal, elsewhere one in half a minute.

    Parameters
    ----------
    stage : str
        What is going on, before the numbers.
    stream, clock
        As for `Progress`.
    """

    def __init__(
        self, stage: str = "", stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stage, self._stream, self._clock = f"{stage} " if stage else "", stream or sys.stderr, clock
        self._terminal = self._stream.isatty()
        self._began: tuple[float, int] | None = None
        self._said = -PERIOD
        self._length = 0

    def __call__(self, complete: int, runs: int, failed: int) -> None:
        """Say how many runs are complete, of how many, and how many failed."""
        now = self._clock()
        if self._began is None:
            self._began = now, complete + failed
            self._said = now - (PERIOD if self._terminal else 0.0)
        if now - self._said < (0.1 if self._terminal else PERIOD) and complete + failed < runs:
            return
        if not self._terminal and now - self._said < PERIOD:
            return
        self._said = now
        began, before = self._began
        rate = (complete + failed - before) / (now - began) if now > began else 0.0
        text = f"{self._stage}{complete} of {runs} runs" + (f", {failed} failed" if failed else "")
        if rate > 0.0:
            text += f", {rate:.3g}/s, {duration((runs - complete - failed) / rate)} left"
        self._write(text)

    def compiling(self, what: str, kernels: int) -> None:
        """Say what kernels are compiled for, and which one it is, from 1."""
        if self._terminal:
            self._write(f"{self._stage}compiling kernels for {what}, {kernels} so far")
        elif kernels == 1:
            self._write(f"compiling kernels for {what}: once, some seconds")

    def _write(self, text: str) -> None:
        if self._terminal:
            self._stream.write("\r" + text.ljust(self._length))
            self._length = len(text)
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Clear the line."""
        if self._terminal and self._length:
            self._stream.write("\r" + " " * self._length + "\r")
            self._stream.flush()
            self._length = 0


def duration(seconds: float) -> str:
    """Seconds in words, such as "2 h 5 min"."""
    whole = int(seconds + 0.5)
    for size, name, part, inner in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // part} {inner}"
    return f"{whole} s"
