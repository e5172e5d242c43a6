"""One block of sectors: written-out code, generic loops, and the equations themselves in NumPy."""

import numba
import numpy as np
import pytest

from ode_sgd.teacher_student.kernels.sectors import block_loops
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES, from_blocks, to_blocks
from ode_sgd.teacher_student.kernels.sectors.generated_block import BlockKernels, block_kernels, shape_variant
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count, unpack
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, DECAY_FORCED, NOISE, RATE, TIMED_FACTORS
from tests.teacher_student.kernels.cases import sectors


def from_python(written):
    """Written-out code is for kernels only: kernels around it."""

    def caller(name, count):
        listed, namespace = ", ".join(f"x{i}" for i in range(count)), {"inner": getattr(written, name)}
        exec(f"def outer({listed}):\n    inner({listed})\n", namespace)
        return numba.njit(error_model="numpy")(namespace["outer"])

    counts = {
        "turn": 4,
        "moments": 9,
        "couple": 8,
        "solve": 12,
        "error_ratios": 10,
        "add_decay": 5,
        "add_timed_decay": 6,
    }
    return BlockKernels(**{name: caller(name, count) for name, count in counts.items()})


WRITTEN = [(2, 2), (3, 2)]
SHAPES = [*WRITTEN, (4, 4), (1, 1)]
# Sums of at most a few dozen terms, which both write in orders of their own.
ROUNDING = {"rtol": 1e-12, "atol": 1e-13}


