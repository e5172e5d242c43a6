"""Least squares, fitted in pieces of a fraction of a second: between them a thread can end (`core.compile.ending`).

Nothing here shares work among threads, so that the numbers are the same to the last bit whatever runs beside.
"""

from collections.abc import Iterator

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile import ending
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.scaling_laws.kernels import random_features as kernels

PIECE = 5e7  # entries that a piece goes through: 0.05 to 0.2 s


def fitted(design: Array, target: Array, ridge: float) -> Array:
    """argmin_theta |target - design theta|^2 + ridge |theta|^2, (P,) of (D, P); without a ridge the shortest.

    A ridge is as many more rows sqrt(ridge) 1 of the longer side, so that no product with itself is ever formed.
    """
    samples, features = design.shape
    short, long = min(samples, features), max(samples, features)
    held = ridge > 0.0
    rows = np.zeros((short, long + short * held))
    rows[:, :long] = design.T if samples >= features else design
    if held:
        rows[:, long:] = np.sqrt(ridge) * np.eye(short)
    diagonal, scales = np.empty(short), np.empty(short)
    if _triangular(rows, diagonal, scales):
        raise InvalidProblem(
            f"{features} features of {samples} samples are linearly dependent in float64; give a ridge > 0, or fewer "
            "features"
        )
    if samples >= features:
        theta, padded = np.empty(features), np.zeros(rows.shape[1])
        padded[:samples] = target
        kernels.least_squares(rows, padded, diagonal, scales, theta)
    else:
        theta = np.empty(rows.shape[1])
        kernels.minimum_norm(rows, target.copy(), diagonal, scales, theta)
    return theta[:features]


def triangle(matrix: Array) -> Array:
    """R (n, n) of the QR decomposition of a matrix (m, n), m >= n."""
    n = matrix.shape[1]
    columns, diagonal, scales = np.ascontiguousarray(matrix.T), np.empty(n), np.empty(n)
    _triangular(columns, diagonal, scales)
    return np.asarray(np.triu(columns[:, :n].T, 1) + np.diag(diagonal))


def product(a: Array, b: Array) -> Array:
    """a b^T, the same bits whatever else runs."""
    result = np.empty((a.shape[0], b.shape[0]))
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    for begin, end in _pieces(len(a), b.size):
        kernels.product(a[begin:end], b, result[begin:end])
    return result


def normals(stream: np.random.Generator, rows: int, columns: int) -> Array:
    """Standard normal numbers (rows, columns), those that one call gives."""
    result = np.empty((rows, columns))
    for begin, end in _pieces(rows, columns * DRAW):
        stream.standard_normal(out=result[begin:end])
    return result


DRAW = 10  # entries that take as long as one normal number


def _triangular(columns: Array, diagonal: Array, scales: Array) -> bool:
    """Householder's QR, as the kernel leaves it; whether a column depends on those before it."""
    for begin, end in _pieces(len(columns), columns.size):
        if kernels.triangular(columns, diagonal, scales, begin, end):
            return True
    return False


def _pieces(count: int, entries: int) -> Iterator[tuple[int, int]]:
    """Where pieces of so many columns or rows begin and end, each of which goes through so many entries."""
    size = max(1, int(PIECE / max(1, entries)))
    for begin in range(0, count, size):
        ending.ask()
        yield begin, min(begin + size, count)
