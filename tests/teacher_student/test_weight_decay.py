"""`Problem.weight_decay`: every way to integrate and to simulate has it, and what does not know it says so."""

import json
from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, OrderParameters, Problem, Spectrum, integrate, integrate_batch, simulate, theory
from ode_sgd.teacher_student.integration.methods import METHODS
from tests.reference.drift import Plain

FOUR = Spectrum([1.8, 1.0, 0.5, 0.0], [0.25, 0.3, 0.25, 0.2])  # the last has no variance
TIMES = np.array([0.0, 0.4, 2.0, 9.0])
KAPPA = 0.3


def problem(K=2, M=2, **changes):
    values = {
        "spectrum": FOUR,
        "student_units": K,
        "teacher_units": M,
        "learning_rate": 0.4,
        "label_noise": 0.3,
        "weight_decay": KAPPA,
    }
    return Problem(**{**values, **changes})


def start(one, seed=0):
    dimension = 200 if one.spectrum is FOUR else 40 * one.spectrum.distinct
    return OrderParameters.random(one, dimension, 0.6, 1.1, seed=seed)


def assert_like_the_twin(run, one, first, tolerance):
    """Overlaps of every sector where they were kept, C and eps_g, to a part of the largest of a kind."""
    plain, K = Plain.of(one), one.student_units
    states = plain.solve(first.gram, run.alpha, rtol=1e-12, atol=1e-15)
    C = np.einsum("k,nkij->nij", one.spectrum.powers(1), states)
    pairs = [(run.Q, C[:, :K, :K]), (run.R, C[:, :K, K:]), (run.generalization_error, plain.errors(states)[0])]
    pairs.append((run.moment(0)[0], np.einsum("k,nkij->nij", one.spectrum.weights, states)[:, :K, :K]))
    if run.sectors is not None:
        pairs += [(run.sectors.q, states[:, :, :K, :K]), (run.sectors.r, states[:, :, :K, K:])]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=tolerance * np.abs(theirs).max())


@pytest.mark.parametrize("changes", [{}, {"trainable": 2}, {"gradient_flow": True}, {"activation": "linear"}])
@pytest.mark.parametrize("method", list(METHODS))
def test_every_method(method, changes):
    one = problem(**changes)
    run = integrate(one, start(one), TIMES, rtol=1e-10, method=method, sectors=True)
    assert_like_the_twin(run, one, start(one), 1e-6 if method == "LSODA" else 1e-8)


@pytest.mark.parametrize(("K", "M"), [(4, 3), (8, 8)])
def test_loops_and_large_networks(K, M):
    one = problem(K, M, learning_rate=0.15)
    run = integrate(one, start(one), TIMES[:3], rtol=1e-9, sectors=True)
    assert_like_the_twin(run, one, start(one), 1e-7)


@pytest.mark.parametrize(("K", "M"), [(2, 2), (4, 3)])
def test_batches_side_by_side_and_in_turn(K, M):
    """One problem without decay among them, whose numbers are those it has without the others."""
    batch = [problem(K, M, weight_decay=kappa, learning_rate=0.2) for kappa in (0.0, 0.1, 1.0)]
    firsts = [start(one, seed) for seed, one in enumerate(batch)]
    runs = integrate_batch(batch, firsts, TIMES, rtol=1e-9)
    for one, first, run in zip(batch, firsts, runs, strict=True):
        assert_like_the_twin(run, one, first, 1e-7)
    (alone,) = integrate_batch(batch[:1], firsts[:1], TIMES, rtol=1e-9)
    np.testing.assert_array_equal(alone.Q, runs[0].Q)


@pytest.mark.parametrize("trainable", [None, 150])
def test_nodes(trainable):
    """What has no variance moves by its decay alone, and is in the plain overlaps."""
    values = np.append(Spectrum.power_law(299, 0.7).eigenvalues, 0.0)
    one = problem(spectrum=Spectrum(values / values.mean(), np.full(300, 1 / 300)), trainable=trainable)
    first = OrderParameters.random(one, 300 * 40, 0.5, seed=2)
    whole, run = (integrate(one, first, TIMES, rtol=1e-9, nodes=nodes) for nodes in (None, 48))
    assert run.stats["nodes"] == 48
    for order in (0, 1, 2):
        for ours, theirs in zip(run.moment(order), whole.moment(order), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=1e-7 * np.abs(theirs).max())


