"""The largest learning rate: its equation, known values, and what the recursion does on both of its sides."""

import numpy as np
import pytest

from ode_sgd import scaling_laws as sl
from ode_sgd.scaling_laws.spectral_measure import SpectralMeasure
from ode_sgd.scaling_laws.stability import largest_learning_rate, largest_learning_rate_of, largest_rate_on
from tests.reference import scaling_laws_sgd as reference

SMALL, TASK = sl.PowerLawTask(modes=100), sl.PowerLawTask(modes=1000)


def test_known_values():
    """Found with an independent program, to the digits given."""
    found = [largest_learning_rate(SMALL, None, batch) for batch in (1, 4)]
    np.testing.assert_allclose(found, [0.5390, 1.2614], atol=1e-4)
    np.testing.assert_allclose([largest_learning_rate(TASK, 64, batch) for batch in (1, 2)], [0.512, 0.832], atol=1e-3)


@pytest.mark.parametrize("batch", [1, 3, 50])
def test_the_bound_solves_its_equation(batch):
    """(eta / B) sum_k lambda_k / (2 - eta lambda_k (1 + 1 / B)) = 1."""
    eta, s = largest_learning_rate(TASK, None, batch), TASK.eigenvalues
    np.testing.assert_allclose(eta / batch * (s / (2.0 - eta * s * (1.0 + 1.0 / batch))).sum(), 1.0, rtol=1e-10)


def test_limits():
    """Many samples a step: that of the mean gradient; many features: infinitely many; one mode, by hand."""
    assert largest_learning_rate(TASK, None, 0) == 2.0
    np.testing.assert_allclose(largest_learning_rate(TASK, None, 10**9), 2.0, rtol=1e-6)
    np.testing.assert_allclose(largest_learning_rate(TASK, 64, 10**9), largest_learning_rate(TASK, 64, 0), rtol=1e-8)
    large = sl.PowerLawTask(modes=10**10)
    for batch in (1, 8):
        wide, infinite = (largest_learning_rate(large, width, batch) for width in (10**8, None))
        np.testing.assert_allclose(wide, infinite, rtol=1e-6)
    # One mode: (1 - eta)^2 + eta^2 / B + eta^2 / B < 1, of which the last is the loss's answer.
    one = sl.PowerLawTask(modes=1)
    for batch in (1, 4):
        np.testing.assert_allclose(largest_learning_rate(one, None, batch), 2.0 / (1.0 + 2.0 / batch), rtol=1e-12)


@pytest.mark.parametrize("batch", [1, 4])
def test_the_recursion_decays_below_the_bound_and_grows_above(batch):
    measure = SpectralMeasure.infinite(SMALL)
    bound = largest_learning_rate_of(measure.nodes, measure.trace, batch)
    assert bound == largest_learning_rate(SMALL, None, batch)
    losses = [
        reference.recursion(
            measure.nodes, measure.target, measure.trace, 0.0, 3000, learning_rate=k * bound, batch=batch
        )[:, 0]
        for k in (0.9, 1.1)
    ]
    assert losses[0][-1] < 0.1 * losses[0][300]
    assert losses[1][-1] > 10.0 * losses[1][300]


def test_instances_scatter_round_the_bound_of_their_width():
    """30 students of 64 features: their mean is 5 % above, a correction of 1 / N, and they scatter by 13 %."""
    own = [
        largest_learning_rate_of(measure.nodes, measure.trace, 1)
        for measure in (SpectralMeasure.instance(SMALL, 64, seed) for seed in range(30))
    ]
    error = np.std(own, ddof=1) / np.sqrt(30)
    np.testing.assert_allclose(np.mean(own), largest_learning_rate(SMALL, 64, 1), atol=4.0 * error + 0.54 * 2.0 / 64)


@pytest.mark.parametrize("batch", [0, 1, 4])
def test_on_a_contour_every_node_decays_up_to_its_bound(batch):
    nodes = SpectralMeasure.asymptotic(TASK, 64, close=True).nodes
    bound, share = largest_rate_on(nodes, batch), 1.0 / batch if batch else 0.0
    inside, outside = (
        np.abs((1.0 - k * bound * nodes) ** 2 + share * (k * bound * nodes) ** 2).max() for k in (1 - 1e-6, 1 + 1e-6)
    )
    assert inside < 1.0 < outside
