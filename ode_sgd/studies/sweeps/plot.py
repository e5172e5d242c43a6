"""Drawing a collected sweep."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ode_sgd.analysis.drawing import drawing
from ode_sgd.analysis.selection import FOUND, Selection
from ode_sgd.core import check
from ode_sgd.core.arrays import Array, Flags
from ode_sgd.core.errors import StorageError, StudyError
from ode_sgd.core.keywords import nearest
from ode_sgd.storage.files import beside, check_figure
from ode_sgd.storage.stack import COLLECT as AGAIN
from ode_sgd.storage.stack import LABEL_ATTRIBUTE, Column, absent_columns, read_table
from ode_sgd.studies.sweeps.axes import REPLICA, column_names
from ode_sgd.studies.sweeps.collect import COLLECTED
from ode_sgd.studies.sweeps.stack import STATUS

DEFAULTS = ("half_height_time", "plateau_length", "final_error")  # the first that most runs have
ANCILLARY, MEANINGS = "ancillary_variables", "flag_meanings"
LATER = {"half_height_time": "not_reached"}  # outcomes of complete runs that put a number above all that are measured
MISSING = "missing"  # the outcome of runs that are yet to come, which is no selection
NO_REASON = "no_reason_recorded"  # by the version that collected the file


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnSweep:
    """The figure of a sweep, and what it stands for.

    Attributes
    ----------
    path : Path
    selection : Selection
        Which runs have what is drawn.
    fuller : Selection or None
        Another column that more of them have.
    points : int
        Points of the curve, or cells of the map, that are drawn.
    biased : int
        Those from which more than a fifth of the runs are missing, for a reason that selects.
    later : int
        Runs without a number that count in the medians nevertheless, as later than all others.
    beyond : int
        Points that are not drawn since their median is one of these.
    absent : tuple of str
        Columns of swept keys that the file lacks, so that medians are over the values of these too.
    mixed : tuple of str
        Those that hold texts, such as activations, and are on no axis: medians are over their values too.
    """

    path: Path
    selection: Selection
    fuller: Selection | None
    points: int
    biased: int
    later: int
    beyond: int
    absent: tuple[str, ...]
    mixed: tuple[str, ...]


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
        For a name that is not there, an axis that was not swept, or a column in which no run has a number.
    """
    path, output = _places(source, output)
    columns, attributes = read_table(path)
    if "axes_json" not in attributes:
        raise StorageError(f"{path} is not a collected sweep; give what `ode-sgd sweep collect` wrote")
    absent = absent_columns(columns, attributes)
    swept = _axes(path, str(attributes["axes_json"]), columns, absent)
    short = {key: name for key, name in swept.items() if name in columns}
    x, y = _chosen_axes(x, y, path, columns, short, absent)
    z = _named(z, short, columns, absent) or _default(columns)
    selection = selection_of(columns, z)
    if not selection.count:
        raise StudyError("plot", [f"nothing to draw: {selection.sentence}; -z draws another column"])
    values = _ranked(columns, z, selection)
    drawn = [columns[name] for name in (x, y) if name is not None]
    places = [_numbers(column) for column in drawn]
    labels = [_label(name, columns[name]) for name in (x, y, z) if name is not None]
    names = [_texts(column) for column in drawn]
    _draw(output, labels, names, places, values, selection, f"ode_sgd sweep {attributes.get('sweep_identity', '')}")
    usual = selection_of(columns, _default(columns))
    come = ~_outcome(selection, MISSING)
    from ode_sgd.analysis.plots.points import summarised  # its package brings matplotlib

    points = summarised(np.stack(places, axis=1)[come], values[come])
    return DrawnSweep(
        path=output,
        selection=selection,
        fuller=usual if usual.count > selection.count else None,
        points=int(points.drawn.sum()),
        biased=int(points.biased.sum()),
        later=int(np.isinf(values).sum()),
        beyond=int(points.beyond.sum()),
        absent=tuple(name for name in swept.values() if name in absent),
        mixed=tuple(name for name in short.values() if name not in (x, y) and len(_texts(columns[name])) > 1),
    )


def _places(source: str | Path, output: str | Path | None) -> tuple[Path, Path]:
    """The collected file, and the figure, which can be written."""
    source = check.path("source", source)
    is_folder = os.path.isdir(source)  # noqa: PTH112
    path = source / COLLECTED if is_folder else source
    if is_folder and not path.exists():
        raise StorageError(f"{source} holds no {COLLECTED}; `ode-sgd sweep collect {source}` writes it")
    figure = check.path("output", output) if output is not None else beside(path, ".png")
    check_figure(figure, [path])
    return path, figure


def _chosen_axes(
    x: str | None,
    y: str | None,
    path: Path,
    columns: Mapping[str, Column],
    short: Mapping[str, str],
    absent: Sequence[str],
) -> tuple[str, str | None]:
    """The columns of the axes; without y a curve is drawn."""
    keys = [short[name] for name in short if name != REPLICA and np.unique(columns[short[name]].values).size > 1]
    numeric = [name for name in keys if columns[name].values.dtype.kind in "if"]
    asked = x is not None
    y = _named(y, short, columns, absent)
    others = [name for name in numeric if name != y]
    x = _named(x, short, columns, absent) or _first(others or numeric or keys, path, absent)
    if y is None and not asked:
        y = next((name for name in numeric if _independent(columns[x].values, columns[name].values)), None)
    for axis, name in (("-x", x), ("-y", y)):
        if name is not None and name not in short.values():
            raise StudyError(
                "plot", [f"{axis} {name}: an axis is a swept key ({', '.join(short.values())}); -z draws others"]
            )
    if x == y:
        raise StudyError("plot", [f"-x {x} -y {y}: one key on both axes; give -x alone for a curve, or another -y"])
    return x, y


