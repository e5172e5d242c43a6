"""The table [sweep] of a sweep file: which keys take which values."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import cut, plain
from ode_sgd.core.keywords import nearest
from ode_sgd.core.model import Model
from ode_sgd.core.registry import DEFAULT
from ode_sgd.studies.tables import MOST, Values, parameters, put, shown
from ode_sgd.studies.validation import homes_of, target_of

REPLICA = "replica"  # the axis of `replicas`, innermost
SEED = "seed"  # keys that `replicas` raises by one a replica
OPTIONS = ("zip", "replicas")
# Columns of a sweep's files whose names a swept key does not take.
RESERVED = ("run", "alpha", "time", "status", "seconds", "reached", "resolution", "identity", "student", "teacher")
ALIKE = 0.75  # from which a name is one of the forms of an axis, misspelt: "rate" and "range" have 0.67
LONGEST = 10**7  # runs; more would not fit into the tables of a folder


@functools.cache
def names_of(model: Model) -> tuple[str, ...]:
    """Everything that can be swept: the dotted name of every key of every table."""
    return model.keys()


@functools.cache
def seeds_of(model: Model) -> tuple[str, ...]:
    """The keys that `replicas` raises by one a replica."""
    return tuple(name for name in names_of(model) if name.endswith(f".{SEED}"))


def seeded(model: Model, tables: Mapping[str, Any]) -> list[str]:
    """The tables of a study that take a seed."""
    found = []
    for name in seeds_of(model):
        table = name.partition(".")[0]
        target = target_of(model, table, tables[table]) if isinstance(tables.get(table), Mapping) else None
        if target is not None and SEED in parameters(target):
            found.append(table)
    return found


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of the grid: dotted names, and for each position a value of every name.

    Two names or more are a zip group. `generated` says that the values come from two ends, so that what is valid at
    both is valid between them.
    """

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    generated: bool = False

    def __len__(self) -> int:
        return len(self.values)

    def items(self, position: int) -> Iterator[tuple[str, Any]]:
        """Names and values at a position."""
        return zip(self.names, self.values[position], strict=True)


def read_axes(table: Any, model: Model, faults: list[str]) -> tuple[Axis, ...]:
    """The axes of a table [sweep], in its order, a zip group where its first name stands; faults are noted."""
    if not isinstance(table, Mapping):
        faults.append(f"sweep = {shown(table)} is not a table; begin one with a line [sweep]")
        return ()
    single: dict[str, Axis] = {}
    for name, given in _flat(table, model, faults).items():
        before = len(faults)
        values, generated = _values(name, given, faults)
        if len(faults) == before:
            single[name] = Axis((name,), tuple((value,) for value in values), generated)
    axes = _zipped(single, table.get("zip", []), faults)
    for axis in axes:
        _check_distinct(axis, faults)
    replicas = _replicas(table.get("replicas", 1), single, model, faults)
    if not single and replicas == 1 and not faults:
        faults.append(f"[sweep] has no axis; give one, such as {example(model)}, or replicas = 4")
    if replicas > 1:
        axes.append(Axis((REPLICA,), tuple((number,) for number in range(replicas)), generated=True))
    runs = 1
    for axis in axes:
        runs *= len(axis)
    if runs > LONGEST:
        faults.append(f"[sweep] asks for {runs} runs; the most is {LONGEST}: divide it into several sweeps")
    return tuple(axes)


def example(model: Model) -> str:
    """An axis as a sweep file of the model may have one."""
    if model.name == DEFAULT:
        return "problem.learning_rate = [0.1, 0.2]"
    name = next((name for name in names_of(model) if not name.endswith((".kind", f".{SEED}"))), "table.key")
    return f"{name} = [0.1, 0.2]"


def _flat(table: Mapping[str, Any], model: Model, faults: list[str]) -> Values:
    """Dotted name -> values; `a.b = ...` in TOML is a table within the table, `"a.b" = ...` is not."""
    flat: Values = {}
    for key, value in table.items():
        if key in OPTIONS:
            continue
        if key in model.tables and isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": given for inner, given in value.items()}
        else:
            flat[key] = value
    names = names_of(model)
    flat = {inner: given for name, value in flat.items() for inner, given in _inner(name, value)}
    known = {name: value for name, value in flat.items() if ".".join(name.split(".", 2)[:2]) in names}
    unknown = [name for name in flat if name not in known]
    faults.extend(f"[sweep] {cut(name)} = {shown(flat[name])}: {_unknown(name, model)}" for name in unknown[:MOST])
    if len(unknown) > MOST:
        faults.append(f"[sweep] {len(unknown) - MOST} more unknown names")
    return known


