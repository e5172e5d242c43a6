"""Growth rates at the symmetric saddle, the law of escape times, and the estimate from a start."""

from math import log, pi, sqrt

import numpy as np
import pytest

import ode_sgd
from ode_sgd import OrderParameters, theory
from ode_sgd.teacher_student.integration.sector_system import initial_state
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.theory import closed_forms, escape_modes
from ode_sgd.teacher_student.theory.branch import saddle as at_rest
from tests.teacher_student.theory.test_saddle import BRANCHES, CASES, committee, drift, rough_teacher


def numerical_rates(problem, start=None, branch="identical"):
    """Rates from the determinant also where there is a closed form."""
    return escape_modes.linearisation(problem, at_rest(problem, start, branch)).growth_rates()


def jacobian(problem, there):
    """Dense, by central differences of the drift kernel: truncation 1e-12, rounding 1e-10 of the rates."""
    state = initial_state(there)
    _, K, M = there.r.shape
    step, columns = 1e-6, []
    for place in range(state.size):
        change = np.zeros(state.size)
        change[place] = step
        sides = []
        for sign in (1, -1):
            q, r = layout.unpack((state + sign * change.reshape(state.shape)).T, K, M)
            sides.append(drift(problem, OrderParameters.from_solution(q, r, there.t)).ravel())
        columns.append((sides[0] - sides[1]) / (2 * step))
    return np.array(columns).T


def breaking_rate(problem, there, branch):
    """Largest real part among the eigenvalues whose vectors break the symmetry of r.

    At identical students without those that also give them parts of their own, which are of second order in weights.
    """
    values, vectors = np.linalg.eig(jacobian(problem, there))
    L, K, M = there.r.shape
    q, r = layout.unpack(vectors.real.T.reshape(values.size, -1, L).transpose(0, 2, 1), K, M)
    breaks = norms(r - r.mean(axis=2, keepdims=True)) > 1e-3
    if branch == "identical":
        differences = np.eye(K) - 1.0 / K
        breaks &= norms(differences @ q @ differences) < 1e-6
    return values.real[breaks].max()


def norms(stack):
    """Of the vectors, (n, ...)."""
    return np.sqrt((stack**2).reshape(len(stack), -1).sum(axis=1))


@pytest.mark.parametrize("K", range(2, 9))
def test_gradient_flow_has_the_closed_form(K):
    for L in (1, 2, 4, 8, 16, 32, 64):
        for output in ("committee", "mean_field"):
            problem = committee(K, L, gradient_flow=True, output=output)
            closed = closed_forms.rate(problem)
            rates = numerical_rates(problem)
            assert len(rates) == K - 1
            np.testing.assert_allclose(rates, closed, rtol=1e-11)  # rounding, over the sum of 64 sectors
            assert theory.escape_rate(problem) == closed
            assert theory.escape_rate(problem, branch="split") == closed


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize(("problem", "rough"), CASES)
def test_is_the_leading_breaking_eigenvalue_of_the_dense_jacobian(problem, rough, branch):
    start = rough_teacher(problem) if rough else None
    there = theory.symmetric_saddle(problem, start, branch).order_parameters
    rate = theory.escape_rate(problem, start, branch)
    assert rate == pytest.approx(breaking_rate(problem, there, branch), rel=1e-5)


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("L", [1, 8])
@pytest.mark.parametrize("eta", [0.01, 0.5])
def test_is_the_growth_on_a_trajectory(eta, L, branch, record_property):
    """From the saddle plus 1e-6, the same in every sector: after the first 3 / rate only the leading mode is left."""
    problem = committee(2, L, learning_rate=eta)
    saddle, rate = theory.symmetric_saddle(problem, branch=branch), theory.escape_rate(problem, branch=branch)
    there = saddle.order_parameters
    r = there.r + 1e-6 * np.array([[1.0, -1.0], [-1.0, 1.0]])
    # From 6/rate on the other modes, which decay, are gone; at 8/rate the asymmetry is 3e-3, its square 1e-5.
    alpha = np.append(0.0, np.linspace(4.0, 8.0, 20) / rate)
    start = OrderParameters.from_solution(there.q, r, there.t)
    run = ode_sgd.integrate(problem, start, alpha, rtol=1e-9, atol=1e-14)
    asymmetry = run.R[1:, 0, 0] - run.R[1:, 0, 1]
    measured = np.polyfit(alpha[1:], np.log(asymmetry), 1)[0]
    record_property("measured", f"eta = {eta}, L = {L}, {branch}: growth over escape_rate {measured / rate:.6f}")
    assert measured == pytest.approx(rate, rel=1e-3)


def test_factors_of_theory_section_8():
    for K, factors in ((2, (1.045, 0.962)), (3, (1.178, 0.890))):
        problem = committee(K, 1, learning_rate=0.5)
        found = [theory.escape_rate(problem, branch=branch) / closed_forms.rate(problem) for branch in BRANCHES]
        np.testing.assert_allclose(found, factors, atol=5e-4)  # as printed there
    assert theory.escape_rate(committee(2, 1, learning_rate=1.0), branch="split") == pytest.approx(0.05914, abs=5e-6)


