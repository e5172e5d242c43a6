"""Passes over all sectors: sums, dense output and the error norm, against NumPy on (rows, L)."""

from dataclasses import dataclass

import numpy as np
import pytest

from ode_sgd.teacher_student.integration.work_space import work_space
from ode_sgd.teacher_student.kernels.integration.stage_sums import stage_sums
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES, from_blocks, to_blocks
from ode_sgd.teacher_student.kernels.sectors.rule_factors import PLAIN
from ode_sgd.teacher_student.kernels.sectors.sector_passes import dense_sums, sector_passes, sector_sums, sum_lanes
from tests.teacher_student.kernels.stepping import Case

K, M, L = 2, 2, 19  # two blocks, the second nearly empty
ROUNDING = {"rtol": 1e-12, "atol": 1e-13}  # sums of 19 sectors times 8 stages


@dataclass
class Filled:
    """A work space full of random numbers, in blocks and as (rows, L)."""

    case: Case
    s: object
    z: np.ndarray
    trial: np.ndarray
    stages: np.ndarray


@pytest.fixture
def filled():
    case = Case.random("erf", L, K, M, seed=0)
    s, _ = work_space(case.system)
    rng = np.random.default_rng(0)
    p = len(case.state)
    z, trial, stages = rng.normal(size=(p, L)), rng.normal(size=(p, L)), rng.normal(size=(8, p, L))
    s.z[:, : p * LANES], s.trial[:] = to_blocks(z), to_blocks(trial)
    for j, stage in enumerate(stages):
        blocks = to_blocks(stage)
        s.stages[j, : len(blocks)] = blocks
    return Filled(case, s, z, trial, stages)


def test_sums_over_lanes_and_sectors(filled):
    lanes, sums = np.random.default_rng(1).normal(size=5 * LANES), np.full(5, np.nan)
    sum_lanes(lanes, sums)
    np.testing.assert_allclose(sums, lanes.reshape(5, LANES).sum(axis=1), **ROUNDING)
    rows = np.full(len(filled.z), np.nan)
    sector_sums(to_blocks(filled.z), filled.s.variance, rows)
    np.testing.assert_allclose(rows, filled.z @ filled.case.system.variance, **ROUNDING)


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("count", range(9))
def test_stage_sums(count, every):
    """Of one block, whatever the stages that have not been taken hold; `start` and `first` may go on."""
    rng = np.random.default_rng(count)
    a, c, g = rng.normal(size=8), rng.normal(size=8), rng.normal(size=(8, 3, 40))
    a[count:] = c[count:] = 0.0
    g[count:] = np.nan
    start, first, second = rng.normal(size=50), np.full(50, 7.0), np.full(40, np.nan)
    stage_sums(every)(count, a, c, g, 1, start, first, second)
    np.testing.assert_allclose(first[:40], start[:40] + a[:count] @ g[:count, 1], **ROUNDING)
    np.testing.assert_allclose(second, c[:count] @ g[:count, 1], **ROUNDING)
    assert (first[40:] == 7.0).all()


def test_dense_output_of_sums_and_of_sectors(filled):
    rng = np.random.default_rng(2)
    s, weights, table = filled.s, rng.uniform(size=(3, L)), rng.normal(size=(3, 8))
    blocks = np.stack([to_blocks(weight[None]) for weight in weights])
    moved = np.einsum("mj,jpl->mpl", table, filled.stages)
    for skipped, count in ((0, 3), (2, 3), (1, 2), (1, 1)):
        sums = np.full((3, 1 + count, len(filled.z)), 7.0)
        dense_sums(s, blocks, skipped, table[:count].copy(), sums)
        for order, weight in enumerate(weights):
            expected = np.array([filled.z @ weight, *(moved[:count] @ weight)])
            if order == skipped:  # the caller's to fill
                expected = np.full_like(expected, 7.0)
            np.testing.assert_allclose(sums[order], expected, **ROUNDING)
    out = np.full(s.trial.shape, np.nan)
    for m in range(3):
        sector_passes(K, M, PLAIN).dense_sectors(s, table[m].copy(), np.eye(K), out)
        np.testing.assert_allclose(from_blocks(out, L), filled.z + moved[m], **ROUNDING)


def finish(filled, mean_size, atol, rtol):
    """The norm, without coupling; `trial` holds the last stage's argument before."""
    E, dA, dG = np.zeros((K, M)), np.zeros((K, K + M)), np.zeros((K, K))
    filled.s.trial[:] = to_blocks(filled.trial)
    return sector_passes(K, M, PLAIN).finish_pass(filled.s, E, dA, dG, mean_size, atol, rtol)


def expected_norm(filled, new, mean_size, atol, rtol):
    """The worst sector's, by its definition."""
    worst = 0.0
    for k in range(L):
        error, (q, q_new) = filled.stages[-1][:, k], (filled.z[K * M :, k], new[K * M :, k])
        size = max(q[0] + q[2], q_new[0] + q_new[2], mean_size)  # rows of q: 11, 12, 22
        teacher = np.trace(filled.case.system.t[:, :, k])
        q_error = np.sqrt(error[4] ** 2 + 2.0 * error[5] ** 2 + error[6] ** 2)
        r_error = np.linalg.norm(error[:4])
        worst = max(worst, q_error / (atol + rtol * size), r_error / (atol + rtol * np.sqrt(size * teacher)))
    return worst


@pytest.mark.parametrize("mean_size", [0.05, 3.0])
def test_the_error_norm_is_the_worst_sectors(filled, mean_size):
    norm = finish(filled, mean_size, 1e-3, 1e-2)
    new = filled.trial + filled.stages[-1]
    np.testing.assert_allclose(from_blocks(filled.s.trial, L), new, rtol=1e-11, atol=1e-11)
    assert norm == pytest.approx(expected_norm(filled, new, mean_size, 1e-3, 1e-2), rel=1e-10)


@pytest.mark.parametrize("sector", [0, 15, 16, 18])
def test_one_bad_sector_is_seen(filled, sector):
    """In any lane of any block."""
    calm = finish(filled, 1.0, 1e-3, 1e-2)
    block, lane = divmod(sector, LANES)
    filled.s.stages[-1, block, 5 * LANES + lane] = 1e6
    assert finish(filled, 1.0, 1e-3, 1e-2) > 100.0 * calm


@pytest.mark.parametrize("row", [0, 5])  # of r, of q
@pytest.mark.parametrize("sector", [0, 15, 16, 18])
def test_one_nan_is_seen(filled, sector, row):
    """Comparisons lose a NaN easily."""
    block, lane = divmod(sector, LANES)
    filled.s.stages[-1, block, row * LANES + lane] = np.nan
    assert np.isnan(finish(filled, 1.0, 1e-3, 1e-2))


def test_filled_up_sectors_are_not_seen(filled):
    """Lanes beyond L have no variance, no rate and zero stages: neither sums nor the norm know them."""
    before = finish(filled, 1.0, 1e-3, 1e-2)
    spare = filled.s.z.reshape(2, -1, LANES)[1, :, L - LANES :]
    spare[:] = 1e3
    assert finish(filled, 1.0, 1e-3, 1e-2) == before
    rows = np.empty(len(filled.z))
    sector_sums(np.ascontiguousarray(filled.s.z[:, : filled.s.trial.shape[1]]), filled.s.variance, rows)
    np.testing.assert_allclose(rows, filled.z @ filled.case.system.variance, **ROUNDING)
