"""One browser tab: controls write the tables, the newest tables are computed, and what comes of them is drawn."""

import html
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from bokeh.models import ColumnDataSource, CustomJS, Div, InlineStyleSheet

from ode_sgd.core.compile.news import heard_by
from ode_sgd.core.errors import OdeSgdError
from ode_sgd.core.model import SIMULATION, Model
from ode_sgd.core.run import Run
from ode_sgd.explorer import exports
from ode_sgd.explorer.answers import Answer, Measured, Simulated, answered, measured, simulated
from ode_sgd.explorer.curves import Curve, curves_of
from ode_sgd.explorer.form import Form
from ode_sgd.explorer.latest import Latest
from ode_sgd.explorer.packing import NOTHING
from ode_sgd.explorer.panels import Panels
from ode_sgd.explorer.scheme import CSS
from ode_sgd.explorer.state import Origin, address, from_address, labels
from ode_sgd.explorer.written import study_text
from ode_sgd.studies.tables import Values

SLOW = 250  # milliseconds after which it is said that something is computed
DEAR = 200  # milliseconds that a number of units is left unchanged before its kernels are compiled
UNSEEN = 0.5  # seconds after which the next curve is drawn although the browser has not said that it drew the last one
AT_REST = 200  # milliseconds without a change after which what takes longer than a curve is computed
TEXTS = """
p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
p.bad { color: #a40000; font-weight: 600; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12px; }
"""
HAS_DRAWN = """
const revision = state.data.revision[0]
requestAnimationFrame(() => { if (drawn.data.revision[0] < revision) drawn.data = {revision: [revision]} })
clearTimeout(window.addressing)  // browsers take some twenty changes of the address a second, and no more
window.addressing = setTimeout(() => history.replaceState(null, '', location.pathname + state.data.address[0]), 100)
"""
HAND_OUT = """
const link = document.createElement('a')
link.href = file.data.address[0]; link.download = file.data.name[0]
document.body.appendChild(link); link.click(); link.remove()
"""
LOST = """
document.documentElement.dataset.lost = 'yes'
"""


