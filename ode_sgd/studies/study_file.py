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
from ode_sgd.core.model import Model, Tables
from ode_sgd.studies.tables import Values, put
from ode_sgd.studies.validation import MODEL, Validation, chosen_model, located_values, with_location

LONGEST = 1 << 21  # bytes of a file: a hundred thousand numbers in all their digits
DOTTED = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++\s*+\.\s*+){20}""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What a study file says, checked.

    Attributes
    ----------
    source : str
        Where it was read, for messages.
    model : Model
    tables : Tables
        What was made of its tables; each is an attribute too, None where the study does not have it.
    location : str
        The model as a study file in any folder would name it; empty for the usual one.
    model_as_given : str
        The same as its own study file names it, where paths count from that file's folder.
    model_digest : str
        SHA-256 of the model's file, where it is given by one.
    """

    source: str
    model: Model
    tables: Tables
    location: str = ""
    model_as_given: str = ""
    model_digest: str = ""

    @property
    def config(self) -> dict[str, Any]:
        """The tables as plain values, with all defaults filled in, and the model where it is not the usual one.

        The model is named as in the study file: results do not say where that lay.
        """
        return ({MODEL: self.model_as_given or self.location} if self.location else {}) | dict(self.tables.config)

    def __getattr__(self, name: str) -> Any:
        """What was made of a table."""
        if name in ("model", "tables"):  # of one that is being made or copied
            raise AttributeError(name)
        if name in self.model.tables:
            return self.tables.get(name)
        raise AttributeError(f"a study of the model {self.model.name} has no {name!r}")

    @property
    def simulates(self) -> bool:
        """Whether it has a simulation besides its theory."""
        return self.model.simulates(set(self.tables))


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
    return parse_study(data, str(path), faults, folder=Path(path).parent)


def parse_study(
    data: Mapping[str, Any],
    source: str = "study",
    faults: Iterable[str] = (),
    *,
    folder: Path | None = None,
    model: Model | None = None,
) -> Study:
    """The study of a mapping table -> key -> value (a parsed file); faults found before are reported with its own.

    The path to a model's file counts from `folder`, None for the current one; it is not looked at if `model` is given.
    """
    found, as_given = list(faults), data.get(MODEL, "")
    before = len(found)
    data = with_location(data, folder)
    model = model or chosen_model(data, found)
    if len(found) > before:  # what the tables should be is not known
        raise StudyError(source, found)
    validation = Validation(located_values(data, model, folder or Path(), found), model, found)
    tables = validation.tables()
    if validation.faults:
        raise StudyError(source, validation.faults)
    return Study(
        source=source,
        model=model,
        tables=tables,
        location=data.get(MODEL, ""),
        model_as_given=as_given,
        model_digest=model.source_digest,
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
    if isinstance(table, dict):  # what else it may be is a fault that the validation names
        put(table, key, _toml_value(value.strip()))


def _toml_value(text: str) -> Any:
    """A TOML value, or the text itself."""
    try:
        tables = parsed(f"value = {text}")
    except ValueError:
        return text
    return tables["value"] if len(tables) == 1 else text
