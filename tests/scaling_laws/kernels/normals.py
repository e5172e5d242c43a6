"""Normals that a stream of lanes gives to samples, one after the other."""

import numpy as np

from ode_sgd.core.kernels.random_lanes import fill_normals


def normals_of(state, samples, numbers):
    """(samples, numbers): each sample takes whole pairs of rows, and what is left of them is dropped."""
    state, lanes = state.copy(), state.shape[1]
    rows = np.empty((2 * -(-numbers // (2 * lanes)), lanes))
    found = np.empty((samples, numbers))
    for sample in range(samples):
        fill_normals(state, rows)
        found[sample] = rows.ravel()[:numbers]
    return found
