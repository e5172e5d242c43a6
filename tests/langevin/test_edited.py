"""A sweep is of the file of its model as it was when the sweep was begun."""

import io
import json
import shutil
from pathlib import Path

import pytest

import ode_sgd
from ode_sgd.cli.main import main
from ode_sgd.core import registry
from ode_sgd.core.errors import StorageError
from ode_sgd.storage.stack import read_stack
from ode_sgd.storage.sweep_folder import SweepFolder
from ode_sgd.studies import warm
from ode_sgd.studies.execution import run_study
from ode_sgd.studies.sweeps import dispatch

STUDY = """model = "models/langevin.py:Langevin"

[chain]
modes = 20
temperature = 0.1

[times]
last = 10.0

[sweep]
chain.stiffness = [0.5, 1.0]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's folder: the model below it, and a sweep of it."""
    (tmp_path / "models").mkdir()
    shutil.copy(Path(__file__).parent / "langevin.py", tmp_path / "models")
    (tmp_path / "scan.toml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(before, after):
    """Change the model's file, as if by a user between two commands."""
    path = Path("models/langevin.py")
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    registry._from_file.cache_clear()
    registry._module_of.cache_clear()
    dispatch._known.cache_clear()


@pytest.mark.parametrize("together", ["1", "2"])
def test_a_sweep_does_not_go_on_with_another_version_of_its_model(folder, capsys, together):
    command = ["sweep", "run", "scan.toml", "--quiet", "--runs-per-file", together]
    assert main(command) == main(command) == 0
    before = ode_sgd.Sweep.read("scan.toml").identity
    edit("decay + chain", "0.5 * decay + chain")
    assert ode_sgd.Sweep.read("scan.toml").identity != before
    capsys.readouterr()
    assert main(command) == 2
    told = capsys.readouterr().err
    assert "holds another sweep (the file of the model has changed since the sweep was begun); give another" in told
    assert main([*command, "-o", "other.sweep"]) == 0
    one, other = (load_first(name, together) for name in ("scan.sweep", "other.sweep"))
    assert one != other
    assert main(["sweep", "collect", "scan.toml"]) == 0  # what is there is measured by the model as it is now
    edit("0.5 * decay + chain", "decay + chain")
    assert main(command) == 0


def load_first(name, together):
    """The identity of the first run of a sweep."""
    if together == "1":
        return ode_sgd.load(f"{name}/runs/000/run-00000000.h5").config["sweep"]["identity"]
    return read_stack(Path(f"{name}/runs/000/batch-00000000.h5"))[0]["identity"].values[0]


def test_a_worker_does_not_compute_with_another_version(folder):
    ode_sgd.run_sweep(ode_sgd.Sweep.read("scan.toml"), "out")
    edit("decay + chain", "0.5 * decay + chain")
    with pytest.raises(StorageError, match="out: the file of the model has changed since the sweep was begun"):
        dispatch._known("out", str(folder / "models/langevin.py:Langevin"))
    assert len(SweepFolder("out").manifest()["model"]["digest"]) == 64


def test_collect_takes_a_model(folder, capsys):
    ode_sgd.run_sweep(ode_sgd.Sweep.read("scan.toml"), "out")
    model = ["--model", "models/langevin.py:Langevin"]
    assert main(["sweep", "collect", "out"]) == main(["sweep", "collect", "out", "--columns", "half_time"]) == 2
    assert "or the model: --model MODEL" in capsys.readouterr().err
    assert main(["sweep", "collect", "out", *model]) == 0
    assert main(["sweep", "collect", "out", *model, "--columns", "half_time"]) == 0
    assert main(["sweep", "collect", "out", *model, "--file", "scan.toml"]) == 0
    assert main(["sweep", "collect", "out", "--model", "teacher_student"]) == 2
    assert "holds a sweep of the model langevin, not of teacher_student" in capsys.readouterr().err


def test_collect_tells_what_measures_raise(folder, capsys):
    ode_sgd.run_sweep(ode_sgd.Sweep.read("scan.toml"), "out")
    edit("        below = np", "        raise ValueError(f'no half in {run.alpha.size}')\n        below = np")
    assert main(["sweep", "collect", "out", "--file", "scan.toml"]) == 0
    told = "ode-sgd: measures of the model langevin raised ValueError: no half in 41"
    assert capsys.readouterr().err.splitlines().count(told) == 1
    found = ode_sgd.collect_sweep("out", model="models/langevin.py:Langevin")
    assert found.notes == (told.removeprefix("ode-sgd: "),)
    assert {selection.count for selection in found.selections} == {0}


def test_results_name_the_model_as_the_study_file_does(folder, monkeypatch):
    """Not where it lay on the machine that computed them; and they are computed from any folder."""
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    sweep = ode_sgd.Sweep.read("../scan.toml")
    for together in (1, 2):
        ode_sgd.run_sweep(sweep, f"out{together}", runs_per_file=together)
        ode_sgd.collect_sweep(f"out{together}", model=str(folder / "models/langevin.py:Langevin"))
        assert ode_sgd.Sweep.read("../scan.toml").identity == SweepFolder(f"out{together}").manifest()["identity"]
    run_study(sweep.study(0), "run.h5", draw=False)
    assert ode_sgd.load("run.h5").config["model"] == "models/langevin.py:Langevin"
    assert SweepFolder("out1").manifest()["sweep"]["model"] == "models/langevin.py:Langevin"
    files = [path for path in Path().rglob("*") if path.is_file()]
    assert len(files) > 6
    assert not [path for path in files if str(folder).encode() in path.read_bytes()]


def test_helpers_find_the_model_from_another_folder(folder, monkeypatch):
    sent = []

    class Process:
        def __init__(self, *arguments, **options):
            self.stdin = io.StringIO()
            self.stdin.close = lambda: sent.append(json.loads(self.stdin.getvalue()))

    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    sweep = ode_sgd.Sweep.read("../scan.toml")
    helpers = [warm._Helpers(given, 2, 0) for given in (sweep, sweep.study(0))]
    monkeypatch.setattr(warm.subprocess, "Popen", Process)
    for each in helpers:
        each._start(1)
    assert [order["document"]["model"] for order in sent] == [f"{folder}/elsewhere/../models/langevin.py:Langevin"] * 2
