"""The growth rate of the symmetry-breaking mode, on known growth, on ODEs and on simulations."""

import numpy as np
import pytest

import ode_sgd
from tests.analysis.curves import trajectory

ALPHA = np.linspace(0.0, 600.0, 301)
RATE = 0.02


def growing(rate=RATE, amplitude=1e-5, decaying=1e-2):
    """Overlaps around 0.5 whose antisymmetric part is a decaying and a growing exponential that saturates."""
    unstable = np.tanh(amplitude * np.exp(rate * ALPHA))
    stable = decaying * np.exp(-0.05 * ALPHA)
    R = np.full((ALPHA.size, 2, 2), 0.5)
    R[:, 0, 0] += 0.4 * unstable
    R[:, 1, 1] += 0.4 * unstable
    R[:, 0, 1] -= 0.4 * unstable + stable
    R[:, 1, 0] -= 0.4 * unstable - stable
    return R, 0.02 * (1.0 - unstable**2) + 1e-4


def test_rate_of_a_known_growth():
    R, error = growing()
    fit = ode_sgd.fit_escape(trajectory(ALPHA, error, R))
    assert fit.rate == pytest.approx(RATE, rel=2e-3)
    assert abs(fit.rate - RATE) < 3.0 * fit.error < 0.05 * RATE
    assert ALPHA[0] < fit.window[0] < fit.window[1] < ALPHA[-1]
    assert fit.growth == pytest.approx(np.exp(RATE * (fit.window[1] - fit.window[0])), rel=0.05)


def test_a_given_plateau_says_where_to_begin():
    R, error = growing()
    curve = trajectory(ALPHA, error, R)
    plateau = ode_sgd.find_plateau(curve)
    assert ode_sgd.fit_escape(curve, plateau) == ode_sgd.fit_escape(curve)


def test_replicas_are_fitted_one_by_one():
    rates = RATE * np.array([0.95, 1.0, 1.05, 1.0])
    runs = [growing(rate) for rate in rates]
    fit = ode_sgd.fit_escape(trajectory(ALPHA, [error for _, error in runs], [R for R, _ in runs]))
    assert fit.rate == pytest.approx(rates.mean(), rel=2e-3)
    assert fit.error == pytest.approx(rates.std(ddof=1) / 2.0, rel=0.05)


def test_asymmetry_is_the_distance_from_the_mean_student():
    R, error = growing(decaying=0.0)
    unstable = np.tanh(1e-5 * np.exp(RATE * ALPHA))
    assert np.allclose(ode_sgd.asymmetry(trajectory(ALPHA, error, R)), 0.8 * unstable, rtol=1e-9, atol=1e-16)


def test_none_without_plateau_and_one_student_is_refused():
    R, _ = growing()
    assert ode_sgd.fit_escape(trajectory(ALPHA, 1.0 / (1.0 + ALPHA), R)) is None
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=1, teacher_units=2, learning_rate=0.1
    )
    start = ode_sgd.OrderParameters.random(problem, 100, 0.1, seed=0)
    with pytest.raises(ode_sgd.AnalysisError, match="student_units = 1"):
        ode_sgd.fit_escape(ode_sgd.integrate(problem, start, 10.0))


@pytest.mark.parametrize(("K", "L"), [(2, 1), (3, 4)])
def test_on_an_ode_it_is_the_theory(K, L):
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(L, 1.0), student_units=K, teacher_units=K, learning_rate=0.1
    )
    start = ode_sgd.OrderParameters.random(problem, 10**6, 0.01, seed=1)
    fit = ode_sgd.fit_escape(ode_sgd.integrate(problem, start, 6000.0))
    rate = ode_sgd.theory.escape_rate(problem, start)
    print(f"K = {K}, L = {L}: rate / theory = {fit.rate / rate:.4f}, stated error {fit.error / rate:.4f}")
    # N = 1e6: the teacher is orthonormal to 1e-3. What is left are slow sectors and the beginning saturation.
    assert fit.rate == pytest.approx(rate, rel=0.02)
    assert abs(fit.rate - rate) < 3.0 * fit.error


def test_students_that_begin_apart_have_a_rate_too():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=1.0
    )
    start = ode_sgd.OrderParameters.random(problem, 10**6, 0.3, seed=3)
    fit = ode_sgd.fit_escape(ode_sgd.integrate(problem, start, 600.0))
    assert fit.rate == pytest.approx(ode_sgd.theory.escape_rate(problem, start, branch="split"), rel=0.05)


def test_bad_plateaus_are_refused():
    R, error = growing()
    with pytest.raises(ode_sgd.AnalysisError, match="Plateau"):
        ode_sgd.fit_escape(trajectory(ALPHA, error, R), 3.0)


def test_on_simulations_it_is_the_theory():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.5
    )
    start = ode_sgd.OrderParameters.random(problem, 2000, 0.01, seed=4)
    sgd = ode_sgd.simulate(problem, start, np.linspace(0.0, 500.0, 501), dimension=2000, replicas=16, seed=2)
    fit = ode_sgd.fit_escape(sgd)
    assert abs(fit.rate - ode_sgd.theory.escape_rate(problem, start)) < 3.0 * fit.error + 0.01 * fit.rate


@pytest.mark.filterwarnings("error")
def test_a_start_without_overlaps_is_alike():
    """R = 0 has no direction to differ in: no warning, and no spread."""
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.5
    )
    start = ode_sgd.OrderParameters.typical(problem, 0.01)
    found = ode_sgd.findings(ode_sgd.integrate(problem, start, 300.0))
    assert found.escape is None
    R, error = growing()
    R[0] = 0.0
    assert isinstance(ode_sgd.fit_escape(trajectory(ALPHA, error, R)), ode_sgd.Escape)
