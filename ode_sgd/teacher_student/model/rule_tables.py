"""Rules as plain values: the tables of study files, and what results have of a rule.

A table names one of ode_sgd.rules, `{name = "huber", threshold = 0.5}`, or a function in a file of the user's,
`{name = "my_rules.py:perceptron", draws = 1}`, and has its parameters as keys. What a result has of a rule never makes
code run: a function is found where this process has loaded it, and is otherwise known by name, digest and parameters.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import cut, shown
from ode_sgd.core.keywords import nearest
from ode_sgd.teacher_student.model import activation, rule_file, rule_source, shipped_rules
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.own_rule import KNOWN, LOADED, NAME, TABLE, TEXT, Rule, StoredRule

WITHIN = "rule"  # the parameter that is a rule itself
ACTIVATION = "activation"
OWN = ("draws", "nodes", "seed", "jumps", "gradient")  # of a function of the user's
NODES = ("nodes", "seed")


def names() -> tuple[str, ...]:
    """Those of ode_sgd.rules."""
    return shipped_rules.MAKERS


def made_rule(given: Any) -> Any:
    """The rule of whatever `Problem` takes for one: also of a table, a name, and a maker that needs no parameters.

    Raises
    ------
    InvalidProblem
        For names and parameters that there are not, naming them, and values outside their range.
    """
    if isinstance(given, str):
        given = {NAME: given}
    if isinstance(given, Mapping):
        return _as_known(_of_table(given, WITHIN))
    if getattr(given, "__module__", "") != shipped_rules.__name__:
        return given
    try:
        return given()
    except TypeError as error:
        raise InvalidProblem(f"rule = {given.__name__}: {error}; call it with these") from None


def _as_known(rule: Rule) -> Rule | StoredRule:
    """The rule, or where the function that it is made of is not loaded, what is known of it."""
    update: Any = rule.update
    while hasattr(update, TABLE) and "inner" in (taken := rule_source.captured(update)):
        update = taken["inner"]
    if not rule_file.stands_in(update):
        return rule
    _forget(rule)
    return StoredRule(rule.name, rule.digest, rule.stored)


def _forget(rule: Rule) -> None:
    """A rule that cannot be run is not found by its text."""
    if LOADED.get((rule.name, rule.digest)) is rule:
        del LOADED[rule.name, rule.digest]


def _of_table(given: Mapping[str, Any], label: str) -> Rule:
    """The rule of a table; files count from the current folder. `label` is what messages call it."""
    if NAME not in given:
        raise InvalidProblem(
            f"{label} = {shown(dict(given))} does not say which; give name = one of {', '.join(map(repr, names()))}, "
            f"or a function in a file of yours, such as {rule_file.EXAMPLE}"
        )
    name, values = given[NAME], {str(key): value for key, value in given.items() if key != NAME}
    if rule_file.names_file(name):
        name = rule_file.load(name, Path())
    if isinstance(name, str) and (known := KNOWN.fullmatch(name)):
        function = rule_file.function_of(name) or rule_file.stand_in(known[1], known[2])
        return _of_function(function, known[1], values, label)
    try:
        maker = getattr(shipped_rules, check.choice(f"{label}.name", name, names()))
    except InvalidProblem as error:
        raise InvalidProblem(f"{error}; a function of your own is named by its file, as {rule_file.EXAMPLE}") from None
    return _of_maker(maker, values, label)


def _of_function(function: Callable[..., float], name: str, values: dict[str, Any], label: str) -> Rule:
    """The rule of a function of the user's."""
    _require_known(values, OWN, f"{label}.{name}")
    try:
        rule = Rule(function, **values)
    except InvalidProblem as error:
        raise InvalidProblem(f"{label}.{name}: {error}") from None
    if rule_file.stands_in(function):
        _forget(rule)
    return rule


def _of_maker(maker: Callable[..., Rule], values: dict[str, Any], label: str) -> Rule:
    """The rule of one of ode_sgd.rules."""
    name, known = maker.__name__, inspect.signature(maker).parameters
    needed = [key for key, one in known.items() if one.default is one.empty and key != "nodes"]
    _require_known(values, tuple(dict.fromkeys([*(key for key in known if key != "nodes"), *NODES])), f"{label}.{name}")
    lacking = [key for key in needed if key not in values]
    if lacking:
        within = "; the rule within is a name or a table, such as rule = 'squared'" if WITHIN in lacking else ""
        raise InvalidProblem(f"{label}.{name} lacks {', '.join(lacking)}{within}")
    if WITHIN in known:
        nodes = {key: values.pop(key) for key in NODES if key in values}
        values[WITHIN] = _within(values[WITHIN], nodes, f"{label}.{WITHIN}")
    try:
        return maker(**values)
    except InvalidProblem as error:
        raise type(error)(f"{label}.{name}: {error}") from None


