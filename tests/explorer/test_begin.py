"""Where an exploration begins."""

from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd.explorer.answers import answered
from ode_sgd.explorer.begin import explore, origin_of, usual_simulation
from tests.explorer.explored import TABLES, never


def problem(**more):
    given = {"student_units": 2, "teacher_units": 2, "learning_rate": 0.1 + 0.2} | more
    return ode_sgd.Problem(spectrum=given.pop("spectrum", ode_sgd.Spectrum.power_law(4, 1.0)), **given)


@pytest.mark.parametrize(
    "given",
    [
        problem(),
        problem(label_noise=0.1, weight_decay=0.01, output="mean_field"),
        problem(gradient_flow=True),
        problem(student_weights=(1.0, -0.5)),
        problem(spectrum=ode_sgd.Spectrum(np.array([2.0, 0.3]), np.array([1 / 3, 2 / 3]))),
        problem(spectrum=ode_sgd.Spectrum(np.array([2.0, 0.3]), np.array([0.1234567, 1.0 - 0.1234567]))),
    ],
)
def test_a_problem_is_itself(given):
    found = answered(origin_of(given), origin_of(given).tables, never)
    assert found.trouble == ""
    assert found.run.problem.identity == given.identity


def test_a_study_is_its_tables(tmp_path):
    from ode_sgd.explorer.written import study_text
    from ode_sgd.studies.study_file import read_study

    path = tmp_path / "study.toml"
    path.write_text(study_text(TABLES))
    assert origin_of(path).tables == origin_of(str(path)).tables == origin_of(TABLES).tables == TABLES
    assert (origin_of(path).folder, origin_of(path).source) == (tmp_path, str(path))
    assert origin_of(read_study(path)).tables["problem"]["learning_rate"] == 0.5
    assert origin_of(path, None, ["problem.learning_rate=0.25"]).tables["problem"]["learning_rate"] == 0.25


def test_nothing_is_the_study_of_init():
    given = origin_of()
    assert given.model.name == "teacher_student"
    assert answered(given, given.tables, never).trouble == ""
    assert usual_simulation(given) == given.tables["simulation"]


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        (7, ode_sgd.InvalidProblem, "give an ode_sgd.Problem"),
        ({"problem": {}}, ode_sgd.StudyError, "is missing"),
        ("none.toml", ode_sgd.StudyError, "cannot be read"),
        (TABLES | {"problem": {"learning_rate": -1.0}}, ode_sgd.StudyError, "learning_rate"),
    ],
)
def test_what_is_no_study_is_refused(given, error, told):
    with pytest.raises(error, match=told):
        origin_of(given)


def test_a_model_may_be_named():
    with pytest.raises(ode_sgd.InvalidProblem, match="unknown model"):
        origin_of(None, "nonsense")
    assert origin_of(None, "teacher_student").model.name == "teacher_student"


def test_a_model_of_a_file_is_explored():
    langevin = Path(__file__).parents[1] / "langevin" / "langevin.py"
    given = origin_of(None, f"{langevin}:Langevin")
    found = answered(given, given.tables, never)
    assert found.trouble == "" and list(found.curves.components) == ["softest"]
    assert usual_simulation(given) == {"replicas": 16, "seed": 0}


def test_at_a_prompt_it_returns_at_once():
    pytest.importorskip("bokeh", reason="needs the extra explore")
    explorer = explore(problem(), browser=False, wait=False)
    assert explorer.address.startswith("http://127.0.0.1:")
    explorer.stop()


def test_a_keyword_that_it_does_not_have():
    with pytest.raises(ode_sgd.UnknownKeyword, match=r"explore has no keyword 'prot' .*'port'"):
        explore(None, prot=5006)
