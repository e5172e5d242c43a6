"""What is found on a run whose saddle theory does not know: weight decay, however small."""

import pickle

import numpy as np
import pytest
from matplotlib.figure import Figure

import ode_sgd
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.findings.half_height import left_saddle
from ode_sgd.teacher_student.study_measures import MEASURES, THEORY, Observed
from ode_sgd.teacher_student.theory.plain_sgd import NotPlainSGD, require_plain_sgd
from tests.analysis.curves import trajectory

OUTCOME = "no_theory"


def problem(kappa, distinct=32, units=2, eta=0.1, **changes):
    spectrum = ode_sgd.Spectrum.power_law(distinct, 1.0)
    given = {"student_units": units, "teacher_units": units, "learning_rate": eta, "weight_decay": kappa, **changes}
    return ode_sgd.Problem(spectrum=spectrum, **given)


def run(kappa, end, seed=1, **changes):
    one = problem(kappa, **changes)
    start = ode_sgd.OrderParameters.random(one, 100 * one.spectrum.distinct, student_scale=0.01, seed=seed)
    return ode_sgd.integrate(one, start, end)


def measured(ode):
    """Outcome and numbers of everything that a sweep collects."""
    observed = Observed(ode)

    class Shared:
        def shared(self, name, make):
            return observed

    return {measure.name: measure.measure(Shared()) for measure in (*MEASURES, THEORY)}


@pytest.mark.parametrize("kappa", [0.0, 1e-9, 1e-6])
def test_the_exponent_of_the_first_descent_is_no_law_of_learning(kappa):
    ode = run(kappa, 30.0)
    found = ode_sgd.findings(ode)
    assert found.transient and found.power_law.exponent == pytest.approx(0.485, abs=0.001)
    assert found.crossover is None
    outcome, values = measured(ode)["exponent"]
    assert (outcome, values) == (OUTCOME if kappa else "not_left", ())
    if kappa:
        assert "perhaps of the initial transient" in ode_sgd.describe(found)


@pytest.mark.parametrize(("distinct", "units", "eta", "end"), [(32, 2, 0.1, 3000.0), (32, 3, 0.5, 3000.0)])
def test_the_law_of_learning_is_that_without_decay(distinct, units, eta, end):
    """As kappa -> 0: what begins at another time, when the students have parted, differs by less than its error."""
    without, with_decay = (
        ode_sgd.findings(run(kappa, end, distinct=distinct, units=units, eta=eta)) for kappa in (0.0, 1e-9)
    )
    assert not without.transient and not with_decay.transient
    fit = without.power_law
    assert with_decay.power_law.exponent == pytest.approx(fit.exponent, abs=fit.error)
    assert with_decay.power_law.window[1] == pytest.approx(fit.window[1], rel=0.1)


def test_the_end_of_a_plateau_tells_where_students_have_no_teachers_of_their_own():
    """The students of this curve are alike all the time."""
    alpha = np.geomspace(1.0, 1e6, 2000)
    curve = np.where(alpha < 10.0, alpha**-0.5, 10.0**-0.5) * np.where(alpha < 1e4, 1.0, (alpha / 1e4) ** -1.5)
    found = ode_sgd.findings(trajectory(alpha, curve, weight_decay=1e-3))
    assert found.half_height.outcome == OUTCOME and found.plateaus.plateaus
    assert not found.transient and found.power_law.exponent == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize("kappa", [0.0, 1e-9])
def test_replicas(kappa):
    """The students part somewhat before eps_g is half-way down."""
    one = problem(kappa, distinct=4, eta=0.5)
    start = ode_sgd.OrderParameters.random(one, 400, student_scale=0.01, seed=1)
    times = np.r_[0.0, np.geomspace(0.05, 400.0, 200)]
    sgd = ode_sgd.simulate(one, start, times, dimension=1000, replicas=4, seed=0)
    time = left_saddle(sgd, ode_sgd.search_half_height(sgd), ode_sgd.find_plateaus(sgd))
    half = ode_sgd.half_height(run(0.0, 400.0, distinct=4, eta=0.5)).time
    assert 0.6 * half < time < 1.2 * half


def test_the_outcome_and_its_reason():
    """A reason says what is so; what to do about it is said by the error of who asked theory."""
    ode = run(0.05, 30.0)
    search = ode_sgd.search_half_height(ode)
    assert search.half_height is None and search.outcome == OUTCOME
    assert search.reason == "weight_decay = 0.05 has no theory here, which is that of SGD on the error alone"
    saddle = next(line for line in ode_sgd.describe(ode_sgd.findings(ode)).splitlines() if line.startswith("saddle"))
    assert saddle == f"saddle    not known: {search.reason}"
    with pytest.raises(InvalidProblem, match=r"give a problem without it, .* or integrate the ODE"):
        ode_sgd.theory.plateau_height(ode.problem)
    found = measured(ode)
    assert {found[name] for name in ("half_height", "saddle", "escape", "theory_escape")} == {(OUTCOME, ())}


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"units": 1}, "one student"), ({"activation": "linear"}, "linear"), ({"trainable": 1}, "do not learn")],
)
def test_a_problem_without_a_saddle_has_none_with_decay_either(changes, word):
    search = ode_sgd.search_half_height(run(0.05, 10.0, distinct=3, **changes))
    assert search.outcome == "no_saddle" and word in search.reason
    assert not ode_sgd.findings(run(0.05, 10.0, distinct=3, **changes)).transient


def test_new_words_leave_the_codes_of_the_old_ones():
    assert {
        measure.name: measure.outcomes.index(OUTCOME) for measure in (*MEASURES, THEORY) if OUTCOME in measure.outcomes
    } == {
        "half_height": 5,
        "saddle": 2,
        "escape": 6,
        "exponent": 3,
        "theory_escape": 2,
    }
    assert MEASURES[1].outcomes[:5] == ("found", "not_reached", "no_saddle", "not_passed", "ended_early")


def test_the_error_goes_through_a_pipe():
    with pytest.raises(NotPlainSGD) as told:
        require_plain_sgd(problem(0.05))
    again = pickle.loads(pickle.dumps(told.value))
    assert (str(again), again.reason) == (str(told.value), told.value.reason)


def test_the_local_exponent_is_drawn_without_a_law():
    axes = ode_sgd.plots.plot_local_exponent(Figure().subplots(), [run(0.05, 10.0)])
    assert len(axes.lines) == 1


def test_titles_of_runs_that_differ_differ():
    changes = (
        {},
        {"kappa": 0.05},
        {"label_noise": 0.1},
        {"gradient_flow": True},
        {"trainable": 2},
        {"batch_size": 2},
        {"second_layer_rate": 0.1},
        {"second_layer_rate": 0.1, "second_layer_decay": 0.2},
    )
    runs = [run(**{"kappa": 0.0, "end": 5.0, "distinct": 3, **one}) for one in changes]
    titles = [ode_sgd.plots.run_figure(ode).get_suptitle() for ode in runs]
    assert len(set(titles)) == len(changes)
    assert "weight decay = 0.05" in titles[1] and "gradient flow" in titles[3]
    assert titles[-1].endswith("second layer rate = 0.1, second layer decay = 0.2")
