"""Everything into the eigenbasis of D and back.

D is symmetric for rules that follow a gradient, and all passes rest on that: symmetric_eigen (in small_matrices.py and
lane_matrices.py) takes D's symmetric part, and block_loops.py divides by sums of its eigenvalues. Where D is not,
unsymmetric_block.py does without; so does drift.py.

With D = V diag V^T the student index of every overlap is turned by V: r' = V^T r, q' = V^T q V. Coefficients turn
alike, A' = V^T A [V, 1] and G' = V^T G V, and derivatives with respect to C' follow by the chain rule.

Where g' is constant, dJ_i is proportional to v_i: sum_i v_i J_i moves, and combinations orthogonal to it are at rest.
D = v v^T has K - 1 eigenvalues zero, with zeros in their rows and columns of A', G' and the derivatives. Rounding would
leave 1e-16 there, which nothing damps: in A' a drift of what is at rest, and in G', where it differs from stage to
stage, an error estimate in proportion to rate h, which bounds h. So coefficients are turned by `moving`, which is V
with zeros in the columns at rest, and come out with exact zeros.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import ANY


class Turns(NamedTuple):
    """The compiled functions."""

    turn_covariance: Callable[..., None]  # (rows, V, index, T, C)
    turn_coefficients: Callable[..., None]  # (A, G, V, half), with `moving` for V
    turn_derivatives: Callable[..., None]  # (JA, JG, V, index, scratch), likewise


@functools.cache
def moving_directions(activation: Averages) -> Callable[..., None]:
    """Kernel (L, V, moving): `moving` is V, with zeros in the columns at rest, whose eigenvalues L become zero.

    Where g' is constant one column moves, however small v is, and the trace is its eigenvalue. Elsewhere a small
    eigenvalue is a slow motion.
    """
    one = activation.has_constant_slope

    @kernel(activation.variant, inline=True)
    def split(L: Array, V: Array, moving: Array) -> None:
        K = L.size
        trace = 0.0 * L[0]
        for a in range(K):
            trace += L[a]
        for a in range(K):
            moves = 1.0 * (L[a] >= 0.5 * trace) if one else 1.0  # also in lanes; what is NaN stays that
            L[a] *= moves
            for i in range(K):
                moving[i, a] = moves * V[i, a]

    return split


@functools.cache
def turns(shape: tuple[int, int] = ANY) -> Turns:
    """Build (or load from disk) the functions; a shape (K, K + M) unrolls their loops."""
    fixed, variant = shape != ANY, "plain" if shape == ANY else f"{shape[0]}of{shape[1]}"

    @kernel(variant)
    def turn_covariance(rows: Array, V: Array, index: Indices, T: Array, C: Array) -> None:
        """C (d, d) from turned rows (p,): C = [V, 1] C' [V, 1]^T."""
        K, d = shape if fixed else (V.shape[0], V.shape[0] + T.shape[0])
        M = d - K
        for i in range(K):
            for n in range(M):
                total = 0.0
                for a in range(K):
                    total += V[i, a] * rows[index[a, K + n]]
                C[i, K + n] = C[K + n, i] = total
            for j in range(i, K):
                total = 0.0
                for a in range(K):
                    for b in range(K):
                        total += V[i, a] * V[j, b] * rows[index[a, b]]
                C[i, j] = C[j, i] = total
        for n in range(M):
            for m in range(M):
                C[K + n, K + m] = T[n, m]

    @kernel(variant)
    def turn_coefficients(A: Array, G: Array, V: Array, half: Array) -> None:
        """In place A' = V^T A [V, 1] and G' = V^T G V; half (K, d) is scratch."""
        K, d = shape if fixed else A.shape
        for a in range(K):
            for c in range(d):
                half[a, c] = 0.0
                for i in range(K):
                    half[a, c] += V[i, a] * A[i, c]
        for a in range(K):
            for c in range(d):
                A[a, c] = half[a, c] if c >= K else 0.0
                if c < K:
                    for b in range(K):
                        A[a, c] += half[a, b] * V[b, c]
        for a in range(K):
            for j in range(K):
                half[a, j] = 0.0
                for i in range(K):
                    half[a, j] += V[i, a] * G[i, j]
        for a in range(K):
            for c in range(K):
                G[a, c] = 0.0
                for b in range(K):
                    G[a, c] += half[a, b] * V[b, c]

    @kernel(variant, inline=True, always=True)
    def turn_noise_rows(JG: Array, V: Array, index: Indices, scratch: Array) -> None:
        """In place, derivatives of G' from those of V G V^T."""
        K = shape[0] if fixed else V.shape[0]
        p, first = scratch.shape[1], index[0, 0]
        for a in range(K):
            for j in range(K):
                for b in range(p):
                    scratch[a * K + j, b] = 0.0
                for i in range(K):
                    for b in range(p):
                        scratch[a * K + j, b] += V[i, a] * JG[index[i, j] - first, b]
        for a in range(K):
            for c in range(a, K):
                row = index[a, c] - first
                for b in range(p):
                    JG[row, b] = 0.0
                for j in range(K):
                    for b in range(p):
                        JG[row, b] += scratch[a * K + j, b] * V[j, c]

    @kernel(variant)
    def turn_derivatives(JA: Array, JG: Array, V: Array, index: Indices, scratch: Array) -> None:
        """In place: derivatives of A', G' with respect to C' from those of A, G with respect to C; scratch like JA."""
        K, d = shape if fixed else (V.shape[0], JA.shape[0] // V.shape[0])
        p = scratch.shape[1]
        M = d - K
        turned, q, half = room(V, (p,)), room(V, (K, K)), room(V, (K, K))
        for row in range(JA.shape[0] + JG.shape[0]):
            gradient = JA[row] if row < JA.shape[0] else JG[row - JA.shape[0]]
            for b in range(p):
                turned[b] = 0.0
            for a in range(K):
                for i in range(K):
                    weight = V[i, a]
                    for n in range(M):  # r_in lies at i M + n
                        turned[a * M + n] += weight * gradient[i * M + n]
            # A packed off-diagonal entry stands for two equal entries of C, each with half its derivative.
            for i in range(K):
                for j in range(i, K):
                    q[i, j] = q[j, i] = gradient[index[i, j]] * (1.0 if i == j else 0.5)
            for a in range(K):
                for j in range(K):
                    half[a, j] = 0.0
                for i in range(K):
                    weight = V[i, a]
                    for j in range(K):
                        half[a, j] += weight * q[i, j]
            for a in range(K):
                for b in range(K):
                    q[a, b] = 0.0
                for j in range(K):
                    weight = half[a, j]
                    for b in range(K):
                        q[a, b] += weight * V[j, b]
                for b in range(a, K):
                    turned[index[a, b]] = q[a, b] if a == b else 2.0 * q[a, b]
            for b in range(p):
                gradient[b] = turned[b]
        for a in range(K):
            for c in range(d):
                for b in range(p):
                    scratch[a * d + c, b] = 0.0
                for i in range(K):
                    for b in range(p):
                        scratch[a * d + c, b] += V[i, a] * JA[i * d + c, b]
        for a in range(K):
            for c in range(d):
                for b in range(p):
                    JA[a * d + c, b] = scratch[a * d + c, b] if c >= K else 0.0
                if c < K:
                    for e in range(K):
                        for b in range(p):
                            JA[a * d + c, b] += scratch[a * d + e, b] * V[e, c]
        turn_noise_rows(JG, V, index, scratch)

    return Turns(turn_covariance, turn_coefficients, turn_derivatives)


turn_covariance, turn_coefficients, turn_derivatives = turns()


@kernel(sums=True)
def turn_large_covariance(rows: Array, V: Array, index: Indices, T: Array, C: Array) -> None:
    """`turn_covariance` by products of matrices, with inner loops along rows."""
    K, d = V.shape[0], C.shape[0]
    turned, half = room(V, (K, d)), room(V, (K, d))
    for a in range(K):
        for c in range(d):
            turned[a, c] = rows[index[a, c]]
    for i in range(K):
        for c in range(d):
            half[i, c] = 0.0
        for a in range(K):
            weight = V[i, a]
            for c in range(d):
                half[i, c] += weight * turned[a, c]
        for j in range(i + 1):
            total = 0.0
            for b in range(K):
                total += half[i, b] * V[j, b]
            C[i, j] = C[j, i] = total
        for c in range(K, d):
            C[i, c] = C[c, i] = half[i, c]
    for n in range(d - K):
        for m in range(d - K):
            C[K + n, K + m] = T[n, m]
