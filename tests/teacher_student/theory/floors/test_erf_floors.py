"""Floors, critical rates and relaxation of erf students, against closed forms, dense Jacobians and `integrate`."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, OrderParameters, Spectrum, theory
from ode_sgd.teacher_student.integration.scipy_methods import flat_right_hand_side
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system
from ode_sgd.teacher_student.theory.floors.small_noise import SmallNoise, to_matrix
from tests.teacher_student.theory.floors.cases import at_teacher, erf, law, random_teacher

SLOPE = 2.0 / np.pi


def weighted(K=3, L=3, **changes):
    """Unequal weights, of which one has another sign than its teacher's, and a teacher that sectors see differently."""
    v = (1.0, -0.8, 0.6)[:K]
    problem = erf(K, spectrum=law(L), student_weights=v, teacher_weights=tuple(np.abs(v)), **changes)
    return problem, random_teacher(problem, seed=K + L)


def rates_of_change(problem, state):
    """d(state)/dalpha and its Jacobian by central differences."""
    packed, system = initial_state(state), sector_system(problem, state)
    function = flat_right_hand_side(problem.g, system, packed.shape)
    flat, step = packed.reshape(-1).copy(), 1e-5
    columns = [
        (function(0.0, flat + e).copy() - function(0.0, flat - e).copy()) / (2.0 * step)
        for e in step * np.eye(flat.size)
    ]
    return function(0.0, flat).copy(), np.array(columns).T


# --- fixed points -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["flow", "newton"])
def test_all_sectors_rest_at_the_fixed_point(method):
    problem, teacher = weighted(label_noise=0.4, learning_rate=0.7)
    start = theory.fixed_point(problem, at_specialised(problem, teacher)).order_parameters
    point = theory.fixed_point(problem, start, method=method)
    drift, _ = rates_of_change(problem, point.order_parameters)
    # Drifts are differences of terms of order eta; the overlaps themselves are of order 1.
    assert np.abs(drift).max() < 1e-13
    Q, R, T = point.order_parameters.moments(problem.spectrum, 1)
    np.testing.assert_allclose(Q, point.Q, rtol=0.0, atol=1e-13)
    np.testing.assert_allclose(R, point.R, rtol=0.0, atol=1e-13)
    np.testing.assert_array_equal(T, point.T)
    np.testing.assert_array_equal(point.order_parameters.t, teacher.t)


def at_specialised(problem, teacher):
    signs = np.sign(problem.v * problem.u)
    mirrored = signs[:, None] * teacher.t
    return OrderParameters(mirrored * signs, mirrored, teacher.t)


def test_floor_of_weights_and_teacher_in_general_is_where_integrate_ends():
    problem = erf(2, spectrum=law(2), label_noise=0.4, learning_rate=0.7)
    teacher = random_teacher(problem, seed=3)
    run = ode_sgd.integrate(problem, at_specialised(problem, teacher), [0.0, 1e4], rtol=1e-10)
    assert theory.noise_floor(problem, teacher) == pytest.approx(run.generalization_error[-1], rel=1e-9)


def test_a_saddle_is_left_for_a_stable_state():
    """Two students that see three teachers alike: Newton's method finds them, the flow goes on."""
    problem = erf(2, 3)
    alike = OrderParameters(0.3 * np.eye(2)[None], np.full((1, 2, 3), 0.1), np.eye(3)[None])
    saddle = theory.fixed_point(problem, alike, method="newton")
    assert (saddle.unstable, saddle.stable) == (2, False)
    assert saddle.generalization_error == pytest.approx(0.024508453, abs=6e-10)  # its nine decimals are given
    assert np.ptp(saddle.cosines) < 1e-9
    parted = saddle.order_parameters.r + 1e-6 * np.random.default_rng(0).standard_normal((1, 2, 3))
    beside = OrderParameters(saddle.order_parameters.q, parted, alike.t)
    end = theory.fixed_point(problem, beside)
    assert end.stable
    between = theory.fixed_point(erf(2, 3, label_noise=0.0), beside)
    assert between.generalization_error == pytest.approx(0.01699588931, rel=1e-8)
    # One student on one teacher, the other on the two others: three decimals are given.
    one, other = sorted(np.sort(end.cosines, axis=1).tolist(), key=max)
    np.testing.assert_allclose([one, other], [[0.025, 0.706, 0.706], [0.241, 0.241, 0.939]], atol=6e-4)


