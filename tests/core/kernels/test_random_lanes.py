"""The random numbers in lanes: against plain integers and 50 digits, then as statistics."""

from math import prod

import mpmath
import numpy as np
import pytest
from scipy import stats

from ode_sgd.core.kernels import random_lanes
from ode_sgd.core.kernels.random_lanes import fill_normals, fill_normals_float32, fill_uniforms, next_bits, seed_lanes

MASK = 2**64 - 1
KINDS = {"float64": (fill_normals, np.float64), "float32": (fill_normals_float32, np.float32)}
Z_LIMIT = 5.0  # of any single statistic, at fixed seeds: 6e-7
P_LIMIT = 1e-4


def rotated(x, k):
    return ((x << k) | (x >> (64 - k))) & MASK


def twin(state):
    """xoshiro256++ in plain integers: yields (number, state after it)."""
    s = [int(word) for word in state]
    while True:
        result = (rotated((s[0] + s[3]) & MASK, 23) + s[0]) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotated(s[3], 45)
        yield result, list(s)


def normals(kind, seed, rows, lanes):
    fill, dtype = KINDS[kind]
    out = np.empty((rows, lanes), dtype)
    fill(seed_lanes(np.random.SeedSequence(seed), lanes), out)
    return out.astype(np.float64)


def z_of(products):
    """Of the mean of independent terms whose mean is zero."""
    return abs(products.mean()) / (products.std() / np.sqrt(products.size))


# --- the stream -----------------------------------------------------------------------------------------------------


def test_published_numbers():
    """Start (1, 2, 3, 4): the test vector of the authors' C code, as other libraries carry it."""
    state = np.arange(1, 5, dtype=np.uint64).reshape(4, 1)
    first = [41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205, 9973669472204895162]
    assert [int(next_bits(state, 0)) for _ in first] == first


def test_uniforms_and_state_against_the_twin():
    state = seed_lanes(np.random.SeedSequence(3), 37)
    streams = [twin(column.copy()) for column in state.T]
    out = np.empty((50, 37))
    fill_uniforms(state, out)
    for lane, stream in enumerate(streams):
        drawn = [next(stream) for _ in range(50)]
        assert [((number >> 12) + 0.5) / 2**52 for number, _ in drawn] == list(out[:, lane])
        assert drawn[-1][1] == [int(word) for word in state[:, lane]]


def test_the_uniform_never_reaches_its_ends():
    assert random_lanes.unit_interval(np.uint64(0)) == 2.0**-53
    assert random_lanes.unit_interval(np.uint64(MASK)) == 1.0 - 2.0**-53


def test_seeding():
    sequence = np.random.SeedSequence(11, spawn_key=(2,))
    few, many = seed_lanes(sequence, 3), seed_lanes(sequence, 32)
    np.testing.assert_array_equal(few, many[:, :3])
    assert sequence.n_children_spawned == 0
    assert len(np.unique(many)) == many.size
    child, other = (seed_lanes(one, 32) for one in sequence.spawn(2))
    assert len(np.unique([many, child, other])) == 3 * many.size


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lanes", [1, 5, 16, 32, 37])
def test_a_lane_does_not_know_the_others(kind, lanes):
    whole = normals(kind, 8, 400, 64)
    np.testing.assert_array_equal(normals(kind, 8, 400, lanes), whole[:, :lanes])


@pytest.mark.parametrize("kind", KINDS)
def test_two_calls_continue_where_one_would_have_gone_on(kind):
    fill, dtype = KINDS[kind]
    whole, parts = np.empty((60, 32), dtype), np.empty((60, 32), dtype)
    states = [seed_lanes(np.random.SeedSequence(5), 32) for _ in range(2)]
    fill(states[0], whole)
    for begin, end in ((0, 2), (2, 40), (40, 40), (40, 60)):
        fill(states[1], parts[begin:end])
    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_array_equal(*states)


# --- Box-Muller -----------------------------------------------------------------------------------------------------


def test_logarithm_and_sine_to_the_last_digits():
    """Errors in units of the last place, against 50 digits; next to 1, where -log u is small, as well."""
    rng = np.random.default_rng(0)
    numbers = [*rng.random(2000), *(1.0 - rng.random(300) * 2.0**-20), *(2.0 ** -rng.uniform(1, 53, 300)), 2.0**-53]
    with mpmath.workdps(50):
        for u in [*numbers, 1.0 - 2.0**-53, np.sqrt(0.5)]:
            exact = -mpmath.log(mpmath.mpf(float(u)))
            assert abs(random_lanes.minus_log(float(u)) - exact) < 1.0 * np.spacing(float(exact))
        for x in (rng.random(2000) - 0.5) * np.pi / 2:
            for value, exact in zip(random_lanes.sine_cosine(x), (mpmath.sin(x), mpmath.cos(x)), strict=True):
                assert abs(value - exact) < 1.0 * np.spacing(abs(float(exact)))


