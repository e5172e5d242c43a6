"""The contour: closed forms, the plain twin, numbers of nodes; and the measure against drawn students."""

import numpy as np
import pytest

from ode_sgd import scaling_laws as sl
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.scaling_laws import contour, degrees_of_freedom
from ode_sgd.scaling_laws.kernels import contour as kernels
from tests.reference import scaling_laws_contour as twin

TASK = sl.PowerLawTask(capacity=1.5, source=0.5, modes=1000)
SMALL = sl.PowerLawTask(capacity=1.5, source=0.5, modes=300)
TIMES = np.geomspace(1e-2, 1e7, 30)


def arrays(task):
    return task.eigenvalues, task.teacher_power, task.multiplicities


def test_path_surrounds():
    """Cauchy: 1 / (zeta - s) integrates to 1 inside, to 0 outside, and an entire function to 0."""
    zeta, step = contour.path(1e-4, 3.0, 10)

    def integral(values):
        return (values * step / (1j * np.pi)).sum().real

    for s in (2e-4, 1e-2, 1.0):
        assert integral(1.0 / (zeta - s)) == pytest.approx(1.0, abs=1e-8)  # of 10 nodes per e-fold, next to a pole
    for s in (-1e-3, 0.0, 20.0):
        assert integral(1.0 / (zeta - s)) == pytest.approx(0.0, abs=1e-8)
    assert integral(np.exp(-zeta)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("width", [1, 7, 24, 150])
def test_twin(width):
    """The twin's fixed point needs no path; 1e-12 is where its damped steps stop."""
    measure = sl.SpectralMeasure.asymptotic(SMALL, width)
    nodes, target, trace, floor = twin.width_measure(*arrays(SMALL), width)
    order = np.lexsort((nodes.imag, nodes.real)), np.lexsort((measure.nodes.imag, measure.nodes.real))
    for ours, theirs in ((measure.nodes, nodes), (measure.target, target), (measure.trace, trace)):
        np.testing.assert_allclose(ours[order[1]], theirs[order[0]], rtol=1e-10)
    assert measure.floor == pytest.approx(floor, rel=1e-12)


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("width", [1, 24, 200])
def test_sum_rules(width, close):
    """Of the deterministic equivalent: N eigenvalues, tr Lambda between them, |u|^2, and what the floor leaves."""
    measure = sl.SpectralMeasure.asymptotic(SMALL, width, close=close)
    lam, power, _ = arrays(SMALL)
    one = np.ones_like(measure.nodes)
    assert measure.integral_of_trace(one) == pytest.approx(width, rel=1e-8)
    assert measure.integral_of_trace(measure.nodes) == pytest.approx(lam.sum(), rel=1e-8)
    # E |Phi Lambda w|^2 = |Lambda w|^2, since E Phi^T Phi = 1
    assert measure.integral_of_target(one) == pytest.approx((lam * power).sum(), rel=1e-8)
    learned = measure.integral_of_target(1.0 / measure.nodes)
    assert learned + measure.floor == pytest.approx(SMALL.initial_loss, rel=1e-8)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 10.0])
@pytest.mark.parametrize("width", [16, 64])
def test_nodes_suffice(width, gamma):
    """8 and 12 nodes per e-fold give the same losses to 1e-8."""
    model = sl.FeatureLearning(TASK, gamma=gamma, width=width)
    few, many = (
        model.flow(TIMES, measure=sl.SpectralMeasure.asymptotic(TASK, width, per_efold=n)).loss for n in (8, 12)
    )
    np.testing.assert_allclose(few, many, rtol=1e-8)


def test_close_contour_gives_the_same():
    """It is nearer to the spectrum, and has to resolve it still."""
    model = sl.FeatureLearning(TASK, gamma=1.0, width=64)
    near = sl.SpectralMeasure.asymptotic(TASK, 64, close=True)
    assert near.largest < 0.6 * model.measure.largest
    np.testing.assert_allclose(model.flow(TIMES, measure=near).loss, model.flow(TIMES).loss, rtol=1e-7)


