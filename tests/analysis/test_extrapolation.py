"""Deviations at several N, extrapolated."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd.analysis.agreement import compare_pairs
from tests.analysis.curves import trajectory

ALPHA = np.linspace(0.0, 4.0, 5)


def made(N, limit, slope, noise=1e-3, replicas=64, seed=0):
    """A simulation whose eps_g deviates from 1 by limit + slope / N and noise; Q, R as the ODE's, with noise."""
    generator = np.random.default_rng([seed, N])
    later = (ALPHA > 0.0) * noise  # the start is common
    sgd = trajectory(ALPHA, 1.0 + limit + slope / N + later * generator.standard_normal((replicas, 5)))
    Q, R, T = sgd.moments[1]
    later = later[:, None, None]
    moments = {1: (Q + later * generator.standard_normal(Q.shape), R + later * generator.standard_normal(R.shape), T)}
    return replace(sgd, moments=moments, dimension=N)


def ode():
    return replace(trajectory(ALPHA, np.ones(5)), dimension=None)


def test_limit_and_slope_of_a_known_law():
    found = ode_sgd.extrapolate([(ode(), made(N, 0.0, 3.0)) for N in (100, 200, 400, 800)])
    assert found.dimensions == (100, 200, 400, 800)
    assert np.all(np.abs(found.slope["generalization_error"] - 3.0) < 0.2)  # errors of about 0.025
    assert 0.6 < found.rms < 1.5 and 0.6 < found.chi_square < 1.5


def test_a_deviation_that_stays_is_seen():
    found = ode_sgd.extrapolate([(ode(), made(N, 2e-3, 3.0)) for N in (100, 200, 400, 800)])
    assert found.worst.quantity == "generalization_error" and found.worst.z > found.worst_allowed
    assert not found.agrees and "DISAGREE" in found.verdict
    assert "extrapolated to N -> infinity from N = 100, 200, 400, 800" in found.verdict


def test_a_deviation_that_falls_otherwise_is_seen():
    found = ode_sgd.extrapolate([(ode(), made(N, 5.0 / np.sqrt(N), 0.0)) for N in (100, 200, 400, 800)])
    assert found.chi_square > 3.0


def test_errors_are_those_of_the_limit():
    limits = [
        ode_sgd.extrapolate([(ode(), made(N, 0.0, 3.0, seed=seed)) for N in (100, 200, 400)]).z["generalization_error"]
        for seed in range(60)
    ]
    assert 0.9 < np.std(limits) < 1.12  # 300 values: 1 +- 0.04


def test_order_of_the_pairs_does_not_matter_and_two_have_no_chi_square():
    pairs = [(ode(), made(N, 0.0, 3.0)) for N in (100, 400)]
    one, other = ode_sgd.extrapolate(pairs), ode_sgd.extrapolate(pairs[::-1])
    assert one.rms == other.rms and one.chi_square is None and "chi^2" not in one.verdict


def other_problem(run):
    return replace(run, problem=replace(run.problem, learning_rate=0.2))


def other_start(run):
    Q, R, T = run.moments[1]
    return replace(run, moments={1: (Q + 0.1, R, T)})


def later(run):
    return replace(run, alpha=run.alpha + 0.1 * (run.alpha > 0.0))


WRONG = {
    "one": (lambda pairs: pairs[:1], "each at its own N"),
    "none": (lambda pairs: [], "each at its own N"),
    "same N": (lambda pairs: [pairs[0], pairs[0]], "each at its own N"),
    "no pair": (lambda pairs: [pairs[0], pairs[1][1]], "give .ode, sgd."),
    "no trajectory": (lambda pairs: [pairs[0], (pairs[1][0], 3)], "Trajectory"),
    "other problem": (lambda pairs: [pairs[0], tuple(map(other_problem, pairs[1]))], "another problem"),
    "other start": (lambda pairs: [pairs[0], tuple(map(other_start, pairs[1]))], "another start"),
    "other times": (lambda pairs: [pairs[0], tuple(map(later, pairs[1]))], "multiples of 1/100"),
    "times the ODE lacks": (lambda pairs: [pairs[0], (pairs[1][0], later(pairs[1][1]))], "not among the ODE's"),
    "few replicas": (lambda pairs: [pairs[0], (ode(), made(200, 0.0, 3.0, replicas=4))], "8 or more"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input(case):
    spoil, text = WRONG[case]
    with pytest.raises(ode_sgd.ComparisonError, match=text):
        ode_sgd.extrapolate(spoil([(ode(), made(N, 0.0, 3.0)) for N in (100, 200)]))


def test_what_does_not_fluctuate_is_compared_to_rounding():
    pairs = []
    for N in (100, 200, 400):
        sgd = made(N, 0.0, 3.0)
        Q, R, T = sgd.moments[1]
        pairs.append((ode(), replace(sgd, moments={1: (np.ones_like(Q) * np.eye(2), np.zeros_like(R), T)})))
    found = ode_sgd.extrapolate(pairs)
    assert found.rms < 2.0 and found.agrees


def test_compare_takes_simulations_at_several_dimensions():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=1.5
    )
    start = ode_sgd.OrderParameters.random(problem, 40, 0.3, seed=1)
    times = np.array([0.0, 1.0, 2.0, 4.0])
    runs = [
        ode_sgd.simulate(problem, start, times, dimension=N, replicas=1000, seed=N, method="reduced")
        for N in (50, 100, 200)
    ]
    agreement = ode_sgd.compare(ode_sgd.integrate(problem, start, times), runs)
    assert agreement.dimension == 200 and agreement.extrapolation.dimensions == (50, 100, 200)
    assert np.all(agreement.extrapolation.slope["Q_11"] > 0.1)  # the bias is there ...
    assert agreement.extrapolation.rms < 2.0  # ... and gone at N -> infinity
    assert "extrapolated" in agreement.verdict


def test_an_extrapolation_decides_what_the_allowance_leaves_open():
    # The bias is 60 / N of eps_g, far beyond chance; 1 / N is allowed for, a small part of eps_g = 1, or, if eps_g
    # begins at 200, half of it.
    def falling(run):
        error = run.generalization_error.copy()
        error[..., 0] = 200.0
        return replace(run, generalization_error=error)

    pairs = [(falling(ode()), falling(made(N, 0.0, 60.0))) for N in (100, 200, 400)]
    alone = ode_sgd.compare(*pairs[-1])
    assert alone.outcome == "undecided" and alone.ratio == pytest.approx(1.15, abs=0.01)
    together = compare_pairs(pairs)
    assert together.outcome == "agree" and together.agrees
    stays = [(falling(ode()), falling(made(N, 0.05, 60.0))) for N in (100, 200, 400)]
    assert compare_pairs(stays).outcome == "disagree"
    # About three standard errors of each time: little among eight quantities, but beyond chance of eps_g by itself.
    slight = [(falling(ode()), falling(made(N, 4.5e-4, 60.0))) for N in (100, 200, 400)]
    assert compare_pairs(slight).extrapolation.agrees and compare_pairs(slight).outcome == "undecided"
    # Noise of 5 per replica leaves errors of about 1 at N -> infinity: the extrapolation cannot tell either.
    noisy = [(falling(ode()), falling(made(N, 0.0, 60.0, noise=0.02, replicas=8, seed=2))) for N in (100, 101, 102)]
    assert ode_sgd.compare(*noisy[-1]).outcome == "undecided" and compare_pairs(noisy).outcome == "undecided"
