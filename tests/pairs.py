"""Small runs of theory and simulation that the tests of analysis, findings and figures share."""

import numpy as np
import pytest

import ode_sgd


@pytest.fixture(scope="session")
def pair():
    """ODE and SGD of the same problem on the same times."""
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(2, 1.0),
        student_units=2,
        teacher_units=2,
        learning_rate=0.5,
        label_noise=0.2,
    )
    start = ode_sgd.OrderParameters.random(problem, 400, 0.5, 1.0, seed=3)
    times = np.concatenate([[0.0], np.geomspace(0.1, 20.0, 12)])
    sgd = ode_sgd.simulate(problem, start, times, dimension=400, replicas=16, seed=5)
    return ode_sgd.integrate(problem, start, sgd.alpha), sgd


@pytest.fixture(scope="session")
def specialised():
    """The same at a time when every student has found its teacher."""
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=1.0
    )
    start = ode_sgd.OrderParameters.random(problem, 20, 0.5, seed=1)
    sgd = ode_sgd.simulate(problem, start, [0.0, 100.0, 200.0], dimension=200, replicas=4, seed=5)
    return ode_sgd.integrate(problem, start, sgd.alpha), sgd
