"""Tables as text: a study file, one value of it, and a script."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ode_sgd.explorer.state import Origin, value_of
from ode_sgd.studies.study_file import Study
from ode_sgd.studies.tables import Values
from ode_sgd.studies.validation import MODEL


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
        if isinstance(given, str) and given.endswith(".py"):
            path = (origin.folder or Path()) / Path(given).expanduser()
            moved[table][name] = str(path.absolute()) if path.is_file() else given
    return ({MODEL: study.location} if study.location else {}) | moved


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
