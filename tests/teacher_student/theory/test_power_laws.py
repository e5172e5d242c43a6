"""Power laws: exponents to 2 % throughout the windows, which are fixed by a rule before anything is measured."""

import dataclasses

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ode_sgd import InvalidProblem, OrderParameters, Problem, Spectrum, integrate
from ode_sgd.teacher_student.kernels.averages import available
from ode_sgd.teacher_student.theory import (
    PowerLaw,
    asymptotic_exponent,
    critical_learning_rate,
    linear_error,
    linear_feature_exponent,
    linear_feature_window,
    linear_time_exponent,
    linear_time_window,
    noise_floor,
    power_law_exponent,
)
from tests.teacher_student.theory.cases import alike


def local_exponents(one, start, window, count):
    """-d ln eps_g / d ln alpha, (count,), over 0.2 % of alpha each, ends included."""
    alpha = np.geomspace(*window, count)
    early, late = (linear_error(one, start, factor * alpha) for factor in (0.999, 1.001))
    return np.log(early / late) / np.log(1.001 / 0.999)


@pytest.mark.parametrize(
    ("beta", "L", "decades"), [(0.5, 100_000, 0.8), (0.5, 1_000_000, 2.3), (1.0, 10_000, 2.8), (2.0, 10_000, 6.9)]
)
def test_exponents_in_time(beta, L, decades, record_property):
    one, start = alike(spectrum=Spectrum.power_law(L, beta), learning_rate=1e-3, gradient_flow=True)
    window = linear_time_window(one)
    assert np.log10(window[1] / window[0]) > decades
    exponents = local_exponents(one, start, window, 12)
    deviation = exponents / linear_time_exponent(beta) - 1.0
    record_property(
        "measured",
        f"beta = {beta:g}, L = {L:,}: exponent within {100 * np.abs(deviation).max():.2f} % of "
        f"{linear_time_exponent(beta):.4f} for alpha = {window[0]:.3g} to {window[1]:.3g} at eta' = 0.001",
    )
    assert np.abs(deviation).max() < 0.02
    # The window is where the rule says it is: its share of the tolerance is used up at the end ...
    assert deviation[-1] == pytest.approx(0.015, rel=0.01)
    # ... and a little beyond both ends the law is lost.
    beyond = local_exponents(one, start, (window[0] / 10.0, window[1] * 10.0), 2) / linear_time_exponent(beta) - 1.0
    assert np.abs(beyond).min() > 0.02


def endless(c, beta, moment):
    """sum_k k^(-p moment) exp(-c k^-p) over all k >= 1, p = 1 + beta; zeta functions where the exponent is small."""
    p = mpmath.mpf(1 + beta)
    head = mpmath.fsum(k ** (-p * moment) * mpmath.exp(-c * k**-p) for k in map(mpmath.mpf, range(1, 200)))
    terms = ((-c) ** m / mpmath.factorial(m) * mpmath.zeta(p * (m + moment), 200) for m in range(20))
    return head + mpmath.fsum(terms)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_beginning_of_the_window(beta, record_property):
    """With a spectrum that has no end: there the sum leaves the exponent of the integral by an eighth of 2 %."""
    one, _ = alike(spectrum=Spectrum.power_law(10**6, beta), learning_rate=1e-3, gradient_flow=True)
    first = linear_time_window(one)[0] * 2e-3 * one.spectrum.eigenvalues[0]
    deviations = []
    for c in first * np.linspace(0.7, 1.3, 13):  # the correction oscillates
        with mpmath.workdps(30):
            exponent = float(c * endless(c, beta, 2) / endless(c, beta, 1))
        deviations.append(abs(exponent / linear_time_exponent(beta) - 1.0))
    record_property(
        "measured", f"beta = {beta:g}: deviation about the beginning {max(deviations[6:]):.5f}, rule 0.0025"
    )
    # The saddle's next order is of relative size 1 / S, 1/7 to 1/6 here.
    assert max(deviations[6:]) < 1.2 * 0.0025
    assert max(deviations) > 0.0025


