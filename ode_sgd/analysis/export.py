"""Curves and findings for other programs: CSV and JSON, all digits kept."""

import csv
import dataclasses
import io
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ode_sgd.analysis.written import write_whole
from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem, StorageError
from ode_sgd.core.given import DEEPEST
from ode_sgd.core.keywords import nearest, own_keywords
from ode_sgd.core.run import Run, check_run

ENDINGS = (".csv", ".json")
HEAD = ("curve", "method", "quantity")


@own_keywords
@check.underflow_is_zero
def export_curves(
    path: str | os.PathLike[str],
    curves: "Mapping[str, Run | Sequence[Run | None]]",
    quantities: Sequence[str] | None = None,
) -> Path:
    """Write curves as CSV or JSON, by the ending; every number reads back as the float that it is.

    Parameters
    ----------
    path : path-like
        Ends in .csv or .json. The file appears whole or not at all; an existing one is replaced.
    curves : dict
        Name -> Trajectory, another Run, or a pair (ode, sgd).
    quantities : sequence of str or None
        Which ones, such as "generalization_error", "R_11", "Q_12"; None: the error.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InvalidProblem
        For curves that are no runs, or that have no such quantity.
    StorageError
        For another ending, or a file that cannot be written.

    Notes
    -----
    CSV has a line for every curve, quantity and time: the curve's name, how it was computed, the quantity, the time,
    the value (of a simulation the mean over replicas) and the standard error of that, empty where there is none. JSON
    has an object for every curve with arrays of the same numbers, null for what is no finite number.

    Examples
    --------
    >>> path = ode_sgd.export_curves("curves.csv", {"eta = 0.5": (ode, sgd)}, ["generalization_error", "R_11"])
    >>> path.read_text().splitlines()[0]
    'curve,method,quantity,alpha,value,standard_error'
    """
    target = check_export(path)
    rows = list(_series(curves, quantities))
    write_whole(target, (_csv if target.suffix == ".csv" else _json)(rows), "the file")
    return target


def check_export(path: Any) -> Path:
    """The name of a file of curves; StorageError for one of another ending."""
    target = check.path("path", path)
    if target.suffix not in ENDINGS:
        raise StorageError(f"{target}: curves go to a file that ends in .csv or .json, not in {target.suffix!r}")
    return target


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Curve:
    """A run with what is to be written of it: name -> values and standard errors, (n,) each."""

    name: str
    run: Run
    values: Mapping[str, tuple[Array, Array | None]]


def _series(curves: Any, quantities: Sequence[str] | None) -> Iterator[_Curve]:
    if not isinstance(curves, Mapping) or not curves:
        raise InvalidProblem(f"curves is a {type(curves).__name__}; give a dictionary of names and runs, not empty")
    for name, entry in curves.items():
        runs = [run for run in entry if run is not None] if isinstance(entry, tuple | list) else [entry]
        if not runs:
            raise InvalidProblem(f"curves[{name!r}] holds no run; give one, or a pair of theory and simulation")
        for run in runs:
            check_run(f"curves[{name!r}]", run)
            yield _Curve(name=str(name), run=run, values=_values(run, quantities))


def _values(run: Run, quantities: Sequence[str] | None) -> dict[str, tuple[Array, Array | None]]:
    """What is asked for of a run: means, and their standard errors where there are replicas."""
    known = run.compared()
    if quantities is not None:
        check.sequence("quantities", quantities)
    found: dict[str, tuple[Array, Array | None]] = {}
    for name in (run.error_name,) if quantities is None else quantities:
        if name not in known:
            near = nearest(str(name), known)
            hint = f" (did you mean {near!r}?)" if near else ""
            raise InvalidProblem(f"a run has no quantity {name!r}; it has {', '.join(known)}{hint}")
        values = known[name]
        if run.replicas is None:
            found[name] = values, None
        else:
            several = len(values) > 1
            error = values.std(axis=0, ddof=1) / np.sqrt(len(values)) if several else None
            found[name] = values.mean(axis=0), error
    return found


def _csv(curves: Sequence[_Curve]) -> bytes:
    times = {curve.run.time_name for curve in curves}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*HEAD, times.pop() if len(times) == 1 else "time", "value", "standard_error"])
    for curve in curves:
        for quantity, (values, errors) in curve.values.items():
            told = [""] * values.size if errors is None else [repr(float(error)) for error in errors]
            for time, value, error in zip(curve.run.alpha, values, told, strict=True):
                row = [curve.name, curve.run.method, quantity, repr(float(time)), repr(float(value)), error]
                writer.writerow(row)
    return text.getvalue().encode()


def _json(curves: Sequence[_Curve]) -> bytes:
    return as_json({"curves": [_object(curve) for curve in curves]}, indent=None).encode()


def _object(curve: _Curve) -> dict[str, Any]:
    run = curve.run
    quantities = {name: {"value": values, "standard_error": errors} for name, (values, errors) in curve.values.items()}
    return {
        "curve": curve.name,
        "problem": run.problem.identity,
        **{name: getattr(run, name) for name in ("method", "status", "dimension", "replicas", "seed", "resolution")},
        "time_name": run.time_name,
        "time": run.alpha,
        "quantities": quantities,
    }


def as_json(value: Any, indent: int | None = 1) -> str:
    """Plain text of what `plain_record` makes of a value."""
    return json.dumps(plain_record(value), indent=indent, allow_nan=False, ensure_ascii=False) + "\n"


def plain_record(value: Any, depth: int = 0) -> Any:
    """A value as JSON has it: dataclasses as objects, arrays as lists, what is no finite number as null."""
    if depth > DEEPEST:
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain_record(getattr(value, f.name), depth + 1) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain_record(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain_record(inner, depth + 1) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
