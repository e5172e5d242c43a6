"""The right-hand side (3.2), which only SciPy's methods use: the default evaluates it in `solve` of block_loops.py.

For small networks that is the same written out, `_solve` of generated_block.py. Given the common coefficients
A = [D | E] and G, the equations of the sectors are linear:

dc_k/dalpha = -eta lambda_k (A c_k + c_k A^T) + eta^2 lambda_k G - eta kappa (S c_k + c_k S)

with C = sum_k w_k lambda_k c_k and S = diag(1_K, 0_M). `factors` are what the rule does in every sector
(rule_factors.py): rates eta lambda_k, noises eta^2 lambda_k and decays eta kappa, zero where a sector does not learn;
noises are zero under gradient flow. State rows as in layout.py.
"""

import functools
from collections.abc import Callable

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.sectors.layout import q_row
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, NOISE, RATE


@kernel(sums=True)
def field_covariance(state: Array, variance: Array, T: Array, C: Array) -> None:
    """C = [[Q, R], [R^T, T]] from the state (p, L), with variance = w_k lambda_k (L,) and T (M, M) of order one.

    Equation: (2.2).
    """
    M = T.shape[0]
    K = C.shape[0] - M
    for i in range(K):
        for n in range(M):
            total = 0.0
            for k in range(variance.size):
                total += variance[k] * state[i * M + n, k]
            C[i, K + n] = C[K + n, i] = total
        for j in range(i, K):
            row = q_row(i, j, K, M)
            total = 0.0
            for k in range(variance.size):
                total += variance[k] * state[row, k]
            C[i, j] = C[j, i] = total
    C[K:, K:] = T


@kernel(inline=True)
def _add(out: Array, factor: float, overlap: Array) -> None:
    for k in range(out.size):
        out[k] += factor * overlap[k]


@kernel(sums=True)
def sector_drift(state: Array, t: Array, factors: Array, A: Array, G: Array, out: Array) -> None:
    """Right-hand side of every sector, (p, L); t is (M, M, L), factors (rows, L). Equation: (3.2)."""
    K, d = A.shape
    rate, noise = factors[RATE], factors[NOISE]
    decay = factors[DECAY] if factors.shape[0] > DECAY else np.zeros(rate.size)
    M = d - K
    for i in range(K):
        for n in range(M):
            row = out[i * M + n]
            row[:] = 0.0
            for j in range(K):
                _add(row, A[i, j], state[j * M + n])
            for m in range(M):
                _add(row, A[i, K + m], t[m, n])
            for k in range(rate.size):
                row[k] = -rate[k] * row[k] - decay[k] * state[i * M + n, k]
        for j in range(i, K):
            row = out[q_row(i, j, K, M)]
            row[:] = 0.0
            for c in range(K):
                _add(row, A[i, c], state[q_row(c, j, K, M)])
                _add(row, A[j, c], state[q_row(c, i, K, M)])
            for m in range(M):
                _add(row, A[i, K + m], state[j * M + m])
                _add(row, A[j, K + m], state[i * M + m])
            for k in range(rate.size):
                row[k] = G[i, j] * noise[k] - rate[k] * row[k] - 2.0 * decay[k] * state[q_row(i, j, K, M), k]


@kernel(sums=True)
def keep_lengths(state: Array, weights: Array, K: int, M: int, out: Array) -> None:
    """Take from the drift what changes sum_k w_k q_ii,k: every unit is scaled back. Equation: (3.5b)."""
    L, scaled = weights.size, np.empty(K)
    for i in range(K):
        row, length, change = q_row(i, i, K, M), 0.0, 0.0
        for k in range(L):
            length += weights[k] * state[row, k]
            change += weights[k] * out[row, k]
        scaled[i] = 0.5 * change / length if length > 0.0 else 0.0
    for i in range(K):
        for n in range(M):
            _add(out[i * M + n], -scaled[i], state[i * M + n])
        for j in range(i, K):
            _add(out[q_row(i, j, K, M)], -scaled[i] - scaled[j], state[q_row(i, j, K, M)])


@functools.cache
def right_hand_side(activation: Averages) -> Callable[..., None]:
    """The whole right-hand side of one activation."""
    coefficients = coefficient_kernels(activation).coefficients

    @kernel(activation.variant)
    def evaluate(
        state: Array,
        t: Array,
        T: Array,
        a: Array,
        noise_variance: float,
        variance: Array,
        factors: Array,
        out: Array,
    ) -> None:
        """dc_k/dalpha of every sector, into out (p, L). Equation: (3.2)."""
        M = T.shape[0]
        K = a.size - M
        C = np.empty((K + M, K + M))
        A = np.empty((K, K + M))
        G = np.empty((K, K))
        field_covariance(state, variance, T, C)
        coefficients(C, a, noise_variance, A, G)
        sector_drift(state, t, factors, A, G, out)

    return evaluate
