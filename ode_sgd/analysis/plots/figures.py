"""Whole figures, and writing them."""

import io
import os
import uuid
from contextlib import suppress
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ode_sgd.analysis.agreement import Agreement
from ode_sgd.analysis.drawing import drawing
from ode_sgd.analysis.plateau import Plateau
from ode_sgd.analysis.plots.curves import plot_error, plot_local_exponent, plot_overlaps
from ode_sgd.analysis.plots.marks import plot_agreement, plot_matrices, plot_plateau
from ode_sgd.core import check
from ode_sgd.core.errors import AnalysisError, InvalidProblem, StorageError
from ode_sgd.teacher_student.findings.findings import plateau_and_height
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.trajectory import Trajectory


@check.underflow_is_zero
def run_figure(ode: Trajectory | None, sgd: Trajectory | None = None) -> Figure:
    """eps_g beside Q and R for one run: the ODE, the simulation, or both; the plateau shaded where there is one.

    Examples
    --------
    >>> figure = ode_sgd.plots.run_figure(ode, sgd)
    >>> figure.savefig("run.pdf")
    """
    trajectories = _given(ode, sgd)
    figure = Figure(figsize=(10.0, 4.2))  # margins by hand: the layout engines draw everything several times
    figure.subplots_adjust(left=0.1, right=0.98, bottom=0.14, top=0.92, wspace=0.2)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _error_with_plateau(left, trajectories)
    plot_overlaps(right, trajectories)
    _title(figure, trajectories[0].problem)
    return figure


@check.underflow_is_zero
def analysis_figure(ode: Trajectory | None, sgd: Trajectory | None = None) -> Figure:
    """Four panels: eps_g with its plateau, Q and R, the local exponent with the theory's, and overlap matrices.

    The matrices are those of the first run given, at the plateau (or half-way in ln alpha) and at the end.

    Examples
    --------
    >>> figure = ode_sgd.plots.analysis_figure(ode, sgd)
    >>> figure.savefig("analysis.png")
    """
    trajectories = _given(ode, sgd)
    figure = Figure(figsize=(10.0, 8.4))
    figure.subplots_adjust(left=0.1, right=0.97, bottom=0.07, top=0.95, wspace=0.22, hspace=0.24)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2)
    plateau = _error_with_plateau(figure.add_subplot(grid[0, 0]), trajectories)
    plot_overlaps(figure.add_subplot(grid[0, 1]), trajectories)
    plot_local_exponent(figure.add_subplot(grid[1, 0]), trajectories)
    inner = grid[1, 1].subgridspec(1, 2, wspace=0.3)
    alpha = trajectories[0].alpha
    middle = 0.5 * (plateau.start + plateau.end) if plateau else np.sqrt(alpha[min(1, alpha.size - 1)] * alpha[-1])
    plot_matrices([figure.add_subplot(inner[0, n]) for n in range(2)], trajectories[0], [float(middle), alpha[-1]])
    _title(figure, trajectories[0].problem)
    return figure


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


@check.underflow_is_zero
def save_figure(figure: Figure, path: str | Path, problem: Problem) -> Path:
    """Write a figure as PNG or PDF (by suffix), the problem's identity in its metadata.

    The file appears whole or not at all; what a symbolic link points to is replaced.

    Raises
    ------
    StorageError
        For another suffix, a folder that cannot be written, or whatever matplotlib fails at.

    Examples
    --------
    >>> ode_sgd.plots.save_figure(ode_sgd.plots.run_figure(ode, sgd), "run.png", problem).name
    'run.png'
    """
    return write_figure(figure, path, f"ode_sgd problem {problem.identity}")


def write_figure(figure: Figure, path: str | Path, description: str) -> Path:
    """As `save_figure`, with any text in the metadata."""
    path = check.path("path", path)
    keys = {".png": "Description", ".pdf": "Subject"}
    ending = path.suffix.lower()
    if ending not in keys:
        raise StorageError(f"{path}: a figure ends in .png or .pdf, not in {path.suffix!r}")
    memory = io.BytesIO()
    with drawing(path):
        figure.savefig(memory, format=ending[1:], dpi=150, metadata={keys[ending]: description})
    _write(path, memory.getbuffer())
    return path


def _write(path: Path, image: memoryview) -> None:
    """Put a picture in place as a whole, or leave what is there; a symbolic link is followed."""
    target = Path(os.path.realpath(path))
    unfinished = target.with_name(f".ode_sgd-figure-{uuid.uuid4().hex}.tmp")  # as storage.files sweeps up
    try:
        unfinished.write_bytes(image)
        unfinished.replace(target)
    except OSError as error:
        raise StorageError(f"{path}: the figure cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _given(ode: Trajectory | None, sgd: Trajectory | None) -> list[Trajectory]:
    trajectories = [run for run in (ode, sgd) if run is not None]
    if not trajectories:
        raise InvalidProblem("nothing to plot; give an ODE trajectory, a simulation, or both")
    for run in trajectories:
        check.instance("a run to plot", run, Trajectory)
    return trajectories


def _error_with_plateau(axes: Axes, trajectories: list[Trajectory]) -> Plateau | None:
    """eps_g; the plateau of the first run."""
    plot_error(axes, trajectories)
    plateau, height = plateau_and_height(trajectories[0])
    if plateau is not None:
        plot_plateau(axes, plateau, height)
    return plateau


def _title(figure: Figure, problem: Problem) -> None:
    figure.suptitle(
        f"{problem.activation}, $K$ = {problem.student_units}, $M$ = {problem.teacher_units}, "
        rf"$L$ = {problem.spectrum.distinct}, $\eta$ = {problem.learning_rate:g}",
        fontsize="medium",
    )
