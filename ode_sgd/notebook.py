"""What notebooks show of runs, files, comparisons and findings: their text, and a small figure."""

import base64
import io
from html import escape
from typing import Any

from matplotlib.figure import Figure

from ode_sgd.analysis.agreement import Agreement
from ode_sgd.analysis.drawing import drawing
from ode_sgd.analysis.plots import agreement_figure, plot_error
from ode_sgd.analysis.report import deviations
from ode_sgd.core.errors import OdeSgdError
from ode_sgd.core.run import Run
from ode_sgd.storage.hdf5 import StoredRun
from ode_sgd.teacher_student.findings.description import describe
from ode_sgd.teacher_student.findings.findings import Findings

SIZE, DPI = (4.2, 2.8), 80  # inches: beside text
# Notebooks have proportional letters here, in which columns do not stand below each other, and break lines in numbers.
TEXT = "font-family: monospace; line-height: 1.25; margin: 0; white-space: pre-wrap; word-break: normal"


def html_of(value: Any) -> str:
    """A value as HTML; without its figure where that cannot be drawn.

    Parameters
    ----------
    value : Run, StoredRun, Agreement or Findings
    """
    return f'<pre style="{TEXT}">{escape(_text(value))}</pre>' + _image(value)


def _text(value: Any) -> str:
    if isinstance(value, Findings):
        return describe(value)
    if isinstance(value, Agreement):
        return f"{deviations(value)}\n\n{value.verdict}"
    return repr(value)


def _image(value: Any) -> str:
    """The figure as part of the page, or nothing."""
    memory = io.BytesIO()
    try:
        with drawing():
            figure = _figure(value)
            if figure is None:
                return ""
            figure.savefig(memory, format="png", dpi=DPI)
    except OdeSgdError:
        return ""
    data = base64.b64encode(memory.getvalue()).decode()
    return f'<img alt="{escape(_caption(value))}" src="data:image/png;base64,{data}">'


def _caption(value: Any) -> str:
    return "z-scores over time" if isinstance(value, Agreement) else "error over time"


def _figure(value: Any) -> Figure | None:
    if isinstance(value, Agreement):
        return agreement_figure(value)
    runs = [value] if isinstance(value, Run) else []
    if isinstance(value, StoredRun):
        runs = [run for run in (value.ode, value.sgd) if run is not None]
    if not runs:
        return None
    figure = Figure(figsize=SIZE, layout="constrained")
    plot_error(figure.subplots(), runs, symbols=True)  # in words they are longer than the axes
    return figure
