"""Figures for papers: their size, their text and fonts, and what belongs to several runs on one axes."""

import re
import zlib
from dataclasses import replace
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.text import Text

import ode_sgd
from ode_sgd import plots
from ode_sgd.analysis.plots.look import COLOURS
from tests.analysis.any_run import simulation, theory

CM = 1.0 / 2.54
OWN = ["#444444", "#AA3377", "#228833"]
TOUCH = 0.5  # pixels at 100 dpi: boxes of text have a little air around the letters


@pytest.fixture
def pairs(pair):
    """Three pairs; that they are of one problem changes nothing that is drawn."""
    ode, sgd = pair
    return [
        (
            replace(ode, generalization_error=factor * ode.generalization_error),
            replace(sgd, generalization_error=factor * sgd.generalization_error),
        )
        for factor in (1.0, 2.0, 4.0)
    ]


LABELS = [r"$\eta=0.3$", r"$\eta=0.6$", r"$\eta=1.2$"]


def outside_ticks(figure):
    """Labels of ticks beyond the limits of their axes: made, but not drawn."""
    found = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low <= tick.get_loc() <= high:
                    found |= {id(tick.label1), id(tick.label2)}
    return found


def boxes(figure):
    """The texts that are drawn, with their boxes."""
    figure.draw_without_rendering()
    beyond = outside_ticks(figure)
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent()) for text in texts if id(text) not in beyond]


def faults(figure):
    """Texts that are cut off, or lie on each other."""
    found, all_of_them = boxes(figure), figure.bbox
    cut = [
        text
        for text, box in found
        if box.x0 < -TOUCH or box.y0 < -TOUCH or box.x1 > all_of_them.x1 + TOUCH or box.y1 > all_of_them.y1 + TOUCH
    ]
    overlapping = [
        (one, other)
        for (one, a), (other, b) in combinations(found, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > TOUCH and min(a.y1, b.y1) - max(a.y0, b.y0) > TOUCH
    ]
    return cut, overlapping


def font_kinds(path):
    """The kinds of all fonts of a PDF, also of those in compressed streams."""
    data = path.read_bytes()
    streams = re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL)
    for stream in streams:
        try:
            data += zlib.decompress(stream)
        except zlib.error:
            continue
    return set(re.findall(rb"/Subtype\s*/(Type3|Type1|TrueType|Type0|CIDFontType2|CIDFontType0)", data))


def one_column(pairs):
    figure, axes = plots.paper_figure()
    plots.plot_error(axes, pairs, LABELS)
    return figure


def two_panels(pairs):
    figure, axes = plots.paper_figure(1, 2, width=17.6)
    plots.plot_error(axes[0], pairs[:1], ["ODE, SGD"], colours="black")
    plots.plot_overlaps(axes[1], pairs[:1], [("R", 0, 0), ("R", 0, 1), ("Q", 0, 1)])
    return figure


def own_sheet(pairs):
    sheet = {"axes.prop_cycle": mpl.cycler(color=OWN), "font.family": "DejaVu Sans", "mathtext.fontset": "dejavusans"}
    with plots.style(sheet):
        figure, axes = plots.paper_figure(2, 1)
    plots.plot_error(axes[0], pairs, LABELS)
    plots.plot_local_exponent(axes[1], pairs, labels=LABELS)
    return figure


def one_with_everything(pairs):
    figure, axes = plots.paper_figure()
    plots.plot_error(axes, pairs[:1], ["ODE, SGD"])
    plots.plot_level(axes, 0.1, "plateau (theory)")
    plots.plot_power_law(axes, 0.5, pairs[0][0], (1.0, 10.0))
    return figure


FIGURES = [one_column, two_panels, own_sheet, one_with_everything]


@pytest.mark.parametrize("draw", FIGURES)
def test_no_text_is_cut_off_or_lies_on_another(draw, pairs):
    assert faults(draw(pairs)) == ([], [])


