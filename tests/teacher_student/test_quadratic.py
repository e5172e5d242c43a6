"""g(x) = x^2: Isserlis' pairings, products of matrices, differences, the ODE and its simulations."""

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

import ode_sgd
from ode_sgd import OrderParameters, Problem, Spectrum, integrate, simulate
from ode_sgd.teacher_student.kernels.coefficients.coefficients import FIELDS_FROM, coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.coefficients.matrix_form import has_matrix_form, matrix_kernels, matrix_space
from ode_sgd.teacher_student.kernels.coefficients.near_teacher import (
    difference_coefficients,
    difference_error,
    difference_linearised,
)
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count
from ode_sgd.teacher_student.model.activation import Activation
from tests.reference.theory import Theory
from tests.teacher_student.kernels.cases import covariance

QUADRATIC = Activation("quadratic")


def problem(K=2, M=2, L=1, **changes):
    values = {
        "spectrum": Spectrum.power_law(L, 1.0),
        "student_units": K,
        "teacher_units": M,
        "activation": "quadratic",
        "learning_rate": 0.05,
        "label_noise": 0.5,
    }
    return Problem(**{**values, **changes})


def test_golden_values():
    """Exact decimals."""
    C = np.array([[1.2, 0.3, 0.5, 0.1], [0.3, 0.9, -0.2, 0.4], [0.5, -0.2, 1.0, 0.25], [0.1, 0.4, 0.25, 1.1]])
    a, A, G = np.array([1.0, 1.0, -1.0, -1.0]), np.empty((2, 4)), np.empty((2, 2))
    kernels = coefficient_kernels(QUADRATIC)
    kernels.coefficients(C, a, 0.04, A, G)
    assert kernels.generalization_error(C, a) == pytest.approx(3.845, rel=1e-14)
    np.testing.assert_allclose(A, [[4.8, 1.2, -2.0, -0.4], [1.2, 3.6, 0.8, -1.6]], rtol=1e-13)
    np.testing.assert_allclose(G, [[92.24, 41.372], [41.372, 55.06]], rtol=1e-13)


# --- products of matrices ---------------------------------------------------------------------------------------------


