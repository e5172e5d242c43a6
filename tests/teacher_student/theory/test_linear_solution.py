"""The linear network in closed form, against the integrated ODE, a dense exponential and 60 digits."""

import time
import tracemalloc

import mpmath
import numpy as np
import pytest

from ode_sgd import InvalidProblem, InvalidStart, OrderParameters, Spectrum, integrate
from ode_sgd.teacher_student.theory import linear_error, linear_modes, linear_order_parameters, noise_floor
from tests.reference.theory import linear_error_vector
from tests.teacher_student.theory.cases import CASES, alike, linear, rough

ALPHA = np.array([0.0, 0.01, 0.3, 1.0, 4.0, 15.0])


@pytest.fixture(params=CASES.values(), ids=CASES)
def one(request):
    return linear(**request.param)


def test_against_the_dense_exponential(one):
    e = linear_error_vector(one, rough(one), ALPHA)
    expected = 0.5 * e @ one.spectrum.powers(1)
    # expm is good to about 1e-13 of the matrix' norm, and the error has fallen by less than 1e-3
    np.testing.assert_allclose(linear_error(one, rough(one), ALPHA), expected, rtol=1e-11)


def test_against_integrate(one, record_property):
    run = integrate(one, rough(one), ALPHA, rtol=1e-11, moments=(0, 1, 2, 3))
    assert run.status == "complete"
    exact = linear_order_parameters(one, rough(one), ALPHA, moments=(3, 0, 2))
    # the same sums in another order
    np.testing.assert_allclose(exact.generalization_error, linear_error(one, rough(one), ALPHA), rtol=1e-14)
    worst = np.abs(exact.generalization_error / run.generalization_error - 1.0).max()
    record_property("measured", f"linear theory and integrate: eps_g differs by {worst:.1e}")
    assert worst < 1e-9  # a hundred times the tolerance of a step
    for order in (0, 1, 2, 3):
        for ours, theirs in zip(exact.moment(order), run.moment(order), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=1e-9 * np.abs(theirs).max())
    for name in "QRT":
        np.testing.assert_array_equal(getattr(exact, name), exact.moment(1)["QRT".index(name)])


def test_ten_thousand_eigenvalues(record_property):
    """Exactly, at half the critical learning rate, against nodes in place of the spectrum."""
    one, start = alike(spectrum=Spectrum.power_law(10_000, 0.5), learning_rate=1.0, label_noise=0.05)
    alpha = np.array([0.0, *np.geomspace(1e-3, 1e5, 20)])
    began = time.perf_counter()
    exact = linear_error(one, start, alpha)
    record_property("measured", f"L = 10,000 exactly: {time.perf_counter() - began:.1f} s")
    run = integrate(one, start, alpha, rtol=1e-10)
    assert run.stats["nodes"] < 500
    assert exact[0] == pytest.approx(0.5, rel=1e-12)
    np.testing.assert_allclose(exact, run.generalization_error, rtol=1e-8)  # nodes hold 2 rtol, steps 1e-10 each


def test_down_to_any_error():
    """Slow decay through 280 decades, with 60 digits beside it: relative precision throughout."""
    one = linear(spectrum=Spectrum([2.0, 0.9, 0.3, 0.1], [0.1, 0.2, 0.3, 0.4]), learning_rate=1.0)
    start = OrderParameters.random(one, 80, 0.6, 1.1, seed=3)
    alpha = np.array([0.0, 1.0, 30.0, 300.0, 1000.0, 3000.0])
    eta, lam, w = float(one.learning_rate * one.v @ one.v), one.spectrum.eigenvalues, one.spectrum.weights
    with mpmath.workdps(60):
        s = mpmath.matrix(
            [mpmath.sqrt(mpmath.mpf(float(b))) * mpmath.mpf(float(a)) for a, b in zip(lam, w, strict=True)]
        )
        matrix = 2 * eta * mpmath.diag([mpmath.mpf(float(a)) for a in lam]) - mpmath.mpf(eta) ** 2 * s * s.T
        rates, X = mpmath.eigsy(matrix)
        e = linear_error_vector(one, start, [0.0])[0]
        y = mpmath.matrix([mpmath.sqrt(mpmath.mpf(float(b))) * float(c) for b, c in zip(w, e, strict=True)])
        begin, end = X.T * y, X.T * s
        expected = [
            float(sum(begin[j] * end[j] * mpmath.exp(-rates[j] * float(then)) for j in range(4)) / 2) for then in alpha
        ]
    assert expected[-1] < 1e-150
    # exp(-690) turns the rounding of its argument into 690 times as much
    np.testing.assert_allclose(linear_error(one, start, alpha), expected, rtol=1e-12)


