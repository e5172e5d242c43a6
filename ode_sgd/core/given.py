"""What users give: numbers, arrays, columns and tables, of NumPy and of other libraries, none of which is imported.

pandas, xarray, h5py and the like are known by what their objects have: `shape`, `dtype`, `columns`, `__array__`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

LETTERS = 60  # of a value in a message
NAMED = 5  # columns in a message
DEEPEST = 16  # lists and tables in each other


def shown(value: Any) -> str:
    """A value as Python writes it, on one line and cut to fit it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str | bytes | list | tuple):
        value = value[: LETTERS + 1]  # no need to write out what is cut
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more than 4300 digits; lists in lists in lists
        text = f"(a {type(value).__name__} too long to write out)"
    return cut(text)


def cut(text: str) -> str:
    """A text on one line, such as a name that is no better than others, cut to fit it."""
    text = " ".join(text[: 2 * LETTERS].split())
    return text if len(text) <= LETTERS else text[: LETTERS - 3] + "..."


def nested(value: Any) -> bool:
    """Whether lists and tables lie in each other more than DEEPEST deep, as those that hold themselves do."""
    layer = [value]
    for _ in range(DEEPEST):
        parts = [inner for inner in layer if isinstance(inner, Mapping | list | tuple)]
        layer = [inner for part in parts for inner in (part.values() if isinstance(part, Mapping) else part)]
        if not layer:
            return False
    return True


def single(value: Any) -> bool:
    """Whether a value is one thing, rather than an array, a column or a sequence."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return shape == ()
    return isinstance(value, str | bytes | Mapping) or not hasattr(value, "__len__")


def scalar(value: Any) -> Any:
    """What an array without axes holds, such as an element of an xarray column; all else as it is."""
    if isinstance(value, bool | int | float | str | np.generic) or getattr(value, "shape", None) != ():
        return value
    return np.asarray(value)[()]


def is_real(value: Any) -> bool:
    """Whether this is a real number, which a boolean is not."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def plain(value: Any, depth: int = 0) -> Any:
    """A value as TOML would have it, arrays and columns as lists: a copy all the way down, as far as anything means."""
    if depth > DEEPEST:
        return value
    if isinstance(value, Mapping):
        return {key: plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, np.generic) or (hasattr(value, "shape") and hasattr(value, "dtype")):
        return np.asarray(value).tolist()
    return [plain(inner, depth + 1) for inner in value] if isinstance(value, list | tuple | range) else value


def real(value: Any) -> NDArray[Any] | None:
    """An array of integers or floats in its own precision; None for texts, booleans, complex numbers and all else.

    Columns of a type that allows for missing values pass if none is missing, or with NaN where the library says so.
    """
    try:
        given = np.asarray(value)
        if given.dtype.kind == "O" and given.ndim:
            parts = [np.asarray(column) for _, column in columns(value)]
            if parts and all(part.dtype.kind in "iuf" for part in parts):
                given = np.stack(parts, axis=1)
            elif all(map(is_real, given.flat)):
                given = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError):  # ragged lists, and integers beyond all floats
        return None
    return given if given.dtype.kind in "iuf" else None


def columns(value: Any) -> list[tuple[Any, Any]]:
    """Names and columns of a table; none of what is no table."""
    names = getattr(value, "columns", None)
    if names is None or single(value):
        return []
    return list(value.items()) if hasattr(value, "items") else [(name, value[name]) for name in names]


def no_numbers(value: Any) -> str:
    """Why `real` makes nothing of a value: its type, or in a table that of every column to blame."""
    bad = _named(value, lambda column: real(column) is None, lambda column: f" is of type {column.dtype}")
    if bad:
        return bad
    if single(value):
        return f"it is a {type(value).__name__}"
    try:
        entries = np.asarray(value)
    except (TypeError, ValueError):
        return "its rows have unequal lengths" if not nested(value) else "it is nested too deep"
    if entries.dtype.kind != "O":
        return f"its type is {entries.dtype}"
    wrong = [inner for inner in entries.flat if not is_real(inner)]
    return (
        f"it holds {shown(wrong[0])}, a {type(wrong[0]).__name__}" if wrong else "it holds a number beyond all floats"
    )


def not_finite(value: Any) -> str:
    """Which columns of a table hold infinite or missing values, in words; empty for what is no table."""
    bad = _named(
        value,
        lambda column: not np.isfinite(np.asarray(column, dtype=np.float64)).all(),
        lambda column: "",
    )
    return f" in {bad}" if bad else ""


def _named(value: Any, wrong: Callable[[Any], bool], told: Callable[[Any], str]) -> str:
    """The columns of a table that are wrong, each with what is told of it."""
    found = [f"column {shown(name)}{told(column)}" for name, column in columns(value) if wrong(column)]
    more = [f"{len(found) - NAMED} more"] if len(found) > NAMED else []
    return ", ".join(found[:NAMED] + more)
