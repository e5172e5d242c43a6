"""The ODE once more in plain loops over Gram matrices c (L, d, d), compiled as they stand: for many long references.

Written from docs/theory/model.md sections 3 and 4; it shares no code with the package's kernels.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import asin, pi, sqrt

import numpy as np
from numba import njit
from scipy.integrate import DOP853

ERF, LINEAR = 0, 1
KINDS = {"erf": ERF, "linear": LINEAR}


@njit
def _gg(kind, C, a, b):
    if kind == LINEAR:
        return C[a, b]
    return 2 / pi * asin(C[a, b] / sqrt((1 + C[a, a]) * (1 + C[b, b])))


@njit
def _dgdg(kind, C, a, b):
    if kind == LINEAR:
        return 1.0
    return 2 / pi / sqrt((1 + C[a, a]) * (1 + C[b, b]) - C[a, b] ** 2)


@njit
def _d2gg(kind, C, a, b):
    if kind == LINEAR:
        return 0.0
    return -2 / pi * C[a, b] / ((1 + C[a, a]) * sqrt((1 + C[a, a]) * (1 + C[b, b]) - C[a, b] ** 2))


@njit
def _reduced(C, a, b, m, n, one):
    L4 = (1 + C[a, a]) * (1 + C[b, b]) - C[a, b] ** 2
    return (
        L4 * (one + C[m, n])
        - C[a, m] * C[a, n] * (1 + C[b, b])
        - C[b, m] * C[b, n] * (1 + C[a, a])
        + C[a, b] * (C[a, m] * C[b, n] + C[a, n] * C[b, m])
    )


@njit
def _dgdggg(kind, C, a, b, c, e):
    if kind == LINEAR:
        return C[c, e]
    L4 = (1 + C[a, a]) * (1 + C[b, b]) - C[a, b] ** 2
    ratio = _reduced(C, a, b, c, e, 0.0) / sqrt(_reduced(C, a, b, c, c, 1.0) * _reduced(C, a, b, e, e, 1.0))
    return 4 / pi**2 / sqrt(L4) * asin(max(-1.0, min(1.0, ratio)))


@njit
def error_and_terms(kind, C, a):
    """eps_g = (1/2) sum_ce a_c a_e E[g g], and the same sum of absolute values."""
    error = terms = 0.0
    for c in range(a.size):
        for e in range(a.size):
            term = 0.5 * a[c] * a[e] * _gg(kind, C, c, e)
            error += term
            terms += abs(term)
    return error, terms


@njit
def _drift(kind, c, variance, rate, noise, decay, a, K, noise_variance, out):
    """dc_k/dalpha = -rate_k (A c_k + c_k A^T) + noise_k G - decay_k (students in a pair) c_k, teacher rows zero."""
    L, d = c.shape[0], a.size
    C = np.zeros((d, d))
    for k in range(L):
        C += variance[k] * c[k]
    A, G = np.zeros((d, d)), np.zeros((d, d))
    for i in range(K):
        for e in range(d):
            A[i, e] += a[i] * a[e] * _dgdg(kind, C, i, e)
            A[i, i] += a[i] * a[e] * _d2gg(kind, C, i, e)
    if noise.max() > 0.0:
        for i in range(K):
            for j in range(i, K):
                total = noise_variance * _dgdg(kind, C, i, j)
                for b in range(d):
                    for e in range(b, d):
                        total += (1.0 if b == e else 2.0) * a[b] * a[e] * _dgdggg(kind, C, i, j, b, e)
                G[i, j] = G[j, i] = a[i] * a[j] * total
    for k in range(L):
        half = A @ c[k]
        for i in range(d):
            for j in range(d):
                out[k, i, j] = noise[k] * G[i, j] - rate[k] * (half[i, j] + half[j, i])
                out[k, i, j] -= decay[k] * ((i < K) + (j < K)) * c[k, i, j]


@dataclass(frozen=True)
class Plain:
    """One problem as numbers: w_k lambda_k in `variance`, eta lambda_k in `rate`, eta^2 lambda_k in `noise`.

    eta kappa is in `decay`.
    """

    kind: int
    variance: np.ndarray
    rate: np.ndarray
    noise: np.ndarray
    decay: np.ndarray
    a: np.ndarray
    K: int
    noise_variance: float

    @classmethod
    def of(cls, problem):
        """Of an ode_sgd.Problem."""
        spectrum, eta = problem.spectrum, problem.learning_rate
        learns = np.arange(spectrum.distinct) < (problem.trainable or np.inf)
        rate = eta * spectrum.eigenvalues * learns
        return cls(
            kind=KINDS[problem.activation],
            variance=spectrum.weights * spectrum.eigenvalues,
            rate=rate,
            noise=np.zeros_like(rate) if problem.gradient_flow else eta * rate / problem.batch_size,
            decay=eta * problem.weight_decay * learns,
            a=np.concatenate([problem.v, -problem.u]),
            K=problem.student_units,
            noise_variance=problem.label_noise**2,
        )

    def drift(self, c):
        """The right-hand side, (L, d, d)."""
        out = np.empty_like(c)
        _drift(self.kind, c, self.variance, self.rate, self.noise, self.decay, self.a, self.K, self.noise_variance, out)
        return out

    def errors(self, states):
        """eps_g (n,) of sectors (n, L, d, d), and the scale of its rounding."""
        C = np.einsum("k,nkij->nij", self.variance, states)
        return np.array([error_and_terms(self.kind, one, self.a) for one in C]).T

    def solve(self, c, alpha, rtol=1e-13, atol=1e-16, most=np.inf):
        """Sectors (n, L, d, d) at the times alpha, by DOP853 that lands on each; None after `most` right-hand sides.

        Its dense output would be less accurate than its steps.
        """
        y, states, size, evaluations = c.ravel().copy(), [c], None, 0
        for begin, end in pairwise(alpha):
            solver = DOP853(
                lambda _, y: self.drift(y.reshape(c.shape)).ravel(),
                begin,
                y,
                end,
                rtol=rtol,
                atol=atol,
                first_step=None if size is None else min(size, end - begin),
            )
            sizes = []
            while solver.status == "running":
                solver.step()
                sizes.append(solver.step_size)
                if solver.status == "failed" or not np.isfinite(solver.y).all() or evaluations + solver.nfev > most:
                    return None
            evaluations += solver.nfev
            size = max(size or 0.0, sizes[0]) if len(sizes) == 1 else max(sizes[-2], sizes[-1])
            y = solver.y
            states.append(y.reshape(c.shape).copy())
        return np.array(states)
