"""Nodes for averages over normals: scrambled Sobol points with their negatives, of covariance one exactly."""

import functools

import numpy as np

from ode_sgd.core.arrays import Array


@functools.lru_cache(maxsize=16)
def normal_nodes(count: int, dimension: int, seed: int, scramble: int = 0) -> Array:
    """Half of `count` nodes (count/2, dimension), read-only: with their negatives their mean is 0, their covariance 1.

    `scramble` counts independent sets of a seed.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc  # takes half a second to load

    random = np.random.default_rng([seed, scramble])
    points = qmc.Sobol(dimension, scramble=True, rng=random).random_base2(int(count).bit_length() - 2)
    normals = ndtri(np.clip(points, 1e-12, 1.0 - 1e-12))
    root = np.linalg.cholesky(normals.T @ normals / len(normals))
    nodes: Array = np.ascontiguousarray(np.linalg.solve(root, normals.T).T)
    nodes.setflags(write=False)
    return nodes
