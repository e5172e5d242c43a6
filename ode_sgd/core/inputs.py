"""Data as inputs: centred, scaled by one factor, turned into the eigenbasis of its covariance."""

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ode_sgd.core import check, rounding
from ode_sgd.core.arrays import Array, ArrayLike
from ode_sgd.core.errors import InvalidProblem

ORDINARY = 500  # powers of two between which the largest entry is taken as it is: scaling by one is exact


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
    """The columns that vary, centred, with entries up to 1; eps of the numbers that were given, and the norms of what
    these may have been rounded by, (N,), before they were centred."""

    data: Array
    precision: float
    rounded: Array


def principal_values(X: ArrayLike) -> Principal:
    """Eigenvalues of the sample covariance; raises as `principal_axes`."""
    centred = _centred(X)
    singular = np.asarray(np.linalg.svd(centred.data, compute_uv=False), np.float64)
    axes, most = None, float(centred.rounded.max())
    neighbours = singular[:-1] - singular[1:] <= _known(singular, most, centred)[:-1]
    if singular[-1] <= most or neighbours.any():  # vectors take longer than values
        axes = np.linalg.svd(centred.data, full_matrices=False)[2]
    return _values(singular, axes, centred)


def principal_axes(X: ArrayLike) -> tuple[Principal, Array]:
    """Those eigenvalues, and the rows (samples, N) of the data in their basis, in an eigenspace that of `_turned`.

    Raises
    ------
    InvalidProblem
        Unless X (samples, features) is finite, with at least two rows and a column that varies. Columns that do not
        vary are dropped, with a warning that says which; N counts the others.
    """
    centred = _centred(X)
    left, singular, axes = np.linalg.svd(centred.data, full_matrices=False)
    principal, rows = _values(singular, axes, centred), np.zeros(centred.data.shape)
    ends = np.cumsum(rounding.merged(principal.values, principal.levels).counts)
    cuts = [0, *ends[ends < singular.size].tolist(), singular.size]
    # Scaled before they are turned: whatever the groups, these are the data in an orthonormal basis.
    rows[:, : singular.size] = _turned(left * np.sqrt(len(rows) * principal.values[: singular.size]), axes, cuts)
    return principal, rows


def _turned(scores: Array, axes: Array, cuts: list[int]) -> Array:
    """Coordinates (samples, n) along axes (n, N), both turned so that those of each eigenspace are one definite basis.

    Vectors have no sign, and inside an eigenspace no direction, of their own: they would be LAPACK's. This basis is the
    orthonormal one nearest to fixed directions, V O with O the polar factor of V^T Omega.
    """
    fixed = np.random.default_rng(0).standard_normal(axes.shape[::-1])  # Omega, (N, n)
    result = np.empty_like(scores)
    for begin, end in pairwise(cuts):
        u, _, v = np.linalg.svd(axes[begin:end] @ fixed[:, begin:end])
        result[:, begin:end] = scores[:, begin:end] @ (u @ v)
    return result


def _values(singular: Array, axes: Array | None, centred: _Centred) -> Principal:
    """Eigenvalues from singular values s, and their axes where some of them may be rounding.

    A direction is resolved where s exceeds the rounding of the decomposition and that of the given numbers along its
    axis. What is resolved is known to d.
    """
    samples, N = centred.data.shape
    spanned = min(samples - 1, N)  # centring costs one direction
    s, noise = np.zeros(N), np.zeros(N)
    if axes is not None:
        noise[:spanned] = np.linalg.norm(axes * centred.rounded, axis=1)[:spanned]
    resolved = singular[:spanned] > np.maximum(_decomposed(singular, N), noise[:spanned])
    resolved[0] = True
    s[:spanned] = np.where(resolved, singular[:spanned], 0.0)
    d = _known(s, noise, centred)
    scale = np.mean(s**2)
    return Principal(
        values=np.asarray(s**2 / scale),
        levels=np.asarray(d * np.maximum(2.0 * s - d, d) / scale),  # s^2 - (s - d)^2
        unresolved=int((~resolved).sum()),
    )


def _decomposed(s: Array, features: int) -> float:
    """Rounding of the decomposition: 4 sqrt(N) 2.2e-16 times the largest s."""
    return 4.0 * float(np.sqrt(features)) * rounding.DOUBLE * float(s[0])


def _known(s: Array, noise: Array | float, centred: _Centred) -> Array:
    """What singular values, largest first, are known to: d, shape of s.

    The rounding of the decomposition, 4 sqrt(N) eps s, and the given numbers' own, before they were centred: n samples
    of it, of norm `noise`, change an s that is larger only by what points along its vector, 1.5 sqrt(N / n) times that.
    Data whitened in single or double precision were scattered by up to 3.2 sqrt(N) eps s, N = 20 to 400, and by up to
    0.7 sqrt(N / n) times that norm where they were far from 0.
    """
    samples, features = centred.data.shape
    given = noise * min(1.0, 1.5 * float(np.sqrt(features / samples)))
    own = 4.0 * float(np.sqrt(features)) * centred.precision * s
    return np.asarray(own + given + _decomposed(s, features))


def _centred(X: ArrayLike) -> _Centred:
    data = check.array("X", X, "(samples, features)", 2)
    if data.shape[0] < 2:
        raise InvalidProblem(f"X has {data.shape[0]} sample; give at least 2")
    exponent = int(np.frexp(np.abs(data).max())[1])
    if abs(exponent) > ORDINARY:  # sums and differences of larger numbers overflow, squares of smaller ones vanish
        data = np.ldexp(data, -exponent)
    # Not the variance: the mean of equal numbers rounds, and leaves a constant column a variance of 1e-33.
    varying = np.ptp(data, axis=0) > 0.0
    if not varying.any():
        raise InvalidProblem(f"none of the {data.shape[1]} columns of X varies")
    if not varying.all():
        dropped = np.flatnonzero(~varying)
        shown = ", ".join(map(str, dropped[:10])) + (", ..." if dropped.size > 10 else "")
        warnings.warn(f"dropped {dropped.size} of {varying.size} columns of X without variance: {shown}", stacklevel=5)
    kept = data[:, varying]
    centred = kept - kept.mean(axis=0)
    largest = np.abs(centred).max()
    centred /= largest
    precision = rounding.precision(X)
    rounded = precision * np.linalg.norm(kept / largest, axis=0)
    return _Centred(data=np.asarray(centred), precision=precision, rounded=np.asarray(rounded))
