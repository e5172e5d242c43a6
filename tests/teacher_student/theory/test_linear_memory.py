"""Theory of optimisers with linear memory: floors, critical rates, DANA's exponent, the saddle of a heavy ball."""

from dataclasses import replace

import numpy as np
import pytest

from ode_sgd import InvalidProblem, OrderParameters, Problem, Schedule, Spectrum, integrate, theory
from ode_sgd.optimizers import DANA, Averaging, HeavyBall, ScheduleFree

FOUR = Spectrum([2.2, 1.0, 0.5, 0.3], [0.25] * 4)
FORGETS = Schedule.power(3.0, 1.0, 1.0)
CONSTANT = {
    "heavy ball": HeavyBall(0.2),
    "average": Averaging(0.5),
    "DANA": DANA(1.0, 0.5, 0.3, 0.4),
}


def linear(optimizer, spectrum=FOUR, rate=0.5, noise=0.3, **changes):
    given = {"student_units": 1, "teacher_units": 1, "activation": "linear", "label_noise": noise}
    return Problem(spectrum=spectrum, learning_rate=rate, optimizer=optimizer, **(given | changes))


def same_everywhere(L, q, r):
    return OrderParameters(*(np.full((L, 1, 1), value) for value in (q, r, 1.0)))


@pytest.mark.parametrize("name", CONSTANT)
def test_the_floor_is_where_the_ode_ends(name):
    one = linear(CONSTANT[name])
    run = integrate(one, same_everywhere(4, 1.0, 1.0), [0.0, 120.0], method="DOP853", rtol=1e-9)
    assert theory.noise_floor(one) == pytest.approx(
        run.generalization_error[-1], rel=1e-7
    )  # rtol 1e-9, exp(-0.2 120) of the start


def test_what_does_not_learn_is_in_the_floor():
    one = linear(DANA(1.0, 0.5, 0.3, 0.4), trainable=2)
    start = same_everywhere(4, 0.5, 0.1)
    run = integrate(one, start, [0.0, 120.0], method="DOP853", rtol=1e-9)
    assert theory.noise_floor(one, start) == pytest.approx(run.generalization_error[-1], rel=1e-7)


@pytest.mark.parametrize("friction", [0.01, 1.0, 1e4])
def test_a_heavy_ball_has_the_floor_and_the_critical_rate_of_sgd(friction):
    ball, plain = linear(HeavyBall(friction)), linear(None)
    assert theory.critical_learning_rate(ball) == pytest.approx(theory.critical_learning_rate(plain), rel=1e-9)
    assert theory.noise_floor(ball) == pytest.approx(theory.noise_floor(plain), rel=1e-9)


@pytest.mark.parametrize("name", CONSTANT)
def test_the_error_grows_beyond_the_critical_rate_only(name):
    eta = theory.critical_learning_rate(linear(CONSTANT[name], noise=0.0))
    for factor, grows in ((0.9, False), (1.1, True)):
        one = linear(CONSTANT[name], rate=factor * eta, noise=0.0)
        run = integrate(one, same_everywhere(4, 1.1, 1.0), [0.0, 20.0, 80.0], method="DOP853")
        errors = run.memory.error("gradient")
        assert (run.status == "diverged" or errors[2] > errors[1]) == grows
    with pytest.raises(InvalidProblem, match="beyond critical"):
        theory.noise_floor(linear(CONSTANT[name], rate=1.1 * eta))


@pytest.mark.parametrize(("fading", "exponent"), [(None, 1.0), (0.5, 0.75)])
def test_the_exponent_of_dana(fading, exponent):
    """The mean slope over the decade in the middle of the window, which 150 eigenvalues leave at +-10 %."""
    g3 = 1.0 if fading is None else Schedule.power(1.0, fading, 1.0)
    one = linear(DANA(1.0, 0.1, g3, FORGETS), Spectrum.power_law(150, 1.0), 0.01, 0.0)
    assert theory.linear_momentum_exponent(one) == pytest.approx(exponent, rel=1e-12)
    run = integrate(one, same_everywhere(150, 0.0, 0.0), [0.0, 5.0, 50.0], method="DOP853", atol=1e-12)
    slope = np.log10(run.generalization_error[1] / run.generalization_error[2])
    assert slope == pytest.approx(exponent, rel=0.1)
    assert slope > 0.6  # plain SGD has 1/2


def test_the_effective_rate():
    """A linear unit's mean decays at it where the memory is short, to first order in eta lambda / delta = 1 / 400."""
    one = linear(DANA(1.0, 0.5, 0.3, 4.0), Spectrum.isotropic(), 0.01, 0.0)
    rate = theory.effective_learning_rate(one)
    assert rate == pytest.approx(0.01 * (0.5 + 0.3 / 4.0), rel=1e-12)
    run = integrate(one, same_everywhere(1, 0.0, 0.0), [0.0, 20.0, 40.0], method="DOP853", rtol=1e-9)
    decay = np.log((1.0 - run.R[1, 0, 0]) / (1.0 - run.R[2, 0, 0])) / 20.0
    assert decay == pytest.approx(rate, rel=1.0 / 400.0)  # momentum alone is 13 % of it
    assert theory.effective_learning_rate(linear(HeavyBall(0.1))) == 0.5


