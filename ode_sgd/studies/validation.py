"""A study while it is checked: its tables one by one against its model, then what they ask of each other."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import cut
from ode_sgd.core.keywords import nearest
from ode_sgd.core.model import Model, Tables
from ode_sgd.core.registry import DEFAULT, find_model, located
from ode_sgd.studies.tables import MISSING, MOST, Table, Values, complaint, parameters, shown, with_defaults

SWEEP = "sweep"  # the table of a sweep file that names what varies
MODEL = "model"  # the key at the top of a study file that names its model
Targets = Mapping[str, Callable[..., Any]]


def chosen_model(data: Mapping[str, Any], faults: list[str]) -> Model:
    """The model that the tables of a study name; where there is none of that name, the usual one and a fault."""
    try:
        return find_model(data.get(MODEL, DEFAULT))
    except InvalidProblem as error:
        faults.append(str(error))
        return find_model()


def with_location(data: Mapping[str, Any], folder: Path | None) -> Values:
    """The tables with a path to the model that holds everywhere; without the usual model's name, which says nothing."""
    given = data.get(MODEL)
    if not isinstance(given, str):
        return dict(data)
    rest = {name: value for name, value in data.items() if name != MODEL}
    return rest if given.strip() == DEFAULT else {MODEL: located(given, folder), **rest}


def located_values(data: Mapping[str, Any], model: Model, folder: Path | None, faults: list[str]) -> Values:
    """The tables with values that mean the same in every folder, also those of axes; what has faults is left out.

    Paths count from `folder`; None is for what a sweep's folder says, of which no file is run. Where a file has faults,
    those that the model lists after it for the same table are left out as well: what they are without it is no fault.
    """
    result = {name: dict(given) if isinstance(given, Mapping) else given for name, given in data.items()}
    if isinstance(axes := result.get(SWEEP), dict):
        axes |= {name: dict(given) for name, given in axes.items() if isinstance(given, Mapping)}

    def located_value(dotted: str, given: Any) -> Any:
        if isinstance(given, list):
            return [located_value(dotted, each) for each in given]
        return model.located(dotted, given, folder)

    places, faulty, lost = _file_values(result, model), set(), set()
    for dotted, home, key in places:
        table = dotted.partition(".")[0]
        try:
            home[key] = located_value(dotted, home[key])
        except InvalidProblem as error:
            told = f"[{table}] {error}"
            faults += [] if told in faults else [told]  # a table may name the file that an axis begins with
            del home[key]
            faulty.add(dotted)
    for dotted, home, key in places:
        if (table := dotted.partition(".")[0]) in lost:
            home.pop(key, None)
        if dotted in faulty:
            lost.add(table)
    return result


def carried_for(data: Mapping[str, Any], model: Model) -> Any:
    """What other processes need to have loaded for a study or a sweep of these tables."""
    found = [home[key] for _, home, key in _file_values(data, model)]
    return model.carried([one for given in found for one in (given if isinstance(given, list) else [given])])


def _file_values(data: Mapping[str, Any], model: Model) -> list[tuple[str, dict[str, Any], str]]:
    """The dotted name, the table and the key of all values that may name files."""
    axes = data.get(SWEEP)
    inner = axes if isinstance(axes, dict) else {}
    places = []
    for dotted in model.file_keys:
        table, _, key = dotted.partition(".")
        places += [(dotted, data.get(table), key), (dotted, inner, dotted), (dotted, inner.get(table), key)]
        places += [(name, inner, name) for name in inner if name.startswith(f"{dotted}.")]  # within the key's own table
    return [(dotted, home, key) for dotted, home, key in places if isinstance(home, dict) and key in home]


def kinds_of(model: Model, table: str) -> Targets | None:
    """The callables of a table by the value of its key `kind`; None where there is one only."""
    target = model.tables[table]
    return target if isinstance(target, Mapping) else None


def targets_of(model: Model, table: str) -> list[Callable[..., Any]]:
    """All callables of a table."""
    target = model.tables[table]
    return list(target.values()) if isinstance(target, Mapping) else [target]


def target_of(model: Model, table: str, given: Mapping[str, Any]) -> Callable[..., Any] | None:
    """The callable that takes the keys given in a table; None where its `kind` names none."""
    target = model.tables[table]
    if not isinstance(target, Mapping):
        return target
    kind = given.get("kind")
    return target.get(kind) if isinstance(kind, str) else None


@cache
def keys_of(model: Model, target: Callable[..., Any]) -> Values:
    """The keys of a table with their defaults: the parameters of its callable that are not other tables."""
    return {key: value for key, value in parameters(target).items() if key not in model.tables}


@cache
def taken_by(model: Model, target: Callable[..., Any]) -> tuple[str, ...]:
    """The tables that a callable takes as arguments."""
    keys = parameters(target)
    return tuple(name for name in model.tables if name in keys)


@cache
def needs_of(model: Model, table: str) -> tuple[str, ...]:
    """The tables that a table's callables take as arguments."""
    taken = {key for target in targets_of(model, table) for key in taken_by(model, target)}
    return tuple(name for name in model.tables if name in taken)


