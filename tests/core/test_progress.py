"""Progress: a function of the caller's own, a bar, or nothing."""

import pytest

import ode_sgd
from ode_sgd.core.progress import reporting

PROBLEM = ode_sgd.Problem(spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.5)
START = ode_sgd.OrderParameters.random(PROBLEM, 40, 0.3, seed=1)
CALLS = {
    "ODE": lambda progress: ode_sgd.integrate(PROBLEM, START, 10.0, progress=progress),
    "ODEs": lambda progress: ode_sgd.integrate_batch([PROBLEM] * 2, [START] * 2, 10.0, progress=progress),
    "SGD": lambda progress: ode_sgd.simulate(PROBLEM, START, 10.0, dimension=40, seed=1, progress=progress),
}


@pytest.mark.parametrize("name", CALLS)
def test_true_draws_a_bar_and_nothing_else_does(name, capsys):
    CALLS[name](True)
    shown = capsys.readouterr().err
    assert f"{name}   0%" in shown
    for silent in (None, False):
        CALLS[name](silent)
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", CALLS)
def test_a_bar_changes_no_number(name, capsys):
    one, other = CALLS[name](True), CALLS[name](None)
    if name == "ODEs":
        one, other = one[0], other[0]
    assert (one.generalization_error == other.generalization_error).all()


def test_a_function_is_called_as_it_was():
    reached = []
    CALLS["ODE"](reached.append)
    assert reached[-1] == 10.0
    assert reached == sorted(reached)


def test_a_bar_counts_to_its_end(capsys):
    with reporting(True, "work", 4.0) as report:
        for reached in (1.0, 3.0, 2.0, 4.0, 9.0):  # neither back nor beyond
            report(reached)
    assert "work 100%" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [1, "yes", [], 0.5])
def test_bad_input(wrong):
    with pytest.raises(ode_sgd.InvalidProblem, match="give True for a bar"):
        CALLS["ODE"](wrong)
