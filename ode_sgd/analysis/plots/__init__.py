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
from ode_sgd.analysis.plots.marks import plot_agreement, plot_plateau

__all__ = [
    "COLOURS",
    "MARKERS",
    "STYLES",
    "agreement_figure",
    "analysis_figure",
    "plot_agreement",
    "plot_error",
    "plot_local_exponent",
    "plot_observables",
    "plot_plateau",
    "run_figure",
    "save_figure",
]
