"""Exponents of known curves, of ODEs, and of noisy ones."""

import numpy as np
import pytest

import ode_sgd
from tests.analysis.curves import trajectory

ALPHA = np.concatenate([[0.0], np.geomspace(0.01, 1e6, 500)])


def law(exponent=0.5, rate=0.0, shoulder=1.0, amplitude=0.3):
    return amplitude * (1.0 + ALPHA / shoulder) ** -exponent * np.exp(-rate * ALPHA)


def test_local_exponent_of_a_known_curve():
    found = ode_sgd.local_exponent(trajectory(ALPHA, law(rate=1e-5)))
    exact = -0.5 * ALPHA / (1.0 + ALPHA) - 1e-5 * ALPHA
    assert np.isnan(found[0])
    # Differences on 63 times a decade: the third derivative in ln alpha, at most 10 here, times (0.037)^2 / 6.
    assert np.allclose(found[2:-1], exact[2:-1], atol=3e-3 * np.maximum(1.0, np.abs(exact[2:-1])))


def test_local_exponent_of_noise_needs_a_width():
    noisy = law() * np.exp(0.05 * np.random.default_rng(0).standard_normal(ALPHA.size))
    curve = trajectory(ALPHA, noisy)
    late = ALPHA > 100.0
    assert np.std(ode_sgd.local_exponent(curve)[late]) > 0.3
    smooth = ode_sgd.local_exponent(curve, width=0.5)[late]
    # A line through 32 points over half a decade: 0.05 sqrt(12 / 32) / 1.15 = 0.027.
    assert np.std(smooth) < 0.04 and np.mean(smooth) == pytest.approx(-0.5, abs=0.01)


def test_fit_finds_the_power_law_between_shoulder_and_exponential():
    fit = ode_sgd.fit_power_law(trajectory(ALPHA, law(exponent=0.7, rate=1e-5)))
    assert fit.exponent == pytest.approx(0.7, abs=fit.error) and fit.error < 0.05
    assert 1.0 < fit.window[0] < 30.0 and 3e3 < fit.window[1] < 3e4
    assert fit.law == "power law" and fit.residual < 0.1 * fit.exponential_residual
    assert fit.decades == pytest.approx(np.log10(fit.window[1] / fit.window[0]))


def test_a_pure_power_law_is_exact():
    fit = ode_sgd.fit_power_law(trajectory(ALPHA[1:], 3.0 * ALPHA[1:] ** -1.25))
    assert fit.exponent == pytest.approx(1.25, abs=1e-12) and fit.amplitude == pytest.approx(3.0, rel=1e-10)
    assert fit.error < 1e-10 and fit.decades == pytest.approx(8.0)


def test_given_windows_say_which_law_is_nearer():
    curve = trajectory(ALPHA, law(rate=1e-5))
    assert ode_sgd.fit_power_law(curve, window=(30.0, 1e3)).law == "power law"
    assert ode_sgd.fit_power_law(curve, window=(2e5, 8e5)).law == "exponential"


def test_no_power_law_in_an_exponential_or_on_a_plateau():
    assert ode_sgd.fit_power_law(trajectory(ALPHA, np.exp(-1e-3 * ALPHA), resolution=1e-30)) is None
    assert ode_sgd.fit_power_law(trajectory(ALPHA, np.full(ALPHA.size, 0.3))) is None


def test_values_under_the_resolution_are_left_out():
    error = np.maximum(law(exponent=2.0), 1e-9)  # rounding below 1e-8, flat
    fit = ode_sgd.fit_power_law(trajectory(ALPHA, error, resolution=1e-8))
    assert fit.exponent == pytest.approx(2.0, abs=fit.error)
    assert fit.window[1] < 1e4
    assert np.isnan(ode_sgd.local_exponent(trajectory(ALPHA, error, resolution=1e-8))[-1])


def test_error_over_replicas_is_their_spread():
    generator, slopes = np.random.default_rng(3), []
    for _ in range(40):
        tilt = 0.05 * generator.standard_normal(16)
        rows = [law(shoulder=1e-6) * (ALPHA + 1e-9) ** slope for slope in tilt]
        fit = ode_sgd.fit_power_law(trajectory(ALPHA, rows), window=(1.0, 100.0))
        slopes.append((fit.exponent - 0.5) / fit.error)
    assert 0.7 < np.std(slopes) < 1.4  # 40 values of unit spread: 1 +- 0.11


def test_crossover_to_an_exponential():
    crossover = ode_sgd.find_crossover(trajectory(ALPHA, law(rate=1e-5)))
    # The exponent 0.5 + 1e-5 alpha is twice 0.5 at 5e4.
    assert crossover.alpha == pytest.approx(5e4, rel=0.1)
    assert crossover.rate == pytest.approx(1e-5, rel=0.1)
    assert ode_sgd.find_crossover(trajectory(ALPHA, law())) is None
    steeper = law() * (1.0 + ALPHA / 1e4) ** -2.0  # a second power law is no exponential
    assert ode_sgd.find_crossover(trajectory(ALPHA, steeper)) is None


