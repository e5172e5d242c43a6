"""Forward selection against a least-squares fit for every candidate."""

import numpy as np
import pytest

from ode_sgd.scaling_laws.kernels.selection import forward_selection
from tests.reference import scaling_laws_resource as plain


@pytest.mark.parametrize("outputs", [1, 3])
def test_chooses_what_fits_best(outputs):
    """The same neurons; residuals to the rounding of a fit, whose matrix has a condition number below 100."""
    generator = np.random.default_rng(outputs)
    targets = generator.standard_normal((outputs, 60))
    pool = 0.5 * generator.standard_normal((12, 60)) + targets[np.arange(12) % outputs]
    chosen, residuals = np.zeros(8, np.int64), np.empty(9)
    assert forward_selection(pool, targets, chosen, residuals) == 8
    wanted, left = plain.forward_selection(pool, targets, 8)
    assert chosen.tolist() == wanted
    assert residuals == pytest.approx(left, rel=1e-10)


def test_says_when_the_pool_is_exhausted():
    generator = np.random.default_rng(0)
    pool, chosen, residuals = generator.standard_normal((3, 20)), np.zeros(5, np.int64), np.zeros(6)
    assert forward_selection(pool, generator.standard_normal((1, 20)), chosen, residuals) == 3
    assert sorted(chosen[:3].tolist()) == [0, 1, 2]
