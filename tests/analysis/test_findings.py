"""What `ode-sgd show` prints: measured beside theory, on the saddle the run was at."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd


def run(activation="erf", eta=0.1, scale=0.01, last=4000.0, dimension=1024, seed=1, **changes):
    problem = ode_sgd.Problem(
        spectrum=changes.pop("spectrum", ode_sgd.Spectrum.isotropic()),
        student_units=2,
        teacher_units=2,
        learning_rate=eta,
        activation=activation,
        **changes,
    )
    start = ode_sgd.OrderParameters.random(problem, dimension, scale, seed=seed)
    return ode_sgd.integrate(problem, start, last)


def test_plateau_escape_and_students_of_a_committee():
    ode = run()
    found = ode_sgd.findings(ode)
    plateau = found.plateaus.plateaus[0]
    assert found.branch == "identical"
    assert found.theory_height == pytest.approx(plateau.height, rel=0.01)
    assert found.theory_escape.rate == pytest.approx(found.escape.rate, rel=0.02)
    assert sorted(found.specialisation.teacher.tolist()) == [0, 1]
    assert found.rest is None and found.theory_floor is None and found.theory_power_law is None
    text = ode_sgd.describe(found)
    for part in ("plateau", "theory height", "length from start to start +-", "escape", "follows teacher"):
        assert part in text
    assert "\n\n" not in text and not text.endswith("\n")


def test_wide_starts_are_held_against_the_split_saddle():
    found = ode_sgd.findings(run(eta=1.0, scale=0.3, last=1000.0, dimension=10**4, seed=175))
    assert found.branch == "split"
    assert found.theory_height == pytest.approx(found.plateaus.plateaus[0].height, rel=0.01)
    assert "split students" in ode_sgd.describe(found)


def test_floor_of_a_noisy_linear_network():
    found = ode_sgd.findings(run("linear", 0.2, label_noise=0.3, last=1e3))
    assert found.rest == pytest.approx(found.theory_floor, rel=1e-5)
    assert found.plateaus.plateaus == () and found.theory_height is None and found.theory_escape is None
    assert "none:" in ode_sgd.describe(found)


def test_exponent_beside_its_theory():
    spectrum = ode_sgd.Spectrum.power_law(2000, 1.0)
    ode = run("linear", 1e-3, spectrum=spectrum, gradient_flow=True, last=1e5, dimension=10**6)
    found = ode_sgd.findings(ode)
    low, high = found.theory_power_law.window
    assert found.theory_power_law.exponent == 0.5
    assert ode_sgd.fit_power_law(ode, (low, high)).exponent == pytest.approx(0.5, rel=0.02)
    assert "theory 0.5 on" in ode_sgd.describe(found)


def test_simulations_and_means_of_them(pair):
    _, sgd = pair
    assert "of 16 replicas" in ode_sgd.describe(ode_sgd.findings(sgd))
    assert "2 follows none" in ode_sgd.describe(ode_sgd.findings(sgd.mean()))


def test_a_plateau_not_yet_left_is_not_called_a_floor():
    text = ode_sgd.describe(ode_sgd.findings(run(last=600.0)))
    assert "or a plateau that is not yet left" in text


def test_the_own_teacher_counts_also_on_nodes_and_in_means():
    spectrum = ode_sgd.Spectrum.power_law(300, 0.2)
    ode = run(spectrum=spectrum, dimension=1200, last=10.0)
    found = ode_sgd.findings(ode)
    start = ode_sgd.OrderParameters.random(ode.problem, 1200, 0.01, seed=1)
    assert ode.final is None  # nodes stand for the spectrum
    assert found.theory_height == pytest.approx(ode_sgd.theory.plateau_height(ode.problem, start), rel=1e-9)
    assert found.theory_height != pytest.approx(ode_sgd.theory.plateau_height(ode.problem), rel=1e-3)


def test_no_floor_is_claimed_where_what_the_held_sectors_hold_is_not_kept():
    whole = run("linear", spectrum=ode_sgd.Spectrum.power_law(8, 1.0), last=10.0, trainable=3, gradient_flow=True)
    start = ode_sgd.OrderParameters.random(whole.problem, 1024, 0.01, seed=1)
    expected = ode_sgd.theory.noise_floor(whole.problem, start)
    assert ode_sgd.findings(whole).theory_floor == pytest.approx(expected, rel=1e-12)
    assert ode_sgd.findings(replace(whole, final=None)).theory_floor is None  # as of a mean, or on nodes


def test_spreads_are_printed_for_one_unstable_direction_only():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=3, teacher_units=3, learning_rate=0.5
    )
    start = ode_sgd.OrderParameters.random(problem, 10**4, 0.01, seed=1)
    assert "from start to start" not in ode_sgd.describe(ode_sgd.findings(ode_sgd.integrate(problem, start, 1500.0)))


def test_one_student_has_nobody_to_differ_from():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.1
    )
    start = ode_sgd.OrderParameters.random(problem, 100, 0.1, seed=0)
    found = ode_sgd.findings(ode_sgd.integrate(problem, start, 100.0))
    assert found.escape is None and "rate not measured" in ode_sgd.describe(found)


def test_bad_input():
    with pytest.raises(ode_sgd.AnalysisError, match="Trajectory"):
        ode_sgd.findings(np.ones(3))
    with pytest.raises(ode_sgd.AnalysisError, match="Findings"):
        ode_sgd.describe(3)
