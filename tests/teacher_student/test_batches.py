"""`Problem.batch_size`: every way to integrate and to simulate has it."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, OrderParameters, Problem, Spectrum, integrate, integrate_batch, simulate, theory
from ode_sgd.teacher_student.integration.methods import METHODS
from ode_sgd.teacher_student.simulation.chain_batches import BatchChains
from ode_sgd.teacher_student.simulation.explicit_batches import ExplicitBatches, SampledBatches
from ode_sgd.teacher_student.simulation.sampled import SampledNetworks
from tests.reference.activations import ACTIVATIONS
from tests.reference.drift import Plain
from tests.teacher_student.law import pooled_z, same_law

FOUR = Spectrum([1.8, 1.0, 0.5, 0.0], [0.25, 0.3, 0.25, 0.2])  # the last has no variance
TIMES = np.array([0.0, 0.4, 2.0, 9.0])


def problem(K=2, M=2, **changes):
    values = {
        "spectrum": FOUR,
        "student_units": K,
        "teacher_units": M,
        "learning_rate": 0.8,
        "label_noise": 0.3,
        "batch_size": 4,
        "weight_decay": 0.1,
    }
    return Problem(**{**values, **changes})


def start(one, seed=0):
    return OrderParameters.random(one, 200 if one.spectrum is FOUR else 40 * one.spectrum.distinct, 0.6, seed=seed)


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method(method):
    one = problem()
    run = integrate(one, start(one), TIMES, rtol=1e-10, method=method, sectors=True)
    states = Plain.of(one).solve(start(one).gram, TIMES, rtol=1e-12, atol=1e-15)
    # 1e-10 a step, amplified along the run as for weight decay; LSODA is as good as its order.
    tolerance = 1e-6 if method == "LSODA" else 1e-8
    np.testing.assert_allclose(run.sectors.q, states[:, :, :2, :2], rtol=0.0, atol=tolerance * states.max())
    np.testing.assert_allclose(run.sectors.r, states[:, :, :2, 2:], rtol=0.0, atol=tolerance * states.max())


def test_inputs_seen_and_the_rate_over_the_batch_are_all_that_counts():
    """In s = b alpha the equations hold eta / b; by powers of two even the rounding is the same."""
    one = problem(batch_size=1, learning_rate=0.25, second_layer_rate=0.125, second_layer_decay=0.5)
    four = replace(one, batch_size=4, learning_rate=1.0, second_layer_rate=0.5)
    first, times = start(one), np.array([0.0, 2.0, 16.0, 256.0])
    single, batches = integrate(one, first, times), integrate(four, first, times / 4.0)
    for name in ("Q", "R", "student_weights", "generalization_error"):
        np.testing.assert_array_equal(getattr(single, name), getattr(batches, name))
    without = integrate(replace(four, batch_size=1), first, times / 4.0)
    assert np.abs(without.Q / batches.Q - 1.0).max() > 0.05


def test_batches_of_problems():
    """`integrate_batch` of problems with several sizes of a step's batch."""
    several = [problem(batch_size=b) for b in (1, 4, 16)]
    firsts = [start(one, seed) for seed, one in enumerate(several)]
    runs = integrate_batch(several, firsts, TIMES, rtol=1e-9, sectors=True)
    for one, first, run in zip(several, firsts, runs, strict=True):
        np.testing.assert_array_equal(run.Q, integrate(one, first, TIMES, rtol=1e-9).Q)


# --- simulations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_simulations_against_the_ode(method, record_property):
    problems = [problem(K, 2, spectrum=Spectrum.power_law(L, 1.0), learning_rate=1.2) for K in (2, 3) for L in (1, 4)]
    pooled = pooled_z(problems, dimension=500, method=method, starts=range(4), replicas=16, times=[0.0, 1.0, 2.0])
    record_property("measured", f"{method}: rms z = {pooled:.2f}")
    assert 0.8 < pooled < 1.25


