"""D, and the drift's derivatives, against their definitions."""

import numpy as np
import pytest

from ode_sgd import OrderParameters, Problem, Spectrum
from ode_sgd.teacher_student.fluctuations.increments import Increments
from ode_sgd.teacher_student.fluctuations.nodes import LATTICES, levels, nodes
from ode_sgd.teacher_student.fluctuations.response import Response, coefficients_at, error_derivatives, packed_rows
from ode_sgd.teacher_student.integration.sector_system import sector_system
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.kernels.sectors.drift import right_hand_side
from ode_sgd.teacher_student.model.rule_nodes import normal_nodes
from tests.reference import fluctuations as plain

SPECTRUM = Spectrum([1.5, 0.6], [0.4, 0.6])


def case(K=2, M=1, **changes):
    settings = {"student_units": K, "teacher_units": M, "learning_rate": 0.7, "label_noise": 0.4} | changes
    problem = Problem(spectrum=SPECTRUM, student_weights=np.linspace(1.0, 0.6, K), **settings)
    start = OrderParameters.random(problem, 60, student_scale=0.7, seed=2)
    return problem, sector_system(problem, start), start.gram


def measured(system, c, level):
    increments = Increments(system, 1e-8)
    increments.level = level
    at = coefficients_at(system, np.tensordot(system.variance, c, axes=1))
    return increments.covariance_and_drift(c, at.A, at.G)


def defined(problem, c, places, share, batch=1, pair=plain.erf_pair):
    v, u = problem.v, problem.u
    arguments = problem.spectrum.eigenvalues, problem.spectrum.weights, v, u, problem.learning_rate
    h = plain.increments(c, *arguments, problem.label_noise, places, 1.0 / batch, pair)
    return plain.covariance(plain.rows(h, len(v)), share) / batch


@pytest.mark.parametrize("batch", [1, 4])
def test_covariance_of_one_unit_is_that_of_the_increments(batch):
    """Over all sector fields, by Gauss-Hermite's rule of 24 nodes in each of four directions."""
    problem, system, c = case(1, 1, batch_size=batch, weight_decay=0.3)
    places, share = plain.hermite(4, 24)
    np.testing.assert_allclose(measured(system, c, 4)[0], defined(problem, c, places, share, batch), atol=1e-8)


def test_covariance_of_a_squared_unit_is_that_of_the_increments():
    """Polynomials of degree 12, of which 8 nodes in each direction are exact."""
    problem, system, c = case(1, 1, activation="quadratic")
    expected = defined(problem, c, *plain.hermite(4, 8), pair=plain.quadratic_pair)
    np.testing.assert_allclose(measured(system, c, 4)[0], expected, atol=1e-7 * np.abs(expected).max())


def test_covariance_of_several_units_is_that_of_the_increments():
    """The same by 2^16 Sobol nodes, which leave half a per cent of the largest entry."""
    problem, system, c = case(2, 1)
    half = normal_nodes(2**16, 7, 1)
    places = np.concatenate([half, -half])
    expected = defined(problem, c, places, np.full(len(places), 1.0 / len(places)))
    np.testing.assert_allclose(measured(system, c, 3)[0], expected, atol=6e-3 * np.abs(expected).max())


@pytest.mark.parametrize("activation", ["erf", "tanh", "quadratic"])
def test_drift_and_its_derivatives(activation):
    _, system, c = case(2, 2, activation=activation, weight_decay=0.3)
    K, M = system.units
    variance = system.variance

    def response(c):
        return Response(system, c, coefficients_at(system, np.tensordot(variance, c, axes=1)))

    def moved(c, rows, step):
        q, r = layout.unpack(rows, K, M)
        return c + step * layout.covariance(q, r, np.zeros((M, M)))

    random = np.random.default_rng(3)
    rows = random.standard_normal((len(c), layout.row_count(K, M)))
    at, out, state = response(c), np.empty(rows.T.shape), np.ascontiguousarray(packed_rows(c, K, M).T)
    right_hand_side(system.g)(state, *system.arrays, out)
    scale = np.abs(out).max()
    np.testing.assert_allclose(at.drift(), out.T, atol=1e-12 * scale)
    step = 1e-3
    forth, back = (response(moved(c, rows, sign * step)).drift() for sign in (1.0, -1.0))
    wanted = (forth - back) / (2 * step)
    np.testing.assert_allclose(at.times(rows), wanted, atol=3e-5 * np.abs(wanted).max())
    wanted = (forth - 2 * at.drift() + back) / step**2
    outer = np.multiply.outer(rows, rows)
    np.testing.assert_allclose(at.curvature(outer), wanted, atol=1e-4 * np.abs(wanted).max())


def test_derivatives_of_the_error():
    problem, system, c = case(2, 2)
    C = np.tensordot(system.variance, c, axes=1)
    gradient, second = error_derivatives(coefficients_at(system, C))
    error = coefficient_kernels(problem.g).generalization_error
    axis = np.random.default_rng(4).standard_normal(gradient.size)
    q, r = layout.unpack(axis, 2, 2)
    shift = 1e-3 * layout.covariance(q, r, np.zeros((2, 2)))
    forth, here, back = (error(C + sign * shift, system.signed_weights) for sign in (1.0, 0.0, -1.0))
    assert gradient @ axis == pytest.approx((forth - back) / 2e-3, rel=1e-4)
    assert axis @ second @ axis == pytest.approx((forth - 2 * here + back) / 1e-6, rel=1e-4)


def test_nodes_are_normal():
    """Moments of order 2 and 4, the latter 3 for every coordinate, as far as a level goes."""
    for d in (1, 2, 3):
        places, weights = nodes(3, d)
        assert weights.sum() == pytest.approx(0.5)
        assert len(places) == pytest.approx(nodes(3, d).places.shape[0])
        np.testing.assert_allclose(2 * np.einsum("n,na,nb->ab", weights, places, places), np.eye(d), atol=1e-8)
        np.testing.assert_allclose(2 * weights @ places**4, 3.0, atol=1e-7)
    assert levels(2) == len(LATTICES)
    assert nodes(0, 9).places.shape[1] == 9  # of no lattice


def test_finer_nodes_are_taken_until_they_change_nothing():
    _, system, c = case(1, 1)
    increments = Increments(system, 1e-9)
    assert increments.resolve(np.tensordot(system.variance, c, axes=1))
    assert increments.level > 1 and increments.error <= 1e-9
    assert not increments.resolve(np.tensordot(system.variance, c, axes=1))


def test_a_student_that_is_its_teacher_has_the_noise_alone():
    """C is singular there. D of r is (eta sigma / w)^2 E[g'^2 s^2], with s the field of one sector, z that of both."""
    problem, system, _ = case(1, 1)
    D, further = measured(system, np.ones((2, 2, 2)), 4)
    C = float(problem.spectrum.powers(1).sum())
    slope, with_square = 2 / np.pi / np.sqrt(1 + 2 * C), 2 / np.pi * C / (1 + 2 * C) ** 1.5  # E[g'^2] and E[g'^2 z^2]
    own = problem.spectrum.powers(1)
    expected = (0.7 * 0.4 / problem.spectrum.weights) ** 2
    expected *= (own / C) ** 2 * with_square + (own - own**2 / C) * slope
    np.testing.assert_allclose(np.diag(D)[::2], expected, rtol=1e-8)
    assert np.isfinite(further).all()
