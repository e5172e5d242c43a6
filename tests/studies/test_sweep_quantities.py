"""Quantities of the user's own: their names, entries of arrays, functions in files, and what functions return."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from ode_sgd.cli.main import main
from ode_sgd.core.measure import outcome_column
from ode_sgd.core.registry import find_model
from ode_sgd.studies.sweeps.chosen import function_fault, name_fault
from ode_sgd.studies.sweeps.collect import collect_sweep
from ode_sgd.studies.sweeps.run import run_sweep
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.teacher_student.model import observables as named
from ode_sgd.teacher_student.study_columns import CATALOGUE
from tests.studies.sweeps import AXES, FILE, tables


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder of nine runs."""
    folder = tmp_path_factory.mktemp("done") / "scan.sweep"
    run_sweep(Sweep(tables(), AXES), folder)
    return folder


@pytest.fixture
def here(done, tmp_path, monkeypatch):
    """Beside the runs, with room for a sweep file and its functions."""
    monkeypatch.chdir(tmp_path)
    Path("scan.sweep").symlink_to(done)


def collected(text, functions=""):
    """The exit status of collecting with these quantities."""
    Path("measures.py").write_text(functions)
    Path("scan.toml").write_text(f"{FILE}[collect.quantities]\n{text}\n")
    return main(["sweep", "collect", "scan.toml", "-o", "c.h5"])


@pytest.mark.parametrize("name", [*named.DIMENSIONS, *(f"sgd_{name}" for name in named.DIMENSIONS), "sgd_time"])
def test_a_quantity_is_not_called_as_a_dimension(here, capsys, name):
    assert collected(f'{name} = "R_1[-1, 0, 0]"') == 2
    assert "has a column of this name already" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a_outcome", *map(outcome_column, [*CATALOGUE, "agreement"])])
def test_a_quantity_is_not_called_as_a_column_of_outcomes(here, capsys, name):
    assert collected(f'a = "R_1[-1, 0, 0]"\n{name} = "R_1[-1, 0, 1]"') == 2
    assert "names that end in _outcome say how it went with a quantity" in capsys.readouterr().err
    assert name_fault("outcome", (), find_model()) == ""


@pytest.mark.parametrize("where", ["", "def f(trajectory):\n    "])
def test_a_function_that_ends_the_program_has_raised(here, capsys, where):
    """Alone, and when its file is run."""
    status = collected('x = "measures.py:f"', f"import sys\n{where}sys.exit(3)\nf = f if 'f' in dir() else None\n")
    shown = capsys.readouterr()
    assert status == (0 if where else 2)
    assert "raised SystemExit: 3" in shown.err
    assert not where or "  x: 0 of 9 runs; 9 raised" in shown.out


@pytest.mark.parametrize(
    ("value", "outcome", "told"),
    [
        ("np.ones((2, 2))", "not a number", "an array of shape (2, 2)"),
        ("np.ones(1)", "not a number", "an array of shape (1,)"),
        ('"1.5"', "not a number", "'1.5'"),
        ("True", "not a number", "True"),
        ("np.bool_(True)", "not a number", repr(np.bool_(True))),
        ("1j", "not a number", "1j"),
        ("np.nan", "none", ""),
        ("np.ma.masked", "none", ""),
        ("np.ma.array(1.0, mask=True)", "none", ""),
        ("-np.inf", "infinite", ""),
        ("10**400", "infinite", ""),
    ],
)
def test_what_is_no_number_is_called_what_it_is(here, capsys, value, outcome, told):
    assert collected('x = "measures.py:f"', f"import numpy as np\ndef f(trajectory):\n    return {value}\n") == 0
    shown = capsys.readouterr()
    assert f"  x: 0 of 9 runs; 9 {outcome}\n" in shown.out
    text = f"ode-sgd: x returned {told}; a quantity is one number, or None\n"
    assert (text in shown.err) if told else "returned" not in shown.err


@pytest.mark.parametrize("value", ["3", "np.float32(3)", "np.array(3)", "np.ma.array(3.0)", "Fraction(3)"])
def test_numbers_of_all_kinds(here, value):
    functions = f"import numpy as np\nfrom fractions import Fraction\ndef f(trajectory):\n    return {value}\n"
    assert collected('x = "measures.py:f"', functions) == 0
    with h5py.File("c.h5") as file:
        np.testing.assert_array_equal(file["x"][...], np.full(9, 3.0))