def test_modes_on_nodes():
    """30,000 modes by quadrature and one by one: 3e-6 is what the quadrature states."""
    k = np.arange(1.0, 30001.0)
    every = sl.PowerLawTask.from_spectrum(k**-1.5, teacher=k**-1.75)
    nodes = sl.PowerLawTask(capacity=1.5, source=0.5, modes=30000)
    for width in (20, 2000):
        one, other = (sl.FeatureLearning(task, gamma=1.0, width=width).flow(TIMES).loss for task in (nodes, every))
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_other_spectra():
    """Two degenerate eigenvalues in units of their own, which have a gap between them; half as many features."""
    unit = 1e-3
    task = sl.PowerLawTask.from_spectrum([2.0 * unit, unit], multiplicities=[10, 90])
    model, times = sl.FeatureLearning(task, gamma=1.0 / unit / 1000.0, width=50), np.geomspace(1.0, 1e6, 5)
    drawn = [sl.SpectralMeasure.instance(task, 50, seed=draw) for draw in range(50)]
    losses = np.array([model.flow(times, measure=measure).loss for measure in drawn])
    mean, error = losses.mean(axis=0), losses.std(axis=0, ddof=1) / np.sqrt(50.0)
    assert (np.abs(model.flow(times).loss - mean) <= 4.0 * error + 2.0 / 50.0 * mean).all()


def test_newton_leaves_the_branch():
    """From a start on the wrong side of the real axis the damped fixed point takes over, and finds the same."""
    lam, _, counts = arrays(SMALL)
    zeta, _ = contour.path(0.5 * degrees_of_freedom.lower_edge(SMALL, 24), 10.0, 10)
    for per_sample in (0.0, 1.0 / 50.0):
        right = contour.ridge_along(SMALL, zeta, 1.0 / 24.0, per_sample)
        for begin in range(0, zeta.size, 17):
            out = np.empty(1, complex)
            one = zeta[begin : begin + 1].copy()
            assert (
                kernels.follow(lam, counts * lam, one, 1.0 / 24.0, per_sample, complex(right[begin].conj()), out) == 0
            )
            np.testing.assert_allclose(out, right[begin : begin + 1], rtol=1e-9)
    assert kernels.follow(lam, counts, np.array([np.nan + 0j]), 0.1, 0.0, 1.0 + 0j, np.empty(1, complex)) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"width": 300}, "width = 300, but the task has 300 modes.*infinite or.*instance"),
        ({"width": 0}, "width = 0"),
        ({"width": 10, "per_efold": 0}, "per_efold = 0"),
        ({"width": 10, "close": 3}, "close = 3 is not a boolean"),
    ],
)
def test_refused(given, told):
    with pytest.raises(InvalidProblem, match=told):
        sl.SpectralMeasure.asymptotic(SMALL, **given)


@pytest.mark.parametrize(("width", "draws"), [(16, 100), (64, 100)])
@pytest.mark.parametrize("gamma", [0.0, 1.0, 10.0])
def test_drawn_students(width, draws, gamma, record_property):
    """Mean over students against the theory: within four standard errors and 2 / width."""
    task = sl.PowerLawTask(capacity=1.5, source=0.5, modes=512)
    model, times = sl.FeatureLearning(task, gamma=gamma, width=width), np.geomspace(0.1, 1e4, 6)
    drawn = [sl.SpectralMeasure.instance(task, width, seed=1000 + draw) for draw in range(draws)]
    losses = np.array([model.flow(times, measure=measure).loss for measure in drawn])
    mean, error = losses.mean(axis=0), losses.std(axis=0, ddof=1) / np.sqrt(draws)
    off = np.abs(model.flow(times).loss - mean)
    record_property("measured", f"theory / mean - 1 at most {(off / mean).max():.3f}, se {(error / mean).max():.3f}")
    assert (off <= 4.0 * error + 2.0 / width * mean).all()
