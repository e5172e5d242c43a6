"""What is drawn of a run."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd.explorer.curves import MOST, curves_of, subscripted, without_latex


def power_law(exponent, replicas=None, components=3, resolution=1e-9):
    times = np.concatenate([[0.0], np.geomspace(0.1, 1e4, 60)])
    error = np.concatenate([[1.0], 0.1 * times[1:] ** -exponent])
    values = np.outer(times, np.arange(1.0, components + 1.0))
    if replicas is not None:
        error = error * (1.0 + 0.1 * np.arange(replicas)[:, None])
    observable = ode_sgd.Observable(dimensions=("alpha", "unit"), values=values)
    return ode_sgd.Run(
        problem=ode_sgd.Parameters({"x": 1.0}),
        alpha=times,
        error=error,
        observables={"w": observable},
        method="exact",
        resolution=resolution,
    )


def test_curves_begin_after_zero_and_end_at_the_resolution():
    run = power_law(2.0, resolution=1e-6)
    curves = curves_of(run)
    times, error = curves.error
    assert times.min() > 0.0 and error.min() > 1e-6
    assert np.array_equal(error, run.error[(run.alpha > 0.0) & (run.error > 1e-6)])
    assert curves.spread is None


def test_the_local_exponent_is_that_of_the_law():
    times, slope = curves_of(power_law(0.75)).exponent
    assert times.size > 50
    np.testing.assert_allclose(slope, 0.75, rtol=1e-9)  # differences of logarithms of values with 1e-16, over 0.2


def test_replicas_are_drawn_by_their_mean():
    curves = curves_of(power_law(0.5, replicas=3))
    np.testing.assert_allclose(curves.error[1], 1.1 * 0.1 * curves.error[0] ** -0.5, rtol=1e-12)  # rounding of a mean
    np.testing.assert_allclose(curves.spread / curves.error[1], 0.1 / 1.1 / np.sqrt(3.0), rtol=1e-9)


def test_a_panel_holds_so_many_components():
    curves = curves_of(power_law(0.5, components=MOST + 5))
    assert (len(curves.components), curves.left_out) == (MOST, 5)
    assert list(curves.components)[:2] == ["w_1", "w_2"]


@pytest.mark.parametrize(
    ("name", "told"), [("R_11", "R₁₁"), ("Q_1,12", "Q₁,₁₂"), ("w", "w"), ("half_life", "half_life"), ("c_k_2", "c_k₂")]
)
def test_indices_are_small(name, told):
    assert subscripted(name) == told


@pytest.mark.parametrize(
    ("label", "told"),
    [
        (r"time  $\alpha$ = steps / $N$  (dimensionless)", "time α = steps / N (dimensionless)"),
        (r"generalization error  $\epsilon_g$  (dimensionless)", "generalization error ε_g (dimensionless)"),
        ("error", "error"),
        (r"$\mathrm{x}$", "mathrmx"),
    ],
)
def test_labels_need_no_latex(label, told):
    assert without_latex(label) == told
