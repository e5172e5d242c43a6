"""Figures hold what they should and carry the problem's identity."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import ode_sgd
from ode_sgd import plots
from ode_sgd.analysis.plots import curves, figures
from ode_sgd.core.run import component
from tests.analysis.any_run import theory


def test_theory_is_a_line_and_simulation_points_with_errors(pair):
    ode, sgd = pair
    figure = plots.run_figure(ode, sgd)
    left, right = figure.axes
    assert left.get_xscale() == left.get_yscale() == "log"
    assert len(left.containers) == 1 and left.containers[0].has_yerr
    assert len(right.containers) == 7  # Q_11 Q_12 Q_22 and four of R
    np.testing.assert_array_equal(left.lines[0].get_xdata(), ode.alpha[1:])
    assert "alpha" in left.get_xlabel() and "epsilon" in left.get_ylabel()


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_files_carry_the_identity(pair, tmp_path, suffix):
    path = plots.save_figure(plots.run_figure(*pair), tmp_path / f"run{suffix}", pair[0].problem)
    assert pair[0].problem.identity.encode() in path.read_bytes()


def test_values_below_the_resolution_are_not_drawn(pair):
    ode, _ = pair
    coarse = replace(ode, resolution=float(np.median(ode.generalization_error)))
    drawn = plots.run_figure(coarse).axes[0].lines[0].get_ydata()
    assert np.isnan(drawn).any() and np.nanmin(drawn) > coarse.resolution


def test_points_below_the_resolution_are_not_drawn_and_counted(pair):
    """A simulation's too; the legend says how many values are missing, and of how many."""
    ode, sgd = pair
    coarse = replace(sgd, resolution=float(np.median(sgd.generalization_error.mean(axis=0)[1:])))
    left = plots.run_figure(ode, coarse).axes[0]
    points = left.containers[0].lines[0].get_ydata()
    missing = int(np.isnan(points).sum())
    assert 0 < missing < points.size and np.nanmin(points) > coarse.resolution
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert any(f"{missing} of {points.size} values below" in label for label in labels)
    assert sum("left out" in label for label in labels) == 1


def test_bad_input(pair, tmp_path):
    with pytest.raises(ode_sgd.StorageError, match=r"\.png, \.pdf, \.svg or \.pgf"):
        plots.save_figure(plots.run_figure(*pair), tmp_path / "run.txt", pair[0].problem)
    with pytest.raises(ode_sgd.StorageError, match="cannot be written"):
        plots.save_figure(plots.run_figure(*pair), tmp_path / "nowhere" / "run.png", pair[0].problem)
    with pytest.raises(ode_sgd.InvalidProblem, match="nothing to plot"):
        plots.run_figure(None)
    with pytest.raises(ode_sgd.InvalidProblem, match=r"a run to plot is a Run; give an ode_sgd\.Trajectory"):
        plots.run_figure(pair[0], theory())
    assert len(plots.run_figure(theory(), pair[1]).axes) == 2
    assert len(plots.analysis_figure(theory(model="teacher_student")).axes) == 3


def test_nothing_is_cut_off(pair):
    """Also where eps_g spans less than a decade and its minor ticks have labels."""
    ode, sgd = pair
    flat = ode.generalization_error / ode.generalization_error.max() + 3.0
    figure = plots.run_figure(replace(ode, generalization_error=flat), sgd)
    figure.canvas.draw()
    for axes in figure.axes:
        box = axes.get_tightbbox(figure.canvas.get_renderer())
        assert box.x0 >= 0.0 and box.y0 >= 0.0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1


def test_where_no_logarithm_is_possible(pair, tmp_path):
    """A perfect student, and a run that holds its start only."""
    ode, _ = pair
    perfect = replace(ode, generalization_error=np.zeros(ode.alpha.size))
    figure = plots.run_figure(perfect)
    assert figure.axes[0].get_yscale() == "linear"
    plots.save_figure(figure, tmp_path / "perfect.png", ode.problem)
    begun = replace(
        ode,
        alpha=ode.alpha[:1],
        generalization_error=ode.generalization_error[:1],
        moments={order: (Q[:1], R[:1], T) for order, (Q, R, T) in ode.moments.items()},
    )
    figure = plots.run_figure(begun)
    assert figure.axes[0].get_xscale() == figure.axes[1].get_xscale() == "linear"
    plots.save_figure(figure, tmp_path / "begun.png", ode.problem)