ERF = {"student_units": 2, "teacher_units": 2, "learning_rate": 1.0, "label_noise": 0.2}


@pytest.mark.parametrize("branch", ["identical", "split"])
def test_the_saddle_of_a_heavy_ball_is_at_rest(branch):
    """With its velocities, at a learning rate at which noise is no small correction."""
    one = Problem(spectrum=Spectrum.power_law(3, 1.0), optimizer=HeavyBall(0.7), **ERF)
    saddle = theory.symmetric_saddle(one, branch=branch)
    run = integrate(one, saddle.order_parameters, [0.0, 3.0], method="DOP853", rtol=1e-10)
    np.testing.assert_allclose(run.copies[-1], run.copies[0], rtol=0.0, atol=1e-12)
    plain = replace(one, optimizer=None)
    assert theory.plateau_height(one, branch=branch) == theory.plateau_height(plain, branch=branch)
    assert theory.plateau_height(one, run, "identical") > 0.0


def test_momentum_slows_the_escape():
    """(24.6); the size of the perturbation grows from 1e-8 to 1e-3, of which nonlinear terms are 1e-6."""
    one = Problem(spectrum=Spectrum.power_law(2, 1.0), optimizer=HeavyBall(0.1), **ERF)
    rate = theory.escape_rate(replace(one, optimizer=None))
    expected = theory.escape_rate(one)
    assert expected == pytest.approx(0.5 * (-0.1 + np.sqrt(0.01 + 0.4 * rate)), rel=1e-12)
    assert theory.escape_law(one).rate == expected
    assert theory.escape_rate(replace(one, optimizer=HeavyBall(1e12))) == pytest.approx(rate, rel=1e-11)
    state = theory.symmetric_saddle(one).order_parameters
    apart, copies = 1e-8 * np.array([[1.0, -1.0], [-1.0, 1.0]]), state.copies.copy()
    copies[:, :2, 4:] += apart
    start = OrderParameters.from_solution(state.q, state.r + apart, state.t, None, (state.copy_names, copies))
    run = integrate(one, start, np.array([0.0, 10.0, 11.0]) / expected, method="DOP853", rtol=1e-10, atol=1e-16)
    different = run.R[1:, 0, 0] - run.R[1:, 0, 1]
    assert np.log(different[1] / different[0]) * expected == pytest.approx(expected, rel=2e-5)
    assert expected < 0.7 * rate


def test_what_is_not_known_is_refused():
    erf = Problem(spectrum=FOUR, optimizer=HeavyBall(1.0), **ERF)
    for function in (theory.fixed_point, theory.relaxation_rates, theory.optimal_learning_rate):
        with pytest.raises(InvalidProblem, match="HeavyBall"):
            function(erf)
    with pytest.raises(InvalidProblem, match="HeavyBall"):
        theory.escape_time(erf, OrderParameters.random(erf, 80, 0.1, seed=0))
    for function in (theory.escape_rate, theory.escape_law):
        with pytest.raises(InvalidProblem, match="DANA"):
            function(replace(erf, optimizer=CONSTANT["DANA"]))
    for optimizer in (ScheduleFree(), Averaging("running_mean")):
        with pytest.raises(InvalidProblem, match="change with alpha"):
            theory.noise_floor(linear(optimizer))
        with pytest.raises(InvalidProblem):
            theory.symmetric_saddle(replace(erf, optimizer=optimizer))
    with pytest.raises(InvalidProblem, match=r"d > 1"):
        slow = DANA(1.0, 0.1, 1.0, Schedule.power(0.5, 1.0, 1.0))
        theory.linear_momentum_exponent(linear(slow, Spectrum.power_law(9, 1.0)))
    fading, of_time = Schedule.power(1.0, 0.5, 1.0), Spectrum.power_law(9, 1.0)
    just = linear(DANA(1.0, 0.1, fading, Schedule.power(0.51, 1.0, 1.0)), of_time)
    assert theory.linear_momentum_exponent(just) == pytest.approx(0.75)
    with pytest.raises(InvalidProblem, match=r"d > 0\.5$"):
        theory.linear_momentum_exponent(linear(DANA(1.0, 0.1, fading, Schedule.power(0.49, 1.0, 1.0)), of_time))
    with pytest.raises(InvalidProblem, match="does not fall as 1 / alpha"):
        theory.linear_momentum_exponent(linear(CONSTANT["DANA"], Spectrum.power_law(9, 1.0)))
    with pytest.raises(InvalidProblem, match="learning_rate = power"):
        theory.effective_learning_rate(linear(HeavyBall(1.0), rate=Schedule.power(0.5, 1.0, 1.0)))
