"""One table of a study file against the callable that it holds the arguments of.

The keys of a table are the parameters of a public name, and their ranges are that name's own checks: a table can
neither lag behind the library nor say something else.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ode_sgd.core import given
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import nearest

Values = dict[str, Any]
NAME = "name"  # the key of a table within a table that a text alone stands for: "HeavyBall", "huber"
MOST = 20  # unknown names of a table that are looked at, one by one


class _Missing:
    """Stands for a required key that is not there: the check that it fails says what is allowed."""

    def __repr__(self) -> str:
        return "(missing)"


MISSING = _Missing()


def shown(value: Any) -> str:
    """A value as in the file, cut to fit a line."""
    return str(value).lower() if isinstance(value, bool) else given.shown(value)


def parameters(target: Callable[..., Any]) -> Values:
    """Keys of a target's table with their defaults, MISSING where there is none.

    An option that the target's LATER names has none to write down: descriptions older than it stay what they were.
    """
    signature, later = inspect.signature(target).parameters.values(), getattr(target, "LATER", ())
    return {p.name: MISSING if p.default is p.empty else None if p.name in later else p.default for p in signature}


def with_defaults(target: Callable[..., Any], valid: Mapping[str, Any], given: Mapping[str, Any]) -> Values:
    """A target's table with all defaults filled in, as plain values; keys that have none are left out.

    So is an option of the target's LATER that is given its default: both ways of writing a study are the same study.
    """
    values = dict(valid) | dict(given)
    for option in getattr(target, "LATER", ()):
        if option in given and given[option] == _default(target, option):
            del values[option]
    return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items() if v is not None}


@functools.cache
def _default(target: Callable[..., Any], option: str) -> Any:
    return inspect.signature(target).parameters[option].default


def put(table: Values, key: str, value: Any) -> None:
    """Set "key" of a table, or "key.inner" of a table within it, which is copied, or made where there is none.

    A text in its place is a name alone, and becomes the table's.
    """
    first, dot, rest = key.partition(".")
    if not dot:
        table[first] = value
        return
    held = table.get(first)
    held = {NAME: held} if isinstance(held, str) else held
    table[first] = inner = dict(held) if isinstance(held, Mapping) else {}
    put(inner, rest, value)


class Table:
    """The values of one table, checked key by key; faults go to the list shared by the whole file."""

    def __init__(self, name: str, given: Mapping[str, Any], faults: list[str]) -> None:
        self.name, self.given = name, dict(given)
        self._faults, self._before = faults, len(faults)

    def fault(self, text: str) -> None:
        """Note a fault."""
        self._faults.append(f"[{self.name}] {text}")

    def known(self, valid: Mapping[str, Any], homes: Mapping[str, str], note: str = "") -> Values:
        """Values of the valid keys, and MISSING for required ones; every other key is a fault.

        `homes` says for every key of the file which table it belongs to; `note` goes behind "unknown key".
        """
        required = {key for key, default in valid.items() if default is MISSING}
        unknown = [key for key in self.given if key not in valid]
        if len(unknown) > MOST:
            self.fault(f"{len(unknown) - MOST} more unknown keys")
        for key in unknown[:MOST]:
            meant = nearest(key, valid)
            required.discard(meant or "")  # one misspelt key is one fault
            if meant:
                hint = f" (did you mean {meant!r}?)"
            elif homes.get(key, self.name) != self.name:
                hint = f" (did you mean to put it below [{homes[key]}]?)"
            else:
                hint = f"; the keys are {', '.join(valid)}{' and kind' if note else ''}" if valid else "; it has none"
            self.fault(f"{given.cut(key)} = {shown(self.given[key])}: unknown key{note}{hint}")
        required = {key for key in required if not self._is_told(key)}
        return {key: self.given.get(key, MISSING) for key in valid if key in self.given or key in required}

    def _is_told(self, key: str) -> bool:
        """Whether a fault of a key was found before: a file that it names cannot be read."""
        begin = f"[{self.name}] {key} = "
        return key not in self.given and any(fault.startswith(begin) for fault in self._faults[: self._before])

    def build(
        self,
        target: Callable[..., Any],
        values: Values,
        stand_ins: Values,
        fixed: Values,
        *,
        numbers: bool = True,
    ) -> Any | None:
        """target(**fixed, **values), or None and a fault for every value that it refuses.

        A target stops at its first complaint, so it is tried once per key, with what was accepted before; `stand_ins`
        take the place of required values that are missing or not yet accepted. Without them it is tried once, and one
        fault is found. `numbers` says that lists are of numbers, where no stand-in is a list of texts.
        """
        required = {key for key, default in parameters(target).items() if default is MISSING} - fixed.keys()
        if any(map(self._is_told, required)):
            return None
        if not values or not required <= stand_ins.keys():
            return self._build_at_once(target, values, fixed)
        accepted: Values = {}
        for key, value in values.items():
            trial = accepted | {key: value}
            try:
                if numbers and not isinstance(stand_ins.get(key), tuple):
                    _check_plain(key, value)
                target(**(stand_ins | fixed | trial))
            except (ValueError, TypeError) as error:  # a user's target knows nothing of our errors
                self.fault(complaint(key, value, error))
            else:
                accepted = trial
        return target(**fixed, **accepted) if len(self._faults) == self._before else None

    def _build_at_once(self, target: Callable[..., Any], values: Values, fixed: Values) -> Any | None:
        lacking = [key for key, value in values.items() if value is MISSING]
        for key in lacking:
            self.fault(f"{key} is missing; give one")
        try:
            made = None if lacking else target(**fixed, **values)
        except (ValueError, TypeError) as error:
            self.fault(str(error) or type(error).__name__)
        return made if len(self._faults) == self._before else None


def complaint(key: str, value: Any, error: Exception) -> str:
    """What is wrong with a value; of a missing one only what is allowed."""
    return f"{key} is missing; {str(error).rpartition('; ')[2]}" if value is MISSING else str(error)


def _check_plain(key: str, value: Any) -> None:
    """Refuse what NumPy would quietly make numbers of: strings and booleans in arrays, nested arrays, huge integers."""
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(value, list) and (isinstance(entry, bool) or not isinstance(entry, int | float)):
            raise InvalidProblem(f"{key} holds {shown(entry)}; give an array of numbers")
        if isinstance(entry, int) and abs(entry) >= 2**63:
            raise InvalidProblem(f"{key} = {shown(entry)} does not fit into 64 bits; give a smaller number")
