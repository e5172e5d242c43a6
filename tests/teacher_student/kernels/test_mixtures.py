"""Coefficients of sums of error functions, against averages one by one, the twin of erf, and quadrature."""

import numpy as np
import pytest

from ode_sgd.teacher_student.kernels import averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.coefficients.mixtures import Mixture, Terms
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.activation_pair import ActivationPair, paired
from tests.reference import mixture as twin
from tests.teacher_student.kernels.cases import covariance
from tests.teacher_student.kernels.stepping import derivative

TANH, ARCTAN, ERF, LINEAR = (Activation(name) for name in ("tanh", "arctan", "erf", "linear"))
C = np.array([[1.2, 0.3, 0.5, 0.1], [0.3, 0.9, -0.2, 0.4], [0.5, -0.2, 1.0, 0.25], [0.1, 0.4, 0.25, 1.1]])
COMMITTEE = np.array([1.0, 1.0, -1.0, -1.0])
FEW = Terms((0.4, 0.7), (0.8, 1.5)), Terms((1.1, 0.3, 0.2), (0.6, 1.2, 2.2))  # of students and teachers


class Given(ActivationPair):
    """Terms as they are."""

    mixture = Mixture(*FEW, FEW, student_units=2)


def evaluate(activation, covariance, a, K, noise_variance):
    A, G = np.empty((K, len(a))), np.empty((K, K))
    kernels = coefficient_kernels(activation)
    kernels.coefficients(covariance, a, noise_variance, A, G)
    return A, G, kernels.generalization_error(covariance, a)


@pytest.mark.parametrize("case", [covariance(4, 5, 1.3), covariance(4, 6, 2.0, rank=2)], ids=["generic", "singular"])
def test_against_the_twin_of_erf(case):
    a = np.array([0.7, -0.4, -1.1, 0.5])
    activation = Given(student=TANH, teacher=ERF)
    expected = *twin.coefficients(FEW, case, a, 2, 0.3), twin.error(FEW, case, a, 2)
    for ours, theirs in zip(evaluate(activation, case, a, 2, 0.3), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)  # sums of a hundred terms of order one


def test_published_numbers():
    """tanh, K = M = 2, v = u = 1, sigma = 0.2, computed elsewhere from eight and from six terms, to their digits."""
    A, _, error = evaluate(TANH, C, COMMITTEE, 2, 0.04)
    expected = [
        [0.2086602867, 0.363294478, -0.3615569303, -0.3372945592],
        [0.363294478, 0.1788578443, -0.3813922654, -0.3787710644],
    ]
    np.testing.assert_allclose(A, expected, rtol=0.0, atol=1e-10)
    assert error == pytest.approx(0.7195479565803339, abs=1e-14)
    _, G, error = evaluate(TANH.within(1e-7), C, COMMITTEE, 2, 0.04)
    assert error == pytest.approx(0.7195479614212, abs=1e-12)
    assert G[0, 0] == pytest.approx(0.605606395881, abs=1e-12)


def trapezoid(factors, matrix, step, reach=9.0):
    """E of a product of functions of four fields, by the trapezoidal rule in independent normal directions."""
    x = np.arange(-reach, reach + 0.5 * step, step)
    weights = np.exp(-0.5 * x * x) * step / np.sqrt(2.0 * np.pi)
    root, fields = np.linalg.cholesky(matrix), np.meshgrid(*[x] * len(matrix), indexing="ij", sparse=True)
    product = np.ones(())
    for row, functions in zip(root, factors, strict=True):
        z = sum(entry * axis for entry, axis in zip(row, fields, strict=True) if entry)
        for function in functions:
            product = product * function(z)
    for _ in matrix:
        product = np.tensordot(product, weights, axes=(-1, 0))
    return float(product)


EXACT = {
    "tanh": (np.tanh, lambda x: 1.0 / np.cosh(x) ** 2, lambda x: -2.0 * np.tanh(x) / np.cosh(x) ** 2),
    "arctan": (np.arctan, lambda x: 1.0 / (1.0 + x * x), lambda x: -2.0 * x / (1.0 + x * x) ** 2),
}


@pytest.mark.parametrize("name", EXACT)
def test_averages_of_the_function_itself(name):
    """Two fields at a step that leaves 1e-13; four at a coarser one, which leaves less than 1e-6."""
    g, slope, curvature = EXACT[name]
    module, accuracy = averages.load(name), Activation(name).terms_accuracy
    pair = C[:2, :2]
    assert module.gg(C, 0, 1) == pytest.approx(trapezoid([[g], [g]], pair, 0.05), rel=accuracy)
    assert module.dgdg(C, 0, 1) == pytest.approx(trapezoid([[slope], [slope]], pair, 0.05), rel=accuracy)
    assert module.d2gg(C, 0, 1) == pytest.approx(trapezoid([[curvature], [g]], pair, 0.05), rel=3.0 * accuracy)
    assert module.dgdggg(C, 0, 1, 0, 1) == pytest.approx(
        trapezoid([[slope, g], [slope, g]], pair, 0.05), rel=3.0 * accuracy
    )
    assert module.dgdggg(C, 0, 1, 2, 3) == pytest.approx(
        trapezoid([[slope], [slope], [g], [g]], C, 0.4, reach=6.0), abs=3e-6
    )


