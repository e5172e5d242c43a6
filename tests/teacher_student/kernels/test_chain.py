"""The reduced simulator's kernels: against the plain twin on the same numbers, the twin against real weights."""

import numpy as np
import pytest
from scipy import stats

from ode_sgd.core.kernels import random_lanes
from ode_sgd.teacher_student.kernels.simulation import chain_draws, chain_loops
from ode_sgd.teacher_student.kernels.simulation.chain import Chain, new_block, reduced_kernels, state_rows, step_kernels
from ode_sgd.teacher_student.kernels.simulation.chain_code import GIVEN, SUM
from ode_sgd.teacher_student.kernels.simulation.chain_draws import block_steps, chi_square_constants
from ode_sgd.teacher_student.kernels.simulation.line_search import NO_SEARCH
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.rule import UpdateRule
from tests.reference import sgd, sgd_reduced

SIZES = np.array([9, 30, 200, 12])
EIGENVALUES = np.array([2.0, 0.9, 0.0, 0.4])
LEARNING = np.array([1.0, 1.0, 1.0, 0.0])
RATE, NOISE, DECAY = 0.6, 0.3, 1.5


def streams(lanes, seed):
    columns = [random_lanes.seed_lanes(np.random.SeedSequence((seed, lane)), 1) for lane in range(lanes)]
    return np.ascontiguousarray(np.hstack(columns))


def chain(K, M, lanes, B, freedom=None):
    N, L = SIZES.sum(), SIZES.size
    rule = UpdateRule(learning_rate=RATE, second_order=True, weight_decay=DECAY)
    freedom = SIZES - float(K + M) if freedom is None else freedom
    shape = block_steps(L), L, lanes
    twice_d, c = (np.broadcast_to(a[:, None], shape).ravel() for a in chi_square_constants(freedom))
    return Chain(
        B=np.ascontiguousarray(np.moveaxis(B, 0, -1)).ravel(),
        scales=np.sqrt(SIZES / N * EIGENVALUES),
        updates=rule.sector_updates(EIGENVALUES, SIZES, LEARNING),
        v=np.linspace(1.0, -0.6, K),
        u=np.linspace(0.7, 1.2, M),
        noise=NOISE,
        freedom=freedom,
        twice_d=twice_d,
        c=c,
    )


def start(K, M, lanes, seed):
    """S, W, B (lanes, L, ..) and the kernel's state z."""
    rng = np.random.default_rng(seed)
    shape = lanes, SIZES.size
    S, B = rng.normal(size=(*shape, K, M)), np.tril(rng.normal(size=(*shape, M, M)))
    W = np.tril(rng.normal(size=(*shape, K, K)))
    W[..., range(K), range(K)] = np.abs(W[..., range(K), range(K)])
    return S, W, B, np.ascontiguousarray(np.moveaxis(rows(S, W), 0, -1)).ravel()


def rows(S, W):
    K = W.shape[-1]
    return np.concatenate([part for i in range(K) for part in (S[..., i, :], W[..., i, : i + 1])], axis=-1)


@pytest.mark.parametrize("activation", ["erf", "linear"])
def test_twin_has_the_overlaps_of_real_weights(activation):
    K, M, sizes, deviations = 3, 2, [5, 6, 20], np.sqrt([2.0, 0.7, 0.1])
    v, u = np.array([1.0, -0.5, 0.3]), np.array([0.8, 0.4])
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(K + M, 31))
    inputs, noises = rng.normal(size=(20, 31)) * np.repeat(deviations, sizes), NOISE * rng.normal(size=20)
    for step in range(20):
        one = inputs[step : step + 1], noises[step : step + 1]
        S, W, B, g, lengths = sgd_reduced.place(weights, one[0][0], sizes, deviations, M)
        constants = v, u, sizes, deviations**2, RATE, activation
        S, W = sgd_reduced.run(S, W, B, g[None], lengths[None], one[1], *constants, np.array([1.0, 1.0, 0.0]), DECAY)
        weights[:K] = sgd.run(weights[:K], weights[K:], *one, v, u, RATE, activation, 11, DECAY)
        grams = sgd.overlaps(weights[:K], weights[K:], sizes)
        for reduced, real in zip(sgd_reduced.overlaps(S, W, B), (grams[:, :K, :K], grams[:, :K, K:]), strict=True):
            np.testing.assert_allclose(reduced, real, atol=1e-13)  # sums of at most 20 numbers of order one


