"""How far a computation is: a function of the caller's own, or a bar on a terminal or in a notebook."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown

Progress = Callable[[float], None] | bool | None


def _silent(reached: float) -> None:
    """Say nothing."""


@contextmanager
def reporting(progress: Any, name: str, last: float = 1.0) -> Iterator[Callable[[float], None]]:
    """What is to be called as a computation goes on: `progress` itself, or with True a bar that goes from 0 to `last`.

    Parameters
    ----------
    progress : callable, bool or None
    name : str
        What is computed, in front of the bar.
    last : float
        The value at which it is done.

    Raises
    ------
    InvalidProblem
        For anything else.
    """
    if callable(progress):
        yield progress
        return
    if progress is None or progress is False:
        yield _silent
        return
    if progress is not True:
        raise InvalidProblem(f"progress = {shown(progress)}; give True for a bar, a function of one number, or None")
    from tqdm.auto import tqdm

    form = "{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} to go"
    with tqdm(total=1.0, desc=name, bar_format=form) as bar:
        yield lambda reached: bar.update(max(0.0, min(1.0, reached / last) - bar.n))
