"""Rules of one's own together with optimisers: against the closed forms, against SGD, and what is refused."""

import numpy as np
import pytest

from ode_sgd import InvalidProblem, OrderParameters, Problem, integrate, optimizers, rules, simulate
from tests.teacher_student.law import same_law
from tests.teacher_student.rules_and_optimizers_against_sgd import OPTIMIZERS, POOLED, measured, problem, squared_z

NOISE, FEW = 0.3, {"nodes": 2**8}  # nodes that are exact for linear units, however few
MEMORY = ("HeavyBall", "Averaging", "ScheduleFree", "DANA")
TOGETHER = {"batch_size": 3, "weight_decay": 0.2, "trainable": 1}


def pair(name, activation, **changes):
    """A problem by its closed form, and the same one by its rule."""
    closed = problem(None, name, activation=activation, label_noise=NOISE, **changes)
    return closed, problem(rules.squared(activation, label_noise=NOISE, **FEW), name, **changes)


def begin(one, dimension=100):
    return OrderParameters.random(one, dimension, 0.5, seed=3)


def agreed(closed, own, method, rtol, times=(0.0, 2.0, 5.0)):
    start = begin(closed)
    found = [
        integrate(one, start, times, rtol=rtol, atol=0.0, method=method, sectors=method == "DOP853")
        for one in (closed, own)
    ]
    assert [run.status for run in found] == ["complete"] * 2
    return found


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_linear_units_follow_the_ode_of_the_closed_form(name):
    """Nodes have exact second moments, so all that differs are differences of 1e-10 in place of derivatives."""
    exact, run = agreed(*pair(name, "linear"), "DOP853", 1e-6)
    np.testing.assert_allclose(measured(run), measured(exact), rtol=1e-6, atol=1e-8)
    assert run.generalization_error[-1] < 0.9 * run.generalization_error[0]
    assert run.stats.get("rate", 0.0) == pytest.approx(exact.stats.get("rate", 0.0), rel=1e-6)


@pytest.mark.parametrize("name", ["AdaGradNorm", "Adam", "HeavyBall"])
def test_so_they_do_by_the_structured_method(name):
    """Of a kind each: one rate, rates of units, copies of the weights. Steps differ, so rtol of eps_g is the bound."""
    exact, run = agreed(*pair(name, "linear"), "rodas5p", 1e-6)
    assert run.generalization_error == pytest.approx(exact.generalization_error, rel=4e-6)


def test_other_units_do_so_within_the_nodes_error():
    """2^11 nodes leave 5e-3 of the averages, as without an optimiser (test_own_rule.py)."""
    closed = problem(None, "AdaGradNorm", label_noise=NOISE)
    own = problem(rules.squared("erf", label_noise=NOISE, nodes=2**11), "AdaGradNorm")
    exact, run = agreed(closed, own, "DOP853", 1e-3)
    assert run.generalization_error == pytest.approx(exact.generalization_error, rel=2e-2)
    assert 1e-5 < run.stats["nodes_error"] < 2e-2


def same_numbers(name, method, **changes):
    """Runs by the closed form and by the rule, which take the same random numbers in the same order."""
    closed, own = pair(name, "erf", **changes)
    start, how = begin(closed), {"dimension": 100, "replicas": 2, "seed": 7, "method": method, "sectors": True}
    return [measured(simulate(one, start, [0.0, 1.0, 3.0], **how)) for one in (closed, own)]


@pytest.mark.parametrize("changes", [{}, TOGETHER], ids=["plain", "together"])
@pytest.mark.parametrize("method", ["explicit-pcg64", "reduced"])
@pytest.mark.parametrize("name", MEMORY)
def test_copies_take_the_steps_of_the_closed_form(name, method, changes):
    """Rounding in another order: 1e-13 of a step, which 300 of them do not make large."""
    closed, own = same_numbers(name, method, **changes)
    np.testing.assert_allclose(own, closed, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["AdaGradNorm", "Adam"])
def test_rates_take_the_steps_of_the_closed_form(name):
    closed, own = same_numbers(name, "explicit", weight_decay=0.2, trainable=1)
    np.testing.assert_allclose(own, closed, rtol=1e-9, atol=1e-11)


def test_line_searches_take_the_steps_of_the_closed_form():
    """Their rates come from the averages: exact for linear units."""
    closed, own = pair("Polyak", "linear")
    start, how = begin(closed), {"dimension": 100, "replicas": 2, "seed": 7, "sectors": True}
    found = [measured(simulate(one, start, [0.0, 1.0, 3.0], **how)) for one in (closed, own)]
    np.testing.assert_allclose(*found, rtol=1e-7, atol=1e-9)  # the differences' 1e-10, over 300 steps


def test_logistic_loss_with_adagrad(record_property):
    """As Collins-Woodfin et al.'s logistic regression; rules_and_optimizers_against_sgd.py has the others, at length.

    The ODE of SGD at a fixed rate is far off.
    """
    rule = rules.logistic("linear", nodes=2**10)
    one = problem(rule, "AdaGradNorm", student_units=1, teacher_units=1)
    z = float(np.sqrt(np.mean([squared_z(one, seed, dimension=600) for seed in range(3)])))
    record_property("measured", f"rms z = {z:.2f}")
    assert POOLED[0] < z < POOLED[1]
    plain = Problem(spectrum=one.spectrum, student_units=1, teacher_units=1, learning_rate=0.4, rule=rule)
    assert np.sqrt(np.mean(squared_z(one, 0, dimension=600, theory=plain))) > 4.0


def test_the_chain_of_copies_has_the_law_of_the_weights(record_property):
    """With an update of which no closed form knows."""
    one = problem(rules.clipped(rules.squared("erf", label_noise=NOISE, **FEW), 0.4), "DANA", **TOGETHER)
    means, squares = same_law(one, dimension=60, replicas=300, seed=5, times=[0.0, 1.0, 3.0])
    record_property("measured", f"p = {means:.2g}, of squares {squares:.2g}")
    assert min(means, squares) > 1e-4


def test_what_is_refused_says_why():
    rule = rules.squared("erf", **FEW)
    with pytest.raises(InvalidProblem, match=r"SignSGD.* with rule = squared: it needs averages of sign\(delta\)"):
        problem(rule, "HeavyBall", optimizer=optimizers.SignSGD())
    with pytest.raises(InvalidProblem, match=r"Polyak.* with rule = 'clipped_squared': its delta follows no gradient"):
        problem(rules.clipped(rule, 0.4), "Polyak")
    one = problem(rules.clipped(rule, 0.4), "HeavyBall")
    with pytest.raises(InvalidProblem, match="D is not symmetric; method = 'DOP853' takes it"):
        integrate(one, begin(one), 1.0)