def test_a_student_at_the_teacher_feels_the_noise_alone():
    """eps_g rises from an exact zero, precise from its first 1e-13 on: nothing is subtracted."""
    one, _ = alike(label_noise=0.5)
    t = np.ones((6, 1, 1))
    error = linear_error(one, OrderParameters(t, t, t), [0.0, 1e-12, 1e4])
    assert error[0] == 0.0
    slope = 0.5 * one.learning_rate**2 * one.spectrum.moment(2) * 0.5**2
    assert error[1] == pytest.approx(slope * 1e-12, rel=1e-11, abs=0.0)  # next order: alpha times rates of order one
    assert error[2] == pytest.approx(noise_floor(one), rel=1e-12)


def test_modes_are_those_of_the_error_vector():
    one = linear(**CASES["repeated and zero eigenvalues"])
    modes = linear_modes(one)
    np.testing.assert_allclose(modes.eigenvalues, [0.5, 1.0, 2.0])  # 0.25 is not trained
    np.testing.assert_allclose(modes.weights, [0.25, 0.375, 0.125])
    eta = one.learning_rate * float(one.v @ one.v)
    z = eta * np.sqrt(modes.weights) * modes.eigenvalues
    matrix = np.diag(2.0 * eta * modes.eigenvalues) - np.outer(z, z)
    X = modes.vectors()
    np.testing.assert_allclose(X @ matrix @ X.T, np.diag(modes.rates), atol=1e-14)
    np.testing.assert_allclose((X @ z) ** 2, modes.strengths, rtol=1e-12)
    flow = linear_modes(linear(**CASES["repeated and zero eigenvalues"], gradient_flow=True))
    np.testing.assert_allclose(flow.rates, 2.0 * eta * flow.eigenvalues, rtol=1e-15)
    np.testing.assert_array_equal(flow.vectors(), np.eye(3))
    assert not flow.strengths.any()


@pytest.mark.parametrize(("factor", "sign"), [(0.999, 1.0), (1.001, -1.0)])
def test_the_slowest_rate_changes_its_sign_at_the_critical_learning_rate(factor, sign):
    one = linear(learning_rate=factor * 2.0 / 1.17)  # mu_1 = 1, |v|^2 = 1.17
    rates = linear_modes(one).rates
    assert np.sign(rates[0]) == sign
    assert (np.diff(rates) > 0.0).all()


def test_small_learning_rates_approach_gradient_flow():
    """Linearly in eta, at fixed eta alpha: within a power-law window eta / eta_c of the error is left out."""
    distances = []
    for eta in (2e-3, 1e-3):
        one, start = alike(spectrum=Spectrum.power_law(300, 1.0), learning_rate=eta)
        flow, _ = alike(spectrum=one.spectrum, learning_rate=eta, gradient_flow=True)
        alpha = np.geomspace(0.2, 20.0, 5) / eta
        distances.append(linear_error(one, start, alpha) / linear_error(flow, start, alpha) - 1.0)
        assert (distances[-1] > 0.0).all()
    np.testing.assert_allclose(distances[0] / distances[1], 2.0, rtol=0.02)
    np.testing.assert_allclose(distances[1], 0.5e-3, rtol=0.35)  # eta / eta_c; the window is short at L = 300


