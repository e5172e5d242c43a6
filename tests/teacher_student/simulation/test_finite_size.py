"""Finite N against the ODE: the bias falls as 1/N, the spread as 1/sqrt N.

At a large learning rate, where the bias is not lost in the fluctuations. Seeds fixed before looking.
"""

import numpy as np
import pytest

from ode_sgd import OrderParameters, Problem, Spectrum, integrate, simulate

PROBLEM = Problem(spectrum=Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=1.5)
START = OrderParameters.random(PROBLEM, 40, student_scale=0.3, seed=1)
QUANTITIES = {"eps_g": lambda run: run.generalization_error[..., -1], "Q_11": lambda run: run.Q[..., -1, 0, 0]}


def sgd(N, replicas, alpha):
    return simulate(PROBLEM, START, [0.0, alpha], dimension=N, replicas=replicas, seed=N + 1, method="reduced")


def exponent(sizes, values, errors):
    """Slope of log values against log N, and its error."""
    relative = np.asarray(values) / np.asarray(errors)
    coefficients, covariance = np.polyfit(np.log(list(sizes)), np.log(values), 1, w=relative, cov="unscaled")
    return coefficients[0], np.sqrt(covariance[0, 0])


def test_the_bias_falls_as_one_over_dimension(record_property):
    sizes = {30: 1500, 100: 2000, 300: 3000, 1000: 4000}
    rows = {name: [] for name in QUANTITIES}
    for N, replicas in sizes.items():
        run = sgd(N, replicas, 5.0)
        ode, mean, error = integrate(PROBLEM, START, run.alpha, rtol=1e-9), run.mean(), run.standard_error()
        for name, of in QUANTITIES.items():
            rows[name].append((of(mean) - of(ode), of(error)))
    for name, found in rows.items():
        bias, error = np.array(found).T
        assert (bias[:2] > 4.0 * error[:2]).all()  # it is there, and seen
        assert (bias > 0.0).all()
        slope, uncertain = exponent(sizes, bias, error)
        record_property("measured", f"bias of {name}: N^({slope:.3f} +- {uncertain:.3f})")
        assert slope == pytest.approx(-1.0, abs=3.0 * uncertain)


def test_the_spread_falls_as_one_over_its_root(record_property):
    """64 replicas: each spread is known to 9%, which hides the next order, some 5% at N = 100."""
    sizes = [10**2, 10**3, 10**4, 10**5, 10**6]
    runs = [sgd(N, 64, 1.0).variance() for N in sizes]
    for name, of in QUANTITIES.items():
        spread = np.sqrt([of(run) for run in runs])
        slope, uncertain = exponent(sizes, spread, spread / np.sqrt(2.0 * 63.0))
        record_property("measured", f"spread of {name}: N^({slope:.3f} +- {uncertain:.3f})")
        assert slope == pytest.approx(-0.5, abs=3.0 * uncertain)
