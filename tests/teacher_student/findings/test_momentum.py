"""What is found on runs of a heavy ball, whose saddle is that of plain SGD, and left more slowly."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd.teacher_student.study_measures import MEASURES, THEORY, Observed

PLAIN = ode_sgd.Problem(
    spectrum=ode_sgd.Spectrum.power_law(3, 1.0), student_units=2, teacher_units=2, learning_rate=0.3
)


@pytest.fixture(scope="module")
def run():
    ball = replace(PLAIN, optimizer=ode_sgd.optimizers.HeavyBall(0.05))
    start = ode_sgd.OrderParameters.random(ball, 3000, student_scale=0.01, seed=1)
    return ode_sgd.integrate(ball, start, np.linspace(0.0, 600.0, 601))


def test_theory_stands_beside_what_is_measured(run):
    found, ball = ode_sgd.findings(run), run.problem
    half = found.half_height.half_height
    assert found.half_height.outcome == "found" and half.branch == found.branch == "identical"
    assert found.theory_height == half.height == ode_sgd.theory.plateau_height(PLAIN, run, "identical")
    assert found.theory_escape.rate == ode_sgd.theory.escape_rate(ball, run, "identical")
    assert found.theory_escape.rate < 0.8 * ode_sgd.theory.escape_rate(PLAIN, run, "identical")
    assert found.escape.rate == pytest.approx(found.theory_escape.rate, rel=0.05)
    text = ode_sgd.describe(found)
    assert "not known" not in text and "no theory" not in text


def test_sweeps_collect_it(run):
    observed = Observed(run)

    class Shared:
        def shared(self, name, make):
            return observed

    outcomes = {measure.name: measure.measure(Shared())[0] for measure in (*MEASURES, THEORY)}
    assert {outcomes[name] for name in ("half_height", "saddle", "escape", "theory_escape")} == {"found"}
