"""The averages of sign-SGD against exact cases, plain quadrature and a sample."""

import numpy as np
import pytest
from scipy.special import erf

from ode_sgd.teacher_student.integration.adaptive_drift import normal_nodes
from ode_sgd.teacher_student.kernels.coefficients.sign_of_error import sign_coefficients
from ode_sgd.teacher_student.model.activation import Activation

C4 = np.array([[1.2, 0.3, 0.5, 0.1], [0.3, 0.9, -0.2, 0.4], [0.5, -0.2, 1.0, 0.25], [0.1, 0.4, 0.25, 1.1]])
C2 = np.array([[0.9, 0.4], [0.4, 1.1]])


def averages(activation, C, a, variance, K, power=11):
    A, G = np.empty((K, len(C))), np.empty((K, K))
    sign_coefficients(Activation(activation))(C, np.array(a), variance, normal_nodes(len(C) + 1, power), A, G)
    return A, G


@pytest.mark.parametrize("variance", [0.0, 0.04])
def test_of_straight_lines(variance):
    a = np.array([1.0, -0.5, -1.0, -0.3])
    A, G = averages("linear", C4, a, variance, 2)
    expected = np.sqrt(2.0 / np.pi) * a / np.sqrt(a @ C4 @ a + variance)
    np.testing.assert_allclose(A, np.outer([1.0, -1.0], expected), rtol=1e-14)
    np.testing.assert_array_equal(G, [[1.0, -1.0], [-1.0, 1.0]])


def test_one_student_that_differs_from_its_teacher_without_noise():
    """sign(g(x) - g(y)) is sign(x - y), whatever g is: to what is left of fixed nodes, 2e-3 at 2^11."""
    A, _ = averages("erf", C2, [1.0, -1.0], 0.0, 1)
    expected = np.sqrt(2.0 / np.pi) / np.sqrt(C2[0, 0] - 2.0 * C2[0, 1] + C2[1, 1])
    np.testing.assert_allclose(A[0], [expected, -expected], rtol=2e-3)


def test_one_student_with_noise():
    """E[erf(Delta / (sigma sqrt 2)) z] C^-1 by the trapezoid rule, which converges geometrically for it."""
    x = np.linspace(-7.0, 7.0, 401)
    first, second = np.meshgrid(x, x, indexing="ij")
    lower = np.linalg.cholesky(C2)
    z = np.einsum("ab,bij->aij", lower, np.array([first, second]))
    weight = np.exp(-0.5 * (first**2 + second**2)) * (x[1] - x[0]) ** 2 / (2.0 * np.pi)
    delta = 1.3 * erf(z[0] / np.sqrt(2.0)) - 0.8 * erf(z[1] / np.sqrt(2.0))
    moment = np.sum(erf(delta / (0.3 * np.sqrt(2.0))) * z * weight, axis=(1, 2))
    A, _ = averages("erf", C2, [1.3, -0.8], 0.09, 1)
    np.testing.assert_allclose(A[0], np.linalg.solve(C2, moment), rtol=2e-3)  # of the nodes


@pytest.mark.parametrize("variance", [0.0, 0.04])
def test_two_students_against_a_sample(variance):
    """E[sign(Delta) z] C^-1 over 2e6 drawn fields."""
    generator, a, count = np.random.default_rng(5), np.array([1.0, 0.7, -1.0, -0.9]), 2_000_000
    z = generator.standard_normal((count, 4)) @ np.linalg.cholesky(C4).T
    delta = erf(z / np.sqrt(2.0)) @ a - np.sqrt(variance) * generator.standard_normal(count)
    values = np.sign(delta)[:, None] * np.linalg.solve(C4, z.T).T
    A, _ = averages("erf", C4, a, variance, 2)
    error = np.hypot(values.std(axis=0) / np.sqrt(count), 1e-3 * np.abs(A[0]).max())  # 1e-3: of the nodes
    np.testing.assert_array_less(np.abs(A[0] - values.mean(axis=0)) / error, 4.0)
    np.testing.assert_allclose(A[1], A[0], rtol=1e-15)


def test_near_the_teacher_nodes_are_as_good():
    """Differences of 0.06 from the teacher: the spread over scrambles stays a thousandth."""
    C = np.kron(np.ones((2, 2)), np.array([[1.0, 0.2], [0.2, 1.0]])) + 0.0
    C[:2, :2] += 0.004 * np.eye(2)
    found = []
    for scramble in range(4):
        A, G = np.empty((2, 4)), np.empty((2, 2))
        nodes = normal_nodes(5, scramble=scramble)
        sign_coefficients(Activation("erf"))(C, np.array([1.0, 1.0, -1.0, -1.0]), 0.0, nodes, A, G)
        found.append(A)
    assert np.std(found, axis=0).max() < 3e-3 * np.abs(found[0]).max()
