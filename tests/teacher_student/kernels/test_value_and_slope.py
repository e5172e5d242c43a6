"""g and g' without branches, against 30-digit arithmetic and against the scalar functions."""

import mpmath
import numpy as np
import pytest

from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels import averages
from ode_sgd.teacher_student.kernels.averages import tanh
from ode_sgd.teacher_student.kernels.averages.erf import value_and_slope

EPS = np.finfo(float).eps


@kernel("erf-test")
def erf_rows(x, value, slope):
    for m in range(x.size):
        value[m], slope[m] = value_and_slope(x[m])


def evaluate(x):
    value, slope = np.empty_like(x), np.empty_like(x)
    erf_rows(x, value, slope)
    return value, slope


def points():
    rng = np.random.default_rng(0)
    edges = [1.0, np.nextafter(1.0, 0.0), np.nextafter(1.0, 2.0), 8.4, 8.3, 1e-300, 5e-324]
    positive = np.concatenate([rng.uniform(0.0, 9.0, 1500), 10.0 ** rng.uniform(-30.0, 1.5, 500), edges])
    return np.concatenate([positive, -positive])


def test_erf_within_two_roundings_of_its_size():
    x = points()
    value, slope = evaluate(x)
    with mpmath.workdps(30):
        exact = np.array([float(mpmath.erf(mpmath.mpf(t) / mpmath.sqrt(2))) for t in x])
        density = np.array([float(mpmath.sqrt(2 / mpmath.pi) * mpmath.exp(-(mpmath.mpf(t) ** 2) / 2)) for t in x])
    np.testing.assert_allclose(value, exact, rtol=2.0 * EPS, atol=5e-324)
    # rounding x^2/2 moves the exponential by as much, relatively
    assert (np.abs(slope - density) <= EPS * (3.0 + x * x) * density + 1e-306).all()


def test_erf_is_odd_and_sane_at_the_ends():
    value, slope = evaluate(np.array([0.0, 50.0, -50.0, 1e200, np.inf, -np.inf, np.nan]))
    np.testing.assert_array_equal(value, [0.0, 1.0, -1.0, 1.0, 1.0, -1.0, np.nan])
    assert slope[0] == np.sqrt(2.0 / np.pi)
    assert (slope[1:6] < 1e-300).all()
    assert np.isnan(slope[6])
    x = points()
    np.testing.assert_array_equal(evaluate(-x)[0], -evaluate(x)[0])


def test_tanh_within_five_roundings_of_its_size():
    """Uncompiled, which rounds as the compiled one does but for fused products."""
    both = getattr(tanh.value_and_slope, "py_func", tanh.value_and_slope)
    for x in (1e-300, 1e-9, 0.1, 0.4999, 0.5, 0.7, 1.0, 3.0, 19.0, 300.0):
        with mpmath.workdps(30):
            value, slope = float(mpmath.tanh(x)), float(mpmath.sech(x) ** 2)
        for sign in (1.0, -1.0):
            assert both(sign * x)[0] == pytest.approx(sign * value, rel=5 * EPS)
            # rounding 2 x moves the exponential by as much, relatively
            assert both(sign * x)[1] == pytest.approx(slope, rel=(5.0 + 2.0 * x) * EPS, abs=1e-260)


@pytest.mark.parametrize("name", averages.available())
def test_the_same_function_as_value_and_slope(name):
    module = averages.load(name)
    if not hasattr(module, "value_and_slope"):
        pytest.skip("optional")
    for x in (-2.3, -0.4, 0.0, 0.7, 1.6):
        value, slope = module.value_and_slope(x)
        assert value == pytest.approx(module.value(x), rel=4 * EPS)
        assert slope == pytest.approx(module.slope(x), rel=4 * EPS)
