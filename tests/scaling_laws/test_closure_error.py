"""What is said of theory of rich SGD, by how large eta a lambda_1 has become: the table of the theory page."""

import warnings

import pytest

from ode_sgd.scaling_laws import FeatureLearning, PowerLawTask
from ode_sgd.scaling_laws.closure_error import caution, off_by


@pytest.mark.parametrize(
    ("size", "told"), [(0.2, "up to 5 % off"), (0.25, "up to 5 % off"), (0.3, "more than 5 %"), (0.5, "of no use")]
)
def test_the_wording_follows_the_value(size, told):
    assert told in off_by(size)


def test_only_theory_with_large_steps_is_cautioned_of():
    model = FeatureLearning(PowerLawTask(modes=60), gamma=1.0)
    assert caution(model.flow([0.0, 10.0]), 1.0) == []
    assert caution(model.sgd([0, 100], learning_rate=0.01), 1.0) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = model.sgd([0, 10, 100], learning_rate=0.2, batch_size=64)
    reached = 0.2 * run.scalars["a"].max()
    assert caution(run, 1.0)[0].startswith("caution   from time ")
    assert f"reaches {reached:.3g}: theory is {off_by(reached)}" in caution(run, 1.0)[0]
