"""What a file holds, in plain Python: trajectories taken apart into named arrays and attributes, and put together."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import StorageError
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.storage import schema
from ode_sgd.storage.schema import MC, ODE, ROOT
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.trajectory import Sectors, Trajectory

Value = str | int | float
BY_SECTOR = ("eigenvalues", "weights")


@dataclass
class Contents:
    """Attributes and arrays of every group; the root's are under "/"."""

    attributes: dict[str, dict[str, Value]] = field(default_factory=dict)
    variables: dict[str, dict[str, Array]] = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 of everything that a reader uses, 64 hexadecimal digits.

        HDF5's own checksums are of single pieces: they notice neither a missing one nor one written by another program,
        and a text beyond 64 KB has none.
        """
        attributes = {group: dict(values) for group, values in self.attributes.items()}
        attributes[ROOT].pop(schema.DIGEST_ATTRIBUTE, None)
        arrays = {
            f"{group}:{name}": [values.dtype.str, list(values.shape), _bytes_digest(values)]
            for group, variables in self.variables.items()
            for name, values in variables.items()
        }
        return hashlib.sha256(json.dumps([attributes, arrays], sort_keys=True).encode()).hexdigest()


def _bytes_digest(values: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).reshape(-1).data).hexdigest()


def sort_out(trajectories: Sequence[Trajectory]) -> dict[str, Trajectory]:
    """Trajectories by the group they go to; at most one each, at least one, all of one problem."""
    result: dict[str, Trajectory] = {}
    for trajectory in trajectories:
        if not isinstance(trajectory, Trajectory):
            raise StorageError(f"cannot save a {type(trajectory).__name__}; give what integrate or simulate returned")
        group = ODE if trajectory.replicas is None else MC
        if group == ODE and trajectory.dimension is not None:
            raise StorageError(
                "this is a mean or standard error of a simulation; save the simulation itself, and take them after load"
            )
        if group in result:
            kind = "ODE trajectories" if group == ODE else "simulations"
            raise StorageError(f"two {kind} given; a file holds at most one: save the other to a file of its own")
        result[group] = trajectory
    if not result:
        raise StorageError("nothing to save; give an ODE trajectory, a simulation, or both")
    first, *others = (trajectory.problem for trajectory in result.values())
    for other in others:
        if other.identity != first.identity:
            raise StorageError(
                f"the two trajectories belong to different problems ({first.identity[:12]} and {other.identity[:12]}); "
                "a file holds one problem: save them to two files"
            )
    return {group: result[group] for group in (ODE, MC) if group in result}


def encode(
    trajectories: Mapping[str, Trajectory], config: Mapping[str, Any] | None, provenance: Mapping[str, str]
) -> Contents:
    """Contents of a file for trajectories by group; `status` and the digest are the last attributes of the root."""
    problem = next(iter(trajectories.values())).problem
    root: dict[str, Value] = {"Conventions": "CF-1.11", schema.SCHEMA_ATTRIBUTE: schema.SCHEMA_VERSION, **provenance}
    if MC in trajectories and trajectories[MC].seed is not None:
        root["seed"] = _whole(trajectories[MC].seed)
    root["problem_identity"] = problem.identity
    root["problem_json"] = _problem_text(trajectories)
    if config is not None:
        root["config_json"] = _config_text(config)
    # The run is as complete as the least complete of its parts.
    ends = [trajectory.status for trajectory in trajectories.values()]
    root[schema.STATUS_ATTRIBUTE] = next((status for status in ends if status != "complete"), "complete")
    contents = Contents({ROOT: root})
    contents.variables[ROOT] = {"eigenvalue": problem.spectrum.eigenvalues, "weight": problem.spectrum.weights}
    for group, trajectory in trajectories.items():
        contents.attributes[group] = _attributes(trajectory)
        contents.variables[group] = _variables(trajectory)
        shapes = {name: values.shape for name, values in contents.variables[group].items()}
        fault = misshapen(shapes, problem.student_units, problem.teacher_units, problem.spectrum.distinct)
        if fault:  # a trajectory put together by hand
            raise StorageError(
                f"the trajectory for /{group} is of no run: {fault}; save what integrate or simulate returned"
            )
    root[schema.DIGEST_ATTRIBUTE] = contents.digest()
    root[schema.STATUS_ATTRIBUTE] = root.pop(schema.STATUS_ATTRIBUTE)  # to the end: written last
    return contents


def _whole(value: Any) -> int | str:
    """An integer as it is, or as text where 64 bits cannot hold it (numpy's seeds have 128)."""
    return int(value) if -(2**63) <= value < 2**63 else str(int(value))


def _problem_text(trajectories: Mapping[str, Trajectory]) -> str:
    """Problem in JSON; what has one number a sector lies in variables.

    Two problems that are the same dynamics may be written differently (weights given, or by preset), so the fields are
    kept for each group.
    """
    problem = next(iter(trajectories.values())).problem
    canonical = {name: value for name, value in problem.canonical.items() if name not in BY_SECTOR}
    given = {
        group: {
            entry.name: getattr(trajectory.problem, entry.name)
            for entry in fields(trajectory.problem)
            if entry.name != "spectrum"
        }
        for group, trajectory in trajectories.items()
    }
    return json.dumps({"canonical": canonical, "fields": given})


def _config_text(config: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(config))
    except (TypeError, ValueError) as error:
        raise StorageError(
            f"config cannot be written as JSON ({error}); give a dictionary of texts, numbers, booleans and lists"
        ) from error


def _attributes(trajectory: Trajectory) -> dict[str, Value]:
    """The scalars of a trajectory; those that are None are left out."""
    result: dict[str, Value] = {
        "method": trajectory.method,
        "status": trajectory.status,
        "message": trajectory.message,
        "resolution": float(trajectory.resolution),
        "stats_json": json.dumps(dict(trajectory.stats), default=lambda number: number.item()),
    }
    for name in ("dimension", "seed"):
        if getattr(trajectory, name) is not None:
            result[name] = _whole(getattr(trajectory, name))
    return result


def _variables(trajectory: Trajectory) -> dict[str, Array]:
    """The arrays of a trajectory by their names in the file."""
    result = {"alpha": trajectory.alpha, "generalization_error": trajectory.generalization_error}
    for order, overlaps in sorted(trajectory.moments.items()):
        result |= {f"{letter}_{order}": values for letter, values in zip("QRT", overlaps, strict=True)}
    if trajectory.sectors is not None:
        result |= {f"sector_{part}": getattr(trajectory.sectors, part) for part in "qrt"}
    final = trajectory.final
    if isinstance(final, OrderParameters):
        result |= {f"final_{part}": getattr(final, part) for part in "qrt"}
    elif final:
        result |= {f"final_{part}": np.stack([getattr(state, part) for state in final]) for part in "qrt"}
        # A teacher that all replicas share is written once, as in the moments.
        if all(state.t.tobytes() == final[0].t.tobytes() for state in final):
            result["final_t"] = final[0].t
    return {name: np.ascontiguousarray(values, dtype=np.float64) for name, values in result.items()}


def misshapen(shapes: Mapping[str, tuple[int, ...]], K: int, M: int, L: int) -> str:
    """Which array of a group does not fit the others or the problem, and what would; empty if all fit."""
    replicas, times = shapes["generalization_error"][-2:-1], math.prod(shapes["alpha"])
    sizes = {"alpha": times, "sector": L, "student": K, "student_2": K, "teacher": M, "teacher_2": M}
    for name, shape in shapes.items():
        dimensions = schema.variable(name).dimensions
        wanted = tuple(sizes[dimension] for dimension in dimensions)
        if shape not in (wanted, (*replicas, *wanted)):
            told = f"with {replicas[0] if replicas else 'no'} replicas"
            return f"{name} has shape {shape}, but ({', '.join(dimensions)}) is {wanted} here, {told}"
    return ""


def decode(contents: Contents) -> tuple[dict[str, Trajectory], dict[str, Any] | None]:
    """Trajectories by group, and the config, of contents as `encode` made them."""
    root = contents.attributes[ROOT]
    arrays = contents.variables[ROOT]
    spectrum = Spectrum(arrays["eigenvalue"], arrays["weight"])
    given = json.loads(str(root["problem_json"]))["fields"]
    trajectories = {
        group: _trajectory(Problem(spectrum=spectrum, **given[group]), contents.attributes[group], values)
        for group, values in contents.variables.items()
        if group != ROOT
    }
    config = json.loads(str(root["config_json"])) if "config_json" in root else None
    return trajectories, config


def _trajectory(problem: Problem, attributes: Mapping[str, Value], variables: Mapping[str, Array]) -> Trajectory:
    orders = sorted(int(name.removeprefix("Q_")) for name in variables if name.startswith("Q_"))
    sectors = Sectors(*(variables[f"sector_{part}"] for part in "qrt")) if "sector_q" in variables else None
    return Trajectory(
        problem=problem,
        alpha=variables["alpha"],
        generalization_error=variables["generalization_error"],
        moments={n: (variables[f"Q_{n}"], variables[f"R_{n}"], variables[f"T_{n}"]) for n in orders},
        sectors=sectors,
        final=_final(variables),
        method=str(attributes["method"]),
        status=str(attributes["status"]),
        message=str(attributes["message"]),
        resolution=float(attributes["resolution"]),
        stats=json.loads(str(attributes["stats_json"])),
        dimension=int(attributes["dimension"]) if "dimension" in attributes else None,
        seed=int(attributes["seed"]) if "seed" in attributes else None,
    )


def _final(variables: Mapping[str, Array]) -> OrderParameters | tuple[OrderParameters, ...] | None:
    if "final_q" not in variables:
        return None
    q, r, t = (variables[f"final_{part}"] for part in "qrt")
    if q.ndim == 3:
        return OrderParameters.from_solution(q, r, t)
    teachers = np.broadcast_to(t, (len(q), *t.shape[-3:]))
    return tuple(OrderParameters.from_solution(*state) for state in zip(q, r, teachers, strict=True))
