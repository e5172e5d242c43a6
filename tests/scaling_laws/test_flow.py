"""Gradient flow: against its plain twin, against the networks' own equations, order, limits, units."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ode_sgd import scaling_laws as sl
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.scaling_laws import flow as module
from ode_sgd.scaling_laws.kernels import flow as kernels
from tests.reference import scaling_laws_flow as twin

SMALL = sl.PowerLawTask(capacity=1.5, source=0.5, modes=300)
TASK = sl.PowerLawTask(capacity=1.5, source=0.5, modes=1000)
WIDE = sl.PowerLawTask(capacity=1.5, source=0.5, modes=10**16)


def on(measure, gamma, times, per_decade):
    """Loss, r and c by the kernel with so many steps a decade."""
    nodes, weights, out = np.array(measure.nodes), np.array(measure.target), np.empty((len(times), 3))
    status, _ = kernels.flow(
        nodes, weights, gamma, np.asarray(times), per_decade, out, np.empty((1, nodes.size), nodes.dtype)
    )
    assert status == kernels.DONE
    return out + np.array([measure.floor, 0.0, 0.0])


def twins_limit(measure, gamma, times):
    """Loss and r, a, c of the plain scheme, whose error is of second order, with that error taken off."""
    found = []
    for per_decade in (100, 200):
        y, scalars = twin.flow(measure.nodes, measure.target, gamma, times, per_decade, first=1e-5 * (1.0 + gamma))
        found.append(np.vstack([twin.loss(measure.nodes, measure.target, measure.floor, y), scalars.T]))
    return (4.0 * found[1] - found[0]) / 3.0


@pytest.mark.parametrize("width", [None, 24])
@pytest.mark.parametrize("gamma", [0.0, 1.0, 20.0])
def test_twin(gamma, width):
    """1e-5, which is what `flow` states. Later the twin loses its order: its fast nodes are stiff."""
    model, times = sl.FeatureLearning(SMALL, gamma=gamma, width=width), 10.0 ** np.arange(-2.0, 2.0)
    curve = model.flow(times)
    loss, r, a, c = twins_limit(model.measure, gamma, times)
    np.testing.assert_allclose(curve.loss, loss, rtol=1e-5)
    np.testing.assert_allclose(curve.scalars["r"], r, rtol=1e-5)
    np.testing.assert_allclose(curve.scalars["a"], a, rtol=1e-5)
    np.testing.assert_allclose(curve.scalars["c"], c, rtol=3e-4)  # a derivative of a cubic: third order


@pytest.mark.parametrize("gamma", [0.0, 0.3, 5.0])
def test_networks_equations(gamma):
    """q = B^T omega with omega' = B g, B' = gamma omega g^T, g = u - S q: nothing of the reduction is used.

    LSODA's own error at rtol 1e-10 is 1e-8; the kernel's is 6e-6 at most.
    """
    task, width = sl.PowerLawTask(capacity=1.5, source=0.5, modes=40), 12
    features = np.random.default_rng(5).standard_normal((width, 40)) / np.sqrt(width)
    lam, power = task.eigenvalues, task.teacher_power
    covariance, cross = (features * lam) @ features.T, features @ (lam * np.sqrt(power / lam))

    def right_hand_side(_, state):
        omega, inner = state[:width], state[width:].reshape(width, width)
        g = cross - covariance @ (inner.T @ omega)
        return np.concatenate([inner @ g, (gamma * np.outer(omega, g)).ravel()])

    times = np.array([0.1, 1.0, 10.0, 100.0])
    start = np.concatenate([np.zeros(width), np.eye(width).ravel()])
    found = solve_ivp(right_hand_side, (0.0, 100.0), start, "LSODA", times, rtol=1e-10, atol=1e-13)
    losses, lengths = [], []
    for state in found.y.T:
        omega, inner = state[:width], state[width:].reshape(width, width)
        losses.append((lam * (np.sqrt(power / lam) - features.T @ (inner.T @ omega)) ** 2).sum())
        lengths.append(omega @ omega)
    measure = sl.SpectralMeasure.of_features(features, lam, power, {"width": width})
    curve = sl.FeatureLearning(task, gamma=gamma).flow(times, measure=measure)
    np.testing.assert_allclose(curve.loss, losses, rtol=6e-6)
    np.testing.assert_allclose(curve.scalars["r"], lengths, rtol=6e-6)


def test_rate_is_the_derivative_of_the_gain():
    """c = a' / (2 a), by central differences of log a, which are good to 1e-6; c itself is to 3e-4."""
    model, times = sl.FeatureLearning(TASK, gamma=2.0), np.array([0.3, 3.0, 30.0, 300.0])
    step = 1e-3
    up, down = (np.log(model.flow(times * (1.0 + sign * step)).scalars["a"]) for sign in (1.0, -1.0))
    slope = (up - down) / (2.0 * step * times)
    np.testing.assert_allclose(model.flow(times).scalars["c"], 0.5 * slope, rtol=3e-4)