@pytest.mark.parametrize(
    ("activation", "K", "M", "lanes"),
    [("erf", 2, 2, 1), ("erf", 3, 2, 16), ("linear", 1, 1, 1), ("erf", 6, 3, 1)],
)
def test_steps_against_the_twin(activation, K, M, lanes):
    S, W, B, z = start(K, M, lanes, 3)
    constants, state = chain(K, M, lanes, B), streams(lanes, 4)
    T, L, d = block_steps(SIZES.size), SIZES.size, K + M
    block = new_block(L, d, M, True, lanes)
    kernels = reduced_kernels(Activation(activation), K, M, lanes)
    begun, before = state.copy(), z.copy()
    blocks, position = [], T
    for _ in range(3):
        position = kernels.advance(T, 0, position, state, begun, block, constants, z)
        parts = block.g.reshape(T, L, d, lanes), block.lengths.reshape(T, L, lanes), block.noises.reshape(T, lanes)
        blocks.append([part.copy() for part in parts])
    g, lengths, noises = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    after = z.reshape(L, state_rows(K, M), lanes)
    for lane in range(lanes):
        expected = sgd_reduced.run(
            S[lane], W[lane], B[lane], g[..., lane], lengths[..., lane], NOISE * noises[:, lane], constants.v,
            constants.u, SIZES, EIGENVALUES, RATE, activation, LEARNING, DECAY,
        )  # fmt: skip
        # some 50 steps, each of rounding 1e-16 on numbers of order one
        np.testing.assert_allclose(after[..., lane], rows(*expected), atol=1e-12)
    assert np.abs(after - before.reshape(after.shape))[:3].min(axis=(1, 2)).all()  # the third, of no variance, decays
    np.testing.assert_array_equal(after[3:], before.reshape(after.shape)[3:])  # not trained


class Sum:
    """1 / sqrt(B) of AdaGradNorm after B <- B + |delta|^2 |xi|^2 / N^2."""

    def __init__(self, begun):
        self.B = begun

    def __call__(self, delta, square):
        self.B += delta @ delta * square / SIZES.sum() ** 2
        return self.B**-0.5


@pytest.mark.parametrize(
    ("rates", "K", "M", "lanes"), [(SUM, 2, 2, 1), (SUM, 3, 2, 16), (SUM, 6, 3, 1), (GIVEN, 1, 2, 16)]
)
def test_steps_at_rates_that_follow_the_gradients(rates, K, M, lanes):
    S, W, B, z = start(K, M, lanes, 3)
    state, T, L, d = streams(lanes, 4), block_steps(SIZES.size), SIZES.size, K + M
    shares, begun = EIGENVALUES * LEARNING / SIZES.sum() ** 2, np.linspace(0.3, 0.7, lanes)
    constants = chain(K, M, lanes, B)._replace(
        shares=shares, memory=begun.copy(), search=NO_SEARCH._replace(interval=T + 1)
    )
    block = new_block(L, d, M, True, lanes, rates=rates)
    kernels = reduced_kernels(Activation("erf"), K, M, lanes, rates=rates)
    kernels.advance(T, 1, T, state, state.copy(), block, constants, z)
    g, lengths, noises = (
        block.g.reshape(T, L, d, lanes),
        block.lengths.reshape(T, L, lanes),
        block.noises.reshape(T, lanes),
    )
    for lane in range(lanes):
        rate = Sum(begun[lane]) if rates == SUM else lambda delta, square, lane=lane: begun[lane]
        expected = sgd_reduced.run(
            S[lane], W[lane], B[lane], g[..., lane], lengths[..., lane], NOISE * noises[:, lane], constants.v,
            constants.u, SIZES, EIGENVALUES, RATE, "erf", LEARNING, DECAY, rate,
        )  # fmt: skip
        np.testing.assert_allclose(z.reshape(L, -1, lanes)[..., lane], rows(*expected), atol=1e-12)  # as above
        last = rate.B if rates == SUM else begun[lane]
        assert constants.memory[lane] == pytest.approx(last, rel=1e-14)


def test_written_out_steps_are_the_loops():
    K, M, lanes = 3, 2, 16
    _, _, B, z = start(K, M, lanes, 5)
    constants, block = chain(K, M, lanes, B), new_block(SIZES.size, K + M, M, True, lanes)
    reduced_kernels(Activation("erf"), K, M, lanes).draw(streams(lanes, 6), block, constants, 0)
    steps = step_kernels(Activation("erf"), K, M, lanes)[1]
    T, y = block_steps(SIZES.size), np.empty_like(block.y)
    chain_loops.teacher_fields(T, block.g, constants.B, constants.scales, y)
    np.testing.assert_array_equal(y, block.y)
    results = []
    for run in (steps, chain_loops.step_kernel(Activation("erf"))):
        moved, x, delta = z.copy(), np.empty(K * lanes), np.empty(K * lanes)
        constant = constants.scales, constants.updates, constants.v
        run(
            0,
            T,
            moved,
            block.g,
            block.lengths,
            block.labels,
            *constant,
            x,
            delta,
            block.paces,
            constants.memory,
            block.squares,
        )
        results.append(moved)
    np.testing.assert_array_equal(*results)
    assert (results[0] != z).any()


