"""The axes of a data set: what turns weights and rows in the data's own columns into the sectors of its spectrum."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ode_sgd.core import check, frozen, inputs, rounding
from ode_sgd.core.arrays import Array, ArrayLike, Indices
from ode_sgd.core.errors import InvalidProblem, InvalidStart, OdeSgdError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.spectrum import Spectrum, of_principal


@own_keywords
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PrincipalAxes:
    """Spectrum and eigenvectors of a data set's covariance, as `principal_axes` finds them.

    Attributes
    ----------
    spectrum : Spectrum
        That of `Spectrum.from_data`.
    vectors : (N, N)
        Orthonormal eigenvectors as columns, sector after sector. Inside an eigenspace they are one definite basis,
        which does not depend on the linear-algebra library.
    kept : (N,)
        Numbers of the data's columns that vary; the others are dropped. N counts these.
    mean : (N,)
        Of these columns, in the data's units.
    scale : float
        The centred data are divided by it, so that Tr Sigma / N = 1; in the data's units.
    features : int
        Columns of the data, with those that are dropped.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((200, 4)) * [3.0, 1.0, 1.0, 0.5] + 7.0
    >>> axes = ode_sgd.principal_axes(X)
    >>> axes, axes.turned(np.ones((2, 4))).shape
    (PrincipalAxes(N = 4 of 4 columns, L = 4), (2, 4))
    """

    spectrum: Spectrum
    vectors: Array
    kept: Indices
    mean: Array
    scale: float
    features: int

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        for name in ("vectors", "kept", "mean"):
            object.__setattr__(self, name, frozen.own(getattr(self, name)))

    def __repr__(self) -> str:
        return f"PrincipalAxes(N = {self.kept.size} of {self.features} columns, L = {self.spectrum.distinct})"

    def turned(self, weights: ArrayLike) -> Array:
        """Weights in the data's own columns, in the basis of the spectrum: (units, N), columns sector after sector.

        Fields are x = J . xi / sqrt(N) of inputs xi that are centred and divided by `scale`: for weights of a network
        that sees the data in their own units, give them times `scale`.

        Parameters
        ----------
        weights : array_like, shape (units, features) or (units, N)
            A weight for every column of the data, or for every one that varies.

        Raises
        ------
        InvalidStart
            If the shape is another one.
        """
        return _kept(self, "weights", weights, "(units, features)", InvalidStart) @ self.vectors

    def inputs(self, X: ArrayLike) -> Array:
        """Rows in the data's own columns and units as inputs: centred and scaled as the data are, turned, (rows, N).

        Parameters
        ----------
        X : array_like, shape (rows, features) or (rows, N)
            The data themselves, or other rows, such as those of a test set.

        Raises
        ------
        InvalidProblem
            If the shape is another one, or a number is missing.
        """
        return turned_rows(self, "X", X)


@own_keywords
@check.underflow_is_zero
def principal_axes(X: ArrayLike, tolerance: float | None = None) -> PrincipalAxes:
    """Spectrum and eigenvectors of a data set's sample covariance, to use weights in the data's own columns.

    Parameters
    ----------
    X : array_like, shape (samples, features)
        As for `Spectrum.from_data`.
    tolerance : float or None
        As for `Spectrum.from_data`.

    Returns
    -------
    PrincipalAxes
        Its `spectrum` is that of `Spectrum.from_data`, up to the rounding of the decomposition.

    Raises
    ------
    InvalidProblem
        If X is not such a matrix or nothing varies.

    Warns
    -----
    UserWarning
        As `Spectrum.from_data`.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((200, 3)) * [3.0, 1.0, 0.5]
    >>> axes = ode_sgd.principal_axes(X)
    >>> rows = axes.inputs(X)
    >>> bool(np.allclose(rows.T @ rows / 200, np.diag(axes.spectrum.eigenvalues)))
    True
    """
    given = rounding.checked_tolerance(tolerance)
    found = inputs.decomposed(X)
    return PrincipalAxes(
        spectrum=of_principal(found.principal, given),
        vectors=found.vectors,
        kept=found.kept,
        mean=found.mean,
        scale=found.scale,
        features=int(np.shape(X)[1]),
    )


def turned_rows(axes: PrincipalAxes, name: str, X: ArrayLike) -> Array:
    """As `PrincipalAxes.inputs`, contiguous, of an argument of this name."""
    rows = _kept(axes, name, X, "(rows, features)", InvalidProblem)
    return np.ascontiguousarray((rows - axes.mean) / axes.scale @ axes.vectors)


def _kept(axes: PrincipalAxes, name: str, values: Any, shape: str, error: type[OdeSgdError]) -> Array:
    """The columns that vary of rows with all columns, or with these alone."""
    rows = check.array(name, values, shape, 2, error)
    if rows.shape[1] == axes.features:
        return np.asarray(rows[:, axes.kept])
    if rows.shape[1] == axes.kept.size:
        return rows
    wanted = f"{axes.features}" if axes.kept.size == axes.features else f"{axes.features}, or {axes.kept.size}"
    turned = "; it looks transposed: give one row a unit" if rows.shape[0] in (axes.features, axes.kept.size) else ""
    raise error(f"{name} has {rows.shape[1]} columns, but the data have {wanted} that vary{turned}")
