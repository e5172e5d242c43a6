"""The way of large networks beside the plain one: averages over pairs of fields, the coupling without its matrix."""

from dataclasses import replace

import numpy as np
import pytest

from ode_sgd.teacher_student.kernels.coefficients import large_networks as large
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.integration.step_algebra import large_algebra
from ode_sgd.teacher_student.kernels.sectors.eigenbasis import turn_covariance
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count
from ode_sgd.teacher_student.model.activation import Activation
from tests.teacher_student.kernels import stepping
from tests.teacher_student.kernels.cases import covariance


def empty(K, d):
    return np.full((K, d), np.nan), np.full((K, K), np.nan)


@pytest.mark.parametrize("activation", ["erf", "linear"])
@pytest.mark.parametrize(("K", "M"), [(4, 3), (2, 5), (1, 1)])
def test_averages_over_pairs_are_those_one_by_one(activation, K, M):
    d, pairs, P = K + M, K * (K + 1) // 2, row_count(K + M, 0)
    index, rng = overlap_index(K, M), np.random.default_rng(1)
    for seed in range(3):
        C, a = covariance(d, seed, scale=0.5 + seed), rng.normal(size=d)
        (A, G), (A_plain, G_plain) = empty(K, d), empty(K, d)
        large.pair_coefficients(Activation(activation))(C, a, 0.3, A, G)
        coefficient_kernels(Activation(activation)).coefficients(C, a, 0.3, A_plain, G_plain)
        # The same terms, summed in another order.
        np.testing.assert_allclose(A, A_plain, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(G, G_plain, rtol=1e-13, atol=1e-14)

        JA, JG = np.full((K * d, P), np.nan), np.full((pairs, P), np.nan)
        JA_entries, JG_pairs = np.full((2, 3, K, d), np.nan), np.full((pairs, P), np.nan)
        linearised_coefficients(Activation(activation))(C, a, 0.3, index, A_plain, G_plain, JA, JG)
        large.pair_linearised(Activation(activation))(C, a, 0.3, index, A, G, JA_entries, JG_pairs)
        np.testing.assert_allclose(A, A_plain, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(G, G_plain, rtol=1e-13, atol=1e-14)
        # Sums of a few dozen terms that are larger than they.
        np.testing.assert_allclose(JG_pairs, JG, rtol=1e-12, atol=1e-13 * np.abs(JG).max())
        dense = np.zeros((K, d, P))
        for i in range(K):
            for c in range(d):
                for which, b in enumerate((index[i, i], index[i, c], index[c, c])):
                    dense[i, c, b] += JA_entries[0, which, i, c]
                    dense[i, i, b] += JA_entries[1, which, i, c]
        np.testing.assert_allclose(dense.reshape(JA.shape), JA, rtol=1e-12, atol=1e-13)


@pytest.fixture
def spaces(monkeypatch):
    """The work spaces of steps that are taken, in order."""
    made = []

    def work_space(*given, make=stepping.work_space):
        made.append(make(*given))
        return made[-1]

    monkeypatch.setattr(stepping, "work_space", work_space)
    return made


def distance(taken, dense):
    """Between two steps, at their end and half-way, relative to the largest overlap."""
    return max(np.abs(taken.state - dense[0]).max(), np.abs(taken.sectors[0] - dense[2]).max()) / np.abs(dense[0]).max()


@pytest.mark.parametrize(("h", "age"), [(0.05, 0), (2.0, 0), (100.0, 200)])
def test_a_step_is_the_dense_step(spaces, h, age):
    assert large.is_large(Activation("erf"), 8, 8)
    case = stepping.Case.random("erf", 2, 8, 8, seed=4)
    if age:
        case = replace(case, state=stepping.take(case, 0.25, age).state)
    taken, dense = stepping.take(case, h, fractions=[0.5]), stepping.dense_step(case, h)
    assert not spaces[-1][1].coupling.any()  # nothing has been decomposed
    assert distance(taken, dense) < 1e-11  # as in test_rosenbrock.py


def test_where_gmres_does_not_converge_the_coupling_is_decomposed(spaces):
    """Derivatives that are wrong, and far too many for GMRES, give what right ones give."""
    case, K, M = stepping.Case.random("erf", 2, 8, 8, seed=4), 8, 8
    stepping.take(case, 2.0)
    _, w = spaces[-1]
    d, p, k = K + M, w.rows.size, large.coupling_space(K, M)
    rng, (A, G), (dA, dG) = np.random.default_rng(0), empty(K, d), empty(K, d)
    right = rng.normal(size=p)
    turn_covariance(w.rows, w.V, w.overlap, w.T, w.C)
    large.pair_linearised(Activation("erf"))(w.C, w.a, case.system.noise_variance, w.overlap, A, G, k.JA, k.JG)
    solve = large_algebra(Activation("erf")).solve
    solve(k, w, 0, case.system.noise_variance, right.copy(), dA, dG)
    assert not k.dense[0]
    k.JG[:] = 1e6 * rng.normal(size=k.JG.shape)
    solve(k, w, 1, case.system.noise_variance, right.copy(), dA, dG)
    assert k.dense[0]
    np.testing.assert_allclose(w.dC[1], w.dC[0], rtol=0.0, atol=1e-12 * np.abs(w.dC[0]).max())  # condition below 100
    # What has been decomposed serves the other stages.
    solve(k, w, 2, case.system.noise_variance, 2.0 * right, dA, dG)
    np.testing.assert_array_equal(w.dC[2], 2.0 * w.dC[1])
