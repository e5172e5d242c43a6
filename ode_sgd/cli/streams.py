"""stdout and stderr as a program may be given them: closed, full, read by nobody any more, or lacking letters."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

UNWRITTEN = 1  # exit status of a command that was done, and could not say so


def guarded(command: Callable[[], int]) -> int:
    """The exit status of a command whose output is never what ends it.

    A stream that fails once is silent from then on. If the reader of stdout is gone, as that of `| head` is, the status
    is the command's own; if what it printed could not be written for another reason, a line on stderr says so, and the
    status is 1 where it would have been 0. Streams that are closed count as read by nobody.

    Raises
    ------
    SystemExit
        Where the command raises it, with the status that follows from the above.
    """
    _fill_descriptors()
    before = sys.stdout, sys.stderr
    out, err = _Guarded(before[0]), _Guarded(before[1])
    sys.stdout, sys.stderr = out, err
    try:
        ended = False
        try:
            status = command()
        except SystemExit as end:  # --help, or arguments that are none
            status, ended = end.code if isinstance(end.code, int) else 0, True
        out.flush()
        if out.error is not None and not isinstance(out.error, BrokenPipeError):
            reason = getattr(out.error, "strerror", None) or out.error
            print(f"ode-sgd: the output cannot be written: {reason}", file=err)
            status = status or UNWRITTEN
        err.flush()
    finally:
        sys.stdout, sys.stderr = before
        out.close()
        err.close()
    if ended:
        raise SystemExit(status)
    return status


def _fill_descriptors() -> None:
    """Open /dev/null in place of standard descriptors that are closed.

    The next file that is opened would get their number: what a library or a child process says on stderr would end up
    in a file of results.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


@contextmanager
def told_warnings() -> Iterator[None]:
    """In it what a model warns of is a note on stderr, without the line of the code that says so."""
    before = warnings.showwarning

    def told(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
        if category is UserWarning:
            print(f"ode-sgd: {message}", file=sys.stderr)
        else:
            before(message, category, *where, **more)

    warnings.showwarning = told
    try:
        yield
    finally:
        warnings.showwarning = before


class _Guarded:
    """A text stream that does not raise; `error` is what it met first. None stands for one that is closed."""

    def __init__(self, stream: TextIO | None) -> None:
        self._own = stream is None
        self._stream = open(os.devnull, "w", encoding="utf-8") if stream is None else stream  # noqa: PTH123, SIM115
        self.error: OSError | ValueError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write; letters that the stream's encoding lacks are spelled out, such as \\xe4."""
        try:
            self._try(self._stream.write, text)
        except UnicodeEncodeError:
            encoding = self._stream.encoding or "ascii"
            self._try(self._stream.write, text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Flush."""
        self._try(self._stream.flush)

    def _try(self, action: Callable[..., Any], *arguments: Any) -> None:
        if self.error is None:
            try:
                action(*arguments)
            except UnicodeEncodeError:
                raise
            except (OSError, ValueError) as error:  # ValueError: the file is closed
                self.error = error

    def close(self) -> None:
        """Let the interpreter flush what was not written, at its end, to where that does not fail."""
        if self._own:
            self._stream.close()
        elif self.error is not None:
            with suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)