class Block:
    """Random numbers of one block: LANES sectors, their Gram matrices c, everything a kernel takes."""

    def __init__(self, K, M, seed=0):
        rng = np.random.default_rng((K, M, seed))
        d, p = K + M, row_count(K, M)
        self.K, self.M, self.p, self.index = K, M, p, overlap_index(K, M)
        self.offset = (self.index * LANES).astype(np.uint64)
        self.c = sectors(LANES, d, seed)
        self.z = self.flat(self.c)
        self.rate, self.noise, self.variance = rng.uniform(0.1, 2.0, (3, LANES))
        self.factors = np.empty(TIMED_FACTORS * LANES)
        self.decay, self.g, self.L = rng.uniform(0.0, 0.5, LANES), 0.7, rng.uniform(0.1, 1.0, K)
        self.forced = self.decay[::-1]
        rows = (RATE, self.rate), (NOISE, self.noise), (DECAY, self.decay), (DECAY_FORCED, self.forced)
        for row, values in rows:
            self.factors[row * LANES : (row + 1) * LANES] = values
        self.left = np.concatenate([self.g + self.decay, self.g + 2.0 * self.decay])
        self.E, self.A = rng.normal(size=(K, M)), rng.normal(size=(K, d))
        self.G, self.V = rng.normal(size=(K, K)), np.linalg.qr(rng.normal(size=(K, K)))[0].copy()
        self.G += self.G.T
        self.b, self.start = rng.normal(size=(2, p * LANES))
        self.arg = np.concatenate([rng.normal(size=p * LANES), np.full(self.z.size - p * LANES, np.nan)])
        self.sums = rng.normal(size=K * d * M + K * K * d + K * K)

    def flat(self, c):
        rows = np.empty((row_count(self.K + self.M, 0), LANES))
        for a in range(self.K + self.M):
            for b in range(a, self.K + self.M):
                rows[self.index[a, b]] = c[:, a, b]
        return rows.ravel()

    def grams(self, rows):
        """q (LANES, K, K) and r (LANES, K, M) of the moving rows."""
        return unpack(rows[: self.p * LANES].reshape(self.p, LANES).T, self.K, self.M)

    def inverses(self, kernels):
        """The inverses, and the sums that couple sectors."""
        inverse = np.full((self.K + self.K * (self.K + 1) // 2) * LANES, np.nan)
        sums = np.repeat(self.sums, LANES)
        kernels.moments(self.z, inverse, self.factors, self.variance, self.left, self.L, self.E, self.offset, sums)
        return inverse, sums

    def run(self, kernels):
        """What all functions make of these numbers."""
        inverse, sums = self.inverses(kernels)
        turned = np.full(self.p * LANES, np.nan)
        kernels.turn(self.z, self.V, self.offset, turned)
        coupled = self.start.copy()
        kernels.couple(self.z, coupled, inverse, self.factors, self.E, self.A, self.G, self.offset)
        g, total = np.full(self.p * LANES, np.nan), self.start.copy()
        arrays = (self.factors, self.variance, self.E, self.A, self.G, self.offset)
        kernels.solve(self.z, self.arg.copy(), self.b, g, inverse, *arrays, total)
        worst, poison = np.zeros(LANES), np.zeros(LANES)
        kernels.error_ratios(self.z, self.b, self.start, self.E, 0.1, 1e-3, 1e-2, self.offset, worst, poison)
        decayed, timed = self.start.copy(), self.start.copy()
        kernels.add_decay(self.arg, self.factors, self.variance, self.offset, decayed)
        kernels.add_timed_decay(self.arg, self.z, self.factors, self.variance, self.offset, timed)
        return {
            "decayed": decayed,
            "timed": timed,
            "inverse": inverse,
            "sums": sums,
            "turned": turned,
            "coupled": coupled,
            "solved": g,
            "total": total,
            "worst": worst,
            "poison": poison,
        }


@pytest.mark.parametrize(("K", "M"), WRITTEN)
def test_written_out_code_does_what_the_loops_do(K, M):
    assert shape_variant(K, M) == f"K{K}M{M}"
    for seed in range(3):
        block = Block(K, M, seed)
        written, loops = block.run(from_python(block_kernels(K, M))), block.run(block_loops)
        for name, values in loops.items():
            np.testing.assert_allclose(written[name], values, **ROUNDING, err_msg=name)


def test_larger_networks_run_through_the_loops():
    assert shape_variant(4, 4) == shape_variant(5, 2) == "any"
    assert block_kernels(4, 4) == tuple(getattr(block_loops, name) for name in BlockKernels._fields)


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_decay(K, M):
    block = Block(K, M)
    made, (q, r) = block.run(block_loops), block.grams(block.arg)
    decay, forced = block.decay[:, None, None], block.forced[:, None, None]
    for name, force in (("decayed", 0.0), ("timed", forced)):
        q_change, r_change = block.grams(made[name] - block.start)
        q_begun, r_begun = block.c[:, :K, :K], block.c[:, :K, K:]
        np.testing.assert_allclose(q_change, -2.0 * (decay * q + force * q_begun), **ROUNDING)
        np.testing.assert_allclose(r_change, -decay * r - force * r_begun, **ROUNDING)


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_turn(K, M):
    block = Block(K, M)
    turned = np.empty(block.p * LANES)
    block_loops.turn(block.z, block.V, block.offset, turned)
    q, r = block.grams(turned)
    V = block.V
    np.testing.assert_allclose(q, V.T @ block.c[:, :K, :K] @ V, **ROUNDING)
    np.testing.assert_allclose(r, V.T @ block.c[:, :K, K:], **ROUNDING)
    back = np.empty_like(turned)
    block_loops.turn(turned, np.ascontiguousarray(V.T), block.offset, back)
    np.testing.assert_allclose(back, block.z[: back.size], **ROUNDING)


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_moments(K, M):
    """M1, N and H as they are defined, added to what was there."""
    block = Block(K, M)
    inverse, sums = block.inverses(block_loops)
    rate, L = block.rate, block.L
    R = 1.0 / (block.left[:LANES, None] + rate[:, None] * L)
    pair = 1.0 / (block.left[LANES:, None, None] + rate[:, None, None] * (L[:, None] + L))
    np.testing.assert_allclose(inverse[: K * LANES].reshape(K, LANES).T, R, rtol=1e-14)
    upper = np.triu_indices(K)
    np.testing.assert_allclose(inverse[K * LANES :].reshape(-1, LANES).T, pair[:, upper[0], upper[1]], rtol=1e-14)
    f, c = block.variance, block.c
    M1 = np.einsum("k,k,ki,kcn->kicn", f, rate, R, c[:, :, K:])
    drained = c[:, :, K:] @ block.E.T
    N = np.einsum("k,k,kij,k,ki,kcj->kijc", f, rate, pair, rate, R, drained)
    N -= np.einsum("k,k,kij,kcj->kijc", f, rate, pair, c[:, :, :K])
    H = np.einsum("k,k,kij->kij", f, block.noise, pair)
    expected = np.concatenate([part.reshape(LANES, -1) for part in (M1, N, H)], axis=1).T + block.sums[:, None]
    np.testing.assert_allclose(sums.reshape(-1, LANES), expected, **ROUNDING)


def left(block, q, r, A=None):
    """What the sector equations do to (q, r): the left-hand side; A is diag L and E."""
    K = block.K
    L, E, rate = block.L, block.E, block.rate[:, None, None]
    transport = E @ r.transpose(0, 2, 1)
    r_left = block.left[:LANES, None, None] * r + rate * L[:K, None] * r
    q_left = block.left[LANES:, None, None] * q + rate * (
        (L[:, None] + L) * q + transport + transport.transpose(0, 2, 1)
    )
    return q_left, r_left


def drift(block, A, G, c):
    K = block.K
    rate, whole = block.rate[:, None, None], A @ c
    q = whole[:, :, :K] + whole[:, :, :K].transpose(0, 2, 1)
    return block.noise[:, None, None] * G - rate * q, -rate * whole[:, :, K:]


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_solve_satisfies_the_sector_equations(K, M):
    block = Block(K, M)
    out = block.run(block_loops)
    c = block.c.copy()
    c[:, :K, :K], c[:, :K, K:] = block.grams(block.arg)
    c[:, K:, :K] = c[:, :K, K:].transpose(0, 2, 1)
    q_b, r_b = block.grams(block.b)
    q_drift, r_drift = drift(block, block.A, block.G, c)
    q_left, r_left = left(block, *block.grams(out["solved"]))
    np.testing.assert_allclose(q_left, q_b + q_drift, rtol=1e-11, atol=1e-11)  # cancellation of up to ten terms
    np.testing.assert_allclose(r_left, r_b + r_drift, rtol=1e-11, atol=1e-11)
    total = block.start + np.tile(block.variance, block.p) * out["solved"]
    np.testing.assert_allclose(out["total"], total, **ROUNDING)


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_couple_answers_a_change_of_the_coefficients(K, M):
    block = Block(K, M)
    q, r = block.grams(block.run(block_loops)["coupled"] - block.start)
    q_left, r_left = left(block, q, r)
    q_drift, r_drift = drift(block, block.A, block.G, block.c)
    np.testing.assert_allclose(q_left, q_drift, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(r_left, r_drift, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("L", [1, 15, 16, 17, 40])
def test_blocks_there_and_back(L):
    rows = np.random.default_rng(L).normal(size=(5, L))
    blocks = to_blocks(rows)
    assert blocks.shape == (-(-L // LANES), 5 * LANES)
    assert blocks.flags.c_contiguous
    np.testing.assert_array_equal(from_blocks(blocks, L), rows)
    stacked = from_blocks(np.stack([blocks, 2.0 * blocks]), L)
    np.testing.assert_array_equal(stacked, [rows, 2.0 * rows])
    filled = from_blocks(blocks, len(blocks) * LANES)
    assert (filled[:, L:] == 0.0).all()
