"""The lines of theory beside a curve are the numbers of `theory`."""

from math import log

import pytest
from matplotlib.figure import Figure

import ode_sgd
from ode_sgd import plots, theory
from tests.analysis.any_run import theory as another


@pytest.fixture(scope="module")
def at_plateau():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.5
    )
    return ode_sgd.integrate(problem, ode_sgd.OrderParameters.random(problem, 1024, 0.01, seed=1), 1000.0)


@pytest.fixture(scope="module")
def power_law():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(2000, 1.0),
        student_units=1,
        teacher_units=1,
        learning_rate=1e-3,
        activation="linear",
        gradient_flow=True,
    )
    return ode_sgd.integrate(problem, ode_sgd.OrderParameters.typical(problem, 0.0, 1.0), 1e5)


def test_the_plateau_is_theorys(at_plateau):
    axes = plots.plot_references(plots.plot_error(Figure().subplots(), [at_plateau]), at_plateau)
    height = theory.plateau_height(at_plateau.problem, at_plateau)
    assert [line.get_ydata()[0] for line in axes.lines if line.get_label() == "plateau (theory)"] == [height]


def test_the_power_law_is_theorys(power_law):
    law = theory.asymptotic_exponent(power_law.problem)
    _, axes = plots.paper_figure(1, 2, width=17.6)
    plots.plot_references(plots.plot_error(axes[0], [power_law]), power_law)
    (line,) = [line for line in axes[0].lines if "beta" in line.get_label()]
    (t0, t1), (e0, e1) = line.get_data()
    slope = -(log(e1) - log(e0)) / (log(t1) - log(t0))
    assert slope == pytest.approx(law.exponent, rel=1e-12)  # rounding
    assert t0 >= law.window[0] and t1 <= min(law.window[1], power_law.alpha[-1])
    plots.plot_references(plots.plot_error(axes[1], [power_law]), power_law, as_exponents=True)
    assert list(axes[1].lines[-1].get_ydata()) == [law.exponent] * 2


def test_an_exponent_that_is_drawn_is_not_drawn_again(power_law):
    """`plot_local_exponent` has theory's bar already; keywords that are given change it."""
    axes = plots.plot_local_exponent(Figure().subplots(), [power_law])
    before = len(axes.lines)
    axes = plots.plot_references(axes, power_law, as_exponents=True, color="red")
    assert len(axes.lines) == before
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(names) == len(set(names))
    (bar,) = [line for line in axes.lines if "beta" in line.get_label()]
    assert bar.get_color() == "red"


def test_of_runs_that_theory_knows_nothing_of_nothing_is_drawn():
    axes = plots.plot_error(Figure().subplots(), [another()])
    before = len(axes.lines)
    assert len(plots.plot_references(axes, another()).lines) == before
    with pytest.raises(ode_sgd.UnknownKeyword, match="plot_references has no keyword 'colourr'"):
        plots.plot_references(axes, another(), colourr="red")
    with pytest.raises(ode_sgd.InvalidProblem, match="run is a int"):
        plots.plot_references(axes, 3)
