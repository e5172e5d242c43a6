"""A few nodes in place of a long spectrum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigvalsh_tridiagonal

import ode_sgd
from ode_sgd import InvalidProblem, InvalidStart, OrderParameters, Problem, Spectrum, integrate
from ode_sgd.teacher_student.integration import node_count
from ode_sgd.teacher_student.integration import nodes as module
from ode_sgd.teacher_student.integration.nodes import SpectrumNodes, default_nodes, moving_eigenvalues
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system
from ode_sgd.teacher_student.integration.sectors_in_order import distinct, read

EXAMPLES = settings(max_examples=15, deadline=None, derandomize=True)
LONG_TIMES = np.concatenate([[0.0], np.geomspace(0.1, 1e5, 150)])
TIMES = np.concatenate([[0.0], np.geomspace(0.1, 100.0, 20)])


def problem(spectrum, **changes):
    values = {"spectrum": spectrum, "student_units": 2, "teacher_units": 2, "learning_rate": 0.1}
    return Problem(**{**values, **changes})


def smooth(one):
    """The same small, asymmetric overlaps in every sector."""
    typical = OrderParameters.typical(one, 0.01)
    return OrderParameters(typical.q, typical.r + 7e-3 * np.array([[1.0, 0.5], [-0.3, 0.8]]), typical.t)


def rough(one):
    """Finite-size noise of its own in every sector."""
    return OrderParameters.random(one, 1_000_000, 0.01, seed=1)


def sample_covariance():
    """2000 eigenvalues of the covariance of 4000 white samples: a decade and a half, no two equal.

    From the bidiagonal matrix of chi variables that has their law (Dumitriu and Edelman, 2002).
    """
    rng, n = np.random.default_rng(0), 2000
    diagonal, below = np.sqrt(rng.chisquare(4000 - np.arange(n))), np.sqrt(rng.chisquare(n - 1 - np.arange(n - 1)))
    square = diagonal**2
    square[1:] += below**2
    values = eigvalsh_tridiagonal(square, diagonal[:-1] * below)
    return Spectrum.from_eigenvalues(values / values.mean())


def random_spectrum():
    rng = np.random.default_rng(0)
    values, weights = 10.0 ** rng.uniform(-3.0, 0.5, 2000), rng.uniform(0.2, 1.8, 2000)
    weights /= weights.sum()
    return Spectrum(values / (weights @ values), weights)


def power_law():
    return Spectrum.power_law(2000, 1.0)


# Nodes -> largest relative error of eps_g, docs/theory/numerics.md section 5.
ROWS = {
    "power law, smooth start": (power_law, smooth, {16: 2e-3, 32: 3e-7, 48: 3e-10}),
    "power law, random start": (power_law, rough, {32: 2.5e-5, 48: 1.2e-7, 64: 1.8e-9}),
    "sample covariance": (sample_covariance, rough, {64: 6e-9}),
    "random eigenvalues and weights": (random_spectrum, smooth, {64: 2e-7}),
}
RTOL = 1e-9
STEPS = 3e-9  # what steps of RTOL leave in either run (measured, 2e-9)


@pytest.mark.parametrize("name", ROWS)
def test_the_table_of_the_theory(name, record_property):
    """Each within a factor three, wherever eps_g is resolved and above 1e-12."""
    spectrum, begin, table = ROWS[name]
    one = problem(spectrum())
    # Without small eigenvalues the error is below 1e-12 long before 1e5.
    times = LONG_TIMES[(1.5e4 if name == "sample covariance" else np.inf) > LONG_TIMES]
    whole = integrate(one, begin(one), times, rtol=RTOL, nodes=None)
    seen = whole.generalization_error > max(1e-12, 1e3 * whole.resolution)
    measured = {}
    for nodes in (16, 32, 48, 64):
        run = integrate(one, begin(one), times, rtol=RTOL, nodes=nodes)
        assert run.stats["nodes"] == nodes
        assert run.stats["eigenvalues"] == 2000
        ratio = run.generalization_error[seen] / whole.generalization_error[seen]
        measured[nodes] = np.abs(ratio - 1.0).max()
    record_property("measured", f"{name}: " + ", ".join(f"{n}: {error:.1e}" for n, error in measured.items()))
    for nodes, stated in table.items():
        assert measured[nodes] < 3.0 * stated + STEPS


@settings(EXAMPLES, max_examples=50)
@given(
    L=st.integers(220, 600),
    decades=st.floats(0.3, 3.0),
    gap=st.sampled_from([0.0, 0.0, 2.0, 5.0]),
    seed=st.integers(0, 1000),
    even=st.booleans(),
    scale=st.sampled_from([0.01, 0.05, 0.3]),
    rtol=st.sampled_from([1e-4, 1e-5, 1e-6]),
    end=st.sampled_from([100.0, 1e4]),
)
def test_auto_is_within_ten_tolerances(L, decades, gap, seed, even, scale, rtol, end):
    """Spectra of one bulk and of two, that are decades apart."""
    rng = np.random.default_rng(seed)
    times = np.concatenate([[0.0], np.geomspace(0.1, end, 20)])
    values, weights = 10.0 ** rng.uniform(-decades, 0.0, L), np.ones(L) if even else rng.uniform(0.1, 1.9, L)
    weights /= weights.sum()
    values[: L // 2] *= 10.0**-gap
    one = problem(Spectrum(values / (weights @ values), weights), learning_rate=0.3)
    grams = OrderParameters.random(problem(Spectrum(values, np.full(L, 1.0 / L))), 50 * L, scale, seed=seed)
    auto = integrate(one, grams, times, rtol=rtol)
    whole = integrate(one, grams, times, rtol=rtol, nodes=None)
    assert auto.status == whole.status == "complete"
    seen = whole.generalization_error > 1e3 * whole.resolution
    error = np.abs(auto.generalization_error[seen] / whole.generalization_error[seen] - 1.0)
    assert error.max() < 10.0 * rtol


def assert_same_moments(one, begin, nodes, **options):
    """On that many nodes as on the spectrum, all recorded orders."""
    whole = integrate(one, begin, TIMES, rtol=1e-8, nodes=None, **options)
    run = integrate(one, begin, TIMES, rtol=1e-8, nodes=nodes, **options)
    assert run.status == "complete"
    for order in (0, 1, 2):
        for found, expected in zip(run.moment(order), whole.moment(order), strict=True):
            # Ten times the tolerance of either; so many nodes leave less.
            np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-7 * max(1.0, np.abs(expected).max()))
    return run


def spread(L=60, seed=0):
    rng = np.random.default_rng(seed)
    values, weights = 10.0 ** rng.uniform(-1.5, 0.5, L), rng.uniform(0.5, 1.5, L)
    return values, weights / weights.sum()


def test_the_moments_of_all_orders():
    values, weights = spread()
    one = problem(Spectrum(values, weights))
    assert_same_moments(one, smooth(one), 30)


def test_directions_without_variance_are_set_aside():
    values, weights = spread()
    values[[3, 20, 21]] = 0.0
    one = problem(Spectrum(values, weights))
    assert distinct(moving_eigenvalues(one)) == 57
    begin = OrderParameters.random(problem(Spectrum(values, np.full(60, 1 / 60))), 60_000, 0.3, seed=1)
    run = assert_same_moments(one, begin, 50)
    assert run.stats["eigenvalues"] == 57


def test_untrained_sectors_are_kept_apart():
    values, weights = spread()
    one = problem(Spectrum(np.sort(values)[::-1].copy(), weights), trainable=45)
    run = assert_same_moments(one, smooth(one), 32)
    assert run.stats["eigenvalues"] == 45
    assert run.generalization_error[-1] > 1e-4  # what is never learned


def test_equal_eigenvalues_are_one():
    """Three copies of every eigenvalue, with starts of their own, on as many nodes as distinct ones but one."""
    values, weights = spread(20)
    values, weights = np.repeat(values, 3), np.repeat(weights, 3) / 3.0
    one = problem(Spectrum(values, weights))
    begin = OrderParameters.random(problem(Spectrum(values, np.full(60, 1 / 60))), 60_000, 0.3, seed=2)
    run = assert_same_moments(one, begin, 19)
    assert run.stats["eigenvalues"] == 20


def test_noise_gradient_flow_and_the_linear_activation():
    values, weights = spread()
    for changes in ({"label_noise": 0.3}, {"gradient_flow": True}):
        one = problem(Spectrum(values, weights), **changes)
        assert_same_moments(one, smooth(one), 30)


def test_initial_sums_are_exact():
    """The rule integrates the start itself: C(0) and its neighbours are those of the spectrum."""
    one = problem(power_law())
    system, state = sector_system(one, rough(one)), initial_state(rough(one))
    reduced = SpectrumNodes(system, state, (0, 1, 2)).on(64)
    spectrum = one.spectrum
    for order, weights in enumerate(reduced.weights):
        exact = state @ (spectrum.weights * spectrum.eigenvalues**order)
        # Order 0 is a polynomial of degree 0 in log lambda; lambda^2 over six decades needs the 64 nodes.
        np.testing.assert_allclose(reduced.state @ weights, exact, rtol=0.0, atol=1e-9 * np.abs(exact).max())
    assert (reduced.weights[0] > 0.0).all()
    assert reduced.weights[0].sum() == pytest.approx(1.0, abs=1e-12)
    grams = np.linalg.eigvalsh(reduced.system.t.transpose(2, 0, 1))
    assert grams.min() > 0.0


def test_what_is_refused():
    one = problem(Spectrum(*spread(40)))
    begin = smooth(one)
    for options, message in (
        ({"nodes": 10, "sectors": True}, "sectors = True asks for every sector"),
        ({"nodes": 10, "method": "DOP853"}, "takes the whole spectrum"),
        ({"nodes": 40}, "nodes = 40 for 40 distinct eigenvalues"),
        ({"nodes": 400}, "give fewer, or nodes=None"),
        ({"nodes": 1}, "nodes = 1 is too small"),
        ({"nodes": 2.5}, "nodes = 2.5"),
        ({"nodes": True}, "nodes = True"),
        ({"nodes": "many"}, "nodes = 'many'.*auto"),
    ):
        with pytest.raises(InvalidProblem, match=message):
            integrate(one, begin, TIMES, **options)


def test_auto_leaves_short_spectra_and_sectors_alone():
    short = problem(Spectrum.power_law(150, 1.0))
    assert "nodes" not in integrate(short, smooth(short), TIMES, rtol=1e-4).stats
    long = problem(Spectrum.power_law(1000, 1.0))
    run = integrate(long, smooth(long), TIMES, rtol=1e-4)
    assert default_nodes(moving_eigenvalues(long), 1e-4) <= run.stats["nodes"] < 500
    assert run.stats["eigenvalues"] == 1000
    assert run.final is None  # the sectors' own states are not known
    for again in (
        lambda: integrate(run.problem, run.final, 1.0),
        lambda: ode_sgd.integrate_batch([run.problem], [run.final], 1.0),
        lambda: ode_sgd.simulate(run.problem, run.final, 1.0, dimension=1000, seed=1),
        lambda: ode_sgd.theory.escape_time(run.problem, run.final),
    ):
        with pytest.raises(InvalidStart, match=r"is None, as is the final state of a run on nodes .*nodes=None"):
            again()
    kept = integrate(long, smooth(long), TIMES, rtol=1e-4, sectors=True)
    assert "nodes" not in kept.stats
    assert kept.sectors.q.shape[1] == 1000


@pytest.mark.parametrize("nodes", [58, 70, 100])
def test_nodes_of_negative_trace(nodes):
    """One input a sector, so noisy that a node's tr t is negative: the error norm must still be a number."""
    one = problem(Spectrum.power_law(5000, 1.0))
    begin = OrderParameters.random(one, 5000, 0.01, seed=1)
    compressed = SpectrumNodes(sector_system(one, begin), initial_state(begin), (1,)).on(nodes)
    assert np.einsum("nnj->j", compressed.system.t).min() < 0.0
    run = integrate(one, begin, 1e3, nodes=nodes)
    whole = integrate(one, begin, 1e3, nodes=None)
    assert run.status == "complete"
    # ten times rtol, as "auto" promises
    np.testing.assert_allclose(run.generalization_error, whole.generalization_error, rtol=1e-5)


