"""`Problem.trainable`: every way to integrate and to simulate honours it, and linear theory says what comes out."""

from dataclasses import replace

import numpy as np
import pytest

from ode_sgd import OrderParameters, Problem, Spectrum, integrate, integrate_batch, simulate
from ode_sgd.teacher_student.theory import linear_error, linear_order_parameters
from tests.reference.theory import linear_error_vector
from tests.teacher_student.cases import problem, start

TIMES = np.array([0.0, 0.5, 2.0, 8.0])
ORDERS = (0, 1, 2)


def linear(trainable, **changes):
    return problem(activation="linear", trainable=trainable, **changes)


def assert_exact(run, one, first, rtol):
    """The closed form's error and overlaps; the latter to rtol of the largest entry."""
    exact = linear_order_parameters(one, first, run.alpha)
    np.testing.assert_allclose(run.generalization_error, exact.generalization_error, rtol=rtol)
    for order in ORDERS:
        for ours, theirs in zip(run.moment(order), exact.moment(order), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=rtol * np.abs(theirs).max())


@pytest.mark.parametrize("method", ["rodas5p", "DOP853", "LSODA"])
@pytest.mark.parametrize("trainable", [1, 2, 3])
@pytest.mark.parametrize("gradient_flow", [False, True])
def test_every_method(method, trainable, gradient_flow):
    one = linear(trainable, gradient_flow=gradient_flow)
    run = integrate(one, start(one), TIMES, rtol=1e-11, method=method)
    assert_exact(run, one, start(one), 1e-8)  # LSODA's global error is a few hundred times its tolerance


@pytest.mark.parametrize("trainable", [60, 250])
def test_nodes(trainable):
    """Sectors that rest are not on the nodes, and yet in every sum."""
    one = linear(trainable, spectrum=Spectrum.power_law(300, 0.6), learning_rate=0.3)
    first = OrderParameters.random(one, 300 * 40, 0.3, seed=2)
    run = integrate(one, first, TIMES, rtol=1e-10, nodes=48)
    assert run.stats["nodes"] == 48
    assert run.stats["eigenvalues"] == trainable
    assert_exact(run, one, first, 1e-7)  # 48 nodes on two to three decades


def test_automatic_nodes():
    """A tenth of the sectors learn: what rests sets the floor."""
    one = linear(2000, spectrum=Spectrum.power_law(20_000, 1.0), learning_rate=0.3, label_noise=0.0)
    first = OrderParameters.typical(one, 0.1)
    run = integrate(one, first, np.array([0.0, 1.0, 1e3, 1e4]), rtol=1e-8)
    np.testing.assert_allclose(run.generalization_error, linear_error(one, first, run.alpha), rtol=1e-6)


def test_batch():
    two = {"teacher_units": 2, "teacher_weights": [0.8, 0.5]}
    batch = [linear(trainable, **two) for trainable in (1, 2, 3, None)]
    firsts = [start(one, seed) for seed, one in enumerate(batch)]
    for one, first, run in zip(batch, firsts, integrate_batch(batch, firsts, TIMES, rtol=1e-11), strict=True):
        assert_exact(run, one, first, 1e-9)


def simulated(activation, N, replicas, method, alpha):
    """(problem, start, trajectory) with two of three sectors learning; those that rest keep their overlaps."""
    one = Problem(
        spectrum=Spectrum([0.6, 2.0, 1.0], [0.5, 0.2, 0.3]),
        student_units=2,
        teacher_units=2,
        activation=activation,
        learning_rate=0.4,
        label_noise=0.3,
        trainable=2,
    )
    first = OrderParameters.random(one, N, 0.5, seed=3)
    run = simulate(one, first, alpha, dimension=N, replicas=replicas, seed=7, method=method, sectors=True)
    for ours, given in ((run.sectors.q, first.q), (run.sectors.r, first.r)):
        # factors of Gram matrices of order one, multiplied out again
        np.testing.assert_allclose(ours[:, :, 2], np.broadcast_to(given[2], ours[:, :, 2].shape), atol=1e-12)
    return one, first, run


@pytest.mark.parametrize("method", ["reduced", "explicit"])
def test_simulations_of_the_linear_network(method, record_property):
    """At N = 200, against the exact mean at that N: standard errors of 1 %, seeds fixed."""
    N = 200
    one, first, sgd = simulated("linear", N, 256, method, np.array([0.0, 0.5, 1.0, 2.0, 4.0]))
    exact = 0.5 * linear_error_vector(one, first, sgd.alpha, N)[1:] @ one.spectrum.powers(1)
    error = sgd.standard_error().generalization_error[1:]
    z = (sgd.mean().generalization_error[1:] - exact) / error
    record_property("measured", f"{method}, linear, two of three sectors learn: z = {np.round(z, 2)}")
    assert np.abs(z).max() < 3.5
    assert (error < 0.02 * exact).all()
    whole = 0.5 * linear_error_vector(replace(one, trainable=3), first, sgd.alpha, N)[1:] @ one.spectrum.powers(1)
    assert (np.abs(whole - exact) > 10.0 * error).all()  # the test would notice


def test_simulation_of_erf_units(record_property):
    N = 1000
    one, first, sgd = simulated("erf", N, 256, "reduced", np.array([0.0, 1.0, 4.0]))
    exact = integrate(one, first, sgd.alpha, rtol=1e-9).generalization_error
    error = sgd.standard_error().generalization_error[1:]
    z = (sgd.mean().generalization_error - exact)[1:] / np.hypot(error, exact[0] / N)  # the mean's own 1/N
    record_property("measured", f"reduced, erf, two of three sectors learn: z = {np.round(z, 2)}")
    assert np.abs(z).max() < 3.5
    whole = integrate(replace(one, trainable=3), first, sgd.alpha, rtol=1e-9).generalization_error
    assert (np.abs(whole - exact)[1:] > 20.0 * error).all()  # the test would notice