def test_pairs_against_the_formula():
    """A few ulp of the pair's radius: the logarithm's, the angle's and the product's rounding."""
    state = seed_lanes(np.random.SeedSequence(6), 1)
    stream = twin(state[:, 0].copy())
    for _ in range(500):
        first, second = (next(stream)[0] for _ in range(2))
        x, y = random_lanes.normal_pair(*(np.uint64(next_bits(state, 0)) for _ in range(2)))
        radius = np.sqrt(-2.0 * np.log(((first >> 12) + 0.5) / 2**52))
        angle = np.pi / 2 * (((second >> 12) + 0.5) / 2**52 - 0.5)
        sine, cosine = np.sin(angle), np.cos(angle) * (-1 if second & 2 else 1)
        expected = (sine, cosine) if second & 1 else (cosine, sine)
        np.testing.assert_allclose((x, y), np.multiply(radius, expected), rtol=0.0, atol=4e-16 * radius)


def test_float32_pairs_against_the_formula():
    """As above, in float32; the radius from its square, whose error is a few 2^-24 where it is small."""
    rng = np.random.default_rng(2)
    for first, second in [*rng.integers(2**32, size=(2000, 2)), (0, 0), (2**32 - 1, 0), (1, 2**31), (0, 2**31 - 1)]:
        x, y = random_lanes.normal_pair_float32(np.uint32(first), np.uint32(second))
        square = -2.0 * np.log((int(first) >> 1) / 2**31 + 2.0**-32)
        radius, angle = np.sqrt(max(square, 0.0)), np.pi / 4 * (int(second) - 2**32 * (int(second) >> 31)) / 2**31
        sine, cosine = np.sin(angle), np.cos(angle) * (-1 if second & 2 else 1)
        expected = (sine, cosine) if second & 1 else (cosine, sine)
        assert x * x + y * y == pytest.approx(square, rel=6e-7, abs=2.5e-7)
        if radius > 0.01:
            # u is rounded to 2^-24 where it is near 1, the angle to 2^-24 of its range.
            np.testing.assert_allclose(
                (x, y), np.multiply(radius, expected), rtol=0.0, atol=4e-7 * (radius + 0.5 / radius)
            )


# --- statistics -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_moments(kind):
    x = normals(kind, 1, 2**16, 64).ravel()
    power = np.ones_like(x)
    for order in range(1, 7):
        power *= x
        mean, square = (prod(range(1, k, 2)) * (1 - k % 2) for k in (order, 2 * order))
        z = (power.mean() - mean) / np.sqrt((square - mean**2) / x.size)
        assert abs(z) < Z_LIMIT, order


@pytest.mark.parametrize("kind", KINDS)
def test_kolmogorov_smirnov(kind):
    pairs = normals(kind, 2, 2**12, 64).reshape(-1, 2, 64)
    x, y = pairs[:, 0].ravel(), pairs[:, 1].ravel()
    for sample in (x, y, (x + y) / np.sqrt(2.0), (x - y) / np.sqrt(2.0)):
        assert stats.kstest(sample, "norm").pvalue > P_LIMIT
    assert stats.kstest(0.5 * (x**2 + y**2), "expon").pvalue > P_LIMIT
    assert stats.kstest(np.arctan2(y, x) / (2.0 * np.pi) + 0.5, "uniform").pvalue > P_LIMIT


@pytest.mark.parametrize("kind", KINDS)
def test_tails(kind):
    fill, dtype = KINDS[kind]
    state, out, rounds = seed_lanes(np.random.SeedSequence(3), 64), np.empty((2**12, 64), dtype), 150
    thresholds = np.array([3.0, 4.0, 5.0, 5.5])
    counts = np.zeros((2, thresholds.size))
    for _ in range(rounds):
        fill(state, out)
        far = out[np.abs(out) > thresholds[0]]
        counts += [(far > t).sum() for t in thresholds], [(far < -t).sum() for t in thresholds]
    expected = rounds * out.size * stats.norm.sf(thresholds)
    for side in counts:
        for count, mean in zip(side, expected, strict=True):
            assert min(stats.poisson.cdf(count, mean), stats.poisson.sf(count - 1, mean)) > P_LIMIT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("power", [1, 2])
def test_correlations(kind, power):
    """Of numbers and of squares: along a lane, inside a pair, between lanes."""
    x = normals(kind, 4, 2**14, 64) ** power - (power == 2)
    for lag in (1, 2, 3, 4, 7, 8, 16):
        assert z_of(x[lag:] * x[:-lag]) < Z_LIMIT, lag
    assert z_of(x[0::2] * x[1::2]) < Z_LIMIT
    for lanes in (1, 2, 8, 32):
        for lag in (0, 1):
            assert z_of(x[lag:, lanes:] * x[: x.shape[0] - lag, :-lanes]) < Z_LIMIT, (lanes, lag)


@pytest.mark.parametrize("power", [1, 2])
def test_neighbouring_seeds_are_independent(power):
    x = np.array([normals("float64", seed, 2**9, 32).ravel() for seed in range(24)]) ** power - (power == 2)
    table = x @ x.T / x.shape[1]
    spread = 1.0 if power == 1 else 2.0  # of one product of two independent entries
    off = table[np.triu_indices(24, 1)] * np.sqrt(x.shape[1]) / spread
    assert stats.kstest(off, "norm").pvalue > P_LIMIT
