"""Curves against alpha: theory as a line, simulation as markers with standard errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ode_sgd.analysis.power_law import local_exponent
from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.run import Run, check_run

# Okabe & Ito: distinct for colour-blind eyes; line styles and markers carry the same distinction in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
STYLES = ("-", "--", "-.", ":")
MOST_NAMES = 16  # in a legend; more hide the curves
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@check.underflow_is_zero
def plot_error(axes: Axes, trajectories: Sequence[Run], labels: Sequence[str] | None = None) -> Axes:
    """The error against time, both logarithmic; the ODE as lines, simulations as points.

    Parameters
    ----------
    axes : matplotlib Axes
    trajectories : sequence of Trajectory or other Run
    labels : sequence of str or None
        One each; None names the method.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_error(Figure().subplots(), [ode, sgd], ["ODE", "SGD"])
    """
    check_given(trajectories)
    if labels is not None and len(labels) != len(trajectories):
        raise InvalidProblem(f"{len(labels)} labels for {len(trajectories)} trajectories; give one each")
    alike = [_default_label(trajectory) for trajectory in trajectories]
    beside = labels is None and len(set(alike)) == len(alike)  # theory and simulation of one thing: one colour
    for number, trajectory in enumerate(trajectories):
        label = labels[number] if labels else alike[number] if beside else f"{alike[number]} ({number + 1})"
        draw(axes, trajectory, trajectory.error, 0 if beside else number, label)
    drawn = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    set_time(axes, trajectories)
    axes.set(yscale="log" if (drawn > 0.0).any() else "linear")  # nothing above its rounding: no logarithm either
    axes.set_ylabel(trajectories[0].words().error_label)
    axes.legend(frameon=False)
    return axes


@check.underflow_is_zero
def plot_observables(axes: Axes, trajectories: Sequence[Run]) -> Axes:
    """Everything that is compared of two runs, except for the error, against time (logarithmic).

    Parameters
    ----------
    axes : matplotlib Axes
    trajectories : sequence of Trajectory or other Run
        Of one problem; the ODE as lines, simulations as points.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_observables(Figure().subplots(), [ode, sgd])
    """
    check_given(trajectories)
    first = trajectories[0]
    names = [name for name in first.compared() if name != first.error_name]
    return plot_components(axes, trajectories, {name: name.replace("_", " ") for name in names}, "observables")


def plot_components(axes: Axes, trajectories: Sequence[Run], labels: Mapping[str, str], ylabel: str) -> Axes:
    """The components of `Run.compared` that have a label, in this order."""
    values = [trajectory.compared() for trajectory in trajectories]
    for number, (name, label) in enumerate(labels.items()):
        for trajectory, own in zip(trajectories, values, strict=True):
            if name in own:
                draw(axes, trajectory, own[name], number, label if trajectory is trajectories[0] else None)
    set_time(axes, trajectories)
    axes.set_ylabel(ylabel)
    if labels and len(labels) <= MOST_NAMES:
        axes.legend(frameon=False, ncols=2, fontsize="small")
    return axes


@check.underflow_is_zero
def plot_local_exponent(axes: Axes, trajectories: Sequence[Run], width: float = 0.3) -> Axes:
    """Local exponent -d ln eps_g / d ln alpha.

    Parameters
    ----------
    axes : matplotlib Axes
    trajectories : sequence of Trajectory or other Run
        The ODE between neighbouring output times, simulations by lines over `width` decades of alpha.
    width : float
    """
    check_given(trajectories)
    steepest = 0.0
    for number, trajectory in enumerate(trajectories):
        exact = not trajectory.is_simulation
        exponent = -local_exponent(trajectory, 0.0 if exact else width)
        beside = number > 0 and trajectory.problem.identity == trajectories[0].problem.identity  # SGD of that ODE
        colour = COLOURS[0 if beside else number % len(COLOURS)]
        style = STYLES[number % len(STYLES)] if exact else MARKERS[number % len(MARKERS)]
        axes.plot(
            trajectory.alpha, exponent, style, color=colour, ms=3.5, mfc="white", label=_default_label(trajectory)
        )
        known = exponent[np.isfinite(exponent)]
        steepest = max(steepest, float(np.quantile(known, 0.9))) if known.size else steepest
    axes.legend(frameon=False)
    axes.set_ylim(-0.1, max(2.0, 1.2 * min(steepest, 10.0)))  # an exponential end would hide everything else
    set_time(axes, trajectories)
    axes.set_ylabel(_exponent_label(trajectories[0]))
    return axes


def _exponent_label(trajectory: Run) -> str:
    symbols = trajectory.words().symbols
    error, time = (symbols.get(name, "").strip("$") for name in (trajectory.error_name, trajectory.time_name))
    if error and time:
        return rf"local exponent  $-d\,\ln{error}/d\,\ln{time}$  (dimensionless)"
    return f"local exponent  -d ln {trajectory.error_name} / d ln {trajectory.time_name}  (dimensionless)"


def check_given(trajectories: Sequence[Run]) -> None:
    check.sequence("trajectories", trajectories)
    if not trajectories:
        raise InvalidProblem("nothing to plot; give at least one trajectory")
    for number, trajectory in enumerate(trajectories):
        check_run(f"trajectories[{number}]", trajectory)


def time_scale(trajectories: Sequence[Run]) -> str:
    """A logarithm, unless there is nothing but alpha = 0."""
    return "log" if any(trajectory.alpha[-1] > 0.0 for trajectory in trajectories) else "linear"


def set_time(axes: Axes, trajectories: Sequence[Run]) -> None:
    """The axis of time."""
    axes.set(xscale=time_scale(trajectories), xlabel=trajectories[0].words().time_label)


def _default_label(trajectory: Run) -> str:
    if not trajectory.is_simulation:
        return trajectory.wording.theory
    size = "" if trajectory.dimension is None else f", $N$ = {trajectory.dimension}"
    return f"{trajectory.wording.simulation}{size}, " + (
        "over replicas" if trajectory.replicas is None else f"{trajectory.replicas} replicas"
    )


def draw(axes: Axes, trajectory: Run, values: Array, number: int, label: str | None) -> None:
    """One component of a run: a line, or points with standard errors over replicas."""
    later = slice(1, None) if trajectory.alpha.size > 1 else slice(None)  # alpha = 0 has no place on a log axis
    is_error, values = values is trajectory.error, values[..., later]
    colour, turn = COLOURS[number % len(COLOURS)], number // len(COLOURS)  # colours again, in other styles
    mean = values if trajectory.replicas is None else values.mean(axis=0)
    if is_error:
        mean, label = _resolved(mean, trajectory, label)
    style: dict[str, Any] = {"color": colour, "label": label, "zorder": 2}
    if trajectory.replicas is None:
        axes.plot(trajectory.alpha[later], mean, STYLES[(number + turn) % len(STYLES)], **style)
        return
    count = len(values)
    error = values.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.zeros_like(values[0])
    marker = MARKERS[(number + turn) % len(MARKERS)]
    axes.errorbar(
        trajectory.alpha[later],
        mean,
        error,
        fmt=marker,
        ms=3.5,
        mfc="white",
        lw=0.9,
        **style | {"zorder": 3},
    )


def _resolved(error: Array, trajectory: Run, label: str | None) -> tuple[Array, str | None]:
    """eps_g (n,) with NaN where it would be rounding, and a label that says how many values are left out."""
    below = ~(error > trajectory.resolution)
    if label is not None and below.any():
        label += f"\n({below.sum()} of {below.size} values below {trajectory.resolution:.1g} left out)"
    return np.where(below, np.nan, error), label
