"""Figures hold what they should and carry the problem's identity."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd.analysis import plots


def test_theory_is_a_line_and_simulation_points_with_errors(pair):
    ode, sgd = pair
    figure = plots.run_figure(ode, sgd)
    left, right = figure.axes
    assert left.get_xscale() == left.get_yscale() == "log"
    assert len(left.containers) == 1 and left.containers[0].has_yerr
    assert len(right.containers) == 7  # Q_11 Q_12 Q_22 and four of R
    np.testing.assert_array_equal(left.lines[0].get_xdata(), ode.alpha[1:])
    assert "alpha" in left.get_xlabel() and "epsilon" in left.get_ylabel()


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_files_carry_the_identity(pair, tmp_path, suffix):
    path = plots.save_figure(plots.run_figure(*pair), tmp_path / f"run{suffix}", pair[0].problem)
    assert pair[0].problem.identity.encode() in path.read_bytes()


def test_values_below_the_resolution_are_not_drawn(pair):
    from dataclasses import replace

    ode, _ = pair
    coarse = replace(ode, resolution=float(np.median(ode.generalization_error)))
    drawn = plots.run_figure(coarse).axes[0].lines[0].get_ydata()
    assert np.isnan(drawn).any() and np.nanmin(drawn) > coarse.resolution


def test_bad_input(pair, tmp_path):
    with pytest.raises(ode_sgd.StorageError, match=r"\.png or \.pdf"):
        plots.save_figure(plots.run_figure(*pair), tmp_path / "run.svg", pair[0].problem)
    with pytest.raises(ode_sgd.StorageError, match="cannot be written"):
        plots.save_figure(plots.run_figure(*pair), tmp_path / "nowhere" / "run.png", pair[0].problem)
    with pytest.raises(ode_sgd.InvalidProblem, match="nothing to plot"):
        plots.run_figure(None)