def spiked(L):
    """A bulk of L - 3 eigenvalues and three far above; students that find the only teacher, far from smooth starts."""
    rng = np.random.default_rng(5)
    values = np.r_[1.0 + 0.1 * rng.random(L - 3), 1e3, 2e3, 1e4]
    one = problem(Spectrum(values / values.mean(), np.full(L, 1.0 / L)), teacher_units=1, learning_rate=0.5)
    weights = rng.standard_normal((L, 3, 60)) * np.array([0.3, 0.3, 1.0])[:, None]
    gram = weights @ weights.transpose(0, 2, 1) / 60
    return one, OrderParameters(gram[:, :2, :2], gram[:, :2, 2:], gram[:, 2:, 2:])


@pytest.mark.parametrize(
    ("L", "nodes", "end"), [(5000, "auto", 5e3), (5000, 40, 5e3), (600, 12, 4e4), (600, "auto", 4e4)]
)
def test_no_floor_but_the_rounding(L, nodes, end):
    """The teacher of the nodes is that of eps_g: it falls as it does on the spectrum, to its rounding."""
    one, begin = spiked(L)
    times = np.concatenate([[0.0], np.geomspace(1.0, end, 40)])
    run = integrate(one, begin, times, rtol=1e-7, nodes=nodes)
    whole = integrate(one, begin, times, rtol=1e-8, nodes=None)
    assert run.stats["nodes"] < L
    error, true = run.generalization_error, whole.generalization_error
    assert error[-1] < 1e-14
    seen = true > 100.0 * run.resolution
    assert true[seen].min() < 1e-7
    np.testing.assert_allclose(error[seen], true[seen], rtol=1e-6)  # ten times rtol
    # Down to a hundred times the rounding of either, 1e-16 is the difference.
    np.testing.assert_allclose(error, true, rtol=1e-6, atol=3e-15)


