"""The reduced simulator's law: against real weights, and in closed form after one step. All seeds fixed beforehand."""

import numpy as np
import pytest
from scipy import stats

from ode_sgd import OrderParameters, Problem, Spectrum, simulate
from ode_sgd.teacher_student.kernels.simulation import chain_draws
from ode_sgd.teacher_student.simulation.chain import ReducedNetworks
from ode_sgd.teacher_student.trajectory import error_curve
from tests.reference.averages import CLOSED

HOTELLING, KOLMOGOROV = 1e-4, 1e-3
FOUR = Spectrum([2.2, 1.0, 0.5, 0.3], [0.25, 0.25, 0.25, 0.25])
TIGHT = Spectrum([1.5, 0.5], [5 / 13, 8 / 13])  # N_k = K + M and K + M + 3 at N = 13, K = 3, M = 2
TIGHTER = Spectrum([1.5, 0.5], [4 / 11, 7 / 11])  # the same at N = 11, K = M = 2


def problem(spectrum, K, M, **changes):
    values = {
        "spectrum": spectrum,
        "student_units": K,
        "teacher_units": M,
        "learning_rate": 1.0,
        "student_weights": np.linspace(1.0, 0.6, K),
        "teacher_weights": np.linspace(0.8, 1.2, M),
    }
    return Problem(**{**values, **changes})


def reduced(one, start, steps, sizes, replicas, seed):
    """q, r (replicas, times, L, ..) of the reduced simulator."""
    streams = np.random.SeedSequence(seed).spawn(replicas)
    parts = []
    for begin in range(0, replicas, 32):
        part = streams[begin : begin + 32]
        networks = ReducedNetworks(one, [start] * len(part), sizes, part)
        seen = []
        for count in np.diff(steps):
            networks.advance(int(count))
            seen.append(networks.overlaps())
        parts.append([np.stack(rows, axis=1) for rows in zip(*seen, strict=True)])
    return [np.concatenate(rows) for rows in zip(*parts, strict=True)]


def features(q, r):
    """All sector overlaps of a replica in one row: (replicas, numbers)."""
    upper = np.triu_indices(q.shape[-1])
    return np.concatenate([q[..., upper[0], upper[1]].reshape(len(q), -1), r.reshape(len(r), -1)], axis=1)


def hotelling(first, second):
    """p-value of equal means, two samples (n, p); what has no variance, as in a linear network, is left out."""
    n, m = len(first), len(second)
    pooled = ((n - 1) * np.cov(first.T) + (m - 1) * np.cov(second.T)) / (n + m - 2)
    scale = np.sqrt(np.diag(pooled))
    values, axes = np.linalg.eigh(pooled / np.outer(scale, scale))
    varies = values > 1e-10
    difference = (first.mean(axis=0) - second.mean(axis=0)) / scale @ axes[:, varies]
    p, t2 = int(varies.sum()), n * m / (n + m) * float(difference**2 @ (1.0 / values[varies]))
    return stats.f.sf(t2 * (n + m - p - 1) / (p * (n + m - 2)), p, n + m - p - 1)


def compare(one, N, steps, replicas, seed):
    """p-values: Hotelling of overlaps and squares at the last time, Kolmogorov-Smirnov of eps_g at all."""
    sizes = one.spectrum.sector_dimensions(N)
    start = OrderParameters.random(one, N, 0.6, 1.0, seed=seed)
    steps = np.concatenate([[0], steps])
    real = simulate(
        one, start, steps / N, dimension=N, replicas=replicas, seed=seed + 1, method="explicit", sectors=True, threads=1
    )
    q, r = reduced(one, start, steps, sizes, replicas, seed + 2)
    ours = features(q[:, -1], r[:, -1])
    theirs = features(real.sectors.q[:, -1], real.sectors.r[:, -1])
    t = np.broadcast_to(start.t, (*q.shape[:3], *start.t.shape[1:]))
    factor = one.spectrum.weights * one.spectrum.eigenvalues
    C = np.tensordot(np.block([[q, r], [r.swapaxes(-1, -2), t]]), factor, axes=(2, 0))
    errors = error_curve(one, C.reshape(-1, *C.shape[2:]))[0].reshape(C.shape[:2])
    return (
        hotelling(ours, theirs),
        hotelling(ours**2, theirs**2),
        [stats.ks_2samp(errors[:, i], real.generalization_error[:, i + 1]).pvalue for i in range(len(steps) - 1)],
    )


LINEAR = {"activation": "linear", "learning_rate": 0.4}
SCENES = {
    "K=M=2": (problem(FOUR, 2, 2), 400, [100, 400, 1000], 400),
    "K=3, M=2, noise": (problem(FOUR, 3, 2, label_noise=0.3), 400, [100, 400, 1000], 400),
    "linear, noise": (problem(FOUR, 2, 2, **LINEAR, label_noise=0.3), 400, [40, 120, 400], 400),
    "small sectors": (problem(TIGHTER, 2, 2, label_noise=0.3), 11, [1, 8, 30], 1000),
    "small sectors, K=3": (problem(TIGHT, 3, 2), 13, [1, 8, 30], 1000),
    "small sectors, linear": (problem(TIGHTER, 2, 2, **LINEAR), 11, [1, 8, 30], 1000),
}


