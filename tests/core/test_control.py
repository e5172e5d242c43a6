"""What moves a key must be able to."""

import pytest

import ode_sgd
from ode_sgd.core.control import Control


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"form": "dial"}, "give one of slider"),
        ({"form": "slider", "low": 1.0, "high": 1.0}, "low < high"),
        ({"form": "logarithmic", "low": 0.0, "high": 1.0}, "low < high"),
        ({"form": "choice"}, "choices is empty"),
    ],
)
def test_a_control_that_cannot_move_is_refused(values, told):
    with pytest.raises(ode_sgd.InvalidProblem, match=told):
        Control(**values)


def test_a_plain_one_is_typed():
    assert Control().form == "text"
