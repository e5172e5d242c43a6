"""Axes of a data set: against its covariance in its own columns, and what they refuse."""

import pickle

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, InvalidStart, Spectrum, principal_axes


def data(samples=80, features=6, seed=0):
    generator = np.random.default_rng(seed)
    mixed = generator.exponential(size=(samples, features)) @ generator.standard_normal((features, features))
    return 3.0 + 20.0 * mixed * np.geomspace(1.0, 0.2, features)


def test_the_spectrum_is_that_of_the_data():
    X = data()
    axes, wanted = principal_axes(X), Spectrum.from_data(X)
    np.testing.assert_array_equal(axes.spectrum.weights, wanted.weights)
    # Two drivers of the same decomposition: some eps of the largest.
    np.testing.assert_allclose(axes.spectrum.eigenvalues, wanted.eigenvalues, rtol=0.0, atol=1e-14)


def test_axes_diagonalise_the_covariance():
    X = data()
    axes = principal_axes(X)
    np.testing.assert_allclose(axes.vectors.T @ axes.vectors, np.eye(6), atol=1e-14)
    covariance = np.cov(X.T, bias=True) / axes.scale**2
    found = axes.vectors.T @ covariance @ axes.vectors
    np.testing.assert_allclose(found, np.diag(axes.spectrum.eigenvalues), atol=1e-13)
    np.testing.assert_allclose(axes.mean, X.mean(axis=0), rtol=1e-14)
    assert axes.scale == pytest.approx(np.sqrt(np.trace(np.cov(X.T, bias=True)) / 6), rel=1e-14)


@pytest.mark.parametrize("samples", [80, 4])
def test_fields_are_those_of_the_network_on_the_data(samples):
    """J . xi in the data's own columns is the same number after both were turned."""
    X, J = data(samples), np.random.default_rng(1).standard_normal((3, 6))
    axes = principal_axes(X)
    fields = (X - X.mean(axis=0)) / axes.scale @ J.T
    np.testing.assert_allclose(axes.inputs(X) @ axes.turned(J).T, fields, atol=1e-12)
    # The basis is complete: no part of the weights is lost where the samples span less.
    np.testing.assert_allclose(axes.turned(J) @ axes.turned(J).T, J @ J.T, atol=1e-12)


def test_columns_that_do_not_vary():
    X, J = data(), np.random.default_rng(1).standard_normal((3, 8))
    wider = np.insert(X, [2, 5], [[7.0, 0.1]], axis=1)
    with pytest.warns(UserWarning, match="dropped 2 of 8 columns") as caught:
        axes = principal_axes(wider)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert axes.kept.tolist() == [0, 1, 3, 4, 5, 7] and axes.features == 8
    np.testing.assert_array_equal(axes.turned(J), axes.turned(J[:, axes.kept]))
    np.testing.assert_array_equal(axes.vectors, principal_axes(X).vectors)
    np.testing.assert_array_equal(axes.inputs(wider), axes.inputs(X))


def test_units_do_not_matter():
    """Up to numbers whose squares are beyond all floats; a power of two keeps every bit."""
    X = data()
    axes, large = principal_axes(X), principal_axes(X * 2.0**900)
    np.testing.assert_array_equal(large.vectors, axes.vectors)
    assert large.scale == axes.scale * 2.0**900
    np.testing.assert_array_equal(large.inputs(X * 2.0**900), axes.inputs(X))


@pytest.mark.filterwarnings("ignore:of 6 eigenvalues, merged")
def test_an_eigenspace_has_one_basis():
    """Rows that are reflected or in another order have the same axes."""
    U = np.linalg.qr(np.random.default_rng(0).standard_normal((60, 7)) - 0.0)[0]
    U = np.linalg.qr(U - U.mean(axis=0))[0][:, :6]
    X = (U - U.mean(axis=0)) * [2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    axes = ode_sgd.principal_axes(X, tolerance=1e-9)
    assert axes.spectrum.distinct == 2
    again = ode_sgd.principal_axes(np.concatenate([X[30:], X[:30]]), tolerance=1e-9)
    # Gaps of order one between eigenspaces: rounding of an SVD.
    np.testing.assert_allclose(again.vectors, axes.vectors, atol=1e-12)


def test_they_are_frozen_and_travel():
    axes = principal_axes(data())
    again = pickle.loads(pickle.dumps(axes))
    np.testing.assert_array_equal(again.vectors, axes.vectors)
    with pytest.raises(ValueError, match="read-only"):
        again.vectors[0, 0] = 1.0
    assert repr(again) == "PrincipalAxes(N = 6 of 6 columns, L = 6)"


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((2, 5)), "weights has 5 columns, but the data have 6 that vary"),
        (np.ones((6, 2)), "it looks transposed: give one row a unit"),
        (np.full((2, 6), np.nan), "weights holds nan"),
        (np.ones(6), r"weights has shape \(6,\); give a non-empty array of shape \(units, features\)"),
    ],
)
def test_weights_of_another_shape(weights, message):
    with pytest.raises(InvalidStart, match=message):
        principal_axes(data()).turned(weights)


def test_rows_with_missing_entries():
    X = data()
    axes = principal_axes(X)
    X[3, 2] = np.nan
    with pytest.raises(InvalidProblem, match="X holds nan"):
        axes.inputs(X)
    with pytest.raises(InvalidProblem, match="X holds nan"):
        principal_axes(X)
    X[3, 2] = 0.0
    with pytest.raises(InvalidProblem, match="X has 4 columns, but the data have 6"):
        axes.inputs(X[:, :4])