def test_crossover_is_not_a_drop_on_the_way():
    """A plateau left at 1e3 steepens the curve for half a decade; the exponential comes at 5e4 all the same."""
    step = np.exp(-3.0 / (1.0 + (1e3 / np.maximum(ALPHA, 1e-9)) ** 3))
    curve = trajectory(ALPHA, law(rate=1e-5) * step)
    early = ode_sgd.fit_power_law(curve, window=(10.0, 100.0))
    steep = -ode_sgd.local_exponent(curve) > 2.0 * early.exponent
    assert steep[(ALPHA > 800.0) & (ALPHA < 1200.0)].all()
    assert ode_sgd.find_crossover(curve, early).alpha == pytest.approx(5e4, rel=0.1)


def test_what_falls_towards_a_plateau_is_no_law():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(4, 1.0), student_units=3, teacher_units=3, learning_rate=0.1
    )
    start = ode_sgd.OrderParameters.random(problem, 1024, 0.01, seed=0)
    ode = ode_sgd.integrate(problem, start, 5000.0)
    assert ode_sgd.find_plateau(ode) is not None
    fit = ode_sgd.fit_power_law(ode)
    assert fit is None or fit.window[0] > ode_sgd.find_plateau(ode).end


@pytest.mark.parametrize("noise", [0.003, 0.01])
def test_simulations_are_judged_by_smoothed_exponents(noise):
    generator = np.random.default_rng(1)
    rows = law(exponent=0.7, rate=1e-5) * np.exp(noise * generator.standard_normal((8, ALPHA.size)))
    fit = ode_sgd.fit_power_law(trajectory(ALPHA, rows))
    assert fit.exponent == pytest.approx(0.7, abs=3.0 * fit.error) and fit.decades > 1.5
    assert ode_sgd.find_crossover(trajectory(ALPHA, rows), fit).alpha == pytest.approx(7e4, rel=0.3)


def test_a_law_that_is_lost_in_between_has_no_crossover():
    flat = np.where((ALPHA > 1e4) & (ALPHA < 1e5), 1e4, ALPHA)
    flat = np.where(ALPHA >= 1e5, ALPHA / 10.0, flat)  # a plateau between the law and its continuation
    curve = trajectory(ALPHA, (1.0 + flat) ** -0.5 * np.exp(-1e-5 * np.maximum(ALPHA - 1e5, 0.0)), resolution=1e-12)
    fit = ode_sgd.fit_power_law(curve, (10.0, 1e3))
    assert ode_sgd.find_crossover(curve, fit) is None


def test_bad_windows_are_refused():
    curve = trajectory(ALPHA, law())
    for window, text in [((2.0, 1.0), "increasing"), ((0.0, 1.0), "increasing"), ((1.0, 1.01), "at least 4")]:
        with pytest.raises(ode_sgd.AnalysisError, match=text):
            ode_sgd.fit_power_law(curve, window=window)
    with pytest.raises(ode_sgd.AnalysisError, match="window"):
        ode_sgd.fit_power_law(curve, window=(1.0, 2.0, 3.0))
    with pytest.raises(ode_sgd.OdeSgdError, match="width"):
        ode_sgd.local_exponent(curve, width=-1.0)
    with pytest.raises(ode_sgd.AnalysisError, match="Trajectory"):
        ode_sgd.fit_power_law(np.ones(3))


def test_specialised_phase_of_a_long_spectrum():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(4000, 1.0), student_units=2, teacher_units=2, learning_rate=0.1
    )
    start = ode_sgd.OrderParameters.random(problem, 10**7, 0.01, seed=1)
    ode = ode_sgd.integrate(problem, start, 1e5)
    far = np.abs(-ode_sgd.local_exponent(ode) / 0.5 - 1.0) >= 0.1
    outside = ode.alpha[far]
    low, high = outside[outside < 50.0][-1], outside[outside > 50.0][0]
    print(f"local exponent within 10 % of 1/2 from alpha = {low:.3g} to {high:.3g}")
    assert high / low > 100.0
    assert ode_sgd.fit_power_law(ode).exponent == pytest.approx(0.5, rel=0.1)


def test_plateaus_that_are_known_need_no_second_search(monkeypatch):
    curve = trajectory(ALPHA, law(exponent=0.7, rate=1e-5))
    known, fit = ode_sgd.find_plateaus(curve), ode_sgd.fit_power_law(curve)
    monkeypatch.setattr("ode_sgd.analysis.power_law.find_plateaus", None)
    assert ode_sgd.fit_power_law(curve, plateaus=known) == fit
