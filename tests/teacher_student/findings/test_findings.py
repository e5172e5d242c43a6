"""What `ode-sgd show` prints: measured beside theory, on the saddle the run was at."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd.analysis import plateau as plateau_search
from ode_sgd.teacher_student.theory import symmetric_fixed_point
from tests.analysis.curves import trajectory


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
    assert found.theory_escape.rate == pytest.approx(found.escape.rate, rel=0.02) and found.escape_reason == ""
    assert sorted(found.specialisation.teacher.tolist()) == [0, 1]
    assert found.rest is None and found.theory_floor == 0.0 and found.theory_power_law is None
    text = ode_sgd.describe(found)
    for part in (
        "plateau",
        "theory height",
        "; the length varies between random starts with a standard deviation of",
        "escape",
        "follows teacher",
    ):
        assert part in text
    assert "\n\n" not in text and not text.endswith("\n")


def test_the_learning_rate_is_held_against_critical_and_best():
    found = ode_sgd.findings(run(eta=0.4, last=50.0))
    limits, problem = found.theory_rates, run(eta=0.4, last=50.0).problem
    start = run(eta=0.4, last=50.0).final
    assert limits.critical == ode_sgd.theory.critical_learning_rate(problem, start)
    assert (limits.best, limits.decay) == ode_sgd.theory.optimal_learning_rate(problem, start)
    parts = [f"{0.4 / rate:.4g}" for rate in (limits.critical, limits.best)]
    told = f"eta       {parts[0]} of theory's critical learning rate, {parts[1]} of"
    assert told in ode_sgd.describe(found)


def test_the_floor_of_too_few_students_is_where_the_run_goes():
    """Of K < M theory has no floor by itself: it follows the flow from where the run is."""
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=1, teacher_units=2, learning_rate=0.1, label_noise=0.1
    )
    start = ode_sgd.OrderParameters.orthonormal(problem, 100, 0.5, seed=1)
    found = ode_sgd.findings(ode_sgd.integrate(problem, start, 3000.0))
    assert found.theory_floor == pytest.approx(0.03032369817, rel=1e-8)
    assert found.final_level == pytest.approx(found.theory_floor, rel=1e-4)
    assert found.theory_rates is None


def test_the_floor_of_linear_simulations_is_that_of_their_dimension():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(),
        student_units=1,
        teacher_units=1,
        learning_rate=0.5,
        label_noise=0.3,
        activation="linear",
    )
    start = ode_sgd.OrderParameters.typical(problem, 0.5)
    sgd = ode_sgd.simulate(problem, start, np.linspace(0.0, 20.0, 21), dimension=20, replicas=4, seed=1)
    found = ode_sgd.findings(sgd)
    assert found.theory_floor == pytest.approx(0.01551724138, rel=1e-9)
    assert found.theory_rates.critical == pytest.approx(2.0 / 1.1, rel=1e-12)  # 2 / (1 + 2/N)


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
    assert "between random starts" not in ode_sgd.describe(ode_sgd.findings(ode_sgd.integrate(problem, start, 1500.0)))


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


def test_a_run_that_diverged_at_once_says_so():
    ode = run("linear", 50.0, last=100.0)
    assert ode.status == "diverged"
    few = replace(
        ode,
        alpha=ode.alpha[:2].copy(),
        generalization_error=ode.generalization_error[:2].copy(),
        moments={order: (Q[:2].copy(), R[:2].copy(), T) for order, (Q, R, T) in ode.moments.items()},
    )
    for each in (ode, few):
        text = ode_sgd.describe(ode_sgd.findings(each))
        assert text.startswith("ended") and "diverged" in text.splitlines()[0] and "beyond critical" in text
        assert "floor     not known: the run ended early" in text


def test_a_passage_too_short_for_a_plateau_is_printed_with_its_numbers():
    ode = run(eta=1.5, spectrum=ode_sgd.Spectrum.power_law(8, 1.0), last=2000.0, dimension=1000)
    found = ode_sgd.findings(ode)
    half = found.half_height.half_height
    assert found.plateaus.outcome == "too_short" and half.within > 0.0
    text = ode_sgd.describe(found)
    assert "; the next line describes how the run passes the saddle\n" in text
    which = " (split students)" if half.branch == "split" else ""
    near = f"eps_g stays within 10 % of the theoretical height {half.height:.5g}{which} for a time of"
    assert f"{near} {half.within:.4g}, from alpha = {half.entered:.4g} on; half-way" in text
    assert f"half-way down to zero at alpha = {half.time:.5g}" in text
    assert "escape    rate not measured: there is no plateau to escape from" in text


def test_an_exponent_from_before_specialisation_is_called_so():
    short = run(eta=0.75, spectrum=ode_sgd.Spectrum.power_law(4, 1.0), scale=0.3, last=30.0, dimension=40)
    found = ode_sgd.findings(short)
    number = f"before specialisation, the exponent is {found.power_law.exponent:.4g} +- "
    assert found.transient
    assert f"no power law after the saddle; during the initial transient, {number}" in ode_sgd.describe(found)
    linear = run("linear", 1e-3, spectrum=ode_sgd.Spectrum.power_law(200, 1.0), last=1e4, dimension=1000)
    assert not ode_sgd.findings(linear).transient  # no saddle, no specialisation


def test_where_there_is_one_the_law_after_the_saddle_is_reported():
    ode = run(eta=1.5, spectrum=ode_sgd.Spectrum.power_law(8, 1.0), last=2000.0, dimension=1000)
    found = ode_sgd.findings(ode)
    assert not found.transient
    assert found.power_law.window[0] > found.half_height.half_height.time
    assert ode_sgd.fit_power_law(ode).window[1] < found.half_height.half_height.time  # the longest is the transient's
    with pytest.raises(ode_sgd.OdeSgdError, match="after"):
        ode_sgd.fit_power_law(ode, after=-1.0)


def test_floors_are_not_both_announced_and_denied():
    for last in (100.0, 300.0, 600.0, 1000.0, 3000.0):
        text = ode_sgd.describe(ode_sgd.findings(run(last=last, scale=0.1, dimension=1000, label_noise=1.1)))
        plateau, floor = text.splitlines()[0], next(line for line in text.splitlines() if line.startswith("floor"))
        if "not reached" in floor:
            assert "or a floor" not in plateau and "to the floor" not in text
            assert "rested on no higher level" not in plateau or "still moves by more than 1 %" in plateau
        assert ("not yet left" in plateau and "not reached" not in floor) == ("plateau that is not yet left" in floor)


@pytest.mark.parametrize(
    ("R", "reason"),
    [
        (((0.4, 0.4), (0.4, 0.4)), "the students do not part: their spread in R stays below 0.1 of it"),
        (((0.6, 0.2), (0.2, 0.6)), "the students are not alike enough on the plateau: their spread in R is 0.45 of it"),
    ],
)
def test_why_an_escape_is_not_measured(R, reason):
    found = ode_sgd.findings(always(R))
    assert found.plateaus.plateaus and found.escape is None
    assert found.escape_reason.startswith(reason)
    assert f"escape    rate not measured: {reason}" in ode_sgd.describe(found)


def test_from_a_start_without_a_plateau_there_is_no_escape():
    wide = ode_sgd.findings(run(eta=0.1, scale=1.0, last=3000.0, dimension=100))
    assert wide.escape is None and wide.escape_reason == "there is no plateau to escape from"


def always(R):
    """A plateau of eps_g that is left while R stays what it was."""
    alpha = np.linspace(0.0, 3000.0, 1501)
    error = 0.02 * (1.0 + 4.0 * np.exp(-alpha / 10.0)) / (1.0 + np.exp(0.02 * (alpha - 1000.0)))
    return trajectory(alpha, error, R=np.broadcast_to(R, (alpha.size, 2, 2)))


def test_what_takes_long_is_asked_for_once(monkeypatch):
    """The curve is searched once, and each of the two fixed points found once: most of the time that findings take."""
    asked = []

    def counted(owner, name):
        original = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *given: asked.append(name) or original(*given))

    counted(plateau_search, "find_stays")
    counted(symmetric_fixed_point, "identical")
    counted(symmetric_fixed_point, "split")
    ode = run(eta=1.0, scale=0.3, last=1000.0, dimension=10**4, seed=175)  # its branch takes both to be told
    assert ode_sgd.findings(ode).branch == "split"
    assert sorted(asked) == ["find_stays", "identical", "split"]
