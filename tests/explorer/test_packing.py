"""The curves of a run as one message."""

import numpy as np

from ode_sgd.explorer.packing import MOST_POINTS, spaced


def test_points_are_spaced_by_the_logarithm_and_keep_their_ends():
    times = np.geomspace(1e-3, 1e5, 5000)
    found = spaced(times)
    assert MOST_POINTS // 2 < found.size <= MOST_POINTS
    assert (found[0], found[-1]) == (0, times.size - 1)
    steps = np.diff(np.log(times[found]))
    assert steps.max() < 2.0 * np.log(times[-1] / times[0]) / (MOST_POINTS - 1)  # at most one place between


def test_few_points_stay():
    for size in (0, 1, MOST_POINTS):
        assert spaced(np.arange(1.0, size + 1.0)).tolist() == list(range(size))