class Session:
    """What belongs to one tab.

    Parameters
    ----------
    document : bokeh Document
    origin : Origin
    usual_simulation : dict or None
        The table [simulation] of a study that has none, once it is asked to simulate.
    query : iterable of (str, str)
        What the address carries.
    """

    def __init__(
        self, document: Any, origin: Origin, usual_simulation: Values | None, query: Iterable[tuple[str, str]]
    ) -> None:
        self.document, self.origin, self._usual = document, origin, usual_simulation
        self.tables, faults = from_address(origin, query)
        self.answer: Answer | None = None  # the last one with a run
        self.simulation: Run | None = None
        self._kept: list[tuple[Values, Curve]] = []
        self._waits, self._report = 0, ""
        self._revision, self._seen, self._sent = 0, 0, 0.0  # drawings that were sent, that the browser has done, when
        self._next: Answer | None = None
        self._is_told = False  # what is compiled for the present tables
        self._is_well = False  # whether the line says of some curve that it is complete; the newest is told at rest
        self._asked_to_simulate: Values | None = None
        self._stop = threading.Event()
        self._stop.set()
        self._curves = Latest(self._compute, self._later(self._show))
        self._found = Latest(lambda answer, check: (answer, measured(answer)), self._later(self._tell))
        self.panels = Panels(origin.model.labels)
        self.form = Form(origin, self.tables, self.changed, self._actions(), partial(self.say, bad=True))
        self._add_to_page()
        if faults:
            self.say("\n".join(faults), bad=True)
        else:
            self.ask()

    # What is on the page.

    def _actions(self) -> list[tuple[str, str, Callable[[], None]]]:
        model = self.origin.model
        given = [("keep", "Keep this curve", self.keep), ("clear", "Forget kept curves", self.forget)]
        given.append(("fit", "Fit the axes", self.panels.fit))
        if model.simulates({SIMULATION}):
            given.insert(0, ("simulate", self._simulates, self.simulate))
        exported = [(f"export-{kind}", label, partial(self.export, kind)) for kind, label in exports.KINDS]
        return given + exported

    def _add_to_page(self) -> None:
        looks = [InlineStyleSheet(css=TEXTS + CSS)]
        self._said = Div(name="status", text="", sizing_mode="stretch_width", stylesheets=looks)
        self._report_shown = Div(name="report", text="", sizing_mode="stretch_width", stylesheets=looks)
        self._state = ColumnDataSource({"revision": [0], "address": [""], **NOTHING}, name="state")
        deals_out = self.panels.deals_out(self._state)
        self.document.js_on_event("document_ready", deals_out)  # for curves that came before the page
        drawn = ColumnDataSource({"revision": [0]}, name="drawn")
        drawn.on_change("data", self._browser_has_drawn)
        has_drawn = CustomJS(args={"state": self._state, "drawn": drawn}, code=HAS_DRAWN)
        self._state.js_on_change("data", deals_out, has_drawn)
        self._file = ColumnDataSource({"name": [""], "address": [""]}, name="file")
        self._file.js_on_change("data", CustomJS(args={"file": self._file}, code=HAND_OUT))
        self.document.js_on_event("connection_lost", CustomJS(code=LOST))
        holder = Div(
            name="holder", text="", visible=False, tags=[self._state, self.panels.marks, self._file]
        )  # keeps them in the document
        panels = (self.panels.error, self.panels.observables, self.panels.exponent, *self.panels.legends.values())
        with self.document.models.freeze():  # the models are gathered once, not after every root
            for root in (*self.form.roots, *panels, self._said, self._report_shown, holder):
                self.document.add_root(root)
        self.document.on_session_destroyed(lambda context: self.close())

    def close(self) -> None:
        """End whatever is computed."""
        self._stop.set()
        self._curves.close()
        self._found.close()

    def say(self, text: str, *, bad: bool = False) -> None:
        """Say in the line above the curves how it stands; what is wrong is an alert for screen readers, too."""
        self._is_well = False
        role, looks = ("alert", "bad") if bad else ("status", "good")
        self._said.text = f'<p role="{role}" class="{looks}">{html.escape(text)}</p>'

    def _later(self, action: Callable[[Any], None]) -> Callable[[Any], None]:
        """The same from another thread: done between two callbacks of the document, unless the tab is closed."""

        def later(given: Any) -> None:
            try:
                self.document.add_next_tick_callback(partial(action, given))
            except RuntimeError:  # the loop has ended
                self.close()

        return later

    # What is computed.

    def changed(self, tables: Values, dear: bool = False) -> None:
        """Go on with other tables; what may take kernels of its own waits for the next change first."""
        self.tables = tables
        if dear:
            self._stop.set()
            self.document.add_timeout_callback(lambda: self.ask() if self.tables is tables else None, DEAR)
        else:
            self.ask()

    def ask(self) -> None:
        """Compute the present tables, and give up whatever else is computed."""
        self._stop.set()
        self._waits, self._is_told = self._curves.ask(self.tables), False
        self.document.add_timeout_callback(partial(self._is_slow, self._waits), SLOW)

    def _is_slow(self, number: int) -> None:
        if number == self._waits and not self._is_told:
            self.say("computing …")

    def _compute(self, tables: Values, check: Callable[[], None]) -> Answer:
        def begun(what: str, kernels: int) -> None:
            text = f"compiling kernels for {what}: once, some seconds to half a minute; {kernels} so far"
            self._later(self._is_compiling)(text)

        with heard_by(begun):
            return answered(self.origin, tables, check)

    def _is_compiling(self, text: str) -> None:
        if self._waits:
            self._is_told = True
            self.say(text)

    def _show(self, answer: Answer) -> None:
        """Draw an answer, once the browser has drawn the one before: of those that wait only the newest is drawn."""
        self._next = answer
        if self._seen == self._revision or time.monotonic() - self._sent > UNSEEN:
            self._draw_next()

    def _browser_has_drawn(self, name: str, old: Any, new: Any) -> None:
        self._seen = int(new["revision"][0])
        self._draw_next()

    def _draw_next(self) -> None:
        answer, self._next = self._next, None
        if answer is None:
            return
        if answer.tables is self.tables:
            self._waits = 0
        curves: Mapping[str, Any] = {}
        self.document.hold("combine")
        try:
            curves = self._drawn(answer)
        finally:  # or the page would wait for ever
            self._revision, self._sent = self._revision + 1, time.monotonic()
            told = {"revision": [self._revision], "address": [self.address]}
            self._state.data = {**self._state.data, **told, **curves}
            self.document.unhold()

    @property
    def address(self) -> str:
        """What the address carries."""
        return address(self.origin.tables, self.tables)

    def _drawn(self, answer: Answer) -> Mapping[str, Any]:
        """Draw an answer; what is returned, its curves, the page deals out by itself."""
        if answer.trouble:
            self.say(answer.trouble, bad=True)
        if answer.run is None or answer.curves is None:
            self.panels.faint(True)
            return {}
        if self.answer is None:
            self.panels.name_axes(answer.run)
        self.answer, self.simulation = answer, None
        curves = self.panels.draw(answer.curves)
        if self._kept:
            self._compare()
        if not answer.trouble and not self._is_well:
            self._tell_time(answer)
        self.document.add_timeout_callback(partial(self._at_rest, answer), AT_REST)
        return curves

    def _tell_time(self, answer: Answer) -> None:
        steps = answer.run.stats.get("steps") if answer.run else None
        told = f"{int(steps)} steps, " if steps is not None else ""
        self.say(f"{self.origin.model.labels[0]}: {told}{1e3 * answer.seconds:.0f} ms")
        self._is_well = True

    def _at_rest(self, answer: Answer) -> None:
        if answer is not self.answer or answer.tables is not self.tables:
            return
        if self._is_well:
            self._tell_time(answer)
        self._found.ask(answer)

    def _tell(self, found: tuple[Answer, Measured]) -> None:
        """Lay plateau and theory beside the curves that they belong to."""
        answer, seen = found
        if answer is not self.answer or answer.tables is not self.tables:
            return
        self._report = seen.report
        self._report_shown.text = f"<pre>{html.escape(seen.report)}</pre>"
        self.panels.annotate(seen, self._revision)

    # The simulation.

    def simulate(self) -> None:
        """Begin the simulation, or end it."""
        if not self._stop.is_set():
            self._stop.set()
            return
        if self.answer is None or self.answer.tables is not self.tables:
            self.say("there is no curve to simulate beside; change what is wrong first", bad=True)
            return
        if self.answer.trouble:
            self.say(f"no simulation beside a run that ended early: {self.answer.trouble}", bad=True)
            return
        if SIMULATION in self.origin.model.tables and SIMULATION not in self.tables:
            self._begin_with_simulation()
            return
        self._stop = threading.Event()
        self._name_simulate("Stop")
        self.say(f"{self.origin.model.labels[1]}: begun")
        threading.Thread(target=self._simulate, args=(self.answer, self._stop), daemon=True).start()

    def _begin_with_simulation(self) -> None:
        """Give the study a simulation first: it is part of the tables, and its times are those of the theory, too."""
        if self._usual is None:
            self.say(f"the study has no table [{SIMULATION}]; type its keys below All options", bad=True)
            return
        self.form.show(self.tables | {SIMULATION: dict(self._usual)})
        self.changed(self.form.tables)
        self._asked_to_simulate = self.tables
        self.document.add_timeout_callback(self._simulate_when_shown, AT_REST)

    def _simulate_when_shown(self) -> None:
        """Begin once the theory is there, unless something else was asked for meanwhile."""
        if self.tables is not self._asked_to_simulate or (self._waits == 0 and self.answer is None):
            return
        if self._waits:
            self.document.add_timeout_callback(self._simulate_when_shown, AT_REST)
        else:
            self.simulate()

    @property
    def _simulates(self) -> str:
        """What the button says while nothing is simulated."""
        label = self.origin.model.labels[1]
        return "Simulate" if label == Model.labels[1] else f"Simulate {label}"

    def _name_simulate(self, label: str) -> None:
        self.form.buttons["simulate"].label = label

    def _simulate(self, answer: Answer, stop: threading.Event) -> None:
        """In a thread: the simulation, of which parts are shown."""

        def check() -> None:
            if stop.is_set():
                raise KeyboardInterrupt

        def show(run: Run | None, told: str, *, ended: bool = False, bad: bool = False) -> None:
            curves = None if run is None else curves_of(run)
            self._later(lambda _: self._points(answer, stop, run, curves, told, ended=ended, bad=bad))(None)

        label, done = self.origin.model.labels[1], [0.0]

        def progress(fraction: float) -> None:
            done[0] = fraction

        try:
            found = simulated(answer, check, lambda run: show(run, f"{label}: {done[0]:.0%}"), progress)
        except Exception as error:  # of a user's model
            found = Simulated(verdict=f"{type(error).__name__}: {error}", ended=True, fault=True)
        show(found.run, found.verdict, ended=True, bad=found.fault)

    def _points(
        self, answer: Answer, stop: threading.Event, run: Run | None, curves: Any, told: str, *, ended: bool, bad: bool
    ) -> None:
        """Draw a simulation as far as it got, if its theory is still there."""
        if ended and (stop is self._stop or self._stop.is_set()):
            stop.set()
            self._name_simulate(self._simulates)
        if answer is not self.answer or answer.tables is not self.tables or stop is not self._stop:
            return
        self.document.hold("combine")
        try:
            if run is not None:
                self.simulation = run
                self.panels.show_points(curves)
            self.say(told, bad=bad)
        finally:
            self.document.unhold()

    # Curves that are kept, and what is handed out.

    def keep(self) -> None:
        """Keep the present curve to compare others with."""
        if self.answer is not None and self.answer.curves is not None:
            self._kept.append((self.answer.tables, self.answer.curves.error))
            self._compare()

    def forget(self) -> None:
        """Take away what was kept."""
        self._kept = []
        self._compare()

    def _compare(self) -> None:
        if self.answer is not None:
            told = labels([*(tables for tables, _ in self._kept), self.answer.tables])
            self.panels.compare([curve for _, curve in self._kept], told)

    def export(self, kind: str) -> None:
        """Hand out a file of the present curves."""
        answer = self.answer
        if answer is None or answer.study is None or answer.tables is not self.tables:
            self.say("there is no curve to export; change what is wrong first", bad=True)
            return
        if kind == "html":
            self.panels.into_document(self._revision)
            self._hand_out(exports.page(self.document, self._report, study_text(answer.tables)))
        elif kind in ("toml", "py"):
            self._hand_out((exports.study if kind == "toml" else exports.script)(self.origin, answer))
        else:
            threading.Thread(target=self._draw, args=(kind, answer, self.simulation), daemon=True).start()

    def _draw(self, kind: str, answer: Answer, simulation: Run | None) -> None:
        """In a thread: matplotlib takes half a second."""
        try:
            made = exports.picture(kind, answer, simulation)
        except OdeSgdError as error:
            self._later(lambda text: self.say(text, bad=True))(str(error))
        else:
            self._later(self._hand_out)(made)

    def _hand_out(self, made: exports.Export) -> None:
        self._file.data = {"name": [made.name], "address": [made.address]}
