"""Numbers that were computed from the formulas by independent code: to 1e-8 of themselves, where they are so exact."""

import numpy as np
import pytest

from ode_sgd import OrderParameters, Spectrum, theory
from ode_sgd.teacher_student.theory.finite_size import FiniteSize
from ode_sgd.teacher_student.theory.floors.excess_pairs import _Law
from ode_sgd.teacher_student.theory.floors.field_flow import FieldFlow
from ode_sgd.teacher_student.theory.floors.norm_divergence import others_variance
from ode_sgd.teacher_student.theory.floors.settling import newton
from tests.teacher_student.theory.floors.cases import erf, law, linear

DIGITS = 1e-8  # ten digits are given, and some were found by methods that end there


def same(found, expected, tolerance=DIGITS):
    assert found == pytest.approx(expected, rel=tolerance, abs=0.0)


@pytest.mark.parametrize(
    ("problem", "floor"),
    [
        (erf(1, learning_rate=2.0, label_noise=0.3), 0.02775932339),
        (erf(2), 0.0001919776891),
        (erf(3, learning_rate=0.5, label_noise=0.3), 0.01729516089),
        (erf(4), 0.0003992572872),
        (erf(3, learning_rate=1.0, label_noise=0.2, output="mean_field"), 0.004518328324),
        (erf(3, 2), 0.0003694252807),  # one student too many
        (erf(5, 2), 0.0003694252807),  # and a pair of them, which costs nothing in the end
        (erf(4, 2), 0.0001919776891),
        (erf(2, learning_rate=2.4, label_noise=0.0), 0.01235557007),  # beyond critical
        (erf(2, learning_rate=2.8, label_noise=0.0), 0.0646489461),
    ],
)
def test_floors(problem, floor):
    same(theory.noise_floor(problem), floor)


def test_a_floor_depends_on_the_spectrum_by_its_trace_alone():
    """mu_1 = 2: as at one sector with twice the learning rate and T = 2."""
    problem = erf(2, learning_rate=0.2, label_noise=0.2, spectrum=Spectrum([3.0, 1.0], [0.5, 0.5]))
    t = np.tile(np.eye(2), (2, 1, 1))
    same(theory.noise_floor(problem, OrderParameters(t, t, t)), 0.002672387382)


@pytest.mark.parametrize(("K", "floor"), [(1, 0.09421103322), (3, 0.2937061217), (4, 0.3994301271)])
def test_small_noise(K, floor):
    same(theory.small_noise_floor(erf(K)) / 0.1, floor)


@pytest.mark.parametrize(
    ("problem", "rate"),
    [
        (erf(1), 4.055778676),
        (erf(2), 2.306827696),
        (erf(4), 1.249392781),
        (erf(8), 0.651684897),
        (erf(3, output="mean_field"), 4.862023518),
        (erf(2, student_weights=(1.0, 0.5), teacher_weights=(1.0, 0.5)), 3.501682887),
        (erf(2, student_weights=(-0.5, 1.0), teacher_weights=(1.0, 0.5)), 3.501682887),
    ],
)
def test_critical_rates(problem, rate):
    same(theory.critical_learning_rate(problem), rate)


# A maximum is flat, so that rates found by comparing values are exact to the root of rounding only, 1.5e-8.
@pytest.mark.parametrize(
    ("K", "L", "beta", "eta", "rate"),
    [
        (1, 1, 1.0, None, 0.6625386575),
        (2, 1, 1.0, 1.880795561, None),
        (3, 1, 1.0, 1.28037672, 0.09636818664),
        (1, 4, 1.0, None, 0.3180106343),
        (2, 4, 1.0, 2.188531404, None),
        (2, 8, 0.5, 2.199158773, 0.03856961888),
        (3, 4, 1.0, None, 0.02494714913),
        (4, 1, 1.0, 0.9698890728, None),
    ],
)
def test_best_rates(K, L, beta, eta, rate):
    found, decay = theory.optimal_learning_rate(erf(K, label_noise=0.0, spectrum=law(L, beta)))
    if eta is not None:
        same(found, eta, 1.5e-8)
    if rate is not None:
        same(decay, rate)


def test_relaxation():
    rates = theory.relaxation_rates(erf(2, learning_rate=0.5, spectrum=law(4)))
    same(rates.s[:2], [0.008633558863, 0.01532943116])
    same(rates.b[:2], [0.004318460433, 0.004318460433])


def test_norm_divergence():
    same(theory.norm_divergence_rate(erf(2, label_noise=1.0)), 1.334914213)
    same(others_variance(), 0.28187672)


