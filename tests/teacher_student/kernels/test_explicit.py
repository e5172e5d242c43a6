"""The simulator's kernels against plain NumPy SGD, on the same random numbers."""

import numpy as np
import pytest

from ode_sgd.core.kernels.random_lanes import seed_lanes
from ode_sgd.teacher_student.kernels.simulation.explicit import LANES, TILE, explicit_steps, sector_grams
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.rule import UpdateRule
from tests.reference import sgd
from tests.teacher_student.kernels.cases import step_normals

SIZES = np.array([7, 5, 8])
DECAY = 0.2
DEVIATIONS = np.sqrt([2.0, 0.7, 0.1])
# Up to a few hundred steps of order-one numbers, sums of N terms in another order: rounding stays near 1e-15.
ROUNDING = 1e-12


def weights(K, M, seed, sizes=SIZES):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(K, sizes.sum())), rng.normal(size=(M, sizes.sum()))


def run(kind, J, B, sizes, steps, v, u, rate, label_noise, learned, activation):
    """(moved J, expected J)."""
    deviations, sequence, moved = np.repeat(DEVIATIONS, sizes), np.random.SeedSequence(42), J.copy()
    inputs, noises = sgd.draw(step_normals(kind, sequence), steps, deviations, label_noise)
    source = np.random.default_rng(sequence) if kind == "pcg64" else seed_lanes(sequence, LANES)
    scratch = np.zeros(J.shape[1]), np.zeros(TILE, np.float32 if kind == "float32" else np.float64)
    update = UpdateRule(learning_rate=rate, second_order=True, weight_decay=DECAY).weight_update(J.shape[1])
    constants = deviations, np.concatenate([v, -u]), update, label_noise, learned
    explicit_steps(Activation(activation), kind, len(J), len(B))(
        source, steps, moved, B, *constants, *scratch, np.zeros(0), 0
    )  # fmt: skip
    return moved, sgd.run(J, B, inputs, noises, v, u, rate, activation, learned, DECAY)


@pytest.mark.parametrize(
    ("kind", "activation", "K", "M"),
    [
        ("pcg64", "erf", 1, 1),
        ("pcg64", "linear", 3, 2),
        ("float64", "erf", 2, 3),
        ("float64", "linear", 1, 1),
        ("float32", "erf", 2, 3),
        ("float64", "erf", 4, 3),  # not written out
        ("float32", "erf", 4, 3),
    ],
)
@pytest.mark.parametrize("label_noise", [0.0, 0.3])
@pytest.mark.parametrize("learned", [20, 12])
def test_steps(kind, activation, K, M, label_noise, learned):
    J, B = weights(K, M, 5)
    v, u = np.linspace(0.5, 1.0, K), np.linspace(-1.0, 0.7, M)
    moved, expected = run(kind, J, B, SIZES, 200, v, u, 0.3, label_noise, learned, activation)
    np.testing.assert_allclose(moved, expected, rtol=0.0, atol=ROUNDING)
    assert np.abs(moved - J)[:, :learned].min(axis=1).all()  # it did move
    np.testing.assert_array_equal(moved[:, learned:], J[:, learned:])


@pytest.mark.parametrize("kind", ["pcg64", "float64"])
@pytest.mark.parametrize("N", [TILE - 1, TILE, TILE + 1, 2 * TILE, 3 * TILE + 70])
@pytest.mark.parametrize("learned", [None, 400, TILE + 100])
def test_tiles(kind, N, learned):
    """Whole tiles and broken ones; the label noise in the last tile or in one of its own; learning up to anywhere."""
    sizes = np.array([30, N - 80, 50])
    J, B = weights(1, 1, 3, sizes)
    ones, learned = np.ones(1), N if learned is None else min(learned, N)
    moved, expected = run(kind, J, B, sizes, 7, ones, ones, 0.3, 0.5, learned, "erf")
    np.testing.assert_allclose(moved, expected, rtol=0.0, atol=ROUNDING)
    assert (moved != J)[:, :learned].mean() > 0.9
    np.testing.assert_array_equal(moved[:, learned:], J[:, learned:])


def test_sector_grams():
    J, B = weights(3, 2, 7)
    q, r = np.full((3, 3, 3), np.nan), np.full((3, 3, 2), np.nan)
    sector_grams(J, B, np.cumsum(SIZES), q, r)
    expected = sgd.overlaps(J, B, SIZES)
    np.testing.assert_allclose(q, expected[:, :3, :3], rtol=1e-13, atol=1e-15)  # sums of at most 8 terms
    np.testing.assert_allclose(r, expected[:, :3, 3:], rtol=1e-13, atol=1e-15)
