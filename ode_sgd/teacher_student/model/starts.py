"""Where a run begins: laws of the overlaps of random weights, and weights that have given overlaps."""

from collections.abc import Sequence
from math import ceil

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array, ArrayLike, Indices
from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.spectrum import LARGEST, Spectrum, whole_inputs

Sizes = Indices  # (L,), N_k

NEEDED = 1e-9  # of the largest eigenvalue of correlations: a direction that is not rounding
ROUNDING = float(np.finfo(float).eps)


def split(gram: Array, K: int) -> tuple[Array, Array, Array]:
    """q, r, t of the Gram matrices (L, d, d)."""
    return gram[:, :K, :K], gram[:, :K, K:], gram[:, K:, K:]


def scales(K: int, M: int, student_scale: float, teacher_scale: float) -> Array:
    """Standard deviation of the weights of each of the K + M units."""
    student = check.size("student_scale", student_scale, zero=True)
    teacher = check.size("teacher_scale", teacher_scale, zero=True)
    return np.repeat([student, teacher], [K, M])


def degrees_of_freedom(spectrum: Spectrum, dimension: int, units: int) -> Array | Sizes:
    """N_k = N w_k, (L,), of random weights: those from `units` = K + M on need not be whole.

    Raises
    ------
    InvalidProblem
        If a sector gets fewer inputs than units and no whole number of them: no random matrix has such a law.
    """
    dimension = check.integer("dimension", dimension, 1, LARGEST)
    exact = spectrum.weights * dimension
    try:
        return spectrum.sector_dimensions(dimension)
    except InvalidProblem as error:
        whole, few = whole_inputs(exact), exact < units
        if whole[few].all():
            return np.where(few, whole, exact)
        worst, enough = int(np.argmax(few & (whole == 0))), ceil(units / spectrum.weights.min())
        raise InvalidProblem(
            f"dimension N = {dimension} gives sector {worst + 1} of {spectrum.distinct} {exact[worst]:g} inputs, fewer "
            f"than the K + M = {units} units and not a whole number >= 1; {str(error).partition('; ')[2]}; a random "
            f"start takes every dimension from {enough} on, where no sector has less than {units}"
        ) from None


def wishart_grams(sizes: Array | Sizes, scales: Array, generator: np.random.Generator) -> Array:
    """Sector Gram matrices (L, d, d) of weights with independent normal entries, sizes (L,) and scales (d,).

    Bartlett: a d x n matrix of normals is a lower trapezoidal factor times orthonormal rows; the factor has
    sqrt(chi-square(n - i)) on its diagonal (i < n) and normals below, and nothing right of column n. From n = d on its
    law is one for real n, with the same mean and covariance, S and (S_ik S_jl + S_il S_jk) / n.

    Equation: (6.1).
    """
    factor = _bartlett(sizes, scales.size, generator)
    factor *= scales[:, None] / np.sqrt(sizes)[:, None, None]
    gram: Array = factor @ factor.transpose(0, 2, 1)
    return gram


def orthonormal_teacher_grams(sizes: Array | Sizes, K: int, scales: Array, generator: np.random.Generator) -> Array:
    """As `wishart_grams`, but with teachers that are orthogonal, and of norm `scales` sqrt(N_k), in every sector.

    Given the teachers, K students are normal numbers along these M directions, and a Bartlett factor for the other
    N_k - M.

    Equation: (6.1a).

    Raises
    ------
    InvalidStart
        If a sector has fewer inputs than there are teachers.
    """
    L, M = sizes.size, scales.size - K
    if (sizes < M).any():
        worst = int(np.argmin(sizes))
        raise InvalidStart(
            f"sector {worst + 1} has {sizes[worst]:g} inputs, too few for {M} orthogonal teachers; give a larger "
            "dimension, or fewer teacher_units"
        )
    factor = np.zeros((L, K + M, K + M))  # columns: the teachers' directions, then the others
    factor[:, :K, :M] = generator.standard_normal((L, K, M))
    factor[:, :K, M:] = _bartlett(sizes - M, K, generator)
    factor *= scales[:, None] / np.sqrt(sizes)[:, None, None]
    factor[:, K:, :M] = np.diag(scales[K:])
    gram: Array = factor @ factor.transpose(0, 2, 1)
    return gram