def _draw(
    output: Path,
    labels: Sequence[str],
    names: Sequence[Sequence[str]],
    places: Sequence[Array],
    values: Array,
    selection: Selection,
    description: str,
) -> None:
    """A curve, or with two axes a map."""
    with drawing(output):
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # brings matplotlib, not needed until now
        from matplotlib.figure import Figure

        from ode_sgd.analysis.plots.figures import write_figure
        from ode_sgd.analysis.plots.sweeps import name_ticks, sweep_curve, sweep_map

        figure = Figure(figsize=(6.4, 4.8), layout="constrained")
        FigureCanvasAgg(figure)
        if len(places) == 1:
            sweep_curve(figure, (labels[0], labels[1]), places[0], values, selection)
        else:
            sweep_map(figure, (labels[0], labels[1], labels[2]), places[0], places[1], values, selection)
        name_ticks(figure, labels, names)
        write_figure(figure, output, description)


def _label(name: str, column: Column) -> str:
    """What stands on the axis of a column: as its model has it, or its name in words."""
    unit = column.attributes.get("units", "1")
    words = name.replace("_", " ") + ("" if unit == "1" else f"  ({unit})")
    return str(column.attributes.get(LABEL_ATTRIBUTE, words))


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


def _axes(path: Path, text: str, columns: Mapping[str, Column], absent: Sequence[str]) -> dict[str, str]:
    """The columns of the swept keys; StorageError if the file, one from before its checksums, does not have them."""
    try:
        short = column_names(json.loads(text))
    except (ValueError, TypeError, AttributeError) as error:
        raise StorageError(f"{path} is damaged or was changed: axes_json names no keys ({error}); {AGAIN}") from error
    if lost := [name for name in (*short.values(), "status") if name not in columns and name not in absent]:
        raise StorageError(f"{path} is damaged or was changed: it has no column {lost[0]}; {AGAIN}")
    if "status" in absent:
        raise StorageError(f"{path} lacks the column status, which tells how runs ended; copy that too, or {AGAIN}")
    return short


def _first(names: list[str], path: Path, absent: Sequence[str]) -> str:
    if not names:
        lacks = f"the file lacks {', '.join(absent)}, and else " if absent else ""
        raise StudyError(str(path), [f"{lacks}nothing varies but the seed; give -x the name of a column"])
    return names[0]


def _independent(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    """Whether neither follows from the other, as in a zip it does."""
    places = [np.unique(values, return_inverse=True)[1] for values in (one, other)]
    pairs = np.unique(np.stack(places), axis=1).shape[1]
    return bool(pairs > 1 + max(place.max() for place in places))


def _default(columns: Mapping[str, Column]) -> str:
    """What is drawn unless a name is given: of a model that measures none of these, the first that it measures."""
    own = [name for name in _drawable(columns) if ANCILLARY in columns[name].attributes]
    names = [name for name in DEFAULTS if name in columns] or own
    shares = {name: float(np.isfinite(columns[name].values).mean()) for name in names}
    most = max(shares, key=lambda name: shares[name], default="seconds")
    return next((name for name, share in shares.items() if share >= 0.5), most)


def _named(
    name: str | None, short: Mapping[str, str], columns: Mapping[str, Column], absent: Sequence[str]
) -> str | None:
    """The column that is meant."""
    if name is None:
        return None
    column = short.get(name, name)
    if (lost := name.rsplit(".", 1)[-1]) in absent and column not in columns:
        raise StudyError("plot", [f"{name!r}: the file lacks the column {lost}, which the sweep had; {AGAIN}"])
    valid = list(_drawable(columns))
    if column in valid:
        return column
    hint = nearest(name, valid)
    told = f"did you mean {hint!r}?" if hint else f"there are {', '.join(valid)}"
    fault = "is no column"
    if column in columns:
        fault = "is no column of one number a run"
        if measured := [other for other in valid if columns[other].attributes.get(ANCILLARY) == column]:
            fault, told = "holds words, not numbers", f"the figure of {measured[0]} counts them"
    raise StudyError("plot", [f"{name!r} {fault} ({told})"])


def _drawable(columns: Mapping[str, Column]) -> Iterable[str]:
    """Columns with one value a run, without their outcomes and the scales of other dimensions."""
    own = (name for name, column in columns.items() if column.dimensions == ("run",) and name != "run")
    return (name for name in own if not name.endswith("_outcome"))


def _outcome(selection: Selection, word: str) -> Flags:
    """Which runs have this outcome."""
    return np.array([other == word for other in selection.words], dtype=bool)[selection.codes]


def _ranked(columns: Mapping[str, Column], name: str, selection: Selection) -> Array:
    """A column as numbers, infinite in complete runs that were cut off before they had one."""
    later = _outcome(selection, LATER.get(name, "")) & (columns["status"].values == STATUS.index("complete"))
    return np.where(later & ~selection.has, np.inf, _numbers(columns[name]))


def _numbers(column: Column) -> Array:
    """A column as numbers; texts are counted in the order of the alphabet."""
    if _is_number(column):
        return column.values.astype(np.float64)
    return np.unique(column.values, return_inverse=True)[1].astype(np.float64)


def _texts(column: Column) -> list[str]:
    """The texts of a column in that order; none of one that holds numbers."""
    return [] if _is_number(column) else [text.decode() for text in np.unique(column.values).tolist()]


def _is_number(column: Column) -> bool:
    return column.values.dtype.kind in "if"