def test_a_student_that_is_already_right_has_nothing_to_escape_from():
    """Two students of weight 1/2 and one teacher: both become the teacher."""
    problem = committee(2, 2, teacher_units=1, output="mean_field")
    assert theory.plateau_height(problem) < 1e-12
    for branch in BRANCHES:
        with pytest.raises(ode_sgd.InvalidProblem, match="nothing to escape from"):
            theory.escape_rate(problem, branch=branch)


def test_a_million_sectors():
    problem = committee(2, 10**6)
    assert theory.escape_rate(problem) == pytest.approx(1.01 * closed_forms.rate(problem), rel=1e-3)


def test_law_of_one_direction():
    problem = committee(2, 4, learning_rate=0.3)
    for branch in BRANCHES:
        law, rate = theory.escape_law(problem, branch=branch), theory.escape_rate(problem, branch=branch)
        assert law.directions == 1
        assert law.rate == rate
        assert law.standard_deviation == pytest.approx(pi / (2.0 * sqrt(2.0) * rate), rel=1e-12)
        assert law.growth_per_decade == pytest.approx(log(10.0) / (2.0 * rate), rel=1e-12)


@pytest.mark.parametrize(("K", "M"), [(3, 3), (4, 4), (3, 2)])
def test_directions_are_those_of_the_dense_jacobian(K, M):
    problem = committee(K, 2, teacher_units=M, learning_rate=0.2)
    law = theory.escape_law(problem)
    values = np.linalg.eigvals(jacobian(problem, theory.symmetric_saddle(problem).order_parameters))
    assert law.directions == (np.abs(values - law.rate) < 1e-5 * law.rate).sum()
    assert law.directions == (K - 1) * (M - 1)


def asymmetry(R):
    """Norm of what is left of R without the means over students and over teachers."""
    centred = R - R.mean(axis=-1, keepdims=True) - R.mean(axis=-2, keepdims=True) + R.mean(axis=(-1, -2), keepdims=True)
    return np.linalg.norm(centred, axis=(-1, -2))


def nearly_symmetric(problem, size, seed=3, student_scale=0.01):
    """An orthonormal teacher, and students that differ by `size` in random overlaps with it."""
    symmetric = OrderParameters.typical(problem, student_scale)
    pattern = np.random.default_rng(seed).standard_normal(symmetric.r.shape[1:]) / sqrt(problem.student_units)
    return OrderParameters(symmetric.q, symmetric.r + size * pattern, symmetric.t)


def left_at(problem, start, height, end):
    """Run, and the place of the first time with half the height."""
    run = ode_sgd.integrate(problem, start, np.linspace(0.0, end, 1201))
    below = run.generalization_error < 0.5 * height
    assert below.any()
    return run, int(np.argmax(below))


@pytest.mark.parametrize("L", [1, 8])
@pytest.mark.parametrize("K", [2, 3, 4, 5, 6])
def test_length_of_the_plateau_over_the_logarithm(K, L, record_property):
    """lambda_esc (alpha_half - alpha_arrival) / ln(asymmetry at half height / at arrival) lies in 1.0..1.35."""
    problem = committee(K, L)
    rate, height = theory.escape_rate(problem), theory.plateau_height(problem)
    run, half = left_at(problem, nearly_symmetric(problem, 1e-4), height, 12.0 / rate)
    arrival = int(np.argmax(np.abs(run.generalization_error / height - 1.0) < 0.1))
    assert arrival < half
    size = asymmetry(run.R[[arrival, half]])
    ratio = rate * (run.alpha[half] - run.alpha[arrival]) / np.log(size[1] / size[0])
    record_property("measured", f"K = {K}, L = {L}: plateau over its logarithm {ratio:.3f}")
    assert 1.0 < ratio < 1.35


@pytest.mark.parametrize("L", [1, 8])
@pytest.mark.parametrize("K", [2, 3])
def test_escape_time_is_off_by_a_constant(K, L, record_property):
    """It leaves out the way to the saddle and saturation, which do not depend on how small the asymmetry is."""
    problem, late = committee(K, L), []
    for size in (1e-4, 1e-6):
        start = nearly_symmetric(problem, size)
        estimate = theory.escape_time(problem, start)
        assert estimate.rate == theory.escape_rate(problem, start)
        assert estimate.height == theory.plateau_height(problem, start)
        run, half = left_at(problem, start, estimate.height, 17.0 / estimate.rate)
        late.append(estimate.rate * (run.alpha[half] - estimate.time))
        grown = estimate.half_asymmetry / estimate.asymmetry
        assert estimate.time == pytest.approx(np.log(grown) / estimate.rate, rel=1e-6)  # one rate: T = I
    record_property("measured", f"K = {K}, L = {L}: escape after the estimate by {late[0]:.2f}, {late[1]:.2f} / rate")
    assert late[0] == pytest.approx(late[1], abs=0.03)  # the output times are 17/1200 = 0.014 apart
    assert 0.3 < late[0] < 3.0