def test_without_noise_students_stay_at_their_teachers():
    assert theory.noise_floor(erf(2, label_noise=0.0)) == 0.0
    assert theory.noise_floor(erf(2, gradient_flow=True)) == 0.0
    problem, teacher = weighted(label_noise=0.0)
    assert theory.noise_floor(problem, teacher) == 0.0


def test_tiny_noise_follows_its_law():
    """Both sides of where rounding begins to show: there, at eps_g = 1e-8, the law is off by eps_g itself."""
    for sigma in (1e-20, 1e-6, 2e-4, 1e-3):
        problem = erf(2, learning_rate=0.5, label_noise=sigma)
        scaled = theory.noise_floor(problem) / sigma**2
        assert scaled == pytest.approx(theory.small_noise_floor(problem), rel=10.0 * scaled * sigma**2 + 1e-8)


@pytest.mark.parametrize(("K", "factor"), [(1, 0.97), (1, 1.03), (2, 0.9), (2, 1.03)])
def test_norms_stay_finite_just_below_their_critical_rate_and_grow_above(K, factor):
    problem = erf(K, label_noise=1.0)
    problem = replace(problem, learning_rate=factor * theory.norm_divergence_rate(problem))
    if factor < 1.0:
        assert 50.0 < theory.fixed_point(problem).Q[0, 0] < 1e6
    else:
        with pytest.raises(InvalidProblem, match="no fixed point"):
            theory.fixed_point(problem)


# --- small noise and critical rates -----------------------------------------------------------------------------------


def by_closed_form(v, T):
    """H and Gamma of erf: E of a product of slopes is SLOPE^(n/2) det(1 + C)^(-1/2) over its list of fields."""
    K = len(v)
    H, Gamma = np.empty((K, K)), np.empty((K,) * 4)
    for index in np.ndindex(*Gamma.shape):
        i, j = index[:2]
        C = T[np.ix_([i, j], [i, j])]
        H[i, j] = v[i] * v[j] * SLOPE / np.sqrt(np.linalg.det(np.eye(2) + C))
        C = T[np.ix_(index, index)]
        Gamma[index] = np.prod(v[list(index)]) * SLOPE**2 / np.sqrt(np.linalg.det(np.eye(4) + C))
    return H, Gamma


def test_what_holds_and_drives_small_deviations():
    problem, teacher = weighted()
    T = teacher.moments(problem.spectrum, 1)[2]
    signs = np.sign(problem.v * problem.u)
    H, Gamma = by_closed_form(problem.v, T * np.outer(signs, signs))
    small = SmallNoise.at_teachers(problem, T)
    np.testing.assert_allclose(small.H, H, rtol=1e-12)
    S = random_teacher(erf(3), seed=9).t[0]
    i, j = np.triu_indices(3)
    vector = S[i, j] * np.where(i == j, 1.0, np.sqrt(2.0))
    np.testing.assert_allclose(to_matrix(small.Y @ vector, 3), np.einsum("ijkl,kl->ij", Gamma, S), rtol=1e-12)
    np.testing.assert_allclose(to_matrix(small.X @ vector, 3), H @ S + S @ H, rtol=1e-12)


@pytest.mark.parametrize("K", [1, 2, 3, 5])
def test_small_noise_of_alike_units_takes_two_numbers(K):
    """s_ii = a and s_ij = b, with T = I and v = 1."""
    eta, h0, h1 = 0.2, SLOPE / np.sqrt(3.0), SLOPE / 2.0
    X = 2.0 * np.array([[h0, (K - 1) * h1], [h1, h0 + (K - 2) * h1]])
    Y = SLOPE**2 * np.array(
        [
            [1 / np.sqrt(5) + (K - 1) / 3, 2 * (K - 1) / np.sqrt(8) + (K - 1) * (K - 2) / np.sqrt(12)],
            [2 / np.sqrt(8) + (K - 2) / np.sqrt(12), 2 / 3 + 4 * (K - 2) / np.sqrt(12) + (K - 2) * (K - 3) / 4],
        ]
    )
    a, b = np.linalg.solve(X - eta * Y, eta * np.array([h0, h1]))
    floor = 0.5 * K * (h0 * a + (K - 1) * h1 * b)
    assert theory.small_noise_floor(erf(K, learning_rate=eta)) == pytest.approx(floor, rel=1e-13)
    if K > 1:
        critical = 1.0 / np.linalg.eigvals(np.linalg.solve(X, Y)).real.max()
        assert theory.critical_learning_rate(erf(K)) == pytest.approx(critical, rel=1e-13)
    else:
        assert theory.critical_learning_rate(erf(1)) == pytest.approx(np.sqrt(15.0) * np.pi / 3.0, rel=1e-13)