def test_the_error_follows_the_tolerance():
    one = problem(weight_decay=1.0)
    exact = integrate(one, start(one), TIMES, rtol=1e-12).generalization_error
    for rtol in (1e-3, 1e-5, 1e-7, 1e-9):
        run = integrate(one, start(one), TIMES, rtol=rtol)
        np.testing.assert_allclose(run.generalization_error, exact, rtol=10.0 * rtol)


def test_a_linear_student_under_gradient_flow():
    """J = a J_0 + b B in every sector, a = exp(-eta (lambda + kappa) alpha), b = lambda (1 - a) / (lambda + kappa)."""
    one = problem(1, 1, activation="linear", gradient_flow=True)
    first = start(one)
    run = integrate(one, first, TIMES, rtol=1e-11, sectors=True)
    values, q, r, t = FOUR.eigenvalues, first.q[:, 0, 0], first.r[:, 0, 0], first.t[:, 0, 0]
    a = np.exp(-one.learning_rate * np.outer(TIMES, values + KAPPA))
    b = values * (1.0 - a) / (values + KAPPA)
    np.testing.assert_allclose(run.sectors.q[..., 0, 0], a**2 * q + 2 * a * b * r + b**2 * t, rtol=1e-8)
    np.testing.assert_allclose(run.sectors.r[..., 0, 0], a * r + b * t, rtol=1e-8)


@pytest.mark.parametrize("batch", [False, True])
def test_directions_at_rest_decay(batch):
    """A linear student's difference J_1 - J_2 is moved by nothing else, at any learning rate."""
    one = problem(activation="linear")
    first, times = start(one), np.array([0.0, 1.0, 30.0])
    run = integrate_batch([one], [first], times)[0] if batch else integrate(one, first, times)
    Q, q = run.moment(0)[0], np.einsum("k,kij->ij", FOUR.weights, first.q)
    difference = np.array([1.0, -1.0])
    expected = np.exp(-2.0 * one.learning_rate * KAPPA * times) * (difference @ q @ difference)
    np.testing.assert_allclose(difference @ Q @ difference, expected, rtol=1e-5)


def test_students_do_not_stay_on_their_teachers():
    """The error has a floor, and differences from the teachers are no variables."""
    one = problem(label_noise=0.0, weight_decay=1e-3, spectrum=Spectrum.power_law(3, 1.0))
    teacher = np.broadcast_to(np.eye(2), (3, 2, 2))
    run = integrate(one, OrderParameters(teacher, teacher, teacher), 3000.0)
    assert run.status == "complete"
    assert 1e-9 < run.generalization_error[-1] < 1e-3
    assert run.generalization_error[-1] > 1e3 * run.resolution


# --- simulations ------------------------------------------------------------------------------------------------------

PAIRS = np.triu_indices(2)


def curves(run):
    """Order parameters of order 0 and 1 after the start, (replica, times, entries)."""
    found = [part for order in (0, 1) for part in run.moment(order)[:2]]
    found = [Q[..., PAIRS[0], PAIRS[1]] if n % 2 == 0 else Q.reshape(*Q.shape[:-2], 4) for n, Q in enumerate(found)]
    return np.concatenate(found, axis=-1)[..., 1:, :]


def law(L):
    """A problem whose decay moves what is measured by many standard errors."""
    return problem(spectrum=Spectrum.power_law(L, 1.0), weight_decay=0.5, learning_rate=0.5)


@pytest.mark.parametrize("L", [2, 4])
@pytest.mark.parametrize("method", ["explicit", "explicit-float32", "reduced"])
def test_simulations_against_the_ode(method, L, record_property):
    """Pooled root mean square of z, with an allowance for the bias of order 1/N as in test_ode_against_sgd.py."""
    N, one, squares = 1000, law(L), []
    for seed in range(4):
        first = OrderParameters.random(one, N, 0.5, seed=seed)
        sgd = simulate(one, first, [0.0, 1.0, 3.0, 8.0], dimension=N, replicas=16, seed=seed, method=method)
        values, ode = curves(sgd), curves(integrate(one, first, sgd.alpha, rtol=1e-8))
        error = np.hypot(values.std(axis=0, ddof=1) / 4.0, np.abs(ode).max(axis=0) / N)
        squares.append(((values.mean(axis=0) - ode) / error) ** 2)
    pooled = float(np.sqrt(np.mean(squares)))
    record_property("measured", f"{method}, L = {L}: rms z = {pooled:.2f}")
    assert 0.8 < pooled < 1.25


