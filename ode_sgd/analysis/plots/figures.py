"""Whole figures, and writing them."""

import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from ode_sgd.analysis.agreement import Agreement
from ode_sgd.analysis.drawing import drawing
from ode_sgd.analysis.plateau import FEWEST_TIMES, find_plateau
from ode_sgd.analysis.plots.curves import plot_error, plot_local_exponent, plot_observables
from ode_sgd.analysis.plots.marks import plot_agreement, plot_plateau
from ode_sgd.analysis.plots.paper import TRUETYPE, PaperFigure
from ode_sgd.analysis.written import write_whole
from ode_sgd.core import check
from ode_sgd.core.errors import AnalysisError, InvalidProblem, StorageError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.run import Identified, Run, check_run

DPI = 150.0
METADATA = {".png": "Description", ".pdf": "Subject", ".svg": "Description", ".pgf": None}
UNDATED: dict[str, dict[str, str | None]] = {".svg": {"Date": None}}  # the same figure is the same file


@check.underflow_is_zero
def run_figure(ode: Run | None, sgd: Run | None = None) -> Figure:
    """The error beside the observables of one run: theory, simulation, or both; the plateau shaded where there is one.

    Parameters
    ----------
    ode, sgd : Trajectory, another Run, or None
        At least one.
    """
    runs = given(ode, sgd)
    figure, (left, right) = side_by_side()
    _error_with_plateau(left, runs)
    plot_observables(right, runs)
    figure.suptitle(runs[0].headline(), fontsize="medium")
    return figure


@check.underflow_is_zero
def analysis_figure(ode: Run | None, sgd: Run | None = None) -> Figure:
    """Three panels: the error with its plateau, the observables, and the local exponent.

    Parameters
    ----------
    ode, sgd : Trajectory, another Run, or None
        At least one.
    """
    runs = given(ode, sgd)
    figure, panels = four_panels()
    _error_with_plateau(figure.add_subplot(panels[0, 0]), runs)
    plot_observables(figure.add_subplot(panels[0, 1]), runs)
    plot_local_exponent(figure.add_subplot(panels[1, 0]), runs)
    figure.suptitle(runs[0].headline(), fontsize="medium")
    return figure


@own_keywords
@check.underflow_is_zero
def agreement_figure(agreement: Agreement) -> Figure:
    """The z-scores of a comparison, and beside them those at N -> infinity where several N were compared.

    Examples
    --------
    >>> figure = ode_sgd.plots.agreement_figure(ode_sgd.compare(ode, sgd))
    >>> figure.savefig("z.png")
    """
    check.instance("agreement", agreement, Agreement, AnalysisError)
    limit = agreement.extrapolation
    several = limit is not None
    figure = Figure(figsize=(10.0 if several else 6.4, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2 if several else 1, squeeze=False)[0]
    plot_agreement(panels[0], agreement)
    if limit is not None:
        plot_agreement(panels[1], limit)
        panels[0].set_title(f"$N$ = {agreement.dimension}", loc="right", fontsize="medium")
        panels[1].set_title(r"$N \to \infty$", loc="right", fontsize="medium")
    return figure


@own_keywords
@check.underflow_is_zero
def save_figure(figure: Figure, path: str | Path, problem: Identified, *, dpi: float | None = None) -> Path:
    """Write a figure as PNG, PDF, SVG or PGF (by suffix), the problem's identity in its metadata.

    The file appears whole or not at all; what a symbolic link points to is replaced. Text in a PDF is in TrueType
    fonts. PGF, drawn by LaTeX in the fonts of the document, needs TeX here as well: matplotlib asks it how long texts
    are.

    Parameters
    ----------
    figure : matplotlib Figure
    path : path-like
    problem : Problem, or another object with an identity
    dpi : float or None
        Of a PNG; None: matplotlib's `savefig.dpi`, in figures of `paper_figure` as of their style, else 150.

    Raises
    ------
    StorageError
        For another suffix, a folder that cannot be written, PGF where there is no TeX, or whatever matplotlib fails at.

    Examples
    --------
    >>> ode_sgd.plots.save_figure(ode_sgd.plots.run_figure(ode, sgd), "run.png", problem).name
    'run.png'
    """
    return write_figure(figure, path, f"ode_sgd problem {problem.identity}", dpi)


def write_figure(figure: Figure, path: str | Path, description: str, dpi: float | None = None) -> Path:
    """Write a figure as `save_figure` does, with any text in its metadata."""
    path = check.path("path", path)
    ending = path.suffix.lower()
    if ending not in METADATA:
        *most, last = METADATA
        raise StorageError(f"{path}: a figure ends in {', '.join(most)} or {last}, not in {path.suffix!r}")
    if ending == ".pgf":
        _require_tex(path)
    memory = io.BytesIO()
    dpi = _resolution(figure) if dpi is None else check.number("dpi", dpi, above=0.0)
    key = METADATA[ending]
    metadata: Any = {"metadata": {key: description, **UNDATED.get(ending, {})}} if key else {}
    with drawing(path), mpl.rc_context({**TRUETYPE, "svg.hashsalt": description}):
        figure.savefig(memory, format=ending[1:], dpi=dpi, **metadata)
    if ending == ".pgf":
        memory.write(f"% {description}\n".encode())
    write_whole(path, memory.getbuffer(), "the figure")
    return path


def _require_tex(path: Path) -> None:
    """StorageError where the program is not there that matplotlib measures text with for PGF."""
    program = str(mpl.rcParams["pgf.texsystem"])
    if shutil.which(program) is None:
        raise StorageError(
            f"{path}: PGF needs {program}, which matplotlib measures text with, and it is not found; install TeX, name "
            'another one in rcParams["pgf.texsystem"], or write .pdf, whose text is text as well'
        )


def _resolution(figure: Figure) -> float:
    """Dots per inch of a PNG for which none are given."""
    chosen = figure.sheet["savefig.dpi"] if isinstance(figure, PaperFigure) else mpl.rcParams["savefig.dpi"]
    return DPI if chosen == "figure" else float(chosen)


def given(ode: Run | None, sgd: Run | None) -> list[Run]:
    """The runs to draw, theory first."""
    runs = [run for run in (ode, sgd) if run is not None]
    if not runs:
        raise InvalidProblem("nothing to plot; give a run of theory, a simulation, or both")
    for run in runs:
        check_run("a run to plot", run)
    return runs


def side_by_side() -> tuple[Figure, tuple[Axes, Axes]]:
    """A figure with two panels; margins by hand, for the layout engines draw everything several times."""
    figure = Figure(figsize=(10.0, 4.2))
    figure.subplots_adjust(left=0.1, right=0.98, bottom=0.14, top=0.92, wspace=0.28)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    return figure, (left, right)


def four_panels() -> tuple[Figure, GridSpec]:
    """A figure with places for two by two panels."""
    figure = Figure(figsize=(10.0, 8.4))
    figure.subplots_adjust(left=0.1, right=0.97, bottom=0.07, top=0.95, wspace=0.28, hspace=0.24)
    FigureCanvasAgg(figure)
    return figure, figure.add_gridspec(2, 2)


def _error_with_plateau(axes: Axes, runs: Sequence[Run]) -> None:
    """The error; the plateau of the first run."""
    plot_error(axes, runs)
    plateau = find_plateau(runs[0]) if runs[0].alpha.size >= FEWEST_TIMES else None
    if plateau is not None:
        plot_plateau(axes, plateau)
