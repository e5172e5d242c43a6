"""small_matrices.py with problems in the lanes (vector_type.py): choices in place of branches."""

from math import sqrt
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import any_lane, choose, room


@kernel()
def symmetric_eigen(D: Array, values: Array, V: Array) -> None:
    """D = V diag(values) V^T, by cyclic Jacobi rotations; D is the symmetric part of the first K columns given.

    A lane that has converged is turned by zero while others go on.
    """
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
        running: Any = off > 1e-34 * diagonal
        if not any_lane(running):
            break
        for i in range(K):
            for j in range(i + 1, K):
                _rotate(B, V, i, j, running)
    for i in range(K):
        values[i] = B[i, i]


@kernel(inline=True)
def _rotate(B: Array, V: Array, i: int, j: int, running: Array) -> None:
    """One Jacobi rotation that annihilates B_ij in the lanes that run."""
    turns = choose(abs(B[i, j]) > 0.0, running, 0.0)
    cotangent = (B[j, j] - B[i, i]) / (2.0 * B[i, j])
    tangent = 1.0 / (abs(cotangent) + sqrt(1.0 + cotangent * cotangent))
    tangent = choose(turns, choose(cotangent < 0.0, -tangent, tangent), 0.0)
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
    B[i, j] = B[j, i] = choose(turns, 0.0, B[i, j])  # what rounding left there would ask for another sweep


@kernel()
def factorise(M: Array, swaps: Array) -> Array:
    """LU factors of M (p, p) in place, with 1 / U_ii on the diagonal. 0 in lanes where M is singular or not finite.

    The pivot is found by comparing row after row and exchanging where it is larger: swaps[c, i] (p, p) says where.
    """
    p = M.shape[0]
    regular: Any = 1.0
    for c in range(p):
        for i in range(c + 1, p):
            larger = abs(M[i, c]) > abs(M[c, c])
            swaps[c, i] = larger
            for j in range(p):
                upper, lower = M[c, j], M[i, j]
                M[c, j], M[i, j] = choose(larger, lower, upper), choose(larger, upper, lower)
        size = abs(M[c, c])
        regular = regular * (size > 0.0) * (size < np.inf)
        scale = 1.0 / M[c, c]
        M[c, c] = scale
        for i in range(c + 1, p):
            factor = M[i, c] * scale
            M[i, c] = factor
            for j in range(c + 1, p):
                M[i, j] -= factor * M[c, j]
    return regular


@kernel()
def substitute(LU: Array, swaps: Array, x: Array) -> None:
    """x <- M^-1 x from what `factorise` left."""
    p = x.size
    for c in range(p):
        for i in range(c + 1, p):
            upper, lower = x[c], x[i]
            x[c], x[i] = choose(swaps[c, i], lower, upper), choose(swaps[c, i], upper, lower)
    for i in range(p):
        total = x[i]
        for j in range(i):
            total -= LU[i, j] * x[j]
        x[i] = total
    for i in range(p - 1, -1, -1):
        total = x[i]
        for j in range(i + 1, p):
            total -= LU[i, j] * x[j]
        x[i] = total * LU[i, i]
