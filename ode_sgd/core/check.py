"""Validation of public arguments: every function returns the clean value or raises, naming what was given."""

import math
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem, OdeSgdError, StorageError
from ode_sgd.core.given import is_real, no_numbers, not_finite, real, scalar, shown, single

# Decorates public functions: an underflow to 0 is part of formulas, and of SciPy, whatever np.seterr says.
underflow_is_zero = np.errstate(under="ignore")

# Of learning rate, noise, largest eigenvalue, scales and second layers: products of their powers are still numbers.
SMALLEST, LARGEST = 1e-50, 1e50
LONGEST, LONGEST_PATH = 255, 4095  # bytes of one part of a file's name, and of all
SHORTEST = 1e-280  # last output time; its grid begins 1e4 times earlier, where the inverse of a step is still a number


def _as_array(value: Any) -> Any:
    """What an array of another library holds, masks included; all else as it is.

    A mask belongs to that: the `mask` of a variable of netCDF4 is whether what is read from it will be masked.
    """
    if isinstance(value, np.ndarray | Mapping) or not hasattr(value, "__array__"):
        return value
    try:
        return np.asanyarray(value)
    except Exception:  # whatever the library raises; it is told where the numbers are taken
        return value


def masked(value: Any, depth: int = 0) -> int:
    """How many entries of a value are masked, in NumPy's or astropy's way, also of arrays within lists and tables."""
    if depth > 64:  # more dimensions than arrays have: refused elsewhere
        return 0
    if type(value) in (float, int, str):  # nearly all, in long lists too
        return 0
    if isinstance(value, np.generic):  # np.ma.masked is an array
        return 0
    value = _as_array(value)
    mask = getattr(value, "mask", None)
    if isinstance(value, np.ndarray) and isinstance(mask, np.bool_ | np.ndarray):
        return int(np.count_nonzero(np.ascontiguousarray(mask).view(bool)))
    if isinstance(value, Mapping):
        return sum(masked(inner, depth + 1) for inner in value.values())
    if isinstance(value, list | tuple):
        return sum(masked(inner, depth + 1) for inner in value)
    if isinstance(value, np.ndarray) and value.dtype == object:
        return sum(masked(inner, depth + 1) for inner in value.flat)
    return 0


def refuse_masked(name: str, value: Any, error: type[OdeSgdError] = InvalidProblem) -> None:
    """Raise if an entry is masked: the number that lies under a mask means nothing."""
    count = masked(value)
    if count:
        entries = "1 entry" if count == 1 else f"{count} entries"
        raise error(
            f"{name} has {entries} masked, as missing; leave these out, or give numbers for them (a mask without True "
            "may stay)"
        )


def integer(name: str, value: Any, least: int, most: int | None = 2**63 - 1) -> int:
    """An integer >= least and <= most, None for any; booleans and fractions are refused."""
    refuse_masked(name, value)
    value = scalar(value)
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidProblem(f"{name} = {shown(value)} is not an integer; give an integer >= {least}")
    if value < least:
        raise InvalidProblem(f"{name} = {shown(value)} is too small; give an integer >= {least}")
    if most is not None and value > most:
        raise InvalidProblem(f"{name} = {shown(value)} is too large; give an integer <= {most}")
    return int(value)


def whole(name: str, value: Any, least: int, most: int | None = 2**63 - 1) -> int:
    """As `integer`, and also whole floats, such as 1e8: numbers of this size are written so."""
    given = scalar(value)
    if isinstance(given, float | np.floating) and math.isfinite(given) and float(given).is_integer():
        refuse_masked(name, value)
        return integer(name, int(given), least, most)
    return integer(name, value, least, most)


def seed(value: Any) -> int:
    """A seed of a simulation or a draw: an integer >= 0, of any size."""
    return integer("seed", value, 0, None)


def boolean(name: str, value: Any) -> bool:
    """True or False and nothing that merely looks like it."""
    value = scalar(value)
    if not isinstance(value, bool | np.bool_):
        raise InvalidProblem(f"{name} = {shown(value)} is not a boolean; give true or false")
    return bool(value)


def instance(name: str, value: Any, kind: type, error: type[OdeSgdError] = InvalidProblem) -> None:
    """Raise unless the value is one of ours."""
    if not isinstance(value, kind):
        raise error(f"{name} is a {type(value).__name__}; give an ode_sgd.{kind.__name__}")


def sequence(name: str, value: Any, error: type[OdeSgdError] = InvalidProblem) -> None:
    """Raise for what is one thing, or nothing, where several are wanted."""
    if single(value):
        raise error(f"{name} is a {type(value).__name__}; give a list")


