"""Overlaps of students and teachers: curves against alpha, and matrices at a few times."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ode_sgd.analysis.plots.curves import check_given, plot_components
from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import AnalysisError, InvalidProblem
from ode_sgd.core.run import component
from ode_sgd.teacher_student.findings.specialisation import specialisation
from ode_sgd.teacher_student.trajectory import Trajectory


@check.underflow_is_zero
def plot_overlaps(axes: Axes, trajectories: Sequence[Trajectory]) -> Axes:
    """Distinct entries of Q and R of order one against alpha (logarithmic), ODE as lines, simulations as points."""
    check_given(trajectories)
    for number, trajectory in enumerate(trajectories):
        check.instance(f"trajectories[{number}]", trajectory, Trajectory, InvalidProblem)
    problem = trajectories[0].problem
    K, M = problem.student_units, problem.teacher_units
    entries = [("R", i, n) for i in range(K) for n in range(M)] + [("Q", i, j) for i in range(K) for j in range(i, K)]
    labels = {component(letter, (i, j)): rf"${letter}_{{{i + 1}{j + 1}}}$" for letter, i, j in entries}
    return plot_components(axes, trajectories, labels, "order parameters  $R_{in}$, $Q_{ij}$  (dimensionless)")


@check.underflow_is_zero
def plot_matrices(axes: Sequence[Axes], trajectory: Trajectory, alpha: Sequence[float]) -> Sequence[Axes]:
    """[[Q, R], [R^T, T]] of order one as heat maps at the output times nearest to `alpha`, one Axes each.

    Students come first; teachers in the order in which students follow them at the end. With replicas it is their
    mean.

    Raises
    ------
    AnalysisError
        Unless there are as many Axes as times, at least one.
    """
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    times = check.array("alpha", alpha, "(n,)", 1, AnalysisError)
    axes = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(axes) != times.size or not axes:
        raise AnalysisError(f"{len(axes)} axes for {times.size} times; give one each, at least one")
    mean = trajectory if trajectory.replicas is None else trajectory.mean()
    rows = [int(np.argmin(np.abs(mean.alpha - time))) for time in times]
    matrices = [_fields(mean, row, _teacher_order(mean)) for row in rows]
    scale = max(float(np.abs(matrix).max()) for matrix in matrices)
    K = mean.problem.student_units
    for single, row, matrix in zip(axes, rows, matrices, strict=True):
        image = single.imshow(matrix, cmap="RdBu_r", vmin=-scale, vmax=scale)
        single.set_title(rf"$\alpha$ = {mean.alpha[row]:.4g}", fontsize="medium")
        names = [rf"$x_{{{i + 1}}}$" for i in range(K)] + [rf"$y_{{{n + 1}}}$" for n in _teacher_order(mean)]
        if len(names) <= 12:
            single.set_xticks(range(len(names)), names)
            single.set_yticks(range(len(names)), names)
        single.axhline(K - 0.5, color="black", lw=0.8)
        single.axvline(K - 0.5, color="black", lw=0.8)
        if len(names) <= 6:
            _write_values(single, matrix, scale)
    bar: Any = axes[-1].figure.colorbar(image, ax=list(axes), shrink=0.8)
    bar.set_label("covariance of the fields, $[[Q, R], [R^T, T]]$")
    return axes


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
