"""What `compare` holds linear simulations against: the exact mean at their N, and the exact scatter of the error."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import OrderParameters, Spectrum, theory
from ode_sgd.teacher_student.theory.exact_means import exact_means
from tests.teacher_student.theory.floors.cases import erf, many_weights

ALPHA = np.array([0.0, 1.0, 5.0, 20.0])
THREE = Spectrum([1.9, 0.6, 0.3], [0.4, 0.3, 0.3])


def given(**changes):
    problem = replace(many_weights()[0], spectrum=THREE, trainable=None, learning_rate=0.4, **changes)
    return problem, OrderParameters.random(problem, 20, 0.7, 1.0, seed=2)


def test_three_moments_are_three_sectors():
    problem, start = given()
    run = ode_sgd.integrate(problem, start, ALPHA)
    kept = ode_sgd.integrate(problem, start, ALPHA, sectors=True)
    assert kept.sectors is not None
    exact = theory.linear_order_parameters(problem, start, ALPHA, dimension=20)
    sgd = ode_sgd.simulate(problem, start, ALPHA, dimension=20, replicas=4, seed=1)
    for one in (run, kept):
        found = one.exact_at(sgd)
        # The moments' equations have a condition of 50 or so.
        np.testing.assert_allclose(found.means["generalization_error"], exact.generalization_error, rtol=1e-11)
        np.testing.assert_allclose(found.means["Q_12"], exact.Q[:, 0, 1], rtol=1e-10)
        np.testing.assert_allclose(found.means["R_32"], exact.R[:, 2, 1], rtol=1e-10)
        variance = theory.linear_error_variance(problem, start, ALPHA, dimension=20)
        np.testing.assert_allclose(found.variances["generalization_error"], variance, rtol=1e-9)


def test_a_comparison_needs_no_allowance_and_sees_a_bias(record_property):
    """1000 replicas at N = 20 see that the ODE is not the mean there; the exact mean is."""
    problem, start = given()
    sgd = ode_sgd.simulate(problem, start, ALPHA, dimension=20, replicas=1000, seed=3)
    ode = ode_sgd.integrate(problem, start, sgd.alpha)
    agreement = ode_sgd.compare(ode, sgd)
    record_property("measured", f"{agreement}")
    assert agreement.exact and agreement.agrees
    assert "against the exact mean at N = 20" in agreement.verdict
    assert set(agreement.bias_allowance.values()) == {0.0}
    assert 0.6 < agreement.rms < 1.4  # 36 scores, of which many are correlated
    limit = (sgd.mean().generalization_error - ode.generalization_error)[1:]
    assert np.abs(limit / sgd.standard_error().generalization_error[1:]).max() > 4.0


def test_a_wrong_mean_is_seen(monkeypatch):
    """With a mean of another N, as a dropped term would give, runs disagree."""
    problem, start = given()
    sgd = ode_sgd.simulate(problem, start, ALPHA, dimension=20, replicas=1000, seed=3)
    ode = ode_sgd.integrate(problem, start, sgd.alpha)
    monkeypatch.setattr("ode_sgd.teacher_student.trajectory.exact_means", lambda *given: exact_means(*given[:-1], 2000))
    assert ode_sgd.compare(ode, sgd).outcome == "disagree"


def test_where_the_start_is_not_known_the_allowance_stays():
    problem, start = many_weights()
    moments = ode_sgd.integrate(problem, start, ALPHA).moments
    four = replace(problem, trainable=None)
    assert exact_means(problem, moments, None, ALPHA, 20) is None  # one sector does not learn
    assert exact_means(four, moments, None, ALPHA, 20) is None  # four eigenvalues, three moments
    assert exact_means(problem, moments, (start.q, start.r, start.t), ALPHA, 20) is not None
    for other in (
        replace(four, gradient_flow=True),
        replace(four, weight_decay=0.1),
        erf(2),
    ):
        assert exact_means(other, moments, (start.q, start.r, start.t), ALPHA, 20) is None


@pytest.mark.parametrize("close", [1e-9, 1e-2])
def test_eigenvalues_that_are_almost_equal_are_not_told_apart(close):
    problem, start = given()
    near = replace(problem, spectrum=Spectrum([1.0, 1.0 + close, 0.5], [0.4, 0.3, 0.3]))
    moments = ode_sgd.integrate(near, start, ALPHA).moments
    assert (exact_means(near, moments, None, ALPHA, 20) is None) == (close < 1e-3)
