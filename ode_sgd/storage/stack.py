"""Many runs in one HDF5 file: every variable has a leading dimension `run`.

Batches of short runs are written whole, from memory, with a checksum; a collected sweep is written piece by piece.
Not compressed: gzip takes 1.5 ms for the 80 KB of a usual run, more than everything else, and saves a sixth.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.errors import StorageError
from ode_sgd.storage import files, provenance, seal
from ode_sgd.storage.datasets import check_sizes, member
from ode_sgd.storage.hdf5 import plain, write_attributes
from ode_sgd.storage.schema import AXES_ATTRIBUTE, SCHEMA_ATTRIBUTE, SWEEP_ATTRIBUTE

SCHEMA_VERSION = 1
DIGEST_ATTRIBUTE = "content_sha256"
TABLE_ATTRIBUTE = "table_sha256"  # in JSON, of every column of one number a run
FACTS_ATTRIBUTE = "facts_sha256"  # in JSON, of what these mean: `FACTS` of each, and the axes under the name "/"
FACTS = ("key", "flag_meanings", "ancillary_variables", "runs_with_value")
COLLECT, RUN = "collect the sweep again", "remove it and run the sweep again"
LABEL_ATTRIBUTE = "axis_label"  # of collected columns: what stands on the axes of figures
ATTRIBUTES = ("long_name", "units", LABEL_ATTRIBUTE, "key", "flag_meanings", "ancillary_variables", "runs_with_value")
CHUNK_BYTES = 2**19
SPARE = 1.1  # free space that is asked for, in sizes of the file


@dataclass(frozen=True, slots=True)
class Column:
    """An array, its dimensions, and attributes such as long_name."""

    dimensions: tuple[str, ...]
    values: NDArray[Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def stack_image(columns: Mapping[str, Column], attributes: Mapping[str, Any]) -> memoryview:
    """The bytes of a file of these columns."""
    memory, columns = io.BytesIO(), _with_scales(columns)
    try:
        with h5py.File(memory, "w", libver=("v110", "v110"), track_order=True) as file:
            _create(file, columns, {name: column.values.shape for name, column in columns.items()})
            for name, column in columns.items():
                put(file, name, ..., column.values)
            _finish(file, dict(attributes) | {DIGEST_ATTRIBUTE: _digest(columns)})
    except (OSError, RuntimeError, ValueError) as error:
        raise StorageError(f"the batch cannot be written as HDF5: {error}") from error
    return seal.seal(memory)


def read_stack(path: Path) -> tuple[dict[str, Column], dict[str, Any]]:
    """Columns and attributes of a file.

    Raises
    ------
    StorageError
        If it is missing, damaged, or none of ours.
    """
    with _opened(path, RUN) as file:
        attributes = {name: plain(value) for name, value in file.attrs.items()}
        datasets = {name: member(file, name, path) for name in file}
        check_sizes(datasets.values(), path, RUN)
        columns = {name: _column(dataset) for name, dataset in datasets.items()}
    if SWEEP_ATTRIBUTE not in attributes:
        raise StorageError(f"{path} is no file of a sweep")
    if DIGEST_ATTRIBUTE in attributes and attributes[DIGEST_ATTRIBUTE] != _digest(columns):
        raise StorageError(f"{path} is damaged: its contents do not match their checksum; remove it and run again")
    return columns, attributes


def read_table(path: Path) -> tuple[dict[str, Column], dict[str, Any]]:
    """Columns and attributes of a file that may be too large for memory: without those of more dimensions.

    Raises
    ------
    StorageError
        If it is missing, damaged, or none of ours.
    """
    with _opened(path, COLLECT) as file:
        attributes = {name: plain(value) for name, value in file.attrs.items()}
        if SWEEP_ATTRIBUTE not in attributes:
            what = "holds one run and is" if SCHEMA_ATTRIBUTE in attributes else "is"
            raise StorageError(f"{path} {what} no file of a sweep; give what `ode-sgd sweep collect` wrote")
        members = {name: member(file, name, path) for name in file}
        datasets = {name: dataset for name, dataset in members.items() if _of_runs(dataset)}
        check_sizes(datasets.values(), path, COLLECT)
        columns = {name: _column(dataset) for name, dataset in datasets.items()}
        _check_table(path, columns, attributes)
    return columns, attributes


def read_flags(path: Path, name: str) -> list[str]:
    """The words of a column of codes, one a run; none if the file has no such column. Nothing else is read.

    Raises
    ------
    StorageError
        If the file is missing or damaged.
    """
    with _opened(path, RUN) as file:
        dataset = member(file, name, path)
        if dataset is None:
            return []
        check_sizes([dataset], path, RUN)
        words = plain(dataset.attrs["flag_meanings"]).split()
        return [words[code] for code in dataset[...].tolist()]


def absent_columns(columns: Mapping[str, Column], attributes: Mapping[str, Any]) -> list[str]:
    """Columns of one number a run that were written, and that whoever made this copy has left out."""
    return [name for name in json.loads(attributes.get(TABLE_ATTRIBUTE, "{}")) if name not in columns]


def _check_table(path: Path, columns: Mapping[str, Column], attributes: Mapping[str, Any]) -> None:
    """StorageError unless the columns of one number a run are as they were written; there may be others, and fewer."""
    for name, digest in json.loads(attributes.get(TABLE_ATTRIBUTE, "{}")).items():
        if name in columns and _digest({name: columns[name]}) != digest:
            raise StorageError(f"{path} is damaged or was changed: {name} does not match its checksum; {COLLECT}")
    facts = _facts(columns, attributes)
    if FACTS_ATTRIBUTE in attributes and not facts.items() <= json.loads(attributes[FACTS_ATTRIBUTE]).items():
        raise StorageError(f"{path} is damaged or was changed: its attributes do not match their checksum; {COLLECT}")
    for name, column in columns.items():
        outcome = columns.get(str(column.attributes.get("ancillary_variables", "")))
        words = [] if outcome is None else str(outcome.attributes.get("flag_meanings", "")).split()
        if outcome is not None and not np.isin(outcome.values, np.arange(len(words))).all():
            raise StorageError(f"{path} is damaged or was changed: outcomes of {name} have no meaning; {COLLECT}")


def _facts(columns: Mapping[str, Column], attributes: Mapping[str, Any]) -> dict[str, str]:
    """Digests of what the columns of the table mean: as it is in the file, whoever wrote this copy."""
    table = [name for name in json.loads(attributes.get(TABLE_ATTRIBUTE, "{}")) if name in columns]
    facts = {name: {key: columns[name].attributes.get(key) for key in FACTS} for name in table}
    told = {"/": attributes.get(AXES_ATTRIBUTE)} | facts
    return {name: hashlib.sha256(json.dumps(fact, sort_keys=True).encode()).hexdigest() for name, fact in told.items()}


@contextmanager
def _opened(path: Path, remedy: str) -> Iterator[Any]:
    """A file that was sealed and is whole, or another program's copy of one; StorageError for all that goes wrong.

    From an open file: HDF5 takes no lock then, and reads the bytes that were checked, whoever replaces the file.
    """
    try:
        with path.open("rb") as raw:
            seal.sealed(raw, path, remedy)
            with h5py.File(raw, "r") as file:
                yield file
    except StorageError:
        raise
    except Exception as error:  # a damaged file makes HDF5 and h5py raise nearly anything
        raise StorageError(f"{path} is missing, damaged or no HDF5 file ({error}); {remedy}") from error


@contextmanager
def stack_file(path: Path, columns: Mapping[str, Column], runs: int, attributes: Mapping[str, Any]) -> Iterator[Any]:
    """A file for `runs` runs, filled piece by piece by `put`; it appears when it is whole.

    `columns` are samples: everything but the length of the dimension run is taken from them.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    files.check_writable(path)
    path = files.destination(path)
    columns = _with_scales(columns)
    shapes = {
        name: tuple(runs if d == "run" else n for d, n in zip(column.dimensions, column.values.shape, strict=True))
        for name, column in columns.items()
    }
    size = sum(int(np.prod(shape, dtype=np.int64)) * columns[name].values.itemsize for name, shape in shapes.items())
    _check_space(path, size)
    try:
        with files.temporary(path.parent) as temporary:
            with h5py.File(temporary, "w", libver=("v110", "v110"), track_order=True, locking=False) as file:
                _create(file, columns, shapes)
                for name, column in columns.items():
                    if "run" not in column.dimensions:
                        put(file, name, ..., column.values)
                yield file
                _finish(file, _with_digests(file, attributes))
            seal.seal_file(temporary)
            files.put_in_place(temporary, path)
    except StorageError:
        raise
    except (OSError, RuntimeError) as error:
        raise StorageError(f"cannot write {path}: {error}; free space, or choose another folder with -o") from error


