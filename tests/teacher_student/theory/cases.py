"""Linear problems shared by the tests of the theory."""

import numpy as np

from ode_sgd import OrderParameters, Problem, Spectrum

CASES = {
    "noise": {"label_noise": 0.4},
    "no noise": {},
    "two learn": {"trainable": 2, "label_noise": 0.2},
    "repeated and zero eigenvalues": {
        "spectrum": Spectrum([0.5, 1.0, 1.0, 0.0, 1.0, 0.5, 2.0, 0.25], np.full(8, 0.125)),
        "trainable": 7,
        "label_noise": 0.1,
    },
    "gradient flow": {"gradient_flow": True, "label_noise": 0.4},
    "almost critical": {"learning_rate": 1.7},  # of 1.709
    "beyond critical": {"learning_rate": 2.0, "label_noise": 0.2},
}


def linear(**changes):
    """K = 2, M = 3, unequal second layers."""
    values = {
        "spectrum": Spectrum.power_law(6, 0.8),
        "student_units": 2,
        "teacher_units": 3,
        "learning_rate": 0.3,
        "activation": "linear",
        "student_weights": [0.9, -0.6],
        "teacher_weights": [0.7, 1.2, -0.3],
    }
    return Problem(**{**values, **changes})


def rough(one, seed=1):
    """Overlaps of random weights at a small dimension: far from typical."""
    return OrderParameters.random(one, 8 * one.spectrum.distinct, 0.6, 1.1, seed=seed)


def alike(**changes):
    """K = M = 1, and a student at zero: e_k is the teacher's, the same in all sectors."""
    one = linear(student_units=1, teacher_units=1, student_weights=None, teacher_weights=None, **changes)
    return one, OrderParameters.typical(one, 0.0)
