"""Data as inputs: centred, scaled by one factor, turned into the eigenbasis of its covariance."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ode_sgd.core import check, notice, rounding
from ode_sgd.core.arrays import Array, ArrayLike, Indices
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
class Decomposition:
    """Data in the eigenbasis of their covariance, and what turns other rows and weights into it.

    Attributes
    ----------
    principal : Principal
    rows : (samples, N)
        The data.
    vectors : (N, N)
        An eigenvector a column, largest eigenvalue first, in an eigenspace the basis of `_turned`.
    kept : (N,)
        Numbers of the columns that vary.
    mean : (N,)
        Of these columns.
    scale : float
        Of the centred data, whose covariance has the mean eigenvalue 1 once they are divided by it.
    """

    principal: Principal
    rows: Array
    vectors: Array
    kept: Indices
    mean: Array
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Centred:
    """The columns that vary, centred, with entries up to 1; eps of the numbers that were given, and the norms of what
    these may have been rounded by, (N,), before they were centred; their numbers and means, and the entries' unit."""

    data: Array
    precision: float
    rounded: Array
    kept: Indices
    mean: Array
    unit: float


def principal_values(X: ArrayLike) -> Principal:
    """Eigenvalues of the sample covariance; raises as `decomposed`."""
    centred = _centred(X)
    singular = np.asarray(np.linalg.svd(centred.data, compute_uv=False), np.float64)
    axes, most = None, float(centred.rounded.max())
    neighbours = singular[:-1] - singular[1:] <= _known(singular, most, centred)[:-1]
    if singular[-1] <= most or neighbours.any():  # vectors take longer than values
        axes = np.linalg.svd(centred.data, full_matrices=False)[2]
    return _values(singular, axes, centred)


def decomposed(X: ArrayLike, name: str = "X") -> Decomposition:
    """Those eigenvalues, and the rows (samples, N) of the data in their basis, with the basis itself.

    Errors call the data by `name`.

    Raises
    ------
    InvalidProblem
        Unless X (samples, features) is finite, with at least two rows and a column that varies. Columns that do not
        vary are dropped, with a warning that says which; N counts the others.
    """
    centred = _centred(X, name)
    samples, N = centred.data.shape
    left, singular, axes = np.linalg.svd(centred.data, full_matrices=False)
    principal, rows = _values(singular, axes, centred), np.zeros((samples, N))
    ends = np.cumsum(rounding.merged(principal.values, principal.levels).counts)
    cuts = [0, *ends[ends < singular.size].tolist(), singular.size]
    # Scaled before they are turned: whatever the groups, these are the data in an orthonormal basis.
    scores = left * np.sqrt(samples * principal.values[: singular.size])
    rows[:, : singular.size], spanned = _turned(scores, axes, cuts)
    vectors = np.zeros((N, N))
    vectors[:, : singular.size] = spanned
    if singular.size < N:
        vectors[:, singular.size :] = _others(spanned)
    scale = centred.unit * float(np.sqrt(np.mean(centred.data**2)))
    return Decomposition(
        principal=principal, rows=rows, vectors=vectors, kept=centred.kept, mean=centred.mean, scale=scale
    )


def _others(spanned: Array) -> Array:
    """An orthonormal basis (N, N - n) of what is orthogonal to orthonormal columns (N, n): nearest to fixed ones."""
    N, n = spanned.shape
    fixed = np.random.default_rng(1).standard_normal((N, N - n))
    for _ in range(2):  # once leaves rounding times a condition number
        fixed -= spanned @ (spanned.T @ fixed)
        u, _, v = np.linalg.svd(fixed, full_matrices=False)
        fixed = u @ v
    return np.asarray(fixed)


def _turned(scores: Array, axes: Array, cuts: list[int]) -> tuple[Array, Array]:
    """Coordinates (samples, n) along axes (n, N), and these as columns (N, n), both turned inside every eigenspace.

    Vectors have no sign, and inside an eigenspace no direction, of their own: they would be LAPACK's. This basis is the
    orthonormal one nearest to fixed directions, V O with O the polar factor of V^T Omega.
    """
    fixed = np.random.default_rng(0).standard_normal(axes.shape[::-1])  # Omega, (N, n)
    result, vectors = np.empty_like(scores), np.empty(axes.shape[::-1])
    for begin, end in pairwise(cuts):
        u, _, v = np.linalg.svd(axes[begin:end] @ fixed[:, begin:end])
        result[:, begin:end] = scores[:, begin:end] @ (u @ v)
        vectors[:, begin:end] = axes[begin:end].T @ (u @ v)
    return result, vectors


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


def _centred(X: ArrayLike, name: str = "X") -> _Centred:
    data = check.array(name, X, "(samples, features)", 2)
    if data.shape[0] < 2:
        raise InvalidProblem(f"{name} has {data.shape[0]} sample; give at least 2")
    exponent = int(np.frexp(np.abs(data).max())[1])
    exponent = exponent if abs(exponent) > ORDINARY else 0
    if exponent:  # sums and differences of larger numbers overflow, squares of smaller ones vanish
        data = np.ldexp(data, -exponent)
    # Not the variance: the mean of equal numbers rounds, and leaves a constant column a variance of 1e-33.
    varying = np.ptp(data, axis=0) > 0.0
    if not varying.any():
        raise InvalidProblem(f"none of the {data.shape[1]} columns of {name} varies")
    if not varying.all():
        dropped = np.flatnonzero(~varying)
        shown = ", ".join(map(str, dropped[:10])) + (", ..." if dropped.size > 10 else "")
        notice.warn(f"dropped {dropped.size} of {varying.size} columns of {name} without variance: {shown}")
    kept = data[:, varying]
    mean = kept.mean(axis=0)
    centred = kept - mean
    largest = np.abs(centred).max()
    centred /= largest
    precision = rounding.precision(X)
    rounded = precision * np.linalg.norm(kept / largest, axis=0)
    return _Centred(
        data=np.asarray(centred),
        precision=precision,
        rounded=np.asarray(rounded),
        kept=np.flatnonzero(varying),
        mean=np.ldexp(mean, exponent),
        unit=float(np.ldexp(largest, exponent)),
    )