def _within(given: Any, nodes: dict[str, Any], label: str) -> Rule:
    """The rule that another one is around, which has the nodes of both."""
    if isinstance(given, Rule):
        return given
    table = {NAME: given} if isinstance(given, str) else given
    if not isinstance(table, Mapping):
        raise InvalidProblem(f"{label} = {shown(given)} is no rule; give a name, such as 'squared', or a table")
    return _of_table(nodes | dict(table), label)


def _require_known(values: Mapping[str, Any], known: tuple[str, ...], label: str) -> None:
    for key in values:
        if key not in known:
            meant = nearest(key, known)
            hint = f" (did you mean {meant!r}?)" if meant else ""
            raise InvalidProblem(f"{label} has no parameter {cut(key)!r}; its own are {', '.join(known)}{hint}")


def rule_of_stored(given: Any) -> Rule | StoredRule:
    """The rule that a result has: made anew where it is one of ode_sgd.rules. No file is read, and none is run.

    Raises
    ------
    InvalidProblem
        If it is no rule.
    """
    if not isinstance(given, Mapping):
        return Rule.named(given)  # type: ignore[no-any-return]  # files of older versions have the text alone
    text = str(given.get(TEXT, given.get(NAME)))
    known = KNOWN.fullmatch(text)
    if known is None:
        raise InvalidProblem(f"rule = {shown(dict(given))} is not what a result has of a rule")
    loaded = LOADED.get((known[1], known[2])) or _remade(given)
    same = isinstance(loaded, Rule) and loaded.text == text  # else it was one of another version of the package
    return loaded if same and isinstance(loaded, Rule) else StoredRule(known[1], known[2], dict(given))


def _remade(given: Mapping[str, Any]) -> Rule | None:
    """The rule of what is stored, where all that it is made of is there."""
    name, values = str(given[NAME]), {key: value for key, value in given.items() if key not in (NAME, TEXT)}
    try:
        if known := KNOWN.fullmatch(name):
            rules = (Rule(function, **values) for function in rule_file.functions_named(known[1]))
            return next((rule for rule in rules if rule.text == name), None)
        if name not in names():
            return None
        if WITHIN in values:
            values[WITHIN] = rule_of_stored(values[WITHIN])
        if ACTIVATION in values:
            values[ACTIVATION] = Activation.named(values[ACTIVATION])
        return getattr(shipped_rules, name)(**values)  # type: ignore[no-any-return]
    except (InvalidProblem, TypeError):  # parameters of another version, a function or an activation that is not there
        return None


def located(value: Any, folder: Path | None) -> Any:
    """What a study file gives for a rule, with what is in files of the user's by name and digest; all else as it is.

    Raises
    ------
    InvalidProblem
        If a file has faults, and for any file where `folder` is None: a sweep's folder has none run.
    """
    if isinstance(value, Rule):
        return table_of(value)
    if isinstance(value, list):
        return [located(one, folder) for one in value]
    if isinstance(value, Mapping):
        return {key: _located_parameter(key, one, folder) for key, one in value.items()}
    if not rule_file.names_file(value):
        return value
    if folder is None:
        raise InvalidProblem(f"rule = {value!r} is in a file, and no folder of a sweep has one run")
    return rule_file.load(value, folder)


def _located_parameter(key: str, value: Any, folder: Path | None) -> Any:
    if key in (NAME, WITHIN):
        return located(value, folder)
    if key != ACTIVATION:
        return value
    return (
        [activation.located(one, folder) for one in value]
        if isinstance(value, list)
        else (activation.located(value, folder))
    )


def texts_in(value: Any) -> Iterator[str]:
    """All texts within a value of a study: among them is what stands for files of the user's."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from texts_in(one)


def table_of(rule: Rule | StoredRule) -> dict[str, Any]:
    """A rule as the table of a study file, with a function of the user's by its file.

    Raises
    ------
    InvalidProblem
        If nobody knows the file of a function.
    """
    return _table_of(rule.stored, rule)


def _table_of(stored: dict[str, Any], rule: Rule | StoredRule) -> dict[str, Any]:
    table = {key: value for key, value in stored.items() if key != TEXT and value is not None}
    if isinstance(table.get(WITHIN), Mapping):
        table[WITHIN] = _table_of(table[WITHIN], rule_of_stored(table[WITHIN]))
    elif KNOWN.fullmatch(str(table[NAME])):
        place = rule_file.place_of(rule.update) if isinstance(rule, Rule) else ""
        if not place:
            raise InvalidProblem(
                f"rule = {rule.text!r} is a function of yours, of which no file is known; name it by its file, as "
                f"rule = {rule_file.EXAMPLE}"
            )
        table[NAME] = place
    return table
