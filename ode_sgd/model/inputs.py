"""Data as inputs: centred, scaled by one factor, turned into the eigenbasis of its covariance."""

import warnings
from typing import Any

import numpy as np

from ode_sgd.model import check
from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidProblem


def principal_values(X: Any) -> Array:
    """Eigenvalues (N,) of the sample covariance, largest first, of mean 1; raises as `principal_axes`."""
    data = _centred(X)
    return _values(np.asarray(np.linalg.svd(data, compute_uv=False), np.float64), data.shape)


def principal_axes(X: Any) -> tuple[Array, Array]:
    """Those eigenvalues, and the rows (samples, N) of the data in their basis.

    Raises
    ------
    InvalidProblem
        Unless X (samples, features) is finite, with at least two rows and a column that varies. Columns that do not
        vary are dropped, with a warning that says which; N counts the others.
    """
    data = _centred(X)
    left, singular, _ = np.linalg.svd(data, full_matrices=False)
    values, rows = _values(singular, data.shape), np.zeros(data.shape)
    rows[:, : singular.size] = left * np.sqrt(len(data) * values[: singular.size])
    return values, rows


def _values(singular: Array, shape: tuple[int, ...]) -> Array:
    """Eigenvalues from singular values; those at rounding level are directions that the samples do not span."""
    values = np.zeros(shape[1])
    spanned = singular >= singular[0] * max(shape) * np.finfo(float).eps
    values[: singular.size] = np.where(spanned, singular**2, 0.0)
    return np.asarray(values / values.mean())


def _centred(X: Any) -> Array:
    """The columns that vary, centred, with entries up to 1."""
    data = check.array("X", X, "(samples, features)", 2)
    if data.shape[0] < 2:
        raise InvalidProblem(f"X has {data.shape[0]} sample; give at least 2")
    # Not the variance: the mean of equal numbers rounds, and leaves a constant column a variance of 1e-33.
    varying = np.ptp(data, axis=0) > 0.0
    if not varying.any():
        raise InvalidProblem(f"none of the {data.shape[1]} columns of X varies")
    if not varying.all():
        dropped = np.flatnonzero(~varying)
        shown = ", ".join(map(str, dropped[:10])) + (", ..." if dropped.size > 10 else "")
        warnings.warn(f"dropped {dropped.size} of {varying.size} columns of X without variance: {shown}", stacklevel=4)
    centred = data[:, varying] - data[:, varying].mean(axis=0)
    centred /= np.abs(centred).max()
    return np.asarray(centred)
