"""A tab without a browser: what controls do to the tables, and what a move costs beside the theory's run."""

import re
import time

import numpy as np
import pytest

pytest.importorskip("bokeh", reason="needs the extra explore")

from bokeh.document import Document

from ode_sgd.explorer import session as module
from ode_sgd.explorer.answers import answered, measured
from ode_sgd.explorer.form import EXACT
from ode_sgd.studies.runs import theory_of
from ode_sgd.studies.study_file import parse_study
from tests.explorer.explored import TABLES, never, origin

KEY = "problem.learning_rate"


class Asked:
    """Stands for the thread that computes: nothing is computed."""

    def __init__(self, *functions):
        self.wishes = []

    def ask(self, wish):
        self.wishes.append(wish)
        return len(self.wishes)

    def close(self):
        pass


@pytest.fixture
def session(monkeypatch):
    monkeypatch.setattr(module, "Latest", Asked)
    return module.Session(Document(), origin(), None, [])


def widget(session, name):
    return session.form._widgets[name]


def drawn(session):
    """Draw the present tables as if the browser had drawn all that came before."""
    session._seen = session._revision
    session._show(answered(session.origin, session.tables, never))


def sent(session):
    """What the page deals out: the curve's times and values, those of the exponent, times, and the components."""
    data = session._state.data
    return np.split(data["numbers"][0], np.cumsum(data["lengths"][0])[:-1])


def test_a_control_and_its_field_go_together(session):
    widget(session, EXACT + KEY).value = "0.125"
    assert session.tables["problem"]["learning_rate"] == 0.125
    assert widget(session, KEY).value == pytest.approx(np.log10(0.125), abs=1e-12)  # one rounding
    widget(session, KEY).value = np.log10(0.25)
    assert widget(session, EXACT + KEY).value == "0.25"
    assert session._curves.wishes[-1]["problem"]["learning_rate"] == 0.25


def test_a_field_that_is_emptied_leaves_the_key_out(session):
    widget(session, "exact:start.dimension").value = ""
    assert "dimension" not in session.tables["start"]


def test_a_field_that_is_no_value_changes_nothing(session):
    asked = len(session._curves.wishes)
    widget(session, EXACT + KEY).value = "[1, 2"
    assert session.tables == TABLES
    assert len(session._curves.wishes) == asked
    assert "alert" in session._said.text and "give a value" in session._said.text


def test_what_is_said_is_text(session):
    session.say("<script>alert(1)</script>", bad=True)
    assert "<script>" not in session._said.text


def test_another_kind_has_its_own_controls(session):
    assert widget(session, "spectrum.beta").visible and not widget(session, "spectrum.eigenvalues").visible
    widget(session, "spectrum.kind").value = "explicit"
    assert widget(session, "spectrum.eigenvalues").visible and not widget(session, "spectrum.beta").visible
    drawn(session)
    assert "status" in session._said.text


def test_curves_of_other_tables_are_pale(session):
    drawn(session)
    assert session.panels._line.glyph.line_alpha == 1.0
    widget(session, EXACT + KEY).value = "-1"
    drawn(session)
    assert session.panels._line.glyph.line_alpha < 1.0
    assert "learning_rate" in session._said.text


def test_no_second_curve_is_sent_before_the_browser_has_drawn_the_first(session):
    drawn(session)
    answers = []
    for rate in (0.25, 0.125):
        widget(session, EXACT + KEY).value = str(rate)
        answers.append(answered(session.origin, session.tables, never))
    before = session._revision
    for answer in answers:
        session._show(answer)
    assert session._revision == before
    session._browser_has_drawn("data", None, {"revision": [before]})
    assert session._revision == before + 1
    assert np.array_equal(sent(session)[1], answers[-1].curves.error[1])


