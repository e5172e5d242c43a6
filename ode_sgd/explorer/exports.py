"""What a page hands out: a study file, a script, figures, and a page that needs no server."""

import base64
import html
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bokeh.document import Document
from bokeh.embed import file_html
from bokeh.layouts import column, row
from bokeh.models import Div
from bokeh.resources import INLINE

from ode_sgd.core.run import Run
from ode_sgd.explorer.answers import Answer
from ode_sgd.explorer.scheme import GROUND, INK, in_scheme
from ode_sgd.explorer.state import Origin
from ode_sgd.explorer.written import portable, script_text, study_text
from ode_sgd.studies.shown import figure_of

PANELS = ("error", "observables", "exponent")  # names of the panels in a document
LOOKS = f"""
{{% block postamble %}}
<style>
  body {{ font: 14px/1.35 system-ui, sans-serif; }}
  @media (prefers-color-scheme: dark) {{ body {{ color: {INK}; background: {GROUND}; }} }}
</style>
{{% endblock %}}
"""


class Export(NamedTuple):
    """A file for the user."""

    name: str
    kind: str
    content: bytes

    @property
    def address(self) -> str:
        """The whole file as an address."""
        return f"data:{self.kind};base64,{base64.b64encode(self.content).decode()}"


def study(origin: Origin, answer: Answer) -> Export:
    """The study file."""
    assert answer.study is not None
    text = study_text(portable(answer.tables, origin, answer.study))
    return Export("study.toml", "text/plain", text.encode())


def script(origin: Origin, answer: Answer) -> Export:
    """The same as Python."""
    assert answer.study is not None
    return Export(
        "study.py", "text/plain", script_text(portable(answer.tables, origin, answer.study), answer.study).encode()
    )


def picture(ending: str, answer: Answer, simulation: Run | None) -> Export:
    """The figure that `ode-sgd run` draws, as PNG or PDF.

    Raises
    ------
    StorageError
        If matplotlib cannot draw it.
    """
    from ode_sgd.analysis.drawing import drawing

    assert answer.study is not None and answer.run is not None
    with drawing("the figure"), tempfile.TemporaryDirectory() as folder:
        from ode_sgd.analysis.plots import save_figure  # brings matplotlib, not needed until now

        path = Path(folder) / f"study.{ending}"
        save_figure(figure_of(answer.study.model, answer.run, simulation), path, answer.run.problem)
        kind = "image/png" if ending == "png" else "application/pdf"
        return Export(path.name, kind, path.read_bytes())


def page(document: Any, report: str, text: str) -> Export:
    """The panels as they are, the report and the study file on one page, which loads nothing."""
    copied = Document.from_json(document.to_json())
    error, observables, exponent = (copied.get_model_by_name(name) for name in PANELS)
    legends = [copied.get_model_by_name(f"{name}_legend") for name in PANELS[:2]]
    for root in list(copied.roots):
        copied.remove_root(root)
    told = Div(text="".join(map(_as_it_is, (report, text))), sizing_mode="stretch_width")
    in_scheme([told])
    named = column(legends[1], observables, sizing_mode="stretch_both")
    beside = row(named, exponent, sizing_mode="stretch_width", height=320)
    error.update(sizing_mode="stretch_width", height=360)
    whole = column(legends[0], error, beside, told, sizing_mode="stretch_width")
    content = file_html(whole, INLINE, "ode-sgd explore", template=LOOKS)
    return Export("study.html", "text/html", content.encode())


def _as_it_is(text: str) -> str:
    return f'<pre style="white-space: pre-wrap">{html.escape(text)}</pre>'


KINDS: Sequence[tuple[str, str]] = (
    ("toml", "Study file"),
    ("py", "Python"),
    ("png", "PNG"),
    ("pdf", "PDF"),
    ("html", "HTML"),
)
Maker = Callable[[], Export]
