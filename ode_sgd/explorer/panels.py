"""The three panels of the page: the error, the observables, the local exponent."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import BoxAnnotation, ColumnDataSource, CustomJS, Range1d, Span, Whisker
from bokeh.plotting import figure

from ode_sgd.core.arrays import Array
from ode_sgd.core.run import Run
from ode_sgd.explorer.answers import Measured
from ode_sgd.explorer.curves import Curve, Curves, subscripted, without_latex
from ode_sgd.explorer.legends import COLOURS, MOST_NAMES, Entry, colour, dash, legend, points, shown
from ode_sgd.explorer.packing import DEAL_OUT, MARK, NOWHERE, UNMARKED, marked, packed
from ode_sgd.explorer.scheme import MIDDLE, in_scheme, seen

MARGIN = 0.04  # of an axis, beyond the curves
FAINT = 0.25  # of curves that are not those of the controls


class Axis:
    """A range that grows with what is drawn, so that curves can be compared by eye while they move.

    What a user has zoomed into stays, until something lies outside of what was drawn before.
    """

    def __init__(self, *, logarithmic: bool) -> None:
        self.range = Range1d(1.0, 10.0) if logarithmic else Range1d(0.0, 1.0)
        self._logarithmic = logarithmic
        self._drawn: tuple[float, float] | None = None  # from the lowest to the highest value of all curves
        self._now: tuple[float, float] | None = None  # of the last ones
        self._shown = np.inf, -np.inf

    def show(self, several: Iterable[Array]) -> None:
        """Have room for these values."""
        found = [ends for values in several if (ends := self._ends(values)) is not None]
        if not found:
            return
        self._now = min(low for low, _ in found), max(high for _, high in found)
        low, high = self._now if self._drawn is None else self._drawn
        self._drawn = min(low, self._now[0]), max(high, self._now[1])
        if self._drawn[0] < self._shown[0] or self._drawn[1] > self._shown[1]:  # else the margin has room for it
            self._set(self._drawn)

    def fit(self) -> None:
        """Have room for what was drawn last, and no more."""
        if self._now is not None:
            self._set(self._now)

    def _ends(self, values: Array) -> tuple[float, float] | None:
        usable = values[np.isfinite(values) & (values > 0.0)] if self._logarithmic else values[np.isfinite(values)]
        return (float(usable.min()), float(usable.max())) if usable.size else None

    def _set(self, ends: tuple[float, float]) -> None:
        self._drawn = ends
        low, high = np.log(ends) if self._logarithmic else ends
        margin = MARGIN * (high - low) or 0.5
        shown = np.array([low - margin, high + margin])
        low, high = np.exp(shown) if self._logarithmic else shown
        self._shown = float(low), float(high)
        self.range.update(start=float(low), end=float(high))


def panel(name: str, title: str, y: Axis, x: Axis) -> Any:
    """The axes of a panel; no tool is at work before it is chosen, so that fingers move the page."""
    axes = figure(
        name=name,
        title=title,
        x_axis_type="log",
        y_axis_type="log" if name == "error" else "linear",
        x_range=x.range,
        y_range=y.range,
        sizing_mode="stretch_both",
        min_height=200,
        min_width=200,
        tools="pan,wheel_zoom,box_zoom,reset,save",
        active_drag=None,
        output_backend="canvas",
    )
    axes.toolbar.logo = None
    axes.title.text_font_size = "12px"
    axes.xaxis.axis_label_text_font_style = axes.yaxis.axis_label_text_font_style = "normal"
    axes.xaxis.axis_label_text_font_size = axes.yaxis.axis_label_text_font_size = "12px"
    return axes


class Panels:
    """The panels, and the sources of what is drawn in them."""

    def __init__(self, labels: tuple[str, str]) -> None:
        self._labels = labels
        self.time, self.size = Axis(logarithmic=True), Axis(logarithmic=True)
        self.values, self.slopes = Axis(logarithmic=False), Axis(logarithmic=False)
        empty: dict[str, list[Any]] = {"x": [], "y": []}
        many = {**empty, "colour": [], "dash": [], "label": []}
        self.curve, self.slope, self.law = (ColumnDataSource(dict(empty), name=n) for n in ("curve", "slope", "law"))
        self.components, self.kept = (ColumnDataSource(dict(many), name=n) for n in ("components", "kept"))
        self.marks = ColumnDataSource(dict(UNMARKED), name="marks")
        self.points = ColumnDataSource({**empty, "low": [], "high": []}, name="points")
        self._drawn: Curves | None = None
        self._kept: list[Curve] = []
        self._names: list[str] = []  # of kept curves and of the present one
        self._has_points = False
        self.legends = {name: legend(f"{name}_legend") for name in ("error", "observables")}
        self._colours = {"field": "colour", "transform": seen()}
        self._error_panel()
        self._component_panel()
        self._exponent_panel()
        in_scheme([self.error, self.observables, self.exponent])

    def _error_panel(self) -> None:
        axes = self.error = panel("error", "Error", self.size, self.time)
        axes.multi_line("x", "y", source=self.kept, color=self._colours, line_dash="dash", line_width=1.5)
        self._line = axes.line("x", "y", source=self.curve, color=COLOURS[0], line_width=2.5)
        axes.scatter("x", "y", source=self.points, color=MIDDLE, fill_color=None, size=6)
        bars = Whisker(base="x", upper="high", lower="low", source=self.points, line_width=1, line_color=MIDDLE)
        bars.upper_head.line_color = bars.lower_head.line_color = MIDDLE
        bars.upper_head.size = bars.lower_head.size = 4
        axes.add_layout(bars)
        self.height = Span(
            dimension="width", location=NOWHERE, line_dash="dotted", line_width=1.5, line_color=MIDDLE, visible=False
        )
        self.shade = BoxAnnotation(left=1, right=1, fill_color=MIDDLE, fill_alpha=0.2, visible=False)
        axes.add_layout(self.height)
        axes.add_layout(self.shade)

    def _component_panel(self) -> None:
        axes = self.observables = panel("observables", "Observables", self.values, self.time)
        self._many = axes.multi_line(
            "x", "y", source=self.components, color=self._colours, line_dash="dash", line_width=1.8
        )

    def _exponent_panel(self) -> None:
        axes = self.exponent = panel("exponent", "Local exponent", self.slopes, self.time)
        axes.line("x", "y", source=self.law, color=MIDDLE, line_alpha=0.6, line_width=5)
        self._slope = axes.line("x", "y", source=self.slope, color=COLOURS[0], line_width=2)

    def name_axes(self, run: Run) -> None:
        """Say what the axes are, in the words of the run."""
        words = run.words()
        symbol, letter = (without_latex(words.symbols.get(name, name)) for name in (run.error_name, run.time_name))
        for axes in (self.error, self.observables, self.exponent):
            axes.xaxis.axis_label = without_latex(words.time_label)
        self.error.title.text = without_latex(words.error_label)
        self.error.yaxis.axis_label = symbol
        self.exponent.title.text = f"Local exponent -d ln {symbol} / d ln {letter}"

    def draw(self, curves: Curves) -> dict[str, list[Any]]:
        """Make ready for the curves of a run, which are returned as one message."""
        self._drawn = curves
        self.faint(False)
        told = f" ({len(curves.components)} of {len(curves.components) + curves.left_out})" if curves.left_out else ""
        self.observables.title.text = f"Observables{told}"
        self.clear_points()
        self._make_room()
        numbers = range(len(curves.components))
        colours, dashes = [colour(number) for number in numbers], [dash(number) for number in numbers]
        entries = [Entry(subscripted(name), colours[n], dashes[n]) for n, name in enumerate(curves.components)]
        self.legends["observables"].text = shown(entries) if len(entries) <= MOST_NAMES else ""
        self._name_errors()
        return packed(curves, colours, dashes)

    def _name_errors(self) -> None:
        """Have the legend of the error say what is there; one that says so already is left alone."""
        *kept, present = self._names or [""]
        entries = [Entry(name, colour(number), dash(number)) for number, name in enumerate(kept, start=1)]
        own = Entry(f"{self._labels[0]}: {present}" if kept else self._labels[0], colour(0), dash(0))
        simulation = [points(self._labels[1])] if self._has_points else []
        self.legends["error"].text = shown([own, *simulation, *entries[-MOST_NAMES:]])

    def deals_out(self, state: ColumnDataSource) -> CustomJS:
        """The script that deals out in the page what `draw` and `annotate` made."""
        given = {"state": state, "marks": self.marks, "height": self.height, "shade": self.shade, "law": self.law}
        sources = {"curve": self.curve, "slope": self.slope, "components": self.components}
        self.marks.js_on_change("data", CustomJS(args=given, code=MARK))
        return CustomJS(args={**given, **sources}, code=DEAL_OUT)

    def into_document(self, revision: int) -> None:
        """Write curves and marks into the document, too, where only the page has them."""
        curves = self._drawn
        if curves is None:
            return
        self.curve.data, self.slope.data = _of(curves.error), _of(curves.exponent)
        self.components.data = _lines({subscripted(name): curve for name, curve in curves.components.items()})
        marks = {name: column[0] for name, column in self.marks.data.items()}
        if marks["revision"] != revision:
            marks = dict.fromkeys(marks)
        self.height.update(location=marks["height"] or NOWHERE, visible=marks["height"] is not None)
        left, right = marks["shade"] or (1, 1)
        self.shade.update(left=left, right=right, visible=marks["shade"] is not None)
        self.law.data = dict(zip("xy", marks["law"] or ([], []), strict=True))

    def _make_room(self) -> None:
        curves = self._drawn
        if curves is None:
            return
        self.time.show([curves.error[0], *(times for times, _ in self._kept)])
        self.size.show([curves.error[1], *(error for _, error in self._kept)])
        self.values.show(values for _, values in curves.components.values())
        self.slopes.show([np.array([-0.1, 1.5]), _central(curves.exponent[1])])

    def fit(self) -> None:
        """Lay the axes around what is there."""
        for axis in (self.time, self.size, self.values, self.slopes):
            axis.fit()

    def faint(self, pale: bool) -> None:
        """Whether the curves are of other values than those of the controls."""
        for renderer in (self._line, self._many, self._slope):
            renderer.glyph.line_alpha = FAINT if pale else 1.0

    def annotate(self, found: Measured, revision: int) -> None:
        """Lay plateau and theory beside the curves of a revision, if the page has them still."""
        self.marks.data = marked(found, revision)

    def show_points(self, curves: Curves) -> None:
        """The simulation beside the theory."""
        times, error = curves.error
        spread = np.zeros_like(error) if curves.spread is None else curves.spread
        low = np.maximum(error - spread, NOWHERE)
        self.points.data = {"x": times, "y": error, "low": low, "high": error + spread}
        self._has_points = True
        self._name_errors()

    def clear_points(self) -> None:
        """Take the simulation away."""
        if self._has_points:
            self.points.data = {"x": [], "y": [], "low": [], "high": []}
            self._has_points = False
            self._name_errors()

    def compare(self, kept: Sequence[Curve], labels: Sequence[str]) -> None:
        """Curves that were kept, with labels, the last of which is that of the present one."""
        self._kept = list(kept)
        ordered = dict(enumerate(kept))
        lines = _lines({str(number): curve for number, curve in ordered.items()}, first=1)
        self.kept.data = {**lines, "label": list(labels[: len(kept)])}
        self._names = list(labels)
        self._name_errors()
        self._make_room()


def _of(curve: Curve) -> dict[str, Array]:
    return {"x": curve[0], "y": curve[1]}


def _central(values: Array) -> Array:
    """All but the few values furthest out, which the ends of a curve may have."""
    return np.quantile(values, [0.02, 0.98]) if values.size else values


def _lines(curves: Mapping[str, Curve], first: int = 0) -> dict[str, list[Any]]:
    """Columns of many lines; colours come again in other dashes."""
    numbers = range(first, first + len(curves))
    return {
        "x": [times for times, _ in curves.values()],
        "y": [values for _, values in curves.values()],
        "colour": [colour(number) for number in numbers],
        "dash": [dash(number) for number in numbers],
        "label": list(curves),
    }
