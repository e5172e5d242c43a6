"""Trained regressions: the same bits on any number of threads, and theory."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem
from ode_sgd.scaling_laws import PowerLawTask, RandomFeatures

TASK = PowerLawTask(1.5, 0.5, 300)
MODEL = RandomFeatures(TASK)


def test_the_same_bits_on_any_number_of_threads():
    given = {"samples": [20, 50], "features": 30, "label_noise": 0.2, "replicas": 5, "seed": 9}
    one, three = MODEL.simulate(**given, threads=1), MODEL.simulate(**given, threads=3)
    assert (one.loss == three.loss).all()
    assert (one.loss[:3] == MODEL.simulate(**given | {"replicas": 3}).loss).all()


def test_points_of_a_curve_do_not_depend_on_each_other():
    few = MODEL.simulate(samples=[20], features=30, label_noise=0.2, replicas=2, seed=9).loss[:, 1]
    many = MODEL.simulate(samples=[10, 20, 50], features=30, label_noise=0.2, replicas=2, seed=9).loss[:, 2]
    assert (few == many).all()
    few = MODEL.simulate(samples=30, features=[20], replicas=2, seed=9).loss[:, 1]
    assert (few == MODEL.simulate(samples=30, features=[20, 60], replicas=2, seed=9).loss[:, 1]).all()


def test_infinitely_many_samples_are_the_population():
    """A fit to 1e5 samples is off by P / D of the rest of the loss: 2e-4."""
    tiny = RandomFeatures(PowerLawTask(1.5, 0.5, 40))
    population = tiny.simulate(features=[20], replicas=1, seed=3).loss[0, 1]
    assert tiny.simulate(samples=10**5, features=[20], replicas=1, seed=3).loss[0, 1] == pytest.approx(
        population, rel=5e-4
    )


def test_more_features_than_modes_learn_all():
    """Without noise all 40 modes are found from 60 samples, whatever the features; with a tiny ridge, too."""
    tiny = RandomFeatures(PowerLawTask(1.5, 0.5, 40))
    for given in ({"samples": [60], "features": 50}, {"samples": [60]}, {"samples": 60, "features": [50, 70]}):
        assert (tiny.simulate(**given, replicas=2).loss[:, 1:] < 1e-20).all()
    assert (tiny.simulate(samples=[60], features=50, ridge=1e-9, replicas=2).loss[:, 1:] < 1e-12).all()
    # The shortest of all fits, and so the same function, whether R stands for Phi or not.
    bare = tiny.simulate(samples=60, features=[45, 50], label_noise=0.3, replicas=2).loss[:, 1:]
    held = tiny.simulate(samples=60, features=[45, 50], label_noise=0.3, ridge=1e-11, replicas=2).loss[:, 1:]
    assert bare == pytest.approx(held, rel=1e-6)


CASES = {
    "few samples": ({"samples": [16, 40, 64], "features": 160}, 0.0),
    "few features": ({"samples": 160, "features": [16, 40, 64]}, 0.0),
    "kernel": ({"samples": [40, 80]}, 0.0),
    "population": ({"features": [40, 80]}, 0.0),
    "ridge at the peak": ({"samples": [64, 128], "features": 64, "ridge": 0.3}, 0.0),
    "noise": ({"samples": [40, 100], "features": 64, "ridge": 0.05}, 0.3),
}


@pytest.mark.parametrize("beta", [0.5, 1.5])
@pytest.mark.parametrize("case", CASES)
def test_theory_is_the_mean_of_simulations(case, beta):
    """Within four standard errors and the bias 2 / min(D, P) of a formula for infinitely many."""
    given, label_noise = CASES[case]
    model = RandomFeatures(PowerLawTask(1.5, beta, 600))
    curve = model.curve(**given, label_noise=label_noise)
    simulation = model.simulate(**given, label_noise=label_noise, replicas=64, seed=16)
    counts = [np.broadcast_to(given.get(name, 10**9), curve.alpha[1:].shape) for name in ("samples", "features")]
    allowed = 4.0 * simulation.standard_error().loss[1:] + 2.0 / np.minimum(*counts) * curve.loss[1:]
    assert (np.abs(simulation.mean().loss - curve.loss)[1:] < allowed).all()


def test_package_compares_theory_and_simulation():
    given = {"samples": [24, 48, 96], "features": 200, "label_noise": 0.1}
    curve, simulation = MODEL.curve(**given), MODEL.simulate(**given, replicas=16, seed=2)
    agreement = ode_sgd.compare(curve, simulation)
    assert agreement.outcome == "agree"
    # The bias that is allowed for is largest at 24 samples: their loss over 12.
    assert agreement.bias_allowance["loss"] == pytest.approx(curve.loss[1] / 12, rel=1e-12)
    assert "at N = 24, a bias of up to 1/12 of the loss allowed for" in agreement.verdict
    noisy = MODEL.simulate(**given | {"label_noise": 0.8}, replicas=16, seed=2)
    assert not ode_sgd.compare(curve, replace(noisy, problem=curve.problem)).agrees
    other = MODEL.curve(**given | {"features": 100})
    with pytest.raises(ode_sgd.ComparisonError, match="different problems"):
        ode_sgd.compare(other, simulation)


def test_a_theory_that_is_a_tenth_too_low_is_found():
    """With 400 draws the standard error is about 1 % of the loss, and 2 % are allowed for at 96 samples."""
    given = {"samples": [24, 48, 96], "features": 400}
    curve, simulation = MODEL.curve(**given), MODEL.simulate(**given, replicas=400, seed=3)
    assert (simulation.standard_error().loss[1:] < 0.02 * curve.loss[1:]).all()
    assert ode_sgd.compare(curve, simulation).outcome == "agree"
    wrong = curve.with_values(curve.error * [1.0, 0.9, 0.9, 0.9], {})
    assert ode_sgd.compare(wrong, simulation).outcome == "disagree"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"samples": 40, "features": 60}, r"samples = 40 and features = 60; give one of them as an increasing array"),
        ({"samples": [40, 40], "features": 60}, r"samples must increase strictly"),
        ({"samples": [40.5], "features": 60}, r"samples holds 40\.5; give whole numbers >= 0"),
        ({"samples": [40], "features": 0}, r"features = 0 is too small"),
        ({"samples": [40], "features": 60, "replicas": 0}, r"replicas = 0 is too small"),
        ({"samples": [0], "features": 60}, r"samples holds 0 alone"),
        ({"samples": [10**9], "features": 60}, r"GiB of the .* that may be used; give a task with fewer modes"),
        ({"samples": [40], "features": 60, "ridge": -1.0}, r"ridge = -1\.0 is outside its range"),
    ],
)
def test_bad_input_is_named(given, message):
    with pytest.raises(InvalidProblem, match=message):
        MODEL.simulate(**given)


def test_a_task_with_too_many_modes_is_refused():
    with pytest.raises(InvalidProblem, match=r"1e\+08 modes .*give one with modes <= 1e\+06|GiB"):
        RandomFeatures(PowerLawTask()).simulate(samples=[2], features=2)
