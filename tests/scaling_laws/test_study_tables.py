"""Grids of study files: logarithmic where a last number is given, and whole where they count."""

import numpy as np
import pytest

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.scaling_laws.study_tables import AlongFeatures, AlongSamples, Flow, Sgd, Sharing, whole_grid


def test_times_of_a_flow():
    grid = Flow(times=100.0, points=50).grid
    assert grid[0] == 0.0 and grid[1] == 1e-2 and grid[-1] == 100.0 and grid.size == 51
    assert Flow(times=1e-3).grid[1] == pytest.approx(1e-7, rel=1e-15)  # 10^-4 of the last
    assert Flow(times=[0.0, 1.0, 5.0]).grid.tolist() == [0.0, 1.0, 5.0]


def test_whole_numbers():
    grid = whole_grid(1000, 30)
    assert grid[0] == 0 and grid[1] == 1 and grid[-1] == 1000
    assert (np.diff(grid) > 0).all() and 20 < grid.size <= 31
    assert whole_grid((0, 3, 7), 30).tolist() == [0, 3, 7]
    assert whole_grid(8, 40, first=16).tolist() == [0, 8]
    assert Sgd(steps=100, learning_rate=0.1).grid[-1] == 100
    assert Sharing(neurons=[0, 5]).grid.tolist() == [0, 5]


@pytest.mark.parametrize("table", [AlongSamples(samples=200, features=64), AlongFeatures(features=200, samples=64)])
def test_a_grid_keeps_away_from_the_peak(table):
    """Without a ridge the loss diverges where samples and features are equal; what is listed is left to the model."""
    grid = table.arguments[table.along]
    assert (np.abs(grid - 64) > 1).all() and grid[0] == 0 and grid[1] == 16 and grid[-1] == 200
    assert table.arguments["ridge"] == 0.0


def test_with_a_ridge_the_peak_is_in_the_grid():
    grid = AlongSamples(samples=128, features=16, ridge=0.1).arguments["samples"]
    assert 16 in grid.tolist()
    assert AlongSamples(samples=[15, 16, 17], features=16).arguments["samples"].tolist() == [15, 16, 17]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Flow(times=0.0), "times = 0.0 is outside its range"),
        (lambda: Flow(times=[1.0, 1.0]), "times must increase strictly"),
        (lambda: Flow(points=1), "points = 1 is too small"),
        (lambda: Sgd(steps=0, learning_rate=0.1), "steps = 0 is too small"),
        (lambda: Sgd(steps=10, learning_rate=-0.1), "learning_rate = -0.1 is outside its range"),
        (lambda: AlongSamples(features=0), "features = 0 is too small"),
        (lambda: AlongFeatures(features=[1, 2.5]), "give whole numbers, or the last of them"),
        (lambda: AlongFeatures(label_noise=-1.0), "label_noise = -1.0 is outside its range"),
    ],
)
def test_bad_input(make, told):
    with pytest.raises(InvalidProblem) as raised:
        make()
    assert told in str(raised.value)