@pytest.mark.parametrize("trainable", [None, 250])
@pytest.mark.parametrize("nodes", [6, 20, 60])
def test_sums_of_order_one_are_exact_on_any_nodes(nodes, trainable):
    """Q, R and T at the start, whatever the nodes leave of other sums; those of the untrained sectors with them."""
    one = problem(Spectrum.power_law(300, 1.0), student_units=3, trainable=trainable)
    begin = OrderParameters.random(one, 3000, 0.3, seed=2)
    system, state = sector_system(one, begin), initial_state(begin)
    reduced = SpectrumNodes(system, state, (0, 1, 2)).on(nodes)
    exact = state @ system.variance
    rounding = 1e-14 * reduced.cancelled
    np.testing.assert_allclose(reduced.state @ reduced.system.variance, exact, atol=rounding * np.abs(exact).max())
    np.testing.assert_allclose(reduced.system.t @ reduced.system.variance, system.T, atol=rounding * system.T.max())
    assert reduced.cancelled >= 1.0


def runs_of(monkeypatch):
    """Node counts of the integrations that follow."""
    counts, run = [], module._on
    monkeypatch.setattr(module, "_on", lambda its, count, *rest: counts.append(count) or run(its, count, *rest))
    return counts


def test_a_long_spectrum_takes_one_run(monkeypatch):
    """From its start alone is known how many nodes it takes; eps_g is within rtol (measured, a twentieth of it)."""
    one = problem(Spectrum.power_law(4500, 1.0))
    begin = OrderParameters.random(one, 50 * 4500, 0.05, seed=3)
    counts, whole = runs_of(monkeypatch), integrate(one, begin, 1e4, nodes=None)
    auto = integrate(one, begin, 1e4)
    assert len(counts) == 1
    least = SpectrumNodes(sector_system(one, begin), initial_state(begin), (1,)).enough(10, 1e-6)
    for run in auto, integrate(one, begin, 1e4, nodes=least):
        seen = whole.generalization_error > 1e3 * run.resolution
        error = np.abs(run.generalization_error[seen] / whole.generalization_error[seen] - 1.0)
        assert error.max() < 1e-6


