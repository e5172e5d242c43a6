"""Sign-SGD, Adam, AdaGradNorm and Polyak's steps: published and exact values, their SGD, and what is refused."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, OrderParameters, Problem, Spectrum, integrate, optimizers, simulate
from ode_sgd.core.seeds import Children
from ode_sgd.teacher_student.model import starts as placing
from ode_sgd.teacher_student.simulation.adaptive import AdaptiveNetworks
from tests.teacher_student.adaptive_against_sgd import RULES, pooled_z, problem

SECTORS = Spectrum([1.6, 0.4], [0.5, 0.5])


def start(K=2, q=0.25, r=0.1, both=0.05):
    return OrderParameters([q * np.eye(K)] * 2, [r * np.eye(K) + both] * 2, [np.eye(K)] * 2)


def linear(rule, **changes):
    given = {"spectrum": Spectrum.isotropic(), "student_units": 1, "teacher_units": 1, "activation": "linear"}
    return Problem(**{**given, "learning_rate": 1.0, "optimizer": rule, **changes})


def test_adam_in_the_eigenbasis():
    """Sector 1 at alpha = 8, from an implementation of its own of the equations; to its tolerance of 1e-9."""
    adam = optimizers.Adam(2.0, initial_second_moment=(0.3, 0.2), bias_correction=False)
    one = Problem(
        spectrum=SECTORS, student_units=2, teacher_units=2, label_noise=0.2, learning_rate=0.25, optimizer=adam
    )
    for method in ("DOP853", "LSODA", "rodas5p"):
        final = integrate(one, start(), [0.0, 8.0], method=method, rtol=1e-9).final
        q = [0.5349053557, 0.2981936614, 0.2981936614, 0.5560621398]
        r = [0.5133169565, 0.365359475, 0.3761427297, 0.5249516071]
        np.testing.assert_allclose(final.q[0].ravel(), q, rtol=0.0, atol=2e-9)
        np.testing.assert_allclose(final.r[0].ravel(), r, rtol=0.0, atol=2e-9)


def test_the_last_rate_of_adagrad_norm():
    """eta = 1 / b with 1 - 4 (b - 1) + 2 ln b = 0, from E[Delta^2] = B = eta = 1 (Collins-Woodfin et al. 2024)."""
    begin = OrderParameters([[[1.0]]], [[[0.5]]], [[[1.0]]])
    run = integrate(linear(optimizers.AdaGradNorm(1.0)), begin, [0.0, 100.0], method="DOP853", rtol=1e-10)
    assert run.stats["rate"] == pytest.approx(0.70017642, abs=1e-8)


def test_polyak_steps_of_linear_units_halve_what_is_left():
    """L = 1 without noise: dE/dalpha = -2 eta E + eta^2 E falls fastest at eta = 1, as exp(-alpha)."""
    begin = OrderParameters([[[1.0]]], [[[0.5]]], [[[1.0]]])
    run = integrate(linear(optimizers.Polyak()), begin, [0.0, 1.0, 3.0], method="DOP853", rtol=1e-8)
    np.testing.assert_allclose(run.generalization_error, 0.5 * np.exp(-run.alpha), rtol=1e-7)  # that of rtol
    assert run.stats["rate"] == pytest.approx(1.0, abs=1e-9)


def test_polyak_steps_are_the_steepest():
    """The error falls faster than at a rate a tenth larger or smaller, by what a parabola says."""
    falls = {}
    for share in (0.9, 1.0, 1.1):
        one = Problem(
            spectrum=SECTORS,
            student_units=2,
            teacher_units=2,
            label_noise=0.2,
            learning_rate=share,
            optimizer=optimizers.Polyak(),
        )
        errors = integrate(one, start(), [0.0, 1e-4], method="DOP853", rtol=1e-11).generalization_error
        falls[share] = float(np.diff(errors)[0])
    assert falls[0.9] / falls[1.0] == pytest.approx(0.99, abs=1e-4)  # 2 x - x^2, over a time of 1e-4
    assert falls[1.1] / falls[1.0] == pytest.approx(0.99, abs=1e-4)


def test_bias_correction_is_the_limit_of_a_long_past():
    """From m = 0, divided by what is known; m(0) = E[delta^2] there, and constant gradients need no correction."""
    one = linear(optimizers.Adam(2.0), learning_rate=1e-9, label_noise=1.0)
    run = integrate(one, OrderParameters([[[1.0]]], [[[0.5]]], [[[1.0]]]), [0.0, 1.0], method="DOP853")
    assert run.stats["second_moment_1"] == pytest.approx(2.0, rel=1e-7)  # 2 eps_g + sigma^2, and eta is small


def test_the_floor_of_linear_sign_sgd():
    """Noise and drift balance; an equation for one number."""
    eta, sigma = 0.05, 0.3
    one = linear(optimizers.SignSGD(), learning_rate=eta, label_noise=sigma)
    begin = OrderParameters([[[1.0]]], [[[0.5]]], [[[1.0]]])
    E = 2.0 * integrate(one, begin, [0.0, 400.0], method="DOP853", rtol=1e-9).generalization_error[-1]
    # dE/dalpha = -2 eta (2 / pi) E / sqrt(E + sigma^2) + eta^2 = 0 (Xiao et al. 2024, for one eigenvalue).
    assert 4.0 / np.pi * E / np.sqrt(E + sigma**2) == pytest.approx(eta, rel=1e-7)


@pytest.mark.parametrize("name", ["Adam", "Adam, rotated", "AdaGradNorm"])
def test_the_structured_method(name):
    """Against DOP853, from the time on at which bias correction divides by little; with decay, and in batches."""
    one, times = problem(name, weight_decay=0.1), [0.0, 1e-3, 1.0, 30.0]
    exact = integrate(one, start(), times, method="DOP853", rtol=1e-11)
    run = integrate(one, start(), times, rtol=1e-7)
    np.testing.assert_allclose(run.generalization_error, exact.generalization_error, rtol=2e-7)
    np.testing.assert_allclose(run.final.q, exact.final.q, rtol=2e-7)
    for key in exact.stats.keys() & {"rate", "second_moment_1", "second_moment_2"}:
        assert run.stats[key] == pytest.approx(exact.stats[key], rel=1e-6)
    other = ode_sgd.integrate_batch([problem("AdaGradNorm"), one], [start()] * 2, times, rtol=1e-7)[1]
    np.testing.assert_array_equal(other.generalization_error, run.generalization_error)


def test_nodes_in_place_of_a_long_spectrum():
    one = problem("Adam", spectrum=Spectrum.power_law(500, 1.0))
    begin = OrderParameters.typical(one, student_scale=0.5)
    whole = integrate(one, begin, [0.0, 1.0, 30.0], nodes=None)
    few = integrate(one, begin, [0.0, 1.0, 30.0], nodes=40)
    np.testing.assert_allclose(few.generalization_error, whole.generalization_error, rtol=2e-6)  # twice the default


@pytest.mark.parametrize("name", RULES)
def test_simulations_against_the_ode(name, record_property):
    """Seeds were fixed before they were looked at; `adaptive_against_sgd` has longer ones, and other N."""
    one = problem(name)
    pooled = pooled_z(one, 200 if "rotated" in name else 400, 24, [10, 11])
    record_property("measured", f"{name}: rms z = {pooled:.2f}")
    assert 0.8 < pooled < 1.25


def test_the_bases_differ():
    """The same simulation is far from the equations of the other basis."""
    one, other = problem("SignSGD"), problem("SignSGD, rotated")
    assert pooled_z(one, 400, 24, [10], theory=other) > 3.0


def test_coordinates_that_are_given():
    """Those of the eigenbasis, in another order within sectors, are the eigenbasis: the same law, other numbers."""
    one, N = problem("SignSGD"), 200
    begin = OrderParameters.random(one, N, 0.7, seed=0)
    order = np.random.default_rng(0).permutation(N)
    turned = optimizers.simulate_in_coordinates(one, begin, [0.0, 1.0], np.eye(N)[order], replicas=2, seed=3)
    plain = simulate(one, begin, [0.0, 1.0], dimension=N, replicas=2, seed=3)
    np.testing.assert_allclose(turned.Q, plain.Q, rtol=1e-12)  # rounding: the same inputs
    with pytest.raises(InvalidProblem, match="not an orthogonal matrix"):
        optimizers.simulate_in_coordinates(one, begin, 1.0, np.ones((N, N)))
    with pytest.raises(InvalidProblem, match="does not depend on coordinates"):
        optimizers.simulate_in_coordinates(problem("Polyak"), begin, 1.0, np.eye(N))


@pytest.mark.parametrize("name", RULES)
def test_networks_that_are_restored_go_on_to_the_same_numbers(name):
    one = problem(name)
    begin, sizes = OrderParameters.random(one, 60, 0.7, seed=0), one.spectrum.sector_dimensions(60)
    weights = placing.many_weights([begin.gram] * 2, sizes, [np.random.default_rng(seed) for seed in (0, 1)])
    first = AdaptiveNetworks(one, weights, sizes, Children(1, range(2), 2))
    first.advance(30)
    kept = first.state()
    first.advance(30)
    second = AdaptiveNetworks(one, weights, sizes, Children(1, range(2), 2))
    second.restore(kept)
    second.advance(30)
    for left, right in zip(first.overlaps(), second.overlaps(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_files_and_identity(tmp_path):
    one = problem("Adam")
    ode_sgd.save(tmp_path / "run.h5", integrate(one, start(), 1.0, method="DOP853"))
    loaded = ode_sgd.load(tmp_path / "run.h5")
    assert getattr(loaded, "ode", loaded).problem == one
    assert one.identity != problem("SignSGD").identity


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"name": "SignSGD", "basis": "pixels"}, r'"eigen", coordinates along .* "rotated".* only be simulated'),
        ({"name": "Adam", "second_moment_rate": 1.0, "basis": 3}, "Adam: basis = 3"),
        ({"name": "Adam", "second_moment_rate": 0.0}, "second_moment_rate = 0"),
        ({"name": "Adam", "second_moment_rate": 1.0, "bias_correction": False}, "without bias correction"),
        ({"name": "Adam", "second_moment_rate": 1.0, "friction": 1.0}, "first moment beside the second"),
        (
            {"name": "Adam", "second_moment_rate": 1.0, "initial_second_moment": [1.0] * 3},
            "3 entries; student_units = 2",
        ),
        ({"name": "AdaGradNorm", "initial": 0.0}, "initial = 0"),
        ({"name": "Polyak", "largest": -1.0}, "largest = -1"),
    ],
)
def test_what_does_not_close_is_refused(rule, words):
    with pytest.raises(InvalidProblem, match=words):
        problem("Adam", optimizer=rule)


def test_activations_that_do_not_rise_are_refused():
    for activation in ("quadratic", "relu"):
        with pytest.raises(InvalidProblem, match=r"g rises everywhere; give .*erf"):
            problem("SignSGD", activation=activation)
    assert problem("SignSGD", activation="leaky_relu").activation == "leaky_relu"


def test_options_and_methods_that_are_not_covered_say_so():
    for changes in ({"batch_size": 2}, {"gradient_flow": True}, {"second_layer_rate": 0.1}, {"spherical": True}):
        with pytest.raises(InvalidProblem, match=f"with {next(iter(changes))}"):
            problem("Adam", **changes)
    with pytest.raises(InvalidProblem, match="rotated coordinates belong to all sectors"):
        problem("SignSGD, rotated", trainable=1)
    with pytest.raises(InvalidProblem, match=r"'rodas5p' does not take .*SignSGD.*method = 'DOP853' takes it"):
        integrate(problem("SignSGD"), start(), 1.0)
    with pytest.raises(InvalidProblem, match=r"'reduced' does not take .*SignSGD.*method = 'explicit' takes it"):
        simulate(problem("SignSGD"), start(), 1.0, dimension=100, seed=0, method="reduced")
    assert simulate(problem("SignSGD"), start(), 1.0, dimension=100, seed=0).method == "explicit"
