"""Analysis, tables and figures of runs of a model that the package does not know."""

from dataclasses import fields, replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import ComparisonError, plots
from ode_sgd.analysis.report import deviations, table
from ode_sgd.core import registry
from tests.analysis.any_run import PROBLEM, TIMES, run, simulation, theory


def test_its_power_law_is_found():
    fit = ode_sgd.fit_power_law(theory(0.5), window=(50.0, 1000.0))
    assert fit.exponent == pytest.approx(0.5, abs=0.01)
    assert ode_sgd.fit_power_law(simulation(), window=(50.0, 1000.0)).exponent == pytest.approx(0.5, abs=0.02)
    assert ode_sgd.local_exponent(theory(0.5))[-1] == pytest.approx(-0.5, abs=0.01)
    assert ode_sgd.find_crossover(theory(0.5)) is None


def test_its_plateau_is_found():
    times = np.linspace(0.0, 100.0, 400)
    error = 0.2 + 0.8 / (1.0 + np.exp(times - 50.0)) + 0.5 * np.exp(-times)
    one = ode_sgd.Run(problem=PROBLEM, alpha=times, error=error, method="by hand")
    plateau = ode_sgd.find_plateau(one)
    assert plateau.height == pytest.approx(1.0, rel=1e-3)
    assert plateau.end == pytest.approx(50.0, abs=0.5)


def test_it_agrees_with_its_theory():
    found = ode_sgd.compare(theory(), simulation())
    assert found.outcome == "agree"
    assert list(found.z) == ["energy", "x_1", "x_2"]
    assert list(found.rms_by_quantity) == ["energy", "x"]
    assert found.effective_dimension == 1000.0
    assert found.otherwise_paired == 0
    assert "agree" in found.verdict


def test_without_a_dimension_no_bias_is_allowed_for():
    one = replace(simulation(), dimension=None)
    found = ode_sgd.compare(theory(), one)
    assert set(found.bias_allowance.values()) == {0.0}
    assert "N =" not in found.verdict
    assert (
        ode_sgd.compare(theory(), replace(one, error=one.error * np.where(TIMES > 0.0, 1.02, 1.0))).outcome
        == "disagree"
    )


class Relative(ode_sgd.Run):
    """A run whose theory is off by a part of the quantity at each time."""

    __slots__ = ()

    def relative_bias(self):
        return np.full(self.alpha.size, 0.02)


def test_a_relative_bias_is_one_of_the_quantity_at_each_time():
    sgd = Relative(**{field.name: getattr(simulation(), field.name) for field in fields(simulation())})
    found = ode_sgd.compare(theory(), sgd)
    assert found.outcome == "agree" and found.bias_is_relative
    assert np.array_equal(found.evidence.allowance, 0.02 * theory().error[1:])
    assert found.bias_allowance["energy"] == 0.02 * theory().error[1]
    assert "of each quantity allowed for" in found.verdict
    wrong = theory()
    wrong = wrong.with_values(wrong.error * np.where(TIMES > 10.0, 1.3, 1.0), wrong.observables)
    assert ode_sgd.compare(wrong, sgd).outcome == "disagree"
    # The same deviation is less than a bias of 0.02 of the largest value, where the error has fallen to a tenth of it.
    assert ode_sgd.compare(wrong, replace(simulation(), dimension=50)).outcome == "undecided"


def test_its_time_has_its_name_in_messages():
    agreement = ode_sgd.compare(theory(), simulation())
    assert " at t = " in agreement.verdict and "alpha" not in agreement.verdict
    assert deviations(agreement).splitlines()[0].count("at t") == 2
    with pytest.raises(ComparisonError, match=r"the first t = 0\.1;"):
        ode_sgd.compare(theory(alpha=TIMES + 0.01 * (TIMES > 0.0)), simulation())


def test_its_deviations_are_extrapolated():
    pairs = [(theory(), simulation(32, dimension, bias=0.5)) for dimension in (100, 200, 400)]
    found = ode_sgd.extrapolate(pairs)
    assert found.agrees
    assert np.median(found.slope["x_1"]) == pytest.approx(0.5, rel=0.3)


def test_what_one_of_them_lacks_is_not_compared():
    assert list(ode_sgd.compare(theory(), replace(simulation(), observables={})).z) == ["energy"]
    assert list(ode_sgd.compare(replace(theory(), observables={}), simulation()).z) == ["energy"]


def test_other_starts_and_problems_are_refused():
    with pytest.raises(ComparisonError, match="do not start from the same state; pass the same start to both"):
        ode_sgd.compare(run(2.0 * theory().error, np.ones(TIMES.size)), simulation())
    with pytest.raises(ComparisonError, match="every replica has a start of its own"):
        noise = np.random.default_rng(1).random((8, TIMES.size))
        ode_sgd.compare(theory(), run(noise, noise, dimension=10))
    with pytest.raises(ComparisonError, match="different problems"):
        ode_sgd.compare(theory(problem=ode_sgd.Parameters({"friction": 1})), simulation())


