"""Figures. Functions take and return Axes, so that they fit into any figure of yours; no pyplot.

`run_figure` and `analysis_figure` draw a run of any model, as the registered model of its name has it; of a Trajectory
they show theory and overlaps besides.
"""

from contextvars import ContextVar
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ode_sgd.analysis.export import export_curves
from ode_sgd.analysis.plots import (
    COLOURS,
    MARKERS,
    STYLES,
    agreement_figure,
    figures,
    paper_figure,
    plot_agreement,
    plot_error,
    plot_level,
    plot_observables,
    plot_plateau,
    plot_power_law,
    save_figure,
    style,
)
from ode_sgd.analysis.plots.look import Legend
from ode_sgd.analysis.plots.marks import draw_references
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.registry import MODELS, find_model, registered
from ode_sgd.core.run import Run, check_run
from ode_sgd.teacher_student.plots import plot_local_exponent, plot_matrices, plot_overlaps

__all__ = [
    "COLOURS",
    "MARKERS",
    "STYLES",
    "agreement_figure",
    "analysis_figure",
    "export_curves",
    "paper_figure",
    "plot_agreement",
    "plot_error",
    "plot_level",
    "plot_local_exponent",
    "plot_matrices",
    "plot_observables",
    "plot_overlaps",
    "plot_plateau",
    "plot_power_law",
    "plot_references",
    "run_figure",
    "save_figure",
    "style",
]

# Models whose own figures are being drawn: these may begin with what is drawn of every run.
_BEING_DRAWN: ContextVar[frozenset[str]] = ContextVar("_BEING_DRAWN", default=frozenset())


@own_keywords
def run_figure(ode: Run | None, sgd: Run | None = None) -> Figure:
    """The error beside the observables, of a Trajectory Q and R: theory, simulation, or both; the plateau shaded.

    Parameters
    ----------
    ode, sgd : Trajectory, another Run, or None
        At least one.

    Examples
    --------
    >>> figure = ode_sgd.plots.run_figure(ode, sgd)
    >>> figure.savefig("run.pdf")
    """
    return _of_its_model(ode, sgd, analysis=False) or figures.run_figure(ode, sgd)


@own_keywords
def analysis_figure(ode: Run | None, sgd: Run | None = None) -> Figure:
    """The error with its plateau, the observables, and the local exponent; of a Trajectory overlap matrices, too.

    The matrices are those of the first run given, at the plateau (or half-way in ln alpha) and at the end; a line
    shows the exponent of theory where there is one.

    Parameters
    ----------
    ode, sgd : Trajectory, another Run, or None
        At least one.

    Examples
    --------
    >>> figure = ode_sgd.plots.analysis_figure(ode, sgd)
    >>> figure.savefig("analysis.png")
    """
    return _of_its_model(ode, sgd, analysis=True) or figures.analysis_figure(ode, sgd)


def plot_references(axes: Axes, run: Run, *, as_exponents: bool = False, legend: Legend = True, **line: Any) -> Axes:
    """What theory says of a run, over its curve: the heights of plateau and floor, and the power law in its window.

    Parameters
    ----------
    axes : matplotlib Axes
        With the run's curve, as `plot_error` draws it.
    run : Trajectory or other Run
        Of a registered model; of others theory says nothing.
    as_exponents : bool
        Whether the axes are those of `plot_local_exponent`: then only exponents are drawn, as levels.
    legend : bool or dict
        As for `plot_error`.
    **line
        Keywords of matplotlib's lines.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_error(Figure().subplots(), [ode])
    >>> axes = ode_sgd.plots.plot_references(axes, ode)
    """
    check_run("run", run)
    known = run.model in registered() or run.model in MODELS
    references = find_model(run.model).references(run) if known else ()
    return draw_references(axes, run, references, as_exponents=as_exponents, legend=legend, **line)


def _of_its_model(ode: Run | None, sgd: Run | None, *, analysis: bool) -> Figure | None:
    """The figure that the registered model of the first run has, if any."""
    first, under_way = sgd if ode is None else ode, _BEING_DRAWN.get()
    name = first.model if isinstance(first, Run) else ""
    if not name or name in under_way or not (name in MODELS or name in registered()):
        return None
    mark = _BEING_DRAWN.set(under_way | {name})
    try:
        return find_model(name).figure(ode, sgd, analysis=analysis)
    finally:
        _BEING_DRAWN.reset(mark)
