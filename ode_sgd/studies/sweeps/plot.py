"""Drawing a collected sweep."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ode_sgd.analysis.plots.figures import write_figure
from ode_sgd.analysis.plots.sweeps import plot_curve, plot_map
from ode_sgd.model.errors import StorageError, StudyError
from ode_sgd.storage.hdf5 import check_writable
from ode_sgd.storage.stack import read_columns
from ode_sgd.studies.sweeps.axes import REPLICA
from ode_sgd.studies.sweeps.collect import COLLECTED, SUMMARY
from ode_sgd.studies.sweeps.stack import column_names
from ode_sgd.studies.tables import nearest


def plot_sweep(
    source: str | Path,
    output: str | Path | None = None,
    *,
    x: str | None = None,
    y: str | None = None,
    z: str | None = None,
) -> Path:
    """Draw a collected sweep: a map over two keys, or a curve over one; the mean over all others.

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
        A column. None: the length of the plateau, or the last error where no run has a plateau.

    Raises
    ------
    StorageError
        If there is no collected file, or the figure cannot be written.
    StudyError
        For a name that is not there, or an axis that was not swept.
    """
    source = Path(source)
    path = source / COLLECTED if source.is_dir() else source
    if source.is_dir() and not path.exists():
        raise StorageError(f"{source} holds no {COLLECTED}; `ode-sgd sweep collect {source}` writes it")
    output = Path(output) if output is not None else path.with_suffix(".png")
    check_writable(output)
    columns, attributes = read_columns(path, one_dimensional=True)
    if "axes_json" not in attributes:
        raise StorageError(f"{path} is not a collected sweep; give what `ode-sgd sweep collect` wrote")
    short = column_names(json.loads(str(attributes["axes_json"])))
    keys = [short[name] for name in short if name != REPLICA and np.unique(columns[short[name]]).size > 1]
    numeric = [name for name in keys if columns[name].dtype.kind in "if"]
    asked = x is not None
    x = _named(x, short, columns) or _first(numeric or keys, path)
    if y is None and not asked:
        y = next((name for name in numeric if _independent(columns[x], columns[name])), None)
    y = _named(y, short, columns)
    for axis, name in (("-x", x), ("-y", y)):
        if name is not None and name not in short.values():
            raise StudyError(
                "plot", [f"{axis} {name}: an axis is a swept key ({', '.join(short.values())}); -z draws others"]
            )
    z = _named(z, short, columns) or _default(columns)
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if y is None:
        plot_curve(axes, x, _numbers(columns, x), z, _numbers(columns, z))
    else:
        plot_map(axes, (x, y), _numbers(columns, x), _numbers(columns, y), z, _numbers(columns, z))
    return write_figure(figure, output, f"ode_sgd sweep {attributes.get('sweep_identity', '')}")


def _first(names: list[str], path: Path) -> str:
    if not names:
        raise StudyError(str(path), ["nothing varies but the seed; give -x the name of a column"])
    return names[0]


def _independent(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether neither follows from the other, as in a zip it does."""
    places = [np.unique(values, return_inverse=True)[1] for values in (one, other)]
    pairs = np.unique(np.stack(places), axis=1).shape[1]
    return bool(pairs > 1 + max(place.max() for place in places))


def _default(columns: dict[str, NDArray[Any]]) -> str:
    return "plateau_length" if np.isfinite(columns["plateau_length"]).any() else "final_error"


def _named(name: str | None, short: dict[str, str], columns: dict[str, NDArray[Any]]) -> str | None:
    """The column that is meant."""
    if name is None:
        return None
    column = short.get(name, name)
    if column not in columns:
        valid = [*short.values(), *SUMMARY, "seconds", "status"]
        hint = nearest(name, valid)
        told = f"did you mean {hint!r}?" if hint else f"there are {', '.join(valid)}"
        raise StudyError("plot", [f"{name!r} is no column ({told})"])
    return column


def _numbers(columns: dict[str, NDArray[Any]], name: str) -> NDArray[np.float64]:
    """A column as numbers; texts are counted in the order of the alphabet."""
    values = columns[name]
    if values.dtype.kind in "if":
        return values.astype(np.float64)
    return np.unique(values, return_inverse=True)[1].astype(np.float64)
