"""Where a run begins: laws of the overlaps of random weights, and weights that have given overlaps."""

from collections.abc import Sequence

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.errors import InvalidStart

Sizes = Indices  # (L,), N_k

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

    Equation: (6.1).
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
    """q, r, t of weights J (K, N) and B (M, N) whose columns lie sector after sector. Equation: (2.1)."""
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
    weights: Array = many_weights([gram], sizes, [generator])[0]
    return weights


def many_weights(grams: Sequence[Array], sizes: Sizes, generators: Sequence[np.random.Generator]) -> Array:
    """`weights_with_overlaps` of n replicas, (n, d, N); one that has the same array as another costs a frame only.

    Equation: (6.2).
    """
    # The numbers of a replica do not depend on the others: LAPACK and BLAS are called for one matrix at a time.
    n, d = len(grams), grams[0].shape[1]
    weights = np.empty((n, d, int(sizes.sum())))  # filled in place: there may be no room for more
    roots = {id(gram): _roots(gram, sizes) for gram in {id(gram): gram for gram in grams}.values()}
    begin = 0
    for k, size in enumerate(sizes):
        root, spanned = (np.array([roots[id(gram)][part][k] for gram in grams]) for part in (0, 1))
        np.matmul(root, _orthonormal_rows(spanned, int(size), generators), out=weights[:, :, begin : begin + size])
        begin += size
    return weights


def _roots(gram: Array, sizes: Sizes) -> tuple[list[Array], list[Array]]:
    """A root (d, d) of N_k c_k for every sector, and the projector (d, d) onto the span of its correlations."""
    roots, projectors = [], []
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
        roots.append(scale[:, None] * (vectors * np.sqrt(values * size) @ vectors.T))
        projectors.append(vectors * (values > 0.0) @ vectors.T)
    return roots, projectors


def _orthonormal_rows(spanned: Array, size: int, generators: Sequence[np.random.Generator]) -> Array:
    """F (n, d, size), each uniform among those with F F^T = 1, or, for size < d, F F^T = `spanned`, a projector.

    F is the orthogonal factor of normal numbers: that of QR with a positive diagonal, or the polar one, U V^T of their
    singular vectors. Both are unique.
    """
    n, d = spanned.shape[:2]
    if size < d:
        return np.array([_polar(one, size, generator) for one, generator in zip(spanned, generators, strict=True)])
    normals = np.empty((n, size, d))
    for own, generator in zip(normals, generators, strict=True):
        generator.standard_normal(out=own)
    Q, R = np.linalg.qr(normals)
    signs = np.where(np.diagonal(R, axis1=1, axis2=2) < 0.0, -1.0, 1.0)
    return np.asarray((Q * signs[:, None, :]).swapaxes(1, 2))


def _polar(spanned: Array, size: int, generator: np.random.Generator) -> Array:
    left, _, right = np.linalg.svd(spanned @ generator.standard_normal((len(spanned), size)), full_matrices=False)
    rank = round(float(np.trace(spanned)))
    return np.asarray(left[:, :rank] @ right[:rank])
