"""Figures of sweeps: what is drawn where."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from ode_sgd.analysis.plots.points import summarised
from ode_sgd.analysis.plots.sweeps import (
    logarithmic,
    name_ticks,
    plot_count_map,
    plot_counts,
    plot_curve,
    plot_map,
    sweep_curve,
    sweep_map,
)
from ode_sgd.analysis.selection import Selection


def test_scales_follow_the_values():
    assert logarithmic(np.geomspace(0.01, 1.0, 5))
    assert not logarithmic(np.linspace(0.1, 1.0, 5))
    assert not logarithmic(np.array([0.0, 0.1, 1.0]))


def test_medians_and_quartiles_over_equal_keys():
    keys = np.array([[1.0], [1.0], [1.0], [2.0], [2.0], [3.0]])
    points = summarised(keys, np.array([1.0, 3.0, 100.0, 5.0, np.nan, np.nan]))
    assert points.keys[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert (points.count.tolist(), points.total.tolist()) == ([3, 1, 0], [3, 2, 1])
    assert points.median[:2].tolist() == [3.0, 5.0] and np.isnan(points.median[2])
    assert (points.lower[0], points.upper[0]) == (2.0, 51.5)  # half-way between neighbours


def test_what_is_above_all_that_is_measured_counts_in_medians_and_quartiles():
    keys, inf = np.repeat([1.0, 2.0, 3.0, 4.0], 5)[:, None], np.inf
    values = [3.0, 1.0, inf, 2.0, inf, 1.0, inf, inf, 2.0, inf, *[np.nan] * 4, inf, 1.0, 2.0, 3.0, 4.0, np.nan]
    points = summarised(keys, np.array(values))
    assert points.median.tolist() == [3.0, inf, inf, 2.5]
    assert (points.lower[0], points.upper[0], points.lower[1]) == (2.0, inf, 2.0)
    assert (points.count.tolist(), points.ranked.tolist()) == ([3, 2, 0, 4], [5, 5, 1, 4])
    assert points.drawn.tolist() == [True, False, False, True]
    assert points.beyond.tolist() == [False, True, True, False]
    assert not points.biased.any() and not points.few.any()  # one of five is a fifth


def test_a_point_is_biased_that_lacks_more_than_a_fifth_of_its_runs():
    points = summarised(np.repeat([1.0, 2.0, 3.0], 5)[:, None], np.array([1, 1, 1, np.inf, np.nan] * 2 + [np.nan] * 5))
    assert points.biased.tolist() == [False, False, False]
    points = summarised(np.zeros((10, 1)), np.array([1.0] * 7 + [np.nan] * 3))
    assert points.biased.tolist() == [True] and not points.few.any()


def test_a_curve_shows_where_quartiles_and_medians_are_not_reached():
    """The second bar is cut at the largest number, the third point has no median."""
    z = np.array([1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, np.inf, 5.0, np.inf, np.inf, np.inf])
    x, has = np.repeat([1.0, 2.0, 3.0], 4), np.isfinite(z)
    late = Selection(name="half_height_time", has=has, codes=1 - has, words=("found", "not_reached"))
    figure = Figure(layout="constrained")
    sweep_curve(figure, ("decay", "time"), x, z, late)
    axes = figure.axes[0]
    (whole, part), (arrow,) = (container.lines[0] for container in axes.containers), axes.lines[-1:]
    assert (whole.get_xdata().tolist(), whole.get_ydata().tolist()) == ([1.0, 2.0], [2.5, 2.5])
    assert not part.get_xdata().size
    assert (arrow.get_marker(), arrow.get_xdata().tolist(), arrow.get_ydata().tolist()) == ("^", [2.0], [3.0])
    told = axes.get_title(loc="left").replace("\n", " ")
    assert "4 not reached; those not reached count as later in the median" in told
    assert "later than the last alpha at 1 of 3 points" in told


def test_a_map_puts_every_median_into_its_cell():
    x = np.repeat([1.0, 10.0, 100.0], 4)
    y = np.tile([0.0, 0.0, 1.0, 1.0], 3)
    z = 10.0 * np.log10(x) + y + np.tile([-0.5, 0.5], 6)
    axes = plot_map(Figure().subplots(), ("rate", "decay", "error"), x, y, np.where(x == 10.0, np.nan, z))
    (mesh,) = axes.collections
    cells = np.ma.filled(mesh.get_array(), np.nan).reshape(2, 3)
    np.testing.assert_allclose(cells, [[0.0, np.nan, 20.0], [1.0, np.nan, 21.0]])
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.figure.axes[-1].get_ylabel()) == ("rate", "decay", "error")


def test_a_curve_shows_medians_and_which_points_are_of_a_part_of_the_runs():
    x, z = np.repeat([1.0, 2.0, 3.0, 4.0], 3), np.array([1.0, 3.0, 9.0, 2.0, 4.0, np.nan, 5.0, *[np.nan] * 5])
    axes = plot_curve(Figure().subplots(), ("decay", "length"), x, z)
    whole, part = (container.lines[0] for container in axes.containers)
    assert (whole.get_xdata().tolist(), whole.get_ydata().tolist()) == ([1.0], [3.0])
    assert (part.get_xdata().tolist(), part.get_ydata().tolist()) == ([2.0, 3.0], [3.0, 5.0])
    assert (whole.get_markerfacecolor(), part.get_markerfacecolor()) == (whole.get_color(), "white")
    joined = axes.lines[0].get_ydata()
    np.testing.assert_array_equal(joined, [3.0, 3.0, np.nan, np.nan])  # one of three runs is no point of a curve
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "median and quartiles of all runs of a point",
        "median and quartiles of some runs of a point",
    ]


@pytest.fixture
def selection():
    """Of nine runs at three places all, one and none have it; two reasons."""
    has = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
    codes = np.array([0, 0, 0, 0, 1, 2, 1, 1, 1])
    return Selection(name="plateau_length", has=has, codes=codes, words=("found", "too_short", "slope"))


def test_bars_count_the_runs_of_every_point(selection):
    axes = plot_counts(Figure().subplots(), "decay", np.repeat([1.0, 2.0, 3.0], 3), selection)
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    assert heights == [[3, 1, 0], [0, 1, 3], [0, 1, 0]]
    assert [text.get_text() for text in axes.texts] == ["3/3", "1/3", "0/3"]
    assert axes.get_legend_handles_labels()[1] == ["measured (4)", "too short (4)", "slope (1)"]


def test_rare_reasons_are_counted_together():
    codes = np.array([0, 1, 1, 2, 2, 3, 4])
    some = Selection(name="z", has=codes == 0, codes=codes, words=("found", "a", "b", "c", "d"))
    parts = some.shares(np.zeros(7, dtype=int), 1, most=3)
    assert [(word, number.tolist()) for word, number in parts] == [
        ("found", [1]),
        ("a", [2]),
        ("b", [2]),
        ("others", [2]),
    ]


def test_a_figure_has_a_second_panel_only_where_runs_are_missing(selection):
    x, z = np.repeat([1.0, 2.0, 3.0], 3), np.where(selection.has, 5.0, np.nan)
    figure = Figure(layout="constrained")
    sweep_curve(figure, ("decay", "length"), x, z, selection)
    assert len(figure.axes) == 2
    assert figure.axes[0].get_title(loc="left") == "plateau_length: 4 of 9 runs; 4 too short, 1 slope"
    whole = Selection(name="final_error", has=np.ones(9, dtype=bool), codes=np.zeros(9, dtype=int), words=("found",))
    figure = Figure(layout="constrained")
    sweep_curve(figure, ("decay", "error"), x, np.ones(9), whole)
    assert (
        len(figure.axes) == 1
        and figure.axes[0].get_title(loc="left") == whole.sentence + "; median of 3 runs at each point"
    )


def test_a_map_counts_the_runs_of_every_cell_and_marks_why_others_lack_it(selection):
    x, y = np.repeat([1.0, 2.0, 3.0], 3), np.zeros(9)
    axes = plot_count_map(Figure().subplots(), ("rate", "decay"), x, y, selection)
    (mesh,) = axes.collections
    assert mesh.get_array().ravel().tolist() == [3, 1, 0]
    assert [line.get_xdata().tolist() for line in axes.lines] == [[2.0, 3.0], []]
    figure = Figure(layout="constrained")
    sweep_map(figure, ("rate", "decay", "length"), x, y, np.where(selection.has, 5.0, np.nan), selection)
    assert "plateau_length: 4 of 9 runs" in figure.get_suptitle()


def test_figures_of_all_runs_say_how_many_a_point_stands_for():
    whole = Selection(name="floor", has=np.ones(6, dtype=bool), codes=np.zeros(6, dtype=int), words=("found",))
    x, y = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 3.0]), np.arange(6.0)
    figure = Figure(layout="constrained")
    sweep_curve(figure, ("decay", "floor"), x, y, whole)
    assert figure.axes[0].get_title(loc="left") == "floor: 6 of 6 runs; median of 1 to 3 runs at each point"
    figure = Figure(layout="constrained")
    sweep_map(figure, ("decay", "eigenvalues", "floor"), x, y, y, whole)
    assert figure.get_suptitle() == "floor: 6 of 6 runs; 1 run at each cell"


def test_cells_of_few_of_their_runs_are_hatched(selection):
    """Of three places, at which all, one and none of three runs have it, the second."""
    x, y = np.repeat([1.0, 2.0, 3.0], 3), np.zeros(9)
    figure = Figure(layout="constrained")
    sweep_map(figure, ("rate", "decay", "length"), x, y, np.where(selection.has, 5.0 + x, np.nan), selection)
    (patch,) = figure.axes[0].patches
    assert patch.get_hatch() and (patch.get_x(), patch.get_width()) == (1.5, 1.0)
    assert "hatched: fewer than half of the runs of a cell" in figure.get_suptitle()
    axes = plot_map(
        Figure().subplots(), ("decay", "eigenvalues", "floor"), x[:5], y[:5], np.array([1, 2, 3, 4, np.nan])
    )
    assert not axes.patches  # one of two is half


@pytest.mark.parametrize(("second", "slanted"), [("linear", 0.0), ("x" * 60, 20.0)])
def test_texts_stand_at_the_ticks_of_their_axis(selection, second, slanted):
    """Of the curve or the map and of the counts, not of the colours beside them."""
    x, y = np.repeat([0.0, 1.0, 1.0], 3), np.zeros(9)
    z = np.where(selection.has, 5.0, np.nan)
    curve, cells = Figure(layout="constrained"), Figure(layout="constrained")
    sweep_curve(curve, ("activation", "length"), x, z, selection)
    sweep_map(cells, ("activation", "rate", "length"), x, y, z, selection)
    for figure, names, wanted in ((curve, [["erf", second]], 1), (cells, [["erf", second], []], 2)):
        name_ticks(figure, ["activation", "rate", "length"], names)
        figure.draw_without_rendering()
        told = [axes.get_xticklabels() for axes in figure.axes]
        named = [texts for texts in told if [text.get_text() for text in texts] == ["erf", second]]
        assert len(named) == wanted
        assert named[0][1].get_rotation() == slanted
