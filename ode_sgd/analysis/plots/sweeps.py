"""Figures of a sweep: a quantity over one swept key, or over two as a map. No pyplot."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from numpy.typing import NDArray

from ode_sgd.analysis.plots import COLOURS
from ode_sgd.model.check import Array

SYMBOLS = {
    "learning_rate": r"learning rate  $\eta$",
    "beta": r"decay of the spectrum  $\beta$",
    "distinct": r"eigenvalues  $L$",
    "student_units": "student units  $K$",
    "teacher_units": "teacher units  $M$",
    "label_noise": r"label noise  $\sigma$",
    "student_scale": "scale of the student's weights",
    "dimension": "dimension  $N$",
    "final_error": r"last generalization error  $\epsilon_g$",
    "plateau_length": r"length of the plateau  $\Delta\alpha$",
    "plateau_start": r"begin of the plateau  $\alpha$",
    "plateau_end": r"end of the plateau  $\alpha$",
    "plateau_height": r"$\epsilon_g$ on the plateau",
}
WIDE = 30.0  # ratio of largest to smallest from which a logarithmic scale is used for what is drawn


def label(name: str) -> str:
    """A name as it stands on an axis."""
    return f"{SYMBOLS.get(name, name.replace('_', ' '))}  (dimensionless)"


def logarithmic(values: Array) -> bool:
    """Whether values are spread as on a logarithmic axis: their ratios differ less than their differences."""
    distinct = np.unique(values)
    if distinct.size < 3 or distinct[0] <= 0.0:
        return False
    steps, ratios = np.diff(distinct), np.diff(np.log(distinct))
    return bool(ratios.std() / ratios.mean() < steps.std() / steps.mean())


def averaged(keys: NDArray[Any], values: Array) -> tuple[NDArray[Any], Array, Array, NDArray[np.int64]]:
    """Distinct rows of keys (runs, d), and of the finite values (runs,) there: mean, standard error and number."""
    distinct, place = np.unique(keys, axis=0, return_inverse=True)
    place, finite = place.reshape(-1), np.isfinite(values)
    count = np.bincount(place[finite], minlength=len(distinct))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(place[finite], values[finite], minlength=len(distinct)) / count
        squares = np.bincount(place[finite], (values[finite] - mean[place[finite]]) ** 2, minlength=len(distinct))
        error = np.sqrt(squares / (count - 1.0) / count)
    return distinct, mean, error, count


def plot_curve(axes: Axes, name: str, x: Array, quantity: str, z: Array) -> Axes:
    """A quantity against one key: mean over the other runs, bars of one standard error where there are several.

    Parameters
    ----------
    axes : matplotlib Axes
    name, quantity : str
        Of x and z.
    x, z : (runs,)
        z may be NaN: such runs are left out.
    """
    keys, mean, error, count = averaged(np.asarray(x)[:, None], np.asarray(z))
    bars = np.where(np.isfinite(error), error, 0.0)
    axes.errorbar(keys[:, 0], mean, yerr=bars, fmt="o-", color=COLOURS[0], markersize=4, capsize=2, linewidth=1)
    axes.set(xlabel=label(name), ylabel=label(quantity), xscale="log" if logarithmic(x) else "linear")
    if _wide(mean):
        axes.set_yscale("log")
    several = int(count.max(initial=0))
    if several > 1:
        axes.set_title(f"mean and standard error of up to {several} runs", fontsize="small")
    return axes


def plot_map(axes: Axes, names: tuple[str, str], x: Array, y: Array, quantity: str, z: Array) -> Axes:
    """A quantity over two keys in colour: mean over the other runs; points where no run has it stay empty.

    Parameters
    ----------
    axes : matplotlib Axes
    names : tuple of str
        Of x and y.
    x, y, z : (runs,)
        z may be NaN: such runs are left out.
    quantity : str
        Name of z.
    """
    columns, rows = np.unique(x), np.unique(y)
    keys, mean, _, _ = averaged(np.stack([x, y], axis=1), np.asarray(z))
    grid = np.full((rows.size, columns.size), np.nan)
    grid[np.searchsorted(rows, keys[:, 1]), np.searchsorted(columns, keys[:, 0])] = mean
    finite = mean[np.isfinite(mean)]
    limits = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    norm = LogNorm(*limits) if _wide(mean) else Normalize(*limits)
    axes.set_facecolor("0.85")
    drawn = axes.pcolormesh(
        _edges(columns), _edges(rows), np.ma.masked_invalid(grid), norm=norm, cmap="viridis", rasterized=True
    )
    figure = axes.get_figure()
    if figure is not None:
        figure.colorbar(drawn, ax=axes, label=label(quantity))
    axes.set(xlabel=label(names[0]), ylabel=label(names[1]))
    axes.set(xscale="log" if logarithmic(columns) else "linear", yscale="log" if logarithmic(rows) else "linear")
    return axes


def _wide(values: Array) -> bool:
    """Whether values ask for a logarithmic scale."""
    finite = values[np.isfinite(values)]
    return bool(finite.size and finite.min() > 0.0 and finite.max() > WIDE * finite.min())


def _edges(centres: Array) -> Array:
    """Borders of cells around centres, halfway between them on the scale that they are spread on."""
    if centres.size == 1:
        half = 0.5 * abs(float(centres[0])) or 0.5
        return np.array([centres[0] - half, centres[0] + half])
    log = logarithmic(centres)
    places = np.log(centres) if log else np.asarray(centres, dtype=float)
    middle = 0.5 * (places[1:] + places[:-1])
    edges = np.concatenate([[2 * places[0] - middle[0]], middle, [2 * places[-1] - middle[-1]]])
    return np.exp(edges) if log else edges