LAWS = {
    "b > K": (problem(spectrum=Spectrum.power_law(2, 1.0), learning_rate=1.5), 40, 400),
    "b < K": (problem(3, 2, spectrum=Spectrum.power_law(2, 1.0), learning_rate=1.5, batch_size=2), 40, 400),
    # N_k - K - M = 0 and 3: no room outside the frame in one sector, and for one vector less than K in the other
    "small sectors": (problem(spectrum=Spectrum([1.5, 0.5], [4 / 9, 5 / 9]), batch_size=3), 9, 1000),
}


@pytest.mark.parametrize("name", LAWS)
def test_the_chain_has_the_law_of_the_weights(name, record_property):
    one, N, replicas = LAWS[name]
    means, squares = same_law(one, dimension=N, replicas=replicas, seed=list(LAWS).index(name), times=[0.0, 2.0])
    record_property("measured", f"{name}: p = {means:.2g}, of squares {squares:.2g}")
    assert means > 1e-4
    assert squares > 1e-4


def plain_steps(one, J, B, v, inputs, noises):
    """J (K, N) and v (K,) after one step for every batch of `inputs` (steps, b, N), `noises` (steps, b)."""
    g, u, N = ACTIVATIONS[one.activation], one.u, J.shape[1]
    for xis, noise in zip(inputs, noises, strict=True):
        x, y = xis @ J.T / np.sqrt(N), xis @ B.T / np.sqrt(N)
        error = g.g(x) @ v - g.g(y) @ u - noise
        delta = v * g.slope(x) * error[:, None]
        J = (1.0 - one.learning_rate * one.weight_decay / N) * J - one.learning_rate / np.sqrt(N) * np.mean(
            delta[:, :, None] * xis[:, None, :], axis=0
        )
        lost = one.second_layer_decay * v
        v = v - one.second_layer_rate / N * (np.mean(g.g(x) * error[:, None], axis=0) + lost)
    return J, v


ALL = {"second_layer_rate": 0.5, "second_layer_decay": 0.3, "batch_size": 3}


def test_steps_of_weights():
    """Against plain NumPy on the same numbers: batch, both layers and both decays."""
    one, sizes, steps = problem(**ALL), np.array([50, 60, 50, 40]), 25
    rng, seed = np.random.default_rng(1), np.random.SeedSequence(5)
    weights, v = rng.standard_normal((1, 4, 200)), np.array([[0.7, -0.4]])
    networks = ExplicitBatches(one, weights, v, sizes, [seed], "pcg64")
    networks.advance(steps)
    drawn = np.random.default_rng(seed).standard_normal((steps, 3, 201))
    deviations = np.repeat(np.sqrt(FOUR.eigenvalues), sizes)
    inputs, noises = deviations * drawn[..., :200], one.label_noise * drawn[..., 200]
    J, second = plain_steps(one, weights[0, :2], weights[0, 2:], v[0], inputs, noises)
    # 25 steps of numbers of order one; sums of 200 terms in another order
    np.testing.assert_allclose(networks.J[0], J, rtol=0.0, atol=1e-13)
    np.testing.assert_allclose(networks.v[0], second, rtol=0.0, atol=1e-13)


def test_rows_of_data():
    """Batches of the same row are that row; the noise of one input is drawn as for steps on single rows."""
    row, sizes = np.random.default_rng(0).standard_normal((1, 12)), np.array([12])
    weights, seeds = np.random.default_rng(1).standard_normal((2, 4, 12)), np.random.SeedSequence(2).spawn(2)
    one = problem(spectrum=Spectrum.isotropic(), label_noise=0.0)
    v = np.tile(one.v, (2, 1))
    single = SampledNetworks(one, weights, sizes, row, seeds)
    batches = SampledBatches(one, weights, v, sizes, row, seeds)
    rows = np.random.default_rng(3).standard_normal((30, 12))
    noisy = replace(one, label_noise=0.3, batch_size=1)
    others = SampledNetworks(noisy, weights, sizes, rows, seeds), SampledBatches(noisy, weights, v, sizes, rows, seeds)
    for networks in (single, batches, *others):
        networks.advance(40)
    np.testing.assert_allclose(batches.J, single.J, rtol=1e-10)
    np.testing.assert_allclose(others[1].J, others[0].J, rtol=1e-10)
    np.testing.assert_array_equal(batches.v, v)


