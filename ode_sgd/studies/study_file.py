"""Study files: one TOML file says what to integrate and simulate.

Every table holds the arguments of one public name, and all faults of a file are reported at once.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ode_sgd.model.errors import StudyError
from ode_sgd.model.problem import Problem
from ode_sgd.model.spectrum import Spectrum
from ode_sgd.studies.draft import TABLES, Draft
from ode_sgd.studies.plan import Integration, RandomStart, Simulation, TypicalStart
from ode_sgd.studies.tables import Values


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
    """The tables of a TOML file."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        hint = "; `ode-sgd init FILE` writes one to begin with" if isinstance(error, FileNotFoundError) else ""
        fault = f"cannot be read: {error.strerror or error}{hint}"
    except UnicodeDecodeError:
        fault = "is not UTF-8 text; give a TOML file"
    except ValueError as error:
        fault = f"is not TOML: {error}"
    raise StudyError(str(path), [fault])


def override_key(data: Values, text: str, faults: list[str]) -> None:
    """Put one "table.key=value" into the data."""
    path, equals, value = text.partition("=")
    name, _, key = (part.strip() for part in path.partition("."))
    if not (equals and name and key):
        faults.append(f"--set {text}: give TABLE.KEY=VALUE, such as problem.learning_rate=0.5")
        return
    table = data.setdefault(name, {})
    if isinstance(table, dict):  # what else it may be is a fault that the draft names
        table[key] = _toml_value(value.strip())


def _toml_value(text: str) -> Any:
    """A TOML value, or the text itself."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    return parsed["value"] if len(parsed) == 1 else text
