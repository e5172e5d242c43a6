"""Sectors and steps where D is not symmetric: the equations in NumPy, and the dense step of the same table."""

import functools
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.integration.unsymmetric_algebra import force_covariance
from ode_sgd.teacher_student.kernels.sectors import unsymmetric_block
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.model.activation import Activation
from tests.teacher_student.kernels.stepping import Case, dense_step, take
from tests.teacher_student.kernels.test_blocks import Block, drift

SHAPES = [(1, 1), (2, 2), (2, 1), (3, 2), (4, 4)]
CLOSE = {"rtol": 1e-10, "atol": 1e-10}  # sums of some dozen terms that cancel, times inverses of order one


class Unsymmetric(Block):
    """A block with a D of its own, whose eigenvalues may be complex."""

    def __init__(self, K, M, seed=0):
        super().__init__(K, M, seed)
        self.D = np.eye(K) + 0.7 * np.random.default_rng((K, M, seed, 1)).normal(size=(K, K))
        self.pairs = K * (K + 1) // 2
        self.columns = K * (K + M) + self.pairs
        self.inverse, sums = np.full((K**2 + self.pairs**2) * LANES, np.nan), np.zeros(self.p * self.columns * LANES)
        arrays = self.z, self.inverse, self.factors, self.variance, self.left, self.D.ravel().copy(), self.E
        unsymmetric_block.moments(*arrays, self.offset, sums)
        self.response = sums.reshape(self.p, self.columns, LANES)

    def left_side(self, q, r):
        """What the sector equations do to (q, r)."""
        rate, D, E = self.rate[:, None, None], self.D, self.E
        half = D @ q + E @ r.transpose(0, 2, 1)
        once, twice = self.left[:LANES, None, None], self.left[LANES:, None, None]
        return twice * q + rate * (half + half.transpose(0, 2, 1)), once * r + rate * (D @ r)

    def coupled(self, dA, dG):
        """What changes of the coefficients do to a stage."""
        out = np.zeros(self.p * LANES)
        unsymmetric_block.couple(self.z, out, self.inverse, self.factors, self.E, dA, dG, self.offset)
        return out


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_solve_satisfies_the_sector_equations(K, M):
    block = Unsymmetric(K, M)
    g, total = np.full(block.p * LANES, np.nan), block.start.copy()
    arrays = block.inverse, block.factors, block.variance, block.E, block.A, block.G, block.offset
    unsymmetric_block.solve(block.z, block.arg.copy(), block.b.copy(), g, *arrays, total)
    c = block.c.copy()
    c[:, :K, :K], c[:, :K, K:] = block.grams(block.arg)
    c[:, K:, :K] = c[:, :K, K:].transpose(0, 2, 1)
    for found, given, change in zip(
        block.left_side(*block.grams(g)), block.grams(block.b), drift(block, block.A, block.G, c), strict=True
    ):
        np.testing.assert_allclose(found, given + change, **CLOSE)
    np.testing.assert_allclose(total, block.start + np.tile(block.variance, block.p) * g, **CLOSE)


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_couple_answers_a_change_of_the_coefficients(K, M):
    block = Unsymmetric(K, M)
    change = block.left_side(*block.grams(block.coupled(block.A, block.G)))
    for found, expected in zip(change, drift(block, block.A, block.G, block.c), strict=True):
        np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_the_sums_are_the_response_to_every_entry(K, M):
    """Summed over sectors, of what `couple` does for one entry of dA or dG at a time."""
    block, column = Unsymmetric(K, M), 0
    summed = block.response.sum(axis=2)
    entries = [(i, c) for i in range(K) for c in range(K + M)], [(i, j) for i in range(K) for j in range(i, K)]
    for which, places in enumerate(entries):
        for i, c in places:
            dA, dG = np.zeros((K, K + M)), np.zeros((K, K))
            (dA, dG)[which][i, c] = 1.0
            dG = np.maximum(dG, dG.T)
            expected = block.coupled(dA, dG).reshape(block.p, LANES) @ block.variance
            np.testing.assert_allclose(summed[:, column], expected, **CLOSE)
            column += 1
    forced, moments, paces = np.empty(block.p), summed.ravel().copy(), np.array([0.5, 0.25, 0.0, 0.0, 0.0])
    force_covariance(block.index, moments, block.A, block.G, paces, forced)
    expected = block.coupled(block.A, block.G).reshape(block.p, LANES) @ block.variance
    np.testing.assert_allclose(forced, expected, rtol=1e-9, atol=1e-9)
    scales = np.where(np.arange(block.columns) < K * (K + M), 0.5, 0.25)
    np.testing.assert_allclose(moments.reshape(summed.shape), scales * summed, rtol=1e-14)


