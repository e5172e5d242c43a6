"""Figures of teacher-student runs: overlaps, matrices of them, and theory's lines over what every run has."""

from ode_sgd.teacher_student.plots.exponent import plot_local_exponent
from ode_sgd.teacher_student.plots.figures import analysis_figure, run_figure
from ode_sgd.teacher_student.plots.overlaps import plot_matrices, plot_overlaps

__all__ = ["analysis_figure", "plot_local_exponent", "plot_matrices", "plot_overlaps", "run_figure"]
