"""The ODE of a problem as arrays for the kernels."""

import numpy as np
import pytest

from ode_sgd import OrderParameters, integrate, integrate_batch
from ode_sgd.core.compile import machine_code
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system
from ode_sgd.teacher_student.kernels.sectors.rule_factors import NOISE, RATE
from tests.teacher_student.cases import SPECTRUM, problem, start


@pytest.mark.parametrize("changes", [{}, {"gradient_flow": True}, {"trainable": 2}])
def test_constants(changes):
    one = problem(**changes)
    system = sector_system(one, start(one))
    eta, learning = one.learning_rate, one.learning
    np.testing.assert_allclose(system.factors[RATE], eta * SPECTRUM.eigenvalues * learning, rtol=1e-15)
    expected = 0.0 if one.gradient_flow else eta**2 * SPECTRUM.eigenvalues * learning
    np.testing.assert_allclose(system.factors[NOISE], np.broadcast_to(expected, 3), rtol=1e-15)
    np.testing.assert_allclose(system.variance, SPECTRUM.weights * SPECTRUM.eigenvalues, rtol=1e-15)
    np.testing.assert_array_equal(system.signed_weights, [1.0, -0.7, -0.8, -0.5, 1.1])
    assert system.noise_variance == pytest.approx(0.04, rel=1e-15)
    np.testing.assert_array_equal(system.t, start(one).t.transpose(1, 2, 0))
    np.testing.assert_allclose(system.T, np.einsum("k,kij->ij", system.variance, start(one).t), rtol=1e-13)


def test_arrays_are_contiguous_writeable_doubles_whatever_came_in():
    one = problem()
    first = start(one)
    odd = OrderParameters(
        np.asfortranarray(first.q), first.r[:, ::-1][:, ::-1], np.ascontiguousarray(first.t.T).T.astype(np.float64)
    )
    system = sector_system(one, odd)
    arrays = [value for value in system.arrays if isinstance(value, np.ndarray)]
    assert len(arrays) == 5
    for array in [*arrays, initial_state(odd)]:
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.dtype == np.float64
    np.testing.assert_array_equal(initial_state(odd), initial_state(first))


def signatures():
    """How many kernels there are in memory, counting each for every kind of arguments."""
    return sum(len(made.overloads) for made in machine_code._BY_NAME.values())


def test_a_trajectory_s_own_times_compile_nothing():
    """They are read-only, which Numba makes part of an array's type."""
    one = problem()
    start_ = start(one)
    times = integrate(one, start_, 0.2, rtol=1e-3).alpha
    integrate_batch([one], [start_], 0.2, rtol=1e-3)
    assert not times.flags.writeable
    before = signatures()
    integrate(one, start_, times, rtol=1e-3)
    integrate_batch([one], [start_], times, rtol=1e-3)
    assert signatures() == before
