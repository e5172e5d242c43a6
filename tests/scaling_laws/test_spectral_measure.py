"""Measures of infinite and of drawn students: what they are made of, and what is refused."""

import numpy as np
import pytest

from ode_sgd import scaling_laws as sl
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.scaling_laws.whole_modes import every_mode

TASK = sl.PowerLawTask(capacity=1.5, source=0.5, modes=200)


@pytest.mark.parametrize("width", [1, 30, 200, 300])
def test_instance_is_its_covariance(width):
    """Eigenvalues of S = Phi Lambda Phi^T, the squares of u along them, and the best student's loss."""
    lam, power = TASK.eigenvalues, TASK.teacher_power
    features = np.random.default_rng(7).standard_normal((width, 200)) / np.sqrt(width)
    measure = sl.SpectralMeasure.instance(TASK, width, seed=7)
    values, vectors = np.linalg.eigh((features * lam) @ features.T)
    values, along = values[::-1], ((vectors.T @ features @ np.sqrt(lam * power)) ** 2)[::-1]
    count = min(width, 200)
    np.testing.assert_allclose(measure.nodes, values[:count], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(measure.target, along[:count], rtol=1e-6, atol=1e-16)
    best = np.linalg.lstsq((features * np.sqrt(lam)).T, np.sqrt(power), rcond=None)
    floor = best[1][0] if width < 200 else 0.0
    assert measure.floor == pytest.approx(floor, rel=1e-9, abs=1e-13)
    assert measure.drawn == {"width": width, "seed": 7}


def test_every_feature_is_infinite_width():
    """Features of an orthogonal matrix turn the modes, and nothing else."""
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((200, 200)))[0]
    measure = sl.SpectralMeasure.of_features(turn, TASK.eigenvalues, TASK.teacher_power, {})
    infinite = sl.SpectralMeasure.infinite(TASK)
    np.testing.assert_allclose(measure.nodes, infinite.nodes, rtol=1e-11)
    np.testing.assert_allclose(measure.target, infinite.target, rtol=1e-9)


def test_integrals_and_text():
    measure = sl.SpectralMeasure.infinite(TASK)
    assert measure.integral_of_target(1.0 / measure.nodes) == pytest.approx(TASK.initial_loss, rel=1e-14)
    assert measure.integral_of_trace(measure.nodes) == pytest.approx(TASK.trace, rel=1e-14)
    assert repr(measure) == "SpectralMeasure(exact, 200 nodes)"
    assert repr(sl.SpectralMeasure.instance(TASK, 3, 5)) == "SpectralMeasure(exact, 3 nodes, width=3, seed=5)"
    with pytest.raises(ValueError, match="read-only"):
        measure.nodes[0] = 2.0


@pytest.mark.parametrize(
    ("task", "width", "seed", "told"),
    [
        (sl.PowerLawTask(modes=5000), 10, 0, "5000 modes.*at most 4096"),
        (TASK, 0, 0, "width = 0"),
        (TASK, 5000, 0, "width = 5000.*<= 4096"),
        (TASK, 10, -1, "seed = -1"),
        (sl.PowerLawTask.from_spectrum([1.0], multiplicities=[2.5]), 1, 0, "parts of modes.*whole multiplicities"),
    ],
)
def test_refused(task, width, seed, told):
    with pytest.raises(InvalidProblem, match=told):
        sl.SpectralMeasure.instance(task, width, seed)


@pytest.mark.parametrize("make", ["infinite", "asymptotic", "instance"])
def test_a_task_is_wanted(make):
    given = {"infinite": (), "asymptotic": (3,), "instance": (3, 1)}[make]
    with pytest.raises(InvalidProblem, match=r"task is a str; give an ode_sgd\.PowerLawTask"):
        getattr(sl.SpectralMeasure, make)("x", *given)


def test_a_measure_knows_what_it_is_of():
    """Width and task, and an identity that is of its numbers."""
    made = [sl.SpectralMeasure.infinite(TASK), sl.SpectralMeasure.asymptotic(TASK, 30)]
    made += [sl.SpectralMeasure.instance(TASK, 30, seed) for seed in (0, 1)]
    assert [one.width for one in made] == [np.inf, 30, 30, 30]
    assert {one.task for one in made} == {TASK.identity}
    assert len({one.identity for one in made}) == 4
    assert sl.SpectralMeasure.instance(TASK, 30, 1).identity == made[-1].identity


def test_every_mode():
    """One by one what quadrature sums, and what stands for several."""
    lam, power = every_mode(sl.PowerLawTask(modes=2000), "a test")
    np.testing.assert_array_equal(lam, np.arange(1.0, 2001.0) ** -1.5)
    assert power.sum() == pytest.approx(sl.PowerLawTask(modes=2000).initial_loss, rel=3e-6)  # as the quadrature states
    lam, power = every_mode(sl.PowerLawTask.from_spectrum([2.0, 1.0], multiplicities=[1, 3], teacher=[4.0, 6.0]), "it")
    assert lam.tolist() == [2.0, 1.0, 1.0, 1.0] and power.tolist() == [4.0, 2.0, 2.0, 2.0]
