"""What a file holds, in plain Python: runs taken apart into named arrays and attributes, and put together."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ode_sgd.core import frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import StorageError
from ode_sgd.core.registry import DEFAULT
from ode_sgd.core.run import Observable, Parameters, Run
from ode_sgd.storage import schema
from ode_sgd.storage.run_format import RunFormat, Value, format_of, misshapen
from ode_sgd.storage.schema import MC, ODE, ROOT


@dataclass
class Contents:
    """Attributes and arrays of every group; the root's are under "/"."""

    attributes: dict[str, dict[str, Value]] = field(default_factory=dict)
    variables: dict[str, dict[str, Observable]] = field(default_factory=dict)

    @property
    def format(self) -> RunFormat:
        """How runs of the file's model lie in it."""
        return format_of(str(self.attributes[ROOT].get(schema.MODEL_ATTRIBUTE, DEFAULT)))

    def digest(self) -> str:
        """SHA-256 of everything that a reader uses, 64 hexadecimal digits.

        HDF5's own checksums are of single pieces: they notice neither a missing one nor one written by another program,
        and a text beyond 64 KB has none.
        """
        attributes = {group: dict(values) for group, values in self.attributes.items()}
        attributes[ROOT].pop(schema.DIGEST_ATTRIBUTE, None)
        arrays = {
            f"{group}:{name}": [entry.values.dtype.str, list(entry.values.shape), _bytes_digest(entry.values)]
            for group, variables in self.variables.items()
            for name, entry in variables.items()
        }
        return hashlib.sha256(json.dumps([attributes, arrays], sort_keys=True).encode()).hexdigest()


def _bytes_digest(values: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).reshape(-1).data).hexdigest()


def sort_out(runs: Sequence[Run]) -> dict[str, Run]:
    """Runs by the group they go to; at most one each, at least one, all of one problem."""
    result: dict[str, Run] = {}
    for run in runs:
        if not isinstance(run, Run):
            raise StorageError(
                f"cannot save a {type(run).__name__}; give what theory or simulation of a model returned"
            )
        group = ODE if run.replicas is None else MC
        if group == ODE and run.is_simulation:
            raise StorageError(
                "this is a mean or standard error of a simulation; save the simulation itself, and take them after load"
            )
        if group in result:
            words = run.words()
            kind = f"{words.theory} {words.nouns}" if group == ODE else "simulations"
            raise StorageError(f"two {kind} given; a file holds at most one: save the other to a file of its own")
        result[group] = run
    if not result:
        raise StorageError("nothing to save; give a run of theory, a simulation, or both")
    first, *others = result.values()
    for other in others:
        if other.problem.identity != first.problem.identity:
            raise StorageError(
                f"the two {first.words().nouns} belong to different problems ({first.problem.identity[:12]} and "
                f"{other.problem.identity[:12]}); a file holds one problem: save them to two files"
            )
        if other.model != first.model:
            raise StorageError(
                f"the two runs are of the models {first.model!r} and {other.model!r}; save them to two files"
            )
    return {group: result[group] for group in (ODE, MC) if group in result}


