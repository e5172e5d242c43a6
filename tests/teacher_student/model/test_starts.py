"""The finite-N law of overlaps, and weights that have given overlaps."""

import numpy as np
import pytest
from scipy import stats

import ode_sgd
from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.teacher_student.model.starts import (
    degrees_of_freedom,
    orthonormal_teacher_grams,
    split,
    uniform_grams,
    weights_with_overlaps,
    wishart_grams,
)
from tests.reference import sgd

DRAWS = 40_000
SCALES = np.array([0.5, 0.5, 1.0, 1.5])


def check_wishart(grams, size, scales):
    """Gram / n of n normal columns: mean S and covariance (S_ik S_jl + S_il S_jk) / n, S = diag(scales^2)."""
    S, d = np.diag(scales**2), len(scales)
    centred = (grams - S).reshape(DRAWS, -1)
    z = centred.mean(axis=0) / np.maximum(centred.std(axis=0), 1e-300) * np.sqrt(DRAWS)
    # 10 distinct standard normal numbers, at a fixed seed: beyond 4 once in 1500 tests.
    assert np.abs(z).max() < 4.0
    expected = (np.einsum("ik,jl->ijkl", S, S) + np.einsum("il,jk->ijkl", S, S)).reshape(d * d, d * d) / size
    products = centred[:, :, None] * centred[:, None, :]
    error = products.std(axis=0) / np.sqrt(DRAWS)
    # 55 distinct ones with heavy tails at small sizes, where the estimated error itself fluctuates: beyond 4.5.
    assert (np.abs(products.mean(axis=0) - expected) < 4.5 * error).all()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 60, 4.25, 17.9])
def test_mean_and_covariance_of_the_wishart_law(size):
    """Of whole numbers of inputs, and of others that are at least the number of units."""
    check_wishart(wishart_grams(np.full(DRAWS, size), SCALES, np.random.default_rng(int(size))), size, SCALES)


def test_a_whole_number_of_inputs_is_the_same_as_a_float():
    """What was drawn before dimensions could be any number is drawn again, bit for bit."""
    whole, real = (
        wishart_grams(np.array([2, 9]).astype(kind), SCALES, np.random.default_rng(0))
        for kind in (np.int64, np.float64)
    )
    np.testing.assert_array_equal(whole, real)


def test_degrees_of_freedom():
    spectrum = Spectrum([2.0, 1.0], [0.25, 0.75])
    np.testing.assert_array_equal(degrees_of_freedom(spectrum, 8, 99), [2, 6])
    np.testing.assert_array_equal(degrees_of_freedom(spectrum, 18, 4), [4.5, 13.5])
    few = Spectrum([3.0, 2.0, 1.0], [0.1, 0.35, 0.55])
    np.testing.assert_array_equal(degrees_of_freedom(few, 30, 4), [3.0, 10.5, 16.5])  # 3 is whole, the others larger
    with pytest.raises(InvalidProblem, match=r"sector 2 of 3 10\.5 inputs, fewer than the K \+ M = 11 units and not"):
        degrees_of_freedom(few, 30, 11)
    with pytest.raises(InvalidProblem, match=r"sector 1 of 2 3\.75 inputs.*nearest that fits is 16; .* from 16 on"):
        degrees_of_freedom(spectrum, 15, 4)


# --- orthonormal teachers, and Saad and Solla's students --------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3, 4, 30, 4.5])
def test_students_beside_orthonormal_teachers_are_random_still(size):
    """q is a Wishart matrix, r normal of variance s_J^2 s_B^2 / N_k, and r does not tell what is left of q."""
    draws = np.full(DRAWS, size)
    q, r, t = split(orthonormal_teacher_grams(draws, 2, SCALES, np.random.default_rng(int(size))), 2)
    np.testing.assert_array_equal(t, np.tile(np.diag([1.0, 2.25]), (DRAWS, 1, 1)))
    check_wishart(q, size, SCALES[:2])
    variance = (r**2).mean(axis=0) * size / (np.outer(SCALES[:2], SCALES[2:]) ** 2)
    # sqrt(2 / 40000) = 0.7 % for a normal number; its law at few inputs is the normal one, too. Four times that.
    np.testing.assert_allclose(variance, 1.0, atol=0.028)
    left = q - r @ np.linalg.inv(t) @ r.transpose(0, 2, 1)
    mean = left.mean(axis=0) / (SCALES[0] ** 2 * (size - 2) / size or 1.0)
    np.testing.assert_allclose(mean, np.eye(2) * (size > 2), atol=0.03)
    tied = [np.corrcoef(left[:, 0, 0], r[:, 0, n] ** 2)[0, 1] for n in range(2) if size > 2]
    assert np.abs(tied).max(initial=0.0) < 0.02  # standard error 0.005