def test_escape_time_of_random_starts(record_property):
    """Random weights and teachers at N = 1024, s_J = 0.01: late by 0.66 / rate, which is 8 % of the time."""
    problem, late, times = committee(2, 1), [], []
    for seed in range(12):
        start = OrderParameters.random(problem, 1024, student_scale=0.01, seed=seed)
        estimate = theory.escape_time(problem, start)
        run, half = left_at(problem, start, estimate.height, 14.0 / estimate.rate)
        times.append(estimate.rate * run.alpha[half])
        late.append(times[-1] - estimate.rate * estimate.time)
    record_property("measured", f"late by {np.mean(late):.3f} +- {np.std(late):.3f}, of {np.mean(times):.1f} / rate")
    assert np.std(times) > 0.5  # the starts differ ...
    assert np.std(late) < 0.03  # ... and the estimate follows each of them: output times are 0.012 apart
    assert np.mean(late) == pytest.approx(0.66, abs=0.03)


def test_escape_time_without_asymmetry_and_with_too_much():
    problem = committee(2, 3)
    assert theory.escape_time(problem, OrderParameters.typical(problem, 0.1)).time == np.inf
    saddle = theory.symmetric_saddle(problem).order_parameters
    away = OrderParameters(saddle.q + 0.5 * np.eye(2), saddle.r + 0.5 * (np.eye(2) - 0.5), saddle.t)
    assert theory.escape_time(problem, away).time == 0.0
    with pytest.raises(ode_sgd.InvalidStart, match=r"give an ode_sgd\.OrderParameters"):
        theory.escape_time(problem, None)


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("K", [2, 3])
def test_projection_sees_the_modes_and_only_them(K, branch):
    """A start that is the saddle plus an eigenvector of the dense Jacobian: all of it for the growing ones, else 0."""
    problem = committee(K, 2, learning_rate=0.5)
    there = theory.symmetric_saddle(problem, branch=branch).order_parameters
    rate = theory.escape_rate(problem, branch=branch)
    values, vectors = np.linalg.eig(jacobian(problem, there))
    weight = problem.spectrum.weights * problem.spectrum.eigenvalues
    for value, vector in zip(values, vectors.T, strict=True):
        if abs(value.imag) > 1e-9:
            continue
        q, r = layout.unpack(1e-3 * vector.real.reshape(-1, 2).T, K, K)
        start = OrderParameters.from_solution(there.q + q, there.r + r, there.t)
        found = theory.escape_time(problem, start, branch).asymmetry
        grows = abs(value - rate) < 1e-5 * rate
        whole = np.linalg.norm(np.tensordot(weight, r - r.mean(axis=1, keepdims=True), axes=1))
        assert found == pytest.approx(whole if grows else 0.0, abs=1e-9)  # 1e-3 times the Jacobian's 1e-6


def test_half_asymmetry_is_that_of_weights_along_the_eigenvector():
    """Second difference of eps_g, built from the dense eigenvector: J_i = x B + c_i y_k B has r linear, q quadratic."""
    problem = committee(2, 2, learning_rate=1.0)
    there = theory.symmetric_saddle(problem, branch="split").order_parameters
    values, vectors = np.linalg.eig(jacobian(problem, there))
    leading = vectors[:, np.argmax(values.real)].real
    q, r = layout.unpack(leading.reshape(-1, 2).T, 2, 2)
    own = r @ r.transpose(0, 2, 1)  # t_k = I
    size = 1e-3 / np.abs(r).max()

    def error(factor):
        change = OrderParameters.from_solution(there.q + factor * q + factor**2 * own, there.r + factor * r, there.t)
        return change.generalization_error(problem)

    curvature = (error(size) - 2.0 * error(0.0) + error(-size)) / (2.0 * size**2)
    R = np.tensordot(problem.spectrum.weights * problem.spectrum.eigenvalues, r, axes=1)
    half = np.sqrt(-0.5 * error(0.0) / curvature) * np.linalg.norm(R)
    start = OrderParameters(there.q, there.r + 1e-6 * np.array([[1.0, -1.0], [-1.0, 1.0]]), there.t)
    assert theory.escape_time(problem, start, "split").half_asymmetry == pytest.approx(half, rel=1e-4)  # fourth order


@pytest.mark.parametrize("L", [1, 4])
def test_height_is_that_of_the_teacher_of_the_run(L):
    """A random teacher moves the plateau by 6 % and 2 %: after the arrival and before the escape the run lies on it."""
    problem = committee(2, L)
    start = OrderParameters.random(problem, 1024, student_scale=0.01, seed=1)
    height = theory.plateau_height(problem, start)
    assert abs(height / theory.plateau_height(problem) - 1.0) > 0.02
    run = ode_sgd.integrate(problem, start, [0.0, 350.0])
    # At L = 4 the slowest sector, eta lambda = 0.02, still moves while the asymmetry grows: 1e-3.
    assert run.generalization_error[-1] == pytest.approx(height, rel=1e-4 if L == 1 else 2e-3)
