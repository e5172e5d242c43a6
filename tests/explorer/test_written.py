"""Study files and scripts of tables give the study back, to the last bit."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from ode_sgd.core.registry import find_model
from ode_sgd.explorer.state import Origin
from ode_sgd.explorer.written import portable, script_text, study_text, value_text
from ode_sgd.studies.runs import simulation_of, theory_of
from ode_sgd.studies.study_file import parse_study, read_study
from tests.explorer.explored import TABLES, origin

DECAY = """
import ode_sgd

def decay(rate=1.0):
    return rate

class Decay(ode_sgd.Model):
    name = "decay"
    tables = {"decay": decay}

    def theory(self, tables, progress):
        raise NotImplementedError
"""


@pytest.mark.parametrize(
    "value",
    [
        0.1 + 0.2,
        1e-300,
        5e-324,
        float("inf"),
        -0.0,
        7,
        -(2**62),
        True,
        False,
        "erf",
        'a "b" \\ \n \x7f é 😀',
        [],
        [0.5, 1],
        ["x"],
    ],
)
def test_a_value_is_read_as_it_was(value):
    read = tomllib.loads(f"x = {value_text(value)}")["x"]
    assert repr(read) == repr(value)


def test_no_number_is_not_a_number():
    assert np.isnan(tomllib.loads(f"x = {value_text(float('nan'))}")["x"])


def test_a_study_file_has_the_tables():
    assert tomllib.loads(study_text({"model": "a.py:B", **TABLES})) == {"model": "a.py:B", **TABLES}


def test_an_exported_study_gives_the_same_numbers(tmp_path):
    given = origin(problem=TABLES["problem"] | {"learning_rate": 0.1 + 0.2})
    study = parse_study(given.tables)
    path = tmp_path / "study.toml"
    path.write_text(study_text(portable(given.tables, given, study)))
    runs = [theory_of(one, lambda stage, fraction: None) for one in (study, read_study(path))]
    assert np.array_equal(runs[0].error, runs[1].error)


def test_files_of_the_users_own_are_named_for_every_folder(tmp_path):
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "decay.py").write_text(DECAY)
    given = Origin(model=find_model(), tables=TABLES | {"problem": {"activation": "mine.py"}}, folder=tmp_path)
    study = parse_study({"model": "decay.py:Decay", "decay": {}}, folder=tmp_path)
    moved = portable(given.tables, given, study)
    assert moved["problem"]["activation"] == str(tmp_path / "mine.py")
    assert moved["model"] == f"{tmp_path / 'decay.py'}:Decay"
    for rule in ("mine.py:update", {"name": "clipped", "rule": {"name": "mine.py:update"}}, {"name": "none.py:update"}):
        given = Origin(model=find_model(), tables=TABLES | {"problem": {"rule": rule}}, folder=tmp_path)
        absolute = json.loads(json.dumps(rule).replace("mine.py", str(tmp_path / "mine.py")))
        assert portable(given.tables, given, study)["problem"]["rule"] == absolute  # of files that are there
    assert next(iter(moved)) == "model"  # a key at the top of a TOML file comes before its tables


def ran(script: str) -> dict:
    names: dict = {}
    exec(script, names)
    return names


@pytest.mark.parametrize(
    "tables",
    [
        {"simulation": None},
        {"simulation": None, "integration": {"alpha": [0.0, 1.0, 30.0], "rtol": 1e-8, "nodes": "whole"}},
        {"simulation": None, "spectrum": {"kind": "isotropic"}, "start": {"kind": "typical", "student_scale": 0.3}},
        {"spectrum": {"kind": "explicit", "eigenvalues": [1.5, 0.5], "weights": [0.5, 0.5]}},
        {"simulation": TABLES["simulation"] | {"alpha": [0.0, 1.0, 30.0]}},
    ],
)
def test_a_script_gives_the_same_numbers(tables, capsys):
    given = origin(**tables)
    study = parse_study(given.tables)
    names = ran(script_text(given.tables, study))
    theory = theory_of(study, lambda stage, fraction: None)
    assert np.array_equal(names["ode"].alpha, theory.alpha)
    assert np.array_equal(names["ode"].error, theory.error)
    if study.simulates:
        simulation = simulation_of(study, lambda stage, fraction: None, None)
        assert np.array_equal(names["sgd"].error, simulation.error)


def test_another_model_is_run_by_its_tables(tmp_path):
    langevin = Path(__file__).parents[1] / "langevin" / "langevin.py"
    name = next(
        line.split()[1].partition("(")[0] for line in langevin.read_text().splitlines() if "ode_sgd.Model)" in line
    )
    from ode_sgd.studies.study_file import parsed
    from ode_sgd.studies.template import template_of

    tables = parsed(template_of(f"{langevin}:{name}", tmp_path / "x.toml")) | {"model": f"{langevin}:{name}"}
    study = parse_study(tables)
    names = ran(script_text(tables, study))
    assert np.array_equal(names["theory"].error, theory_of(study, lambda stage, fraction: None).error)
