"""Floors, critical rates and relaxation of tanh and arctan, against the ODE; and which activations have none."""

import numpy as np
import pytest

from ode_sgd import InvalidProblem, integrate, theory
from tests.teacher_student.theory.floors.cases import at_teacher, erf, law


def problem(activation, L=4, **changes):
    """K = M = 2."""
    return erf(2, activation=activation, spectrum=law(L), **{"learning_rate": 1.0, "label_noise": 0.2, **changes})


def near(one):
    """Students close to orthonormal teachers."""
    return at_teacher(one, np.tile(np.eye(2), (one.spectrum.distinct, 1, 1)), 0.1)


@pytest.mark.parametrize("activation", ["tanh", "arctan"])
def test_a_run_ends_on_the_floor(activation):
    """At alpha = 3000 what is left of the start has decayed by exp(-70): 1e-7 is the tolerance of the steps, 1e-8."""
    one = problem(activation)
    run = integrate(one, near(one), [0.0, 3e3], rtol=1e-8)
    assert theory.noise_floor(one) == pytest.approx(run.error[-1], rel=1e-7)
    assert theory.fixed_point(one, run).generalization_error == pytest.approx(run.error[-1], rel=1e-7)


def test_small_noise():
    """The limit itself, to the next order in sigma^2, which is 3e-3 of the floor at sigma = 0.02."""
    one = problem("tanh", label_noise=0.02)
    run = integrate(one, near(one), [0.0, 3e3], rtol=1e-8)
    assert run.error[-1] == pytest.approx(0.02**2 * theory.small_noise_floor(one), rel=1e-2)


def test_without_noise_the_error_decays_at_the_slowest_rate():
    """At alpha = 260, where the next rate, 0.091 beside 0.055, adds 0.6 %; eps_g is 1e-12, far above rounding."""
    one = problem("tanh", L=1, learning_rate=0.5, label_noise=0.0)
    run = integrate(one, near(one), [0.0, 240.0, 280.0], rtol=1e-8)
    rate = np.log(run.error[1] / run.error[2]) / 40.0
    assert run.error[2] > 100.0 * run.resolution
    assert theory.relaxation_rates(one).error == pytest.approx(rate, rel=1e-2)


def test_it_vanishes_below_the_critical_rate_alone():
    one = problem("tanh", L=1, label_noise=0.0)
    critical = theory.critical_learning_rate(one)
    ends = []
    for factor in (0.95, 1.05):
        each = problem("tanh", L=1, label_noise=0.0, learning_rate=factor * critical)
        ends.append(integrate(each, near(each), [0.0, 500.0]).error[-1])
    assert ends[0] < 1e-6
    assert ends[1] > 1e-3


def test_what_has_none():
    with pytest.raises(InvalidProblem, match=r"activation = 'relu': .* a slope that jumps have none"):
        theory.noise_floor(problem("relu"))
    with pytest.raises(InvalidProblem, match="teacher_activation = 'erf' with activation = 'tanh': no student becomes"):
        theory.noise_floor(problem("tanh", teacher_activation="erf"))
    with pytest.raises(InvalidProblem, match=r"student_units = 3 are more .* 'tanh': .* known for 'erf'"):
        theory.noise_floor(erf(3, 2, activation="tanh"))
