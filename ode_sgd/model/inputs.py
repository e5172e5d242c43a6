"""Data as inputs: centred, scaled by one factor, turned into the eigenbasis of its covariance."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode_sgd.model import check, rounding
from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Eigenvalues (N,) of a sample covariance, largest first, of mean 1, and their levels of rounding (N,).

    Attributes
    ----------
    unresolved : int
        Of the directions that the samples may span, those whose variance is rounding: their eigenvalues are 0.
    """

    values: Array
    levels: Array
    unresolved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Centred:
    """The columns that vary, centred, with entries up to 1, and how large rounding is in them.

    `given` is the largest norm of a column's rounding errors as it was given, before it was centred.
    """

    data: Array
    precision: float
    given: float


def principal_values(X: Any) -> Principal:
    """Eigenvalues of the sample covariance; raises as `principal_axes`."""
    centred = _centred(X)
    return _values(np.asarray(np.linalg.svd(centred.data, compute_uv=False), np.float64), centred)


def principal_axes(X: Any) -> tuple[Principal, Array]:
    """Those eigenvalues, and the rows (samples, N) of the data in their basis.

    Raises
    ------
    InvalidProblem
        Unless X (samples, features) is finite, with at least two rows and a column that varies. Columns that do not
        vary are dropped, with a warning that says which; N counts the others.
    """
    centred = _centred(X)
    left, singular, _ = np.linalg.svd(centred.data, full_matrices=False)
    principal, rows = _values(singular, centred), np.zeros(centred.data.shape)
    rows[:, : singular.size] = left * np.sqrt(len(rows) * principal.values[: singular.size])
    return principal, rows


def _values(singular: Array, centred: _Centred) -> Principal:
    """Eigenvalues from singular values s > d, which are known to d: s^2 - (s - d)^2 is the level of s^2.

    d is what the decomposition, and one by which the data may have been whitened, leave: 4 sqrt(N) eps times the
    largest s (such data gave up to 3.2 sqrt(N) eps, N = 20 to 400), and the rounding of the numbers that were given.
    """
    samples, N = centred.data.shape
    spanned = min(samples - 1, N)  # centring costs one direction
    level = 4.0 * np.sqrt(N) * centred.precision * singular[0] + centred.given
    s = np.zeros(N)
    s[:spanned] = np.where(singular[:spanned] > min(level, 0.5 * singular[0]), singular[:spanned], 0.0)
    scale = np.mean(s**2)
    return Principal(
        values=np.asarray(s**2 / scale),
        levels=np.asarray(level * np.maximum(2.0 * s - level, level) / scale),
        unresolved=int((s[:spanned] == 0.0).sum()),
    )


def _centred(X: Any) -> _Centred:
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
    kept = data[:, varying]
    centred = kept - kept.mean(axis=0)
    largest = np.abs(centred).max()
    centred /= largest
    precision = rounding.precision(X)
    rounded = precision * float(np.linalg.norm(kept / largest, axis=0).max())
    return _Centred(data=np.asarray(centred), precision=precision, given=rounded)
