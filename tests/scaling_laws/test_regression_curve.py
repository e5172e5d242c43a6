"""Curves of regressions: along samples or features, what they are of, and what the package does with them."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd.scaling_laws import PowerLawTask, RandomFeatures

MODEL = RandomFeatures(PowerLawTask(1.5, 0.5, 10**16))


@pytest.mark.parametrize(("along", "other"), [("samples", "features"), ("features", "samples")])
def test_a_curve_is_the_loss_at_its_points_with_none_first(along, other):
    points = [16, 40, 90]
    curve = MODEL.curve(**{along: points, other: 64}, ridge=0.1, label_noise=0.2)
    assert curve.time_name == along
    assert curve.alpha.tolist() == [0.0, 16.0, 40.0, 90.0]
    assert curve.loss[0] == MODEL.task.initial_loss
    wanted = MODEL.loss(**{along: points, other: 64}, ridge=0.1, label_noise=0.2)
    # Alone or beside others a root is begun elsewhere, and ends within rounding of itself.
    assert curve.loss[1:] == pytest.approx(wanted, rel=1e-12)
    assert MODEL.curve(**{along: [0, *points], other: 64}, ridge=0.1, label_noise=0.2).alpha.size == 4


def test_a_curve_is_of_all_but_its_points():
    one = MODEL.curve(samples=[16, 40], features=64)
    assert MODEL.curve(samples=[20], features=64).problem.identity == one.problem.identity
    for other in (
        {"features": 65},
        {"features": None},
        {"features": 64, "ridge": 0.1},
        {"features": 64, "label_noise": 1},
    ):
        assert MODEL.curve(samples=[16, 40], **other).problem.identity != one.problem.identity
    assert MODEL.curve(features=[16, 40], samples=64).problem.identity != one.problem.identity


def test_the_package_fits_its_power_law():
    curve = MODEL.curve(samples=np.unique(np.geomspace(16, 1e5, 40).astype(int)))
    assert ode_sgd.fit_power_law(curve, window=(1e3, 1e5)).exponent == pytest.approx(0.75, abs=1e-3)
    assert ode_sgd.local_exponent(curve)[-1] == pytest.approx(-0.75, abs=1e-3)


def test_theory_may_be_off_by_two_over_the_fewer_at_each_point():
    model = RandomFeatures(PowerLawTask(1.5, 0.5, 100))
    assert model.curve(samples=[20, 60], features=30).effective_dimension() == np.inf
    simulation = model.simulate(samples=[20, 60], features=30, replicas=3)
    assert simulation.dimension == 20
    assert model.simulate(samples=[40, 60], features=30, replicas=1).dimension == 30
    # Of 20 samples and 30 features 20 are fewer, of 60 samples 30; nothing is learned at the start.
    assert simulation.relative_bias().tolist() == [0.0, 2.0 / 20.0, 2.0 / 30.0]
    assert simulation.effective_dimension() == simulation.mean().effective_dimension() == 10.0
    assert model.curve(samples=[20, 60], features=30).relative_bias().tolist() == [0.0] * 3
    whole = model.simulate(samples=[20, 60], replicas=1)  # infinitely many features
    assert whole.relative_bias().tolist() == [0.0, 2.0 / 20.0, 2.0 / 60.0]


def test_xarray_names_the_axis():
    data = MODEL.curve(features=[16, 40], samples=64).to_xarray()
    assert data["loss"].dims == ("features",)
    assert data["features"].values.tolist() == [0.0, 16.0, 40.0]
