"""The text of the tests' study says what its tables say."""

import tomllib

from tests.study_text import ONE_UNIT, STUDY, changed, study_text, text_of


def test_a_text_is_its_tables():
    values = {"alpha": [0.0, 1e-9], "sectors": True, "method": "rodas5p"}
    tables = changed(STUDY, integration=values, sweep={"replicas": 2, "axis": {"linspace": [0.5, 1.5, 3]}})
    assert tomllib.loads(text_of(tables)) == tables
    assert tomllib.loads(study_text(integration=values)) == STUDY | {"integration": values}


def test_tables_are_not_changed_in_their_place():
    before = repr(ONE_UNIT)
    assert changed(ONE_UNIT, problem={"learning_rate": 0.2})["problem"]["learning_rate"] == 0.2
    assert repr(ONE_UNIT) == before
