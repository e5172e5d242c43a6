"""What the explorer is told of the teacher-student model."""

from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd.core.registry import find_model
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.study_explorer import _activation

MODEL = find_model()


def run_of(problem, last=1.0):
    start = ode_sgd.OrderParameters.typical(problem, student_scale=0.1)
    return ode_sgd.integrate(problem, start, last, nodes=None)


def problem_of(L, **more):
    given = {"student_units": 2, "teacher_units": 2, "learning_rate": 0.5} | more
    return ode_sgd.Problem(spectrum=ode_sgd.Spectrum.power_law(L, 1.0), **given)


def test_theory_beside_a_long_power_law():
    problem = problem_of(1000, student_units=1, teacher_units=1, activation="linear", learning_rate=0.01)
    law, found = ode_sgd.theory.asymptotic_exponent(problem), MODEL.annotations(run_of(problem))
    assert (found.exponent, found.window) == (law.exponent, law.window)


def test_the_height_is_that_of_the_saddle():
    run = run_of(problem_of(4))
    found = MODEL.annotations(run)
    assert found.height == ode_sgd.theory.plateau_height(run.problem, run)
    assert found.exponent is None


def test_what_theory_does_not_know_is_left_out():
    assert MODEL.annotations(run_of(problem_of(4, weight_decay=0.1))) == (None, None, None)


def test_other_runs_have_no_theory_here():
    times = np.arange(3.0)
    run = ode_sgd.Run(problem=ode_sgd.Parameters({}), alpha=times, error=1.0 + times, method="exact")
    assert MODEL.annotations(run) == (None, None, None)


@pytest.mark.parametrize("given", [None, 7, {"spectrum": {}}])
def test_tables_are_of_problems_only(given):
    assert MODEL.tables_of(given) is None


def test_a_start_and_a_simulation_have_dimensions_that_fit():
    tables = MODEL.tables_of(problem_of(7))
    assert (tables["start"]["dimension"], tables["simulation"]["dimension"]) == (28, 1001)
    assert "simulation" not in MODEL.tables_of(problem_of(7, gradient_flow=True))


@pytest.mark.parametrize("weights", [(1 / 3, 2 / 3), (0.1234567, 0.8765433), (0.51, 0.49), (0.004, 0.996)])
def test_the_start_of_any_spectrum_can_be_drawn(weights):
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum(np.array([2.0, 0.3]), np.array(weights)),
        student_units=2,
        teacher_units=2,
        learning_rate=0.5,
    )
    start = MODEL.tables_of(problem)["start"]
    dimension = start["dimension"]
    ode_sgd.OrderParameters.random(problem, dimension, student_scale=0.02)
    assert dimension == 20 or min(weights) * (dimension - 1) < 4  # none that is smaller would do


def test_a_long_spectrum_has_a_simulation_of_its_own_length():
    tables = MODEL.tables_of(problem_of(4000))
    assert tables["simulation"]["dimension"] == 4000
    assert tables["start"]["dimension"] == 16000


def test_an_activation_of_ones_own_is_named_by_its_file():
    assert MODEL.tables_of(problem_of(4))["problem"]["activation"] == "erf"
    given = Activation("mine", "0123456789abcdef", Path("/home/me/mine.py"))
    assert _activation(given) == "/home/me/mine.py"
    with pytest.raises(ode_sgd.InvalidProblem, match="from_file"):
        _activation(Activation("mine", "0123456789abcdef"))