@pytest.mark.parametrize("lanes", [1, 16])
def test_bits_are_the_streams(lanes):
    own, theirs = streams(lanes, 7), streams(lanes, 7)
    bits = np.zeros(40 * lanes, np.uint64)
    chain_draws.fill_bits(own, bits)
    expected = [[random_lanes.next_bits(theirs, lane) for lane in range(lanes)] for _ in range(40)]
    np.testing.assert_array_equal(bits.reshape(40, lanes), np.array(expected, np.uint64))
    np.testing.assert_array_equal(own, theirs)


def test_normals():
    bits = np.zeros(200_000, np.uint64)
    chain_draws.fill_bits(streams(1, 8), bits)
    out = np.empty(bits.size)
    chain_draws.fill_normals_flat(bits, out)
    assert stats.kstest(out, "norm").pvalue > 1e-3
    halves = out.reshape(2, -1)
    for power in (1, 2):
        assert abs(np.corrcoef(halves**power)[0, 1]) < 4.0 / np.sqrt(halves.shape[1])


def chi_squares(freedom, count):
    """Draws (count, len(freedom)) by the kernels, 16 lanes of 50 blocks each."""
    L, lanes, rounds = freedom.size, 16, 50
    T = -(-count // (rounds * lanes))
    twice_d, c = (np.broadcast_to(a[:, None], (T, L, lanes)).ravel() for a in chi_square_constants(freedom))
    state, result = streams(lanes, 9), []
    for _ in range(rounds):
        bits = np.zeros(3 * T * L * lanes, np.uint64)  # an even number of normals, and as many uniforms as lengths
        chain_draws.fill_bits(state, bits)
        normals, uniform, out = np.empty(2 * T * L * lanes), bits[-T * L * lanes :], np.empty(T * L * lanes)
        chain_draws.fill_normals_flat(bits[: normals.size], normals)
        chain_draws.try_lengths(normals[: out.size], uniform, twice_d, c, out)
        chain_draws.finish_lengths(state, normals[: out.size], uniform, freedom, out)
        result.append(out.reshape(T, L, lanes).transpose(0, 2, 1).reshape(-1, L) ** 2)
    return np.concatenate(result)[:count]


def test_chi_squares():
    freedom = np.array([1.0, 2.0, 3.0, 10.0, 1e3, 1e12])
    drawn = chi_squares(freedom, 100_000)
    for values, n in zip(drawn.T, freedom, strict=True):
        # its cdf loses its digits at 1e12 degrees, where the law is normal to 1e-6
        centred = (values - n) / np.sqrt(2.0 * n)
        test = stats.kstest(centred, "norm") if n > 1e9 else stats.kstest(values, stats.chi2(n).cdf)
        assert test.pvalue > 1e-3, n
        for power, mean, variance in (
            (1, 0.0, 1.0),
            (2, 1.0, 2.0 + 12.0 / n),
            (3, np.sqrt(8.0 / n), None),
        ):
            sample = centred**power
            error = np.sqrt((sample.var() if variance is None else variance) / values.size)
            assert abs(sample.mean() - mean) < 4.0 * error, (n, power)


def test_chi_squares_notice_one_degree_too_many():
    values = chi_squares(np.array([1001.0]), 100_000)[:, 0]
    assert stats.kstest(values, stats.chi2(1000.0).cdf).pvalue < 1e-6


def test_no_degrees_of_freedom_no_length():
    assert not chi_squares(np.zeros(1), 1000).any()


@pytest.mark.parametrize("angle", [1.0, 1e-3, 1e-6])
def test_reflections_keep_nearly_parallel_rows_apart(angle):
    rng = np.random.default_rng(2)
    first, other = rng.normal(size=(2, 4))
    A = np.array([first, first + angle * other, rng.normal(size=4)])
    W = A.copy()
    chain_loops.reflect(W)
    gram = A.astype(np.longdouble) @ A.T.astype(np.longdouble)
    apart = gram[1, 1] - gram[0, 1] ** 2 / gram[0, 0]
    assert W[1, 1] ** 2 == pytest.approx(float(apart), rel=1e-15 / angle)  # 1e-9; a Gram matrix would leave 1e-4
    np.testing.assert_allclose(np.tril(W[:, :3]), sgd_reduced.lower(A), rtol=0.0, atol=1e-14 / angle)


def test_reflections_of_rows_that_vanish():
    W = np.array([[0.0, 0.0, 0.0, 0.0], [0.3, -0.4, 0.0, 1.2], [1e-170, -2e-170, 0.0, 1e-200]])
    gram = W @ W.T
    chain_loops.reflect(W)
    lower = np.tril(W[:, :3])
    np.testing.assert_allclose(lower @ lower.T, gram, rtol=1e-15, atol=0.0)
