"""ReLU and leaky ReLU in all that networks are put through: trajectories, simulations, theory, files, studies."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, InvalidStart, OrderParameters, Problem, Spectrum, integrate, simulate, theory
from tests.teacher_student.simulation.test_chain_law import features, hotelling

ONE = Spectrum.isotropic()


def problem(spectrum=ONE, K=2, M=2, **changes):
    values = {
        "spectrum": spectrum,
        "student_units": K,
        "teacher_units": M,
        "learning_rate": 0.2,
        "label_noise": 0.1,
        "activation": "relu",
    }
    return Problem(**{**values, **changes})


def law(L):
    return ONE if L == 1 else Spectrum.power_law(L, 1.0)


def golden_start(L):
    """S of ../shared/RULES_TRIALS.md."""
    q, r = np.diag([0.25, 0.2]), np.array([[0.10, 0.05], [0.02, 0.08]])
    return OrderParameters(*(np.tile(part, (L, 1, 1)) for part in (q, r, np.eye(2))))


# --- the ODE ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("L", "noise", "errors", "digits"),
    [
        (1, 0.1, {10.0: 0.12183115143}, 1e-9),
        (8, 0.1, {10.0: 0.10343455876, 100.0: 0.0058084554, 1e3: 0.000591455027}, 1e-8),
        (1, 0.0, {10.0: 0.12137507193, 100.0: 0.0012324373}, 1e-7),
        (8, 0.0, {100.0: 0.00520477}, 1e-6),
    ],
)
def test_golden_trajectories(L, noise, errors, digits):
    """To the digits that are given, at rtol 1e-9."""
    run = integrate(problem(law(L), label_noise=noise), golden_start(L), [0.0, *errors], rtol=1e-9)
    np.testing.assert_allclose(run.generalization_error[1:], list(errors.values()), rtol=digits)


def test_against_an_explicit_method():
    """DOP853 uses the drift alone, none of the derivatives."""
    one, start = problem(law(2)), golden_start(2)
    runs = [integrate(one, start, [0.0, 1.0, 4.0], rtol=1e-8, method=m) for m in ("rodas5p", "DOP853")]
    np.testing.assert_allclose(*(run.generalization_error for run in runs), rtol=1e-7)
    np.testing.assert_allclose(*(run.Q for run in runs), rtol=1e-7)


def test_batches_and_nodes_are_what_single_runs_are():
    one = [problem(Spectrum.power_law(300, 1.0), learning_rate=rate) for rate in (0.1, 0.3)]
    starts = [OrderParameters.random(each, 6000, 0.5, seed=3) for each in one]
    alpha = [0.0, 3.0, 300.0]
    runs = ode_sgd.integrate_batch(one, starts, alpha)
    for each, start, run in zip(one, starts, runs, strict=True):
        np.testing.assert_array_equal(run.Q, integrate(each, start, alpha, nodes=None).Q)
        on_nodes = integrate(each, start, alpha)
        assert on_nodes.stats["nodes"] < 100
        np.testing.assert_allclose(on_nodes.generalization_error, run.generalization_error, rtol=1e-5)


@pytest.mark.parametrize(("L", "rtol"), [(1, 1e-4), (1, 1e-8), (8, 1e-6)])
def test_without_noise_a_run_ends_at_its_resolution(L, rtol):
    """In 60 to 250 steps, where steps that chase rounding come to no end: it is held from there, below resolution."""
    one = problem(law(L), label_noise=0.0)
    run = integrate(one, golden_start(L), np.append(0.0, np.geomspace(1.0, 1e5, 60)), rtol=rtol)
    error = run.generalization_error
    assert run.status == "complete" and run.stats["steps"] + run.stats["rejected"] < 400
    assert 1e-9 < run.resolution < 3e-8
    held = run.alpha >= run.stats["held_from"]
    assert held.sum() > 5 and (error[held] == error[-1]).all() and error[-1] < run.resolution
    assert (np.diff(error) <= 0.0).all()
    (batched,) = ode_sgd.integrate_batch([one], [golden_start(L)], run.alpha, rtol=rtol)
    np.testing.assert_array_equal(batched.generalization_error, error)
    assert batched.final is not None


def test_what_is_above_the_resolution_is_right():
    """Against a hundred times finer tolerance: 2e-5 at eps_g = 1e-7, where rounding of A is 1e-13 and of G 1e-10."""
    one, alpha = problem(label_noise=0.0), [0.0, 100.0, 142.5, 200.0, 240.0]
    coarse, fine = (integrate(one, golden_start(1), alpha, rtol=rtol).generalization_error for rtol in (1e-6, 1e-8))
    np.testing.assert_allclose(coarse[:4], fine[:4], rtol=1e-5)
    assert fine[4] < 2e-7
    np.testing.assert_allclose(coarse[4], fine[4], rtol=1e-3)


def test_a_student_on_its_teacher_is_held_at_once():
    still = OrderParameters(*np.tile(np.eye(2), (3, 1, 1, 1)))
    run = integrate(problem(label_noise=0.0), still, [0.0, 1.0, 10.0])
    assert run.status == "complete" and run.stats["held_from"] < 1.0
    np.testing.assert_allclose(run.Q, np.tile(np.eye(2), (3, 1, 1)), atol=1e-12)


@pytest.mark.parametrize(
    ("q", "told"),
    [
        (np.diag([0.0, 0.2]), "student 1 has a field of variance zero"),
        (np.full((2, 2), 0.3), r"students 1 and 2 are parallel \(rho = 1\)"),
        (np.array([[0.3, -0.6], [-0.6, 1.2]]), r"students 1 and 2 are parallel \(rho = -1\)"),
    ],
)
def test_starts_without_a_derivative_are_refused(q, told):
    start = OrderParameters(q[None], np.zeros((1, 2, 2)), np.eye(2)[None])
    for call in (lambda: integrate(problem(), start, 1.0), lambda: ode_sgd.integrate_batch([problem()], [start], 1.0)):
        with pytest.raises(InvalidStart, match=told):
            call()


@pytest.mark.parametrize("size", [1e-2, 1e-8])
def test_a_small_student_against_the_teacher_passes_zero(size):
    """Rounding and noise let its norm grow again; it ends on the other side."""
    q, r = np.diag([size, 0.2]), np.array([[-0.9 * np.sqrt(size), 0.0], [0.1, 0.2]])
    run = integrate(problem(learning_rate=0.05), OrderParameters(q[None], r[None], np.eye(2)[None]), [0.0, 400.0])
    assert run.status == "complete" and run.stats["steps"] < 400
    assert np.isfinite(run.generalization_error).all()


# --- simulations ------------------------------------------------------------------------------------------------------

PAIRS = {K: np.triu_indices(K) for K in (2, 3)}


def curves(run):
    """All order parameters of order 0 and 1 after the start, (.., times, entries)."""
    upper = PAIRS[run.Q.shape[-1]]
    found = []
    for order in (0, 1):
        Q, R, _ = run.moment(order)
        found += [Q[..., upper[0], upper[1]], R.reshape(*R.shape[:-2], -1)]
    return np.concatenate(found, axis=-1)[..., 1:, :]


def pooled(K, M, L, method, seeds, dimension=1000, **changes):
    """Root mean square of z, with an allowance for the bias of order 1/N as in test_ode_against_sgd.py."""
    one = problem(law(L), K, M, learning_rate=0.4, label_noise=0.3, **changes)
    squares = []
    for seed in seeds:
        start = OrderParameters.random(one, dimension, 0.5, seed=seed)
        how = {"dimension": dimension, "replicas": 16, "seed": seed, "method": method}
        sgd = simulate(one, start, [0.0, 1.0, 4.0, 10.0], **how)
        values, ode = curves(sgd), curves(integrate(one, start, sgd.alpha, rtol=1e-8))
        error = np.hypot(values.std(axis=0, ddof=1) / 4.0, np.abs(ode).max(axis=0) / dimension)
        squares.append(((values.mean(axis=0) - ode) / error) ** 2)
    return float(np.sqrt(np.mean(squares)))


@pytest.mark.parametrize(
    ("K", "M", "L", "method", "activation"),
    [
        (2, 2, 1, "explicit", "relu"),
        (2, 2, 4, "explicit-float32", "relu"),
        (2, 2, 4, "reduced", "relu"),
        (3, 2, 4, "reduced", "relu"),
    ],
)
def test_simulations_against_the_ode(K, M, L, method, activation, record_property):
    """Ten seeds at N = 2000 of the chain, four at N = 1000 of weights, which take longer.

    `python -m tests.teacher_student.relu_against_sgd` takes ten at N = 2000 of every case. With four seeds the pooled
    value scatters by 0.1: entries of one run are correlated.
    """
    seeds, dimension = (range(10), 2000) if method == "reduced" else (range(4), 1000)
    value = pooled(K, M, L, method, seeds, dimension, activation=activation)
    record_property("measured", f"{activation}, K={K}, M={M}, L={L}, {method}: pooled z {value:.2f}")
    assert 0.8 < value < 1.25


def test_the_chain_has_the_law_of_the_weights(record_property):
    """Means and squares of all sector overlaps at N = 40: Hotelling."""
    one, N = problem(law(2), learning_rate=0.8, label_noise=0.3), 40
    start = OrderParameters.random(one, N, 0.5, seed=1)
    rows = []
    for seed, method in enumerate(("explicit", "reduced")):
        run = simulate(one, start, [0.0, 4.0], dimension=N, replicas=400, seed=seed, method=method, sectors=True)
        rows.append(features(run.sectors.q[:, -1], run.sectors.r[:, -1]))
    p = hotelling(*rows), hotelling(*(part**2 for part in rows))
    record_property("measured", f"chain against weights: p = {p[0]:.2g}, {p[1]:.2g}")
    assert min(p) > 1e-4


# --- theory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("L", [1, 4, 8])
def test_the_saddle_of_gradient_flow(L):
    """Values of ../shared/RULES_TRIALS.md section 1, the same for every spectrum."""
    one = problem(law(L), label_noise=0.0, gradient_flow=True)
    saddle = theory.symmetric_saddle(one)
    assert saddle.branch == "split"
    found = [saddle.Q[0, 0], saddle.Q[0, 1], saddle.R[0, 0], theory.plateau_height(one)]
    np.testing.assert_allclose(found, [0.7177561036, 0.3829773393, 0.5245792225, 0.0736129325276], atol=1e-10)
    rate = theory.escape_rate(one) / (one.learning_rate * one.spectrum.moment(2))
    assert rate == pytest.approx(0.2392366983, abs=1e-9)
    same = theory.symmetric_saddle(one, branch="identical")
    found = [same.Q[0, 0], same.Q[0, 1], same.R[0, 0], same.generalization_error]
    np.testing.assert_allclose(found, [0.5706430065, 0.5706430065, 0.5341549431, 0.0885119366], atol=1e-10)


@pytest.mark.parametrize(
    ("K", "rate", "height", "growth"),
    [
        (2, 0.05, 0.0750363349, 0.2350728168),
        (2, 0.1, 0.0765751327424, 0.230927588926),
        (3, 0.05, 0.1627671978, 0.2001697651),
    ],
)
def test_the_saddle_at_finite_learning_rates(K, rate, height, growth):
    one = problem(K=K, M=K, label_noise=0.0, learning_rate=rate)
    assert theory.plateau_height(one) == pytest.approx(height, abs=1e-10)
    assert theory.escape_rate(one) / rate == pytest.approx(growth, abs=1e-9)


def test_a_run_leaves_it_at_that_rate():
    """From the saddle with R_11 - R_12 = 1e-7: the growth of that difference while it is small."""
    one = problem(label_noise=0.0, learning_rate=0.05)
    saddle = theory.symmetric_saddle(one).order_parameters
    start = OrderParameters(saddle.q, saddle.r + 1e-7 * np.array([[1.0, -1.0], [-1.0, 1.0]]), saddle.t)
    run = integrate(one, start, [0.0, 200.0, 500.0], rtol=1e-9)
    difference = run.R[:, 0, 0] - run.R[:, 0, 1]
    growth = np.log(difference[2] / difference[1]) / 300.0
    assert growth == pytest.approx(theory.escape_rate(one), rel=1e-5)
    assert run.generalization_error[1] == pytest.approx(theory.plateau_height(one), rel=1e-8)


def test_identical_students_have_no_rate():
    with pytest.raises(InvalidProblem, match="identical students part faster than at any rate; give branch='split'"):
        theory.escape_rate(problem(label_noise=0.0), branch="identical")


def test_a_run_is_found_on_the_split_branch():
    one = problem(label_noise=0.0, learning_rate=0.05)
    start = OrderParameters.random(one, 2000, 0.3, seed=0)
    run = integrate(one, start, 1500.0)
    found = ode_sgd.findings(run)
    assert theory.escape_rate(one, run) == pytest.approx(theory.escape_rate(one), rel=0.1)  # its T is not exactly 1
    assert found is not None


# --- files, studies, sweeps -------------------------------------------------------------------------------------------

STUDY = {
    "spectrum": {"kind": "power_law", "distinct": 2, "beta": 1.0},
    "problem": {"student_units": 2, "teacher_units": 2, "learning_rate": 0.2, "activation": "relu"},
    "start": {"kind": "random", "dimension": 40},
    "integration": {"alpha": 5.0},
}


def test_files(tmp_path):
    run = integrate(problem(), golden_start(1), 5.0)
    ode_sgd.save(tmp_path / "run.h5", run)
    loaded = ode_sgd.load(tmp_path / "run.h5")
    again = getattr(loaded, "ode", loaded)
    assert again.problem == run.problem and again.problem.identity != problem(activation="leaky_relu").identity
    np.testing.assert_array_equal(again.generalization_error, run.generalization_error)


def test_sweeps():
    sweep = ode_sgd.Sweep(STUDY, {"problem.activation": ["erf", "relu", "leaky_relu"]})
    assert [sweep.study(n).problem.activation for n in range(3)] == ["erf", "relu", "leaky_relu"]


def test_what_needs_closed_forms_says_so():
    for call in (theory.critical_learning_rate, theory.noise_floor):
        with pytest.raises(InvalidProblem, match="activation = 'relu': the theory of floors takes derivatives where"):
            call(problem())
    assert not replace(problem(), activation="relu").g.has_near_teacher_form
