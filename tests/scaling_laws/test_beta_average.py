"""Means over a share: against the hypergeometric function where SciPy has it, and in limits."""

import numpy as np
import pytest
from scipy.special import hyp2f1

from ode_sgd.scaling_laws.beta_average import mean_inverse

HALVES = np.array([1e-2, 1.0, 300.0])


@pytest.mark.parametrize("concentration", [1.01, 1.5, 3.0, 40.0])
@pytest.mark.parametrize("subtasks", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("total", [1.0, 50.0, 1e5])
def test_is_the_hypergeometric_function(concentration, subtasks, total):
    """SciPy's is good to 1e-9 with these arguments."""
    every = total + HALVES
    wanted = hyp2f1(1.0, concentration * (subtasks - 1.0), concentration * subtasks, total / every) / every
    assert mean_inverse(concentration, subtasks, np.array([[total]]), HALVES)[0] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("concentration", [1.5, 3.0, 1e3, 1e8])
@pytest.mark.parametrize("subtasks", [2.0, 100.0, 1e4, 1e6])
def test_limits(concentration, subtasks):
    """Few neurons: 1 / n0 less N / S over n0^2. Very many: (c S - 1) / ((c - 1) N), with corrections in n0 S / N."""
    few, many = np.array([[1e-6]]), np.array([[1e22]])
    assert mean_inverse(concentration, subtasks, few, np.ones(1))[0, 0] == pytest.approx(
        1.0 - 1e-6 / subtasks, abs=1e-11
    )
    wanted = (concentration * subtasks - 1.0) / ((concentration - 1.0) * 1e22)
    found = mean_inverse(concentration, subtasks, many, np.ones(1))[0, 0]
    assert found == pytest.approx(wanted, rel=1e-7)  # of c = 1.5, sqrt(n0 S / N) = 1e-8


def test_alike_shares_are_all_equal():
    """The relative variance of a share is about 1 / c."""
    assert mean_inverse(1e8, 50.0, np.array([[200.0]]), np.ones(1))[0, 0] == pytest.approx(0.2, rel=1e-7)