def _bartlett(sizes: Array | Sizes, d: int, generator: np.random.Generator) -> Array:
    """Lower trapezoidal factors (L, d, d) of d x n matrices of normal numbers, n from `sizes` (L,)."""
    factor = np.tril(generator.standard_normal((sizes.size, d, d)), -1)
    freedom = sizes[:, None] - np.arange(d)
    chi_square = generator.chisquare(np.where(freedom > 0, freedom, 1))
    factor[:, range(d), range(d)] = np.sqrt(chi_square)
    factor *= (freedom > 0)[:, None, :]
    return np.asarray(factor)


def uniform_grams(L: int, K: int, M: int, norm: float, overlap: float, generator: np.random.Generator) -> Array:
    """Gram matrices (L, d, d), the same in every sector: orthonormal teachers, and students of uniform overlaps.

    q_ii is uniform between 0 and `norm`, all other entries of q and r between 0 and `overlap`.
    """
    gram = np.eye(K + M)
    pairs = np.triu(generator.uniform(0.0, overlap, (K, K)), 1)
    gram[:K, :K] = pairs + pairs.T + np.diag(generator.uniform(0.0, norm, K))
    gram[:K, K:] = generator.uniform(0.0, overlap, (K, M))
    gram[K:, :K] = gram[:K, K:].T
    return np.tile(gram, (L, 1, 1))


def checked_weights(J: ArrayLike, B: ArrayLike) -> tuple[Array, Array]:
    """Weights J (K, N) and B (M, N) as read-only arrays.

    Raises
    ------
    InvalidStart
        If they have unequal numbers of columns, more rows than columns both, or entries outside their range.
    """
    J = check.array("J", J, "(K, N)", 2, InvalidStart)
    B = check.array("B", B, "(M, N)", 2, InvalidStart)
    for name, weights in (("J", J), ("B", B)):
        for largest in np.abs(weights).max(axis=1):
            check.size(f"the largest entry of a row of {name}", largest, zero=True, error=InvalidStart)
    turned = len(J) == len(B) > max(J.shape[1], B.shape[1])
    if J.shape[1] != B.shape[1] or turned:
        hint = "; both look transposed: give one row a unit, J (K, N) and B (M, N)" if turned else "; both need N"
        raise InvalidStart(f"J has {J.shape[1]} columns and B has {B.shape[1]}{hint}")
    return J, B


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


def ranks(gram: Array) -> Sizes:
    """Directions that weights with these overlaps need in every sector, (L,) of (L, d, d)."""
    norms = np.sqrt(np.diagonal(gram, axis1=1, axis2=2))
    scale = np.where(norms > 0.0, norms, 1.0)
    values = np.linalg.eigvalsh(gram / (scale[:, :, None] * scale[:, None, :]))
    return np.asarray((values > NEEDED * values[:, -1:]).sum(axis=1))


def _roots(gram: Array, sizes: Sizes) -> tuple[list[Array], list[Array]]:
    """A root (d, d) of N_k c_k for every sector, and the projector (d, d) onto the span of its correlations."""
    roots, projectors = [], []
    for k, (overlaps, size) in enumerate(zip(gram, sizes, strict=True)):
        # Of the correlations: students far smaller than teachers are no less independent.
        norms = np.sqrt(np.diagonal(overlaps))
        scale = np.where(norms > 0.0, norms, 1.0)
        values, vectors = np.linalg.eigh(overlaps / np.outer(scale, scale))
        values, vectors = values[::-1], vectors[:, ::-1]
        if (values[size:] > NEEDED * values[0]).any():
            raise InvalidStart(
                f"sector {k + 1} has {size} inputs, but its overlaps need {int((values > NEEDED * values[0]).sum())} "
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
