"""Vectors as a number type of the compiler, and the kernels that are written for them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import WIDTH, any_lane, as_lanes, choose, room, zeros
from ode_sgd.teacher_student.integration import rosenbrock
from ode_sgd.teacher_student.integration.batch import batch_of
from ode_sgd.teacher_student.integration.solution import Request
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.integration import lane_matrices, many_side_by_side
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model.activation import Activation
from tests.teacher_student.kernels.cases import covariance
from tests.teacher_student.kernels.stepping import Case, dense_step

jit = kernel(inline=True)  # for Python to call: what is compiled outside of kernels may pass vectors in another way


def across_lanes(rows):
    """A list of WIDTH arrays side by side."""
    return np.ascontiguousarray(np.moveaxis(np.array(rows), 0, -1))


@jit
def _arithmetic(x, y, out):
    a, b, c = as_lanes(x), as_lanes(y), as_lanes(out)
    for n in range(a.size):
        c[n, 0], c[n, 1], c[n, 2], c[n, 3] = a[n] + b[n], a[n] - 2.0, 3 * b[n], a[n] / b[n]
        c[n, 4], c[n, 5], c[n, 6], c[n, 7] = -a[n], abs(a[n]), a[n] ** 2, math.sqrt(abs(b[n]))
        c[n, 8], c[n, 9], c[n, 10], c[n, 11] = min(a[n], b[n]), max(a[n], 0.0), a[n] < b[n], a[n] >= 0.5
        c[n, 12] = choose(a[n] > b[n], a[n], 7.0)
        total = 0.0
        total += a[n]
        c[n, 13] = total


def test_arithmetic_is_that_of_numpy_in_every_lane():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 50, WIDTH))
    out = np.empty((50, 14, WIDTH))
    _arithmetic(x, y, out)
    expected = [x + y, x - 2.0, 3 * y, x / y, -x, abs(x), x**2, np.sqrt(abs(y)), np.minimum(x, y), np.maximum(x, 0.0)]
    expected += [x < y, x >= 0.5, np.where(x > y, x, 7.0), x]
    np.testing.assert_array_equal(out, np.stack(expected, axis=1))


@jit
def _asin(x, out):
    a, b = as_lanes(x), as_lanes(out)
    for n in range(a.size):
        b[n] = math.asin(a[n])


def test_asin():
    rng = np.random.default_rng(1)
    x = np.concatenate([np.linspace(-1.0, 1.0, 80_000), 10.0 ** rng.uniform(-30.0, 0.0, 80_000)]).reshape(-1, WIDTH)
    out = np.empty_like(x)
    _asin(x, out)
    np.testing.assert_array_max_ulp(out, np.arcsin(x), maxulp=2)  # either within one of the truth
    _asin(np.full((1, WIDTH), np.nan), out)
    assert np.isnan(out[0]).all()


@jit
def _kinds(x):
    a = as_lanes(x)
    made, nothing = room(a, (2, 3)), zeros(a, (4,))
    made[:] = a[0]
    return made.shape, any_lane(a[0] > 1.0), any_lane(nothing[3] > 0.0), any_lane(made[1, 2] > 1.0)


def test_conditions_and_work_space():
    x = np.zeros((1, WIDTH))
    assert _kinds(x) == ((2, 3), False, False, False)
    x[0, WIDTH - 1] = 2.0
    assert _kinds(x) == ((2, 3), True, False, True)


@jit
def _linearise(kernel, coefficients, C, a, noise, index, A, G, JA, JG, G_again):
    first = as_lanes(noise)[0]
    kernel(as_lanes(C), as_lanes(a), first, index, as_lanes(A), as_lanes(G), as_lanes(JA), as_lanes(JG))
    coefficients(as_lanes(C), as_lanes(a), first, as_lanes(A), as_lanes(G_again))


def test_coefficients_and_derivatives_are_those_of_one_problem():
    K, M = 2, 2
    d, P, pairs = K + M, layout.row_count(K + M, 0), 3
    rng = np.random.default_rng(2)
    C, a = [covariance(d, seed) for seed in range(WIDTH)], rng.normal(size=(WIDTH, d))
    noise, index = rng.uniform(size=WIDTH), layout.overlap_index(K, M)
    side = [np.empty((*shape, WIDTH)) for shape in ((K, d), (K, K), (K * d, P), (pairs, P), (K, K))]
    kernel = (
        linearised_coefficients(Activation("erf"), (K, d)),
        coefficient_kernels(Activation("erf"), (K, d)).coefficients,
    )
    _linearise(*kernel, across_lanes(C), across_lanes(a), noise[None], index, *side)
    for lane in range(WIDTH):
        own = [np.empty(part.shape[:-1]) for part in side]
        linearised_coefficients(Activation("erf"))(C[lane], a[lane], noise[lane], index, *own[:4])
        coefficient_kernels(Activation("erf")).coefficients(C[lane], a[lane], noise[lane], own[0], own[4])
        for ours, single in zip(side, own, strict=True):
            np.testing.assert_allclose(ours[..., lane], single, rtol=1e-13, atol=1e-14)  # sums of a dozen terms


@jit
def _eigen(D, values, V):
    lane_matrices.symmetric_eigen(as_lanes(D), as_lanes(values), as_lanes(V))


@pytest.mark.parametrize("K", [1, 2, 4])
def test_eigenvectors(K):
    D = [covariance(K, (seed, K)) for seed in range(WIDTH)]
    D[1] = np.diag(np.arange(1.0, K + 1.0))
    values, V = np.empty((K, WIDTH)), np.empty((K, K, WIDTH))
    _eigen(across_lanes(D), values, V)
    for lane, matrix in enumerate(D):
        back = V[..., lane] @ np.diag(values[:, lane]) @ V[..., lane].T
        np.testing.assert_allclose(back, matrix, atol=1e-15)
        np.testing.assert_allclose(V[..., lane].T @ V[..., lane], np.eye(K), atol=1e-14)
    alone = np.empty((K, WIDTH)), np.empty((K, K, WIDTH))
    _eigen(across_lanes([D[3]] * WIDTH), *alone)
    np.testing.assert_array_equal(alone[1][..., 0], V[..., 3])  # whoever goes on beside it


@jit
def _solve(M, x, regular):
    swaps = room(as_lanes(M), M.shape[:2])
    as_lanes(regular)[0] = lane_matrices.factorise(as_lanes(M), swaps)
    lane_matrices.substitute(as_lanes(M), swaps, as_lanes(x))


def test_linear_systems():
    rng = np.random.default_rng(3)
    M, x = rng.normal(size=(WIDTH, 7, 7)), rng.normal(size=(WIDTH, 7))
    M[0, 0, 0] = 0.0  # no pivot without an exchange
    M[1, :, 3] = 0.0
    M[2, 4, 4] = np.nan
    left, right, regular = across_lanes(M), across_lanes(x), np.empty((1, WIDTH))
    _solve(left, right, regular)
    np.testing.assert_array_equal(regular[0], [1, 0, 0, *[1] * (WIDTH - 3)])
    for lane in (0, *range(3, WIDTH)):
        np.testing.assert_allclose(M[lane] @ right[:, lane], x[lane], atol=1e-12)


def one_step(cases, sizes):
    """A step of each case, of its own size and whatever its error: states, outputs half-way, counts."""
    K, L = cases[0].K, cases[0].state.shape[1]
    M = cases[0].system.teacher_units
    alpha = np.array([0.0, 0.5, 1.0])  # every step of size 1, in units of its own
    runs = []
    for case, size in zip(cases, sizes, strict=True):
        its = replace(case.system, factors=size * case.system.factors)
        request = Request(
            alpha=alpha,
            orders=(0, 1),
            weights=np.array([its.variance**2, its.variance]),
            keep_sectors=False,
            rtol=1e-6,
            atol=0.0,
        )
        runs.append(rosenbrock.begin(its, case.state, request))
        runs[-1].control.numbers[:] = 0.0, 1.0, 1.0, 0.0, 1e8
        runs[-1].control.counts[:] = 0, 0, 1, 10**6, 1
    batch = batch_of(runs, lanes=1)
    rows = len(cases[0].system.factors)
    advance = many_side_by_side.advance_side_by_side(cases[0].system.g, K, M, rows)
    advance(batch, many_side_by_side.lane_space(K, M, L, 2, rows), alpha, 1e-300, 1e-6, 1)
    return batch


def test_a_step_of_every_lane_is_the_dense_step():
    """Different problems and sizes beside one another, against dense algebra (tolerance as in test_rosenbrock)."""
    cases = [Case.random("erf", 3, 2, 2, seed) for seed in range(WIDTH - 1)]  # one lane stays empty
    sizes = np.geomspace(0.02, 0.4, len(cases))
    batch = one_step(cases, sizes)
    np.testing.assert_array_equal(batch.counts[:, 0], 1)
    for number, (case, h) in enumerate(zip(cases, sizes, strict=True)):
        state, _, between = dense_step(case, h)
        np.testing.assert_allclose(batch.y[number].T, state, rtol=0.0, atol=1e-11)
        for order, weight in enumerate((case.system.variance**2, case.system.variance)):
            np.testing.assert_allclose(batch.rows[number, 2, order], state @ weight, rtol=0.0, atol=1e-11)
            np.testing.assert_allclose(batch.rows[number, 1, order], between @ weight, rtol=0.0, atol=1e-11)


def test_a_step_depends_on_nothing_beside_it():
    cases = [Case.random("erf", 3, 2, 2, seed) for seed in range(2 * WIDTH)]
    sizes = np.geomspace(0.02, 0.4, WIDTH)
    ours = one_step(cases[:WIDTH], sizes)
    for lane in (0, WIDTH - 1):
        others = list(cases[WIDTH:])
        others[WIDTH - 1 - lane] = cases[lane]
        changed = sizes[::-1].copy()
        np.testing.assert_array_equal(one_step(others, changed).y[WIDTH - 1 - lane], ours.y[lane])
