"""The model of a folder that names a file: it is known by name, and not run, since a folder runs no code."""

from collections.abc import Mapping
from typing import Any

from ode_sgd.core.errors import StudyError
from ode_sgd.core.model import Model
from ode_sgd.core.registry import find_model, names_code
from ode_sgd.studies.validation import MODEL

FACTS = "model"  # the key of a manifest: what is known of a model that is not run


class UnloadedModel(Model):
    """What a folder says of a model: enough to tell how far its sweep is."""

    def __init__(self, location: str, tables: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        self.location = location
        self.tables = dict.fromkeys(tables, dict)  # type: ignore[misc]
        self.name = str(facts["name"])  # type: ignore[misc]
        self.labels = (str(facts["labels"][0]), str(facts["labels"][1]))
        self.shape_keys = None if facts["shape_keys"] is None else frozenset(facts["shape_keys"])
        self.columns = dict(facts["columns"])  # type: ignore[misc]
        self.time_name, self.error_name = str(facts["time_name"]), str(facts["error_name"])
        self._keys, self._simulates = tuple(facts["keys"]), bool(facts["simulates"])

    def keys(self) -> tuple[str, ...]:
        """What its sweeps can vary."""
        return self._keys

    def simulates(self, tables: Any) -> bool:
        """As the model itself said when the folder was made."""
        return self._simulates


def facts_of(model: Model, location: str, simulates: bool) -> dict[str, Any]:
    """What a manifest keeps of a model that is named by its code; nothing of others."""
    if not names_code(location):
        return {}
    keys: list[str] | None = None if model.shape_keys is None else sorted(model.shape_keys)
    known: dict[str, Any] = {
        "name": model.name,
        "digest": model.source_digest,
        "labels": list(model.labels),
        "shape_keys": keys,
        "keys": list(model.keys()),
    }
    known |= {"columns": dict(model.columns), "time_name": model.time_name, "error_name": model.error_name}
    return {FACTS: known | {"simulates": simulates}}


def stored_model(manifest: Mapping[str, Any]) -> Model:
    """The model of a folder: a registered one, or what is known of one that a file or a module has."""
    document = manifest["sweep"]
    location = document.get(MODEL)
    if location is None or not names_code(location):
        return find_model() if location is None else find_model(location)
    return UnloadedModel(location, {name: table for name, table in document.items() if name != MODEL}, manifest[FACTS])


def stored_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of the file of a folder's model when the sweep was begun; empty for models that are not given by file."""
    return str(manifest.get(FACTS, {}).get("digest", ""))


def check_loaded(model: Model) -> None:
    """StudyError if a model is known by name only."""
    if isinstance(model, UnloadedModel):
        told = (
            f"its model is {model.location}, which is run only if you give the sweep file that names it: `ode-sgd "
            "sweep collect FOLDER --file SWEEP.toml`; or the model: --model MODEL, collect_sweep(folder, model=...)"
        )
        raise StudyError("the folder", [told])
