"""Curves against alpha: theory as a line, simulation as markers with standard errors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ode_sgd.analysis.power_law import local_exponent
from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.theory.power_laws import asymptotic_exponent
from ode_sgd.teacher_student.trajectory import Trajectory

# Okabe & Ito: distinct for colour-blind eyes; line styles and markers carry the same distinction in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
STYLES = ("-", "--", "-.", ":")
ALPHA_LABEL = r"time  $\alpha$ = steps / $N$  (dimensionless)"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@check.underflow_is_zero
def plot_error(axes: Axes, trajectories: Sequence[Trajectory], labels: Sequence[str] | None = None) -> Axes:
    """Generalization error against alpha, both logarithmic; the ODE as lines, simulations as points.

    Parameters
    ----------
    axes : matplotlib Axes
    trajectories : sequence of Trajectory
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
        _draw(axes, trajectory, "generalization_error", (), 0 if beside else number, label)
    drawn = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    axes.set(xscale=time_scale(trajectories), xlabel=ALPHA_LABEL)
    axes.set(yscale="log" if (drawn > 0.0).any() else "linear")  # nothing above its rounding: no logarithm either
    axes.set_ylabel(r"generalization error  $\epsilon_g$  (dimensionless)")
    axes.legend(frameon=False)
    return axes


@check.underflow_is_zero
def plot_overlaps(axes: Axes, trajectories: Sequence[Trajectory]) -> Axes:
    """Distinct entries of Q and R of order one against alpha (logarithmic), ODE as lines, simulations as points.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_overlaps(Figure().subplots(), [ode, sgd])
    """
    check_given(trajectories)
    problem = trajectories[0].problem
    K, M = problem.student_units, problem.teacher_units
    entries = [("R", i, n) for i in range(K) for n in range(M)] + [("Q", i, j) for i in range(K) for j in range(i, K)]
    for number, (letter, i, j) in enumerate(entries):
        for trajectory in trajectories:
            label = rf"${letter}_{{{i + 1}{j + 1}}}$" if trajectory is trajectories[0] else None
            _draw(axes, trajectory, letter, (i, j), number, label)
    axes.set(xscale=time_scale(trajectories), xlabel=ALPHA_LABEL)
    axes.set_ylabel("order parameters  $R_{in}$, $Q_{ij}$  (dimensionless)")
    if len(entries) <= 16:  # more names than that hide the curves
        axes.legend(frameon=False, ncols=2, fontsize="small")
    return axes


@check.underflow_is_zero
def plot_local_exponent(axes: Axes, trajectories: Sequence[Trajectory], width: float = 0.3) -> Axes:
    """Local exponent -d ln eps_g / d ln alpha, and as a line across its window the theory's, where there is one.

    Parameters
    ----------
    axes : matplotlib Axes
    trajectories : sequence of Trajectory
        The ODE between neighbouring output times, simulations by lines over `width` decades of alpha.
    width : float

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_local_exponent(Figure().subplots(), [ode])
    """
    check_given(trajectories)
    steepest = 0.0
    for number, trajectory in enumerate(trajectories):
        exact = trajectory.dimension is None
        exponent = -local_exponent(trajectory, 0.0 if exact else width)
        beside = number > 0 and trajectory.problem.identity == trajectories[0].problem.identity  # SGD of that ODE
        colour = COLOURS[0 if beside else number % len(COLOURS)]
        style = STYLES[number % len(STYLES)] if exact else MARKERS[number % len(MARKERS)]
        axes.plot(
            trajectory.alpha, exponent, style, color=colour, ms=3.5, mfc="white", label=_default_label(trajectory)
        )
        known = exponent[np.isfinite(exponent)]
        steepest = max(steepest, float(np.quantile(known, 0.9))) if known.size else steepest
    law = asymptotic_exponent(trajectories[0].problem)
    if law is not None:
        name = rf"$\beta/(1+\beta)$ = {law.exponent:.3g}"
        axes.plot(law.window, [law.exponent] * 2, color="black", lw=3.0, alpha=0.35, label=name)
    axes.legend(frameon=False)
    # An exponential end would hide everything else.
    highest = max(1.0, 3.0 * law.exponent) if law is not None else max(2.0, 1.2 * min(steepest, 10.0))
    axes.set_ylim(-0.1, highest)
    axes.set(xscale=time_scale(trajectories), xlabel=ALPHA_LABEL)
    axes.set_ylabel(r"local exponent  $-d\,\ln\epsilon_g/d\,\ln\alpha$  (dimensionless)")
    return axes


def check_given(trajectories: Sequence[Trajectory]) -> None:
    check.sequence("trajectories", trajectories)
    if not trajectories:
        raise InvalidProblem("nothing to plot; give at least one trajectory")
    for number, trajectory in enumerate(trajectories):
        check.instance(f"trajectories[{number}]", trajectory, Trajectory)


def time_scale(trajectories: Sequence[Trajectory]) -> str:
    """A logarithm, unless there is nothing but alpha = 0."""
    return "log" if any(trajectory.alpha[-1] > 0.0 for trajectory in trajectories) else "linear"


def _default_label(trajectory: Trajectory) -> str:
    if trajectory.dimension is None:
        return "ODE"
    if trajectory.replicas is None:
        return f"SGD, $N$ = {trajectory.dimension}, over replicas"
    return f"SGD, $N$ = {trajectory.dimension}, {trajectory.replicas} replicas"


def _draw(
    axes: Axes, trajectory: Trajectory, name: str, entry: tuple[int, ...], number: int, label: str | None
) -> None:
    """One quantity of one trajectory: a line, or points with standard errors over replicas."""
    later = slice(1, None) if trajectory.alpha.size > 1 else slice(None)  # alpha = 0 has no place on a log axis
    values: Array = getattr(trajectory, name)[(..., later, *entry)]
    colour, turn = COLOURS[number % len(COLOURS)], number // len(COLOURS)  # colours again, in other styles
    mean = values if trajectory.replicas is None else values.mean(axis=0)
    if name == "generalization_error":
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


def _resolved(error: Array, trajectory: Trajectory, label: str | None) -> tuple[Array, str | None]:
    """eps_g (n,) with NaN where it would be rounding, and a label that says how many values are left out."""
    below = ~(error > trajectory.resolution)
    if label is not None and below.any():
        label += f"\n({below.sum()} of {below.size} values below {trajectory.resolution:.1g} left out)"
    return np.where(below, np.nan, error), label
