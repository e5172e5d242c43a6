"""The level on which a curve ends."""

import numpy as np
import pytest

from ode_sgd.analysis.floor import end_level, floor_of
from tests.analysis.curves import trajectory

ALPHA = np.linspace(0.0, 300.0, 601)


def moving(share):
    """Falls to 1 at alpha = 150, and by `share` from 200 to 300."""
    return np.interp(ALPHA, [0.0, 150.0, 200.0, 300.0], [5.0, 1.0, 1.0, 1.0 - share])


def test_one_per_cent_over_the_last_third():
    assert end_level(ALPHA, moving(0.0098), 0.0, False) == pytest.approx(1.0 - 0.0098, rel=1e-12)
    assert end_level(ALPHA, moving(0.0102), 0.0, False) == 0.0
    assert end_level(ALPHA, moving(-0.0102), 0.0, False) == 0.0


@pytest.mark.parametrize(("rate", "known"), [(0.005, False), (0.05, True), (0.5, True)])
def test_an_exponential_approach_ends_on_its_limit(rate, known):
    """At rate 0.05 the last third begins 0.5 % above the limit; the curve that came later is 5 % above it there."""
    for late in (0.0, 46.0):
        level = end_level(ALPHA, 1.0 + 100.0 * np.exp(-rate * (ALPHA - late)), 0.0, False)
        assert level == (pytest.approx(1.0, rel=1e-3) if known else 0.0)
    below = 1.0 + 5.0 * np.exp(-0.03 * ALPHA) - 3.0 * np.exp(-0.025 * ALPHA)  # comes back from slightly below
    assert end_level(ALPHA, below, 0.0, False) == pytest.approx(1.0, rel=5e-3)


@pytest.mark.parametrize("exponent", [0.03, 0.1, 0.3, 1.0, 2.0])
def test_a_power_law_ends_on_none(exponent):
    assert end_level(ALPHA, (1.0 + ALPHA) ** -exponent, 0.0, False) == 0.0


def test_a_dip_on_the_way_counts():
    assert end_level(ALPHA, 1.0 - 0.02 * np.exp(-(((ALPHA - 250.0) / 10.0) ** 2)), 0.0, False) == 0.0


def test_what_lies_between_output_times_counts():
    few = np.array([0.0, 150.0, 250.0, 300.0])  # the last third begins at 200, half-way down
    assert end_level(few, np.array([2.0, 1.4, 1.0, 1.0]), 0.0, False) == 0.0
    assert end_level(few[:1], np.ones(1), 0.0, False) == 0.0


def test_a_curve_that_comes_down_to_its_resolution_has_none():
    assert end_level(ALPHA, np.full(ALPHA.size, 1e-16), 2e-16, False) == 0.0


def test_fluctuations_are_no_drift_and_a_drift_is_one():
    generator = np.random.default_rng(0)
    rest, drift = 0, 0
    for _ in range(200):
        noise = 1.0 + 0.03 * generator.standard_normal(ALPHA.size)
        level = end_level(ALPHA, moving(0.0) * noise, 0.0, True)
        rest += level > 0.0
        drift += end_level(ALPHA, moving(0.1) * noise, 0.0, True) > 0.0
        # 201 values of 3 %: their mean is good to 0.2 %, within 4.5 of that for 200 curves together.
        assert level == 0.0 or level == pytest.approx(1.0, abs=0.01)
    # Three standard errors of a slope through ten means (Student's t, 8 degrees): 1.7 % by chance, 3.4 of 200.
    assert rest >= 190
    assert drift == 0


def test_of_a_trajectory_it_is_that_of_the_mean_over_replicas():
    rows = moving(0.0) * np.array([[0.9], [1.1]])
    assert floor_of(trajectory(ALPHA, rows)) == pytest.approx(1.0, rel=1e-9)
    assert floor_of(trajectory(ALPHA, moving(0.0))) == 1.0
