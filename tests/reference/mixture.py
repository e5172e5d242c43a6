"""Coefficients of g(x) = sum_m c_m erf(s_m x / sqrt 2), every term of a unit as a unit of erf: C' = S C S^T, a' = a c.

Written from docs/theory/mixtures.md; it shares no code with the package's kernels.
"""

from itertools import pairwise

import numpy as np
from scipy.integrate import solve_ivp


def _expanded(terms, C, a, K):
    """Unit, s, a c and covariance of all terms; `terms` are those of students and of teachers, each (c, s)."""
    own = [terms[unit >= K] for unit in range(len(a))]
    unit = np.repeat(np.arange(len(a)), [len(c) for c, _ in own])
    c, s = (np.concatenate([pair[row] for pair in own]) for row in (0, 1))
    return unit, s, c * a[unit], s[:, None] * s * C[np.ix_(unit, unit)]


def error(terms, C, a, K):
    """eps_g."""
    _, _, w, z = _expanded(terms, C, a, K)
    one = 1.0 + np.diag(z)
    return float(w @ np.arcsin(z / np.sqrt(np.outer(one, one))) @ w / np.pi)


def coefficients(terms, C, a, K, noise_variance):
    """A (K, d) and G (K, K)."""
    unit, s, w, z = _expanded(terms, C, a, K)
    one, A, G = 1.0 + np.diag(z), np.zeros((K, len(a))), np.zeros((K, K))
    slopes = 2.0 / np.pi / np.sqrt(np.outer(one, one) - z**2)
    for m in np.flatnonzero(unit < K):
        for n in range(len(unit)):
            A[unit[m], unit[n]] += w[m] * w[n] * s[m] * s[n] * slopes[m, n]
            A[unit[m], unit[m]] -= w[m] * w[n] * s[m] ** 2 * z[m, n] / one[m] * slopes[m, n]
        for n in range(m + 1):
            P = np.array([[one[m], z[m, n]], [z[m, n], one[n]]])
            both = z[[m, n]]
            S = z - both.T @ np.linalg.solve(P, both)
            root = np.sqrt(1.0 + np.diag(S))
            products = 4.0 / np.pi**2 / np.sqrt(np.linalg.det(P)) * (w @ np.arcsin(S / np.outer(root, root)) @ w)
            part = w[m] * w[n] * s[m] * s[n] * (products + noise_variance * slopes[m, n])
            G[unit[m], unit[n]] += part
            G[unit[n], unit[m]] += part * (m != n)
    return A, G


def solve(terms, problem, start, alpha, rtol):
    """Sectors (n, L, d, d) and eps_g (n,) of an ode_sgd.Problem under plain SGD."""
    K, a, eta = problem.student_units, np.concatenate([problem.v, -problem.u]), problem.learning_rate
    variance, values = problem.spectrum.powers(1), problem.spectrum.eigenvalues
    first, d = start.gram, len(a)

    def drift(_, y):
        c, A, G = y.reshape(first.shape), np.zeros((d, d)), np.zeros((d, d))
        C = np.einsum("k,kij->ij", variance, c)
        A[:K], G[:K, :K] = coefficients(terms, C, a, K, problem.label_noise**2)
        moved = A @ c
        change = -eta * (moved + moved.swapaxes(1, 2)) + eta**2 * G
        return (values[:, None, None] * change).ravel()

    states = [first]
    for leg in pairwise(alpha):  # its dense output would be less accurate than its steps
        found = solve_ivp(drift, leg, states[-1].ravel(), "DOP853", rtol=rtol, atol=1e-3 * rtol)
        states.append(found.y[:, -1].reshape(first.shape))
    C = np.einsum("k,nkij->nij", variance, states)
    return np.array(states), np.array([error(terms, one, a, K) for one in C])