@pytest.mark.parametrize(
    ("K", "M", "noise", "floor"),
    [(1, 2, 0.1, 0.03032369817), (2, 3, 0.0, 0.01699588931), (3, 4, 0.1, 0.01487713979)],
)
def test_too_few_students(K, M, noise, floor):
    problem = erf(K, M, label_noise=noise)
    for seed in range(3):
        start = OrderParameters.orthonormal(problem, 1000, 0.5, seed=seed)
        point = theory.fixed_point(problem, start)
        assert point.stable
        same(point.generalization_error, floor)
        assert theory.noise_floor(problem, start) == point.generalization_error


@pytest.mark.parametrize(("Q", "growth"), [(1.0, 1.347317303e-05), (100.0, 2.438633592e-08)])
def test_growth_of_a_pair(Q, growth):
    found = _Law(erf(4, 2), None).at(Q)
    same(found.growth + found.source / Q, growth)


def test_course_of_a_pair():
    """Given to 1e-4; they are met to 1e-8 where they were computed as here."""
    course = theory.excess_pair(erf(4, 2), 1.0, [1e5, 1e7, 1e9])
    same(course.Q[1:], [50.28458614, 1104.613839], 1e-7)
    same(course.generalization_error[[0, 2]], [0.000344708266, 0.0001996885251], 1e-7)


FOUR = [0.25] * 4, [3.0, 0.7, 0.2, 0.1]


def test_linear_at_finite_dimension():
    same(theory.noise_floor(linear([1.0], [1.0])[0], dimension=20), 0.01551724138)
    same(theory.critical_learning_rate(linear(*FOUR)[0], dimension=24), 1.658489023)
    same(theory.noise_floor(linear(*FOUR)[0], dimension=24), 0.01607598062)
    problem, start = linear(*FOUR, learning_rate=0.9)
    steps = np.array([1.0, 240.0, 1e12])
    found = theory.linear_error(problem, start, steps / 24, dimension=24)
    same(found, [0.4640475312, 0.05041291762, 0.04412955641])
    same(theory.linear_error_variance(problem, start, [1.0, 10.0], dimension=24), [0.003781310772, 0.000587872664])


def test_batches_at_finite_dimension():
    eigenvalues, weights = np.array([1.2, 0.9, 0.65]), np.array([0.5, 0.3, 0.2])
    same(FiniteSize(dimension=20, batch=4).critical(np.ones(1), np.ones(1)), 6.4)
    s = FiniteSize(dimension=40, batch=3).feedback(0.5, eigenvalues, weights)
    same(0.5 * 0.3**2 * s / (1.0 - s), 0.004130253089)


@pytest.mark.parametrize(("N", "rate"), [(20, 1.770858232), (200, 1.979605011)])
def test_the_variance_diverges_before_the_mean(N, rate):
    """Where the largest eigenvalue of a step's map of second moments is 1: it stays bounded below, and grows above."""
    for factor, bounded in ((1.0 - 1e-6, True), (1.0 + 1e-6, False)):
        problem, start = linear([1.0], [1.0], learning_rate=factor * rate, label_noise=0.0)
        early, late = theory.linear_error_variance(problem, start, [1e7 / N, 1e8 / N], dimension=N)
        assert (late < early) == bounded
    assert rate < theory.critical_learning_rate(linear([1.0], [1.0])[0], dimension=N)


def rates_at(eta, Q, R):
    """Rates per unit of alpha at the fixed point near Q and R, K = M = 2, T = I, one sector."""
    flow = FieldFlow(erf(2, learning_rate=eta, label_noise=0.0), np.eye(2))
    found = newton(flow, flow.variables(Q, R))
    return flow.covariance(found.x), eta * np.sort(np.linalg.eigvals(found.jacobian).real)[::-1]


def test_rates_at_the_symmetric_saddle():
    C, rates = rates_at(1.0, np.array([[0.44, 0.31], [0.31, 0.44]]), np.full((2, 2), 0.42))
    same(C[0], [0.4351, 0.3102, 0.4261, 0.4261], 1.2e-4)  # four digits are given
    same(rates[0], 0.0591404, 1e-6)
    assert rates[1] < 0.0


def test_rates_at_the_teachers():
    _, rates = rates_at(1.88, np.eye(2), np.eye(2))
    same(rates, [-0.08307, -0.08307, -0.14425, -0.5467, -0.83826, -0.83826, -1.2189], 5e-5)
