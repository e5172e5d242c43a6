"""The values that runs are made of: one observable, and what a run is of."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import no_numbers, plain, real, shown
from ode_sgd.core.keywords import own_keywords


class Identified(Protocol):
    """What a run is of: anything whose attribute `identity` is a text, equal for equal problems."""

    @property
    def identity(self) -> str: ...


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Parameters:
    """A problem that is nothing but named numbers and texts. Equal ones have the same identity.

    Parameters
    ----------
    canonical : dict
        What defines the dynamics: texts, numbers, booleans, lists and dictionaries of them. The attribute gives a copy.
    identity : str
        By default the SHA-256 of `canonical`, 64 hexadecimal digits.

    Raises
    ------
    InvalidProblem
        If `canonical` cannot be written as JSON.

    Examples
    --------
    >>> one, other = ode_sgd.Parameters({"a": 1, "b": 2}), ode_sgd.Parameters({"b": 2, "a": 1})
    >>> one.identity == other.identity
    True
    """

    identity: str
    _text: str = field(compare=False)  # `canonical` as JSON: what nobody can change

    def __init__(self, canonical: Mapping[str, Any], identity: str = "") -> None:
        try:
            text = json.dumps(plain(dict(canonical)), sort_keys=True, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            raise InvalidProblem(
                f"parameters cannot be written as JSON ({error}); give a dictionary of texts, numbers, booleans and "
                "lists"
            ) from error
        object.__setattr__(self, "identity", identity or hashlib.sha256(text.encode()).hexdigest())
        object.__setattr__(self, "_text", text)

    def __repr__(self) -> str:
        return f"Parameters({self.canonical}, {self.identity!r})"

    @property
    def canonical(self) -> dict[str, Any]:
        """What was given, as plain values."""
        given: dict[str, Any] = json.loads(self._text)
        return given


@own_keywords
@dataclass(frozen=True, slots=True, eq=False)
class Observable:
    """One quantity of a run.

    Parameters
    ----------
    values : array_like
        One axis for each of `dimensions`, and before them, in a simulation, one for the replicas. Kept read-only, as a
        copy unless the array is read-only already.
    dimensions : tuple of str
        Names of the axes; the time's comes first, where it is one of them.
    long_name : str
        What it is, in words.
    units : str
        "1" is dimensionless.

    Raises
    ------
    InvalidProblem
        If the values are no real numbers, some are masked, or they have neither as many axes as there are dimensions
        nor one more.

    Examples
    --------
    >>> position = ode_sgd.Observable(np.zeros((8, 5)), ("alpha",), "position")
    >>> position.has_replicas
    True
    """

    values: Array
    dimensions: tuple[str, ...]
    long_name: str = ""
    units: str = "1"

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        values: Any = self.values
        dimensions: Any = self.dimensions
        if not (type(values) is np.ndarray and values.dtype == np.float64):  # which cannot be masked
            values = numbers("an array of a run", values)
        object.__setattr__(self, "values", values := frozen.own(values))
        if isinstance(dimensions, str):
            raise InvalidProblem(
                f"dimensions = {shown(dimensions)} is a text; give a tuple of names, such as ('alpha',)"
            )
        if type(dimensions) is not tuple:
            object.__setattr__(self, "dimensions", dimensions := tuple(dimensions))
        if values.ndim - len(dimensions) not in (0, 1):
            raise InvalidProblem(
                f"an observable has shape {values.shape}, but the dimensions ({', '.join(dimensions)}); give one axis "
                "each, and where there are replicas one before them"
            )

    @property
    def has_replicas(self) -> bool:
        """Whether a replica axis comes before `dimensions`."""
        return self.values.ndim > len(self.dimensions)


def numbers(name: str, value: Any) -> Array:
    """Real numbers as float64, a copy unless they are that already."""
    check.refuse_masked(name, value)
    given = real(value)
    if given is None:
        raise InvalidProblem(f"{name} is not an array of real numbers ({no_numbers(value)})")
    return np.asarray(given, dtype=np.float64)
