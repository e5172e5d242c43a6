"""Data as inputs: centred, scaled by one factor, turned into the eigenbasis of its covariance."""

import warnings
from typing import Any

import numpy as np

from ode_sgd.model import check
from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidProblem


def principal_axes(X: Any) -> tuple[Array, Array]:
    """Eigenvalues (N,) of the sample covariance, largest first, of mean 1, and the rows (samples, N) in their basis.

    Raises
    ------
    InvalidProblem
        Unless X (samples, features) is finite, with at least two rows and a column that varies. Columns that do not
        vary are dropped, with a warning that says which; N counts the others.
    """
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
        warnings.warn(f"dropped {dropped.size} of {varying.size} columns of X without variance: {shown}", stacklevel=3)
    centred = data[:, varying] - data[:, varying].mean(axis=0)
    centred /= np.abs(centred).max()
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    # Singular values at rounding level are directions that the samples do not span.
    singular[singular < singular[0] * max(centred.shape) * np.finfo(float).eps] = 0.0
    values, rows = np.zeros(centred.shape[1]), np.zeros(centred.shape)
    values[: singular.size] = singular**2
    scale = values.mean()
    rows[:, : singular.size] = left * singular * np.sqrt(len(data) / scale)
    return values / scale, rows