def test_an_entry_of_the_error_within_its_rounding_is_no_number(tmp_path):
    """The linear network comes down to rounding, as in the last error of the catalogue."""
    study = tables(
        problem={"student_units": 1, "teacher_units": 1, "activation": "linear"},
        integration={"alpha": [0, 1, 1e3, 1e5]},
    )
    run_sweep(Sweep(study, {"problem.learning_rate": [0.5]}), tmp_path / "out")
    own = {"last": "generalization_error[-1]", "first": "generalization_error[0]"}
    told = [selection.sentence for selection in collect_sweep(tmp_path / "out", columns=[], quantities=own).selections]
    assert told == ["last: 0 of 1 runs; 1 below resolution", "first: 1 of 1 runs"]


def test_annotations_of_a_dataclass_are_looked_up_in_its_file(here):
    functions = (
        "from __future__ import annotations\nfrom dataclasses import KW_ONLY, dataclass\n"
        "@dataclass\nclass Last:\n    _: KW_ONLY\n    unit: int = 0\n"
        "    def __call__(self, trajectory): return trajectory.Q[-1, self.unit, self.unit]\nlast = Last(unit=1)\n"
    )
    assert collected('x = "measures.py:last"', functions) == 0
    with h5py.File("c.h5") as file:
        np.testing.assert_array_equal(file["x"][...], file["Q_1"][:, -1, 1, 1])


@pytest.mark.parametrize(
    "text",
    [
        "if True:\n    def f(t): return 1.0",
        "try:\n    import nothing\nexcept ImportError:\n    def f(t): return 1.0",
        "f: object = lambda t: 1.0",
        "g, f = None, lambda t: 1.0",
        "match 1:\n    case 1:\n        def f(t): return 1.0",
    ],
)
def test_functions_are_found_wherever_a_file_defines_them(here, text):
    assert collected('x = "measures.py:f"', text) == 0


def test_only_functions_are_offered(tmp_path):
    path = tmp_path / "measures.py"
    path.write_text("import overlop\nlimit = 3\noverlip: int\ndef overlap(t):\n    overlep = 1\n")
    assert function_fault(path, "overlxp").endswith("(did you mean 'overlap'?)")
    assert function_fault(path, "x").endswith("has no function 'x'; it has overlap")
    assert "has no function" in function_fault(path, "overlip") and "has no function" in function_fault(path, "overlep")
    path.write_text("import numpy\nasync def f(t): ...\n")
    assert function_fault(path, "g").endswith("has no function 'g'; it has none")
    assert "async def, which gives no number" in function_fault(path, "f")


def test_names_choose_among_the_columns_and_the_quantities_of_the_file(here, capsys):
    Path("measures.py").write_text("raise RuntimeError('not asked for')\ndef f(t): ...\n")
    quantities = '[collect.quantities]\nentry = "R_1[-1, 0, 0]"\nx = "measures.py:f"\n'
    Path("scan.toml").write_text(FILE + quantities)

    def status(columns, *arguments):
        return main(["sweep", "collect", "scan.sweep", "-o", "c.h5", "--columns", columns, *arguments])

    assert status("entry, final_error", "--file", "scan.toml") == 0
    with h5py.File("c.h5") as file:
        assert {"entry", "final_error"} <= set(file) and not {"x", "half_height_time"} & set(file)
    assert status("x", "--file", "scan.toml") == 2
    assert "RuntimeError: not asked for" in capsys.readouterr().err
    assert status("entri", "--file", "scan.toml") == 2
    assert "'entri' is no column (did you mean 'entry'?)" in capsys.readouterr().err
    assert status("entry") == 2  # the folder was made without it
    assert status(" , ") == 2
    assert "names nothing to measure; there are final_error, " in capsys.readouterr().err
    assert status("final_error", "--file", "missing.toml") == 2
    assert "missing.toml" in capsys.readouterr().err


def test_names_choose_among_what_the_folder_asks_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("measures.py").write_text("def f(trajectory): return 1.0\n")
    sweep = Sweep(tables() | {"collect": {"quantities": {"entry": "R_1[-1, 0, 0]", "x": "measures.py:f"}}}, AXES)
    run_sweep(sweep, "out")
    assert main(["sweep", "collect", "out", "--columns", "entry"]) == 0
    assert "  entry: 9 of 9 runs\n" in capsys.readouterr().out
    assert main(["sweep", "collect", "out", "--columns", "x"]) == 2
    assert "--file SWEEP.toml" in capsys.readouterr().err
