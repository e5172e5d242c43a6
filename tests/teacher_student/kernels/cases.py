"""Random inputs for the kernels."""

import numpy as np

from ode_sgd.core.kernels.random_lanes import fill_normals, fill_normals_float32, seed_lanes
from ode_sgd.teacher_student.kernels.simulation.explicit import LANES


def covariance(d, seed, scale=1.0, rank=None):
    """A random covariance (d, d) with variances between scale / 5 and scale; singular where rank < d."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((d, d + 2 if rank is None else rank))
    X *= np.sqrt(rng.uniform(0.2 * scale, scale, d) / (X**2).sum(axis=1))[:, None]
    return X @ X.T


def sectors(L, d, seed, rank=None):
    """Random Gram matrices (L, d, d)."""
    return np.array([covariance(d, (seed, k), 1.0, rank) for k in range(L)])


def step_normals(kind, sequence):
    """The simulator's normals as a function of how many a step takes."""
    if kind == "pcg64":
        return np.random.default_rng(sequence).standard_normal
    state = seed_lanes(sequence, LANES)
    fill, dtype = {"float64": (fill_normals, np.float64), "float32": (fill_normals_float32, np.float32)}[kind]

    def take(count):
        out = np.empty((-(-count // (2 * LANES)) * 2, LANES), dtype)  # whole pairs of rows; the rest is dropped
        fill(state, out)
        return out.ravel()[:count].astype(np.float64)

    return take
