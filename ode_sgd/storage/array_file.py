"""Arrays of a user's own from a file: NumPy's, HDF5 or text."""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem, StorageError
from ode_sgd.core.given import cut

Arrays = dict[str, NDArray[Any]]

ONLY = "X"  # what the one array of a file without names is called
SHOWN = 8  # names in a message


def read_arrays(path: Path, wanted: Sequence[tuple[str, ...]]) -> Arrays:
    """The arrays of the first group of names in `wanted` that a file has; nothing in it is run.

    Parameters
    ----------
    path : Path
        NumPy's .npz, HDF5 (.h5, .hdf5, .nc; arrays of its root group), or one array, named X: .npy, and .csv or .txt,
        numbers between commas or blanks, a row a line, perhaps below a line of names.
    wanted : sequence of tuple of str

    Raises
    ------
    InvalidProblem
        If it cannot be read, or has none of these groups; it says what the file holds.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InvalidProblem(f"{str(path)!r} has no ending that is known; the known ones are {', '.join(READERS)}")
    try:
        check.path("file", path)
        return reader(path, wanted)
    except InvalidProblem:
        raise
    except OSError as error:
        raise InvalidProblem(f"{str(path)!r} cannot be read ({cut(error.strerror or str(error))})") from None
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, StorageError) as error:
        raise InvalidProblem(f"{str(path)!r} cannot be read ({cut(str(error))})") from None


def _chosen(path: Path, names: Sequence[str], wanted: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The first group that is among the names."""
    for group in wanted:
        if set(group) <= set(names):
            return group
    told = ", or ".join(" and ".join(group) for group in wanted)
    held = ", ".join(sorted(names)[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    raise InvalidProblem(f"{str(path)!r} holds {held or 'no arrays'}; it needs {told}")


def _npz(path: Path, wanted: Sequence[tuple[str, ...]]) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in _chosen(path, file.files, wanted)}


def _hdf5(path: Path, wanted: Sequence[tuple[str, ...]]) -> Arrays:
    import h5py

    with h5py.File(path, "r") as file:
        names = [name for name, value in file.items() if isinstance(value, h5py.Dataset)]
        return {name: np.asarray(file[name][()]) for name in _chosen(path, names, wanted)}


def _npy(path: Path, wanted: Sequence[tuple[str, ...]]) -> Arrays:
    _chosen(path, [ONLY], wanted)
    return {ONLY: np.load(path, allow_pickle=False)}


def _text(path: Path, wanted: Sequence[tuple[str, ...]]) -> Arrays:
    _chosen(path, [ONLY], wanted)
    lines = path.read_text("utf-8-sig").splitlines()
    separator = "," if path.suffix.lower() == ".csv" else None
    return {ONLY: np.loadtxt(lines[_has_names(lines, separator) :], delimiter=separator, ndmin=2)}


def _has_names(lines: Sequence[str], separator: str | None) -> bool:
    """Whether no part of the first line is a number."""
    parts = lines[0].split(separator) if lines else []

    def is_name(part: str) -> bool:
        try:
            float(part)
        except ValueError:
            return bool(part.strip())
        return False

    return bool(parts) and all(map(is_name, parts))


READERS: Mapping[str, Callable[[Path, Sequence[tuple[str, ...]]], Arrays]] = {
    ".npz": _npz,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".nc": _hdf5,
    ".npy": _npy,
    ".csv": _text,
    ".txt": _text,
}
