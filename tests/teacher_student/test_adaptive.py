"""Sign-SGD, Adam, AdaGradNorm and Polyak's steps: published and exact values, their SGD, and what is refused."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, OrderParameters, Problem, Spectrum, integrate, optimizers, simulate
from ode_sgd.core.seeds import Children
from ode_sgd.teacher_student.model import starts as placing
from ode_sgd.teacher_student.simulation.adaptive import AdaptiveNetworks
from ode_sgd.teacher_student.simulation.chain_rates import RateChains
from ode_sgd.teacher_student.simulation.line_search import searched
from tests.teacher_student.adaptive_against_sgd import RULES, both_z, pooled_z, problem
from tests.teacher_student.law import same_law

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
    pooled, alone = both_z(one, 200 if "rotated" in name else 400, 24, [10, 11])
    record_property("measured", f"{name}: rms z = {pooled:.2f}, {alone:.2f} in standard errors alone")
    assert pooled < 1.25
    assert alone > 0.8  # else these are too large


CHAINS = {name: RULES[name] for name in ("AdaGradNorm", "Polyak")}


@pytest.mark.parametrize("name", CHAINS)
def test_the_chain_against_the_ode(name, record_property):
    pooled, alone = both_z(problem(name), 400, 24, [10, 11], method="reduced")
    record_property("measured", f"{name}: rms z = {pooled:.2f}, {alone:.2f} in standard errors alone")
    assert pooled < 1.25
    assert alone > 0.8


@pytest.mark.parametrize("changes", [{}, {"trainable": 2, "weight_decay": 0.3}], ids=["plain", "trainable"])
@pytest.mark.parametrize("name", CHAINS)
def test_the_chain_has_the_law_of_the_weights(name, changes, record_property):
    """At N = 40, where nothing that is of order 1/N is small."""
    p = same_law(problem(name, L=4, **changes), dimension=40, replicas=1000, seed=8, times=[0.0, 1.0])
    record_property("measured", f"{name}: p = {p[0]:.2g}, {p[1]:.2g}")
    assert min(p) > 1e-4


def test_the_chain_without_the_length_outside_its_frame_has_another_law(monkeypatch):
    """The test above sees that B needs all of |xi|^2: with half of it the law is another."""
    whole = RateChains._new_chain
    monkeypatch.setattr(RateChains, "_new_chain", lambda own, sizes: half(whole(own, sizes)))

    def half(chain):
        return chain._replace(shares=0.5 * chain.shares)

    assert min(same_law(problem("AdaGradNorm"), dimension=40, replicas=400, seed=8, times=[0.0, 1.0])) < 1e-4


@pytest.mark.parametrize("name", CHAINS)
def test_chains_do_not_depend_on_where_they_are_cut(name):
    """Nor on their number; the rate is that of the overlaps at the last search."""
    one, N = problem(name), 200
    begin, sizes = OrderParameters.random(one, N, 0.7, seed=0), one.spectrum.sector_dimensions(N)
    whole, pieces, restored = (RateChains(one, [begin] * n, sizes, Children(1, range(n), 3)) for n in (5, 2, 2))
    whole.advance(150)
    for count in (1, 62, 7):
        pieces.advance(count)
        restored.restore(pieces.state())
    for networks_ in (pieces, restored):
        networks_.advance(80)
        for left, right in zip(whole.overlaps(), networks_.overlaps(), strict=True):
            np.testing.assert_array_equal(left[:2], right)
        np.testing.assert_array_equal(whole.state()["memory"][:2], networks_.state()["memory"])
    if name == "Polyak":
        whole.advance(2)  # 152 steps are 38 searches
        q, r = whole.overlaps()
        whole.advance(1)
        t = np.broadcast_to(begin.t, (5, *begin.t.shape))
        np.testing.assert_allclose(whole.state()["memory"], searched(one, q, r, t), rtol=1e-11)  # rounding


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


def networks(one, N=200):
    """Two replicas at a start of their own."""
    begin, sizes = OrderParameters.random(one, N, 0.7, seed=0), one.spectrum.sector_dimensions(N)
    weights = placing.many_weights([begin.gram] * 2, sizes, [np.random.default_rng(seed) for seed in (0, 1)])
    return AdaptiveNetworks(one, weights, sizes, Children(1, range(2), 2))


@pytest.mark.parametrize("name", RULES)
def test_steps_do_not_depend_on_where_they_are_cut(name):
    """150 steps at once, in pieces, and by networks that are restored: the same bits. Blocks have 64, searches 4."""
    whole, pieces, restored = (networks(problem(name)) for _ in range(3))
    whole.advance(150)
    for count in (1, 62, 7, 80):
        pieces.advance(count)
        restored.restore(pieces.state())
        if count == 7:
            restored.advance(80)
            last = restored.overlaps()
    for left, middle, right in zip(whole.overlaps(), pieces.overlaps(), last, strict=True):
        np.testing.assert_array_equal(left, middle)
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(whole.memory, pieces.memory)
    if whole._problem.optimizer.remembers:
        np.testing.assert_array_equal(whole.remembered(), pieces.remembered())


@pytest.mark.parametrize("name", RULES)
def test_output_times_and_stops_leave_no_trace(name, tmp_path):
    one, path = problem(name), tmp_path / "checkpoint"
    times = [0.0, 0.43, 20.0 if name == "Polyak" else 400.0]  # long enough to be stopped
    first = OrderParameters.random(one, 100, 0.7, seed=1)
    how = {"dimension": 100, "replicas": 2, "seed": 4, "method": "explicit", "threads": 1}
    whole = simulate(one, first, times[::2], **how)

    def stop(fraction):
        if 0.0 < fraction < 1.0:
            raise KeyboardInterrupt

    stopped = simulate(one, first, times, **how, progress=stop, checkpoint=ode_sgd.Checkpoint(path))
    assert stopped.status == "interrupted"
    went_on = simulate(one, first, times, **how, checkpoint=ode_sgd.Checkpoint(path))
    np.testing.assert_array_equal(went_on.Q[:, -1], whole.Q[:, -1])
    np.testing.assert_array_equal(went_on.R[:, -1], whole.R[:, -1])


@pytest.mark.parametrize("name", ["Adam", "Adam, rotated", "AdaGradNorm"])
def test_what_is_remembered_at_every_output_time(name, tmp_path):
    """The ODE by two methods, whose last numbers are those of the stats; simulations, by both methods; files."""
    one, times = problem(name), [0.0, 0.5, 2.0]
    exact = integrate(one, start(), times, method="DOP853", rtol=1e-9)
    structured = integrate(one, start(), times, rtol=1e-8)
    assert exact.memory.values.shape == (3, 1 if name == "AdaGradNorm" else 2)
    np.testing.assert_allclose(structured.memory.values, exact.memory.values, rtol=1e-7)  # measured: 1e-8
    label = exact.memory.names[0]
    last = exact.stats["rate"] ** -2 * 0.25 if name == "AdaGradNorm" else exact.stats[label]
    assert exact.memory.of(label)[-1] == pytest.approx(last, rel=1e-12)
    assert exact.memory.of(label)[1] != last
    with pytest.raises(InvalidProblem, match=f"'rate'.*{label}"):
        exact.memory.of("rate")
    for method in ("explicit", "reduced") if name == "AdaGradNorm" else ("explicit",):
        sgd = simulate(one, start(), times, dimension=400, replicas=24, seed=3, method=method)
        assert sgd.memory.values.shape == (24, *exact.memory.values.shape)
        ode_sgd.save(tmp_path / "run.h5", sgd)
        loaded = ode_sgd.load(tmp_path / "run.h5").sgd
        np.testing.assert_array_equal(loaded.memory.values, sgd.memory.values)
        assert loaded.memory.names == exact.memory.names
        values, theory = sgd.memory.values[:, 1:], exact.memory.values[1:]
        error = values.std(axis=0, ddof=1) / np.sqrt(24)
        bias = 5.0 * theory / 400  # of order 1 / N, as in adaptive_against_sgd.py
        assert (np.abs(values.mean(axis=0) - theory) < 4.0 * np.hypot(error, bias)).all()


def test_polyak_and_signs_remember_nothing():
    for name in ("Polyak", "SignSGD"):
        assert integrate(problem(name), start(), 1.0, method="DOP853").memory is None


def test_a_parameter_that_is_not_given_is_not_printed():
    assert str(optimizers.Adam(2.0)).endswith("basis = eigen)")


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
