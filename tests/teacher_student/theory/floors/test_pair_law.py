"""The pair of students that K = M + 2 leaves over, against `integrate` and against SGD."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, Spectrum, theory
from tests.teacher_student.theory.floors.cases import erf, pair_at


def leading(Q):
    """Phi of L = 1: Phi(Q) - Phi(Q_0) = kappa alpha for small eta."""
    y = np.sqrt(1.0 + 2.0 * Q)
    return 2.0 / 3.0 * y**3 + 2.0 * y + np.log((y - 1.0) / (y + 1.0))


def test_against_integrate(record_property):
    """Within 0.2 % of Q, as the law is good to eta sigma^2 and more."""
    problem = erf(3, 1)
    alpha = np.array([0.0, 1e4, 1e5, 1e6])
    run = ode_sgd.integrate(problem, pair_at(problem, 0.3), alpha, method="LSODA", rtol=1e-9)
    course = theory.excess_pair(problem, 0.3, alpha)
    off = np.abs(run.Q[1:, 1, 1] / course.Q[1:] - 1.0), run.generalization_error[1:] / course.generalization_error[1:]
    record_property("measured", f"Q differs by {off[0].max():.1e}, eps_g by {np.abs(off[1] - 1.0).max():.1e}")
    assert off[0].max() < 2e-3
    np.testing.assert_allclose(off[1], 1.0, rtol=4e-4)


def test_against_sgd(record_property):
    """N = 100: within 2 %, of which a half of a percent is chance."""
    problem = erf(3, 1, learning_rate=0.3, label_noise=0.3)
    alpha = np.array([0.0, 300.0, 1000.0, 3000.0])
    sgd = ode_sgd.simulate(problem, pair_at(problem, 1.0), alpha, dimension=100, replicas=8, seed=1, method="reduced")
    course = theory.excess_pair(problem, 1.0, alpha)
    ratio = sgd.Q[:, 1:, 1, 1].mean(axis=0) / course.Q[1:]
    record_property("measured", f"Q over theory: {ratio.round(4).tolist()}")
    np.testing.assert_allclose(ratio, 1.0, rtol=0.02)


def test_small_rates_follow_the_closed_form():
    problem = erf(4, 2, learning_rate=1e-5)
    kappa = 2.0 * (1e-5 * 0.1) ** 2 / np.pi
    alpha = np.array([0.1, 1.0, 30.0]) / kappa
    course = theory.excess_pair(problem, 0.05, alpha)
    np.testing.assert_allclose(leading(course.Q) - leading(0.05), kappa * alpha, rtol=1e-4)  # corrections of order eta
    assert course.onset == pytest.approx(np.log(1.0 / 0.05) / kappa, rel=1e-12)
    extra = course.generalization_error - theory.noise_floor(erf(2, learning_rate=1e-5))
    np.testing.assert_allclose(extra, 1e-5 * 0.01 / np.pi / np.sqrt(1.0 + 2.0 * course.Q), rtol=1e-3)


def test_late_exponents():
    """Q ~ alpha^(2/3), and the cost falls as alpha^(-1/3)."""
    course = theory.excess_pair(erf(4, 2), 1.0, [1e13, 1e14])
    extra = course.generalization_error - theory.small_noise_floor(erf(2)) * 0.01
    assert np.log10(course.Q[1] / course.Q[0]) == pytest.approx(2.0 / 3.0, abs=1e-3)
    assert np.log10(extra[1] / extra[0]) == pytest.approx(-1.0 / 3.0, abs=1e-2)


def test_sectors_grow_on_a_clock_of_their_own():
    """q_k = q_k(0) exp(lambda_k tau), and dtau = kappa (1 + 2 Q)^(-3/2) dalpha, for small eta."""
    problem = erf(3, 1, learning_rate=1e-5, spectrum=Spectrum([1.6, 0.4], [0.5, 0.5]))
    q, share = np.array([0.02, 0.06]), np.array([0.8, 0.2])
    tau = np.linspace(0.0, 4.0, 4001)
    Q = np.exp(np.outer(tau, [1.6, 0.4])) @ (share * q)
    kappa = 2.0 * (1e-5 * 0.1) ** 2 / np.pi
    slow = (1.0 + 2.0 * Q) ** 1.5
    alpha = np.append(0.0, np.cumsum(0.5 * (slow[1:] + slow[:-1]) * np.diff(tau))) / kappa
    found = theory.excess_pair(problem, q, alpha[::1000])
    np.testing.assert_allclose(found.Q, Q[::1000], rtol=1e-4)  # corrections of order eta; the sum is good to 1e-6
    assert Q[-1] > 5.0


def test_a_parallel_pair_of_opposite_weights_is_the_same():
    plain = theory.excess_pair(erf(3, 1), 0.5, [1e5])
    mirrored = erf(3, 1, student_weights=(1.0, 1.0, -1.0))
    other = theory.excess_pair(mirrored, 0.5, [1e5])
    np.testing.assert_allclose(other.Q, plain.Q, rtol=1e-9)
    np.testing.assert_allclose(other.generalization_error, plain.generalization_error, rtol=1e-12)


def test_refusals():
    for problem, told in (
        (erf(2, 1), "a pair takes two students more"),
        (erf(3, 1, student_weights=(1.0, 0.5, 0.7), teacher_weights=(1.0,)), "a pair takes two students more"),
        (erf(3, 1, label_noise=0.0), "label_noise = 0"),
        (erf(3, 1, gradient_flow=True), "gradient_flow = True"),
        (erf(3, 1, learning_rate=5.0), "critical or beyond"),
        (erf(3, 1, activation="linear"), "linear"),
        (erf(3, 1, weight_decay=0.1), "weight_decay"),
    ):
        with pytest.raises(InvalidProblem, match=told):
            theory.excess_pair(problem, 1.0, [1.0])
    for norm in (0.0, -1.0, [0.0], [1.0, 1.0], "large"):
        with pytest.raises(InvalidProblem, match="start_norm"):
            theory.excess_pair(erf(3, 1), norm, [1.0])
    with pytest.raises(InvalidProblem, match="alpha holds -1"):
        theory.excess_pair(erf(3, 1), 1.0, [-1.0])