@pytest.mark.parametrize("activation", [TANH, ARCTAN], ids=str)
def test_fewer_terms_are_as_good_as_they_state(activation):
    """What `accuracy` says, of A, G and eps_g at the variances of C, against the finest terms."""
    finest = evaluate(activation, C, COMMITTEE, 2, 0.04)
    for level in activation.levels[:-1]:
        coarse = evaluate(
            ActivationPair(student=activation, teacher=activation, rtol=level.rtol), C, COMMITTEE, 2, 0.04
        )
        errors = [np.abs(one - other).max() for one, other in zip(coarse, finest, strict=True)]
        assert 0.01 * level.accuracy < max(errors) < level.accuracy


def linearised(activation, case, a, K, noise_variance):
    d = len(a)
    A, G = np.full((K, d), np.nan), np.full((K, K), np.nan)
    JA, JG = np.full((K * d, row_count(d, 0)), np.nan), np.full((K * (K + 1) // 2, row_count(d, 0)), np.nan)
    linearised_coefficients(activation)(case, a, noise_variance, overlap_index(K, d - K), A, G, JA, JG)
    return A, G, np.concatenate([JA, JG])


def test_derivatives_against_differences():
    """Every entry of C, of A and G with terms of their own for students and teachers."""
    a, case, activation = np.array([0.7, -0.4, -1.1, 0.5]), covariance(4, 5, 1.3), Given(student=TANH, teacher=ERF)
    A, G, J = linearised(activation, case, a, 2, 0.3)
    np.testing.assert_array_equal(A, evaluate(activation, case, a, 2, 0.3)[0])
    np.testing.assert_array_equal(G, evaluate(activation, case, a, 2, 0.3)[1])
    index = overlap_index(2, 2)
    for b in range(4):
        for c in range(b, 4):
            unit = np.zeros_like(case)
            unit[b, c] = unit[c, b] = 1.0

            def moved(e, unit=unit):
                A, G, _ = evaluate(activation, case + e * unit, a, 2, 0.3)
                return np.concatenate([A.ravel(), G[np.triu_indices(2)]])

            # Truncation (2e-3)^6 times a seventh derivative of up to 1e4; rounding 1e-15 / 2e-3 is 1e-12.
            np.testing.assert_allclose(J[:, index[b, c]], derivative(moved, 0.0, 2e-3), rtol=1e-9, atol=1e-10)


def test_steps_take_derivatives_of_few_terms_and_values_of_many():
    few, many = TANH.within(1e-6), TANH.within(1e-9)
    assert len(many.mixture.students.scales) == 8 and many.mixture.coarse == few.mixture.coarse
    _, G, J = linearised(many, C, COMMITTEE, 2, 0.04)
    np.testing.assert_array_equal(G, evaluate(TANH, C, COMMITTEE, 2, 0.04)[1])
    np.testing.assert_array_equal(J, linearised(few, C, COMMITTEE, 2, 0.04)[2])
    assert np.abs(J - linearised(TANH, C, COMMITTEE, 2, 0.04)[2]).max() < 1e-6


@pytest.mark.parametrize("one", [ERF, LINEAR], ids=str)
def test_one_term_is_the_closed_form(one):
    """As a sum of one term, of which student and teacher are told apart, both are what their own files give."""
    alone = ActivationPair(student=one, teacher=one, student_units=2)
    for ours, theirs in zip(evaluate(alone, C, COMMITTEE, 2, 0.3), evaluate(one, C, COMMITTEE, 2, 0.3), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-14)
    for ours, theirs in zip(
        linearised(alone, C, COMMITTEE, 2, 0.3), linearised(one, C, COMMITTEE, 2, 0.3), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def test_a_linear_student_of_a_tanh_teacher():
    """A = v a E[g'], and eps_g by quadrature: units of the teacher's are told from the student's."""
    pair = paired(LINEAR, TANH, 1)
    case, a = C[:2, :2], np.array([1.0, -1.0])
    A, G, error = evaluate(pair, case, a, 1, 0.0)
    mean_slope = trapezoid([[], [EXACT["tanh"][1]]], case, 0.05)
    np.testing.assert_allclose(A, [[1.0, -mean_slope]], rtol=1e-9)
    exact = 0.5 * (case[0, 0] - 2.0 * case[0, 1] * mean_slope + trapezoid([[], [np.tanh, np.tanh]], case, 0.05))
    assert error == pytest.approx(exact, rel=1e-9)
    assert G[0, 0] == pytest.approx(2.0 * error, rel=1e-9)  # E[delta^2], since g' is one
