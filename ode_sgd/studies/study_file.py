"""Study files: one TOML file says what to integrate and simulate.

Every table holds the arguments of one public name, and all faults of a file are reported at once.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ode_sgd.core import check
from ode_sgd.core.errors import StudyError
from ode_sgd.core.given import cut, nested
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.studies.tables import Values
from ode_sgd.studies.validation import TABLES, Draft
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.study_tables import Integration, RandomStart, Simulation, TypicalStart

LONGEST = 1 << 21  # bytes of a file: a hundred thousand numbers in all their digits
DOTTED = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++\s*+\.\s*+){20}""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What a study file says, checked; `config` is its tables as plain values, with all defaults filled in."""

    source: str
    spectrum: Spectrum
    problem: Problem
    start: RandomStart | TypicalStart
    integration: Integration
    simulation: Simulation | None
    config: dict[str, Values]


def read_study(path: str | Path, overrides: Iterable[str] = ()) -> Study:
    """Read a study file.

    Parameters
    ----------
    path : str or Path
    overrides : iterable of str
        "table.key=value" each, as --set takes them: a TOML value, or else a bare string.

    Raises
    ------
    StudyError
        Naming all faults of the file and of the overrides.
    """
    faults: list[str] = []
    data = load_tables(path)
    for override in overrides:
        override_key(data, override, faults)
    return parse_study(data, str(path), faults)


def parse_study(data: Mapping[str, Any], source: str = "study", faults: Iterable[str] = ()) -> Study:
    """The study of a mapping table -> key -> value (a parsed file); faults found before are reported with its own."""
    draft = Draft(data, list(faults))
    spectrum = draft.spectrum()
    problem = draft.problem(spectrum)
    integration = draft.table("integration", Integration)
    simulation = draft.table("simulation", Simulation)
    start = draft.start(simulation)
    if problem is not None:
        if integration is not None:
            draft.check_integration(problem, integration)
        draft.check_simulation(problem, start, simulation)
    if draft.faults or problem is None or start is None or integration is None:
        raise StudyError(source, draft.faults)
    return Study(
        source=source,
        spectrum=problem.spectrum,
        problem=problem,
        start=start,
        integration=integration,
        simulation=simulation,
        config={name: draft.config[name] for name in TABLES if name in draft.config},
    )


def default_name(path: Path) -> str:
    """What the outputs of a study are called: as its file, without .toml; what else follows a point is no ending."""
    return path.stem if path.suffix.lower() == ".toml" else path.name


def load_tables(path: str | Path) -> Values:
    """The tables of a TOML file; a byte order mark before them is passed over."""
    source = check.path("file", path)
    try:
        with source.open("rb") as file:
            content = file.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise StudyError(str(path), [f"is longer than {LONGEST >> 20} MiB; long lists can be made in Python"])
        return parsed(content.decode("utf-8-sig"))
    except OSError as error:
        hint = "; `ode-sgd init FILE` writes one to begin with" if isinstance(error, FileNotFoundError) else ""
        fault = f"cannot be read: {error.strerror or error}{hint}"
    except UnicodeDecodeError:
        fault = "is not UTF-8 text; give a TOML file"
    except ValueError as error:
        fault = f"is not TOML: {error}"
    raise StudyError(str(path), [fault])


def parsed(text: str) -> Values:
    """The tables of a TOML text; ValueError also for what no study means, and what takes long or deep recursion."""
    if DOTTED.search(text):  # the parser's time goes with the square of the number of parts
        raise ValueError("a key of more than 20 parts; a study's keys have two, TABLE.KEY")
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        tables = None
    if tables is None or nested(tables):
        raise ValueError("nested too deep; a study needs no more than arrays of arrays in tables")
    return tables


def override_key(data: Values, text: str, faults: list[str]) -> None:
    """Put one "table.key=value" into the data."""
    path, equals, value = text.partition("=")
    name, _, key = (part.strip() for part in path.partition("."))
    if not (equals and name and key):
        faults.append(f"--set {cut(text)}: give TABLE.KEY=VALUE, such as problem.learning_rate=0.5")
        return
    table = data.setdefault(name, {})
    if isinstance(table, dict):  # what else it may be is a fault that the draft names
        table[key] = _toml_value(value.strip())


def _toml_value(text: str) -> Any:
    """A TOML value, or the text itself."""
    try:
        tables = parsed(f"value = {text}")
    except ValueError:
        return text
    return tables["value"] if len(tables) == 1 else text
