"""The Gaussian averages of every activation, against direct integration of the activation itself."""

from itertools import combinations_with_replacement, product

import numpy as np
import pytest

from ode_sgd.teacher_student.kernels import averages
from tests.reference import averages as twin
from tests.reference.activations import ACTIVATIONS
from tests.teacher_student.kernels.cases import covariance

NAMES = ("erf", "linear", "quadratic")
# The quadrature misses by less than 1e-13 at these variances (see NODES); the closed forms round at 1e-16.
QUADRATURE = 1e-12

MATRICES = {
    "generic": covariance(4, 0),
    "wide": covariance(4, 1, scale=1.3),
    "small": covariance(4, 2, scale=1e-3),
    "uncorrelated": np.diag([0.2, 0.7, 1.0, 1.3]),
    "singular": covariance(4, 3, rank=2),
    "student is teacher": np.kron(np.ones((2, 2)), covariance(2, 4)),
}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture(name="C", params=MATRICES.values(), ids=MATRICES)
def covariance_matrix(request):
    return request.param


@pytest.mark.parametrize("average", ["gg", "dgdg", "d2gg"])
def test_two_fields(name, C, average):
    kernel = getattr(averages.load(name), average)
    direct = getattr(twin.direct(name), average)
    for a, b in product(range(4), repeat=2):  # with a = b among them, and both orders
        assert kernel(C, a, b) == pytest.approx(direct(C, a, b), rel=0.0, abs=QUADRATURE), (a, b)


def test_four_fields(name, C):
    kernel, direct = averages.load(name).dgdggg, twin.direct(name).dgdggg
    pairs = list(combinations_with_replacement(range(4), 2))
    for (a, b), (c, e) in product(pairs, repeat=2):  # every coincidence, up to the symmetries tested below
        assert kernel(C, a, b, c, e) == pytest.approx(direct(C, a, b, c, e), rel=0.0, abs=QUADRATURE), (a, b, c, e)


def test_four_fields_are_symmetric_in_slopes_and_in_values(name, C):
    kernel = averages.load(name).dgdggg
    for a, b, c, e in product(range(4), repeat=4):
        expected = kernel(C, a, b, c, e)
        # The order of the products changes the rounding only.
        assert kernel(C, b, a, c, e) == pytest.approx(expected, rel=1e-13, abs=1e-15)
        assert kernel(C, a, b, e, c) == pytest.approx(expected, rel=1e-13, abs=1e-15)


def test_value_and_slope_are_the_activation(name):
    kernels, g = averages.load(name), ACTIVATIONS[name]
    for x in (-40.0, -1.3, 0.0, 1e-9, 0.4, 2.0, 40.0):
        assert kernels.value(x) == pytest.approx(g.g(np.array(x)), rel=1e-14)
        assert kernels.slope(x) == pytest.approx(g.slope(np.array(x)), rel=1e-14)
        # Central difference: error of order h^2 plus rounding / h.
        assert (kernels.value(x + 1e-5) - kernels.value(x - 1e-5)) / 2e-5 == pytest.approx(
            kernels.slope(x), rel=1e-8, abs=1e-9
        )


@pytest.mark.parametrize("closed", ["gg", "dgdg", "d2gg", "dgdggg"])
def test_closed_forms_of_the_twin(name, C, closed):
    """The plain twin of the whole ODE rests on these."""
    formula, direct = getattr(twin.CLOSED[name], closed), getattr(twin.direct(name), closed)
    for fields in [(0, 1), (2, 2), (3, 0)] if closed != "dgdggg" else [(0, 1, 2, 3), (0, 0, 1, 1), (1, 2, 1, 3)]:
        assert formula(C, *fields) == pytest.approx(direct(C, *fields), rel=0.0, abs=QUADRATURE)


def test_error_vanishes_where_the_student_is_the_teacher(name):
    """E[(g(x) - g(y))^2] = 0 for x = y, also at variances where the arcsine's argument nears one."""
    kernels = averages.load(name)
    for variance in (1e-8, 1.0, 1e3, 1e8):
        C = np.full((2, 2), variance)
        total = kernels.gg(C, 0, 0) - 2.0 * kernels.gg(C, 0, 1) + kernels.gg(C, 1, 1)
        assert total == 0.0
        assert np.isfinite(kernels.dgdggg(C, 0, 0, 0, 1))


def test_available_lists_the_files():
    assert set(NAMES) <= set(averages.available())
    assert list(averages.available()) == sorted(averages.available())
