"""What a sweep's folder says of itself: written when it is made, compared whenever it is opened again."""

from pathlib import Path
from typing import Any

from ode_sgd.core.errors import InvalidProblem, OdeSgdError, StorageError
from ode_sgd.core.model import Model
from ode_sgd.storage.sweep_folder import MANIFEST, SweepFolder
from ode_sgd.studies.sweeps.partition import Partition, known_partition
from ode_sgd.studies.sweeps.sweep import SCHEMA, Sweep
from ode_sgd.studies.sweeps.unloaded import facts_of, stored_digest, stored_model
from ode_sgd.studies.validation import MODEL

CHANGED = "the file of the model has changed since the sweep was begun"


def open_folder(sweep: Sweep, folder: str | Path) -> SweepFolder:
    """The folder of a sweep, made or found; StorageError if it is another sweep's.

    Its path is absolute: workers look for it from the folder that their queueing system starts them in.
    """
    place = SweepFolder(SweepFolder(folder).path.absolute())
    document = sweep.document()
    facts = facts_of(sweep.model, document.get(MODEL, ""), sweep.simulates)
    manifest = place.create({"schema": SCHEMA, "identity": sweep.identity, "sweep": document, **facts})
    check_same(manifest, sweep, place)
    return place


def check_same(manifest: dict[str, Any], sweep: Sweep, place: SweepFolder) -> None:
    """StorageError if a folder is another sweep's, or of a newer layout."""
    _check_schema(manifest, place)
    if manifest.get("identity") != sweep.identity:
        raise StorageError(
            f"{place.path} holds another sweep ({_difference(manifest, sweep)}); give another folder, or the file that "
            "it was begun with"
        )


def _check_schema(manifest: dict[str, Any], place: SweepFolder) -> None:
    """StorageError if a folder is of a layout that is not known here."""
    schema = manifest.get("schema")
    if type(schema) is not int:
        raise StorageError(f"{place.path / MANIFEST} is damaged (schema = {schema!r}); begin the sweep anew")
    if schema > SCHEMA:
        raise StorageError(f"{place.path} was written by a newer ode_sgd (layout {schema}); upgrade")


def stored_sweep(folder: str | Path, model: Model | None = None) -> tuple[Sweep, SweepFolder, Partition | None]:
    """What a folder says of itself: its sweep, the folder, and how it is cut into files if that is known yet.

    A model that the folder names by a file or a module is not run, and taken from `model` if it is given.
    """
    place = SweepFolder(folder)
    manifest = place.manifest()
    try:
        _check_schema(manifest, place)
        known = _known_model(manifest, model, place)
        sweep = Sweep.of_document(manifest["sweep"], str(place.path), known, stored_digest(manifest))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{place.path / MANIFEST} is damaged ({error}); begin the sweep anew") from error
    return sweep, place, known_partition(sweep, place)


def _known_model(manifest: dict[str, Any], given: Model | None, place: SweepFolder) -> Model:
    """The model given, once it is known to be that of the folder; else what the folder says without running code."""
    try:
        stored = stored_model(manifest)
    except InvalidProblem as error:
        raise StorageError(f"{place.path}: {error}") from error
    if given is None:
        return stored
    if given.name != stored.name:
        raise StorageError(f"{place.path} holds a sweep of the model {stored.name}, not of {given.name}")
    return given


def _difference(manifest: dict[str, Any], sweep: Sweep) -> str:
    """Where two sweeps differ."""
    try:
        stored = stored_model(manifest)
        if stored.name != sweep.model.name:
            return f"its model is {stored.name}, here it is {sweep.model.name}"
        if stored_digest(manifest) != sweep.model_digest:
            return CHANGED
        other = Sweep.of_document(manifest["sweep"], "folder", sweep.model)
        own_study, other_study = sweep.canonical["study"], other.canonical["study"]
        if sweep.canonical["axes"] != other.canonical["axes"]:
            own, theirs = (f"{len(one)} over {', '.join(one.names)}" for one in (sweep, other))
            return f"its runs are {theirs}, here they are {own}"
        for table in sorted({*own_study, *other_study} - {MODEL}):
            own, others = own_study.get(table, {}), other_study.get(table, {})
            for key in sorted({*own, *others}):
                if own.get(key) != others.get(key):
                    return f"its {table}.{key} = {others.get(key)}, here it is {own.get(key)}"
    except (OdeSgdError, AttributeError, KeyError, TypeError):
        pass
    return "its identity differs"
