"""Neurons one by one, from a heap, against the largest gain of all."""

import numpy as np
import pytest

from ode_sgd.scaling_laws.kernels.allocation import add_greedily
from tests.reference import scaling_laws_resource as plain


@pytest.mark.parametrize("subtasks", [1, 2, 7, 64])
def test_gives_each_neuron_where_it_gains_most(subtasks):
    """Exactly, also from where some have been given already, and among equals to the first."""
    generator = np.random.default_rng(subtasks)
    v = generator.choice([0.25, 0.5, 1.0], subtasks)  # so that there are equals
    s2, p = np.ones(subtasks), np.ones(subtasks)
    counts = np.zeros(subtasks)
    for total, more in ((5, 5), (6, 1), (100, 94)):
        assert add_greedily(p * s2, s2 / v, counts, more) == more
        assert counts.tolist() == plain.greedy(v, s2, p, total).tolist()