def test_matrices_are_the_sums_of_averages():
    K, M = 9, 8
    assert has_matrix_form(QUADRATIC, K, M) and K + M >= FIELDS_FROM
    C, a = covariance(K + M, 0), np.random.default_rng(0).normal(size=K + M)
    d, P = K + M, row_count(K + M, 0)
    A, G, A_sums, G_sums = np.empty((K, d)), np.empty((K, K)), np.empty((K, d)), np.empty((K, K))
    JA, JG, index = np.empty((K * d, P)), np.empty((K * (K + 1) // 2, P)), overlap_index(K, M)
    coefficient_kernels(QUADRATIC).coefficients(C, a, 0.3, A, G)
    linearised_coefficients(QUADRATIC)(C, a, 0.3, index, A_sums, G_sums, JA, JG)
    np.testing.assert_allclose(A, A_sums, rtol=0.0, atol=1e-13 * np.abs(A).max())
    np.testing.assert_allclose(G, G_sums, rtol=0.0, atol=1e-13 * np.abs(G).max())

    p, space, its = row_count(K, M), matrix_space(K, M), matrix_kernels(QUADRATIC)
    x, dA, dG = np.random.default_rng(1).normal(size=p), np.empty((K, d)), np.empty((K, K))
    its.linearise(space, C, a, 0.3, A, G)
    its.responses(space, x, np.eye(K), index, np.zeros((M, M)), dA, dG)
    np.testing.assert_allclose(dA.ravel(), JA[:, :p] @ x, rtol=0.0, atol=1e-12 * np.abs(dA).max())
    np.testing.assert_allclose(dG[np.triu_indices(K)], JG[:, :p] @ x, rtol=0.0, atol=1e-12 * np.abs(dG).max())


def test_large_networks(record_property):
    """K = M = 8 by GMRES on products of matrices, against DOP853 with the same right-hand side."""
    K, v = 8, np.full(8, 1 / 8)
    one = problem(K, K, 4, learning_rate=0.4, label_noise=0.1, student_weights=v, teacher_weights=v)
    start, times = OrderParameters.random(one, 400, 0.5, seed=1), [0.0, 1.0, 10.0, 100.0]
    exact = integrate(one, start, times, rtol=1e-10, method="DOP853")
    for rtol, limit in ((1e-6, 1e-6), (1e-8, 1e-8)):
        run = integrate(one, start, times, rtol=rtol)
        error = np.abs(run.generalization_error / exact.generalization_error - 1.0).max()
        record_property("measured", f"rtol {rtol:g}: {run.stats['steps']:.0f} steps, error {error:.1e}")
        assert error < limit


# --- differences ------------------------------------------------------------------------------------------------------


class Exact:
    """Of the overlaps, in 60 digits."""

    def __init__(self, C, a):
        self.C, self.a, self.d = C, [mp.mpf(float(one)) for one in a], C.rows

    def pairing(self, fields):
        if not fields:
            return mp.mpf(1)
        return sum(
            self.C[fields[0], fields[n]] * self.pairing(fields[1:n] + fields[n + 1 :]) for n in range(1, len(fields))
        )

    def error(self):
        every = range(self.d)
        return sum(self.a[c] * self.a[e] * self.pairing([c, c, e, e]) for c in every for e in every) / 2

    def coefficients(self):
        """D, D + E and G, (K, K) each."""
        K, every, a = self.d // 2, range(self.d), self.a
        A, G = mp.matrix(K, self.d), mp.matrix(K, K)
        for i in range(K):
            for c in every:
                A[i, c] += 4 * a[i] * a[c] * self.C[i, c]
                A[i, i] += 2 * a[i] * a[c] * self.C[c, c]
            for j in range(K):
                terms = [a[c] * a[e] * self.pairing([i, j, c, c, e, e]) for c in every for e in every]
                G[i, j] = 4 * a[i] * a[j] * sum(terms)
        return A[:, :K], A[:, :K] + A[:, K:], G


def differences(K, size):
    """Covariance of (delta, y), and that of (x, y) in 60 digits."""
    rng = np.random.default_rng(K)
    X = rng.normal(size=(2 * K, 3 * K)) / np.sqrt(3 * K)
    X[:K] *= size
    C = X @ X.T
    exact, W = mp.matrix(C.tolist()), mp.eye(2 * K)
    for i in range(K):
        W[i, K + i] = 1
    return C, W * exact * W.T


@pytest.mark.parametrize("size", [0.5, 1e-2, 1e-5, 1e-9, 1e-18])
@pytest.mark.parametrize("K", [1, 2])
def test_differences_keep_their_digits(K, size):
    v = np.array([0.9, -0.6])[:K]
    a, (A, G) = np.concatenate([v, -v]), (np.empty((K, 2 * K)), np.empty((K, K)))
    with mp.workdps(60):
        C, overlaps = differences(K, size)
        exact = Exact(overlaps, a)
        error, matrices = float(exact.error()), [np.array(one.tolist(), float) for one in exact.coefficients()]
    assert difference_error(QUADRATIC)(C, a) == pytest.approx(error, rel=1e-12)
    difference_coefficients(QUADRATIC)(C, a, 0.0, A, G)
    for ours, theirs in zip((A[:, :K], A[:, K:], G), matrices, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=1e-12 * np.abs(theirs).max())


def test_derivatives_of_the_leading_order():
    """Far below rounding, against differences of the coefficients themselves, which are exact polynomials."""
    K, size = 2, 1e-10
    v = np.array([0.9, -0.6])
    a, index, P = np.concatenate([v, -v]), overlap_index(K, K), row_count(2 * K, 0)
    C, _ = differences(K, size)
    A, G, JA, JG = np.empty((K, 2 * K)), np.empty((K, K)), np.empty((2 * K * K, P)), np.empty((3, P))
    difference_linearised(QUADRATIC)(C, a, 0.0, index, A, G, JA, JG)

    def flat(C):
        A, G = np.empty((K, 2 * K)), np.empty((K, K))
        difference_coefficients(QUADRATIC)(C, a, 0.0, A, G)
        return np.concatenate([A[:, K:].ravel(), G[np.triu_indices(K)]])

    rng, change = np.random.default_rng(0), np.zeros((2 * K, 2 * K))
    change[:K, K:] = size * rng.normal(size=(K, K))
    change[:K, :K] = size**2 * rng.normal(size=(K, K))
    change += change.T
    found = (flat(C + 1e-3 * change) - flat(C - 1e-3 * change)) / 2e-3
    columns = np.array([change[i, c] for i in range(K) for c in range(K, 2 * K)] + list(change[np.triu_indices(K)]))
    F, noise = JA.reshape(K, 2 * K, P)[:, K:, : columns.size] @ columns, JG[:, : columns.size] @ columns
    np.testing.assert_allclose(F.ravel(), found[: K * K], rtol=0.0, atol=1e-8 * np.abs(found[: K * K]).max())
    np.testing.assert_allclose(noise, found[K * K :], rtol=0.0, atol=1e-5 * np.abs(found[K * K :]).max())


def test_phase_retrieval_ends_far_below_rounding():
    """Without noise the error of one unit falls exponentially for ever, and keeps its relative precision."""
    one = problem(1, 1, 1, label_noise=0.0, learning_rate=0.1)
    start = OrderParameters([[[0.5]]], [[[0.2]]], [[[1.0]]])
    run = integrate(one, start, [0.0, 40.0, 80.0, 120.0, 160.0])
    assert run.status == "complete" and run.generalization_error[-1] < 1e-20
    assert run.resolution < run.generalization_error[-1]
    fall = np.diff(np.log(run.generalization_error[2:]))
    assert fall[0] == pytest.approx(fall[1], rel=1e-6)
    rate = ode_sgd.theory.escape_rate(one, run)
    assert f"turns to its teacher, in theory at the rate {rate:.4g}" in ode_sgd.findings(run).escape_reason


# --- the ODE and its simulations --------------------------------------------------------------------------------------

TIMES = [0.0, 0.5, 2.0, 6.0]


@pytest.mark.parametrize(("K", "M", "L"), [(2, 2, 1), (3, 2, 4)])
def test_against_the_plain_twin(K, M, L):
    one = problem(K, M, L)
    start = OrderParameters.random(one, 40 * L, 0.4, seed=0)
    run, twin = integrate(one, start, TIMES, rtol=1e-9), Theory.of(one)
    C = np.array([twin.covariance(c) for c in twin.solve(start.gram, run.alpha, rtol=1e-10)])
    np.testing.assert_allclose(run.Q, C[:, :K, :K], rtol=0.0, atol=1e-7 * np.abs(C).max())
    np.testing.assert_allclose(run.R, C[:, :K, K:], rtol=0.0, atol=1e-7 * np.abs(C).max())


def curves(run):
    """Entries of Q and R of order one after the start, (replica, times, entries)."""
    i, j = np.triu_indices(run.Q.shape[-1])
    return np.concatenate([run.Q[..., i, j], run.R.reshape(*run.R.shape[:-2], -1)], axis=-1)[..., 1:, :]


@pytest.mark.parametrize(("K", "M"), [(2, 2), (3, 2)])
def test_simulations_against_the_ode(K, M, record_property):
    """Pooled root mean square of z, with an allowance for the bias of order 1/N as in test_ode_against_sgd.py."""
    N, found = 1000, {}
    for method in ("explicit", "reduced"):
        squares = []
        for L in (1, 4):
            one = problem(K, M, L, learning_rate=0.03)
            for seed in range(3):
                first = OrderParameters.random(one, N, 0.4, seed=seed)
                sgd = simulate(one, first, TIMES, dimension=N, replicas=16, seed=seed, method=method)
                values, ode = curves(sgd), curves(integrate(one, first, sgd.alpha, rtol=1e-8))
                error = np.hypot(values.std(axis=0, ddof=1) / 4.0, np.abs(ode).max(axis=0) / N)
                squares.append(((values.mean(axis=0) - ode) / error) ** 2)
        found[method] = float(np.sqrt(np.mean(squares)))
    record_property("measured", f"K = {K}, M = {M}: rms z = {found}")
    assert all(0.8 < one < 1.25 for one in found.values()), found


def test_the_chain_has_the_law_of_the_weights(record_property):
    """Hotelling's test of all overlaps at one time, at N = 40."""
    one, N = problem(2, 2, 2, learning_rate=0.02), 40
    first = OrderParameters.random(one, N, 0.4, seed=1)
    left, right = (
        curves(simulate(one, first, [0.0, 2.0], dimension=N, replicas=500, seed=seed, method=method))[:, 0]
        for seed, method in enumerate(("explicit", "reduced"))
    )
    difference, p = left.mean(axis=0) - right.mean(axis=0), left.shape[1]
    spread = (np.cov(left.T) + np.cov(right.T)) / len(left)
    chance = float(stats.chi2.sf(difference @ np.linalg.solve(spread, difference), p))
    record_property("measured", f"explicit against reduced: p = {chance:.2g}")
    assert chance > 1e-4


def test_studies(tmp_path):
    study = {
        "spectrum": {"kind": "isotropic"},
        "problem": {"student_units": 1, "teacher_units": 1, "learning_rate": 0.05, "activation": "quadratic"},
        "start": {"kind": "random", "dimension": 50},
        "integration": {"alpha": 5.0},
    }
    sweep = ode_sgd.Sweep(study, {"problem.label_noise": [0.0, 0.1]})
    assert sweep.study(1).problem.g.in_lanes