def test_matrices_and_z_scores_have_room(pair):
    figure, axes = plots.paper_figure(1, 2, width=12.0)
    plots.plot_matrices(axes, pair[0], [1.0, 20.0])
    assert faults(figure) == ([], [])
    figure, axes = plots.paper_figure()
    plots.plot_agreement(axes, ode_sgd.compare(*pair))
    assert faults(figure) == ([], [])


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_the_text_of_a_plateau_is_where_the_curve_is_not(pair, share):
    ode, _ = pair
    figure, axes = plots.paper_figure()
    plots.plot_error(axes, [ode])
    low, high = np.log(axes.get_ylim())
    errors = dict.fromkeys(("start_error", "end_error", "length_error", "height_error"), 0.0)
    height = float(np.exp(low + share * (high - low)))
    plots.plot_plateau(axes, ode_sgd.Plateau(start=1.0, end=10.0, height=height, **errors), text="here")
    figure.draw_without_rendering()
    box, level = axes.texts[0].get_window_extent(), axes.transData.transform((1.0, height))[1]
    assert box.y0 > level + 10.0 if share < 0.5 else box.y1 < level - 10.0


def test_faults_are_found(pairs):
    """The figures of the screen at 8.5 cm have them; the same measure finds none above."""
    figure = Figure(figsize=(8.5 * CM, 6.0 * CM))
    axes = figure.subplots()
    plots.plot_error(axes, pairs[0])
    axes.annotate("over a label", (0.5, -0.2), xycoords="axes fraction")
    cut, overlapping = faults(figure)
    assert cut
    assert overlapping


@pytest.mark.parametrize("draw", FIGURES)
def test_text_stays_text_in_pdf(draw, pairs, tmp_path):
    """However it is written: neither `save_figure` nor `savefig` of a paper figure leaves a Type 3 font."""
    figure = draw(pairs)
    figure.savefig(tmp_path / "own.pdf")
    plots.save_figure(figure, tmp_path / "ours.pdf", pairs[0][0].problem)
    for name in ("own.pdf", "ours.pdf"):
        kinds = font_kinds(tmp_path / name)
        assert kinds & {b"TrueType", b"CIDFontType2"}
        assert b"Type3" not in kinds


def test_figures_for_the_screen_have_no_type_3_either(pair, tmp_path):
    kinds = font_kinds(plots.save_figure(plots.run_figure(*pair), tmp_path / "run.pdf", pair[0].problem))
    assert kinds and b"Type3" not in kinds
    plots.run_figure(*pair).savefig(tmp_path / "plain.pdf")
    assert b"Type3" in font_kinds(tmp_path / "plain.pdf")  # which this finds where there is one


def test_a_pair_is_one_colour_and_one_entry(pairs):
    axes = plots.plot_error(Figure().subplots(), pairs, LABELS)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == LABELS
    lines = [line for line in axes.lines if line.get_label() in LABELS]
    points = [container[0] for container in axes.containers]
    assert [line.get_color() for line in lines] == [point.get_color() for point in points] == list(COLOURS[:3])
    handles = axes.get_legend().legend_handles
    assert len(handles) == 3
    assert isinstance(axes.get_legend().get_legend_handler_map()[tuple], HandlerTuple)
    drawn = axes.get_legend().findobj(lambda artist: getattr(artist, "get_marker", lambda: "None")() in ("o", "s", "^"))
    assert {line.get_marker() for line in drawn} == {"o", "s", "^"}  # the points are in the entries, too


@pytest.mark.parametrize("with_axes", [True, False])
def test_a_users_cycle_is_honoured(pairs, with_axes):
    """Set on the axes, or in matplotlib's settings; also by a second call, which goes on in it."""
    with mpl.rc_context({} if with_axes else {"axes.prop_cycle": mpl.cycler(color=OWN)}):
        axes = Figure().subplots()
        if with_axes:
            axes.set_prop_cycle(color=OWN)
        plots.plot_error(axes, pairs[:2], LABELS[:2])
        plots.plot_error(axes, pairs[2:], LABELS[2:])
        assert [container[0].get_color() for container in axes.containers] == OWN


