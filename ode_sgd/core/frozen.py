"""Frozen values have arrays of their own that stay as they are, also when the values are copied or pickled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Held = TypeVar("Held")


def own(values: Held) -> Held:
    """The array if nobody can write to it, nor to what it is a view of; else a read-only copy."""
    held: Any = values
    while isinstance(held, np.ndarray) and not held.flags.writeable:
        held = held.base
    if held is None:
        return values
    copied: Any = np.array(values)
    copied.setflags(write=False)
    return copied  # type: ignore[no-any-return]


def sealed(values: Held) -> Held:
    """Arrays that were just made and that nobody else holds, read-only with all that they are views of.

    `own` keeps them as they are, so that who makes an array spares its copy. Also for tables and tuples of arrays.
    """
    for array in _arrays(values):
        held: Any = array
        while isinstance(held, np.ndarray):
            held.setflags(write=False)
            held = held.base
    return values


def seal_fields(value: Any) -> None:
    """The arrays of a result, which were made for it, read-only: its `__post_init__`."""
    for field in fields(value):
        for array in _arrays(getattr(value, field.name)):
            array.setflags(write=False)


def restore_frozen(value: Any, state: Sequence[Any]) -> None:
    """`__setstate__` of a frozen dataclass with slots: copies and pickles have read-only arrays too.

    Classes below such a one need it again, for `dataclass` writes a `__setstate__` of its own into each.
    """
    for field, content in zip(fields(value), state, strict=True):
        for array in _arrays(content):
            array.setflags(write=False)
        object.__setattr__(value, field.name, content)


def _arrays(content: Any) -> Iterator[NDArray[Any]]:
    """The arrays that something is or holds, in tables and tuples."""
    if isinstance(content, np.ndarray):
        yield content
    elif isinstance(content, tuple):
        for inner in content:
            yield from _arrays(inner)
    elif isinstance(content, Mapping):
        for inner in content.values():
            yield from _arrays(inner)
