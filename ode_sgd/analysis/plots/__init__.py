"""Figures of any run. Functions take and return Axes, so that they fit into any figure of yours; no pyplot."""

from ode_sgd.analysis.plots.curves import (
    COLOURS,
    MARKERS,
    STYLES,
    plot_error,
    plot_local_exponent,
    plot_observables,
)
from ode_sgd.analysis.plots.figures import agreement_figure, analysis_figure, run_figure, save_figure
from ode_sgd.analysis.plots.marks import plot_agreement, plot_level, plot_plateau, plot_power_law
from ode_sgd.analysis.plots.paper import PaperFigure, paper_figure, style

__all__ = [
    "COLOURS",
    "MARKERS",
    "STYLES",
    "PaperFigure",
    "agreement_figure",
    "analysis_figure",
    "paper_figure",
    "plot_agreement",
    "plot_error",
    "plot_level",
    "plot_local_exponent",
    "plot_observables",
    "plot_plateau",
    "plot_power_law",
    "run_figure",
    "save_figure",
    "style",
]