def _inner(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of what varies within the value of a key, such as problem.learning_rate.power.time."""
    if isinstance(value, Mapping) and not _is_form(value):
        for key, given in value.items():
            yield from _inner(f"{name}.{key}", given)
    else:
        yield name, value


def _is_form(value: Mapping[str, Any]) -> bool:
    """Whether a table is an axis itself, maybe misspelt, and not one that holds axes."""
    if not value or _FORMS.keys() & value.keys():
        return True
    (key, given), *others = value.items()
    return not others and isinstance(given, list) and bool(get_close_matches(str(key), _FORMS, n=1, cutoff=ALIKE))


def _unknown(name: str, model: Model) -> str:
    """What is said of a name that cannot be swept."""
    names, homes = names_of(model), homes_of(model)
    table, dot, key = name.partition(".")
    meant = nearest(name, [*names, *OPTIONS])
    if dot:
        home = nearest(table, model.tables) or table
        keys = [entry.partition(".")[2] for entry in names if entry.startswith(f"{home}.")]
        close = nearest(key, keys)
        meant = f"{home}.{close}" if close else f"{homes[key]}.{key}" if key in homes else meant
    elif name in homes:
        meant = f"{homes[name]}.{name}"
    elif any(nearest(name, [key]) for key in homes):
        key = nearest(name, homes) or ""
        meant = f"{homes[key]}.{key}"
    return f"unknown name (did you mean {meant!r}?)" if meant else "unknown name; give TABLE.KEY of the study"


def _values(name: str, given: Any, faults: list[str]) -> tuple[list[Any], bool]:
    """The values of an axis, and whether they lie between two ends."""
    given = plain(given)
    if isinstance(given, list):
        if not given:
            faults.append(f"[sweep] {name} = []: an empty axis; give at least one value")
        return given, False
    if isinstance(given, Mapping) and len(given) == 1:
        form, numbers = next(iter(given.items()))
        if form in _FORMS:
            try:
                values = _FORMS[form](numbers)
            except InvalidProblem as error:
                faults.append(f"[sweep] {name}: {form} = {shown(numbers)}: {error}")
                return [], True
            if not values:
                faults.append(f"[sweep] {name}: {form} = {shown(numbers)} is an empty axis; give at least one value")
            return values, True
        hint = nearest(form, _FORMS)
        hint = f" (did you mean {hint!r}?)" if hint else ""
        faults.append(f"[sweep] {name}: {form} is none of {', '.join(_FORMS)}{hint}")
        return [], True
    faults.append(
        f"[sweep] {name} = {shown(given)} is no axis; give a list, or one of {{linspace = [first, last, count]}}, "
        "{logspace = [first, last, count]}, {range = [start, stop, step]}"
    )
    return [], True


def _ends(numbers: Any) -> tuple[float, float, int]:
    if not isinstance(numbers, Sequence) or isinstance(numbers, str) or len(numbers) != 3:
        raise InvalidProblem("give [first, last, count]")
    first, last = check.number("first", numbers[0]), check.number("last", numbers[1])
    return first, last, check.integer("count", numbers[2], 0, LONGEST)


def _linspace(numbers: Any) -> list[Any]:
    first, last, count = _ends(numbers)
    values: list[Any] = np.linspace(first, last, count).tolist()
    return values


def _logspace(numbers: Any) -> list[Any]:
    first, last, count = _ends(numbers)
    if not (first > 0.0 and last > 0.0):
        raise InvalidProblem("first and last are the values themselves, not their exponents; both must be > 0")
    values: list[Any] = np.geomspace(first, last, count).tolist()
    return values


def _range(numbers: Any) -> list[Any]:
    if not isinstance(numbers, Sequence) or isinstance(numbers, str) or not 1 <= len(numbers) <= 3:
        raise InvalidProblem("give [stop], [start, stop] or [start, stop, step]; stop is left out")
    whole = [check.integer("an entry", number, -(2**63), 2**63 - 1) for number in numbers]
    if len(whole) == 3 and whole[2] == 0:
        raise InvalidProblem("step is 0; give another")
    values = range(*whole)
    if len(values) > LONGEST:
        raise InvalidProblem(f"{len(values)} values; the most is {LONGEST}")
    return list(values)


_FORMS: dict[str, Callable[[Any], list[Any]]] = {"linspace": _linspace, "logspace": _logspace, "range": _range}


def _check_distinct(axis: Axis, faults: list[str]) -> None:
    """Note values that stand twice: two runs would be the same one."""
    seen = set()
    for values in axis.values:
        key = repr(canonical(values))
        if key in seen:
            told = shown(values[0] if len(values) == 1 else list(values))
            names = ", ".join(axis.names)
            faults.append(f"[sweep] {names} holds {told} twice; give each value once (replicas = n repeats runs)")
            return
        seen.add(key)


def _zipped(single: Mapping[str, Axis], groups: Any, faults: list[str]) -> list[Axis]:
    """Axes with the names of each group put together."""
    if not (isinstance(groups, list) and all(_names(group) for group in groups)):
        faults.append(f'[sweep] zip = {shown(groups)}: give a list of lists of names, such as zip = [["a.b", "c.d"]]')
        return list(single.values())
    member: dict[str, tuple[str, ...]] = {}
    for group in groups:
        names, before = tuple(group), len(faults)
        for name in names:
            if name not in single:
                hint = nearest(str(name), single)
                hint = f" (did you mean {hint!r}?)" if hint else "; give it an axis of its own line"
                faults.append(f"[sweep] zip names {name!r}, which has no valid axis{hint}")
            elif name in member or names.count(name) > 1:
                faults.append(f"[sweep] zip names {name!r} twice; a name belongs to one group")
        lengths = {name: len(single[name]) for name in names if name in single}
        if len(faults) == before and len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            faults.append(f"[sweep] zip takes axes of equal length, but {told} values")
        if len(faults) == before:
            member |= dict.fromkeys(names, names)
    axes: list[Axis] = []
    for name, axis in single.items():
        names = member.get(name, (name,))
        if len(names) == 1:
            axes.append(axis)
        elif next(entry for entry in single if entry in names) == name:
            columns = [[entry[0] for entry in single[other].values] for other in names]
            generated = all(single[other].generated for other in names)
            axes.append(Axis(names, tuple(zip(*columns, strict=True)), generated))
    return axes


def _names(group: Any) -> bool:
    """Whether this is a list of texts."""
    return isinstance(group, list | tuple) and all(isinstance(name, str) for name in group)


def _replicas(given: Any, single: Mapping[str, Axis], model: Model, faults: list[str]) -> int:
    """The number of replicas; 1 where it has a fault."""
    try:
        replicas = check.integer("replicas", given, 1, LONGEST)
    except InvalidProblem as error:
        faults.append(f"[sweep] {error}")
        return 1
    both = [name for name in seeds_of(model) if name in single]
    if replicas > 1 and both:
        faults.append(f"[sweep] replicas = {replicas} and an axis {both[0]}: runs would repeat each other; give one")
    return replicas


def column_names(names: Sequence[str]) -> dict[str, str]:
    """Dotted names -> names of columns: the key alone where it is unambiguous, else table_key."""
    keys = [name.rpartition(".")[2] for name in names]
    return {
        name: name.replace(".", "_") if key in RESERVED or keys.count(key) > 1 else key
        for name, key in zip(names, keys, strict=True)
    }


def canonical(value: Any) -> Any:
    """Equal for values that mean the same: whole floats as integers, tuples as lists, without None."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2.0**53:
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): canonical(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list | tuple):
        return [canonical(entry) for entry in value]
    return value


def with_values(tables: dict[str, Values], values: Mapping[str, Any], model: Model) -> dict[str, Values]:
    """Tables in which the dotted names have these values."""
    for name, value in values.items():
        if name == REPLICA:
            for table in seeded(model, tables):
                first = tables[table].get(SEED, 0)
                if type(first) is int:  # what else it may be is a fault that the study's own checks name
                    tables[table][SEED] = first + value
        else:
            table, _, key = name.partition(".")
            put(tables.setdefault(table, {}), key, value)
    return tables
