"""Whole figures of teacher-student runs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ode_sgd.analysis.plateau import Plateau
from ode_sgd.analysis.plots.curves import plot_error
from ode_sgd.analysis.plots.figures import four_panels, given, side_by_side
from ode_sgd.analysis.plots.marks import plot_plateau
from ode_sgd.core import check
from ode_sgd.teacher_student.findings.findings import plateau_and_height
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.plots.exponent import plot_local_exponent
from ode_sgd.teacher_student.plots.overlaps import plot_matrices, plot_overlaps
from ode_sgd.teacher_student.trajectory import Trajectory


@check.underflow_is_zero
def run_figure(ode: Trajectory | None, sgd: Trajectory | None = None) -> Figure:
    """eps_g beside Q and R for one run: the ODE, the simulation, or both; the plateau shaded where there is one."""
    trajectories = _given(ode, sgd)
    figure, (left, right) = side_by_side()
    _error_with_plateau(left, trajectories)
    plot_overlaps(right, trajectories)
    _title(figure, trajectories[0].problem)
    return figure


@check.underflow_is_zero
def analysis_figure(ode: Trajectory | None, sgd: Trajectory | None = None) -> Figure:
    """Four panels: eps_g with its plateau, Q and R, the local exponent with the theory's, and overlap matrices.

    The matrices are those of the first run given, at the plateau (or half-way in ln alpha) and at the end.
    """
    trajectories = _given(ode, sgd)
    figure, panels = four_panels()
    plateau = _error_with_plateau(figure.add_subplot(panels[0, 0]), trajectories)
    plot_overlaps(figure.add_subplot(panels[0, 1]), trajectories)
    plot_local_exponent(figure.add_subplot(panels[1, 0]), trajectories)
    inner = panels[1, 1].subgridspec(1, 2, wspace=0.3)
    alpha = trajectories[0].alpha
    middle = 0.5 * (plateau.start + plateau.end) if plateau else np.sqrt(alpha[min(1, alpha.size - 1)] * alpha[-1])
    plot_matrices([figure.add_subplot(inner[0, n]) for n in range(2)], trajectories[0], [float(middle), alpha[-1]])
    _title(figure, trajectories[0].problem)
    return figure


def _given(ode: Trajectory | None, sgd: Trajectory | None) -> list[Trajectory]:
    runs = given(ode, sgd)
    for run in runs:
        check.instance("a run to plot", run, Trajectory)
    return [run for run in runs if isinstance(run, Trajectory)]


def _error_with_plateau(axes: Axes, trajectories: Sequence[Trajectory]) -> Plateau | None:
    """eps_g; the plateau of the first run, and the height that theory gives for it."""
    plot_error(axes, trajectories)
    plateau, height = plateau_and_height(trajectories[0])
    if plateau is not None:
        plot_plateau(axes, plateau, height)
    return plateau


def _title(figure: Figure, problem: Problem) -> None:
    """What a problem has, and of what it may do without only what it does have."""
    named = [
        str(problem.activation) if problem.rule is None else "",
        f"$K$ = {problem.student_units}",
        f"$M$ = {problem.teacher_units}",
        f"$L$ = {problem.spectrum.distinct}",
        rf"$\eta$ = {problem.learning_rate:g}",
        rf"$\sigma$ = {problem.label_noise:g}" if problem.label_noise else "",
        problem.update_rule.added_terms.replace("_", " "),
        "" if problem.update_rule.has_steps else "gradient flow",
        "" if problem.trainable is None else f"{problem.trainable} sectors learn",
    ]
    figure.suptitle(", ".join(entry for entry in named if entry), fontsize="medium")
