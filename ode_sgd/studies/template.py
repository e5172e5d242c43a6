"""The study file that `ode-sgd init` writes: a model's own, or its tables with their defaults."""

import inspect
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ode_sgd.core.model import Model
from ode_sgd.core.registry import DEFAULT, FILE, find_model, located
from ode_sgd.studies.validation import keys_of, kinds_of, targets_of

PLAUSIBLE = {"int": 1, "str": "", "bool": False}  # by annotation, where there is no default; else 1.0


def template_of(given: str | None, path: Path) -> str:
    """A study file of a model; `path` is where it will lie, which a path to the model counts from."""
    if given is None or given == DEFAULT:
        return find_model().template()
    model, head = find_model(given), f"model = {json.dumps(_from(given, path))}\n"
    own = model.template()
    return own if "model =" in own else f"{head}\n{own or _of_tables(model)}"


def _from(given: str, path: Path) -> str:
    """The model as it is named in a file at `path`."""
    file = FILE.fullmatch(given.strip())
    if file is None or Path(file[1]).is_absolute():
        return given.strip()
    place = FILE.fullmatch(located(given))
    assert place is not None
    return f"{Path(os.path.relpath(place[1], path.absolute().parent)).as_posix()}:{place[2]}"


def _of_tables(model: Model) -> str:
    return "\n".join(_table(model, name) for name in model.tables)


def _table(model: Model, name: str) -> str:
    """One table, with its first kind."""
    target, kinds = targets_of(model, name)[0], kinds_of(model, name)
    lines = [f"[{name}]" + ("  # may be left out" if name in model.optional else "")]
    if kinds is not None:
        others = "" if len(kinds) == 1 else f"  # or {', '.join(map(json.dumps, list(kinds)[1:]))}"
        lines.append(f"kind = {json.dumps(next(iter(kinds)))}{others}")
    own = inspect.signature(target).parameters
    lines += [_line(key, own[key]) for key in keys_of(model, target)]
    return "\n".join(lines) + "\n"


def _line(key: str, parameter: inspect.Parameter) -> str:
    """A key with its default, or a plausible value where it has none."""
    if parameter.default is not parameter.empty:
        text = _toml(parameter.default)
        return f"{key} = {text}" if text else f"# {key} ="
    kind = getattr(parameter.annotation, "__name__", str(parameter.annotation))
    return f"{key} = {_toml(PLAUSIBLE.get(kind, 1.0))}  # needed; this is an example"


def _toml(value: Any) -> str:
    """A value in TOML, empty where it has none."""
    if value is None or isinstance(value, Mapping):
        return ""
    try:
        return json.dumps(list(value) if isinstance(value, tuple) else value)
    except TypeError:
        return ""
