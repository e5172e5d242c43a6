"""Figures of a sweep: a quantity over one swept key, or over two as a map, and how many runs each point stands for.

No pyplot.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from ode_sgd.analysis.plots import COLOURS, MARKERS
from ode_sgd.analysis.plots.points import Points, summarised
from ode_sgd.analysis.selection import FOUND, Selection
from ode_sgd.core.arrays import Array, Indices

# Of bars: runs that have what is drawn, then those that do not, by reason; told apart in grey by their hatching.
FILLS = ((COLOURS[0], ""), (COLOURS[4], "//"), (COLOURS[5], ".."), (COLOURS[3], "xx"), ("white", ""))
MOST_NUMBERS = 20  # bars that have their numbers above them; more would overlap
MOST_LETTERS = 50  # at the ticks of a horizontal axis; more are slanted, or would overlap
BRIGHT = 0.6  # place in the colours of a map from which black is seen on them, and below which white is
WIDE = 30.0  # ratio of largest to smallest from which a logarithmic scale is used for what is drawn


def logarithmic(values: Array) -> bool:
    """Whether values are spread as on a logarithmic axis: their ratios differ less than their differences."""
    distinct = np.unique(values)
    if distinct.size < 3 or distinct[0] <= 0.0:
        return False
    steps, ratios = np.diff(distinct), np.diff(np.log(distinct))
    return bool(ratios.std() / ratios.mean() < steps.std() / steps.mean())


def sweep_curve(figure: Figure, labels: tuple[str, str], x: Array, z: Array, selection: Selection) -> None:
    """A quantity against one key; below it, where runs are missing, how many each point stands for and why.

    Parameters
    ----------
    figure : matplotlib Figure
        Empty, with constrained layout.
    labels : tuple of str
        What stands on the axes of x and z.
    x, z : (runs,)
        z is NaN for runs that do not have it, infinite for those in which it is above all that is measured.
    selection : Selection
        Of z.
    """
    if selection.whole:
        axes = figure.subplots()
        plot_curve(axes, labels, x, z)
    else:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        plot_curve(axes, labels, x, z)
        axes.set_xlabel("")
        plot_counts(below, labels[0], x, selection)
        figure.legend(
            *below.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small", frameon=False
        )
    points = summarised(x[:, None], z)
    told = f"; {_each(points.total, 'point')}" if selection.whole else _beyond(points, "point")
    axes.set_title(_wrapped(selection.sentence + told), fontsize="small", loc="left")


def _each(runs: Indices, what: str) -> str:
    """How many runs each point or cell stands for, such as "median of 4 runs at each point"."""
    least, most = int(runs.min()), int(runs.max())
    if most == 1:
        return f"1 run at each {what}"
    return f"median of {least if least == most else f'{least} to {most}'} runs at each {what}"


def _beyond(points: Points, what: str) -> str:
    """In words, that runs count in the median whose number is not known."""
    if (points.ranked == points.count).all():
        return ""
    told = "; those not reached count as later in the median"
    if points.beyond.any():
        told += f", which is later than the last alpha at {points.beyond.sum()} of {points.beyond.size} {what}s"
    return told


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 95))


def plot_curve(axes: Axes, labels: tuple[str, str], x: Array, z: Array) -> Axes:
    """A quantity against one key: median over the other runs, bars between the quartiles where there are several.

    Points are filled where the median is that of all their runs, and open where it is that of some; a line joins those
    for which at least half of the runs stand. An arrow is an upper quartile above all that is measured; where the
    median is, there is no point.

    Parameters
    ----------
    axes : matplotlib Axes
    labels : tuple of str
        What stands on the axes of x and z.
    x, z : (runs,)
        z may be NaN: such runs are left out; or infinite: above all others.
    """
    points = summarised(np.asarray(x)[:, None], np.asarray(z))
    there, whole = points.drawn, points.ranked == points.total
    keys, median = points.keys[:, 0], np.where(there, points.median, np.nan)
    cut = there & np.isinf(points.upper)
    upper = np.where(cut, [_highest(np.asarray(z)[points.places == p]) for p in range(keys.size)], points.upper)
    bars = np.stack([median - points.lower, upper - median])
    axes.plot(keys, np.where(points.few, np.nan, median), "-", color=COLOURS[0], linewidth=0.8)
    several = int(points.total.max(initial=0)) > 1
    for chosen, filled in ((there & whole, True), (there & ~whole, False)):
        told = "all runs of a point" if filled else "some runs of a point"
        axes.errorbar(
            keys[chosen],
            median[chosen],
            yerr=bars[:, chosen] if several else None,
            fmt="o",
            color=COLOURS[0],
            markerfacecolor=COLOURS[0] if filled else "white",
            markersize=4,
            capsize=2,
            linewidth=1,
            label=f"median and quartiles of {told}" if several else told,
        )
    if cut.any():
        axes.plot(keys[cut], upper[cut], "^", color=COLOURS[0], markersize=4, label="upper quartile not reached")
    axes.set(xlabel=labels[0], ylabel=labels[1], xscale="log" if logarithmic(x) else "linear")
    if _wide(median):
        axes.set_yscale("log")
    if several:
        handles, names = axes.get_legend_handles_labels()
        drawn = dict(zip(names[-2:], [(there & whole).any(), (there & ~whole).any()], strict=True))
        kept = [pair for pair in zip(handles, names, strict=True) if drawn.get(pair[1], True)]
        axes.legend([handle for handle, _ in kept], [text for _, text in kept], fontsize="small", frameon=False)
    return axes


def plot_counts(axes: Axes, label: str, x: Array, selection: Selection) -> Axes:
    """Bars of the runs at every x: those that have the quantity, and above them the others, by what they lack it for.

    Parameters
    ----------
    axes : matplotlib Axes
    label : str
        What stands on the axis of x.
    x : (runs,)
    selection : Selection
    """
    values, places = np.unique(x, return_inverse=True)
    edges, bottom = _edges(values), np.zeros(values.size)
    parts = selection.shares(places.reshape(-1), values.size, len(FILLS) - 1)
    for (word, number), (colour, hatch) in zip(parts, FILLS, strict=False):
        axes.bar(
            edges[:-1],
            number,
            0.9 * np.diff(edges),
            bottom,
            align="edge",
            color=colour,
            hatch=hatch,
            edgecolor="black",
            linewidth=0.3,
            label=f"{'measured' if word == FOUND else word} ({number.sum()})",
        )
        bottom += number
    if values.size <= MOST_NUMBERS:
        for left, right, found, total in zip(edges[:-1], edges[1:], parts[0][1], bottom, strict=True):
            middle = np.sqrt(left * right) if logarithmic(x) else 0.5 * (left + right)
            axes.text(middle, total, f"{found}/{total:.0f}", ha="center", va="bottom", fontsize=6)
    axes.set(xlabel=label, ylabel="runs", ylim=(0.0, 1.3 * bottom.max()))
    axes.set_xscale("log" if logarithmic(x) else "linear")
    return axes


def sweep_map(figure: Figure, labels: tuple[str, str, str], x: Array, y: Array, z: Array, selection: Selection) -> None:
    """A quantity over two keys; where runs are missing, beside it how many each cell stands for and why.

    Parameters
    ----------
    figure : matplotlib Figure
        Empty, with constrained layout.
    labels : tuple of str
        What stands on the axes of x, y and z.
    x, y, z : (runs,)
        z is NaN for runs that do not have it, infinite for those in which it is above all that is measured.
    selection : Selection
        Of z.
    """
    if selection.whole:
        plot_map(figure.subplots(), labels, x, y, z)
    else:
        figure.set_size_inches(9.6, 4.8)
        left, right = figure.subplots(1, 2)
        plot_map(left, labels, x, y, z)
        plot_count_map(right, labels[:2], x, y, selection)
        handles, names = right.get_legend_handles_labels()
        if handles:
            figure.legend(handles, names, loc="outside lower right", ncols=4, fontsize="small", frameon=False)
    points = summarised(np.stack([x, y], axis=1), z)
    stands = _each(points.total, "cell") if selection.whole else "median of those with a value at each cell"
    told = f"{selection.sentence}; {stands}{_beyond(points, 'cell')}"
    if points.few.any():
        told += "; hatched: fewer than half of the runs of a cell have a value"
    figure.suptitle(_wrapped(told), fontsize="small")


def plot_map(axes: Axes, labels: tuple[str, str, str], x: Array, y: Array, z: Array) -> Axes:
    """A quantity over two keys in colour: median over the other runs; cells where no run has it stay grey.

    Cells where fewer than half of the runs stand for the median are hatched.

    Parameters
    ----------
    axes : matplotlib Axes
    labels : tuple of str
        What stands on the axes of x, y and z.
    x, y, z : (runs,)
        z may be NaN: such runs are left out; or infinite: above all others, and so may be a median, which stays grey.
    """
    points = summarised(np.stack([x, y], axis=1), np.asarray(z))
    finite = points.median[np.isfinite(points.median)]
    limits = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    norm = LogNorm(*limits) if _wide(points.median) else Normalize(*limits)
    _cells(axes, labels[:2], points, points.median, norm, labels[2])
    edges = [_edges(np.unique(values)) for values in (x, y)]
    for key, median in zip(points.keys[points.few], points.median[points.few], strict=True):
        # Cells that hold the key: its value is between their edges.
        after = [int(np.searchsorted(e, value)) for e, value in zip(edges, key, strict=True)]
        (left, right), (lower, upper) = ((e[n - 1], e[n]) for e, n in zip(edges, after, strict=True))
        ink = "black" if norm(median) > BRIGHT else "white"
        axes.add_patch(
            Rectangle((left, lower), right - left, upper - lower, fill=False, hatch="////", edgecolor=ink, linewidth=0)
        )
    return axes


def plot_count_map(axes: Axes, labels: tuple[str, str], x: Array, y: Array, selection: Selection) -> Axes:
    """How many runs of each cell have the quantity, in grey, and a sign for what most of the others lack it for.

    Parameters
    ----------
    axes : matplotlib Axes
    labels : tuple of str
        What stands on the axes of x and y.
    x, y : (runs,)
    selection : Selection
    """
    points = summarised(np.stack([x, y], axis=1), np.where(selection.has, 1.0, np.nan))
    most = int(points.total.max())
    _cells(axes, labels, points, points.count, Normalize(0, most), f"runs (of {most}) with a value", "Greys")
    parts = selection.shares(points.places, len(points.keys), len(FILLS) - 1)[1:]
    frequent = np.argmax([number for _, number in parts], axis=0)
    for place, (word, number) in enumerate(parts):
        here = (frequent == place) & (number > 0)
        told = f"{word} ({number.sum()})"
        axes.plot(
            *points.keys[here].T,
            MARKERS[place],
            color=FILLS[place + 1][0],
            markersize=4,
            markeredgecolor="black",
            markeredgewidth=0.4,
            label=told,
        )
    return axes


def name_ticks(figure: Figure, labels: Sequence[str], names: Sequence[Sequence[str]]) -> None:
    """Have texts stand at the ticks of axes on which they were counted from 0.

    Parameters
    ----------
    figure : matplotlib Figure
        As `sweep_curve` or `sweep_map` leaves it.
    labels : sequence of str
        What stands on the axes of x and, in a map, of y.
    names : sequence of sequence of str
        The texts of x and, in a map, of y; empty where an axis is one of numbers.
    """
    for axes in figure.axes:
        for axis, label, texts in zip((axes.xaxis, axes.yaxis), labels, names, strict=False):
            if texts and axis.get_label_text() == label:
                axis.set_ticks(range(len(texts)), texts)
                if axis is axes.xaxis and sum(map(len, texts)) > MOST_LETTERS:
                    axes.tick_params(axis="x", rotation=20.0)
                axis.set_minor_locator(NullLocator())


def _cells(
    axes: Axes,
    labels: tuple[str, str],
    points: Points,
    values: NDArray[Any],
    norm: Normalize,
    told: str,
    cmap: str = "",
) -> None:
    """One colour a cell of a grid of two keys, with a bar that says what it means."""
    columns, rows = (np.unique(points.keys[:, n]) for n in range(2))
    grid = np.full((rows.size, columns.size), np.nan)
    grid[np.searchsorted(rows, points.keys[:, 1]), np.searchsorted(columns, points.keys[:, 0])] = values
    axes.set_facecolor("0.85")
    drawn = axes.pcolormesh(
        _edges(columns),
        _edges(rows),
        np.ma.masked_invalid(grid),
        norm=norm,
        cmap=cmap or "viridis",
        rasterized=True,
    )
    figure = axes.get_figure()
    if figure is not None:
        figure.colorbar(drawn, ax=axes, label=told, ticks=MaxNLocator(integer=True) if cmap else None)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.set(xscale="log" if logarithmic(columns) else "linear", yscale="log" if logarithmic(rows) else "linear")


def _highest(values: Array) -> float:
    """The largest that is a number; NaN if none is."""
    return float(values[np.isfinite(values)].max(initial=-np.inf)) if np.isfinite(values).any() else float("nan")


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