def _with_digests(file: Any, attributes: Mapping[str, Any]) -> dict[str, Any]:
    table = {name: _column(file[name]) for name in file if file[name].ndim == 1}
    digests = {name: _digest({name: column}) for name, column in table.items()}
    told = dict(attributes) | {TABLE_ATTRIBUTE: json.dumps(digests)}
    return told | {FACTS_ATTRIBUTE: json.dumps(_facts(table, told))}


def put(file: Any, name: str, where: Any, values: NDArray[Any]) -> None:
    """Write a part of a dataset."""
    if values.dtype.kind == "S":  # as UTF-8: HDF5 does not convert between that and ASCII
        values = values.astype(file[name].dtype)
    file[name][where] = values


def _check_space(path: Path, size: int) -> None:
    """HDF5 does not survive a full disk: its close crashes."""
    try:
        space = os.statvfs(path.parent)
    except (AttributeError, OSError):
        return
    free = space.f_bavail * space.f_frsize
    if free < SPARE * size + 2**20:
        raise StorageError(
            f"{path} needs {size / 2**20:.0f} MiB, but {path.parent.absolute()} has {free / 2**20:.0f} MiB left; free "
            "space, or choose another folder with -o"
        )


def _with_scales(columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns, and before them one for every dimension: its own, or it counts from 0."""
    scales: dict[str, Column] = {}
    for column in columns.values():
        for dimension, length in zip(column.dimensions, column.values.shape, strict=True):
            counted = Column((dimension,), np.arange(length), {"long_name": f"{dimension}, counted from 0"})
            own = columns.get(dimension, counted)
            scales.setdefault(dimension, own if own.dimensions == (dimension,) else counted)
    return scales | {name: column for name, column in columns.items() if name not in scales}


def _create(file: Any, columns: Mapping[str, Column], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Empty datasets, with the scales of their dimensions."""
    for name, column in columns.items():
        dataset = _dataset(file, name, column, shapes[name])
        if column.dimensions == (name,):
            dataset.make_scale(name)
        else:
            for axis, dimension in enumerate(column.dimensions):
                dataset.dims[axis].attach_scale(file[dimension])


def _dataset(file: Any, name: str, column: Column, shape: tuple[int, ...]) -> Any:
    kind = column.values.dtype
    if kind.kind == "S":
        kind = h5py.string_dtype("utf-8", max(1, kind.itemsize))
    each = max(1, int(np.prod(shape[1:], dtype=np.int64)) * column.values.itemsize)
    chunks = (min(shape[0], max(1, CHUNK_BYTES // each)), *shape[1:]) if shape and all(shape) else None
    dataset = file.create_dataset(
        name,
        shape,
        dtype=kind,
        chunks=chunks,
        fletcher32=chunks is not None,
        fillvalue=np.nan if kind.kind == "f" else None,
        track_order=True,
    )
    given: dict[str, Any] = {"units": "1", **column.attributes}
    write_attributes(dataset, given)
    return dataset


def _finish(file: Any, attributes: Mapping[str, Any]) -> None:
    facts: dict[str, Any] = {"Conventions": "CF-1.11", SWEEP_ATTRIBUTE: SCHEMA_VERSION}
    write_attributes(file, facts | provenance.attributes() | dict(attributes))


def _of_runs(dataset: Any) -> bool:
    """Whether a variable has one entry for each run, which may be a text as a row of letters."""
    if not isinstance(dataset, h5py.Dataset):  # a group that somebody added
        return False
    return bool(dataset.ndim == 1 or (dataset.ndim == 2 and dataset.dtype == "S1"))


def _column(dataset: Any) -> Column:
    scales = [axis[0].name.removeprefix("/") if len(axis) else "" for axis in dataset.dims]
    if dataset.is_scale:
        scales = [dataset.name.removeprefix("/")]
    attributes = {name: plain(value) for name, value in dataset.attrs.items() if name in ATTRIBUTES}
    values = dataset[...]
    if values.dtype == "S1" and values.ndim > 1:  # texts as xarray and netCDF write them, letter by letter
        values, scales = np.ascontiguousarray(values).view(f"S{values.shape[-1]}")[..., 0], scales[:-1]
    return Column(tuple(scales), values.astype("S") if values.dtype.kind == "O" else values, attributes)


def _digest(columns: Mapping[str, Column]) -> str:
    facts = {
        name: [
            column.values.dtype.kind + str(column.values.dtype.itemsize),
            list(column.values.shape),
            hashlib.sha256(np.ascontiguousarray(column.values).tobytes()).hexdigest(),
        ]
        for name, column in columns.items()
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