def test_order():
    """Fourth: halved steps leave a sixteenth; 12 asks for an order of at least 3.6."""
    measure, times = sl.SpectralMeasure.infinite(WIDE), np.geomspace(1.0, 1e6, 25)
    exact = on(measure, 1.0, times, 640)
    errors = [np.abs(on(measure, 1.0, times, n)[:, 0] / exact[:, 0] - 1.0).max() for n in (20, 40, 80, 160)]
    ratios = np.divide(errors[:-1], errors[1:])
    assert (ratios > 12.0).all(), errors


@pytest.mark.parametrize(
    ("capacity", "source"), [(1.5, 0.2), (1.5, 0.5), (1.5, 0.9), (1.1, 0.9), (1.5, 1.5), (1.5, 3.0), (3.0, 3.0)]
)
@pytest.mark.parametrize("gamma", [0.1, 10.0, 100.0])
def test_stated_accuracy(capacity, source, gamma):
    """What the docstring of `flow` states, against 320 steps a decade, whose error is 1e-8, down to the resolution."""
    task, times = sl.PowerLawTask(capacity, source, 10**16), np.geomspace(1e-3, 1e9, 100)
    exact = on(sl.SpectralMeasure.infinite(task), gamma, times, 320)[:, 0]
    curve = sl.FeatureLearning(task, gamma=gamma).flow(times)
    error = np.abs(curve.loss - exact)
    assert (error / exact)[exact > 1e-3].max() < 1e-5
    assert (error <= 1e-4 * exact + curve.resolution).all()


@pytest.mark.parametrize(("capacity", "source", "modes"), [(1.5, 0.5, 100), (1.5, 1.5, 1000), (1.5, 0.5, 10**6)])
@pytest.mark.parametrize("gamma", [0.1, 10.0, 100.0])
def test_stated_accuracy_until_all_modes_are_learned(capacity, source, modes, gamma):
    """The rest of what the docstring of `flow` states, against 640 steps a decade: up to lambda_M tau = 3, and 10."""
    task = sl.PowerLawTask(capacity, source, modes)
    last = task.eigenvalues[-1]
    times = np.geomspace(1e-2, 10.0 / last, 300)
    exact, found = (on(sl.SpectralMeasure.infinite(task), gamma, times, n) for n in (640, module.PER_DECADE))
    gains = 1.0 + gamma * exact[:, 1]
    tau = np.concatenate([[0.0], np.cumsum(np.diff(times) * 0.5 * (gains[1:] + gains[:-1]))])
    off = np.abs(found[:, 0] / exact[:, 0] - 1.0)
    early, later = tau * last <= 3.0, tau * last <= 10.0
    assert off[early].max() < 1e-4
    assert 1e-5 < off[later].max() < 1e-3 or source > 1.0
    assert off[later].max() < 1e-3
    assert (np.abs(found[:, 2] - exact[:, 2]) * times)[early].max() < 1e-3


def test_accuracy_with_all_modes():
    """1e16 modes on nodes against 2e5 modes one by one, before the missing ones matter: quadrature and steps."""
    k = np.arange(1.0, 2e5)
    lam, power = k**-1.5, k**-1.75
    every = sl.SpectralMeasure(
        nodes=lam, target=lam * power, trace=np.ones_like(k), floor=0.0, kind="exact", largest=1.0
    )
    times = np.array([0.1, 1.0, 10.0, 100.0])
    tail = (2e5 - 0.5) ** -0.75 / 0.75  # of the target, unlearned: sum over k >= 2e5 of k^-1.75
    exact = on(every, 1.0, times, 100)[:, 0] + tail
    np.testing.assert_allclose(sl.FeatureLearning(WIDE, gamma=1.0).flow(times).loss, exact, rtol=1e-5)


