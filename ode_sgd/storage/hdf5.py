"""Runs in HDF5: one file a run, written whole, never changed, readable without this package."""

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ode_sgd.core import check, frozen, notebook
from ode_sgd.core.errors import StorageError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.run import Observable, Run
from ode_sgd.storage import contents, files, provenance, schema, seal
from ode_sgd.storage.contents import Contents
from ode_sgd.storage.datasets import check_memory, check_sizes, member
from ode_sgd.storage.files import check_writable
from ode_sgd.storage.run_format import Entries, Value, misshapen
from ode_sgd.storage.schema import GROUPS, MC, ODE, ROOT

__all__ = ["StoredRun", "check_writable", "load", "save"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
AGAIN = "get an intact copy, or compute the run again"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredRun:
    """What a file holds.

    Attributes
    ----------
    ode, sgd : Trajectory, another Run, or None
        The integrated and the simulated run, as far as they were saved.
    config : dict or None
        The study that was given to `save`.
    attributes : dict
        Of the whole file: created, host, versions, git_revision, seed, status, problem_identity, ... as texts and
        numbers. `status` is "complete", or that of the trajectory that is not.
    path : pathlib.Path

    Examples
    --------
    >>> stored = ode_sgd.load(ode_sgd.save("run.h5", ode, sgd))
    >>> stored.problem == problem, stored.attributes["status"]
    (True, 'complete')
    """

    ode: Any
    sgd: Any
    config: dict[str, Any] | None
    attributes: dict[str, Value]
    path: Path

    def __repr__(self) -> str:
        runs = [f"\n  {name} = {run!r}" for name, run in (("ode", self.ode), ("sgd", self.sgd)) if run is not None]
        told = ", ".join(str(self.attributes[key]) for key in ("status", "created") if key in self.attributes)
        return f"StoredRun({self.path}: {told}" + "".join(runs) + ")"

    def _repr_html_(self) -> str:
        return notebook.html(self)

    @property
    def problem(self) -> Any:
        """The problem that both runs belong to."""
        run = self.ode or self.sgd
        if run is None:
            raise StorageError(f"{self.path} holds no trajectory")
        return run.problem


@own_keywords
def save(path: str | os.PathLike[str], *trajectories: Run, config: Mapping[str, Any] | None = None) -> Path:
    """Write a run to an HDF5 file, which appears whole or not at all.

    Parameters
    ----------
    path : path-like
        The file; an existing one is replaced, of a symbolic link what it points to. Its folder must exist.
    *trajectories : Trajectory or other Run
        At most one from `integrate`, at most one from `simulate`, at least one, all of the same problem.
    config : dict or None
        The study file that led here, of texts, numbers, booleans, lists and dictionaries.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    StorageError
        For trajectories that do not go together, a config that is not JSON, or a file that cannot be written. What was
        at `path` before is then still there, unchanged.

    Notes
    -----
    All numbers are kept bit for bit, and are dimensionless. Groups /ode and /mc, each with its own dimensions, open in
    xarray (engine "h5netcdf"), netCDF4 and h5dump. The file is put together in memory first.

    Examples
    --------
    >>> ode_sgd.save("run.h5", ode, sgd).name
    'run.h5'
    """
    target = files.destination(path)
    files.write_whole(target, image(*trajectories, config=config))
    return Path(path)


def image(*trajectories: Run, config: Mapping[str, Any] | None = None) -> memoryview:
    """The bytes that `save` writes."""
    held = contents.encode(contents.sort_out(trajectories), config, provenance.attributes())
    try:
        return _image(held)
    except (OSError, RuntimeError, ValueError) as error:
        raise StorageError(f"the run cannot be written as HDF5: {error}; nothing was changed") from error


@own_keywords
def load(path: str | os.PathLike[str]) -> StoredRun:
    """Read a file that `save` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    StoredRun
        With `.ode` and `.sgd`: bit for bit the trajectories that were saved. Runs of another model are as its
        `restore` makes them where it is registered, else plain `Run`s.

    Raises
    ------
    StorageError
        For a file that is missing, not HDF5, not written by `save`, written by a newer version, never completed, or
        damaged anywhere: its bytes and everything read from them are compared with checksums. Of a copy that another
        program wrote only the contents are.

    Examples
    --------
    >>> path = ode_sgd.save("run.h5", ode, sgd)
    >>> bool((ode_sgd.load(path).ode.Q == ode.Q).all())
    True
    """
    source = check.path("path", path)
    # In memory: HDF5 takes no lock then (they fail on NFS), and does not mind another reader in this process.
    data = io.BytesIO(_bytes(source))
    seal.sealed(data, source, AGAIN)  # a copy by another program has no seal
    try:
        with h5py.File(data, "r") as file:
            _check_schema(source, file.attrs)
            held = _read(file, source)
        intact = held.attributes[ROOT].get(schema.DIGEST_ATTRIBUTE) == held.digest()
    except StorageError:
        raise
    except Exception as error:  # a damaged file makes HDF5 and h5py raise nearly anything
        raise StorageError(f"{source} is damaged or cut short ({error}); {AGAIN}") from error
    if not intact:
        raise StorageError(f"{source} is damaged or was changed: its contents do not match their checksum; {AGAIN}")
    root = held.attributes[ROOT]
    try:
        trajectories, config = contents.decode(held)
    except StorageError as error:
        raise StorageError(f"{source}: {error}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise StorageError(
            f"{source} is intact but holds what this ode_sgd cannot express ({error}); "
            f"it was written with {root.get('versions')}: use that version or a newer one"
        ) from error
    return StoredRun(
        ode=trajectories.get(ODE), sgd=trajectories.get(MC), config=config, attributes=dict(root), path=source
    )


def stored_config(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The `config` of a file that `save` wrote, and nothing else of it.

    Raises
    ------
    StorageError
        For a file that is missing, damaged, or of another kind.
    """
    source = check.path("path", path)
    data = io.BytesIO(_bytes(source))
    seal.sealed(data, source, AGAIN)
    try:
        with h5py.File(data, "r") as file:
            text = file.attrs.get("config_json")
            return None if text is None else json.loads(plain(text))
    except Exception as error:  # a damaged file makes HDF5 and h5py raise nearly anything
        raise StorageError(f"{source} is damaged or cut short ({error}); {AGAIN}") from error


def _image(held: Contents) -> memoryview:
    """The bytes of the file.

    Not written to the disk by HDF5 itself: a full disk makes its close fail halfway, and the process crashes with a
    segmentation fault later. The format is that of HDF5 1.10 (2016): all its metadata carry checksums, also the index
    of the chunks, and a small run takes a quarter of the space.
    """
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=("v110", "v110"), track_order=True) as file:
        for name in GROUPS:
            if name in held.variables:
                group = file if name == ROOT else file.create_group(name, track_order=True)
                _write_variables(group, held, name)
                if name != ROOT:
                    write_attributes(group, held.attributes[name])
        write_attributes(file, held.attributes[ROOT])  # ends with status, the sign of a complete file
    return seal.seal(memory)


def write_attributes(group: Any, attributes: Mapping[str, Any]) -> None:
    """Numbers as 64 bits, arrays as they are, texts as UTF-8.

    Texts of variable length would lie in a heap without checksum, and HDF5 2.0 loops for ever over damage there.
    """
    for name, value in attributes.items():
        if isinstance(value, str):
            text = value.encode()
            group.attrs.create(name, np.bytes_(text), dtype=h5py.string_dtype("utf-8", max(1, len(text))))
        elif isinstance(value, np.ndarray):
            group.attrs.create(name, value)
        else:
            group.attrs.create(name, value, dtype=np.int64 if isinstance(value, int) else np.float64)


def _write_variables(group: Any, held: Contents, name: str) -> None:
    variables, scales = held.variables[name], dict[str, Any]()
    time = held.format.names(held.attributes[name])[0]
    for key, entry in variables.items():
        dimensions = ("replica",) * entry.has_replicas + entry.dimensions
        for dimension, size in zip(dimensions, entry.values.shape, strict=True):
            if dimension not in scales:
                counted = Observable(np.arange(size), (dimension,), held.format.dimension_text(dimension))
                own = variables.get(dimension)
                values = np.arange(size, dtype=np.int64) if own is None else own.values
                scales[dimension] = _write_array(group, dimension, (dimension,), values, own or counted, time)
                scales[dimension].make_scale(dimension)
        if key not in scales:
            dataset = _write_array(group, key, dimensions, entry.values, entry, time)
            for axis, dimension in enumerate(dimensions):
                dataset.dims[axis].attach_scale(scales[dimension])


def _write_array(group: Any, name: str, dimensions: tuple[str, ...], values: Any, told: Observable, time: str) -> Any:
    packed: dict[str, Any] = {
        "chunks": schema.chunks(dimensions, values.shape, time),
        "shuffle": True,
        "compression": "gzip",
        "compression_opts": schema.GZIP_LEVEL,
        "fletcher32": True,
    }
    several = packed if values.ndim else {}  # HDF5 has no chunks, and no filters, of a single number
    dataset = group.create_dataset(name, data=values, dtype=values.dtype, track_order=True, **several)
    write_attributes(dataset, {"long_name": told.long_name, "units": told.units})
    return dataset


def _bytes(source: Path) -> bytes:
    """What the file holds; StorageError unless it is there and begins as HDF5 does."""
    try:
        with source.open("rb") as file:
            if not file.peek(len(SIGNATURE)).startswith(SIGNATURE):
                raise StorageError(f"{source} is not an HDF5 file; give a file that ode_sgd.save wrote")
            check_memory(os.fstat(file.fileno()).st_size, source)
            return file.read()
    except StorageError:
        raise
    except FileNotFoundError as error:
        raise StorageError(f"{source.absolute()} does not exist; give a file that ode_sgd.save wrote") from error
    except OSError as error:
        raise StorageError(f"{source} cannot be read: {error.strerror}; give a file that ode_sgd.save wrote") from error


def _check_schema(source: Path, attributes: Any) -> None:
    """StorageError unless this version of ode_sgd wrote the file, or an older one, to its end."""
    if schema.SWEEP_ATTRIBUTE in attributes:
        collected = "is a collected sweep; `ode-sgd sweep plot` draws it"
        batch = "holds many runs of a sweep; `ode-sgd sweep collect` reads it, with the sweep's folder"
        raise StorageError(f"{source} {collected if schema.AXES_ATTRIBUTE in attributes else batch}")
    if schema.SCHEMA_ATTRIBUTE not in attributes:
        raise StorageError(
            f"{source} is an HDF5 file, but not one of ode_sgd's: it has no attribute {schema.SCHEMA_ATTRIBUTE!r}; "
            "give a file that ode_sgd.save wrote"
        )
    version = int(plain(attributes[schema.SCHEMA_ATTRIBUTE]))
    if version > schema.SCHEMA_VERSION:
        raise StorageError(
            f"{source} has layout {version}, written with {plain(attributes.get('versions'))}; this ode_sgd reads up "
            f"to layout {schema.SCHEMA_VERSION}: upgrade ode_sgd (pip install --upgrade ode-sgd)"
        )
    if schema.STATUS_ATTRIBUTE not in attributes:
        raise StorageError(f"{source} was never completed: it has no attribute 'status'; {AGAIN}")


def _read(file: Any, source: Path) -> Contents:
    """Everything in the file that is ours, once it is known to fit; what other tools added is left aside."""
    held, datasets, entries = Contents(), dict[str, dict[str, Any]](), dict[str, Entries]()
    for name in GROUPS:
        group = member(file, name, source)
        if group is not None:
            known = [attribute for attribute in schema.ATTRIBUTES[name] if attribute in group.attrs]
            held.attributes[name] = {attribute: plain(group.attrs[attribute]) for attribute in known}
            entries[name] = held.format.entries(held.attributes[name])
            datasets[name] = {key: member(group, key, source) for key in group if entries[name](key) is not None}
    _check_datasets(datasets, held, entries, source)
    for name, variables in datasets.items():
        held.variables[name] = {
            key: Observable(frozen.sealed(_array(data)), *told)
            for key, data in variables.items()
            if (told := entries[name](key)) is not None
        }
    return held


def _check_datasets(
    datasets: Mapping[str, Mapping[str, Any]], held: Contents, entries: Mapping[str, Entries], source: Path
) -> None:
    """StorageError unless all are numbers, in arrays that fit the problem, and that the file can hold."""
    check_sizes([dataset for variables in datasets.values() for dataset in variables.values()], source, AGAIN)
    fields = json.loads(str(held.attributes[ROOT]["problem_json"]))["fields"]
    shapes = {name: {key: data.shape for key, data in variables.items()} for name, variables in datasets.items()}
    for name, variables in datasets.items():
        for variable, dataset in variables.items():
            if dataset.dtype.kind != "f":
                raise StorageError(f"{source} is damaged: {variable} is of {dataset.dtype}, not of numbers; {AGAIN}")
        if name == ROOT:
            continue
        sizes = held.format.sizes(fields[name], shapes[ROOT])
        fault = misshapen(shapes[name], entries[name], sizes, *held.format.names(held.attributes[name]))
        if fault:
            raise StorageError(f"{source} is damaged: {fault}; {AGAIN}")


def _array(dataset: Any) -> Any:
    """The values, in the byte order that they were written in."""
    values = dataset[...]
    return values.astype(values.dtype.newbyteorder("<"), copy=False)


def plain(value: Any) -> Any:
    """Python's own number or text, also where another program has made an array of it, as netCDF's do."""
    if isinstance(value, h5py.Empty):
        return "" if value.dtype.kind in "SO" else None
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    value = value.item() if isinstance(value, np.generic) else value
    return value.rstrip(b"\0").decode() if isinstance(value, bytes) else value