def test_colours_labels_and_styles_are_passed_on(pairs):
    odes = [ode for ode, _ in pairs]
    axes = plots.plot_error(
        Figure().subplots(), odes, LABELS, colours=OWN, styles=[":", "-", {"lw": 3.0}], linewidth=2.0, alpha=0.5
    )
    assert [line.get_color() for line in axes.lines] == OWN
    assert [line.get_linestyle() for line in axes.lines][:2] == [":", "-"]
    assert [line.get_linewidth() for line in axes.lines] == [2.0, 2.0, 3.0]
    assert {line.get_alpha() for line in axes.lines} == {0.5}
    axes = plots.plot_overlaps(Figure().subplots(), pairs[0], [("R", 0, 1)], color="red", marker="x", legend=False)
    assert axes.get_legend() is None
    assert {line.get_color() for line in axes.lines} == {"red"}
    assert axes.containers[0][0].get_marker() == "x"
    axes = plots.plot_error(Figure().subplots(), odes, legend={"loc": "lower left", "ncols": 3})
    assert axes.get_legend()._ncols == 3


def test_several_calls_share_one_axes(pairs):
    axes = Figure().subplots()
    for one, label in zip(pairs, LABELS, strict=True):
        plots.plot_error(axes, [one], [label])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == LABELS
    assert len({container[0].get_color() for container in axes.containers}) == 3
    assert len({line.get_linestyle() for line in axes.lines if line.get_label() in LABELS}) == 3


def test_the_size_is_that_in_centimetres():
    for width in (8.5, 17.6):
        figure, _ = plots.paper_figure(1, 2, width=width, aspect=0.5)
        assert figure.get_size_inches() == pytest.approx([width * CM, width / 2 * 0.5 * CM], rel=1e-12)  # rounding


def test_panels_have_letters_and_axes_have_symbols(pairs):
    _, axes = plots.paper_figure(2, 2, width=17.6)
    assert [panel.get_title(loc="left") for panel in axes.flat] == ["(a)", "(b)", "(c)", "(d)"]
    plots.plot_error(axes[0, 0], pairs)
    assert (axes[0, 0].get_xlabel(), axes[0, 0].get_ylabel()) == (r"$\alpha$", r"$\epsilon_g$")
    plots.plot_error(axes[0, 1], pairs, symbols=False)
    assert "dimensionless" in axes[0, 1].get_ylabel()
    _, axes = plots.paper_figure()
    assert axes.get_title(loc="left") == ""
    plots.plot_error(axes, [(theory(), simulation())])
    assert axes.get_ylabel() == "energy"  # a model that names no symbols keeps its words


def test_a_figure_keeps_its_style(pairs, tmp_path):
    """Whatever is drawn into it later, and matplotlib's settings are what they were."""
    before = dict(mpl.rcParams)
    with plots.style({"font.size": 9, "legend.fontsize": 6}):
        figure, axes = plots.paper_figure()
    plots.plot_error(axes, pairs, LABELS)
    figure.savefig(tmp_path / "kept.png")
    assert {text.get_fontsize() for text in axes.get_legend().get_texts()} == {6.0}
    assert {label.get_fontsize() for label in axes.get_xticklabels()} == {7.0}
    assert dict(mpl.rcParams) == before


def test_the_sheet_is_one_of_matplotlibs():
    from matplotlib import style

    with style.context("ode_sgd.paper"):
        assert mpl.rcParams["pdf.fonttype"] == 42
        assert mpl.rcParams["axes.prop_cycle"] == mpl.rcParamsDefault["axes.prop_cycle"]  # colours are the user's


