"""Curves of students beside explicit networks: what theory may be off by, and that a wrong one is found."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import scaling_laws as sl

STEPS = np.unique(np.geomspace(1, 3000, 20).astype(int))
SETTINGS = {"learning_rate": 0.02, "batch_size": 8}


@pytest.fixture(scope="module")
def narrow():
    """Theory of a finite width, and 100 networks of it."""
    model = sl.FeatureLearning(sl.PowerLawTask(1.5, 1.5, 200), width=64)
    return model.sgd(STEPS, **SETTINGS), model.simulate(STEPS, **SETTINGS, replicas=100, seed=5)


def scaled(curve, factor):
    return curve.with_values(curve.error * factor, curve.observables)


def test_theory_of_a_finite_width_agrees_and_says_what_it_allows_for(narrow):
    agreement = ode_sgd.compare(*narrow)
    assert agreement.outcome == "agree"
    assert "a bias of up to 1/32 of the loss allowed for" in agreement.verdict
    assert agreement.evidence.allowance == pytest.approx(narrow[0].loss[1:] / 32.0, rel=1e-14)


@pytest.mark.parametrize("factor", [1.3, 1.0 / 1.3])
def test_a_theory_that_is_wrong_late_is_found(narrow, factor):
    """Late the loss is a few per cent of what it was before learning, so a part of that would let it pass."""
    curve, networks = narrow
    assert curve.loss[-1] < 0.05 * curve.loss[0]
    wrong = scaled(curve, np.where(curve.time >= 10.0, factor, 1.0))
    assert ode_sgd.compare(wrong, networks).outcome == "disagree"


def test_what_theory_may_be_off_by():
    task = sl.PowerLawTask(1.5, 0.5, 100)
    assert sl.FeatureLearning(task).flow([0.0, 1.0]).relative_bias().tolist() == [0.0, 0.0]
    assert sl.FeatureLearning(task, width=40, samples=20).flow([0.0, 1.0]).relative_bias().tolist() == [0.1, 0.1]
    rich = sl.FeatureLearning(task, gamma=1.0).sgd(STEPS, **SETTINGS)
    # A closure: 0.06 eta a, which grows with the gain.
    assert rich.relative_bias() == pytest.approx(0.06 * 0.02 * rich.scalars["a"], rel=1e-12)
    assert rich.effective_dimension() == pytest.approx(1.0 / (0.06 * 0.02 * rich.scalars["a"].max()), rel=1e-12)
    assert sl.FeatureLearning(task).sgd(STEPS, **SETTINGS).effective_dimension() == np.inf
