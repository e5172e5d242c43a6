"""Studies of rules: a small check of each against integrals that use none of the package."""

import runpy
from math import erf
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from ode_sgd import Problem, Rule, Spectrum, integrate

FOLDER = Path(__file__).parents[1] / "simulations"
TAUGHT = np.ones((2, 2)) + 1e-9 * np.eye(2)  # covariance of a student that is its teacher


def study(name):
    return runpy.run_path(str(FOLDER / name / "study.py"))


def slope(x):
    """Of erf(x / sqrt 2)."""
    return 2.0 * norm.pdf(x)


def test_noise_in_proportion_to_the_label():
    """G of students that are their teachers is that of the noise alone, an integral over one field."""
    one = {"spectrum": Spectrum.isotropic(), "student_units": 1, "teacher_units": 1, "learning_rate": 1.0}
    own = Problem(**one, rule=Rule(study("your_own_rule")["relative_noise"], draws=1))
    expected = quad(lambda x: (0.9 * slope(x) * erf(x / np.sqrt(2.0))) ** 2 * norm.pdf(x), -9.0, 9.0)[0]
    spread = own.g.spread(TAUGHT[None])
    assert own.g.averages(TAUGHT)[1][0, 0] == pytest.approx(expected, rel=4.0 * spread)
    assert spread < 1e-2


def test_dropout_lowers_the_floor_of_one_teacher_at_a_large_rate():
    """The study's 2.9e-2 with 70 % kept, and 4.2e-2 with all: at alpha = 100 both are within a tenth of these."""
    names = study("dropout")
    ends = {}
    for kept in (1.0, 0.7):
        one = names["problem"](kept, 1, 1.0)
        run = integrate(one, names["start"](1), [0.0, 100.0], method="DOP853", rtol=1e-4)
        ends[kept] = run.generalization_error[-1]
    assert ends[1.0] == pytest.approx(4.2e-2, rel=0.1) and ends[0.7] == pytest.approx(2.9e-2, rel=0.1)
