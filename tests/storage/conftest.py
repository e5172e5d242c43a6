"""Small runs that every test of this folder may save."""

import pytest

import ode_sgd


@pytest.fixture(scope="session")
def problem():
    spectrum = ode_sgd.Spectrum.power_law(2, 1.0)
    return ode_sgd.Problem(
        spectrum=spectrum, student_units=2, teacher_units=3, learning_rate=0.1, output="mean_field", label_noise=0.01
    )


@pytest.fixture(scope="session")
def start(problem):
    return ode_sgd.OrderParameters.random(problem, 40, seed=3)


@pytest.fixture(scope="session")
def ode(problem, start):
    return ode_sgd.integrate(problem, start, [0, 1, 2])


@pytest.fixture(scope="session")
def sgd(problem, start):
    return ode_sgd.simulate(problem, start, [0, 1, 2], dimension=40, replicas=3, seed=1)


@pytest.fixture(scope="session")
def sgd_own_starts(problem):
    def draw(seed):
        return ode_sgd.OrderParameters.random(problem, 40, seed=seed)

    return ode_sgd.simulate(problem, draw, [0, 1, 2], dimension=40, replicas=3, seed=1, sectors=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


@pytest.fixture(scope="session")
def saved(tmp_path_factory, ode):
    """One small file; tests that damage it take a copy."""
    return ode_sgd.save(tmp_path_factory.mktemp("saved") / "run.h5", ode, config={"problem": {"student_units": 2}})