def test_the_chain_has_the_law_of_the_weights(record_property):
    """At N = 40, where 1 - eta kappa / N is far from one."""
    one, N = problem(spectrum=Spectrum.power_law(2, 1.0), weight_decay=2.0, learning_rate=0.8), 40
    first = OrderParameters.random(one, N, 0.5, seed=1)
    runs = [
        simulate(one, first, [0.0, 0.5, 2.0, 5.0], dimension=N, replicas=400, seed=seed, method=method)
        for seed, method in enumerate(("explicit", "reduced"))
    ]
    left, right = (curves(run) for run in runs)
    z = (left.mean(axis=0) - right.mean(axis=0)) / np.sqrt((left.var(axis=0) + right.var(axis=0)) / 400)
    record_property("measured", f"rms z = {np.sqrt(np.mean(z**2)):.2f}")
    assert np.sqrt(np.mean(z**2)) < 1.8  # strongly correlated entries
    assert np.abs(z).max() < 4.5


def test_rows_of_data():
    """At a learning rate of nearly zero weights fall by the same factor in every step."""
    rows = np.random.default_rng(0).standard_normal((300, 12))
    one = problem(1, 1, spectrum=Spectrum.from_data(rows), learning_rate=1e-9, weight_decay=1e8)
    first = OrderParameters.random(one, 12, 1.0, seed=0)
    run = simulate(one, first, [0.0, 2.0, 10.0], inputs=rows, seed=0)
    kept = (1.0 - 0.1 / 12) ** (12 * run.alpha)
    np.testing.assert_allclose(run.R[0, :, 0, 0], kept * run.R[0, 0, 0, 0], rtol=1e-4)
    np.testing.assert_allclose(run.Q[0, :, 0, 0], kept**2 * run.Q[0, 0, 0, 0], rtol=1e-4)


@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_what_does_not_learn_keeps_its_weights(method):
    one = problem(trainable=1, spectrum=Spectrum([1.5, 0.5, 0.0], [0.4, 0.3, 0.3]))
    first = OrderParameters.random(one, 100, 0.5, seed=0)
    run = simulate(one, first, [0.0, 1.0], dimension=100, seed=0, method=method, sectors=True)
    np.testing.assert_allclose(run.sectors.q[0, -1, 1:], first.q[1:], rtol=1e-12)
    assert (run.sectors.q[0, -1, 0] != first.q[0]).all()


@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_what_has_no_variance_decays(method):
    one = problem(spectrum=Spectrum([1.5, 0.0], [0.5, 0.5]))
    first = OrderParameters.random(one, 100, 0.5, seed=0)
    run = simulate(one, first, [0.0, 3.0], dimension=100, seed=0, method=method, sectors=True)
    kept = (1.0 - one.learning_rate * KAPPA / 100) ** 300
    np.testing.assert_allclose(run.sectors.q[0, -1, 1], kept**2 * first.q[1], rtol=1e-10)
    np.testing.assert_allclose(run.sectors.r[0, -1, 1], kept * first.r[1], rtol=1e-10)


# --- what it is called, and where it is not known ---------------------------------------------------------------------


@pytest.mark.parametrize("given", [-0.1, np.nan, np.inf, 1e60, 1e-60, "much", None, [0.1]])
def test_bad_values(given):
    with pytest.raises(InvalidProblem, match=r"weight_decay .* give 0, or a number from 1e-50 to 1e\+50"):
        problem(weight_decay=given)


def test_problems_without_it_are_what_they_were():
    one = problem(weight_decay=0.0)
    assert "weight_decay" not in one.canonical and "weight_decay" not in one.stored
    assert replace(one, weight_decay=0.1).identity != one.identity
    assert replace(one, weight_decay=0.1).canonical["weight_decay"] == 0.1


@pytest.mark.parametrize("kappa", [0.0, 0.2])
def test_files(tmp_path, kappa):
    one = problem(weight_decay=kappa)
    run = integrate(one, start(one), 1.0)
    ode_sgd.save(tmp_path / "run.h5", run)
    loaded = ode_sgd.load(tmp_path / "run.h5")
    assert getattr(loaded, "ode", loaded).problem.identity == one.identity


