"""Tables as text: a study file, one value of it, and a script."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ode_sgd.explorer.state import Origin, value_of
from ode_sgd.studies.study_file import Study
from ode_sgd.studies.tables import Values
from ode_sgd.studies.validation import MODEL

FILE = re.compile(r"(.+\.py)((?::\w+)?)", re.DOTALL)  # of Python, with a function of it or without


def value_text(value: Any) -> str:
    """A value as a study file has it; a float with all its digits."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, str):  # JSON's escapes are TOML's but for one letter, which JSON leaves as it is
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {value_text(inner)}' for key, inner in value.items())} }}"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def study_text(tables: Mapping[str, Any]) -> str:
    """A study file of tables."""
    parts = [f"{name} = {value_text(value)}\n" for name, value in tables.items() if not isinstance(value, Mapping)]
    for name, table in tables.items():
        if isinstance(table, Mapping):
            parts.append("".join([f"[{name}]\n", *(f"{key} = {value_text(value)}\n" for key, value in table.items())]))
    return "\n".join(parts)


def portable(tables: Mapping[str, Any], origin: Origin, study: Study) -> Values:
    """The tables as they mean the same in every folder: paths to files of the user's own are absolute."""
    moved = {name: dict(table) for name, table in tables.items() if isinstance(table, Mapping)}
    for key in origin.model.file_keys:
        table, _, name = key.partition(".")
        given = value_of(tables, key)
        if given is not None:
            moved[table][name] = _from_anywhere(given, origin.folder or Path())
    return ({MODEL: study.location} if study.location else {}) | moved


def _from_anywhere(given: Any, folder: Path) -> Any:
    """A value with the paths in it absolute: "mine.py", and "mine.py:function" also within a table."""
    if isinstance(given, Mapping):
        return {key: _from_anywhere(value, folder) for key, value in given.items()}
    if not isinstance(given, str) or not (found := FILE.fullmatch(given)):
        return given
    path = folder / Path(found[1]).expanduser()
    return f"{path.absolute()}{found[2]}" if path.is_file() else given


def script_text(tables: Mapping[str, Any], study: Study) -> str:
    """Python that computes the runs of a study: the model's own lines, or by its tables."""
    own = study.model.python_lines(study.tables)
    if own:
        return own
    return (
        "from ode_sgd.studies.runs import simulation_of, theory_of\n"
        "from ode_sgd.studies.study_file import parse_study\n\n"
        f"study = parse_study({dict(tables)!r})\n"
        "theory = theory_of(study, lambda stage, fraction: None)\n"
        + ("simulation = simulation_of(study, lambda stage, fraction: None, None)\n" if study.simulates else "")
    )
