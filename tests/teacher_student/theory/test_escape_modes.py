"""Modes of one root: they solve the equations, and left and right belong to each other."""

from dataclasses import replace

import numpy as np
import pytest

from ode_sgd import OrderParameters
from ode_sgd.teacher_student.theory.branch import saddle
from ode_sgd.teacher_student.theory.escape_modes import clusters, linearisation
from tests.teacher_student.theory.test_saddle import committee


def modes_of(problem, start, branch):
    """The linearisation, its roots, and the modes."""
    linear = linearisation(problem, saddle(problem, start, branch))
    rates = linear.growth_rates()
    return linear, rates, linear.modes(rates)


@pytest.mark.parametrize("branch", ["identical", "split"])
@pytest.mark.parametrize("K", [3, 4])
def test_a_multiple_root_has_a_basis_on_either_side(K, branch):
    """An orthonormal teacher: K - 1 modes at one rate."""
    linear, rates, modes = modes_of(committee(K, 2, learning_rate=0.5), None, branch)
    assert len(modes) == K - 1
    assert [len(alike) for alike in clusters(rates)] == [K - 1]
    s = modes[0].rate
    right, left = np.array([mode.overlaps for mode in modes]).T, np.array([mode.left for mode in modes])
    np.testing.assert_allclose(linear.coupling(s) @ right, right, atol=1e-10)  # the root is good to 1e-12
    np.testing.assert_allclose(left @ linear.coupling(s), left, atol=1e-10 * np.abs(left).max())
    slope = (linear.coupling(1.0001 * s) - linear.coupling(0.9999 * s)) / (2e-4 * s)
    np.testing.assert_allclose(left @ slope @ right, -np.eye(K - 1), atol=1e-6)  # the central difference: 1e-8
    assert np.linalg.matrix_rank(right, tol=0.1) == K - 1


def test_what_oscillates_is_no_mode_that_grows():
    """Eigenvalues 1 +- 0.4 i of W: their real part passes 1, but no real rate solves the equations."""
    problem = replace(committee(2, 3, learning_rate=1.84), teacher_weights=(-0.5205875283939317, 0.1338186563233002))
    start = OrderParameters.random(problem, 180, 0.1, seed=326)
    linear, rates, modes = modes_of(problem, start, "identical")
    assert len(rates) == 1
    np.testing.assert_allclose(linear.coupling(rates[0]) @ modes[0].overlaps, modes[0].overlaps, atol=1e-9)
    values = linear.coupling(rates[0] * 0.94)
    assert np.abs(np.linalg.eigvals(values).imag).max() > 0.1


def test_clusters_are_of_alike_roots():
    assert clusters([2.0, 2.0 - 1e-7, 1.0]) == [[2.0, 2.0 - 1e-7], [1.0]]
    assert clusters([]) == []
