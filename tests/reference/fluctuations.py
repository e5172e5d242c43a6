"""Covariance of the increments of one step straight from their definition, as averages over sector fields.

Written from docs/theory/fluctuations.md (32.1); it shares no code with the package.
"""

import numpy as np
from scipy.special import erf


def erf_pair(x):
    """g and g' of erf(x / sqrt 2)."""
    return erf(x / np.sqrt(2)), np.sqrt(2 / np.pi) * np.exp(-0.5 * x**2)


def quadratic_pair(x):
    """The same of x^2."""
    return x**2, 2 * x


def increments(c, eigenvalues, weights, v, u, eta, sigma, normals, batch_part=1.0, pair=erf_pair):
    """h (n, L, d, d) of (32.1), with noise in the last column of normals (n, L d + 1); c (L, d, d).

    `batch_part` is what the quadratic term is multiplied by: 1 / b.
    """
    L, d, _ = c.shape
    K = len(v)
    roots = np.array([np.linalg.cholesky(w * lam * one) for w, lam, one in zip(weights, eigenvalues, c, strict=True)])
    s = np.einsum("kab,nkb->nka", roots, normals[:, : L * d].reshape(-1, L, d))
    z = s.sum(axis=1)
    signed = np.concatenate([v, -np.asarray(u)])
    outputs, slopes = pair(z)
    error = outputs @ signed - sigma * normals[:, -1]
    delta = np.zeros((len(z), d))
    delta[:, :K] = np.asarray(v) * slopes[:, :K] * error[:, None]
    h = np.empty((len(z), L, d, d))
    for k in range(L):
        linear = delta[:, :, None] * s[:, k, None, :]
        h[:, k] = -eta / weights[k] * (linear + linear.transpose(0, 2, 1))
        h[:, k] += batch_part * eta**2 * eigenvalues[k] * delta[:, :, None] * delta[:, None, :]
    return h


def rows(h, K):
    """The entries that move, r_in and then q_ij with i <= j, of every sector: (n, L p)."""
    n, L = h.shape[:2]
    i, j = np.triu_indices(K)
    r = h[:, :, :K, K:].reshape(n, L, -1)
    return np.concatenate([r, h[:, :, i, j]], axis=2).reshape(n, -1)


def covariance(values, share):
    """Covariance of rows (n, m) whose nodes have weights `share` (n,)."""
    mean = share @ values
    return (values * share[:, None]).T @ values - np.outer(mean, mean)


def hermite(dimension, count, noise_count=3):
    """Product nodes (n, dimension + 1) and weights: the last column is the noise, of which powers up to 4 count."""
    lines = [np.polynomial.hermite_e.hermegauss(count)] * dimension + [np.polynomial.hermite_e.hermegauss(noise_count)]
    places = np.stack([one.ravel() for one in np.meshgrid(*[line for line, _ in lines], indexing="ij")], axis=1)
    share = np.ones(1)
    for _, weights in lines:
        share = np.multiply.outer(share, weights / weights.sum()).ravel()
    return places, share
