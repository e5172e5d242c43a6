"""Tables that are moved by hand, and the address that carries them."""

import copy
from urllib.parse import parse_qsl

import pytest

from ode_sgd.explorer import state
from ode_sgd.studies.study_file import parse_study
from tests.explorer.explored import TABLES, origin

BEGIN = origin()


def moved(tables, **values):
    for key, value in values.items():
        tables = state.with_value(tables, key.replace("__", "."), value, BEGIN.model)
    return tables


def through_address(tables):
    return state.from_address(BEGIN, parse_qsl(state.address(TABLES, tables).lstrip("?"), keep_blank_values=True))


def test_a_value_is_changed_in_a_copy():
    before = copy.deepcopy(TABLES)
    after = moved(TABLES, problem__learning_rate=0.25, integration__rtol=1e-8)
    assert before == TABLES
    assert (after["problem"]["learning_rate"], after["integration"]["rtol"]) == (0.25, 1e-8)
    assert state.changes(TABLES, after) == {"problem.learning_rate": 0.25, "integration.rtol": 1e-8}
    assert state.changes(TABLES, moved(after, problem__learning_rate=0.5, integration__rtol=None)) == {}


@pytest.mark.parametrize("kind", ["isotropic", "explicit", "power_law"])
def test_another_kind_makes_a_sound_study(kind):
    study = parse_study(moved(TABLES, spectrum__kind=kind))
    assert study.config["spectrum"]["kind"] == kind


def test_another_start_makes_a_sound_study_and_keeps_what_both_have():
    tables = moved(TABLES, start__kind="typical")
    assert tables["start"] == {"kind": "typical", "student_scale": 0.02}
    assert parse_study(tables).config["start"]["kind"] == "typical"


def test_keys_are_those_of_the_kinds():
    keys = state.valid_keys(moved(TABLES, spectrum__kind="isotropic"), BEGIN.model)
    assert "spectrum.kind" in keys and "spectrum.beta" not in keys
    assert "spectrum.beta" in state.valid_keys(TABLES, BEGIN.model)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"problem__learning_rate": 0.1 + 0.2},
        {"spectrum__kind": "isotropic"},
        {"spectrum__kind": "explicit", "spectrum__eigenvalues": [2.0, 1.0], "spectrum__weights": [0.25, 0.75]},
        {"problem__gradient_flow": True, "problem__output": "mean_field"},
        {"start__seed": 11, "integration__alpha": [0.0, 1.0, 10.0]},
        {"start__dimension": None},
        {"problem__student_units": 3, "simulation__method": "explicit"},
    ],
)
def test_an_address_carries_the_tables(values):
    tables = moved(TABLES, **values)
    assert through_address(tables) == (tables, [])


def test_an_address_of_nothing_moved_is_empty():
    assert state.address(TABLES, copy.deepcopy(TABLES)) == ""
    assert state.address(TABLES, moved(TABLES, problem__learning_rate=0.25)) == "?problem.learning_rate=0.25"


def test_an_address_that_would_be_too_long_is_empty():
    many = [1.0] * state.LONGEST
    assert state.address(TABLES, moved(TABLES, spectrum__kind="explicit", spectrum__eigenvalues=many)) == ""


def test_an_address_runs_no_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("raise SystemExit('it was run')\n")
    tables, faults = state.from_address(BEGIN, [("problem.activation", str(path)), ("problem.learning_rate", "0.1")])
    assert tables == moved(TABLES, problem__learning_rate=0.1)
    assert len(faults) == 1 and "not taken from an address" in faults[0]
    for key in ("problem.rule", "problem.rule.name", "problem.rule.rule.name"):
        tables, faults = state.from_address(BEGIN, [(key, f"{path}:update")])
        assert tables == TABLES
        assert len(faults) == 1 and "not taken from an address" in faults[0]
    tables, faults = state.from_address(BEGIN, [("problem.activation", "linear")])
    assert (tables["problem"]["activation"], faults) == ("linear", [])


def test_names_that_are_not_ours_are_passed_over():
    assert state.from_address(BEGIN, [("bokeh-session-id", "x"), ("utm", "1")]) == (TABLES, [])


def test_what_an_address_gets_wrong_is_told_by_the_study():
    tables, faults = state.from_address(BEGIN, [("problem.learning_rate", "-1"), ("nonsense.key", "2")])
    assert faults == []
    with pytest.raises(ValueError, match="learning_rate") as caught:
        parse_study(tables)
    assert "nonsense" in str(caught.value)


def test_curves_are_told_apart_by_what_differs():
    several = [TABLES, moved(TABLES, problem__learning_rate=0.25), moved(TABLES, start__seed=7)]
    assert state.labels(several) == [
        "learning_rate 0.5, seed 6",
        "learning_rate 0.25, seed 6",
        "learning_rate 0.5, seed 7",
    ]
    assert state.labels([TABLES]) == ["the study"]
    assert state.labels([TABLES, moved(TABLES, integration__rtol=1e-8)]) == ["rtol –", "rtol 1e-08"]