class Sided(ode_sgd.Run):
    """A run whose replicas end on either side."""

    __slots__ = ()

    def outcome_at(self, row):
        return np.sign(self.observables["x"].values[..., row, :1]).astype(int) + 1


def test_replicas_that_end_on_the_other_side_are_counted():
    def sided(one, sign):
        x = one.observables["x"]
        moved = replace(x, values=x.values * np.where(TIMES > 1.0, sign, 1.0)[..., :, None])
        return Sided(**{field.name: getattr(one, field.name) for field in fields(one)} | {"observables": {"x": moved}})

    signs = np.where(np.arange(16) < 4, -1.0, 1.0)[:, None]
    found = ode_sgd.compare(sided(theory(), 1.0), sided(simulation(), signs))
    assert found.otherwise_paired == 4
    assert found.outcome == "undecided"
    assert "replicas end in different outcomes" in found.verdict


class OfData(ode_sgd.Run):
    """A run whose inputs are rows of data."""

    __slots__ = ()
    inputs_fix_dimension = True


def test_where_data_fix_the_dimension_no_other_one_is_advised():
    sgd = simulation(dimension=10)
    noise = np.where(TIMES > 1.0, np.random.default_rng(1).standard_normal(sgd.error.shape), 0.0)
    noisy = replace(sgd, error=sgd.error * np.exp(2.0 * noise) / np.exp(2.0 * noise).mean(axis=0))
    of_data = OfData(**{field.name: getattr(noisy, field.name) for field in fields(noisy)})
    for one, told in ((noisy, False), (of_data, True)):
        found = ode_sgd.compare(theory(), one)
        assert found.outcome == "undecided"
        assert ("the data fix N" in found.verdict) == told


def test_its_table():
    lines = table(theory(), simulation()).splitlines()
    assert lines[0] == f"Parameters {PROBLEM.identity[:12]}"
    assert lines[2].startswith("simulation, N = 1000, 16 replicas, seed 1: by hand")
    assert lines[4].split() == ["t", "energy", "(theory)", "energy", "(simulation)", "std.", "error"]
    assert lines[-1].split()[0] == "1000"
    assert "x_2" in deviations(ode_sgd.compare(theory(), simulation()))


def test_its_figures(tmp_path):
    figure = plots.run_figure(theory(), simulation())
    left, right = figure.axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("t", "energy")
    assert {line.get_label() for line in right.lines} >= {"x 1", "x 2"}
    assert "Parameters" in figure.get_suptitle()
    plots.save_figure(figure, tmp_path / "run.png", PROBLEM)
    panels = plots.analysis_figure(theory(), simulation()).axes
    assert [panel.get_xlabel() for panel in panels] == ["t"] * 3
    assert panels[2].get_ylabel() == "local exponent  -d ln energy / d ln t  (dimensionless)"
    drawn = plots.agreement_figure(ode_sgd.compare(theory(), simulation()))
    assert drawn.axes[0].get_xlabel() == "t"
    assert {text.get_text() for text in drawn.axes[0].get_legend().get_texts()} == {"energy", "x"}


class Decay(ode_sgd.Model):
    """A model with a figure of its own, which begins with that of every run."""

    name = "decay"
    tables = {"decay": dict}  # noqa: RUF012

    def theory(self, tables, progress):
        raise AssertionError

    def figure(self, theory, simulation, *, analysis=False):
        if simulation is None:
            return None
        figure = plots.run_figure(theory, simulation)
        figure.suptitle("analysis of a decay" if analysis else "a decay")
        return figure


def test_a_registered_model_draws_its_own_figures(monkeypatch):
    monkeypatch.setitem(registry.MODELS, "decay", f"{__name__}:Decay")
    ode, sgd = theory(model="decay"), simulation(model="decay")
    assert plots.run_figure(ode, sgd).get_suptitle() == "a decay"
    assert plots.run_figure(None, sgd).get_suptitle() == "a decay"
    assert plots.analysis_figure(ode, sgd).get_suptitle() == "analysis of a decay"
    assert len(plots.analysis_figure(ode).axes) == 3  # the model leaves these to the package
    assert plots.run_figure(theory(model="other"), simulation(model="other")).get_suptitle().startswith("other ")


def test_what_is_of_overlaps_refuses_it():
    axes = plots.run_figure(theory()).axes[0]
    with pytest.raises(ode_sgd.InvalidProblem, match=r"trajectories\[0\] is a Run; give an ode_sgd.Trajectory"):
        plots.plot_overlaps(axes, [theory()])
    with pytest.raises(ode_sgd.AnalysisError, match=r"is a Run; give an ode_sgd\.Trajectory"):
        ode_sgd.findings(theory())
