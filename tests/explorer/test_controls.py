"""What moves the keys of a study."""

import pytest

import ode_sgd
from ode_sgd.core.control import FORMS, Control
from ode_sgd.explorer.controls import controls_of, moved_number, shown_number
from tests.explorer.explored import TABLES, origin


class Plain(ode_sgd.Model):
    name = "plain"
    tables = {"one": {"a": dict, "b": dict}, "two": dict}  # noqa: RUF012


def test_a_model_without_controls_has_those_of_its_values():
    tables = {"one": {"kind": "a", "rate": 0.5, "count": 3, "on": True}, "two": {"list": [1.0], "zero": 0.0}}
    found = controls_of(Plain(), tables)
    forms = {key: control.form for key, control in found.items()}
    assert forms == {"one.kind": "choice", "one.rate": "logarithmic", "one.count": "number", "one.on": "switch"}
    assert found["one.kind"].choices == ("a", "b")
    assert found["one.rate"].label == "rate"


def test_sliders_reach_the_values_of_the_study():
    given = origin(problem=TABLES["problem"] | {"learning_rate": 25.0, "activation": "mine.py"})
    found = controls_of(given.model, given.tables)
    assert found["problem.learning_rate"].high == 25.0
    assert "mine.py" in found["problem.activation"].choices


def test_every_control_is_of_a_key_of_the_model():
    given = origin()
    found = controls_of(given.model, given.tables)
    assert set(found) <= set(given.model.keys())
    assert all(control.form in FORMS and control.label for control in found.values())


@pytest.mark.parametrize(
    ("control", "values"),
    [
        (Control(form="logarithmic", low=0.01, high=10.0, step=0.02), [0.01, 0.5, 0.7413, 10.0]),
        (Control(form="logarithmic", low=1, high=1024, step=0.02, whole=True), [1, 4, 100, 1024]),
        (Control(form="slider", low=0.05, high=3.0, step=0.05), [0.05, 1.0, 2.95]),
    ],
)
def test_a_place_on_a_slider_means_its_value(control, values):
    assert [moved_number(control, shown_number(control, value)) for value in values] == values


def test_a_value_beyond_a_slider_is_at_its_end():
    control = Control(form="slider", low=0.0, high=1.0)
    assert (shown_number(control, -1.0), shown_number(control, 2.0)) == (0.0, 1.0)
