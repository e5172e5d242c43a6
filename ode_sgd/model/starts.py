"""Where a run begins: laws of the overlaps of random weights, and weights that have given overlaps."""

import numpy as np
from numpy.typing import NDArray

from ode_sgd.model import check
from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidStart

Sizes = NDArray[np.int64]

ROUNDING = float(np.finfo(float).eps)


def split(gram: Array, K: int) -> tuple[Array, Array, Array]:
    """q, r, t of the Gram matrices (L, d, d)."""
    return gram[:, :K, :K], gram[:, :K, K:], gram[:, K:, K:]


def scales(K: int, M: int, student_scale: float, teacher_scale: float) -> Array:
    """Standard deviation of the weights of each of the K + M units."""
    student = check.size("student_scale", student_scale, zero=True)
    teacher = check.size("teacher_scale", teacher_scale, zero=True)
    return np.repeat([student, teacher], [K, M])


def wishart_grams(sizes: Sizes, scales: Array, generator: np.random.Generator) -> Array:
    """Sector Gram matrices (L, d, d) of weights with independent normal entries, sizes (L,) and scales (d,).

    Bartlett: a d x n matrix of normals is a lower trapezoidal factor times orthonormal rows; the factor has
    sqrt(chi-square(n - i)) on its diagonal (i < n) and normals below, and nothing right of column n.
    """
    L, d = sizes.size, scales.size
    factor = np.tril(generator.standard_normal((L, d, d)), -1)
    freedom = sizes[:, None] - np.arange(d)
    chi_square = generator.chisquare(np.maximum(freedom, 1))
    factor[:, range(d), range(d)] = np.sqrt(chi_square)
    factor *= (freedom > 0)[:, None, :]
    factor *= scales[:, None] / np.sqrt(sizes)[:, None, None]
    gram: Array = factor @ factor.transpose(0, 2, 1)
    return gram


def overlaps_of_weights(J: Array, B: Array, sizes: Sizes) -> tuple[Array, Array, Array]:
    """q, r, t of weights J (K, N) and B (M, N) whose columns lie sector after sector."""
    stacked = np.concatenate([J, B])
    parts = np.split(stacked, np.cumsum(sizes)[:-1], axis=1)
    gram = np.stack([part @ part.T / part.shape[1] for part in parts])
    return split(gram, J.shape[0])


def weights_with_overlaps(gram: Array, sizes: Sizes, generator: np.random.Generator) -> Array:
    """Weights (d, N) with exactly the sector Gram matrices `gram` (L, d, d), randomly rotated inside every sector.

    Raises
    ------
    InvalidStart
        If a sector has fewer inputs than the rank of its Gram matrix.
    """
    weights = np.empty((gram.shape[1], int(sizes.sum())))  # filled in place: there may be no room for more
    begin = 0
    for k, (overlaps, size) in enumerate(zip(gram, sizes, strict=True)):
        # Of the correlations: students far smaller than teachers are no less independent.
        norms = np.sqrt(np.diagonal(overlaps))
        scale = np.where(norms > 0.0, norms, 1.0)
        values, vectors = np.linalg.eigh(overlaps / np.outer(scale, scale))
        values, vectors = values[::-1], vectors[:, ::-1]
        if (values[size:] > 1e-9 * values[0]).any():
            raise InvalidStart(
                f"sector {k + 1} has {size} inputs, but its overlaps need {int((values > 1e-9 * values[0]).sum())} "
                "independent directions; raise the dimension, or draw the start at this dimension"
            )
        # Roots of zeros that rounding has left are no part of the weights.
        values[(values <= values.size * ROUNDING * values[0]) | (np.arange(values.size) >= size)] = 0.0
        # The symmetric root is one matrix, whatever basis stands for an eigenspace.
        root = vectors * np.sqrt(values * size) @ vectors.T
        spanned = vectors * (values > 0.0) @ vectors.T
        np.matmul(scale[:, None] * root, _frame(spanned, int(size), generator), out=weights[:, begin : begin + size])
        begin += size
    return weights


def _frame(spanned: Array, size: int, generator: np.random.Generator) -> Array:
    """F (d, size), uniform among those with F F^T = 1, or, for size < d, F F^T = `spanned`, a projector of that rank.

    F is the orthogonal factor of normal numbers: that of QR with a positive diagonal, or the polar one, U V^T of their
    singular vectors. Both are unique.
    """
    d = len(spanned)
    if size >= d:
        Q, R = np.linalg.qr(generator.standard_normal((size, d)))
        return np.asarray((Q * np.where(np.diagonal(R) < 0.0, -1.0, 1.0)).T)
    left, _, right = np.linalg.svd(spanned @ generator.standard_normal((d, size)), full_matrices=False)
    rank = round(float(np.trace(spanned)))
    return np.asarray(left[:, :rank] @ right[:rank])
