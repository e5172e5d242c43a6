"""Lines of theory: a level, or an exponent with its window."""

import pytest

import ode_sgd
from ode_sgd.core.model import Model
from tests.analysis.any_run import theory


def test_a_level_or_an_exponent():
    assert ode_sgd.Reference(label="floor", level=1).level == 1.0
    assert ode_sgd.Reference(label="law", exponent=0.5, window=[1, 10]).window == (1.0, 10.0)


@pytest.mark.parametrize(
    "given", [{}, {"level": 1.0, "exponent": 0.5}, {"exponent": 0.5}, {"level": float("nan")}, {"level": "high"}]
)
def test_bad_input(given):
    with pytest.raises(ode_sgd.InvalidProblem):
        ode_sgd.Reference(label="x", **given)


def test_a_model_has_none_by_itself_and_its_findings_are_its_measures():
    class Decay(Model):
        name = "decay"

    assert Decay().references(theory()) == ()
    assert Decay().findings(theory()) == {"final_error": theory().error[-1]}
