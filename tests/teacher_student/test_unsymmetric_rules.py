"""Rules that follow no gradient by the default method, against DOP853 over the same nodes."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from ode_sgd import (
    InvalidProblem,
    OrderParameters,
    Problem,
    Rule,
    Schedule,
    Spectrum,
    integrate,
    integrate_batch,
    rules,
)

GIVEN = {"spectrum": Spectrum.power_law(5, beta=1.0), "student_units": 2, "teacher_units": 2, "learning_rate": 0.3}
TOGETHER = {"batch_size": 3, "weight_decay": 0.1, "learning_rate": Schedule.power(0.6, 0.5, 4.0)}
NODES = 2**8  # both methods have the same, and are compared with each other


def softly_clipped(x, y, draw, delta):
    """Of units x / sqrt(1 + x^2), smooth everywhere."""
    error, square = 0.0, 0.0
    for i in range(x.size):
        error += x[i] / sqrt(1.0 + x[i] * x[i])
    for n in range(y.size):
        error -= y[n] / sqrt(1.0 + y[n] * y[n])
    for i in range(x.size):
        delta[i] = error / (1.0 + x[i] * x[i]) ** 1.5
        square += delta[i] * delta[i]
    for i in range(x.size):
        delta[i] /= sqrt(1.0 + 6.0 * square)
    return 0.5 * error * error


def turned(x, y, draw, delta):
    """Of two such units whose gradient is turned by 60 degrees: D has complex eigenvalues."""
    error = 0.0
    for i in range(x.size):
        error += x[i] / sqrt(1.0 + x[i] * x[i])
    for n in range(y.size):
        error -= y[n] / sqrt(1.0 + y[n] * y[n])
    one, two = error / (1.0 + x[0] * x[0]) ** 1.5, error / (1.0 + x[1] * x[1]) ** 1.5
    delta[0], delta[1] = 0.5 * one + 0.9 * two, 0.5 * two - 0.9 * one
    return 0.5 * error * error


def problem(rule, **changes):
    return Problem(**GIVEN | {"rule": rule} | changes)


def start_of(one):
    return OrderParameters.random(one, 20 * one.spectrum.distinct, 0.5, seed=1)


@pytest.mark.parametrize("changes", [{}, TOGETHER], ids=["alone", "together"])
@pytest.mark.parametrize("update", [softly_clipped, turned])
def test_it_is_what_dop853_makes_of_the_same_nodes(update, changes, record_property):
    one = problem(Rule(update, nodes=NODES), **changes)
    assert not one.g.symmetric
    first, times = start_of(one), [0.0, 1.0, 10.0, 40.0]
    run = integrate(one, first, times, rtol=1e-4, sectors=True)
    other = integrate(one, first, times, rtol=1e-6, method="DOP853", sectors=True)
    assert (run.method, run.status) == ("rodas5p", "complete")
    off = np.abs(run.generalization_error / other.generalization_error - 1.0).max()
    record_property("measured", f"{off:.1e}, {run.stats['steps']:.0f} steps")
    assert off < 1e-4
    np.testing.assert_allclose(run.sectors.q, other.sectors.q, rtol=0.0, atol=1e-4)
    np.testing.assert_allclose(run.sectors.r, other.sectors.r, rtol=0.0, atol=1e-4)


@pytest.mark.parametrize("name", ["clipped", "normalised"])
def test_those_that_are_shipped(name, record_property):
    """With A from products, which is continuous over the nodes: derivatives at kinks jump by one node's weight."""
    base = rules.squared("erf", label_noise=0.3, nodes=NODES)
    one = problem(replace(rules.clipped(base, 0.4), jumps="xy") if name == "clipped" else rules.normalised(base))
    first, times = start_of(one), [0.0, 1.0, 4.0]
    run, other = (integrate(one, first, times, rtol=1e-4, method=method) for method in ("rodas5p", "DOP853"))
    off = np.abs(run.generalization_error / other.generalization_error - 1.0).max()
    record_property("measured", f"{off:.1e}, {run.stats['steps']:.0f} steps")
    assert run.status == "complete"
    assert off < 1e-4


def test_batches_nodes_and_continued_runs():
    one = problem(Rule(softly_clipped, nodes=NODES))
    first, times = start_of(one), [0.0, 1.0, 5.0]
    run = integrate(one, first, times, rtol=1e-4)
    slower = replace(one, learning_rate=0.2)
    both = integrate_batch([one, slower], [first, first], times, rtol=1e-4)
    np.testing.assert_array_equal(both[0].generalization_error, run.generalization_error)
    alone = integrate(slower, first, times, rtol=1e-4)
    np.testing.assert_array_equal(both[1].generalization_error, alone.generalization_error)
    begun = integrate(one, first, [0.0, 1.0], rtol=1e-4)
    rest = integrate(one, None, 5.0, rtol=1e-4, continues=begun)
    np.testing.assert_allclose(rest.generalization_error[-1], run.generalization_error[-1], rtol=1e-4)
    long = replace(one, spectrum=Spectrum.power_law(2000, beta=1.0))
    weak = OrderParameters.typical(long, 0.5)
    on_nodes, whole = (integrate(long, weak, times, rtol=1e-4, nodes=nodes) for nodes in ("auto", None))
    assert on_nodes.stats["nodes"] < 200
    np.testing.assert_allclose(on_nodes.generalization_error, whole.generalization_error, rtol=2e-4)


def test_many_students_take_an_explicit_method():
    one = problem(Rule(softly_clipped, nodes=NODES), student_units=9)
    with pytest.raises(InvalidProblem, match="which 8 students may have at most; method = 'DOP853' takes it"):
        integrate(one, start_of(one), 1.0)