def test_small_learning_rates_leave_a_sum_over_units():
    problem, teacher = weighted(learning_rate=1e-6)
    T = teacher.moments(problem.spectrum, 1)[2]
    leading = 0.25 * 1e-6 * np.sum(problem.v**2 * SLOPE / np.sqrt(1.0 + 2.0 * np.diag(T)))
    assert theory.small_noise_floor(problem, teacher) == pytest.approx(leading, rel=1e-5)  # corrections of order eta


# --- relaxation -------------------------------------------------------------------------------------------------------


def test_all_rates_are_those_of_the_full_jacobian():
    problem, teacher = weighted(K=2, L=3, label_noise=0.0, learning_rate=0.8)
    _, jacobian = rates_of_change(problem, at_specialised(problem, teacher))
    found = theory.relaxation_rates(problem, teacher, count=100)
    ours = np.sort(np.concatenate([found.s, found.b]))
    # Central differences leave 1e-10; of rates of order one.
    np.testing.assert_allclose(ours, np.sort(-np.linalg.eigvals(jacobian).real), rtol=0.0, atol=1e-8)
    assert found.s.size == 9 and found.b.size == 12


@pytest.mark.parametrize("factor", [0.999, 1.001])
def test_a_rate_changes_its_sign_at_the_critical_learning_rate(factor):
    problem, teacher = weighted(label_noise=0.0)
    problem = replace(problem, learning_rate=factor * theory.critical_learning_rate(problem, teacher))
    assert np.sign(theory.relaxation_rates(problem, teacher, count=1).error) == np.sign(1.0 - factor)


@pytest.mark.parametrize(("L", "eta"), [(1, 1.5), (4, 0.5)])
def test_the_error_decays_at_the_slower_rate(L, eta, record_property):
    problem = erf(2, spectrum=law(L), learning_rate=eta, label_noise=0.0)
    rate = theory.relaxation_rates(problem, count=1).error
    start = at_teacher(problem, np.tile(np.eye(2), (L, 1, 1)), 0.1)
    alpha = np.array([0.0, 30.0, 40.0]) / rate
    errors = ode_sgd.integrate(problem, start, alpha, rtol=1e-8).generalization_error
    fitted = np.log(errors[1] / errors[2]) / (alpha[2] - alpha[1])
    record_property("measured", f"L = {L}, eta = {eta}: fitted over theory {fitted / rate:.5f}")
    assert fitted == pytest.approx(rate, rel=0.01)


def test_one_unit_is_fastest_at_two_thirds_of_the_critical_rate():
    problem = erf(1, label_noise=0.0)
    eta, rate = theory.optimal_learning_rate(problem)
    assert eta == pytest.approx(2.0 / 3.0 * theory.critical_learning_rate(problem), rel=1e-12)
    found = theory.relaxation_rates(replace(problem, learning_rate=eta))
    assert found.s[0] == pytest.approx(2.0 * found.b[0], rel=1e-11)
    assert rate == pytest.approx(found.error, rel=1e-12)


@pytest.mark.parametrize(("K", "L"), [(2, 1), (2, 6), (3, 4)])
def test_no_other_rate_is_better_than_the_best(K, L):
    problem = erf(K, label_noise=0.0, spectrum=law(L))
    eta, rate = theory.optimal_learning_rate(problem)
    for factor in (0.5, 0.97, 0.999, 1.001, 1.03):
        other = replace(problem, learning_rate=min(factor * eta, theory.critical_learning_rate(problem)))
        assert theory.relaxation_rates(other, count=1).error < rate


