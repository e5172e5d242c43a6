"""Optimisers with linear memory, simulated: against the ODE, against each other, against plain steps, and going on."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, OrderParameters, Schedule, Spectrum, simulate
from ode_sgd.core.schedule import value_at
from ode_sgd.optimizers import Averaging, HeavyBall
from ode_sgd.teacher_student.model.weights import Weights
from tests.teacher_student.memory_against_sgd import LEAST, OPTIMIZERS, POOLED, law, same_law, squared_z

TOGETHER = {
    "batch_size": 3,
    "weight_decay": 0.8,
    "learning_rate": Schedule.power(0.6, 0.5, 1.0),
    "label_noise": Schedule.power(0.4, 0.3, 1.0),
    "trainable": 1,
}


@pytest.mark.parametrize("L", [2, 4])
@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_simulations_against_the_ode(method, L, record_property):
    """Pooled over all optimisers, two starts each; starts of one optimiser alone scatter by 0.2."""
    found = [np.mean(squared_z(law(one, L), method, range(2), 400)) for one in OPTIMIZERS.values()]
    pooled = float(np.sqrt(np.mean(found)))
    record_property("measured", f"{method}, L = {L}: rms z = {pooled:.2f}")
    assert POOLED[0] < pooled < POOLED[1]


@pytest.mark.parametrize("changes", [{}, TOGETHER], ids=["plain", "together"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_chain_has_the_law_of_the_weights(name, changes, record_property):
    """At N = 60, where nothing that is of order 1/N is small."""
    p = same_law(law(OPTIMIZERS[name], 2, **changes), 7)
    record_property("measured", f"{name}: p = {p[0]:.2g}, {p[1]:.2g}")
    assert min(p) > LEAST


def plain_steps(one, J, B, steps, generator):
    """(18.1) in NumPy, one step after the other: U (R, K, N) of J (K, N)."""
    copies, N = one.update_rule.copies, J.shape[1]
    sizes = one.spectrum.sector_dimensions(N)
    amplitude, learning = (np.repeat(part, sizes) for part in (np.sqrt(one.spectrum.eigenvalues), one.learning))
    U = np.array([scale * J for scale in copies.start])
    for step in range(steps):
        eta, sigma = (value_at(value, step / N) for value in (one.learning_rate, one.label_noise))
        student = np.tensordot(copies.p, U, axes=1)
        gradient = one.weight_decay / np.sqrt(N) * student
        for _ in range(one.batch_size):
            z = generator.standard_normal(N + 1)
            xi = amplitude * z[:N]
            delta = (student.sum(axis=0) - B.sum(axis=0)) @ xi / np.sqrt(N) - sigma * z[N]  # of linear units
            gradient = gradient + delta * xi / one.batch_size
        mixing = copies.mixing_at(step / N) / N
        mixing /= np.maximum(1.0, -np.diag(mixing))[:, None]
        pushed = copies.rates_at(step / N)[:, None, None] * eta / np.sqrt(N) * learning * gradient
        U = U + np.einsum("rs,skn->rkn", mixing, U) - pushed
    return U


@pytest.mark.parametrize("changes", [{}, TOGETHER], ids=["plain", "together"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_the_formula(name, changes):
    """On NumPy's own random numbers. A term left out is off in the first digits; sums round in another order."""
    one = law(OPTIMIZERS[name], 2, activation="linear", **changes)
    N, steps = 30, 90
    drawn = np.random.default_rng(5)
    J, B = drawn.standard_normal((2, N)), drawn.standard_normal((2, N))
    run = simulate(one, Weights(J, B), [0.0, steps / N], dimension=N, seed=3, method="explicit-pcg64", sectors=True)
    stream = np.random.SeedSequence(3).spawn(1)[0].spawn(3)[2]
    U = plain_steps(one, J, B, steps, np.random.default_rng(stream))
    sizes = one.spectrum.sector_dimensions(N)
    whole = np.concatenate([U.reshape(-1, N), B])
    for k, (end, size) in enumerate(zip(np.cumsum(sizes), sizes, strict=True)):
        part = whole[:, end - size : end]
        gram = part @ part.T / size
        np.testing.assert_allclose(run.final[0].copies[k], gram[:4], rtol=0.0, atol=1e-12 * np.abs(gram).max())
    kept = one.update_rule.copies.deployed
    np.testing.assert_array_equal(run.Q[0, -1], run.copies[0, -1, 2 * kept : 2 * kept + 2, 2 * kept : 2 * kept + 2])


@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_a_stop_leaves_no_trace(method, tmp_path):
    """An interrupted run that goes on from its checkpoint has the same bits, and so do other output times."""
    one, path = law(OPTIMIZERS["DANA"], 2), tmp_path / "checkpoint"
    first = OrderParameters.random(one, 100, 0.5, seed=1)
    how = {"dimension": 100, "replicas": 2, "seed": 4, "method": method, "threads": 1}
    whole = simulate(one, first, [0.0, 400.0], **how)

    def stop(fraction):
        if 0.1 < fraction < 0.9:
            raise KeyboardInterrupt

    stopped = simulate(one, first, [0.0, 5.0, 400.0], **how, progress=stop, checkpoint=ode_sgd.Checkpoint(path))
    assert stopped.status == "interrupted"
    went_on = simulate(one, first, [0.0, 5.0, 400.0], **how, checkpoint=ode_sgd.Checkpoint(path))
    np.testing.assert_array_equal(went_on.copies[:, -1], whole.copies[:, -1])


@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_another_run_goes_on_with_the_copies(method):
    one = law(HeavyBall(0.2), 2)
    first = OrderParameters.random(one, 100, 0.5, seed=1)
    run = simulate(one, first, [0.0, 1.0], dimension=100, seed=2, method=method)
    assert run.memory.error("velocity").shape == (1, 2)
    again = simulate(one, run.final[0], [0.0, 1.0], dimension=100, seed=3, method=method)
    np.testing.assert_allclose(again.copies[0, 0], run.copies[0, -1], rtol=1e-12, atol=1e-14)  # a frame's rounding
    assert again.copies[0, 0, 2, 2] > 0.0


def test_what_is_refused():
    with pytest.raises(InvalidProblem, match=r"friction.*1e\+50.*SGD of the rate"):
        HeavyBall(0.0)
    one = law(HeavyBall(150.0), 2)
    first = OrderParameters.random(one, 100, 0.5, seed=1)
    with pytest.raises(InvalidProblem, match=r"leaves 1 - 150 / 100 .* dimension of at least 150"):
        simulate(one, first, 1.0, dimension=100, seed=0)
    narrow = law(HeavyBall(1.0), 2, spectrum=Spectrum([1.5, 0.5], [0.1, 0.9]))
    begin = OrderParameters.random(narrow, 50, 0.5, seed=1)
    with pytest.raises(InvalidProblem, match=r"2 K \+ M = 6 inputs.*\"explicit\""):
        simulate(narrow, begin, 1.0, dimension=50, seed=0, method="reduced")
    rows = np.random.default_rng(0).standard_normal((50, 8))
    data = law(Averaging(1.0), 2, spectrum=Spectrum.from_data(rows))
    with pytest.raises(InvalidProblem, match="does not take optimizer = Averaging"):
        simulate(data, OrderParameters.random(data, 8, 0.5, seed=1), 1.0, inputs=rows, seed=0)
