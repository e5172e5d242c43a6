"""How runs lie in a file: those of any model, and where a model has a way of its own.

The file says what its arrays are, so that a run is read without its model: by the names of its time and its error, and
`variables_json`: name -> dimensions, long name, units.
"""

import importlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from ode_sgd.core.errors import StorageError
from ode_sgd.core.registry import FORMATS, MODELS, find_model, registered
from ode_sgd.core.run import Identified, Observable, Run, restored

Value = str | int | float
Entry = tuple[tuple[str, ...], str, str]  # dimensions, a leading `replica` apart, long name and units
Entries = Callable[[str], Entry | None]

FINAL = "final_"  # before the names of the last state
REPLICA = "replica"


class RunFormat:
    """The runs of a model that has no way of its own."""

    names_model = True  # whether the file says which model it is of

    def problem_json(self, runs: Mapping[str, Run]) -> str:
        """What the runs of a file are of, and how it was given for each of them."""
        fields = {group: canonical_of(run.problem) for group, run in runs.items()}
        try:
            return json.dumps({"canonical": next(iter(fields.values())), "fields": fields})
        except (TypeError, ValueError) as error:
            raise StorageError(
                f"the problem's `canonical` cannot be written as JSON ({error}); give a dictionary of texts, numbers, "
                "booleans and lists"
            ) from error

    def problem_arrays(self, problem: Any) -> dict[str, Observable]:
        """What is known of the problem in arrays."""
        return {}

    def attributes(self, run: Run) -> dict[str, Value]:
        """What a group says besides what all runs have."""
        told = {name: [entry.dimensions, entry.long_name, entry.units] for name, entry in self.arrays(run).items()}
        return {"time_name": run.time_name, "error_name": run.error_name, "variables_json": json.dumps(told)}

    def names(self, attributes: Mapping[str, Any]) -> tuple[str, str]:
        """What time and error are called, by the group's attributes."""
        return str(attributes.get("time_name")), str(attributes.get("error_name"))

    def arrays(self, run: Run) -> dict[str, Observable]:
        """The arrays of a run by their names in the file.

        Raises
        ------
        StorageError
            For names that a file cannot have, and a last state that is no dictionary of observables.
        """
        words = run.words()
        own = {
            run.time_name: Observable(run.alpha, (run.time_name,), words.time_label),
            run.error_name: Observable(run.error, (run.time_name,), words.error_label),
        }
        others = {**run.observables, **self.final_arrays(run.final)}
        dimensions = {dimension for entry in others.values() for dimension in entry.dimensions}
        for name, entry in others.items():
            taken = {*own, REPLICA} | (dimensions if entry.dimensions != (name,) else set())
            if name in taken or not name or "/" in name or name == "." or (name in run.observables and _is_final(name)):
                raise StorageError(
                    f"an observable cannot be called {name!r} in a file; give a name without '/', other than "
                    f"{', '.join(map(repr, sorted(taken)))}, that does not begin with {FINAL!r}"
                )
        return own | others

    def final_arrays(self, final: Any) -> dict[str, Observable]:
        """The last state in arrays."""
        if final is None:
            return {}
        if not (isinstance(final, Mapping) and all(isinstance(part, Observable) for part in final.values())):
            raise StorageError(
                f"final is a {type(final).__name__}, which a file cannot hold; give None, or a dictionary: name -> "
                "Observable"
            )
        return {f"{FINAL}{name}": part for name, part in final.items()}

    def dimension_text(self, name: str) -> str:
        """The long name of a dimension that has no values of its own."""
        return f"{'independent run' if name == REPLICA else name}, counted from 0"

    def entries(self, attributes: Mapping[str, Any]) -> Entries:
        """What the datasets of a group are, by the group's attributes; None for those that are not ours."""
        known = {
            name: (tuple(dimensions), text, units) for name, (dimensions, text, units) in _told(attributes).items()
        }
        return known.get

    def ordered(self, attributes: Mapping[str, Any], variables: Mapping[str, Observable]) -> dict[str, Observable]:
        """What was read of a group in the order in which the run had it; HDF5 writes a dimension's own values first."""
        return {name: variables[name] for name in _told(attributes) if name in variables}

    def sizes(self, fields: Mapping[str, Any], root: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
        """Lengths of dimensions that the problem determines; `root` are the shapes of its arrays."""
        return {}

    def restore(self, attributes: Mapping[str, Any], variables: Mapping[str, Observable]) -> Run:
        """The run that was stored: by its model where that is registered, else a plain one.

        A file never makes code run that its name leads to: only names that the package or an installed distribution
        registers are looked up.
        """
        name = str(attributes["model"])
        if name and (name in MODELS or name in registered()):
            try:
                return find_model(name).restore(attributes, variables)
            except NotImplementedError:
                pass
            except Exception as error:  # another's code may raise anything
                told = f"{type(error).__name__}: {error}"
                raise StorageError(f"the model {name} makes no run of what the file holds ({told})") from error
        return restored(attributes, variables)


def _told(attributes: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(attributes.get("variables_json", "{}")))
    return found


def canonical_of(problem: Identified) -> dict[str, Any]:
    """What an object says of itself in plain numbers, if anything."""
    canonical = getattr(problem, "canonical", None)
    return dict(canonical) if isinstance(canonical, Mapping) else {}


def format_of(model: str) -> RunFormat:
    """How the runs of a model lie in files."""
    if model not in FORMATS:
        return RunFormat()
    module, _, name = FORMATS[model].partition(":")
    made: RunFormat = getattr(importlib.import_module(module), name)()
    return made


def misshapen(
    shapes: Mapping[str, tuple[int, ...]], entries: Entries, sizes: Mapping[str, int], time: str, error: str
) -> str:
    """Which array of a group does not fit the others or the problem, and what would; empty if all fit."""
    replicas, lengths = shapes[error][-2:-1], {**sizes, time: math.prod(shapes[time])}
    for name, shape in shapes.items():
        entry = entries(name)
        assert entry is not None
        dimensions = entry[0]
        lead = len(shape) - len(dimensions)
        for dimension, length in zip(dimensions, shape[max(lead, 0) :], strict=False):
            lengths.setdefault(dimension, length)
        wanted = tuple(lengths.get(dimension, 0) for dimension in dimensions)
        if shape not in (wanted, (*replicas, *wanted)):
            told = f"with {replicas[0] if replicas else 'no'} replicas"
            return f"{name} has shape {shape}, but ({', '.join(dimensions)}) is {wanted} here, {told}"
    return ""


def _is_final(name: str) -> bool:
    return name.startswith(FINAL)
