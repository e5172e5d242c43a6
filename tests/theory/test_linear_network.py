"""Critical learning rate and noise floor of linear students against the integrated ODE."""

import numpy as np
import pytest

import ode_sgd


def problem(**changes):
    options = {"student_units": 2, "teacher_units": 2, "learning_rate": 0.4, "activation": "linear", "label_noise": 0.3}
    return ode_sgd.Problem(spectrum=ode_sgd.Spectrum([0.5, 1.5], [0.5, 0.5]), **(options | changes))


def test_noise_floor_is_where_the_ode_ends():
    start = ode_sgd.OrderParameters.random(problem(), 100, 0.5, 1.0, 1)
    run = ode_sgd.integrate(problem(), start, [0.0, 60.0, 120.0], rtol=1e-10)
    assert run.generalization_error[-1] == pytest.approx(ode_sgd.theory.noise_floor(problem()), rel=1e-7)


@pytest.mark.parametrize("v", [(1.0, 1.0), (0.5, -1.0)])
def test_the_error_grows_just_above_the_critical_rate_and_falls_just_below(v):
    critical = ode_sgd.theory.critical_learning_rate(problem(student_weights=v))
    start = ode_sgd.OrderParameters.random(problem(), 100, 0.5, 1.0, 1)
    late = {}
    for factor in (0.98, 1.02):
        trial = problem(student_weights=v, learning_rate=factor * critical, label_noise=0.0)
        late[factor] = ode_sgd.integrate(trial, start, [0.0, 100.0, 200.0]).generalization_error
    assert late[0.98][2] < late[0.98][1]
    assert late[1.02][2] > late[1.02][1]


def test_gradient_flow_has_no_floor():
    assert ode_sgd.theory.noise_floor(problem(gradient_flow=True)) == 0.0


def test_refusals():
    with pytest.raises(ode_sgd.InvalidProblem, match="linear"):
        ode_sgd.theory.critical_learning_rate(problem(activation="erf"))
    with pytest.raises(ode_sgd.InvalidProblem, match="beyond critical"):
        ode_sgd.theory.noise_floor(problem(learning_rate=2.0))
    with pytest.raises(ode_sgd.InvalidProblem, match="trainable"):
        ode_sgd.theory.noise_floor(problem(trainable=1))
    assert np.isfinite(ode_sgd.theory.critical_learning_rate(problem(trainable=1)))
