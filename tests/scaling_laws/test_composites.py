"""Tasks made of others: side by side, and one behind the other against an explicit chain."""

import numpy as np
import pytest

from ode_sgd import scaling_laws as sl
from ode_sgd.core.errors import InvalidProblem


def chain():
    """y = F(u) with F(u) = u + 0.3 u^2 of a u ~ N(0, 1) that is computed itself."""
    return sl.series([sl.ResourceModel([1.0], [1.0]), sl.ResourceModel([1.18], [1.0])], [1.36, 1.0])


def test_parallel_sums_losses():
    """To rounding."""
    one, other = sl.ResourceModel([1.0, 0.5], [1.0, 2.0], [1.0, 3.0]), sl.ResourceModel([0.25], [0.5])
    both = sl.parallel([one, other], [2.0, 0.5])
    wanted = 2.0 * one.allocate(10, policy="equal").loss + 0.5 * other.allocate(5, policy="equal").loss
    assert both.allocate(15, policy="equal").loss == pytest.approx(wanted, rel=1e-15)
    assert sl.parallel([one, other]).initial_loss == pytest.approx(one.initial_loss + other.initial_loss, rel=1e-15)


@pytest.mark.parametrize(("neurons", "wanted"), [(10, 0.21582), (40, 0.05765), (160, 0.01466)])
def test_golden_values_of_a_series(neurons, wanted):
    """To the digits that are given, with as many neurons in each stage."""
    assert chain().allocate(2 * neurons, policy="equal").loss == pytest.approx(wanted, abs=5e-6)


@pytest.mark.parametrize("neurons", [10, 40, 160])
def test_a_series_is_that_of_an_explicit_chain(neurons):
    """Within 4 standard errors and the square of the loss: the theory is its first order.

    The second stage computes from what the first one says, with the best linear readout of its own noisy neurons.
    """
    generator, samples = np.random.default_rng(neurons), 200_000
    u = generator.standard_normal(samples)
    said = neurons / (neurons + 1.0) * (u + generator.standard_normal(samples) / np.sqrt(neurons))
    target, mean, variance = u + 0.3 * u**2, 0.3, 1.18
    second = said + 0.3 * said**2 - mean
    neuron = second + generator.standard_normal(samples) / np.sqrt(neurons)
    squared = (target - mean - neurons * variance / (neurons * variance + 1.0) * neuron) ** 2
    loss = chain().allocate(2 * neurons, policy="equal").loss
    error = squared.std() / np.sqrt(samples)
    assert abs(squared.mean() - loss) <= 4.0 * error + loss**2


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda m: sl.parallel([]), "models is empty"),
        (sl.parallel, "models is a ResourceModel; give a list"),
        (lambda m: sl.parallel([m, 3.0]), "models holds a float"),
        (lambda m: sl.parallel([m, m], [1.0]), "weights has 1 entries; give one for each of 2 models"),
        (lambda m: sl.parallel([m, m], [1.0, -2.0]), "weights holds -2; give numbers > 0"),
        (lambda m: sl.series([m, m], [1.0, 2.0]), "sensitivities ends with 2"),
    ],
)
def test_bad_input(call, told):
    with pytest.raises(InvalidProblem) as raised:
        call(sl.ResourceModel([1.0], [1.0]))
    assert told in str(raised.value)
