"""The frontier of compute: the least of many flows, its exponents against the laws, and where it says nothing."""

import numpy as np
import pytest

from ode_sgd import InvalidProblem
from ode_sgd.scaling_laws import FeatureLearning, PowerLawTask, compute_optimal, laws

MODES = 10**16
BUDGETS = np.geomspace(1e8, 1e12, 9)


@pytest.mark.parametrize(("capacity", "source"), [(1.5, 0.5), (2.0, 0.4), (1.5, 1.2)])
@pytest.mark.parametrize("gamma", [0.0, 10.0])
def test_exponents_of_the_frontier_are_the_laws(capacity, source, gamma):
    task = PowerLawTask(capacity, source, MODES)
    found, wanted = compute_optimal(task, gamma, BUDGETS), laws(task, gamma)
    assert found.fitted.all()
    assert found.exponents["loss"] == pytest.approx(wanted["loss in compute"].exponent, abs=0.01)
    assert found.exponents["width"] == pytest.approx(wanted["width in compute"].exponent, abs=0.01)
    assert found.exponents["time"] == pytest.approx(1.0 - found.exponents["width"], abs=1e-9)
    assert found.local_exponent().shape == (8,)


def test_noise_of_sgd_sets_the_frontier_of_a_super_easy_task():
    task, budgets = PowerLawTask(1.5, 2.5, MODES), np.geomspace(1e8, 1e11, 4)
    found, wanted = compute_optimal(task, 0.0, budgets, learning_rate=0.1), laws(task)
    assert found.exponents["loss"] == pytest.approx(wanted["loss in compute, SGD"].exponent, abs=0.01)
    assert found.exponents["width"] == pytest.approx(wanted["width in compute, SGD"].exponent, abs=0.01)


@pytest.mark.parametrize("gamma", [0.0, 3.0])
@pytest.mark.parametrize("source", [0.5, 1.5])
def test_no_other_width_is_better(gamma, source):
    """The loss is that of the width which was found, to 1e-5 of the spline, and no larger beside it."""
    task, budgets = PowerLawTask(1.5, source, 10**8), np.array([1e5, 1e7])
    found = compute_optimal(task, gamma, budgets)
    for number, budget in enumerate(budgets):

        def loss(width, budget=budget):
            return FeatureLearning(task, gamma=gamma, width=round(width)).flow([budget / round(width)]).loss[0]

        best = found.width[number]
        assert found.loss[number] == pytest.approx(loss(best), rel=1e-5)
        assert loss(best) < min(loss(1.3 * best), loss(best / 1.3))
        assert found.loss[number] <= found.losses[:, number].min() * (1.0 + 1e-12)
    assert found.width * found.time == pytest.approx(budgets)


def test_budgets_at_an_edge_are_not_fitted():
    """Few modes: beyond half of them no width was tried, and the best of large budgets may lie there."""
    found = compute_optimal(PowerLawTask(1.5, 0.5, 200), 0.0, np.geomspace(1e2, 1e8, 7))
    assert found.widths[[0, -1]].tolist() == [16.0, 100.0]
    assert not found.fitted[-1]
    assert found.width[-1] == pytest.approx(100.0)
    assert "at " in str(found)


def test_one_budget_has_no_exponent():
    found = compute_optimal(PowerLawTask(1.5, 0.5, 10**8), 0.0, [1e6])
    assert np.isnan(found.exponents["loss"])
    assert found.loss.shape == (1,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"compute": [2.0, 1.0]}, r"compute must be > 0 and increase"),
        ({"compute": [0.0, 1.0]}, r"compute must be > 0 and increase"),
        ({"compute": 5.0}, r"compute has shape \(\); give a non-empty array of shape \(n,\)"),
        ({"task": PowerLawTask(1.5, 0.5, 63)}, r"the task has 63 modes; give one with at least 64"),
        ({"gamma": -1.0}, r"gamma = -1\.0 is outside its range"),
        ({"batch_size": "x"}, r"batch_size = 'x' is not an integer"),
        ({"batch_size": 0}, r"batch_size = 0 is too small"),
        ({"learning_rate": 3.0}, r"learning_rate = 3 is unstable"),
        ({"task": 1.5}, r"task is a float"),
    ],
)
def test_bad_input_is_named(given, message):
    usual = {"task": PowerLawTask(1.5, 0.5, 10**8), "gamma": 0.0, "compute": [1e4, 1e5]}
    with pytest.raises(InvalidProblem, match=message):
        compute_optimal(**(usual | given))


def test_a_rich_student_that_becomes_unstable_on_the_way_is_named():
    task = PowerLawTask(1.5, 0.3, 10**8)
    with (
        pytest.warns(UserWarning),
        pytest.raises(InvalidProblem, match=r"becomes unstable at width .* give a smaller one, or compute <="),
    ):
        compute_optimal(task, 10.0, [1e1, 1e5], learning_rate=0.05)


def test_one_budget_has_no_exponents_and_says_so():
    found = compute_optimal(PowerLawTask(modes=10**6), 0.0, [1e4])
    assert str(found) == (
        "no exponents: these take two budgets that can be fitted, and of 1 from 10000 on 1 can; give more of them"
    )