@pytest.mark.parametrize("width", [None, 64])
def test_lazy_is_the_limit(width):
    """gamma -> 0, linearly: 1e-9 leaves 1e-8 of the loss, since |q|^2 reaches 200."""
    times = np.geomspace(1e-3, 1e4, 20)
    lazy = sl.FeatureLearning(TASK, width=width).flow(times)
    nearly = sl.FeatureLearning(TASK, gamma=1e-9, width=width).flow(times)
    np.testing.assert_allclose(nearly.loss, lazy.loss, rtol=1e-5)  # the steps' error, which does not vanish
    np.testing.assert_allclose(nearly.scalars["r"], lazy.scalars["r"], rtol=1e-5)
    assert (lazy.scalars["a"] == 1.0).all() and (lazy.scalars["c"] == 0.0).all()


def test_units():
    """Eigenvalues in other units, target as before: times shrink by the factor, gamma grows by it."""
    times, unit = np.geomspace(1e-2, 1e4, 15), 37.0
    measure = sl.SpectralMeasure.infinite(TASK)
    scaled = sl.SpectralMeasure(
        nodes=unit * measure.nodes,
        target=unit * measure.target,
        trace=measure.trace,
        floor=0.0,
        kind="exact",
        largest=unit,
    )
    one = sl.FeatureLearning(TASK, gamma=1.0).flow(times)
    other = sl.FeatureLearning(TASK, gamma=unit).flow(times / unit, measure=scaled)
    np.testing.assert_allclose(other.loss, one.loss, rtol=1e-5)  # the first step is another: the error of a step
    np.testing.assert_allclose(unit * other.scalars["r"], one.scalars["r"], rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 3.0])
def test_start(gamma):
    """At t = 0 and just after, below the first step: L0 - t |u|^2 + ..., where |u|^2 = int dmu."""
    model, t = sl.FeatureLearning(TASK, gamma=gamma), 1e-7
    curve = model.flow([0.0, t])
    assert curve.loss[0] == pytest.approx(TASK.initial_loss, rel=1e-14)
    assert [values[0] for values in curve.scalars.values()] == [0.0, 1.0, 0.0]
    squared = model.measure.target.sum()
    assert curve.scalars["r"][1] == pytest.approx(t**2 * squared, rel=1e-6)
    assert curve.scalars["c"][1] == pytest.approx(gamma * t * squared, rel=1e-6)
    assert curve.loss[0] - curve.loss[1] == pytest.approx(2.0 * t * squared, rel=1e-6)


def test_output_times_do_not_matter():
    """Each is reached by a part of a step of its own; the steps are where they are."""
    model, times = sl.FeatureLearning(TASK, gamma=1.0), np.geomspace(1e-4, 1e5, 61)
    together = model.flow(times)
    alone = [model.flow([t]).loss[0] for t in times]
    np.testing.assert_allclose(together.loss, alone, rtol=1e-13)


@pytest.mark.parametrize("given", [{"width": 64}, {"width": 64, "samples": 128}, {"gamma": 1.0, "samples": 90}])
def test_many_times_in_pieces(given, monkeypatch):
    model, times = sl.FeatureLearning(TASK, **given), np.geomspace(1e-2, 1e4, 50)
    whole = model.flow(times)
    monkeypatch.setattr(module, "HELD", 1000)
    pieces = model.flow(times)
    np.testing.assert_allclose(pieces.loss, whole.loss, rtol=1e-12)
    np.testing.assert_allclose(pieces.scalars["r"], whole.scalars["r"], rtol=1e-12)


def test_losses_fall():
    """On an endless stream the loss of gradient flow cannot rise; rounding on the contour is below its resolution."""
    for width in (None, 16, 200):
        curve = sl.FeatureLearning(TASK, gamma=10.0, width=width).flow(np.geomspace(1e-3, 1e9, 200))
        assert (np.diff(curve.loss) <= 4.0 * curve.resolution).all()
        assert (curve.loss >= curve.floor - 4.0 * curve.resolution).all()


