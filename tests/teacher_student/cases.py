"""Problems and starts shared by the solver tests."""

import numpy as np

from ode_sgd import OrderParameters, Problem, Spectrum

SPECTRUM = Spectrum([2.0, 0.9, 0.3], [0.3, 0.3, 0.4])


def problem(**changes):
    """K = 2 students, M = 3 teachers, three sectors, correlated weights, noise: nothing is special."""
    values = {
        "spectrum": SPECTRUM,
        "student_units": 2,
        "teacher_units": 3,
        "learning_rate": 0.4,
        "student_weights": [1.0, -0.7],
        "teacher_weights": [0.8, 0.5, -1.1],
        "label_noise": 0.2,
    }
    return Problem(**{**values, **changes})


def start(one, seed=0, dimension=20, student_scale=0.6):
    """Overlaps of random weights at a small dimension: far from typical."""
    return OrderParameters.random(one, dimension, student_scale, 1.1, seed=seed)


def assert_same_run(first, second, **tolerance):
    """The same times, error, and moments of both trajectories."""
    np.testing.assert_array_equal(first.alpha, second.alpha)
    assert sorted(first.moments) == sorted(second.moments)
    for order in first.moments:
        for left, right in zip(first.moment(order), second.moment(order), strict=True):
            np.testing.assert_allclose(left, right, **tolerance)
    np.testing.assert_allclose(first.generalization_error, second.generalization_error, **tolerance)