@cache
def order_of(model: Model) -> tuple[str, ...]:
    """The tables in the order in which they are made: after those that they need."""
    done: dict[str, None] = {}

    def put(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            told = " and ".join(dict.fromkeys((*above, name)))
            raise InvalidProblem(f"the tables {told} of the model {model.name} need each other; one must come first")
        for other in needs_of(model, name):
            put(other, (*above, name))
        done.setdefault(name)

    for name in model.order():
        put(name, ())
    return tuple(done)


@cache
def homes_of(model: Model) -> dict[str, str]:
    """Key -> the first table that has it."""
    return {
        key: name
        for name in reversed(tuple(model.tables))
        for target in targets_of(model, name)
        for key in parameters(target)
    }


class Validation:
    """The tables of a study file, the faults found so far, and the tables with their defaults filled in."""

    def __init__(self, data: Mapping[str, Any], model: Model, faults: list[str]) -> None:
        self.model, self.faults = model, faults
        self.config: dict[str, Values] = {}
        self._given: dict[str, Values] = {}
        valid = tuple(model.tables)
        foreign = [name for name in data if name not in valid and name != MODEL]
        if len(foreign) > MOST:
            faults.append(f"{len(foreign) - MOST} more unknown tables and keys outside all tables")
        for name, value in data.items():
            if name == MODEL:
                continue
            if name not in valid:
                if name in foreign[:MOST]:
                    self._foreign(name, value)
            elif isinstance(value, dict):
                self._given[name] = dict(value)
            else:
                faults.append(f"{name} = {shown(value)} is not a table; begin one with a line [{name}]")
        meant = {nearest(name, valid) for name in [*foreign[:MOST], *(name for name in valid if name in data)]}
        lacking = [name for name in valid if name not in meant and name not in model.optional]
        usual = model.name == DEFAULT
        told = "" if usual else f" (a table of the model {model.name})"
        remedy = "`ode-sgd init FILE`" if usual else "`ode-sgd init FILE --model MODEL`"
        faults.extend(f"[{name}] is missing{told}; {remedy} writes a file that has it" for name in lacking)

    def _foreign(self, name: str, value: Any) -> None:
        """Note what stands at the top level and is no table of the model."""
        valid, homes = tuple(self.model.tables), homes_of(self.model)
        if isinstance(value, dict):
            meant = nearest(name, valid)
            usual = self.model.name == DEFAULT
            told = f"; the tables are {', '.join(valid)}"
            if not usual:
                told = f"; the tables of the model {self.model.name} are {', '.join(valid)}"
            hint = f" (did you mean [{meant}]?)" + ("" if usual else told) if meant else told
            if name == "sweep":
                hint = "; `ode-sgd sweep run` takes such a file"
            self.faults.append(f"[{cut(name)}]: unknown table{hint}")
        else:
            hint = f" (did you mean to put it below [{homes[name]}]?)" if name in homes else ""
            self.faults.append(f"{cut(name)} = {shown(value)}: a key outside all tables{hint}")

    def tables(self) -> Tables:
        """What was made of all tables, None of those with faults; the faults of each, and between them, are noted."""
        parts: dict[str, Any] = {}
        for name in order_of(self.model):
            if name in self._given:
                parts[name] = self._part(name, parts)
        made = Tables(parts, self.config)
        try:
            self.faults += self.model.faults(made)
        except InvalidProblem as error:
            self.faults.append(str(error))
        ordered = {name: self.config[name] for name in self.model.tables if name in self.config}
        return Tables(parts, ordered)

    def _part(self, name: str, parts: Mapping[str, Any]) -> Any:
        """What is made of one table; None where it has faults."""
        given = self._given[name]
        try:
            given |= self.model.complete(name, given, {**dict.fromkeys(self._given), **parts})
        except InvalidProblem as error:
            self.faults.append(str(error))
        needed = {other: parts.get(other) for other in needs_of(self.model, name)}
        lacking = [other for other, part in needed.items() if part is None and self._is_due(other)]
        fixed = needed | {other: self.model.stand_in(other, self._given) for other in lacking}
        kinds = kinds_of(self.model, name)
        made = self._table(name, self.model.tables[name], fixed) if kinds is None else self._of_kind(name, kinds, fixed)
        return None if lacking else made

    def _is_due(self, name: str) -> bool:
        """Whether a study must have this table, or does."""
        return name in self._given or name not in self.model.optional

    def _table(self, name: str, target: Any, fixed: Values, kind: str | None = None) -> Any:
        """What `target` makes of a table and of other tables' parts; None where it has faults."""
        given = {key: value for key, value in self._given[name].items() if kind is None or key != "kind"}
        valid = keys_of(self.model, target)
        self.config[name] = ({} if kind is None else {"kind": kind}) | with_defaults(target, valid, given)
        table = Table(name, given, self.faults)
        values = table.known(valid, homes_of(self.model), "" if kind is None else f" of kind = {kind!r}")
        taken = {other: part for other, part in fixed.items() if other in taken_by(self.model, target)}
        if any(part is None and self._is_due(other) for other, part in taken.items()):
            return None  # nothing is known of a table that this one needs
        own = type(self.model).plausible is not Model.plausible
        return table.build(target, values, dict(self.model.plausible(valid, values)), taken, numbers=own)

    def _of_kind(self, name: str, kinds: Targets, fixed: Values) -> Any:
        """As `_table`, where the key `kind` chooses the target."""
        given = self._given[name]
        kind = given.get("kind", MISSING)
        if isinstance(kind, str) and kind in kinds:
            return self._table(name, kinds[kind], fixed, kind=kind)
        table = Table(name, given, self.faults)
        misspelt = kind is MISSING and any(nearest(key, ["kind"]) for key in given)  # one misspelt key is one fault
        try:
            check.choice("kind", kind, tuple(kinds))
        except InvalidProblem as error:
            if not misspelt:
                table.fault(complaint("kind", kind, error))
        anything = {key: None for target in kinds.values() for key in keys_of(self.model, target)}
        table.known({"kind": None} | anything, homes_of(self.model))
        return None
