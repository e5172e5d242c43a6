"""Figures of sweeps: what is drawn where."""

import numpy as np
from matplotlib.figure import Figure

from ode_sgd.analysis.plots.sweeps import averaged, logarithmic, plot_curve, plot_map


def test_scales_follow_the_values():
    assert logarithmic(np.geomspace(0.01, 1.0, 5))
    assert not logarithmic(np.linspace(0.1, 1.0, 5))
    assert not logarithmic(np.array([0.0, 0.1, 1.0]))


def test_means_and_errors_over_equal_keys():
    keys = np.array([[1.0], [1.0], [2.0], [2.0], [3.0]])
    distinct, mean, error, count = averaged(keys, np.array([1.0, 3.0, 5.0, np.nan, np.nan]))
    assert distinct[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert count.tolist() == [2, 1, 0]
    assert mean[:2].tolist() == [2.0, 5.0] and np.isnan(mean[2])
    assert error[0] == 1.0 and not np.isfinite(error[1])  # sqrt(2) / sqrt(2)


def test_a_map_puts_every_mean_into_its_cell():
    x = np.repeat([1.0, 10.0, 100.0], 4)
    y = np.tile([0.0, 0.0, 1.0, 1.0], 3)
    z = 10.0 * np.log10(x) + y + np.tile([-0.5, 0.5], 6)
    axes = plot_map(Figure().subplots(), ("learning_rate", "beta"), x, y, "final_error", np.where(x == 10.0, np.nan, z))
    (mesh,) = axes.collections
    cells = np.ma.filled(mesh.get_array(), np.nan).reshape(2, 3)
    np.testing.assert_allclose(cells, [[0.0, np.nan, 20.0], [1.0, np.nan, 21.0]])
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    assert r"\eta" in axes.get_xlabel() and r"\beta" in axes.get_ylabel()


def test_a_curve_shows_means_with_bars():
    x, z = np.repeat([1.0, 2.0, 3.0], 2), np.array([1.0, 3.0, 2.0, 4.0, 5.0, np.nan])
    axes = plot_curve(Figure().subplots(), "beta", x, "plateau_length", z)
    line = axes.containers[0].lines[0]
    np.testing.assert_array_equal(line.get_ydata(), [2.0, 3.0, 5.0])
    assert "2 runs" in axes.get_title()