def test_lines_of_theory(pairs):
    ode = pairs[0][0]
    axes = plots.plot_error(Figure().subplots(), [ode])
    plots.plot_power_law(axes, 0.5, ode, window=(1.0, 10.0))
    times, values = axes.lines[-1].get_data()
    assert list(times) == [1.0, 10.0]
    assert np.log(values[0] / values[1]) / np.log(10.0) == pytest.approx(0.5, rel=1e-12)  # rounding
    assert axes.lines[-1].get_label() == r"$\propto \alpha^{-0.5}$"
    plots.plot_power_law(axes, 2.0, (3.0, 0.2), label="guide")
    times, values = axes.lines[-1].get_data()
    assert np.exp(np.interp(np.log(3.0), np.log(times), np.log(values))) == pytest.approx(0.2, rel=1e-12)  # rounding
    plots.plot_level(axes, 0.25, "level")
    assert set(axes.lines[-1].get_ydata()) == {0.25}
    assert [text.get_text() for text in axes.get_legend().get_texts()][-2:] == ["guide", "level"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda axes, ode: plots.paper_figure(width=0.5), "width = 0.5 cm .* give 4 to 60 centimetres"),
        (lambda axes, ode: plots.paper_figure(1, 3, width=8.5), "no room for 3 panels .* give 12 to 60"),
        (lambda axes, ode: plots.paper_figure(width="8.5"), "width"),
        (lambda axes, ode: plots.paper_figure(width=float("nan")), "width"),
        (lambda axes, ode: plots.paper_figure(aspect=30.0), "aspect = 30 is height over width"),
        (lambda axes, ode: plots.paper_figure(0), "rows = 0 is too small"),
        (lambda axes, ode: plots.paper_figure(6, 6, width=30), "at most 26"),
        (lambda axes, ode: plots.plot_error(axes, [ode], colours=["red", "blue"]), "2 colours for 1 curve"),
        (lambda axes, ode: plots.plot_error(axes, [ode], colours=["reddish"]), "'reddish' among the colours"),
        (lambda axes, ode: plots.plot_error(axes, [ode], styles=["-", "-"]), "2 styles for 1 curves"),
        (lambda axes, ode: plots.plot_error(axes, [(ode, ode, ode)]), "has 3 runs; give one, or a pair"),
        (lambda axes, ode: plots.plot_error(axes, [(None, None)]), "has 0 runs"),
        (lambda axes, ode: plots.plot_error([axes], [ode]), "axes is a list, not the matplotlib Axes"),
        (lambda axes, ode: plots.plot_error(axes, [ode], legend="best"), "legend = 'best'"),
        (lambda axes, ode: plots.plot_error(axes, [ode], lw=1, linewidth=2), "give one of the two"),
        (lambda axes, ode: plots.plot_overlaps(axes, [ode], [("R", 0, 2)]), r"entries has \('R', 0, 2\)"),
        (lambda axes, ode: plots.plot_overlaps(axes, [ode], []), "entries is empty"),
        (lambda axes, ode: plots.plot_power_law(axes, 0.5, ode, (1e5, 1e6)), "holds no time of the run"),
        (lambda axes, ode: plots.plot_power_law(axes, 0.5, (1.0, -1.0)), "no pair of positive numbers"),
        (lambda axes, ode: plots.plot_power_law(axes, 0.5, ode, (2.0, 1.0)), "is empty"),
    ],
)
def test_bad_input(pair, call, words):
    with pytest.raises(ode_sgd.InvalidProblem, match=words):
        call(Figure().subplots(), pair[0])


def test_unknown_sheets_and_keywords(pair):
    with pytest.raises(ode_sgd.InvalidProblem, match="style sheet 'papr'"), plots.style("papr"):
        pass
    with pytest.raises(ode_sgd.InvalidProblem, match=r"style sheet .*font\.sise"), plots.style({"font.sise": 3}):
        pass
    axes = Figure().subplots()
    with pytest.raises(TypeError, match=r"plot_error has no keyword 'colour' \(did you mean 'colours'\?\)") as caught:
        plots.plot_error(axes, [pair[0]], colour="red")
    assert isinstance(caught.value, ode_sgd.UnknownKeyword)
    with pytest.raises(ode_sgd.UnknownKeyword, match="the curves' names are `labels`"):
        plots.plot_error(axes, [pair[0]], label="mine")