def test_long_spectra_are_best_close_to_the_critical_rate():
    problem = erf(2, label_noise=0.0, spectrum=law(16))
    ratio = theory.optimal_learning_rate(problem)[0] / theory.critical_learning_rate(problem)
    assert ratio == pytest.approx(0.98672, abs=5e-6)  # its five digits are given


# --- what is refused --------------------------------------------------------------------------------------------------

FUNCTIONS = ["noise_floor", "fixed_point", "small_noise_floor", "critical_learning_rate", "norm_divergence_rate"]
FUNCTIONS += ["relaxation_rates", "optimal_learning_rate"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_refusals(name):
    function, two = getattr(theory, name), law(2)
    for given, told in (
        (erf(2, 3), "teacher 3 has the second-layer weight 1, which no student that is left has"),
        (erf(2, weight_decay=0.1), "weight_decay = 0.1"),
        (erf(2, spectrum=two, trainable=1), "trainable = 1"),
        (erf(2, 1, student_weights=(1.0, 0.0)), "hold a zero"),
        (None, "Problem"),
    ):
        with pytest.raises(InvalidProblem, match=told):
            function(given)
    if name not in ("noise_floor", "critical_learning_rate"):
        with pytest.raises(InvalidProblem, match="activation = 'linear'"):
            function(erf(2, activation="linear"))
    with pytest.raises(InvalidProblem, match="start"):
        function(erf(2), 3.0)


def test_more_refusals():
    with pytest.raises(InvalidProblem, match=r"dimension = 20.*only linear"):
        theory.noise_floor(erf(2), dimension=20)
    with pytest.raises(InvalidProblem, match=r"dimension = 20.*only linear"):
        theory.critical_learning_rate(erf(2), dimension=20)
    for name in ("critical_learning_rate", "relaxation_rates", "optimal_learning_rate", "norm_divergence_rate"):
        with pytest.raises(InvalidProblem, match="student_units = 3"):
            getattr(theory, name)(erf(3, 2))
    with pytest.raises(InvalidProblem, match="K = M = 1, and K = M = 2"):
        theory.norm_divergence_rate(erf(3))
    with pytest.raises(InvalidProblem, match="orthonormal"):
        theory.norm_divergence_rate(erf(2), random_teacher(erf(2)))
    for name in ("optimal_learning_rate", "norm_divergence_rate"):
        with pytest.raises(InvalidProblem, match="gradient_flow"):
            getattr(theory, name)(erf(2, gradient_flow=True))
    with pytest.raises(InvalidProblem, match=r"not below critical \(2\.306"):
        theory.small_noise_floor(erf(2, learning_rate=2.4))
    with pytest.raises(InvalidProblem, match="left over with second-layer weights of different size"):
        theory.noise_floor(erf(3, 1, student_weights=(1.0, 0.5, 0.7), teacher_weights=(1.0,)))
    with pytest.raises(InvalidProblem, match="full rank"):
        alike = np.ones((1, 2, 2))
        theory.critical_learning_rate(erf(2), OrderParameters(0.0 * alike, 0.0 * alike, alike))
    with pytest.raises(InvalidProblem, match="method"):
        theory.fixed_point(erf(2), method="quick")
    with pytest.raises(InvalidProblem, match="count"):
        theory.relaxation_rates(erf(2), count=0)
    with pytest.raises(InvalidProblem, match="unstable"):  # two of three students pair up and leave
        theory.noise_floor(erf(3, learning_rate=1.03 * 1.88875720, label_noise=0.3))
    assert theory.noise_floor(erf(3, learning_rate=0.97 * 1.88875720, label_noise=0.3)) == pytest.approx(
        0.21366, abs=5e-6
    )


def test_directions_without_variance_change_nothing():
    some = Spectrum([1.5, 0.5, 0.0], [0.4, 0.4, 0.2])
    problem = erf(2, spectrum=some, learning_rate=0.6)
    assert theory.noise_floor(problem) == pytest.approx(
        theory.noise_floor(erf(2, learning_rate=0.6 * some.moment(1))), rel=1e-12
    )
    assert (theory.relaxation_rates(problem, count=100).s > 0.0).all()
