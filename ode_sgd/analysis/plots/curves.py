"""Curves against alpha: theory as a line, simulation as markers with standard errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import ScalarFormatter

from ode_sgd.analysis.plots import axis_labels
from ode_sgd.analysis.plots.look import (
    COLOURS,
    MARKERS,
    STYLES,
    Entry,
    Legend,
    Look,
    Style,
    entries_of,
    looks_of,
    partner_label,
    show_legend,
)
from ode_sgd.analysis.plots.paper import is_paper, styled
from ode_sgd.analysis.power_law import local_exponent
from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import cut
from ode_sgd.core.run import Run

__all__ = ["COLOURS", "MARKERS", "STYLES", "plot_error", "plot_local_exponent", "plot_observables"]

DECADE = 10.0
MOST_NAMES = 16  # in a legend; more hide the curves
KEYWORDS = ("labels", "colours", "styles", "legend", "symbols")


@check.underflow_is_zero
@styled
def plot_error(
    axes: Axes,
    trajectories: Sequence[Entry],
    labels: Sequence[str] | None = None,
    *,
    colours: Any = None,
    styles: Sequence[Style] | None = None,
    legend: Legend = True,
    symbols: bool | None = None,
    **line: Any,
) -> Axes:
    """The error against time, both logarithmic; the ODE as lines, simulations as points.

    Parameters
    ----------
    axes : matplotlib Axes
    trajectories : sequence of Trajectory or other Run, or of pairs
        A pair (ode, sgd) has one colour and one entry in the legend.
    labels : sequence of str or None
        One each; None names the method.
    colours : sequence of colours, a colour, or None
        One each, or one for all; None: the next ones of the axes' own cycle.
    styles : sequence of str or dict, or None
        One each: a line style of matplotlib, or keywords as `line`.
    legend : bool or dict
        Whether there is a legend; a dictionary holds keywords of `Axes.legend`.
    symbols : bool or None
        Whether axes are named by symbols alone; None: in figures of `paper_figure`.
    **line
        Keywords of matplotlib's lines and error bars, such as `linewidth`; `marker` and the like for points only,
        `linestyle` for lines only.

    Raises
    ------
    InvalidProblem
        For what is no run, or another number of labels, colours or styles.
    UnknownKeyword
        For a keyword that matplotlib's lines do not have.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_error(Figure().subplots(), [ode, sgd], ["ODE", "SGD"])
    >>> axes = ode_sgd.plots.plot_error(axes, [(ode, sgd)], ["both"], colours="black", linewidth=0.8)
    """
    entries = entries_of(trajectories)
    names, alike = _names(entries, labels)
    looks = looks_of(axes, len(entries), ("plot_error", *KEYWORDS), colours, styles, line, alike)
    for runs, look, name in zip(entries, looks, names, strict=True):
        told = draw(axes, runs[0], runs[0].error, look, name + "".join(_left_out(run) for run in runs[1:]))
        for run in runs[1:]:
            draw(axes, run, run.error, look, partner_label(told))
    drawn = np.concatenate([np.asarray(one.get_ydata(), float) for one in axes.lines])
    set_time(axes, [runs[0] for runs in entries], symbols)
    _set_error(axes, drawn)
    axes.set_ylabel(axis_labels.error_label(axes, entries[0][0], symbols))
    show_legend(axes, legend)
    return axes


def _names(entries: Sequence[tuple[Run, ...]], labels: Sequence[str] | None) -> tuple[list[str], bool]:
    """The names of curves, and whether they are theory and simulation of one thing."""
    if labels is not None:
        check.sequence("labels", labels)
        if len(labels) != len(entries):
            raise InvalidProblem(f"{len(labels)} labels for {len(entries)} trajectories; give one each")
        return [str(label) for label in labels], False
    names = [" and ".join(map(_default_label, runs)) for runs in entries]
    alike = len(set(names)) == len(names)
    return names if alike else [f"{name} ({number + 1})" for number, name in enumerate(names)], alike


def _set_error(axes: Axes, drawn: Array) -> None:
    """The axis of the error, of all that is drawn on it.

    Within a decade ticks bear plain numbers: powers of ten, as in 3.02 x 10^-1, would push the label off the figure.
    """
    positive = drawn[drawn > 0.0]
    axes.set(yscale="log" if positive.size else "linear")  # nothing above its rounding: no logarithm either
    if positive.size and positive.max() < DECADE * positive.min():
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(ScalarFormatter())


@check.underflow_is_zero
@styled
def plot_observables(
    axes: Axes,
    trajectories: Sequence[Entry],
    names: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    *,
    colours: Any = None,
    legend: Legend = True,
    symbols: bool | None = None,
    **line: Any,
) -> Axes:
    """What is compared of two runs, except for the error, against time (logarithmic): all of it, or what is named.

    Parameters
    ----------
    axes : matplotlib Axes
    trajectories : sequence of Trajectory or other Run, or of pairs
        The ODE as lines, simulations as points; the second one has its lines in the next style.
    names : sequence of str or None
        Which ones, as they are called in `Run.compared`, such as ["R_11", "Q_12"]; None: all of the first one.
    labels : sequence of str or None
        One each; None: of several only the first one is in the legend.
    colours, legend, symbols, **line
        As for `plot_error`; colours one for every observable.

    Raises
    ------
    InvalidProblem
        For a name that a run does not have, or another number of labels or colours.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_observables(Figure().subplots(), [ode, sgd])
    >>> axes = ode_sgd.plots.plot_observables(Figure().subplots(), [(ode, sgd)], ["R_11", "R_12"])
    """
    entries = entries_of(trajectories)
    written = in_letters if names is not None else in_words
    shown = {name: written(name) for name in _observables(entries, names)}
    told = None if labels is None else _names(entries, labels)[0]
    looks = looks_of(axes, len(shown), ("plot_observables", "names", *KEYWORDS[:2], *KEYWORDS[3:]), colours, None, line)
    plot_components(axes, entries, shown, looks, told)
    set_time(axes, [entries[0][0]], symbols)
    axes.set_ylabel("observables" if names is None else ", ".join(shown.values()))
    legend_of_many(axes, legend, len(shown) * (1 if told is None else len(entries)))
    return axes


def _observables(entries: Sequence[tuple[Run, ...]], given: Sequence[str] | None) -> list[str]:
    """The names of what is drawn; every run has them where they are given."""
    held = [[name for name in runs[0].compared() if name != runs[0].error_name] for runs in entries]
    if given is None:
        return held[0]
    check.sequence("names", given)
    if not given:
        raise InvalidProblem("names is empty; give at least one, or None for all")
    for number, there in enumerate(held):
        for name in given:
            if name not in there:
                which = "" if len(held) == 1 else f" of trajectories[{number}]"
                raise InvalidProblem(f"names has {name!r}; the observables{which} are {cut(', '.join(there))}")
    return list(given)


def in_words(name: str) -> str:
    """The name of an observable in words."""
    return name.replace("_", " ")


def in_letters(name: str) -> str:
    """The name of an observable as it stands in a figure: R_12 as a letter with indices, others in words."""
    letter, _, index = name.partition("_")
    is_indexed = len(letter) == 1 and bool(index) and index.replace(",", "").replace("_", "").isdigit()
    return rf"${letter}_{{{index.replace('_', ',')}}}$" if is_indexed else in_words(name)


def plot_components(
    axes: Axes,
    entries: Sequence[tuple[Run, ...]],
    labels: Mapping[str, str],
    looks: Sequence[Look],
    told: Sequence[str] | None = None,
) -> None:
    """The components of `Run.compared` that have a label, in this order; of every entry in other line styles.

    Where the entries have names (`told`), each has its curves in the legend, else the first one.
    """
    values = [[run.compared() for run in runs] for runs in entries]
    for (name, label), look in zip(labels.items(), looks, strict=True):
        named = False
        for number, runs in enumerate(entries):
            own, full = look.turned(number), label if told is None else f"{label}, {told[number]}"
            named = named and told is None
            for run, held in zip(runs, values[number], strict=True):
                if name in held:
                    draw(axes, run, held[name], own, partner_label(full) if named else full)
                    named = True


def legend_of_many(axes: Axes, legend: Legend, count: int) -> None:
    """A legend of two columns, unless there is nothing to name, or more than can be told apart."""
    if 0 < count <= MOST_NAMES or legend is not True:
        show_legend(axes, legend, ncols=2, **{} if is_paper(axes) else {"fontsize": "small"})


@check.underflow_is_zero
@styled
def plot_local_exponent(
    axes: Axes,
    trajectories: Sequence[Entry],
    width: float = 0.3,
    labels: Sequence[str] | None = None,
    *,
    colours: Any = None,
    styles: Sequence[Style] | None = None,
    legend: Legend = True,
    symbols: bool | None = None,
    **line: Any,
) -> Axes:
    """Local exponent -d ln eps_g / d ln alpha.

    Parameters
    ----------
    axes : matplotlib Axes
    trajectories : sequence of Trajectory or other Run, or of pairs
        The ODE between neighbouring output times, simulations by lines over `width` decades of alpha.
    width : float
    labels, colours, styles, legend, symbols, **line
        As for `plot_error`.
    """
    entries = entries_of(trajectories)
    names = _names(entries, labels)[0] if labels is not None else [_default_label(runs[0]) for runs in entries]
    identity = entries[0][0].problem.identity
    alike = len(entries) > 1 and all(runs[0].problem.identity == identity for runs in entries)
    looks = looks_of(axes, len(entries), ("plot_local_exponent", *KEYWORDS), colours, styles, line, alike)
    steepest = 0.0
    for runs, look, name in zip(entries, looks, names, strict=True):
        for run in runs:
            exact = not run.is_simulation
            exponent = -local_exponent(run, 0.0 if exact else width)
            label = name if run is runs[0] else partner_label(name)
            axes.plot(run.alpha, exponent, color=look.colour, label=label, **(look.line if exact else look.markers))
            known = exponent[np.isfinite(exponent)]
            steepest = max(steepest, float(np.quantile(known, 0.9))) if known.size else steepest
    show_legend(axes, legend)
    axes.set_ylim(-0.1, max(2.0, 1.2 * min(steepest, 10.0)))  # an exponential end would hide everything else
    set_time(axes, [runs[0] for runs in entries], symbols)
    axes.set_ylabel(axis_labels.exponent_label(axes, entries[0][0], symbols))
    return axes


def time_scale(trajectories: Sequence[Run]) -> str:
    """A logarithm, unless there is nothing but alpha = 0."""
    return "log" if any(trajectory.alpha[-1] > 0.0 for trajectory in trajectories) else "linear"


def set_time(axes: Axes, trajectories: Sequence[Run], symbols: bool | None = None) -> None:
    """The axis of time."""
    axes.set(xscale=time_scale(trajectories), xlabel=axis_labels.time_label(axes, trajectories[0], symbols))


def _default_label(trajectory: Run) -> str:
    if not trajectory.is_simulation:
        return trajectory.wording.theory
    size = "" if trajectory.dimension is None else f", $N$ = {trajectory.dimension}"
    return f"{trajectory.wording.simulation}{size}, " + (
        "over replicas" if trajectory.replicas is None else f"{trajectory.replicas} replicas"
    )


def draw(axes: Axes, trajectory: Run, values: Array, look: Look, label: str) -> str:
    """One component of a run: a line, or points with standard errors over replicas; the label that it got."""
    later = slice(1, None) if trajectory.alpha.size > 1 else slice(None)  # alpha = 0 has no place on a log axis
    is_error, values = values is trajectory.error, values[..., later]
    mean = values if trajectory.replicas is None else values.mean(axis=0)
    if is_error:
        mean = np.where(mean > trajectory.resolution, mean, np.nan)
        label = label if label.startswith("_") else label + _left_out(trajectory)
    style: dict[str, Any] = {"zorder": 2, "color": look.colour, "label": label}
    if trajectory.replicas is None:
        axes.plot(trajectory.alpha[later], mean, **style | look.line)
        return label
    count = len(values)
    error = values.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.zeros_like(values[0])
    axes.errorbar(trajectory.alpha[later], mean, error, **style | {"zorder": 3, "linestyle": "none"} | look.points)
    return label


def _left_out(trajectory: Run) -> str:
    """How many values of the error are not drawn, because they would be rounding; empty for none."""
    error = trajectory.error if trajectory.replicas is None else trajectory.error.mean(axis=0)
    below = ~(error[1:] > trajectory.resolution) if error.size > 1 else ~(error > trajectory.resolution)
    if not below.any():
        return ""
    return f"\n({below.sum()} of {below.size} values below {trajectory.resolution:.1g} left out)"
