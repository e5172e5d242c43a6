"""Random inputs for the kernels."""

import numpy as np


def covariance(d, seed, scale=1.0, rank=None):
    """A random covariance (d, d) with variances between scale / 5 and scale; singular where rank < d."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((d, d + 2 if rank is None else rank))
    X *= np.sqrt(rng.uniform(0.2 * scale, scale, d) / (X**2).sum(axis=1))[:, None]
    return X @ X.T


def sectors(L, d, seed, rank=None):
    """Random Gram matrices (L, d, d)."""
    return np.array([covariance(d, (seed, k), 1.0, rank) for k in range(L)])
