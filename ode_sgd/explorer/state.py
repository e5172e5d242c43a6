"""The tables of a study while they are moved by hand, and the address that carries what was moved.

Tables are those of a study file: name of a table -> key -> value, and at the top the model where it is not the usual
one. They are never changed, but made anew.
"""

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ode_sgd.core.given import plain
from ode_sgd.core.model import Model
from ode_sgd.studies.study_file import override_key
from ode_sgd.studies.tables import MISSING, Values
from ode_sgd.studies.validation import keys_of, target_of

LONGEST = 6000  # letters of an address: servers and proxies take some 8000
KIND = "kind"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Origin:
    """Where an exploration begins.

    Attributes
    ----------
    model : Model
    tables : dict
        As of a study file.
    folder : Path or None
        Where paths in them count from; None is the current folder.
    source : str
        What messages call them.
    """

    model: Model
    tables: Values
    folder: Path | None = None
    source: str = "study"


def value_of(tables: Mapping[str, Any], key: str) -> Any:
    """The value of "table.key", None where it is not given."""
    table, _, name = key.partition(".")
    return tables.get(table, {}).get(name)


def with_value(tables: Values, key: str, value: Any, model: Model) -> Values:
    """The tables with one value changed, None for not given; another kind has the keys of that kind."""
    table, _, name = key.partition(".")
    changed = copy.deepcopy(tables)
    own = changed.setdefault(table, {})
    if value is None:
        own.pop(name, None)
    else:
        own[name] = value
    if name == KIND:
        changed[table] = _of_kind(own, table, model)
    return changed


def _of_kind(given: Values, table: str, model: Model) -> Values:
    """A table without the keys that its kind does not have, and with those that it needs."""
    target = target_of(model, table, given)
    if target is None:  # what the study's check says of it
        return given
    valid = keys_of(model, target)
    kept = {key: value for key, value in given.items() if key == KIND or key in valid}
    lacking = {key: MISSING for key, default in valid.items() if default is MISSING and key not in kept}
    plausible, controls = model.plausible(lacking, {}), model.controls()
    for key in lacking:
        control = controls.get(f"{table}.{key}")
        value = plain(plausible.get(key)) if control is None or control.initial is None else control.initial
        if value is not None:
            kept[key] = value
    return kept


def valid_keys(tables: Mapping[str, Any], model: Model) -> set[str]:
    """The dotted names of all keys that the tables may have, their kinds being what they are."""
    found = set()
    for table, target in model.tables.items():
        own = target_of(model, table, tables.get(table, {}))
        if isinstance(target, Mapping) and len(target) > 1:
            found.add(f"{table}.{KIND}")
        found |= set() if own is None else {f"{table}.{key}" for key in keys_of(model, own)}
    return found


def changes(begin: Mapping[str, Any], tables: Mapping[str, Any]) -> Values:
    """Dotted name -> value of what differs from the beginning, None where it is not given any more."""
    names = [name for name in {**begin, **tables} if isinstance(tables.get(name, begin.get(name)), Mapping)]
    found = {}
    for table in names:
        before, after = begin.get(table, {}), tables.get(table, {})
        for key in sorted({**before, **after}, key=lambda key: key != KIND):  # the kind first: it decides on the others
            if not _equal(before.get(key), after.get(key)):
                found[f"{table}.{key}"] = after.get(key)
    return found


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are written alike: 1 and true are not, nor 1 and 1.0."""
    return json.dumps(one, default=str) == json.dumps(other, default=str)


def address(begin: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    """The query that carries what was changed; empty where it would be too long for an address."""
    given = {
        key: "" if value is None else value if isinstance(value, str) else json.dumps(value)
        for key, value in changes(begin, tables).items()
    }
    query = urlencode(given, safe="[],")
    return f"?{query}" if query and len(query) <= LONGEST else ""


def from_address(origin: Origin, given: Iterable[tuple[str, str]]) -> tuple[Values, list[str]]:
    """The tables that an address carries, and what is wrong with it.

    Names without a point are not ours. An address runs no code: values that may name a file are those of the study.
    """
    tables, faults, controls = copy.deepcopy(origin.tables), list[str](), origin.model.controls()
    for key, text in given:
        table, point, name = key.partition(".")
        if not point:
            continue
        known = key in controls and text in controls[key].choices
        may_name_file = any(f"{key}.".startswith(f"{one}.") for one in origin.model.file_keys)
        if may_name_file and not known and text != value_of(origin.tables, key):
            faults.append(f"{key} = {text!r} is not taken from an address; type it")
        elif not text:
            tables.get(table, {}).pop(name, None)
        else:
            override_key(tables, f"{key}={text}", faults)
            if name == KIND and isinstance(tables.get(table), dict):
                tables[table] = _of_kind(tables[table], table, origin.model)
    return tables, faults


def labels(several: Sequence[Mapping[str, Any]]) -> list[str]:
    """What tells each of several tables from the others, in words."""
    keys = dict.fromkeys(key for tables in several for key in changes(several[0], tables))
    told = [[f"{key.partition('.')[2]} {_short(value_of(tables, key))}" for key in keys] for tables in several]
    return [", ".join(parts) or "the study" for parts in told]


def _short(value: Any) -> str:
    """A value in few letters."""
    if value is None:
        return "–"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 16 else f"{text[:14]}…"