def test_orthonormal_teachers_have_the_law_of_explicit_weights():
    """Kolmogorov-Smirnov for every overlap of frames and normal students in 5 inputs."""
    rng = np.random.default_rng(5)
    frames = np.linalg.qr(rng.standard_normal((2000, 5, 2)))[0].transpose(0, 2, 1) * np.sqrt(5)
    stacked = np.concatenate([0.5 * rng.standard_normal((2000, 2, 5)), frames], axis=1)
    explicit = stacked @ stacked.transpose(0, 2, 1) / 5
    drawn = orthonormal_teacher_grams(np.full(2000, 5), 2, np.array([0.5, 0.5, 1.0, 1.0]), rng)
    for i, j in [(0, 0), (0, 1), (1, 1), (0, 2), (0, 3), (1, 2)]:
        assert stats.ks_2samp(explicit[:, i, j], drawn[:, i, j]).pvalue > 1e-3


def test_orthogonal_teachers_need_room():
    with pytest.raises(InvalidStart, match="sector 2 has 2 inputs, too few for 3 orthogonal teachers"):
        orthonormal_teacher_grams(np.array([8, 2]), 1, np.ones(4), np.random.default_rng(0))


def test_uniform_students():
    grams = np.array([uniform_grams(2, 2, 3, 0.5, 1e-3, np.random.default_rng(seed)) for seed in range(4000)])
    np.testing.assert_array_equal(grams[:, 0], grams[:, 1])
    np.testing.assert_array_equal(grams, grams.transpose(0, 1, 3, 2))
    q, r, t = split(grams[:, 0], 2)
    np.testing.assert_array_equal(t, np.tile(np.eye(3), (4000, 1, 1)))
    for values, largest in ((q[:, 0, 0], 0.5), (q[:, 1, 1], 0.5), (q[:, 0, 1], 1e-3), (r[:, 1, 2], 1e-3)):
        assert stats.kstest(values / largest, "uniform").pvalue > 1e-3


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


def test_a_small_sector_beside_one_without_a_whole_number_of_inputs():
    """Three inputs for four units: exactly rank 3, and the law of as many Gaussian columns (Kolmogorov-Smirnov)."""
    spectrum = Spectrum([3.0, 2.0, 1.0], [0.1, 0.35, 0.55])
    one = ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.1)
    starts = [ode_sgd.OrderParameters.random(one, 30, 0.5, 1.5, seed=seed).gram for seed in range(2000)]
    grams = np.array(starts)
    assert (np.linalg.eigvalsh(grams[:, 0])[:, 0] < 1e-14 * np.trace(grams[:, 0], axis1=1, axis2=2)).all()
    assert (np.linalg.eigvalsh(grams[:, 0])[:, 1] > 1e-9).all()
    columns = np.random.default_rng(9).standard_normal((2000, 4, 3)) * np.array([0.5, 0.5, 1.5, 1.5])[:, None]
    explicit = columns @ columns.transpose(0, 2, 1) / 3
    for i, j in [(0, 0), (0, 1), (1, 1), (0, 2), (2, 3), (3, 3)]:
        assert stats.ks_2samp(explicit[:, i, j], grams[:, 0, i, j]).pvalue > 1e-3
    mean, spread = grams.mean(axis=0), grams.std(axis=0) / np.sqrt(2000)
    z = (mean - np.diag([0.25, 0.25, 2.25, 2.25])) / spread
    assert np.abs(z).max() < 4.0  # 30 distinct, at fixed seeds: beyond 4 once in 500 tests


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
