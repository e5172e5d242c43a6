"""What a model has without saying so, and how one is found."""

from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd.core import allowance, registry
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.measure import Measured
from ode_sgd.core.model import Model, Tables


class Still(Model):
    name = "still"
    tables = {"rest": {"deep": dict, "flat": lambda height, rest=None: height}, "times": lambda last, seed=0: last}
    optional = ("times",)

    def theory(self, tables, progress):
        alpha = np.linspace(0.0, 1.0, 3)
        return ode_sgd.Run(problem=ode_sgd.Parameters({}), alpha=alpha, error=np.array([2.0, 1.0, 0.5]), method="none")


def test_tables_hold_parts_by_name():
    tables = Tables({"a": 1, "b": None}, {"a": {"x": 2}})
    assert (tables["a"], tables.get("b"), tables.get("c")) == (1, None, None)
    assert "b" in tables and "c" not in tables and list(tables) == ["a", "b"]


def test_a_model_without_a_simulation_computes_one_theory_after_the_other():
    model, tables = Still(), Tables({"times": 1.0})
    assert not model.simulates({"times", "simulation"})
    assert len(model.theory_many([tables, tables], lambda fraction: None)) == 2
    assert not model.is_batched(tables) and model.simulation(tables, lambda fraction: None, None) is None
    assert model.works(tables) == [] and model.describe(model.theory(tables, None)) == ""


def test_one_that_computes_many_at_once_is_asked_for_them():
    class Many(Still):
        def theory_many(self, tables, progress):
            return super().theory_many(tables, progress)

        def simulation(self, tables, progress, checkpoint):
            return None

    class WithTable(Many):
        tables = {"simulation": dict}

    assert not Many().is_batched(Tables({}))  # it simulates whatever its tables are
    assert WithTable().is_batched(Tables({})) and not WithTable().is_batched(Tables({"simulation": 1}))


def test_keys_that_can_be_swept():
    class Known(Still):
        tables = {
            "rest": {"deep": lambda depth: depth, "flat": lambda height, times: height},
            "times": lambda last: last,
        }

    assert Known().keys() == ("rest.kind", "rest.depth", "rest.height", "times.last")


def test_numbers_that_a_run_does_not_have_are_none():
    class Counted(Still):
        columns = {"one": "", "no": "", "nan": "", "lost": ""}

        def measures(self, run):
            return {"one": 1, "no": None, "nan": float("nan")}

    model = Counted()
    measured = Measured(model.theory(Tables({}), None), lambda: None)
    found = {measure.name: measure.measure(measured) for measure in model.measurements(None)}
    assert found == {"one": ("found", (1.0,)), "no": ("none", ()), "nan": ("none", ()), "lost": ("none", ())}
    assert [measure.name for measure in model.measurements({"no", "else"})] == ["no"]


def test_measures_that_raise_have_no_number():
    class Broken(Still):
        def measures(self, run):
            return {"final_error": run.error[7]}

    (measure,) = Broken().measurements(None)
    measured = Measured(Still().theory(Tables({}), None), lambda: None)
    assert measure.measure(measured) == ("raised", ()) and "raised" in measure.words


def test_paths_count_from_the_folder_that_is_given(tmp_path):
    assert registry.located("a.py:B", tmp_path) == f"{tmp_path}/a.py:B"
    assert registry.located("/a/b.py : C", tmp_path) == "/a/b.py:C"
    assert registry.located(" name ", tmp_path) == "name"
    assert registry.located("a.b:C", tmp_path) == "a.b:C"


def test_models_by_name_and_by_module():
    assert ode_sgd.find_model() is ode_sgd.find_model("teacher_student")
    found = ode_sgd.find_model(f"{__name__}:Still")
    assert isinstance(found, Still)
    with pytest.raises(InvalidProblem, match="has no class 'Stil'"):
        ode_sgd.find_model(f"{__name__}:Stil")
    with pytest.raises(InvalidProblem, match=r"model = 'still': unknown model \(there are .*teacher_student"):
        ode_sgd.find_model("still")


def test_a_file_is_run_once_in_a_process(tmp_path):
    path = tmp_path / "counted.py"
    path.write_text(
        "import ode_sgd\n"
        f"with open({str(tmp_path / 'runs')!r}, 'a') as file:\n    file.write('x')\n"
        "class A(ode_sgd.Model):\n    name = 'a'\n    tables = {'t': dict}\n    theory = print\n"
        "class B(A):\n    name = 'b'\n"
    )
    names = [ode_sgd.find_model(f"counted.py:{kind}", tmp_path).name for kind in "ABA"]
    assert names == ["a", "b", "a"] and (tmp_path / "runs").read_text() == "x"


def test_threads_are_at_most_as_many_as_asked():
    """In this thread alone; contexts lie within each other."""
    free = allowance.threads()
    with allowance.at_most(1):
        assert allowance.threads() == 1
        with allowance.at_most(free + 5):
            assert allowance.threads() == free
        assert allowance.threads() == 1
    assert allowance.threads() == free


def test_a_relative_path_is_found_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidProblem, match=f"{tmp_path}/none.py does not exist"):
        ode_sgd.find_model("none.py:A")
    assert Path.cwd() == tmp_path