@pytest.mark.parametrize("name", SCENES)
def test_the_law_is_that_of_real_weights(name, record_property):
    means, squares, errors = compare(*SCENES[name], seed=100 + list(SCENES).index(name))
    assert means > HOTELLING
    assert squares > HOTELLING
    assert min(errors) > KOLMOGOROV
    record_property("measured", f"reduced against explicit, {name}: p = {means:.2g}, {squares:.2g}, {min(errors):.2g}")


def one_degree(shift):
    exact = chain_draws.degrees_of_freedom
    return lambda sizes, fields: exact(sizes, fields) + shift


def mean_only(freedom):
    """Constants that make every chi-square its mean: no spread, and no proposal is refused."""
    return freedom, np.zeros(freedom.size)


def mutate(monkeypatch, mutation):
    if mutation == "mean":
        monkeypatch.setattr(chain_draws, "chi_square_constants", mean_only)
    else:
        monkeypatch.setattr(chain_draws, "degrees_of_freedom", one_degree(1.0 if mutation == "one more" else -1.0))


@pytest.mark.parametrize("mutation", ["one more", "one less"])
def test_other_degrees_of_freedom_are_noticed(mutation, monkeypatch):
    mutate(monkeypatch, mutation)
    means, squares, errors = compare(*SCENES["small sectors"], seed=103)
    assert means < HOTELLING or squares < HOTELLING or min(errors) < KOLMOGOROV


def first_steps(one, sizes, t, rounds, seed):
    """q, r (32 rounds, L, ..) after one step from J = 0."""
    L, K, M = len(sizes), one.student_units, one.teacher_units
    zero = OrderParameters(np.zeros((L, K, K)), np.zeros((L, K, M)), t)
    networks = ReducedNetworks(one, [zero] * 32, sizes, np.random.SeedSequence(seed).spawn(32))
    seen = []
    for _ in range(rounds):
        networks.advance(1)
        seen.append(networks.overlaps())
        state = networks.state()
        networks.restore({**state, "students": np.zeros_like(state["students"])})
    return [np.concatenate(rows) for rows in zip(*seen, strict=True)]


SIZES = np.array([4, 5, 7, 12])
STEP = Spectrum([1.6, 1.2, 0.8, 0.5], SIZES / SIZES.sum())
TEACHERS = np.array(
    [[[1.0, 0.3], [0.3, 0.8]], [[0.7, -0.2], [-0.2, 1.2]], [[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.5]]]
)


@pytest.mark.parametrize("activation", ["erf", "linear"])
def test_one_step_from_nothing(activation):
    """J_i = (eta / sqrt N) v_i g'(0) label xi; its mean overlaps follow from Stein's lemma."""
    one = problem(STEP, 2, 2, activation=activation, label_noise=0.3)
    N, eta, averages = SIZES.sum(), one.learning_rate, CLOSED[activation]
    T = np.einsum("k,kij->ij", STEP.weights * STEP.eigenvalues, TEACHERS)
    slope0 = 1.0 if activation == "linear" else np.sqrt(2.0 / np.pi)
    u, pairs = one.u, range(2)
    slopes = np.array([1.0 if activation == "linear" else np.sqrt(2.0 / np.pi / (1.0 + T[n, n])) for n in pairs])
    square = sum(u[n] * u[m] * averages.gg(T, n, m) for n in pairs for m in pairs) + one.label_noise**2
    gradients = np.array([[u[n] * u[m] * averages.dgdg(T, n, m) for m in pairs] for n in pairs])
    curvature = np.array([u[n] * sum(u[m] * averages.d2gg(T, n, m) for m in pairs) for n in pairs])
    lam = STEP.eigenvalues
    bent = 2.0 * np.einsum("knm,nm->k", TEACHERS, gradients) + 2.0 * np.einsum("knn,n->k", TEACHERS, curvature)
    per_q = (eta * slope0) ** 2 / N * (lam * square + lam**2 / N * bent)
    per_r = eta * slope0 / N * lam[:, None] * (TEACHERS @ (u * slopes))
    q, r = first_steps(one, SIZES, TEACHERS, 2000, 7)
    for drawn, mean in (
        (q, per_q[:, None, None] * np.outer(one.v, one.v)),
        (r, per_r[:, None, :] * one.v[:, None]),
    ):
        error = drawn.std(axis=0) / np.sqrt(len(drawn))
        here = error > 0.0  # not for a teacher that has no part in a sector
        assert np.abs((drawn.mean(axis=0) - mean)[here] / error[here]).max() < 4.0
        assert np.abs((drawn.mean(axis=0) - mean)[~here]).max(initial=0.0) < 1e-15


def ratios():
    """p-values of |xi_k|^2 / |xi_l|^2 for labels of nothing but noise: chi-squares of N_k and N_l degrees."""
    one = problem(STEP, 2, 2, label_noise=0.3, teacher_weights=[0.0, 0.0])
    q = first_steps(one, SIZES, TEACHERS, 1000, 8)[0][:, :, 0, 0] / STEP.eigenvalues
    last = SIZES[-1]
    return [stats.kstest(q[:, k] / q[:, -1], stats.f(SIZES[k], last).cdf).pvalue for k in range(SIZES.size - 1)]


def test_length_of_one_input():
    assert min(ratios()) > KOLMOGOROV


@pytest.mark.parametrize("mutation", ["one more", "one less", "mean"])
def test_another_length_of_one_input_is_noticed(mutation, monkeypatch):
    mutate(monkeypatch, mutation)
    assert max(ratios()) < KOLMOGOROV
