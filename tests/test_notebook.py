"""What values say of themselves: a few lines in a REPL, the same with a small figure in a notebook."""

import base64
import re
from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import notebook
from tests.analysis.any_run import simulation, theory

MOST_LINES = 5
LARGEST_IMAGE = 60_000  # bytes: a page may have dozens


@pytest.fixture
def values(pair, tmp_path):
    """One of every kind, of what a session has at hand."""
    ode, sgd = pair
    data = np.random.default_rng(0).standard_normal((300, 40))
    return {
        "run": ode,
        "simulation": sgd,
        "agreement": ode_sgd.compare(ode, sgd),
        "findings": ode_sgd.findings(ode),
        "stored": ode_sgd.load(ode_sgd.save(tmp_path / "run.h5", ode, sgd)),
        "state": ode.final,
        "spectrum": ode_sgd.Spectrum.from_data(data),
    }


def test_texts_are_a_few_lines(values):
    texts = {name: repr(value) for name, value in values.items()}
    assert {name: text for name, text in texts.items() if text.count("\n") + 1 > MOST_LINES or len(text) > 400} == {}
    for name, part in (
        ("agreement", "N = 400, 16 replicas"),
        ("state", "L = 2, K = 2, M = 2"),
        ("spectrum", "40 eigenvalues from"),
        ("stored", "sgd = Trajectory("),
        ("findings", "Findings("),
    ):
        assert part in texts[name]


def test_texts_say_the_numbers_that_the_values_have(values):
    agreement, spectrum, state = values["agreement"], values["spectrum"], values["state"]
    assert f"rms z = {agreement.rms:.2f}" in repr(agreement)
    assert repr(agreement).startswith(f"Agreement({agreement.outcome}:")
    assert f"to {spectrum.eigenvalues.max():.4g}" in repr(spectrum)
    assert f"|r| <= {np.abs(state.r).max():.4g}" in repr(state)


def test_a_short_spectrum_is_written_out():
    spectrum = ode_sgd.Spectrum([2.0, 0.5], [0.4, 0.6])
    namespace = {"Spectrum": ode_sgd.Spectrum, "array": np.array}
    assert eval(repr(spectrum), namespace) == spectrum


def test_findings_have_theory_beside_them():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.5
    )
    start = ode_sgd.OrderParameters.random(problem, 1024, 0.01, seed=1)
    found = ode_sgd.findings(ode_sgd.integrate(problem, start, 1000.0))
    (plateau,) = found.plateaus.plateaus
    assert f"{plateau.height:.4g} (theory {found.theory_height:.4g})" in repr(found)
    assert f"escape rate {found.escape.rate:.4g} (theory {found.theory_escape.rate:.4g})" in repr(found)


@pytest.mark.parametrize("name", ["run", "simulation", "agreement", "stored"])
def test_notebooks_have_a_small_figure(values, name):
    page = values[name]._repr_html_()
    (image,) = re.findall(r'<img alt="[^"]+" src="data:image/png;base64,([^"]+)">', page)
    data = base64.b64decode(image)
    assert data.startswith(b"\x89PNG")
    assert len(data) < LARGEST_IMAGE
    assert page.startswith("<pre style=")


def test_findings_are_told_in_full(values):
    page = values["findings"]._repr_html_()
    assert ode_sgd.describe(values["findings"]).splitlines()[0][:20] in page
    assert "<img" not in page


def test_runs_of_other_models_too_and_text_is_no_html():
    assert "<img" in theory()._repr_html_()
    assert "<img" in simulation()._repr_html_()
    page = replace(theory(), method="<b>bold</b>")._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page


def test_a_figure_that_cannot_be_drawn_is_left_out(values, monkeypatch):
    def failing(*_, **__):
        raise RuntimeError("no fonts")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", failing)
    page = values["run"]._repr_html_()
    assert ">Trajectory(" in page
    assert "<img" not in page


def test_labels_stand_on_the_small_figures(values):
    """In words the label of eps_g was longer than its axis, and lost its end."""
    for name in ("run", "simulation", "stored"):
        figure = notebook._figure(values[name])
        figure.draw_without_rendering()
        box, whole = figure.axes[0].yaxis.label.get_window_extent(), figure.bbox
        assert box.x0 >= whole.x0 and box.y0 >= whole.y0 and box.y1 <= whole.y1


def test_columns_stand_below_each_other_and_numbers_are_not_broken(values):
    """Rendered notebooks set `pre` within HTML in proportional letters, and break words."""
    shown = values["agreement"]._repr_html_()
    assert "font-family: monospace" in shown and "word-break: normal" in shown
