"""One battery over all methods of simulation: the same problems, the same checks."""

from dataclasses import replace

import numpy as np
import pytest

from ode_sgd import InvalidProblem, OrderParameters, Problem, Spectrum, integrate, simulate
from ode_sgd.teacher_student.simulation.methods import METHODS, chosen_method

N, REPLICAS = 600, 24
TIMES = [0.0, 1.0, 3.0]
PROBLEMS = {
    "noise": {"label_noise": 0.4},
    "fewer trainable sectors": {"label_noise": 0.4, "trainable": 1},
    "linear": {"activation": "linear", "label_noise": 0.4},
    "weight decay": {"weight_decay": 0.4, "label_noise": 0.4},
    "one unit each": {"student_units": 1, "teacher_units": 1, "label_noise": 0.4},
}
SAMPLED = "sampled"


def problem(name):
    values = {
        "spectrum": Spectrum.power_law(2, 1.0),
        "student_units": 2,
        "teacher_units": 2,
        "learning_rate": 0.4,
    }
    return Problem(**{**values, **PROBLEMS[name]})


@pytest.fixture(params=[*METHODS, SAMPLED])
def run(request):
    """A simulation by one method: of a problem, or of its like on rows of Gaussian data."""

    def simulated(name, **options):
        one, given = problem(name), {"dimension": N, "method": request.param}
        if request.param == SAMPLED:
            rows = np.random.default_rng(0).standard_normal((40 * 24, 24))
            one = replace(one, spectrum=Spectrum.from_data(rows), trainable=None if one.trainable is None else 12)
            given = {"inputs": rows}
        first = OrderParameters.random(one, 24 if request.param == SAMPLED else N, 0.5, seed=1)
        arguments = {"replicas": REPLICAS, "seed": 3, "threads": 1} | options
        return one, first, simulate(one, first, TIMES, **given, **arguments)

    simulated.method = request.param
    return simulated


@pytest.mark.parametrize("name", PROBLEMS)
def test_means_lie_on_the_ode(run, name):
    """Within five standard errors, and an allowance for the bias of order 1/N."""
    one, first, sgd = run(name)
    assert sgd.status == "complete" and sgd.method == run.method
    ode = integrate(one, first, sgd.alpha, rtol=1e-8)
    dimension = 24 if run.method == SAMPLED else N
    for ours, theirs in ((sgd.Q, ode.Q), (sgd.R, ode.R)):
        error = np.hypot(ours.std(axis=0, ddof=1) / np.sqrt(REPLICAS), 2.0 * np.abs(theirs).max() / dimension)
        assert np.abs((ours.mean(axis=0) - theirs)[1:] / error[1:]).max() < 5.0
    np.testing.assert_allclose(sgd.Q[:, 0], np.broadcast_to(ode.Q[0], sgd.Q[:, 0].shape), rtol=1e-10, atol=1e-12)


def test_numbers_depend_on_the_seed_alone(run):
    _, _, once = run("weight decay", replicas=5)
    _, _, again = run("weight decay", replicas=5, threads=2)
    _, _, other = run("weight decay", replicas=5, seed=4)
    np.testing.assert_array_equal(once.Q, again.Q)
    assert (once.Q[:, 1:] != other.Q[:, 1:]).all()


def test_what_does_not_learn_keeps_its_overlaps(run):
    one, first, sgd = run("fewer trainable sectors", sectors=True, replicas=2)
    idle = one.learning == 0.0
    for replica in range(2):
        np.testing.assert_allclose(sgd.sectors.q[replica, -1, idle], first.q[idle], rtol=1e-12, atol=1e-13)
        assert (sgd.sectors.q[replica, -1, ~idle] != first.q[~idle]).all()


@pytest.mark.parametrize("name", METHODS)
def test_gradient_flow_is_refused_in_words(name):
    one = replace(problem("noise"), gradient_flow=True)
    assert "has no SGD" in METHODS[name].accepts(one, one.spectrum.sector_dimensions(N))
    with pytest.raises(InvalidProblem, match="has no SGD"):
        chosen_method(one, one.spectrum.sector_dimensions(N), name)
    assert METHODS[name].name == name


def test_auto_takes_what_is_possible():
    one = problem("noise")
    assert chosen_method(one, np.array([300, 300]), "auto").name == "reduced"
    assert chosen_method(one, np.array([3, 3]), "auto").name == "explicit"
    with pytest.raises(InvalidProblem, match="at least K"):
        chosen_method(one, np.array([3, 300]), "reduced")
    with pytest.raises(InvalidProblem, match="reduced"):
        chosen_method(one, np.array([300, 300]), "reduce")
