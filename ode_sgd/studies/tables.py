"""One table of a study file against the callable that it holds the arguments of.

The keys of a table are the parameters of a public name, and their ranges are that name's own checks: a table can
neither lag behind the library nor say something else.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from ode_sgd.model.errors import InvalidProblem

Values = dict[str, Any]

# The letters of the formulas, for those who type them.
LETTERS = {
    "eta": "learning_rate",
    "k": "student_units",
    "m": "teacher_units",
    "n": "dimension",
    "l": "distinct",
    "sigma": "label_noise",
}


class _Missing:
    """Stands for a required key that is not there: the check that it fails says what is allowed."""

    def __repr__(self) -> str:
        return "(missing)"


MISSING = _Missing()


def shown(value: Any) -> str:
    """A value as in the file, cut to a line."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that was probably meant."""
    valid = list(valid)
    letter = LETTERS.get(name.lower())
    if letter in valid:
        return letter
    close = get_close_matches(name.lower(), valid, n=1)
    return close[0] if close else None


def parameters(target: Callable[..., Any]) -> dict[str, Any]:
    """Keys of the table and their defaults (MISSING where there is none)."""
    signature = inspect.signature(target).parameters.values()
    return {p.name: MISSING if p.default is p.empty else p.default for p in signature}


class Table:
    """What one table says, checked key by key; faults go to a list shared by the whole file."""

    def __init__(self, name: str, given: Mapping[str, Any], faults: list[str]) -> None:
        self.name, self.given, self._faults = name, dict(given), faults
        self._before = len(faults)

    @property
    def sound(self) -> bool:
        """No fault so far."""
        return len(self._faults) == self._before

    def fault(self, text: str) -> None:
        """Note a fault."""
        self._faults.append(f"[{self.name}] {text}")

    def known(self, valid: Mapping[str, Any], note: str = "") -> Values:
        """Values of the valid keys, and MISSING for required ones; the other keys are faults."""
        values = {}
        for key, default in valid.items():
            if key in self.given or default is MISSING:
                values[key] = self.given.get(key, MISSING)
        for key, value in self.given.items():
            if key not in valid:
                meant = nearest(key, valid)
                values = {name: v for name, v in values.items() if not (name == meant and v is MISSING)}
                hint = f" (did you mean {meant!r}?)" if meant else ""
                listed = f"; the keys are {', '.join(valid)}" if valid and not meant else ""
                self.fault(f"{key} = {shown(value)}: unknown key{note}{listed}{hint}")
        return values

    def build(
        self, target: Callable[..., Any], values: Values, stand_ins: Values, fixed: Values | None = None
    ) -> Any | None:
        """target(**values), or None with a fault noted for every value that it refuses.

        A target stops at its first complaint, so it is tried once per key, with what was accepted before; `stand_ins`
        take the place of required values that are missing or were refused.
        """
        fixed = fixed or {}
        accepted: Values = {}
        result = None
        for key in [name for name in parameters(target) if name in values] or [None]:
            trial = accepted if key is None else accepted | {key: values[key]}
            try:
                if key is not None:
                    _check_plain(key, values[key])
                result = target(**(stand_ins | fixed | trial))
            except InvalidProblem as error:
                self.fault(str(error))
            else:
                accepted = trial
        return result if self.sound else None

    def resolved(self, target: Callable[..., Any], skip: Iterable[str] = ()) -> Values:
        """The table with all defaults filled in; keys without a value are left out."""
        values = {key: self.given.get(key, default) for key, default in parameters(target).items() if key not in skip}
        return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items() if v is not None}


def _check_plain(key: str, value: Any) -> None:
    """Refuse what NumPy would quietly turn into numbers: strings and booleans in arrays, nested arrays, huge integers."""
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(value, list) and (isinstance(entry, bool) or not isinstance(entry, int | float)):
            raise InvalidProblem(f"{key} holds {shown(entry)}; give an array of numbers")
        if isinstance(entry, int) and abs(entry) >= 2**63:
            raise InvalidProblem(f"{key} = {shown(entry)} does not fit into 64 bits")
