"""Gradient flow on a data set: two plain twins, limits, and drawn data sets."""

import numpy as np
import pytest

from ode_sgd import scaling_laws as sl
from ode_sgd.scaling_laws import finite_samples
from ode_sgd.scaling_laws.kernels import flow as kernels
from tests.reference import scaling_laws_contour as twin
from tests.reference import scaling_laws_flow as flow_twin

SMALL = sl.PowerLawTask(capacity=1.5, source=0.5, modes=300)
TASK = sl.PowerLawTask(capacity=1.5, source=0.5, modes=1000)
TIMES = np.geomspace(1e-2, 1e4, 13)


def arrays(task):
    return task.eigenvalues, task.teacher_power, task.multiplicities


@pytest.mark.parametrize(("width", "samples"), [(24, 40), (40, 24), (40, 500), (None, 24)])
@pytest.mark.parametrize(("gamma", "tolerance"), [(0.0, 1e-9), (1.0, 3e-5)])
def test_twin(width, samples, gamma, tolerance):
    """Sums written out another way; lazy to the stop of the twin's fixed point, rich to the midpoint rule's error."""
    noise = 0.1
    model = sl.FeatureLearning(SMALL, gamma=gamma, width=width, samples=samples, label_noise=noise)
    if width is None:
        other = twin.FiniteSamples(*arrays(SMALL), samples, noise**2, finite_samples.PER_EFOLD)
    else:
        other = twin.FiniteWidthAndSamples(*arrays(SMALL), width, samples, noise**2, finite_samples.PER_EFOLD)
    y, scalars = flow_twin.flow(other.nodes, other.weights, gamma, TIMES)
    curve = model.flow(TIMES)
    np.testing.assert_allclose(curve.loss, other.loss(y), rtol=tolerance)
    np.testing.assert_allclose(curve.scalars["r"], scalars[:, 0], rtol=tolerance)


SIZES = [(64, 128), (128, 64), (16, 999), (64, 5000), (5, 4), (None, 64), (None, 3000), (999, 500)]


@pytest.mark.parametrize(("width", "samples"), SIZES)
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_tends_to_least_squares(width, samples, noise):
    """At t -> inf, for any gamma: the static loss of the minimum-norm fit, where the slowest mode has died out."""
    wide = np.inf if width is None else width
    static = twin.static_loss(*arrays(TASK), wide, samples, noise**2)
    for gamma in (0.0, 3.0):
        model = sl.FeatureLearning(TASK, gamma=gamma, width=width, samples=samples, label_noise=noise)
        assert model.flow([1e9]).loss[0] == pytest.approx(static, rel=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_many_of_one_is_one_sided(gamma):
    """1e7 samples are an endless stream, and width 1e7 is infinite, to 1e-4."""
    task = sl.PowerLawTask(capacity=1.5, source=0.5, modes=10**8)
    times = np.geomspace(0.1, 1e5, 8)

    def losses(width, samples):
        return sl.FeatureLearning(task, gamma=gamma, width=width, samples=samples).flow(times).loss

    np.testing.assert_allclose(losses(64, 10**7), losses(64, None), rtol=1e-4)
    np.testing.assert_allclose(losses(10**7, 64), losses(None, 64), rtol=1e-4)


@pytest.mark.parametrize(("width", "samples"), [(64, 128), (64, 65), (65, 64), (None, 64), (None, 1001)])
@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_nodes_suffice(width, samples, gamma):
    """8 and 12 nodes per e-fold: to 1e-7, for the form squares the error of an integral."""
    times = np.geomspace(1e-2, 1e7, 20)
    losses = []
    for count in (8, 12):
        data = finite_samples.build(TASK, width, samples, 0.01, per_efold=count)
        residual, out = np.empty((times.size, data.nodes.size), complex), np.empty((times.size, 3))
        kernels.flow(np.array(data.nodes), np.array(data.target), gamma, times, 50.0, out, residual)
        losses.append(data.loss(residual))
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-7)


def test_start_and_noise():
    """Nothing is learned at t = 0, noise or not; noise does harm later, and in proportion to its variance."""
    quiet, noisy, loud = (
        sl.FeatureLearning(TASK, width=64, samples=128, label_noise=s).flow([0.0, 10.0, 1e4]).loss
        for s in (0.0, 0.1, 0.2)
    )
    assert quiet[0] == pytest.approx(TASK.initial_loss, rel=1e-7)  # of the contour's nodes
    assert noisy[0] == pytest.approx(TASK.initial_loss, rel=1e-7)
    np.testing.assert_allclose(loud - quiet, 4.0 * (noisy - quiet), rtol=1e-6, atol=1e-9)
    assert (noisy[1:] > quiet[1:]).all()


def drawn_losses(task, width, samples, noise, gamma, times, generator):
    """Population loss of one drawn network on one drawn data set, from the empirical covariance itself."""
    lam, power = task.eigenvalues, task.teacher_power
    teacher = np.sqrt(power / lam)
    inputs = generator.standard_normal((samples, lam.size)) * np.sqrt(lam)
    labels = inputs @ teacher + noise * generator.standard_normal(samples)
    features = np.eye(lam.size)
    if width is not None:
        features = generator.standard_normal((width, lam.size)) / np.sqrt(width)
    seen = inputs @ features.T
    left, singular, right = np.linalg.svd(seen / np.sqrt(samples), full_matrices=False)
    s, u = singular**2, singular * (left.T @ labels) / np.sqrt(samples)
    out, residual = np.empty((times.size, 3)), np.empty((times.size, s.size))
    if gamma == 0.0:
        residual = np.exp(-np.outer(times, s))
    else:
        assert kernels.flow(s, u**2, gamma, times, 50.0, out, residual) == (kernels.DONE, pytest.approx(500, abs=500))
    weights = (u * (1.0 - residual) / s) @ right @ features
    return ((teacher - weights) ** 2) @ lam


@pytest.mark.parametrize(
    ("width", "samples", "noise"),
    [(40, 160, 0.0), (160, 40, 0.0), (60, 90, 0.3), (120, 60, 0.0), (60, 120, 0.1), (None, 64, 0.3)],
)
@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_drawn_data(width, samples, noise, gamma, record_property):
    """Mean over networks and data sets: within four standard errors and 2 / (the smaller size)."""
    task, times = SMALL, np.geomspace(0.3, 3e4, 6)
    generator = np.random.default_rng(20250101)
    losses = np.array([drawn_losses(task, width, samples, noise, gamma, times, generator) for _ in range(100)])
    mean, error = losses.mean(axis=0), losses.std(axis=0, ddof=1) / 10.0
    model = sl.FeatureLearning(task, gamma=gamma, width=width, samples=samples, label_noise=noise)
    off = np.abs(model.flow(times).loss - mean)
    record_property("measured", f"theory / mean - 1 at most {(off / mean).max():.3f}, se {(error / mean).max():.3f}")
    assert (off <= 4.0 * error + 2.0 / min(width or samples, samples) * mean).all()