def encode(runs: Mapping[str, Run], config: Mapping[str, Any] | None, provenance: Mapping[str, str]) -> Contents:
    """Contents of a file for runs by group; `status` and the digest are the last attributes of the root."""
    first = next(iter(runs.values()))
    own = format_of(first.model)
    root: dict[str, Value] = {"Conventions": "CF-1.11", schema.SCHEMA_ATTRIBUTE: schema.SCHEMA_VERSION, **provenance}
    if MC in runs and runs[MC].seed is not None:
        root["seed"] = _whole(runs[MC].seed)
    root["problem_identity"] = first.problem.identity
    root["problem_json"] = own.problem_json(runs)
    if own.names_model:
        root[schema.MODEL_ATTRIBUTE] = first.model
    if config is not None:
        root["config_json"] = _config_text(config)
    # The run is as complete as the least complete of its parts.
    ends = [run.status for run in runs.values()]
    root[schema.STATUS_ATTRIBUTE] = next((status for status in ends if status != "complete"), "complete")
    contents = Contents({ROOT: root})
    contents.variables[ROOT] = own.problem_arrays(first.problem)
    for group, run in runs.items():
        contents.attributes[group] = _attributes(run) | own.attributes(run)
        contents.variables[group] = {name: _contiguous(entry) for name, entry in own.arrays(run).items()}
        fault = fault_of(contents, group, run)
        if fault:  # a run put together by hand
            raise StorageError(
                f"the {run.words().noun} for /{group} is of no run: {fault}; save what "
                f"{' or '.join(call.removesuffix('(...)') for call in run.words().calls)} returned"
            )
    root[schema.DIGEST_ATTRIBUTE] = contents.digest()
    root[schema.STATUS_ATTRIBUTE] = root.pop(schema.STATUS_ATTRIBUTE)  # to the end: written last
    return contents


def fault_of(contents: Contents, group: str, run: Run) -> str:
    """Which array of a group does not fit the others or the problem; empty if all fit."""
    fields = json.loads(str(contents.attributes[ROOT]["problem_json"]))["fields"][group]
    shapes = {
        name: {key: entry.values.shape for key, entry in arrays.items()} for name, arrays in contents.variables.items()
    }
    entries = contents.format.entries(contents.attributes[group])
    sizes = contents.format.sizes(fields, shapes[ROOT])
    return misshapen(shapes[group], entries, sizes, run.time_name, run.error_name)


def _contiguous(entry: Observable) -> Observable:
    values = np.asarray(entry.values, dtype=np.float64, order="C")  # np.ascontiguousarray makes (1,) of a single number
    return replace(entry, values=frozen.sealed(values))


def _whole(value: Any) -> int | str:
    """An integer as it is, or as text where 64 bits cannot hold it (numpy's seeds have 128)."""
    return int(value) if -(2**63) <= value < 2**63 else str(int(value))


def _config_text(config: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(config))
    except (TypeError, ValueError) as error:
        raise StorageError(
            f"config cannot be written as JSON ({error}); give a dictionary of texts, numbers, booleans and lists"
        ) from error


def _attributes(run: Run) -> dict[str, Value]:
    """The scalars of a run; those that are None are left out."""
    result: dict[str, Value] = {
        "method": run.method,
        "status": run.status,
        "message": run.message,
        "resolution": float(run.resolution),
        "stats_json": json.dumps(dict(run.stats), default=lambda number: number.item()),
    }
    for name in ("dimension", "seed"):
        if getattr(run, name) is not None:
            result[name] = _whole(getattr(run, name))
    return result


def decode(contents: Contents) -> tuple[dict[str, Run], dict[str, Any] | None]:
    """Runs by group, and the config, of contents as `encode` made them."""
    root = contents.attributes[ROOT]
    fields = json.loads(str(root["problem_json"]))["fields"]
    runs = {}
    for group, variables in contents.variables.items():
        if group != ROOT:
            problem = Parameters(fields[group], str(root["problem_identity"]))
            attributes = _fields(contents.attributes[group]) | {
                "problem": problem,
                "model": root.get("model", DEFAULT),
            }
            own = contents.format.ordered(contents.attributes[group], variables)
            runs[group] = contents.format.restore(attributes, contents.variables[ROOT] | own)
    config = json.loads(str(root["config_json"])) if "config_json" in root else None
    return runs, config


def _fields(attributes: Mapping[str, Value]) -> dict[str, Any]:
    """The fields of a run that are no arrays, from the attributes of its group."""
    texts = ("method", "status", "message", "time_name", "error_name")
    numbers = {name: int(attributes[name]) if name in attributes else None for name in ("dimension", "seed")}
    return {
        **{name: str(attributes[name]) for name in texts if name in attributes},
        "resolution": float(attributes["resolution"]),
        "stats": json.loads(str(attributes["stats_json"])),
        **numbers,
    }
