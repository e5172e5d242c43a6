"""Files of arrays that a study names: what they hold stands for them, and not where they are.

A spectrum is written out in place of its file, so that results need the file no more. Weights, overlaps and data are
too many numbers for that: they are named by a digest, and kept by the process that has read them.
"""

import functools
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.given import shown
from ode_sgd.core.inputs import principal_values
from ode_sgd.core.principal_axes import PrincipalAxes, principal_axes
from ode_sgd.core.spectrum import Spectrum, of_principal
from ode_sgd.storage.array_file import ONLY, Arrays, read_arrays

SPECTRUM, START, DATA = "spectrum.file", "start.file", "start.data"
INPUTS, HELD_OUT = "simulation.inputs", "simulation.held_out"
FILES = (SPECTRUM, START, DATA, INPUTS, HELD_OUT)
WEIGHTS, OVERLAPS, EIGENVALUES = ("J", "B"), ("q", "r", "t"), ("eigenvalues",)
WANTED = {
    SPECTRUM: ((ONLY,), EIGENVALUES),
    START: (WEIGHTS, OVERLAPS),
    DATA: ((ONLY,),),
    INPUTS: ((ONLY,),),
    HELD_OUT: ((ONLY,),),
}

DIGITS = 16  # of a digest
NAMED = re.compile(rf"[^/]+@[0-9a-f]{{{DIGITS}}}")
NUMBER = r"[0-9.e+-]+(x[0-9]+)?"
WRITTEN = re.compile(rf"[^/]+: {NUMBER}( {NUMBER})*")


class _Held(NamedTuple):
    """What a file held, where it was, and which key named it."""

    arrays: Arrays
    path: Path
    key: str


_HELD: dict[str, _Held] = {}  # by name and digest


def located(key: str, value: Any, folder: Path | None) -> Any:
    """What stands for the file that a key names; all else as it is.

    Raises
    ------
    InvalidProblem
        If the file cannot be read or lacks arrays, and for any file where `folder` is None.
    """
    if not isinstance(value, str | os.PathLike) or stands_for_file(key, value):
        return value
    name = key.partition(".")[2]
    if folder is None:
        raise InvalidProblem(f"{name} = {shown(str(value))} is a file, and a sweep's folder says what it held instead")
    path = Path(folder, value)
    try:
        arrays = read_arrays(path, WANTED[key])
        if key == SPECTRUM:
            return written(path.name, *_spectrum(path, arrays))
    except InvalidProblem as error:
        raise InvalidProblem(f"{name} = {error}") from None
    text = f"{path.name}@{_digest(arrays)}"
    _HELD[text] = _Held(arrays, path, key)
    return text


def stands_for_file(key: str, value: Any) -> bool:
    """Whether this is what `located` makes of a file."""
    pattern = WRITTEN if key == SPECTRUM else NAMED
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def file_of(text: str) -> str:
    """The name of the file that a name with a digest stands for."""
    return text.rpartition("@")[0] or text


def checked_name(name: str, value: Any, key: str) -> None:
    """Raise InvalidProblem unless a value is None, or what `located` makes of a file."""
    if value is not None and not stands_for_file(key, value):
        raise InvalidProblem(f'{name} = {shown(value)} is no name of a file; give a text such as "{name}.npz"')


def carried(values: Iterable[Any]) -> list[list[str]]:
    """Text, path and key of the files among values, for other processes: they read them again."""
    held = {value: _HELD[value] for value in values if isinstance(value, str) and value in _HELD}
    return [[text, str(file.path.absolute()), file.key] for text, file in held.items()]


def take(text: str, path: str, key: str) -> None:
    """Read what another process had `carried`.

    Raises
    ------
    InvalidProblem
        If the file holds something else by now.
    """
    if text not in _HELD and (found := located(key, path, Path())) != text:
        raise InvalidProblem(f"{path} was changed: it is {found}, and was {text}; begin anew")


def held(text: str) -> Arrays | None:
    """The arrays of a file that this process has read; None where it has not."""
    return _HELD[text].arrays if text in _HELD else None


def required(text: str) -> Arrays:
    """As `held`, with an error for None."""
    arrays = held(text)
    if arrays is None:
        raise InvalidStart(f"{shown(text)} stands for a file that this process has not read; give the file itself")
    return arrays


@functools.lru_cache(maxsize=4)
def axes_of(text: str) -> PrincipalAxes:
    """The axes of data that were read."""
    return principal_axes(required(text)[ONLY])


def written(name: str, spectrum: Spectrum, dimension: int) -> str:
    """A spectrum of N directions as text, with all digits: name of its file, eigenvalues, how often each is there."""
    counts = spectrum.sector_dimensions(dimension)
    parts = (
        f"{value!r}" + (f"x{count}" if count > 1 else "")
        for value, count in zip(spectrum.eigenvalues.tolist(), counts.tolist(), strict=True)
    )
    return f"{name}: {' '.join(parts)}"


def spectrum_of(file: str) -> Spectrum:
    """The spectrum of a data file, as `located` writes it out.

    Raises
    ------
    InvalidProblem
        For all else.
    """
    if not stands_for_file(SPECTRUM, file):
        raise InvalidProblem(f'file = {shown(file)} is no name of a file of data; give a text such as "data.npz"')
    parts = [part.partition("x") for part in file.rpartition(": ")[2].split(" ")]
    try:
        values = np.array([float(value) for value, _, _ in parts])
        counts = np.array([int(count or 1) for _, _, count in parts])
    except ValueError as error:
        raise InvalidProblem(f"file = {shown(file)} is no spectrum: {error}") from None
    return Spectrum(values, counts / counts.sum())


def _spectrum(path: Path, arrays: Arrays) -> tuple[Spectrum, int]:
    """That of data or of eigenvalues, and the number of directions."""
    try:
        if ONLY not in arrays:
            return Spectrum.from_eigenvalues(arrays["eigenvalues"]), arrays["eigenvalues"].size
        principal = principal_values(arrays[ONLY])
        return of_principal(principal, None), principal.values.size
    except InvalidProblem as error:
        raise InvalidProblem(f"{str(path)!r}: {error}") from None


def _digest(arrays: Arrays) -> str:
    """Of names, shapes and numbers; not of the type or the file that they are stored in."""
    digest = hashlib.sha256()
    for name, values in sorted(arrays.items()):
        numbers: Array = np.ascontiguousarray(values, dtype=np.float64) if values.dtype.kind in "iuf" else values
        digest.update(f"{name} {values.shape} ".encode() + numbers.tobytes())
    return digest.hexdigest()[:DIGITS]