def test_legends_say_what_is_there(session):
    """And are no longer Bokeh's, which are made anew whenever a panel is painted."""
    drawn(session)
    shown = session.panels.legends
    assert not any(panel.legend for panel in (session.panels.error, session.panels.observables))
    assert re.sub("<.*?>", "", shown["error"].text) == "ODE"
    assert re.findall(r"</svg>(.*?)</li>", shown["observables"].text)[:3] == ["Q₁₁", "Q₁₂", "Q₂₂"]
    session.keep()
    widget(session, KEY).value = np.log10(0.25)
    drawn(session)
    assert re.findall(r"</svg>(.*?)</li>", shown["error"].text) == ["ODE: learning_rate 0.25", "learning_rate 0.5"]
    session.panels.show_points(session.answer.curves)
    assert re.findall(r"</svg>(.*?)</li>", shown["error"].text)[1] == "SGD"
    session.forget()
    session.panels.clear_points()
    assert re.sub("<.*?>", "", shown["error"].text) == "ODE"


def test_many_curves_have_the_colours_of_the_scheme(session):
    """A seventh colour is black, and not seen in the dark; the page's test looks at what is painted."""
    glyphs = {
        one.data_source.name: one.glyph for one in session.panels.error.renderers + session.panels.observables.renderers
    }
    assert all(glyphs[name].line_color["transform"] is not None for name in ("kept", "components"))


def test_axes_grow_until_they_are_fitted(session):
    drawn(session)
    before = session.panels.size.range.start
    for last in ("400.0", "60.0"):
        widget(session, "exact:integration.alpha").value = last
        drawn(session)
    assert session.panels.size.range.start < before
    session.panels.fit()
    assert session.panels.size.range.start == pytest.approx(before, rel=1e-9)  # of an exponential and a logarithm


def test_a_move_costs_little_beside_its_theory(session):
    """At most three times the processor time of the run itself, medians of twenty."""
    study, moves, runs = parse_study(TABLES), [], []
    for number in range(21):
        began = time.thread_time()
        theory_of(study, lambda stage, fraction: None)
        runs.append(time.thread_time() - began)
        began = time.thread_time()
        widget(session, KEY).value = -0.3 - 0.01 * number
        drawn(session)
        moves.append(time.thread_time() - began)
    assert np.median(moves) < 3.0 * np.median(runs)


def test_a_study_without_simulation_is_given_one_first(monkeypatch):
    """It is part of the tables, so that the exported study has the numbers of the page."""
    monkeypatch.setattr(module, "Latest", Asked)
    begin = origin(simulation=None)
    session = module.Session(Document(), begin, TABLES["simulation"], [])
    drawn(session)
    session.simulate()
    assert session.tables == TABLES
    assert widget(session, "exact:simulation.replicas").value == "4"
    assert session.address.startswith("?simulation.dimension=400")


def test_a_move_is_one_message(session):
    """Each event is a message of its own, and between two of them a browser may paint."""
    drawn(session)
    session._tell((session.answer, measured(session.answer)))
    drawn(session)  # by now the axes have room
    events = []
    session.document.on_change(events.append)
    widget(session, KEY).value = np.log10(0.495)
    events.clear()
    drawn(session)
    assert [event.model.name for event in events if hasattr(event, "model")] == ["state"]
    times, error, *_ = sent(session)
    assert np.array_equal(error, session.answer.curves.error[1]) and times.size == error.size


def test_what_takes_longer_than_a_curve_is_said_at_rest(session):
    drawn(session)
    before = session._said.text
    widget(session, KEY).value = np.log10(0.25)
    drawn(session)
    assert session._said.text == before
    session._at_rest(session.answer)
    assert session._said.text != before


def test_an_exported_page_has_what_only_the_page_had(session, monkeypatch):
    drawn(session)
    assert len(session.panels.curve.data["y"]) == 0
    session._tell((session.answer, measured(session.answer)))
    session.export("html")
    assert np.array_equal(session.panels.curve.data["y"], session.answer.curves.error[1])
    assert session.panels.height.visible
    widget(session, KEY).value = np.log10(0.25)
    drawn(session)
    session.export("html")
    assert not session.panels.height.visible  # it was of other curves