@pytest.mark.parametrize(("beta", "share"), [(1.0, 0.05), (1.0, 0.5), (2.0, 0.3)])
def test_exponents_at_finite_learning_rates(beta, share, record_property):
    """x = eta / eta_c: the window opens later, and in it the exact error obeys the law."""
    one, start = alike(spectrum=Spectrum.power_law(2500, beta), learning_rate=2.0 * share)
    window = linear_time_window(one)
    flow = linear_time_window(alike(spectrum=one.spectrum, learning_rate=2.0 * share, gradient_flow=True)[0])
    assert window[0] >= flow[0]
    assert window[1] == flow[1]
    deviation = local_exponents(one, start, window, 12) / linear_time_exponent(beta) - 1.0
    record_property("measured", f"beta = {beta:g}, eta = {share} eta_c: within {100 * np.abs(deviation).max():.2f} %")
    assert np.abs(deviation).max() < 0.02


def test_the_term_of_order_eta_squared_where_it_rules():
    """beta = 1/2 at half the critical rate: where the law begins under gradient flow, it does not hold."""
    flow, start = alike(spectrum=Spectrum.power_law(3000, 0.5), learning_rate=1.0, gradient_flow=True)
    one, _ = alike(spectrum=flow.spectrum, learning_rate=1.0)
    assert linear_time_window(one, 0.2) is None
    begin = linear_time_window(flow, 0.2)[0]
    ours, limit = (
        local_exponents(which, start, (begin, 2.0 * begin), 2)[0] / linear_time_exponent(0.5) - 1.0
        for which in (one, flow)
    )
    assert ours < -0.2
    assert abs(limit) < 0.05


@pytest.mark.parametrize(("beta", "L"), [(0.5, 1_000_000), (1.0, 100_000), (2.0, 10_000)])
def test_exponents_in_the_number_of_features(beta, L, record_property):
    spectrum = Spectrum.power_law(L, beta)
    one, start = alike(spectrum=spectrum, learning_rate=1e-3)
    window = linear_feature_window(one)

    def floor(m):
        trial, _ = alike(spectrum=spectrum, learning_rate=1e-3, trainable=int(m))
        return noise_floor(trial, start)

    m = np.geomspace(*window, 3).round().astype(int)
    exponents = np.array([np.log(floor(k - 1) / floor(k + 1)) / np.log((k + 1) / (k - 1)) for k in m])
    deviation = exponents / linear_feature_exponent(beta) - 1.0
    record_property(
        "measured",
        f"beta = {beta:g}, L = {L:,}: floor ~ N_l^-beta within {100 * np.abs(deviation).max():.2f} % for N_l = "
        f"{window[0]:g} to {window[1]:g}",
    )
    assert np.abs(deviation).max() < 0.02


def test_the_feature_window_at_a_finite_learning_rate():
    """The factor 1 / (1 - eta / eta_c) grows with m: where that shows the window begins."""
    spectrum = Spectrum.power_law(100_000, 1.0)
    slow, fast = (alike(spectrum=spectrum, learning_rate=eta)[0] for eta in (1e-3, 1.5))
    assert linear_feature_window(fast)[0] > linear_feature_window(slow)[0]
    m = int(linear_feature_window(fast)[0])
    start = OrderParameters.typical(fast, 0.0)
    floors = [noise_floor(alike(spectrum=spectrum, learning_rate=1.5, trainable=k)[0], start) for k in (m - 1, m + 1)]
    exponent = np.log(floors[0] / floors[1]) / np.log((m + 1) / (m - 1))
    assert exponent == pytest.approx(1.0, abs=0.02)


def test_a_wider_tolerance_opens_the_window():
    one, start = alike(spectrum=Spectrum.power_law(200, 1.0), learning_rate=1e-3, gradient_flow=True)
    assert linear_time_window(one) is None
    deviation = local_exponents(one, start, linear_time_window(one, 0.1), 9) / 0.5 - 1.0
    assert 0.05 < np.abs(deviation).max() < 0.1
    assert linear_feature_window(one) is None
    assert linear_feature_window(one, 0.2) == (20.0, 26.0)


