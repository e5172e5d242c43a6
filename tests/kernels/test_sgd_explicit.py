"""The simulator's kernels against plain NumPy SGD, on the same random numbers."""

import numpy as np
import pytest
from reference import sgd

from ode_sgd.kernels.sgd_explicit import explicit_steps, sector_grams

SIZES = np.array([7, 5, 8])
DEVIATIONS = np.sqrt([2.0, 0.7, 0.1])
# A few hundred steps of order-one numbers, sums of N = 20 terms in another order: rounding stays near 1e-15.
ROUNDING = 1e-12


def weights(K, M, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(K, SIZES.sum())), rng.normal(size=(M, SIZES.sum()))


@pytest.mark.parametrize("activation", ["erf", "linear"])
@pytest.mark.parametrize(("K", "M"), [(1, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("label_noise", [0.0, 0.3])
@pytest.mark.parametrize("learned", [20, 12])
def test_steps(activation, K, M, label_noise, learned):
    J, B = weights(K, M, 5)
    v, u = np.linspace(0.5, 1.0, K), np.linspace(-1.0, 0.7, M)
    steps, rate = 200, 0.3
    inputs, noises = sgd.draw(np.random.default_rng(42), steps, np.repeat(DEVIATIONS, SIZES), label_noise)
    expected = sgd.run(J, B, inputs, noises, v, u, rate, activation, learned)
    moved, generator = J.copy(), np.random.default_rng(42)
    constants = np.cumsum(SIZES), DEVIATIONS, np.concatenate([v, -u]), rate, label_noise, learned
    explicit_steps(activation)(generator, steps, moved, B, *constants)
    np.testing.assert_allclose(moved, expected, rtol=0.0, atol=ROUNDING)
    assert np.abs(moved - J)[:, :learned].min(axis=1).all()  # it did move
    np.testing.assert_array_equal(moved[:, learned:], J[:, learned:])


def test_two_calls_continue_where_one_would_have_gone_on():
    J, B = weights(2, 2, 6)
    constants = np.cumsum(SIZES), DEVIATIONS, np.array([1.0, 1.0, -1.0, -1.0]), 0.4, 0.1, 20
    whole, parts = J.copy(), J.copy()
    advance = explicit_steps("erf")
    advance(np.random.default_rng(1), 90, whole, B, *constants)
    generator = np.random.default_rng(1)
    for steps in (30, 0, 59, 1):
        advance(generator, steps, parts, B, *constants)
    np.testing.assert_array_equal(parts, whole)


def test_sector_grams():
    J, B = weights(3, 2, 7)
    q, r = np.full((3, 3, 3), np.nan), np.full((3, 3, 2), np.nan)
    sector_grams(J, B, np.cumsum(SIZES), q, r)
    expected = sgd.overlaps(J, B, SIZES)
    np.testing.assert_allclose(q, expected[:, :3, :3], rtol=1e-13, atol=1e-15)  # sums of at most 8 terms
    np.testing.assert_allclose(r, expected[:, :3, 3:], rtol=1e-13, atol=1e-15)