def test_curves_can_be_told_apart(pair):
    """Fifteen of them at K = M = 3: no two of the same colour, style and marker."""
    ode, _sgd = pair
    problem = replace(ode.problem, student_units=3, teacher_units=3)
    start = ode_sgd.OrderParameters.random(problem, 400, 0.5, seed=3)
    figure = Figure()
    axes = plots.plot_overlaps(figure.subplots(), [ode_sgd.integrate(problem, start, 1.0)])
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(looks) == len(axes.lines) == 15


def test_a_mean_is_not_a_theory(pair):
    _ode, sgd = pair
    figure = plots.run_figure(sgd.mean())
    assert "SGD" in figure.axes[0].get_legend().get_texts()[0].get_text()
    with pytest.raises(ode_sgd.ComparisonError, match="ODE first"):
        ode_sgd.compare(sgd.mean(), sgd)


def test_several_runs_of_one_kind(pair):
    ode, _ = pair
    axes = plots.plot_error(Figure().subplots(), [ode, ode])
    assert len({line.get_color() for line in axes.lines}) == 2
    assert len({text.get_text() for text in axes.get_legend().get_texts()}) == 2
    for wrong in ({"labels": ["one"]},):
        with pytest.raises(ode_sgd.InvalidProblem, match="1 labels for 2"):
            plots.plot_error(Figure().subplots(), [ode, ode], **wrong)
    with pytest.raises(ode_sgd.InvalidProblem, match="nothing to plot"):
        plots.plot_overlaps(Figure().subplots(), [])


def test_analysis_figure_has_all_panels(specialised):
    figure = plots.analysis_figure(*specialised)
    labels = " ".join(axes.get_ylabel() for axes in figure.axes)
    for part in ("generalization error", "order parameters", "local exponent"):
        assert part in labels
    assert sum(len(axes.images) for axes in figure.axes) == 2


def test_plateau_is_shaded_and_named():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.5
    )
    start = ode_sgd.OrderParameters.random(problem, 1024, 0.01, seed=1)
    ode = ode_sgd.integrate(problem, start, 1000.0)
    axes = plots.run_figure(ode).axes[0]
    plateau = ode_sgd.find_plateau(ode)
    assert [text.get_text() for text in axes.texts] == [f"plateau,\nlength {plateau.length:.4g}"]
    assert axes.patches[0].get_x() == pytest.approx(plateau.start)
    assert axes.lines[-1].get_ydata()[0] == pytest.approx(plateau.height, rel=0.01)


def test_matrices_put_teachers_where_they_are_followed(specialised):
    ode, _ = specialised
    axes = Figure().subplots(1, 2)
    plots.plot_matrices(axes, ode, [0.0, 200.0])
    drawn = axes[1].images[0].get_array()
    assert np.abs(np.diag(drawn[:2, 2:])).min() > 0.8 and drawn.shape == (4, 4)
    with pytest.raises(ode_sgd.AnalysisError, match="2 axes for 1 times"):
        plots.plot_matrices(axes, ode, [1.0])


def test_local_exponent_panel_holds_the_theory():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(2000, 1.0),
        student_units=1,
        teacher_units=1,
        learning_rate=1e-3,
        activation="linear",
        gradient_flow=True,
    )
    start = ode_sgd.OrderParameters.typical(problem, 0.0, 1.0)
    axes = plots.plot_local_exponent(Figure().subplots(), [ode_sgd.integrate(problem, start, 1e5)])
    window = axes.lines[1]
    assert np.all(window.get_ydata() == 0.5)
    low, high = window.get_xdata()
    inside = (axes.lines[0].get_xdata() > low) & (axes.lines[0].get_xdata() < high)
    assert np.allclose(axes.lines[0].get_ydata()[inside], 0.5, rtol=0.02)


def test_agreement_is_drawn_within_its_limits(pair):
    agreement = ode_sgd.compare(*pair)
    axes = plots.plot_agreement(Figure().subplots(), agreement)
    assert len(axes.lines) == len(agreement.z) + 2
    assert {line.get_ydata()[0] for line in axes.lines[-2:]} == {-agreement.worst_allowed, agreement.worst_allowed}


PUBLIC = [
    "COLOURS",
    "MARKERS",
    "STYLES",
    "agreement_figure",
    "analysis_figure",
    "export_curves",
    "paper_figure",
    "plot_agreement",
    "plot_error",
    "plot_level",
    "plot_local_exponent",
    "plot_matrices",
    "plot_observables",
    "plot_overlaps",
    "plot_plateau",
    "plot_power_law",
    "plot_references",
    "run_figure",
    "save_figure",
    "style",
]