@pytest.mark.parametrize(("m", "sign"), [(20_000, 1.0), (10_000, 1.0), (2000, -1.0), (200, -1.0)])
def test_the_end_of_the_window_with_held_sectors(m, sign, record_property):
    """They make the error flatter, and the spectrum's end makes it steeper: about m = L / 10 the two cancel."""
    full, start = alike(spectrum=Spectrum.power_law(20_000, 1.0), learning_rate=0.1, gradient_flow=True)
    part, _ = alike(spectrum=full.spectrum, learning_rate=0.1, gradient_flow=True, trainable=m)
    window = linear_time_window(part)
    assert window[0] == linear_time_window(full)[0]
    deviation = local_exponents(part, start, window, 25) / 0.5 - 1.0
    record_property(
        "measured", f"{m} of 20,000 sectors learn: within {100 * np.abs(deviation).max():.2f} % up to {window[1]:.4g}"
    )
    # The share of the tolerance is kept, and used up at the end, but for the bound on I, there 2 % below it.
    assert np.abs(deviation).max() < 0.0151
    assert deviation[-1] == pytest.approx(sign * 0.015, rel=0.03)
    beyond = local_exponents(part, start, (window[1], 3.0 * window[1]), 2)[-1] / 0.5 - 1.0
    assert sign * beyond > 0.02


def test_an_eigenvalue_that_learns_in_part_opens_no_window():
    """400 eigenvalues, each of two sectors: 402 sectors are 201 eigenvalues, 401 are no number of them."""
    single = Spectrum.power_law(400, 1.0)
    doubled = Spectrum(np.repeat(single.eigenvalues, 2), np.repeat(single.weights, 2) / 2.0)
    whole = alike(spectrum=single, learning_rate=1e-3, gradient_flow=True, trainable=201)[0]
    one = alike(spectrum=doubled, learning_rate=1e-3, gradient_flow=True, trainable=402)[0]
    window = linear_time_window(one, 0.2)
    assert window[0] < window[1]
    assert window == pytest.approx(linear_time_window(whole, 0.2), rel=1e-9)
    assert linear_time_window(dataclasses.replace(one, trainable=401), 0.2) is None


@pytest.mark.parametrize(("beta", "L", "m", "eta"), [(1.0, 2500, 1000, 1.5), (2.0, 1000, 30, 0.5)])
def test_held_sectors_at_a_finite_learning_rate(beta, L, m, eta):
    one, start = alike(spectrum=Spectrum.power_law(L, beta), learning_rate=eta, trainable=m)
    window = linear_time_window(one, 0.2)
    deviation = local_exponents(one, start, window, 15) / linear_time_exponent(beta) - 1.0
    assert np.abs(deviation).max() < 0.2


@pytest.mark.parametrize("x", [1.0, 1.01, 1.02])
def test_between_the_critical_rates_of_all_and_of_the_learning_sectors_there_is_no_law(x):
    """The error then stands still or grows, to a finite floor: x of all sectors counts, not of those that learn."""
    one, start = alike(spectrum=Spectrum.power_law(2000, 1.0), learning_rate=2.0 * x, trainable=20)
    assert one.learning_rate < critical_learning_rate(one)
    assert linear_time_window(one, 0.2) is None
    rates = 2.0 * one.learning_rate * one.spectrum.eigenvalues[[0, 19]]
    error = linear_error(one, start, np.concatenate([[0.0], np.geomspace(1.0 / rates[0], 100.0 / rates[1], 20)]))
    # A sum over 2000 sectors: 1e-12 of itself.
    assert np.diff(error).min() > -1e-11 * error[0]
    assert error[-1] == pytest.approx(noise_floor(one, start), rel=1e-2)
    if x == 1.0:
        np.testing.assert_allclose(error, error[0], rtol=1e-11)


# --- what is a power law ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("L", [3, 1000])
@pytest.mark.parametrize("beta", [0.05, 1.0, 2.7])
@pytest.mark.parametrize("trace", [1.0, 3e-7])
def test_beta_from_the_spectrum(L, beta, trace):
    assert power_law_exponent(Spectrum.power_law(L, beta, trace)) == pytest.approx(beta, rel=1e-11)