def path(name: str, value: Any) -> Path:
    """The name of a file or folder; StorageError for what can be none: to ask whether it exists would raise."""
    told = f"{name} = {shown(value)}"
    try:
        result = Path(value)
        parts = [os.fsencode(part) for part in result.parts]
    except (TypeError, ValueError):  # no text; letters that no file system has
        parts = [b"\0"]
    if any(b"\0" in part for part in parts):
        raise StorageError(f"{told} is no name of a file; give a text or a pathlib.Path")
    if any(len(part) > LONGEST for part in parts) or sum(len(part) + 1 for part in parts) > LONGEST_PATH:
        raise StorageError(f"{told} is too long for the name of a file; give a shorter one")
    return result


def generator(seed: Any) -> np.random.Generator:
    """The generator of a seed, as `numpy.random.default_rng` makes it."""
    refuse_masked("seed", seed)
    try:
        return np.random.default_rng(scalar(seed))
    except (TypeError, ValueError):
        told = f"seed = {shown(seed)} seeds nothing; give an integer >= 0 or a numpy SeedSequence"
        raise InvalidProblem(told) from None


def number(
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
    allowed: str = "",
) -> float:
    """A finite float with value > above, value >= least and value < below; `allowed` is that in words, if need be."""
    if not allowed:
        bounds = ((">", above, -math.inf), (">=", least, -math.inf), ("<", below, math.inf))
        told = " and ".join(f"{sign} {bound:g}" for sign, bound, none in bounds if bound != none)
        allowed = f"a finite number {told}".rstrip()
    refuse_masked(name, value)
    value = scalar(value)
    if not is_real(value):
        raise InvalidProblem(f"{name} = {shown(value)} is not a number; give {allowed}")
    try:
        fits = math.isfinite(value) and value > above and value >= least and value < below
    except OverflowError:  # an integer beyond all floats
        fits = False
    if not fits:
        raise InvalidProblem(f"{name} = {shown(value)} is outside its range; give {allowed}")
    return float(value) + 0.0  # no negative zero: it equals zero, and must hash like it


def size(name: str, value: Any, *, zero: bool = False, error: type[OdeSgdError] = InvalidProblem) -> float:
    """A number from 1e-50 to 1e50, or, with `zero`, also 0."""
    allowed = f"{'0, or ' if zero else ''}a number from {SMALLEST:g} to {LARGEST:g}"
    result = (
        number(name, value, least=0.0, allowed=allowed) if zero else number(name, value, above=0.0, allowed=allowed)
    )
    if not (SMALLEST <= result <= LARGEST or (zero and result == 0.0)):
        raise error(f"{name} = {result:g} is outside its range; give {allowed}")
    return result


def choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """One of the allowed words, or an error that offers the nearest."""
    if isinstance(value, str) and value in allowed:
        return str(value)
    told = shown(value)
    near = get_close_matches(told.strip("'"), allowed, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise InvalidProblem(f"{name} = {told} does not exist; choose one of {', '.join(map(repr, allowed))}{hint}")


def array(name: str, value: Any, shape: str, dimensions: int, error: type[OdeSgdError] = InvalidProblem) -> Array:
    """A read-only, contiguous float64 copy with the given number of dimensions, all entries finite and none masked.

    Lists, ranges, and the arrays, columns and tables of other libraries are taken as the arrays that they are.
    """
    refuse_masked(name, value, error)
    given = real(value)
    if given is None:
        raise error(f"{name} is not an array of real numbers ({no_numbers(value)}); give shape {shape}")
    with np.errstate(over="ignore", under="ignore"):  # of numbers longer than float64
        result = np.array(given, dtype=np.float64, order="C") + 0.0  # no negative zero
    if result.ndim != dimensions or result.size == 0:
        raise error(f"{name} has shape {result.shape}; give a non-empty array of shape {shape}")
    if not np.isfinite(result).all():
        worst = result[~np.isfinite(result)][0]
        raise error(f"{name} holds {worst}{not_finite(value)}; all entries must be finite")
    result.setflags(write=False)
    return result


def orders(moments: Any) -> tuple[int, ...]:
    """Orders of moments, integers >= 0, with 1 among them, in increasing order."""
    if single(moments):
        raise InvalidProblem(f"moments = {shown(moments)} is not a sequence; give orders such as (0, 1, 2)")
    return tuple(sorted({1, *(integer("moments", order, 0) for order in moments)}))


def times(alpha: Any) -> Array:
    """Output times: an increasing 1-d array from 0, or the 400-point logarithmic grid up to a number."""
    refuse_masked("alpha", alpha)
    if single(alpha):
        end = number("alpha", alpha, above=0.0)
        if end < SHORTEST:
            raise InvalidProblem(f"alpha = {end:g} is too short; give at least {SHORTEST:g}")
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


def times_in_any_order(alpha: Any) -> Array:
    """Times >= 0 of a closed form, (n,), in any order."""
    result = array("alpha", alpha, "(n,)", 1)
    if (result < 0.0).any():
        raise InvalidProblem(f"alpha holds {result.min():g}; give times >= 0")
    return result
