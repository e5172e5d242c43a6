"""Validation of public arguments: every function returns the clean value or raises, naming what was given."""

import math
from collections.abc import Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ode_sgd.model.errors import InvalidProblem, OdeSgdError

Array = NDArray[np.float64]


def restore_frozen(value: Any, state: Sequence[Any]) -> None:
    """`__setstate__` of a frozen dataclass with slots: copies and pickles have read-only arrays too."""
    for field, content in zip(fields(value), state, strict=True):
        if isinstance(content, np.ndarray):
            content.flags.writeable = False
        object.__setattr__(value, field.name, content)


def integer(name: str, value: Any, least: int) -> int:
    """An integer >= least; booleans and fractions are refused."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise InvalidProblem(f"{name} = {value!r} is not an integer; give an integer >= {least}")
    if value < least:
        raise InvalidProblem(f"{name} = {value} is too small; give an integer >= {least}")
    return int(value)


def number(name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf) -> float:
    """A finite float with value > above and value >= least."""
    allowed = f"a finite number > {above:g}" if above > -math.inf else f"a finite number >= {least:g}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise InvalidProblem(f"{name} = {value!r} is not a number; give {allowed}")
    if not math.isfinite(value) or value <= above or value < least:
        raise InvalidProblem(f"{name} = {value} is outside its range; give {allowed}")
    return float(value) + 0.0  # no negative zero: it equals zero, and must hash like it


def choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """One of the allowed words, or an error that offers the nearest."""
    if isinstance(value, str) and value in allowed:
        return value
    near = get_close_matches(str(value), allowed, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise InvalidProblem(f"{name} = {value!r} does not exist; choose one of {', '.join(map(repr, allowed))}{hint}")


def array(name: str, value: Any, shape: str, dimensions: int, error: type[OdeSgdError] = InvalidProblem) -> Array:
    """A read-only, contiguous float64 copy with the given number of dimensions, all entries finite."""
    try:
        result = np.array(value, dtype=np.float64, order="C") + 0.0  # no negative zero
    except (TypeError, ValueError):
        raise error(f"{name} is not an array of real numbers; give shape {shape}") from None
    if result.ndim != dimensions or result.size == 0:
        raise error(f"{name} has shape {result.shape}; give a non-empty array of shape {shape}")
    if not np.isfinite(result).all():
        raise error(f"{name} holds {result[~np.isfinite(result)][0]}; all entries must be finite")
    result.setflags(write=False)
    return result


def times(alpha: Any) -> Array:
    """Output times: an increasing 1-d array from 0, or the 400-point logarithmic grid up to a number."""
    if np.ndim(alpha) == 0:
        end = number("alpha", alpha, above=0.0)
        grid = np.geomspace(min(1e-2, end / 1e4), end, 400)
        grid[-1] = end
        return np.concatenate([[0.0], grid])
    result = array("alpha", alpha, "(n,)", 1)
    if result[0] != 0.0:
        raise InvalidProblem(f"alpha starts at {result[0]:g}; the first output time must be 0 (the start itself)")
    if (np.diff(result) <= 0.0).any():
        where = int(np.argmax(np.diff(result) <= 0.0))
        raise InvalidProblem(
            f"alpha must increase strictly; alpha[{where + 1}] = {result[where + 1]:g} follows {result[where]:g}"
        )
    return result
