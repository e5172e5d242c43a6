"""The scaling-law models in the explorer, without a browser."""

import pytest

from ode_sgd.core.registry import find_model
from ode_sgd.explorer.answers import answered, measured, simulated
from ode_sgd.explorer.begin import origin_of
from ode_sgd.explorer.state import valid_keys, value_of, with_value
from ode_sgd.explorer.written import study_text
from ode_sgd.studies.study_file import parse_study, parsed
from ode_sgd.studies.validation import MODEL

MODELS = ("feature_learning", "random_features", "resource_model")


def never():
    """Nobody asks to stop."""


def small(name):
    """The study that `ode-sgd init` writes, with less to simulate."""
    begin = origin_of(None, name)
    known = set(begin.model.keys())
    less = {"simulation.replicas": 4, "student.width": 24}
    return origin_of(begin.tables, None, [f"{key}={value}" for key, value in less.items() if key in known])


@pytest.mark.parametrize("name", MODELS)
def test_what_is_seen_of_it(name):
    """A run, a report, a verdict, and a study file that says the same."""
    begin = small(name)
    answer = answered(begin, begin.tables, never)
    assert answer.trouble == "" and answer.curves.error[0].size > 5
    assert measured(answer).report
    verdict = simulated(answer, never, lambda run: None, lambda fraction: None).verdict
    assert verdict.startswith("theory and simulation agree"), verdict
    text = study_text({MODEL: name, **begin.tables})
    assert parse_study(parsed(text)).config == parse_study(begin.tables).config


@pytest.mark.parametrize("name", MODELS)
def test_every_control_is_moved(name):
    """To every choice, and to both ends of every slider that does not say how much is computed."""
    begin, model = origin_of(None, name), find_model(name)
    for key, control in model.controls().items():
        assert control.label
        for value in control.choices:
            found = answered(begin, with_value(begin.tables, key, value, model), never)
            assert found.trouble == "", (key, value)
        if control.form == "slider" and key in valid_keys(begin.tables, model) and value_of(begin.tables, key):
            for value in (control.low, control.high):
                found = answered(begin, with_value(begin.tables, key, value, model), never)
                assert found.run is not None, (key, value, found.fault)


def test_the_law_lies_beside_the_curve():
    begin = origin_of(None, "feature_learning")
    run = answered(begin, begin.tables, never).run
    law, found = begin.model.law(run), begin.model.annotations(run)
    assert found.exponent == -law.exponent and found.height is None
    assert law.window[0] <= found.window[0] < found.window[1] <= run.alpha[-1]
    few = origin_of(None, "resource_model")
    assert few.model.annotations(answered(few, few.tables, never).run) == (None, None, None)
