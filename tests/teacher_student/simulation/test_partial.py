"""A simulation shows what it has while it runs, and ends when its progress says so."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd.teacher_student.simulation import replicas

TIMES = np.linspace(0.0, 30.0, 31)


@pytest.fixture(scope="module")
def problem():
    return ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(4, 1.0), student_units=2, teacher_units=2, learning_rate=0.5
    )


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(replicas, "PARTIAL_SECONDS", 0.0)


def simulated(problem, **more):
    start = ode_sgd.OrderParameters.random(problem, 20, seed=6)
    return ode_sgd.simulate(problem, start, TIMES, dimension=1000, replicas=4, seed=0, method="explicit", **more)


def test_parts_are_the_beginning_of_the_whole(problem, impatient):
    parts = []
    whole = simulated(problem, partial=parts.append, threads=2)
    assert len(parts) > 2
    for part in parts:
        count = part.alpha.size
        assert 1 < count <= whole.alpha.size and part.replicas <= whole.replicas and part.final is None
        rows = [int(np.flatnonzero((whole.error[:, :count] == own).all(axis=1))[0]) for own in part.error]
        assert rows == sorted(set(rows))
    assert np.array_equal(whole.error, simulated(problem).error)
    assert whole.final is not None


def test_a_run_ends_when_progress_says_so(problem, impatient):
    seen = []

    def progress(fraction):
        if seen:
            raise KeyboardInterrupt

    part = simulated(problem, partial=seen.append, progress=progress)
    assert part.status == "interrupted"
    assert seen and part.alpha.size >= seen[0].alpha.size
