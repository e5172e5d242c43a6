"""Weights as a start: their overlaps, turned or not, and what they refuse."""

import pickle

import numpy as np
import pytest

from ode_sgd import InvalidProblem, InvalidStart, OrderParameters, Problem, Spectrum, Weights, integrate, principal_axes
from tests.core.test_principal_axes import data


def drawn(N=6):
    generator = np.random.default_rng(3)
    return generator.standard_normal((2, N)), generator.standard_normal((3, N))


def test_overlaps_are_those_of_from_weights():
    J, B = drawn()
    spectrum = Spectrum([2.0, 0.5], [1 / 3, 2 / 3])
    found = Weights(J, B).overlaps(spectrum)
    np.testing.assert_array_equal(found.gram, OrderParameters.from_weights(J, B, spectrum).gram)


def test_weights_in_the_columns_of_data():
    """R is the covariance of the hidden fields on the data, whatever the basis."""
    X, (J, B) = data(), drawn()
    axes = principal_axes(X)
    covariance = np.cov(X.T, bias=True) / axes.scale**2
    start = OrderParameters.from_weights(J, B, axes)
    Q, R, T = start.moments(axes.spectrum, 1)
    for found, (left, right) in ((Q, (J, J)), (R, (J, B)), (T, (B, B))):
        np.testing.assert_allclose(found, left @ covariance @ right.T / 6, atol=1e-12)
    np.testing.assert_array_equal(Weights.of_data(J, B, axes).overlaps(axes.spectrum).gram, start.gram)


def test_they_are_frozen_and_travel():
    J, B = drawn()
    weights = Weights(J, B)
    J[:] = 0.0
    again = pickle.loads(pickle.dumps(weights))
    np.testing.assert_array_equal(again.J, drawn()[0])
    with pytest.raises(ValueError, match="read-only"):
        again.J[0, 0] = 1.0
    assert repr(again) == "Weights(K = 2, M = 3, N = 6)"


def test_weights_that_are_refused():
    J, B = drawn()
    with pytest.raises(InvalidStart, match="J has 5 columns and B has 6"):
        Weights(J[:, :5], B)
    with pytest.raises(InvalidStart, match="both look transposed"):
        Weights(J.T, B[:2].T)
    with pytest.raises(InvalidStart, match="weights has 4 columns, but the data have 6"):
        Weights.of_data(J[:, :4], B[:, :4], principal_axes(data()))
    one = Problem(spectrum=Spectrum.isotropic(), student_units=2, teacher_units=3, learning_rate=0.1)
    with pytest.raises(InvalidStart, match=r"start is a Weights, .*\.overlaps\(spectrum\); give an ode_sgd.OrderP"):
        integrate(one, Weights(J, B), 1.0)
    with pytest.raises(InvalidProblem, match=r"axes is a Spectrum; give an ode_sgd\.PrincipalAxes"):
        Weights.of_data(J, B, Spectrum.isotropic())