@pytest.mark.parametrize("kind", [ExplicitBatches, BatchChains, SampledBatches])
def test_a_state_goes_on_bit_for_bit(kind):
    one, sizes = problem(**ALL, spectrum=Spectrum.isotropic()), np.array([12])
    first, v = OrderParameters.random(one, 12, 0.5, seed=0), np.tile(one.v, (2, 1))
    rows, weights = np.random.default_rng(3).standard_normal((30, 12)), np.ones((2, 4, 12))

    def made():
        seeds = np.random.SeedSequence(4).spawn(2)
        if kind is BatchChains:
            return BatchChains(one, [first] * 2, v, sizes, seeds)
        given = (rows, seeds) if kind is SampledBatches else (seeds,)
        return kind(one, weights, v, sizes, *given)

    whole, begun, resumed = made(), made(), made()
    whole.advance(30)
    begun.advance(13)
    resumed.restore(begun.state())
    resumed.advance(17)
    for name, values in whole.state().items():
        np.testing.assert_array_equal(values, resumed.state()[name])


def test_simulations_of_data_and_checkpoints(tmp_path):
    rows = np.random.default_rng(0).standard_normal((300, 12))
    one = problem(**ALL, spectrum=Spectrum.from_data(rows))
    first = OrderParameters.random(one, 12, 1.0, seed=0)
    how = {"inputs": rows, "held_out": rows[:50], "seed": 1, "replicas": 2}
    run = simulate(one, first, [0.0, 2.0], **how)
    assert run.student_weights.shape == (2, 2, 2) and np.ptp(run.student_weights[:, 1]) > 0.0
    kept = ode_sgd.Checkpoint(tmp_path / "run.ckpt")
    simulate(one, first, [0.0, 2.0], **how, checkpoint=kept)
    again = simulate(one, first, [0.0, 2.0], **how, checkpoint=kept)
    np.testing.assert_array_equal(again.student_weights, run.student_weights)
    np.testing.assert_array_equal(again.held_out_error, run.held_out_error)


# --- what it is called, and where it is not known ---------------------------------------------------------------------


@pytest.mark.parametrize("given", [0, -1, 1.5, 2.0, True, "4", None, [4]])
def test_bad_values(given):
    with pytest.raises(InvalidProblem, match=r"batch_size = .* give an integer >= 1"):
        problem(batch_size=given)


def test_problems_without_it_are_what_they_were():
    one = problem(batch_size=1)
    assert "batch_size" not in one.canonical and "batch_size" not in one.stored
    assert replace(one, batch_size=2).identity != one.identity


def test_theory_says_that_it_does_not_hold():
    one = problem(weight_decay=0.0, activation="linear")
    with pytest.raises(InvalidProblem, match="batch_size = 4"):
        theory.noise_floor(one)


def test_studies_and_sweeps():
    study = {
        "spectrum": {"kind": "power_law", "distinct": 2, "beta": 1.0},
        "problem": {"student_units": 1, "teacher_units": 1, "learning_rate": 0.5},
        "start": {"kind": "random", "dimension": 20},
        "integration": {"alpha": 1.0},
    }
    axes = {"problem.batch_size": [1, 8], "problem.second_layer_rate": [0.0, 0.2]}
    sweep = ode_sgd.Sweep(study, axes)
    sizes = [sweep.study(n).problem.batch_size for n in range(4)]
    rates = [sweep.study(n).problem.second_layer_rate for n in range(4)]
    assert sizes == [1, 1, 8, 8] and rates == [0.0, 0.2, 0.0, 0.2]