def test_a_million_eigenvalues(record_property):
    """Gradient flow in O(L) for each time, and no array of L times that number."""
    one, start = alike(spectrum=Spectrum.power_law(1_000_000, 0.5), learning_rate=1e-3, gradient_flow=True)
    alpha = np.geomspace(1e-3, 1e6, 20)
    tracemalloc.start()
    began = time.perf_counter()
    error = linear_error(one, start, alpha)
    seconds, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    record_property("measured", f"L = 1,000,000: {1e3 * seconds / 20:.1f} ms a time, {peak / 1e6:.0f} MB")
    assert peak < 25 * 8e6  # that many arrays of L numbers
    shares, rates = one.spectrum.powers(1), 2e-3 * one.spectrum.eigenvalues
    expected = [0.5 * shares @ np.exp(-rates * then) for then in alpha[[0, 7, 13]]]
    np.testing.assert_allclose(error[[0, 7, 13]], expected, rtol=1e-12)


def test_a_student_that_cannot_move():
    one = linear(student_weights=[0.0, 0.0])
    error = linear_error(one, rough(one), ALPHA)
    np.testing.assert_array_equal(error, error[0])
    exact = linear_order_parameters(one, rough(one), ALPHA)
    np.testing.assert_array_equal(exact.Q, np.broadcast_to(exact.Q[0], exact.Q.shape))
    with pytest.raises(InvalidProblem, match="nothing learns"):
        linear_modes(one)


def test_overflow_is_infinite():
    one = linear(learning_rate=20.0)
    error = linear_error(one, rough(one), [0.0, 1e3])
    assert np.isfinite(error[0])
    assert error[1] == np.inf


@pytest.mark.parametrize(
    ("changes", "alpha", "message"),
    [
        ({"activation": "erf"}, ALPHA, "needs 'linear'"),
        ({}, [0.0, -1.0], "give times >= 0"),
        ({}, [np.nan], "finite"),
        ({}, 3.0, "shape"),
        ({"spectrum": Spectrum.power_law(30_001, 1.0)}, ALPHA, "30001 distinct .* gradient_flow=True"),
        ({"learning_rate": 1e-50, "student_weights": (1e-30, 0.0)}, ALPHA, "too small for exact modes"),
    ],
)
def test_refusals(changes, alpha, message):
    one = linear(**changes)
    with pytest.raises(InvalidProblem, match=message):
        linear_error(one, OrderParameters.typical(one, 0.1), alpha)


def test_what_comes_out_is_read_only():
    one = linear()
    exact, modes = linear_order_parameters(one, rough(one), ALPHA), linear_modes(one)
    for values in (exact.Q, exact.R, exact.T, exact.alpha, exact.generalization_error, modes.rates, modes.strengths):
        with pytest.raises(ValueError, match="read-only"):
            values[...] = 0.0


def test_the_end_of_time():
    exact = linear_order_parameters(linear(), rough(linear()), [1e9, 1e300, 1.7e308])
    np.testing.assert_array_equal(exact.generalization_error, 0.0)
    np.testing.assert_array_equal(exact.R, exact.R[[0, 0, 0]])


def test_refusals_of_starts_and_moments():
    with pytest.raises(InvalidStart, match="OrderParameters"):
        linear_error(linear(), None, ALPHA)
    with pytest.raises(InvalidProblem, match=r"give an ode_sgd\.Problem"):
        linear_error(None, rough(linear()), ALPHA)
    with pytest.raises(InvalidStart, match=r"\(L, K, M\)"):
        linear_error(linear(), rough(linear(spectrum=Spectrum.isotropic())), ALPHA)
    exact = linear_order_parameters(linear(), rough(linear()), ALPHA, moments=())
    with pytest.raises(InvalidProblem, match=r"there are \[1\]"):
        exact.moment(0)
    with pytest.raises(InvalidProblem, match="moments"):
        linear_order_parameters(linear(), rough(linear()), ALPHA, moments=(-1,))