def test_a_kernel_that_gives_up(monkeypatch):
    """What the kernel cannot finish is an error with a remedy, not a number."""
    monkeypatch.setattr(kernels, "flow", lambda *_: (kernels.TOO_MANY_STEPS, 0))
    with pytest.raises(Exception, match="without reaching the last time"):
        sl.FeatureLearning(TASK, gamma=1.0).flow([1.0])


# --- on a measure that is given ---------------------------------------------------------------------------------------


def test_on_an_instance():
    measure = sl.SpectralMeasure.instance(TASK, 64, seed=3)
    curve = sl.FeatureLearning(TASK, gamma=1.0, width=64).flow([1.0, 1e6], measure=measure)
    assert curve.method == "exact flow"
    assert curve.provenance["instance"] == {"width": 64, "seed": 3}
    assert curve.problem.identity != sl.FeatureLearning(TASK, gamma=1.0, width=64).identity
    assert curve.loss[-1] == pytest.approx(measure.floor, rel=1e-9)


@pytest.mark.parametrize(
    ("model", "measure", "told"),
    [
        (sl.FeatureLearning(TASK, samples=10), sl.SpectralMeasure.instance(TASK, 64, 0), "samples = 10.*leave one"),
        (sl.FeatureLearning(TASK, width=32), sl.SpectralMeasure.instance(TASK, 64, 0), "width 64.*width 32"),
        (
            sl.FeatureLearning(TASK),
            sl.SpectralMeasure.infinite(sl.PowerLawTask(source=0.7, modes=1000)),
            "another task, .*than the model.*from the same task",
        ),
        # The target falls alike, so that the losses before learning are equal.
        (sl.FeatureLearning(TASK), sl.SpectralMeasure.infinite(sl.PowerLawTask(3.0, 0.25, 1000)), "another task"),
        (
            sl.FeatureLearning(TASK),
            sl.ResourceModel([1.0], [1.0]).measure(3),
            "another task: its loss before learning is 1, that of the model 1.95",
        ),
        (sl.FeatureLearning(TASK, width=32), sl.SpectralMeasure.asymptotic(TASK, 64), "width 64.*width 32"),
        (sl.FeatureLearning(TASK, width=32), sl.SpectralMeasure.infinite(TASK), "infinite width.*width 32"),
        (sl.FeatureLearning(TASK), 3.0, "measure is a float"),
    ],
)
def test_measures_refused(model, measure, told):
    with pytest.raises(InvalidProblem, match=told):
        model.flow([1.0], measure=measure)
    if model.samples is None:
        with pytest.raises(InvalidProblem, match=told):
            model.sgd([1], learning_rate=0.01, measure=measure)


@pytest.mark.parametrize("kind", ["flow", "sgd"])
def test_what_a_curve_on_a_measure_is_of(kind):
    """The model's own measure is the model; every other one is told, and another number for others."""

    def on_measure(measure, width=None):
        model = sl.FeatureLearning(TASK, width=width)
        if kind == "flow":
            return model.flow([1.0], measure=measure).problem
        return model.sgd([1], learning_rate=0.01, measure=measure).problem

    assert on_measure(sl.SpectralMeasure.infinite(TASK)).identity == on_measure(None).identity
    assert on_measure(sl.SpectralMeasure.asymptotic(TASK, 64), 64).identity == on_measure(None, 64).identity
    drawn = [on_measure(sl.SpectralMeasure.instance(TASK, 64, seed), 64) for seed in (0, 1)]
    assert drawn[1].canonical["instance"] == {"width": 64, "seed": 1}
    narrow = on_measure(sl.SpectralMeasure.asymptotic(TASK, 64))
    features = np.random.default_rng(0).standard_normal((2, 64, 1000)) / 8.0
    given = [
        on_measure(sl.SpectralMeasure.of_features(phi, TASK.eigenvalues, TASK.teacher_power, {"width": 64}), 64)
        for phi in features
    ]
    problems = [on_measure(None), on_measure(None, 64), narrow, *drawn, *given]
    assert len({problem.identity for problem in problems}) == len(problems)
