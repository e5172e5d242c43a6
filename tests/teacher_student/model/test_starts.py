"""The finite-N law of overlaps, and weights that have given overlaps."""

import numpy as np
import pytest

from ode_sgd.core.errors import InvalidStart
from ode_sgd.teacher_student.model.starts import split, weights_with_overlaps, wishart_grams
from tests.reference import sgd

DRAWS = 40_000
SCALES = np.array([0.5, 0.5, 1.0, 1.5])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 60])
def test_mean_and_covariance_of_the_wishart_law(size):
    """Gram / n of n normal columns: mean S and covariance (S_ik S_jl + S_il S_jk) / n, S = diag(scales^2)."""
    grams = wishart_grams(np.full(DRAWS, size), SCALES, np.random.default_rng(size))
    S, d = np.diag(SCALES**2), len(SCALES)
    centred = (grams - S).reshape(DRAWS, -1)
    z = centred.mean(axis=0) / np.maximum(centred.std(axis=0), 1e-300) * np.sqrt(DRAWS)
    # 10 distinct standard normal numbers, at a fixed seed: beyond 4 once in 1500 tests.
    assert np.abs(z).max() < 4.0
    expected = (np.einsum("ik,jl->ijkl", S, S) + np.einsum("il,jk->ijkl", S, S)).reshape(d * d, d * d) / size
    products = centred[:, :, None] * centred[:, None, :]
    error = products.std(axis=0) / np.sqrt(DRAWS)
    # 55 distinct ones with heavy tails at small sizes, where the estimated error itself fluctuates: beyond 4.5.
    assert (np.abs(products.mean(axis=0) - expected) < 4.5 * error).all()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9])
def test_rank_is_the_number_of_inputs_where_it_is_smaller(size):
    grams = wishart_grams(np.full(50, size), SCALES, np.random.default_rng(0))
    relative = np.linalg.eigvalsh(grams)[:, ::-1] / np.linalg.eigvalsh(grams)[:, -1:]
    rank = min(size, 4)
    assert (np.abs(relative[:, rank:]) < 1e-14).all()  # rounding of a 4 x 4 product
    assert (relative[:, :rank] > 1e-9).all()


def test_sectors_of_different_size_are_independent_draws_of_their_own_law():
    sizes = np.tile([2, 50], DRAWS // 2)
    grams = wishart_grams(sizes, np.ones(2), np.random.default_rng(3)).reshape(-1, 2, 2, 2)
    variance = grams[:, :, 0, 0].var(axis=0)
    np.testing.assert_allclose(variance, 2.0 / np.array([2.0, 50.0]), rtol=0.06)  # sqrt(8 / 20000) = 2%, three times
    # Correlation coefficient of 20000 pairs: standard error 0.007.
    assert abs(np.corrcoef(grams[:, 0, 0, 0], grams[:, 1, 0, 0])[0, 1]) < 0.03


def test_a_network_of_scale_zero_is_zero():
    grams = wishart_grams(np.array([5]), np.array([0.0, 1.0]), np.random.default_rng(0))
    assert grams[0, 0, 0] == grams[0, 0, 1] == 0.0
    assert grams[0, 1, 1] > 0.0


def test_split():
    gram = np.arange(18.0).reshape(2, 3, 3)
    q, r, t = split(gram, 2)
    np.testing.assert_array_equal(q[1], [[9, 10], [12, 13]])
    np.testing.assert_array_equal(r[1], [[11], [14]])
    np.testing.assert_array_equal(t[1], [[17]])


# --- weights with given overlaps ------------------------------------------------------------------------------------


def grams_of_rank(rank, d=4, L=3, seed=0):
    X = np.random.default_rng(seed).normal(size=(L, d, rank))
    return X @ X.transpose(0, 2, 1) / rank


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [4, 5, 200])
def test_weights_reproduce_overlaps(rank, size):
    gram, sizes = grams_of_rank(rank), np.array([size, size + 3, 2 * size])
    weights = weights_with_overlaps(gram, sizes, np.random.default_rng(1))
    assert weights.shape == (4, sizes.sum())
    assert weights.flags.c_contiguous
    # Overlaps of order one through an eigendecomposition and a QR: rounding is a few 1e-15.
    np.testing.assert_allclose(sgd.overlaps(weights[:2], weights[2:], sizes), gram, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_sector_as_small_as_the_rank_is_enough(rank):
    gram, sizes = grams_of_rank(rank), np.array([rank, rank, rank + 1])
    weights = weights_with_overlaps(gram, sizes, np.random.default_rng(1))
    np.testing.assert_allclose(sgd.overlaps(weights[:2], weights[2:], sizes), gram, rtol=0.0, atol=1e-12)


def test_a_sector_smaller_than_the_rank_is_refused():
    with pytest.raises(InvalidStart, match="sector 2 has 2 inputs, but its overlaps need 3 independent directions"):
        weights_with_overlaps(grams_of_rank(3), np.array([3, 2, 5]), np.random.default_rng(1))


def test_what_was_drawn_at_a_small_dimension_fits_that_dimension():
    sizes = np.array([1, 2, 3, 4, 9])
    gram = wishart_grams(sizes, SCALES, np.random.default_rng(5))
    weights = weights_with_overlaps(gram, sizes, np.random.default_rng(6))
    np.testing.assert_allclose(sgd.overlaps(weights[:2], weights[2:], sizes), gram, rtol=0.0, atol=1e-12)


def test_no_weights_at_all():
    weights = weights_with_overlaps(np.zeros((1, 2, 2)), np.array([3]), np.random.default_rng(0))
    np.testing.assert_array_equal(weights, np.zeros((2, 3)))


def test_frames_are_uniformly_rotated():
    """Every input direction takes the same share on average, and signs are balanced: no preferred axes."""
    draws = np.array(
        [weights_with_overlaps(np.eye(2)[None], np.array([3]), np.random.default_rng(seed)) for seed in range(3000)]
    )
    z = draws.mean(axis=0) / draws.std(axis=0) * np.sqrt(len(draws))
    assert np.abs(z).max() < 4.0  # six standard normal numbers, at fixed seeds
    squares = draws**2  # 3 u^2 of a uniform unit vector: u^2 is Beta(1/2, 1), so mean 1 and variance 9 * 4/45 = 4/5
    z = (squares.mean(axis=0) - 1.0) / np.sqrt(0.8 / len(draws))
    assert np.abs(z).max() < 4.0


def test_tiny_students_are_not_dropped():
    """Two inputs cannot hold four independent vectors, however small some of them are."""
    gram = np.diag([1e-10, 1e-10, 1.0, 1.0])[None]
    with pytest.raises(InvalidStart, match="need 4 independent directions"):
        weights_with_overlaps(gram, np.array([2]), np.random.default_rng(0))
    weights = weights_with_overlaps(gram, np.array([8]), np.random.default_rng(0))
    norms = np.sqrt(np.diagonal(gram[0]))
    # rounding, relative to the norms of the two vectors
    np.testing.assert_allclose(weights @ weights.T / 8 / np.outer(norms, norms), np.eye(4), atol=1e-14)