def test_a_run_beyond_the_slowest_sector_is_compared(monkeypatch):
    """Exponentials were summed for times up to that at which the smallest eigenvalue is learned."""
    one = problem(Spectrum(np.linspace(1.9, 0.1, 4001), np.full(4001, 1.0 / 4001)))
    begin, counts = OrderParameters.random(one, 50 * 4001, 0.3, seed=3), runs_of(monkeypatch)
    integrate(one, begin, [0.0, 1.0])
    assert len(counts) == 1
    integrate(one, begin, [0.0, 1e4])
    assert len(counts) > 2
    assert counts[2] == int(1.25 * counts[1])


@pytest.mark.parametrize("order", ["descending", "ascending", "mixed"])
def test_panels_sum_what_the_sectors_do(order):
    """Exponentials over 5000 sectors, to a hundred roundings of the sum of the terms' sizes, in whatever order."""
    rng = np.random.default_rng(0)
    values, weights = np.geomspace(2.0, 1e-4, 5000) * rng.uniform(0.9999, 1.0, 5000), rng.uniform(0.5, 1.5, 5000)
    which = {"descending": np.arange(5000), "ascending": np.arange(5000)[::-1], "mixed": rng.permutation(5000)}[order]
    blocks = rng.standard_normal((2, 5000)), rng.standard_normal((3, 5000))
    s = np.concatenate([[-1.0, 0.0], np.geomspace(0.1, 1e4, 20)])
    sums, sizes = node_count.exponential_sums(np.log(values), weights, np.concatenate(blocks), s)
    panels, count = read(values[which], weights[which], [block[:, which] for block in blocks])
    assert count == 5000
    assert panels.u.size < 300
    found, _ = node_count.exponential_sums(*panels, s)
    assert (np.abs(found - sums) / sizes).max() < 100 * np.finfo(float).eps