@pytest.mark.parametrize(
    "spectrum",
    [
        Spectrum.isotropic(),
        Spectrum.power_law(2, 1.0),
        Spectrum([1.0, 0.5, 0.0], np.full(3, 1 / 3)),
        Spectrum([1.0, 0.9, 0.8], np.full(3, 1 / 3)),
        Spectrum([3.0, 1.5, 1.0], np.full(3, 1 / 3)),  # beta = 0
        Spectrum(Spectrum.power_law(3, 1.0).eigenvalues, [0.3, 0.3, 0.4]),
        Spectrum(Spectrum.power_law(3, 1.0).eigenvalues[::-1], np.full(3, 1 / 3)),
        Spectrum(Spectrum.power_law(3, 1.0).eigenvalues * [1.0, 1.0 + 1e-8, 1.0], np.full(3, 1 / 3)),
    ],
)
def test_what_is_no_power_law(spectrum):
    assert power_law_exponent(spectrum) is None
    one, _ = alike(spectrum=spectrum)
    assert asymptotic_exponent(one) is None
    for window in (linear_time_window, linear_feature_window):
        with pytest.raises(InvalidProblem, match="no power law"):
            window(one)


def test_asymptotic_exponent_of_linear_networks():
    one, _ = alike(spectrum=Spectrum.power_law(5000, 2.0), learning_rate=0.1)
    assert asymptotic_exponent(one) == PowerLaw(2.0 / 3.0, linear_time_window(one))
    assert asymptotic_exponent(one, 0.1).window == linear_time_window(one, 0.1)
    for changes in ({"label_noise": 0.1}, {"learning_rate": 2.1}, {"student_weights": [0.0]}):
        closed = Problem(
            **{
                "spectrum": one.spectrum,
                "student_units": 1,
                "teacher_units": 1,
                "activation": "linear",
                "learning_rate": 0.1,
            }
            | changes
        )
        assert asymptotic_exponent(closed) is None


def erf(**changes):
    values = {"spectrum": Spectrum.power_law(4000, 1.0), "student_units": 2, "teacher_units": 2, "learning_rate": 0.1}
    return Problem(**{**values, **changes})


def test_asymptotic_exponent_once_students_have_specialised(record_property):
    """erf: within the tolerance from ten times the beginning of the window on, when the plateau is over."""
    one, tolerance = erf(), 0.1
    law = asymptotic_exponent(one, tolerance)
    assert law.exponent == 0.5
    alpha = np.geomspace(10.0 * law.window[0], law.window[1], 10)
    start = OrderParameters.random(one, 400_000, 0.01, seed=1)
    error = integrate(one, start, np.concatenate([[0.0], alpha]), rtol=1e-8).generalization_error[1:]
    exponents = -np.diff(np.log(error)) / np.diff(np.log(alpha))
    record_property("measured", f"erf, L = 4000: exponents {exponents.min():.3f} to {exponents.max():.3f}, law 0.5")
    np.testing.assert_allclose(exponents, 0.5, rtol=tolerance)


@pytest.mark.parametrize(
    "changes",
    [
        {"label_noise": 0.1},
        {"student_units": 3},
        {"teacher_weights": [1.0, 0.5]},
        {"trainable": 100},
        {"spectrum": Spectrum.power_law(50, 1.0)},
    ],
)
def test_no_law_where_the_error_ends_on_a_floor_or_the_window_is_closed(changes):
    assert asymptotic_exponent(erf(**changes)) is None


# --- no valid problem is refused: `findings` and the plots ask for every run ------------------------------------------


def powers(least, most):
    """Numbers spread evenly over the logarithm."""
    return st.floats(np.log10(least), np.log10(most)).map(lambda exponent: float(np.clip(10.0**exponent, least, most)))


