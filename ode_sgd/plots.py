"""Figures. Functions take and return Axes, so that they fit into any figure of yours; no pyplot.

`run_figure` and `analysis_figure` draw a run of any model; of a Trajectory they show theory and overlaps besides.
"""

from matplotlib.figure import Figure

from ode_sgd.analysis.plots import (
    COLOURS,
    MARKERS,
    STYLES,
    agreement_figure,
    figures,
    plot_agreement,
    plot_error,
    plot_observables,
    plot_plateau,
    save_figure,
)
from ode_sgd.core.run import Run
from ode_sgd.teacher_student.plots import figures as student_figures
from ode_sgd.teacher_student.plots import plot_local_exponent, plot_matrices, plot_overlaps
from ode_sgd.teacher_student.trajectory import Trajectory

__all__ = [
    "COLOURS",
    "MARKERS",
    "STYLES",
    "agreement_figure",
    "analysis_figure",
    "plot_agreement",
    "plot_error",
    "plot_local_exponent",
    "plot_matrices",
    "plot_observables",
    "plot_overlaps",
    "plot_plateau",
    "run_figure",
    "save_figure",
]


def run_figure(ode: Run | None, sgd: Run | None = None) -> Figure:
    """The error beside the observables, of a Trajectory Q and R: theory, simulation, or both; the plateau shaded.

    Parameters
    ----------
    ode, sgd : Trajectory, another Run, or None
        At least one.
    """
    if isinstance(ode or sgd, Trajectory):
        return student_figures.run_figure(ode, sgd)  # type: ignore[arg-type]
    return figures.run_figure(ode, sgd)


def analysis_figure(ode: Run | None, sgd: Run | None = None) -> Figure:
    """The error with its plateau, the observables, and the local exponent; of a Trajectory overlap matrices, too.

    The matrices are those of the first run given, at the plateau (or half-way in ln alpha) and at the end; a line
    shows the exponent of theory where there is one.

    Parameters
    ----------
    ode, sgd : Trajectory, another Run, or None
        At least one.
    """
    if isinstance(ode or sgd, Trajectory):
        return student_figures.analysis_figure(ode, sgd)  # type: ignore[arg-type]
    return figures.analysis_figure(ode, sgd)