def test_a_sector_without_a_solution_poisons_the_step():
    """left + rate D singular in one lane: NaN there and nowhere else."""
    block = Unsymmetric(2, 2)
    block.factors[3], block.left[3], block.left[LANES + 3] = 1.0, -1.0, -2.0
    arrays = block.z, block.inverse, block.factors, block.variance, block.left, np.eye(2).ravel(), block.E
    unsymmetric_block.moments(*arrays, block.offset, np.zeros(block.p * block.columns * LANES))
    bad = np.isnan(block.inverse.reshape(-1, LANES)).any(axis=0)
    assert bad.tolist() == [lane == 3 for lane in range(LANES)]


@dataclass(frozen=True)
class Mixed:
    """erf with delta -> S delta, which follows no gradient: A -> S A, G -> S G S^T."""

    S: tuple[tuple[float, ...], ...]
    symmetric = False
    has_whole_coefficients = True
    mixture = None
    has_pair_sums = has_matrix_form = has_constant_slope = has_near_teacher_form = False

    @property
    def variant(self):
        return "mixed_" + "_".join(f"{round(100 * x)}" for row in self.S for x in row).replace("-", "m")

    @property
    def functions(self):
        return mixed_functions(self)


@functools.cache
def mix_of(mixed):
    """The kernel that turns A and G in place."""
    S, K = np.array(mixed.S), len(mixed.S)

    @kernel(mixed.variant)
    def mix(A, G):
        B, H = room(A, A.shape), room(G, G.shape)
        for i in range(K):
            for c in range(A.shape[1]):
                B[i, c] = 0.0
                for m in range(K):
                    B[i, c] += S[i, m] * A[m, c]
            for j in range(K):
                H[i, j] = 0.0
                for m in range(K):
                    for n in range(K):
                        H[i, j] += S[i, m] * G[m, n] * S[j, n]
        A[:] = B
        G[:] = H

    return mix


@functools.cache
def mixed_functions(mixed):
    erf, K, mix = Activation("erf"), len(mixed.S), mix_of(mixed)
    plain, by_C = coefficient_kernels(erf), linearised_coefficients(erf)
    of_erf = plain.coefficients

    @kernel(mixed.variant)
    def coefficients(C: Array, a: Array, noise_variance: float, A: Array, G: Array) -> None:
        of_erf(C, a, noise_variance, A, G)
        mix(A, G)

    @kernel(mixed.variant)
    def linearise(C, a, noise_variance, index, A, G, JA, JG):
        by_C(C, a, noise_variance, index, A, G, JA, JG)
        mix(A, G)
        B, H, first = room(A, A.shape), room(G, G.shape), index[0, 0]
        for b in range(JA.shape[1]):
            for i in range(K):
                for c in range(A.shape[1]):
                    B[i, c] = JA[i * A.shape[1] + c, b]
                for j in range(K):
                    H[i, j] = JG[index[i, j] - first, b]
            mix(B, H)
            for i in range(K):
                for c in range(A.shape[1]):
                    JA[i * A.shape[1] + c, b] = B[i, c]
                for j in range(i, K):
                    JG[index[i, j] - first, b] = H[i, j]

    return SimpleNamespace(
        coefficients=coefficients,
        linearise=linearise,
        generalization_error=plain.generalization_error,
        error_terms=plain.error_terms,
        overlap_rounding=plain.overlap_rounding,
    )


MIXINGS = {
    "complex": ((0.5, 0.9), (-0.9, 0.6)),
    "defective": ((1.0, 3.0), (0.0, 1.0)),
    "three": ((1.0, 0.4, -0.6), (-0.4, 0.8, 0.5), (0.6, -0.5, 0.9)),
}


@pytest.mark.parametrize("name", MIXINGS)
@pytest.mark.parametrize(("h", "age"), [(0.05, 0), (1.0, 0), (30.0, 200)])
def test_a_step_is_the_dense_step(name, h, age):
    """All sectors and their coupling together solve the whole linear system, stiff or not."""
    S = MIXINGS[name]
    case = Case.random("erf", 3, len(S), 2, seed=4)
    case = replace(case, system=replace(case.system, g=Mixed(S)))
    if age:  # as in test_rosenbrock.py
        case = replace(case, state=take(case, 0.25, age).state)
    taken = take(case, h, fractions=[0.5])
    new, error, between = dense_step(case, h)
    tolerance = {"rtol": 0.0, "atol": 1e-11 * np.abs(new).max()}  # of the dense Jacobian: test_rosenbrock.py
    np.testing.assert_allclose(taken.state, new, **tolerance)
    np.testing.assert_allclose(taken.sectors[0], between, **tolerance)
    np.testing.assert_allclose(taken.rows, taken.sectors @ case.system.variance, **tolerance)
    np.testing.assert_allclose(taken.error, error, **tolerance)  # not turned, so entry by entry


def test_a_symmetric_d_may_go_either_way():
    """The same step, whether everything is turned into the eigenbasis of D or nothing is."""
    case = Case.random("erf", 5, 2, 2, seed=1)
    other = replace(case, system=replace(case.system, g=Mixed(((1.0, 0.0), (0.0, 1.0)))))
    one, same = take(case, 0.7, 3), take(other, 0.7, 3)
    np.testing.assert_allclose(same.state, one.state, rtol=1e-10, atol=1e-12)
