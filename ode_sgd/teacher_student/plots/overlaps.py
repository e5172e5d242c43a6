"""Overlaps of students and teachers: curves against alpha, and matrices at a few times."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from ode_sgd.analysis.plots.axis_labels import are_symbols
from ode_sgd.analysis.plots.curves import in_letters, legend_of_many, plot_components, set_time
from ode_sgd.analysis.plots.look import Entry, Legend, entries_of, image_keywords, looks_of
from ode_sgd.analysis.plots.paper import is_paper, sheet_of, styled
from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import AnalysisError, InvalidProblem
from ode_sgd.core.given import shown
from ode_sgd.core.run import component
from ode_sgd.teacher_student.findings.specialisation import specialisation
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.trajectory import Trajectory


@check.underflow_is_zero
@styled
def plot_overlaps(
    axes: Axes,
    trajectories: Sequence[Entry],
    entries: Sequence[tuple[str, int, int]] | None = None,
    *,
    colours: Any = None,
    legend: Legend = True,
    symbols: bool | None = None,
    **line: Any,
) -> Axes:
    """Distinct entries of Q and R of order one against alpha (logarithmic), ODE as lines, simulations as points.

    Parameters
    ----------
    axes : matplotlib Axes
    trajectories : sequence of Trajectory, or of pairs
        Of one K and M; the second one has its lines in the next style.
    entries : sequence of (str, int, int) or None
        Which ones, such as [("R", 0, 0), ("Q", 0, 1)], counted from 0; None: all.
    colours, legend, symbols, **line
        As for `plot_error`; colours one for every entry.

    Raises
    ------
    InvalidProblem
        For what is no trajectory, or an entry that they do not have.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_overlaps(Figure().subplots(), [ode, sgd])
    >>> axes = ode_sgd.plots.plot_overlaps(Figure().subplots(), [(ode, sgd)], [("R", 0, 0), ("R", 0, 1)])
    """
    drawn = entries_of(trajectories)
    for number, runs in enumerate(drawn):
        for run in runs:
            check.instance(f"trajectories[{number}]", run, Trajectory, InvalidProblem)
    problem: Problem = drawn[0][0].problem  # type: ignore[assignment]  # of trajectories
    wanted = _entries(entries, problem.student_units, problem.teacher_units)
    labels = {name: in_letters(name) for name in (component(letter, (i, j)) for letter, i, j in wanted)}
    names = ("plot_overlaps", "entries", "colours", "legend", "symbols")
    plot_components(axes, drawn, labels, looks_of(axes, len(labels), names, colours, None, line))
    set_time(axes, [runs[0] for runs in drawn], symbols)
    letters = [letter for letter in ("R", "Q") if any(entry[0] == letter for entry in wanted)]
    names_of = ", ".join({"R": "$R_{in}$", "Q": "$Q_{ij}$"}[letter] for letter in letters)
    axes.set_ylabel(names_of if are_symbols(axes, symbols) else f"order parameters  {names_of}  (dimensionless)")
    legend_of_many(axes, legend, len(labels))
    return axes


def _entries(given: Any, K: int, M: int) -> list[tuple[str, int, int]]:
    """The entries of R and Q that are asked for, or all distinct ones."""
    if given is None:
        pairs = [("Q", i, j) for i in range(K) for j in range(i, K)]
        return [("R", i, n) for i in range(K) for n in range(M)] + pairs
    check.sequence("entries", given)
    for entry in given:
        there = isinstance(entry, tuple | list) and len(entry) == 3 and entry[0] in ("Q", "R")
        sizes = (K, M if there and entry[0] == "R" else K)
        if not (there and all(isinstance(n, int) and 0 <= n < size for n, size in zip(entry[1:], sizes, strict=True))):
            raise InvalidProblem(
                f"entries has {shown(entry)}; with K = {K} and M = {M} give entries such as ('R', 0, 0) to "
                f"('R', {K - 1}, {M - 1}) and ('Q', 0, 0) to ('Q', {K - 1}, {K - 1})"
            )
    if not given:
        raise InvalidProblem("entries is empty; give at least one, or None for all")
    return [(letter, min(i, j), max(i, j)) if letter == "Q" else (letter, i, j) for letter, i, j in given]


@check.underflow_is_zero
def plot_matrices(
    axes: Sequence[Axes], trajectory: Trajectory, alpha: Sequence[float], *, values: bool = True, **image: Any
) -> Sequence[Axes]:
    """[[Q, R], [R^T, T]] of order one as heat maps at the output times nearest to `alpha`, one Axes each.

    Students come first; teachers in the order in which students follow them at the end. With replicas it is their
    mean.

    Parameters
    ----------
    axes : sequence of matplotlib Axes
    trajectory : Trajectory
    alpha : sequence of float
    values : bool
        Whether the numbers stand in the maps, where there are few.
    **image
        Keywords of `Axes.imshow`, such as `cmap`.

    Raises
    ------
    AnalysisError
        Unless there are as many Axes as times, at least one.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_matrices(Figure().subplots(1, 2), ode, [50.0, 240.0])
    """
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    image = image_keywords("plot_matrices", ("values",), image)
    times = check.array("alpha", alpha, "(n,)", 1, AnalysisError)
    axes = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(axes) != times.size or not axes:
        raise AnalysisError(f"{len(axes)} axes for {times.size} times; give one each, at least one")
    with mpl.rc_context(sheet_of(axes[0])):
        _draw_matrices(axes, trajectory, times, values, image)
    return axes


def _draw_matrices(axes: list[Any], trajectory: Trajectory, times: Array, values: bool, image: dict[str, Any]) -> None:
    """The maps, and one bar of colours for all."""
    mean = trajectory if trajectory.replicas is None else trajectory.mean()
    rows = [int(np.argmin(np.abs(mean.alpha - time))) for time in times]
    matrices = [_fields(mean, row, _teacher_order(mean)) for row in rows]
    scale = max(float(np.abs(matrix).max()) for matrix in matrices)
    K = mean.problem.student_units
    style: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -scale, "vmax": scale} | image
    for single, row, matrix in zip(axes, rows, matrices, strict=True):
        drawn = single.imshow(matrix, **style)
        single.set_title(rf"$\alpha$ = {mean.alpha[row]:.4g}", fontsize="medium")
        names = [rf"$x_{{{i + 1}}}$" for i in range(K)] + [rf"$y_{{{n + 1}}}$" for n in _teacher_order(mean)]
        if len(names) <= 12:
            single.set_xticks(range(len(names)), names)
            single.set_yticks(range(len(names)), names)
        single.axhline(K - 0.5, color="black", lw=0.8)
        single.axvline(K - 0.5, color="black", lw=0.8)
        if len(names) <= 6 and values:
            _write_values(single, matrix, scale)
    bar: Any = axes[-1].figure.colorbar(drawn, ax=list(axes), shrink=0.8)
    blocks = "$[[Q, R], [R^T, T]]$"
    bar.set_label(blocks if is_paper(axes[0]) else f"covariance of the fields, {blocks}")


def _teacher_order(trajectory: Trajectory) -> list[int]:
    """Teachers as they are followed, then the others."""
    followed = [int(n) for n in specialisation(trajectory).teacher if n >= 0]
    rest = range(trajectory.problem.teacher_units)
    return list(dict.fromkeys([*followed, *rest]))


def _fields(trajectory: Trajectory, row: int, order: list[int]) -> Array:
    Q, R, T = trajectory.Q[row], trajectory.R[row][:, order], trajectory.T[np.ix_(order, order)]
    return np.block([[Q, R], [R.T, T]])


def _write_values(axes: Axes, matrix: Array, scale: float) -> None:
    for (i, j), value in np.ndenumerate(matrix):
        colour = "white" if abs(value) > 0.6 * scale else "black"
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize="x-small", color=colour)