@st.composite
def any_problem(draw):
    L = int(draw(powers(1.0, 1e6)))
    return Problem(
        spectrum=Spectrum.power_law(L, draw(powers(1e-3, 50.0)), draw(powers(1e-9, 1e9))),
        student_units=draw(st.integers(1, 4)),
        teacher_units=draw(st.integers(1, 4)),
        learning_rate=draw(st.one_of(powers(1e-3, 10.0), powers(1e-50, 1e50))),
        activation=draw(st.sampled_from(available())),
        output=draw(st.sampled_from(["committee", "mean_field"])),
        label_noise=draw(st.sampled_from([0.0, 0.1])),
        gradient_flow=draw(st.booleans()),
        trainable=draw(st.one_of(st.none(), st.just(L), st.integers(1, L))),
    )


def shallow(**changes):
    values = {"spectrum": Spectrum.power_law(100, 0.01), "student_units": 1, "teacher_units": 1}
    return Problem(**{"activation": "linear", "learning_rate": 0.5, **values, **changes})


@settings(max_examples=200, deadline=None)
@given(any_problem(), st.one_of(powers(1e-3, 0.2), powers(5e-324, 0.2)))
@example(shallow(), 0.02)
@example(shallow(spectrum=Spectrum.power_law(100, 1e-3)), 5e-324)
@example(shallow(spectrum=Spectrum.power_law(10**6, 50.0), gradient_flow=True), 0.2)
@example(shallow(spectrum=Spectrum.power_law(1000, 1.0), learning_rate=1e50, gradient_flow=True), 0.2)
@example(shallow(spectrum=Spectrum.power_law(1000, 1.0), learning_rate=1e-50), 0.2)
@example(shallow(learning_rate=2.0 * (1.0 - 1e-16)), 0.02)
@example(shallow(student_weights=[1e50], learning_rate=1e-50), 0.02)
@example(shallow(student_weights=[1e-200], activation="erf", teacher_weights=[1e-200]), 0.02)
@example(shallow(student_weights=[0.0], activation="erf", teacher_weights=[0.0]), 0.02)
def test_every_valid_problem_has_a_law_or_none(one, tolerance):
    law = asymptotic_exponent(one, tolerance)
    assert law is None or (0.0 < law.exponent < 1.0 and 0.0 <= law.window[0] < law.window[1])
    if one.activation == "linear" and power_law_exponent(one.spectrum) is not None:
        m = linear_feature_window(one, tolerance)
        assert m is None or 1.0 <= m[0] < m[1] <= one.spectrum.distinct


def test_windows_at_the_edge_of_floats():
    """The window scales as 1 / (eta v^2), up to infinity; shallow spectra have none, at any tolerance."""
    spectrum = Spectrum.power_law(1000, 1.0)
    window, slow, slowest = (
        linear_time_window(shallow(spectrum=spectrum, gradient_flow=True, learning_rate=eta, student_weights=[v]))
        for eta, v in ((1.0, 1.0), (1e-50, 1e-125), (5e-50, 1e-130))
    )
    np.testing.assert_allclose(np.multiply(slow, 1e-300), window, rtol=1e-12)
    assert 1e306 < slowest[0] < slowest[1] == np.inf
    never = shallow(spectrum=spectrum, gradient_flow=True, learning_rate=5e-50, student_weights=[1e-137])
    assert linear_time_window(never) is None
    for tolerance in (5e-324, 0.02, 0.2):
        assert linear_time_window(shallow(), tolerance) is None
        assert linear_feature_window(shallow(), tolerance) is None


def test_refusals():
    for wrong in (0.0, 0.3, np.nan):
        for function in (linear_time_window, linear_feature_window, asymptotic_exponent):
            with pytest.raises(InvalidProblem, match="tolerance"):
                function(alike()[0], wrong)
    for function in (linear_time_exponent, linear_feature_exponent):
        with pytest.raises(InvalidProblem, match="beta"):
            function(0.0)
    with pytest.raises(InvalidProblem, match="needs 'linear'"):
        linear_time_window(erf())
    with pytest.raises(InvalidProblem, match="Spectrum"):
        power_law_exponent([1.0, 0.25])