def test_every_public_name_is_an_attribute_and_can_be_imported():
    assert sorted(plots.__all__) == PUBLIC
    namespace = {}
    exec("from ode_sgd.plots import *", namespace)
    for name in PUBLIC:
        assert namespace[name] is getattr(ode_sgd.plots, name)


@pytest.mark.parametrize(("lowest", "highest"), [(0.30, 0.31), (0.3, 0.3001), (0.1, 0.4), (1e-5, 2e-5), (1e-9, 1.0)])
@pytest.mark.parametrize("whole", [figures.run_figure, figures.analysis_figure])
def test_labels_stand_on_the_figure(whole, lowest, highest):
    """Also where the error moves by a few per cent, and the numbers at its ticks are long."""
    time = np.geomspace(1e-2, 1e3, 50)
    error = lowest + (highest - lowest) * np.exp(-time / 30.0)
    observables = {"x": ode_sgd.Observable(0.12345 + 1e-4 * np.exp(-time), ("alpha",), "x")}
    problem = ode_sgd.Parameters({})
    figure = whole(ode_sgd.Run(problem=problem, alpha=time, error=error, observables=observables, method=""))
    figure.draw_without_rendering()
    left, right = (axes.yaxis.label.get_window_extent() for axes in figure.axes[:2])
    assert left.x0 >= 0.0
    assert right.x0 >= figure.axes[0].get_window_extent().x1


def plot_of_two(pair):
    return plots.plot_observables(Figure().subplots(), [pair, pair], ["R_11"], ["first", "second"])


def test_named_observables_of_several_runs(pair):
    """The curves that were asked for, each with its run's name; the y-axis says which they are."""
    axes = plots.plot_observables(Figure().subplots(), [pair, pair[0]], ["R_11", "Q_12"], ["first", "second"])
    told = [text.get_text() for text in axes.get_legend().get_texts()]
    assert told == ["$R_{11}$, first", "$R_{11}$, second", "$Q_{12}$, first", "$Q_{12}$, second"]
    assert axes.get_ylabel() == "$R_{11}$, $Q_{12}$"
    faces = [box.lines[0].get_markerfacecolor() for box in plot_of_two(pair).containers]
    assert len(set(faces)) == 2  # of one colour, but the second run's are filled
    lines = [line for line in axes.lines if line.get_linestyle() != "None"]
    np.testing.assert_array_equal(lines[0].get_ydata(), pair[0].R[1:, 0, 0])
    np.testing.assert_array_equal(lines[-1].get_ydata(), pair[0].Q[1:, 0, 1])
    for names, words in ((["R_13"], "names has 'R_13'; the observables are Q_11, Q_12"), ([], "names is empty")):
        with pytest.raises(ode_sgd.InvalidProblem, match=words):
            plots.plot_observables(Figure().subplots(), [pair], names)


def test_names_in_letters():
    names = {"R_12": "$R_{12}$", "Q_1,10": "$Q_{1,10}$", "train_loss": "train loss", "v_x": "v x", "x": "x"}
    assert {name: curves.in_letters(name) for name in names} == names


def test_the_same_figure_is_the_same_svg(pair, tmp_path):
    for name in ("one.svg", "two.svg"):
        plots.save_figure(plots.run_figure(*pair), tmp_path / name, pair[0].problem)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_pgf_needs_tex(pair, tmp_path):
    with (
        mpl.rc_context({"pgf.texsystem": "lualatex"}),
        pytest.MonkeyPatch.context() as patched,
        pytest.raises(ode_sgd.StorageError, match=r"PGF needs lualatex, .* is not found; install TeX.* or write \.pdf"),
    ):
        patched.setenv("PATH", str(tmp_path))
        plots.save_figure(plots.run_figure(*pair), tmp_path / "run.pgf", pair[0].problem)
    assert not list(tmp_path.iterdir())


def test_indices_from_unit_ten_on_have_a_comma_between_them():
    """Q_{111} could be read in two ways; the labels of `plot_overlaps` are those of its components."""
    assert curves.in_letters(component("Q", (0, 10))) == "$Q_{1,11}$"
    assert curves.in_letters(component("R", (0, 1))) == "$R_{12}$"
