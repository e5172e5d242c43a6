"""Drawing a collected sweep."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ode_sgd.analysis.plots.figures import write_figure
from ode_sgd.analysis.plots.sweeps import sweep_curve, sweep_map
from ode_sgd.analysis.selection import FOUND, Selection
from ode_sgd.model import check
from ode_sgd.model.errors import StorageError, StudyError
from ode_sgd.storage.hdf5 import check_writable
from ode_sgd.storage.stack import COLLECT as AGAIN
from ode_sgd.storage.stack import Column, read_table
from ode_sgd.studies.sweeps.axes import REPLICA, column_names
from ode_sgd.studies.sweeps.collect import COLLECTED
from ode_sgd.studies.sweeps.stack import STATUS
from ode_sgd.studies.tables import nearest

DEFAULTS = ("half_height_time", "plateau_length", "final_error")  # the first that most runs have
ANCILLARY, MEANINGS = "ancillary_variables", "flag_meanings"
NO_REASON = "no_reason_recorded"  # by the version that collected the file


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnSweep:
    """The figure of a sweep, which runs it stands for, and another column that more of them have, or None."""

    path: Path
    selection: Selection
    fuller: Selection | None


def plot_sweep(
    source: str | Path,
    output: str | Path | None = None,
    *,
    x: str | None = None,
    y: str | None = None,
    z: str | None = None,
) -> DrawnSweep:
    """Draw a collected sweep: a map over two keys, or a curve over one; medians over all others.

    Every point says how many runs it stands for, and why the others are missing.

    Parameters
    ----------
    source : path-like
        A collected file, or the folder of a sweep that was collected.
    output : path-like or None
        PNG or PDF by its ending; None is a PNG beside the file.
    x, y : str or None
        Swept keys, or the names of their columns. None: the first two that vary in numbers, and not one with the
        other as in a zip; with `x` alone a curve is drawn.
    z : str or None
        A column. None: the first of half_height_time, plateau_length and final_error that at least half of the runs
        have, or else the one that most of them have; seconds if the file has none of them.

    Raises
    ------
    StorageError
        If there is no collected file, or the figure cannot be written.
    StudyError
        For a name that is not there, or an axis that was not swept.
    """
    source = check.path("source", source)
    path = source / COLLECTED if source.is_dir() else source
    if source.is_dir() and not path.exists():
        raise StorageError(f"{source} holds no {COLLECTED}; `ode-sgd sweep collect {source}` writes it")
    output = check.path("output", output) if output is not None else path.with_suffix(".png")
    check_writable(output)
    columns, attributes = read_table(path)
    if "axes_json" not in attributes:
        raise StorageError(f"{path} is not a collected sweep; give what `ode-sgd sweep collect` wrote")
    short = _axes(path, str(attributes["axes_json"]), columns)
    keys = [short[name] for name in short if name != REPLICA and np.unique(columns[short[name]].values).size > 1]
    numeric = [name for name in keys if columns[name].values.dtype.kind in "if"]
    asked = x is not None
    y = _named(y, short, columns)
    x = _named(x, short, columns) or _first([name for name in numeric if name != y] or numeric or keys, path)
    if y is None and not asked:
        y = next((name for name in numeric if _independent(columns[x].values, columns[name].values)), None)
    for axis, name in (("-x", x), ("-y", y)):
        if name is not None and name not in short.values():
            raise StudyError(
                "plot", [f"{axis} {name}: an axis is a swept key ({', '.join(short.values())}); -z draws others"]
            )
    if x == y:
        raise StudyError("plot", [f"-x {x} -y {y}: one key on both axes; give -x alone for a curve, or another -y"])
    z = _named(z, short, columns) or _default(columns)
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    selection = selection_of(columns, z)
    if y is None:
        sweep_curve(figure, x, _numbers(columns, x), _numbers(columns, z), selection)
    else:
        sweep_map(figure, (x, y), _numbers(columns, x), _numbers(columns, y), _numbers(columns, z), selection)
    written = write_figure(figure, output, f"ode_sgd sweep {attributes.get('sweep_identity', '')}")
    usual = selection_of(columns, _default(columns))
    return DrawnSweep(path=written, selection=selection, fuller=usual if usual.count > selection.count else None)


def selection_of(columns: Mapping[str, Column], name: str) -> Selection:
    """Which runs have a number in a column, and why the others do not, as far as the file says."""
    column = columns[name]
    has = np.isfinite(column.values) if column.values.dtype.kind == "f" else np.ones(column.values.shape, dtype=bool)
    outcome = columns.get(str(column.attributes.get(ANCILLARY, "")))
    if outcome is not None:
        words = tuple(str(outcome.attributes[MEANINGS]).split())
        return Selection(name=name, has=has, codes=outcome.values.astype(np.int64), words=words)
    codes = np.where(has, 0, 1 + columns["status"].values.astype(np.int64))  # how a run ended that has it is no reason
    return Selection(name=name, has=has, codes=codes, words=(FOUND, NO_REASON, *STATUS[1:]))


def _axes(path: Path, text: str, columns: Mapping[str, Column]) -> dict[str, str]:
    """The columns of the swept keys; StorageError if the file, one from before its checksums, does not have them."""
    try:
        short = column_names(json.loads(text))
    except (ValueError, TypeError, AttributeError) as error:
        raise StorageError(f"{path} is damaged or was changed: axes_json names no keys ({error}); {AGAIN}") from error
    if lost := [name for name in (*short.values(), "status") if name not in columns]:
        raise StorageError(f"{path} is damaged or was changed: it has no column {lost[0]}; {AGAIN}")
    return short


def _first(names: list[str], path: Path) -> str:
    if not names:
        raise StudyError(str(path), ["nothing varies but the seed; give -x the name of a column"])
    return names[0]


def _independent(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    """Whether neither follows from the other, as in a zip it does."""
    places = [np.unique(values, return_inverse=True)[1] for values in (one, other)]
    pairs = np.unique(np.stack(places), axis=1).shape[1]
    return bool(pairs > 1 + max(place.max() for place in places))


def _default(columns: Mapping[str, Column]) -> str:
    shares = {name: float(np.isfinite(columns[name].values).mean()) for name in DEFAULTS if name in columns}
    most = max(shares, key=lambda name: shares[name], default="seconds")
    return next((name for name, share in shares.items() if share >= 0.5), most)


def _named(name: str | None, short: Mapping[str, str], columns: Mapping[str, Column]) -> str | None:
    """The column that is meant."""
    if name is None:
        return None
    column = short.get(name, name)
    valid = list(_drawable(columns))
    if column not in valid:
        hint = nearest(name, valid)
        told = f"did you mean {hint!r}?" if hint else f"there are {', '.join(valid)}"
        fault = "is no column with a number for every run" if column in columns else "is no column"
        raise StudyError("plot", [f"{name!r} {fault} ({told})"])
    return column


def _drawable(columns: Mapping[str, Column]) -> Iterable[str]:
    """Columns with one value a run, without their outcomes and the scales of other dimensions."""
    own = (name for name, column in columns.items() if column.dimensions == ("run",) and name != "run")
    return (name for name in own if not name.endswith("_outcome"))


def _numbers(columns: Mapping[str, Column], name: str) -> NDArray[np.float64]:
    """A column as numbers; texts are counted in the order of the alphabet."""
    values = columns[name].values
    if values.dtype.kind in "if":
        return values.astype(np.float64)
    return np.unique(values, return_inverse=True)[1].astype(np.float64)