STUDY = {
    "spectrum": {"kind": "power_law", "distinct": 2, "beta": 1.0},
    "problem": {"student_units": 1, "teacher_units": 1, "learning_rate": 0.5},
    "start": {"kind": "random", "dimension": 20},
    "integration": {"alpha": 1.0},
}


def test_studies_and_sweeps(tmp_path):
    sweep = ode_sgd.Sweep(STUDY, {"problem.weight_decay": [0.0, 0.5]})
    assert [sweep.study(n).problem.weight_decay for n in range(2)] == [0.0, 0.5]
    without = ode_sgd.Sweep(STUDY, {"problem.learning_rate": [0.5]})
    assert "weight_decay" not in json.dumps(without.canonical)


OF_THEORY = {
    "critical_learning_rate": "erf",
    "noise_floor": "erf",
    "linear_modes": "linear",
    "linear_time_window": "linear",
    "linear_feature_window": "linear",
    "plateau_height": "erf",
    "symmetric_saddle": "erf",
    "escape_rate": "erf",
    "escape_law": "erf",
}


@pytest.mark.parametrize("name", OF_THEORY)
def test_theory_that_does_not_hold_says_why(name):
    with pytest.raises(InvalidProblem, match=r"weight_decay = 0\.3"):
        getattr(theory, name)(problem(activation=OF_THEORY[name]))


def test_theory_from_a_start_does_not_hold_either():
    linear, erf = problem(activation="linear"), problem()
    spectrum = Spectrum.power_law(50, 1.0)
    for call in (
        lambda: theory.linear_error(linear, start(linear), TIMES),
        lambda: theory.linear_order_parameters(linear, start(linear), TIMES),
        lambda: theory.escape_time(erf, start(erf)),
        lambda: theory.asymptotic_exponent(problem(spectrum=spectrum, label_noise=0.0)),
        lambda: theory.asymptotic_exponent(problem(spectrum=spectrum, activation="linear")),
    ):
        with pytest.raises(InvalidProblem, match=r"weight_decay = 0\.3"):
            call()


@pytest.mark.parametrize("given", ["auto", "explicit", "reduced", "inputs"])
def test_steps_that_make_weights_grow_are_refused(given):
    """1 - eta kappa / N below -1: every replica would diverge, while the ODE is fine."""
    rows = np.random.default_rng(0).standard_normal((300, 12))
    one = problem(1, 1, spectrum=Spectrum.from_data(rows), learning_rate=1.0, weight_decay=30.0)
    first = OrderParameters.random(one, 12, 1.0, seed=0)
    how = {"inputs": rows} if given == "inputs" else {"dimension": 12, "method": given}
    with pytest.raises(
        InvalidProblem,
        match=r"weight_decay = 30 is too large for dimension = 12: .* = -1.5, so .* a dimension of at least 30",
    ):
        simulate(one, first, [0.0, 2.0], seed=0, **how)
    assert integrate(one, first, TIMES).status == "complete"
    assert simulate(replace(one, weight_decay=23.0), first, [0.0, 0.5], dimension=12, seed=0, method="explicit")


@pytest.mark.parametrize(("N", "told"), [(40, True), (4000, False)])
def test_a_comparison_says_where_steps_are_not_small(N, told):
    """eta kappa / N = 0.0125 at N = 40."""
    one = replace(law(2), weight_decay=1.0)
    first = OrderParameters.random(one, N, 0.5, seed=0)
    sgd = simulate(one, first, [0.0, 0.5], dimension=N, replicas=4, seed=0)
    found = ode_sgd.compare(integrate(one, first, sgd.alpha), sgd)
    assert ("learning_rate weight_decay / dimension = 0.013 is not small" in found.verdict) is told


def test_a_study_says_so_too():
    given = {**STUDY, "problem": {**STUDY["problem"], "weight_decay": 1e3}, "simulation": {"dimension": 20}}
    with pytest.raises(ode_sgd.StudyError, match=r"\[simulation\] weight_decay = 1000 .* a dimension of at least 500"):
        ode_sgd.Sweep(given, {"start.seed": [1]})
