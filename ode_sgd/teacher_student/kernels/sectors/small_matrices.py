"""Dense algebra on the small matrices of a step; plain loops, since a threaded LAPACK costs more than it saves here."""

from math import sqrt

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room


@kernel()
def symmetric_eigen(D: Array, values: Array, V: Array) -> None:
    """D = V diag(values) V^T, by cyclic Jacobi rotations; D is the symmetric part of the first K columns given."""
    K = D.shape[0]
    B = room(D, (K, K))
    for i in range(K):
        for j in range(K):
            B[i, j] = 0.5 * (D[i, j] + D[j, i])
            V[i, j] = 1.0 if i == j else 0.0
    for _ in range(60):
        off, diagonal = 0.0, 0.0
        for i in range(K):
            diagonal += B[i, i] * B[i, i]
            for j in range(i):
                off += B[i, j] * B[i, j]
        if off <= 1e-34 * diagonal:
            break
        for i in range(K):
            for j in range(i + 1, K):
                _rotate(B, V, i, j)
    for i in range(K):
        values[i] = B[i, i]


@kernel(inline=True)
def _rotate(B: Array, V: Array, i: int, j: int) -> None:
    """One Jacobi rotation that annihilates B_ij."""
    if B[i, j] == 0.0:
        return
    cotangent = (B[j, j] - B[i, i]) / (2.0 * B[i, j])
    tangent = 1.0 / (abs(cotangent) + sqrt(1.0 + cotangent * cotangent))
    if cotangent < 0.0:
        tangent = -tangent
    cosine = 1.0 / sqrt(1.0 + tangent * tangent)
    sine = tangent * cosine
    for m in range(B.shape[0]):
        left, right = B[m, i], B[m, j]
        B[m, i], B[m, j] = cosine * left - sine * right, sine * left + cosine * right
    for m in range(B.shape[0]):
        left, right = B[i, m], B[j, m]
        B[i, m], B[j, m] = cosine * left - sine * right, sine * left + cosine * right
        left, right = V[m, i], V[m, j]
        V[m, i], V[m, j] = cosine * left - sine * right, sine * left + cosine * right
    B[i, j] = B[j, i] = 0.0  # what rounding left there would ask for another sweep


@kernel(sums=True)
def factorise(M: Array, pivots: Indices) -> bool:
    """LU factors of M (p, p) in place, rows exchanged as pivots (p,) say. False if M is singular or not finite."""
    p = M.shape[0]
    for column in range(p):
        pivot = column
        for i in range(column + 1, p):
            if abs(M[i, column]) > abs(M[pivot, column]):
                pivot = i
        pivots[column] = pivot
        if not 0.0 < abs(M[pivot, column]) < np.inf:
            return False
        if pivot != column:
            for j in range(p):
                M[pivot, j], M[column, j] = M[column, j], M[pivot, j]
        scale = 1.0 / M[column, column]
        for i in range(column + 1, p):
            M[i, column] *= scale
            factor = M[i, column]
            for j in range(column + 1, p):
                M[i, j] -= factor * M[column, j]
    return True


@kernel(sums=True)
def substitute(LU: Array, pivots: Indices, x: Array) -> None:
    """x <- M^-1 x from the factors of `factorise`."""
    p = x.size
    for i in range(p):
        pivot = pivots[i]
        x[i], x[pivot] = x[pivot], x[i]
    for i in range(p):
        for j in range(i):
            x[i] -= LU[i, j] * x[j]
    for i in range(p - 1, -1, -1):
        for j in range(i + 1, p):
            x[i] -= LU[i, j] * x[j]
        x[i] /= LU[i, i]
