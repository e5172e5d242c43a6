"""find_plateau on curves whose plateaus are known, on ODEs, and on simulations."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ode_sgd
from ode_sgd.analysis.plateau import OUTCOMES
from tests.analysis.curves import trajectory

ALPHA = np.concatenate([[0.0], np.geomspace(0.01, 3000.0, 400)])
HEIGHT, RATE = 0.02, 0.01


def escape(alpha, arrival=5.0, amplitude=1e-4, height=HEIGHT, after=1e-3):
    """Arrival e^(-alpha/arrival) on a plateau that is left as 1 / (1 + amplitude e^(2 RATE alpha))."""
    return (height * (1.0 + 10.0 * np.exp(-alpha / arrival)) + after) / (1.0 + amplitude * np.exp(2.0 * RATE * alpha))


def test_start_end_and_height_of_a_known_curve():
    plateau = ode_sgd.find_plateau(trajectory(ALPHA, escape(ALPHA, after=0.0)))
    assert plateau.height == pytest.approx(HEIGHT, rel=2e-3)
    # Within 10 %: 10 e^(-alpha/5) = 0.1. Half: amplitude e^(2 rate alpha) = 1. Both to the spacing of the output times.
    assert plateau.start == pytest.approx(5.0 * np.log(100.0), abs=plateau.start_error)
    assert plateau.end == pytest.approx(np.log(1e4) / (2 * RATE), abs=plateau.end_error)
    assert plateau.length == plateau.end - plateau.start
    assert plateau.replicas is None


def test_output_times_do_not_matter():
    grids = [ALPHA, np.linspace(0.0, 2000.0, 2001), np.concatenate([[0.0], np.geomspace(1.0, 1e4, 3000)])]
    found = [ode_sgd.find_plateau(trajectory(grid, escape(grid))) for grid in grids]
    for plateau in found[1:]:
        assert plateau.end == pytest.approx(found[0].end, abs=found[0].end_error)
        assert plateau.height == pytest.approx(found[0].height, rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    rates=st.lists(st.floats(-4.0, 4.0), min_size=1, max_size=6),
    shares=st.lists(st.floats(-3.0, 0.0), min_size=6, max_size=6),
    reach=st.floats(-3.0, 4.0),
)
def test_no_plateau_in_any_sum_of_decaying_exponentials(rates, shares, reach):
    # What a linear network without noise does (docs/theory/linear_network.md (7.4)); steps of widely separated rates
    # are flat on a logarithmic axis.
    alpha = np.concatenate([[0.0], np.geomspace(1e-6, 1.0, 400)]) * 10.0**reach
    error = sum(10.0**share * np.exp(-(10.0**rate) * alpha) for rate, share in zip(rates, shares, strict=False))
    curve = trajectory(alpha, error, resolution=1e-30)
    assert ode_sgd.find_plateau(curve) is None
    assert ode_sgd.find_plateaus(curve).reason


def test_no_plateau_in_a_power_law_or_before_anything_has_happened():
    assert ode_sgd.find_plateau(trajectory(ALPHA, (1.0 + ALPHA) ** -0.5)) is None
    assert ode_sgd.find_plateau(trajectory(ALPHA, 1.0 / (1.0 + (ALPHA / 1000.0) ** 2))) is None


def test_a_floor_is_no_plateau():
    search = ode_sgd.find_plateaus(trajectory(ALPHA, HEIGHT * (1.0 + np.exp(-ALPHA / 50.0))))
    assert search.plateaus == () and search.outcome == "not_left"
    assert "a plateau not yet left, or a floor" in search.reason


FINE = np.linspace(0.0, 3000.0, 3001)


def falling(floor, left=1000.0, rate=0.02, alpha=FINE):
    """Arrival e^(-alpha/10) at HEIGHT, and a logistic fall from there to the floor, half-way at `left`."""
    return floor + (HEIGHT - floor) * (1.0 + 4.0 * np.exp(-alpha / 10.0)) / (1.0 + np.exp(rate * (alpha - left)))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.55, 0.9, 0.97])
def test_a_floor_does_not_move_the_end(share):
    search = ode_sgd.find_plateaus(trajectory(FINE, falling(share * HEIGHT)))
    (plateau,) = search.plateaus
    assert search.outcome == "found"
    assert plateau.height == pytest.approx(HEIGHT, rel=1e-3)
    # Half-way is at `left`; the height is off by less than FLAT of what lies above the floor, which the curve passes
    # at a quarter of the rate.
    assert plateau.end == pytest.approx(1000.0, abs=0.005 / (0.25 * 0.02) + 0.5)
    # Within 10 % of the height itself, whatever the floor.
    if share < 0.9:
        start = 10.0 * np.log(4.0 * (1.0 - share) / 0.1)
        assert plateau.start == pytest.approx(start, abs=0.5)


def test_a_floor_nearer_than_it_is_known_shows_no_plateau():
    assert ode_sgd.find_plateaus(trajectory(FINE, falling(0.99 * HEIGHT))).outcome == "not_left"


@settings(max_examples=40, deadline=None)
@given(
    rates=st.lists(st.floats(-4.0, 4.0), min_size=1, max_size=6),
    shares=st.lists(st.floats(-3.0, 0.0), min_size=6, max_size=6),
    floor=st.floats(-3.0, 1.0),
    reach=st.floats(-3.0, 4.0),
)
def test_no_plateau_in_decaying_exponentials_above_a_floor(rates, shares, floor, reach):
    # What a linear network with label noise does. The floor that is taken is the last value, which is a little high.
    alpha = np.concatenate([[0.0], np.geomspace(1e-6, 1.0, 400)]) * 10.0**reach
    error = sum(10.0**share * np.exp(-(10.0**rate) * alpha) for rate, share in zip(rates, shares, strict=False))
    assert ode_sgd.find_plateau(trajectory(alpha, error + 10.0**floor, resolution=1e-30)) is None


def test_a_run_that_ends_on_its_plateau_has_no_floor_below_a_plateau():
    # Only the first descent lies above the level on which it ends.
    for last in (300.0, 600.0, 800.0):
        alpha = np.linspace(0.0, last, 801)
        search = ode_sgd.find_plateaus(trajectory(alpha, falling(0.3 * HEIGHT, alpha=alpha)))
        assert search.plateaus == () and search.outcome == "not_left"


def test_a_floor_that_fluctuates_is_one():
    noise = 1.0 + 0.004 * np.random.default_rng(4).standard_normal((16, FINE.size))
    rows = falling(0.5 * HEIGHT) * noise
    for curve in (trajectory(FINE, rows), trajectory(FINE, rows, own_teachers=True), trajectory(FINE, rows[:1])):
        plateau = ode_sgd.find_plateau(curve)
        # Noise of 0.4 %, at half-way 1.2 % of what is left to fall: the first passage is early by two of that over the
        # slope there, 0.5 * 0.02, and the height is off by FLAT at most.
        assert plateau.end == pytest.approx(1000.0, abs=3.0)
        assert plateau.height == pytest.approx(HEIGHT, rel=5e-3)


NO_PLATEAU = {
    "too_short": (1.0 + FINE) ** -0.5,
    "slope": np.interp(FINE, [0.0, 10.0, 1500.0, 1550.0, 3000.0], [1.0, 0.105, 0.094, 0.01, 1e-4]),
    "not_left": HEIGHT * (1.0 + np.exp(-FINE / 50.0)),
    "unresolved": np.full(FINE.size, 1e-20),
}


@pytest.mark.parametrize("outcome", NO_PLATEAU)
def test_outcomes(outcome):
    search = ode_sgd.find_plateaus(trajectory(FINE, NO_PLATEAU[outcome], resolution=1e-18))
    assert (search.plateaus, search.outcome) == ((), outcome) and search.reason
    assert outcome in OUTCOMES


def test_the_outcome_of_fluctuations_and_of_replicas():
    noise = 1.0 + 0.03 * np.random.default_rng(4).standard_normal((1, FINE.size))
    assert ode_sgd.find_plateaus(trajectory(FINE, escape(FINE, after=0.0) * noise)).outcome == "fluctuates"
    # What their mean stays on, 1.1 of the height, four of six never come down to.
    rows = [falling(0.0) * factor for factor in (0.4, 0.4, 1.5, 1.5, 1.5, 1.5)]
    assert ode_sgd.find_plateaus(trajectory(FINE, rows)).outcome == "replicas"
    rows = [NO_PLATEAU["not_left"]] * 3 + [NO_PLATEAU["too_short"], falling(0.0)]
    assert ode_sgd.find_plateaus(trajectory(FINE, rows, own_teachers=True)).outcome == "not_left"


def test_what_is_left_is_not_called_not_left():
    floor = NO_PLATEAU["not_left"]
    settled = trajectory(FINE, floor, R=np.tile(0.95 * np.eye(2), (FINE.size, 1, 1)))
    for curve in (settled, trajectory(FINE, floor, activation="linear")):
        search = ode_sgd.find_plateaus(curve)
        assert search.outcome == "too_short" and "above the floor 0.02 lasts" in search.reason


def test_a_run_that_ended_at_once_is_no_error():
    broken = replace(trajectory(FINE[:2], [1.0, 2.0]), status="diverged")
    search = ode_sgd.find_plateaus(broken)
    assert search.outcome == "ended_early" and "diverged" in search.reason
    assert ode_sgd.find_plateaus(replace(trajectory(FINE, NO_PLATEAU["not_left"]), status="interrupted")).outcome == (
        "ended_early"
    )


NOISE = {0.0: 1009.9, 0.6: 922.8, 0.9: 876.5, 1.0: 875.6, 1.02: 876.6, 1.15: 893.5}


@pytest.mark.parametrize("noise", NOISE)
def test_label_noise_shortens_the_plateau(noise):
    problem = committee(label_noise=noise)
    start = ode_sgd.OrderParameters.random(problem, 1000, 0.1, seed=1)
    ode = ode_sgd.integrate(problem, start, np.linspace(0.0, 4000.0, 4001))
    plateau = ode_sgd.find_plateau(ode)
    # Counted from eps_g = 0 they would be 1010, 1007, 1096, 1202, none, none; students part at 913 to 750. Measured at
    # rtol = 1e-6, which an escape of rate 0.007 to 0.01 turns into less than 1e-3 of alpha; the times lie 1 apart.
    assert plateau.end == pytest.approx(NOISE[noise], abs=1.0)
    assert plateau.height == pytest.approx(ode_sgd.theory.plateau_height(problem, start), rel=0.01)
    half = ode_sgd.half_height(ode)
    assert half.time == pytest.approx(plateau.end, abs=4.0)  # the same, from theory's height in place of the measured


def test_values_under_the_resolution_do_not_count():
    rounding = np.where(ALPHA > 700.0, 1e-14, escape(ALPHA))
    rounding[ALPHA > 2000.0] = 1e-20
    assert len(ode_sgd.find_plateaus(trajectory(ALPHA, rounding)).plateaus) == 2
    assert len(ode_sgd.find_plateaus(trajectory(ALPHA, rounding, resolution=1e-12)).plateaus) == 1


def test_two_plateaus_in_order_and_the_longer_one_by_default():
    later = np.linspace(0.0, 6000.0, 4000)
    step = 1.0 / (1.0 + np.exp((later - 1000.0) / 20.0))
    second = 1.0 / (1.0 + np.exp((later - 5000.0) / 40.0))
    curve = trajectory(later, 0.01 * step + 0.03 * second)
    first, last = ode_sgd.find_plateaus(curve).plateaus
    assert (first.height, last.height) == (pytest.approx(0.04, rel=2e-3), pytest.approx(0.03, rel=2e-3))
    # The next one lies above half of the first, which ends in the midst between the two.
    assert first.end == pytest.approx(1000.0, abs=2.0)
    assert last.start == pytest.approx(1000.0, abs=60.0)
    assert last.end == pytest.approx(5000.0, abs=2.0)
    assert ode_sgd.find_plateau(curve) == last


def test_above_a_high_floor_the_end_is_in_the_midst():
    curve = trajectory(ALPHA, 0.7 * HEIGHT + 0.3 * escape(ALPHA, after=0.0, arrival=1.0, amplitude=1e-9))
    plateau = ode_sgd.find_plateau(curve)
    assert plateau.end == pytest.approx(np.log(1e9) / (2 * RATE), abs=2 * plateau.end_error)


@pytest.mark.parametrize("own", [False, True])
def test_replicas_give_means_and_standard_errors(own):
    amplitudes = 1e-4 * np.exp(np.linspace(-1.0, 1.0, 8))
    curve = trajectory(ALPHA, [escape(ALPHA, amplitude=amplitude) for amplitude in amplitudes], own_teachers=own)
    plateau = ode_sgd.find_plateau(curve)
    ends = [ode_sgd.find_plateau(trajectory(ALPHA, row)).end for row in curve.generalization_error]
    assert plateau.replicas == 8
    # Of one start: when each is below half of the common height, which each has to within the flattest fifth's 0.5 %.
    assert plateau.end == pytest.approx(np.mean(ends), rel=1e-12 if own else 1e-3)
    assert plateau.end_error == pytest.approx(np.std(ends, ddof=1) / np.sqrt(8), rel=1e-12 if own else 1e-2)
    assert plateau.length_error == pytest.approx(plateau.end_error, rel=1e-2)  # all start alike


def test_replicas_without_a_plateau_are_left_out_and_too_many_are_said():
    rows = [escape(ALPHA)] * 3 + [(1.0 + ALPHA) ** -0.5]
    search = ode_sgd.find_plateaus(trajectory(ALPHA, rows, own_teachers=True))
    assert search.plateaus[0].replicas == 3 and "1 of 4 replicas" in search.reason
    search = ode_sgd.find_plateaus(trajectory(ALPHA, [*rows[2:], 1.0 / (1.0 + ALPHA)], own_teachers=True))
    assert search.plateaus == () and search.reason.startswith("2 of 3 replicas have none")


def test_what_is_no_trajectory_or_too_short_is_refused():
    with pytest.raises(ode_sgd.OdeSgdError, match="Trajectory"):
        ode_sgd.find_plateau([1.0, 2.0])
    with pytest.raises(ode_sgd.OdeSgdError, match="3 output times"):
        ode_sgd.find_plateau(trajectory(ALPHA[:3], ALPHA[:3] + 1.0))


def committee(L=1, eta=0.1, activation="erf", **changes):
    return ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(L, 1.0),
        student_units=2,
        teacher_units=2,
        learning_rate=eta,
        activation=activation,
        **changes,
    )


@pytest.mark.parametrize("eta", [0.1, 0.5])
@pytest.mark.parametrize("L", [1, 4, 8])
def test_height_is_that_of_the_saddle_wherever_one_is_reported(L, eta):
    problem = committee(L, eta)
    for seed in range(4):
        start = ode_sgd.OrderParameters.random(problem, 1024, 0.01, seed=seed)
        ode = ode_sgd.integrate(problem, start, 1000.0 / eta)
        plateau = ode_sgd.find_plateau(ode)
        assert plateau is not None or L == 8
        if plateau is not None:
            assert plateau.height == pytest.approx(ode_sgd.theory.plateau_height(problem, start), rel=0.01)
            assert plateau.end < 400.0 / eta


@pytest.mark.parametrize(("noise", "judged"), [(0.005, True), (0.03, False)])
def test_a_restless_simulation_is_not_judged_by_itself(noise, judged):
    steady = escape(ALPHA, after=0.0)
    rows = steady * np.exp(noise * np.random.default_rng(2).standard_normal((16, ALPHA.size)))
    assert (ode_sgd.find_plateau(trajectory(ALPHA, rows[:1])) is not None) == judged
    together = ode_sgd.find_plateau(trajectory(ALPHA, rows))  # their mean fluctuates a quarter as much
    assert together.height == pytest.approx(HEIGHT, rel=0.01)


@pytest.mark.parametrize("N", [100, 400, 1000])
def test_fluctuations_of_a_noise_floor_are_none(N):
    problem = committee(1, 0.25, "linear", label_noise=0.3)
    start = ode_sgd.OrderParameters.random(problem, N, 0.01, seed=1)
    for times in (np.linspace(0.0, 200.0, 401), np.concatenate([[0.0], np.geomspace(0.1, 200.0, 200)])):
        sgd = ode_sgd.simulate(problem, start, times, dimension=N, replicas=16, seed=N)
        assert ode_sgd.find_plateau(sgd) is None
        single = [
            trajectory(sgd.alpha, curve[None], activation="linear", label_noise=0.3)
            for curve in sgd.generalization_error
        ]
        assert [ode_sgd.find_plateau(run) for run in single].count(None) >= 15


def test_height_of_noisy_runs_far_from_symmetric():
    problem = committee(1, 1.0)
    start = ode_sgd.OrderParameters.random(problem, 1000, 0.3, seed=3)
    sgd = ode_sgd.simulate(problem, start, np.linspace(0.0, 150.0, 301), dimension=1000, replicas=16, seed=0)
    found = ode_sgd.find_plateau(sgd)
    saddle = ode_sgd.theory.plateau_height(problem, start, branch="split")
    # The height is that of the mean over replicas; 1/N of bias and the slow loss of q_ii - q_ij are left.
    assert abs(found.height - saddle) < 0.01 * saddle + 3.0 * found.height_error  # measured: 0.9 %, 0.3 % stated


@pytest.mark.parametrize("L", [1, 2, 16])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_linear_networks_have_none(L, noise):
    problem = committee(L, 0.1, "linear", label_noise=noise)
    start = ode_sgd.OrderParameters.random(problem, 1024, 0.01, seed=1)
    assert ode_sgd.find_plateau(ode_sgd.integrate(problem, start, 1e4)) is None


def test_the_shallow_start_is_none():
    problem = committee(1, 0.01)
    start = ode_sgd.OrderParameters.random(problem, 1024, 0.01, seed=1)
    for last in (1.0, 30.0, 300.0):
        assert ode_sgd.find_plateau(ode_sgd.integrate(problem, start, last)) is None


def test_simulations_of_one_start_end_their_plateau_where_the_ode_does():
    problem = committee(1, 0.2)
    start = ode_sgd.OrderParameters.random(problem, 100, 0.1, seed=2)
    times = np.linspace(0.0, 600.0, 401)
    sgd = ode_sgd.simulate(problem, start, times, dimension=2000, replicas=16, seed=1)
    theory, measured = ode_sgd.find_plateau(ode_sgd.integrate(problem, start, sgd.alpha)), ode_sgd.find_plateau(sgd)
    assert measured.replicas == 16
    for name in ("start", "end"):
        off = (getattr(measured, name) - getattr(theory, name)) / getattr(measured, f"{name}_error")
        print(f"{name} of the plateau, SGD - ODE: {off:+.2f} standard errors")
        assert abs(off) < 2.5  # one in forty by chance with 16 replicas; measured -0.1 and -0.1
    # The bias of eps_g is of order 1/N of it.
    assert measured.height == pytest.approx(theory.height, rel=2.0 / 2000)
