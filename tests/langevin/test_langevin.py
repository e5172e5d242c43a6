"""A model of about 60 lines runs under the command line, is swept, stored, resumed, drawn and fitted.

It lies in a file of its own and touches no file of the package.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import ode_sgd
from ode_sgd.cli.main import main
from ode_sgd.core import registry
from ode_sgd.core.errors import InvalidProblem, StorageError, StudyError
from ode_sgd.storage.sweep_folder import SweepFolder
from ode_sgd.studies.execution import run_study
from ode_sgd.studies.study_file import read_study

HERE = Path(__file__).parent
STUDY = """model = "models/langevin.py:Langevin"

[chain]
modes = 200
temperature = 1e-3

[times]
last = 1000.0

[simulation]
replicas = 16
seed = 3
"""
SWEEP = """
[sweep]
chain.stiffness = [0.5, 1.0, 2.0]
replicas = 2
"""
SWEPT = STUDY.replace("modes = 200", "modes = 20") + SWEEP


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's folder: the model below it, a study, a sweep of it."""
    (tmp_path / "models").mkdir()
    shutil.copy(HERE / "langevin.py", tmp_path / "models")
    (tmp_path / "study.toml").write_text(STUDY)
    (tmp_path / "scan.toml").write_text(SWEPT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def the_same(run, other):
    """Whether two runs are equal bit for bit."""
    assert (run.method, run.status, run.dimension, run.seed) == (
        other.method,
        other.status,
        other.dimension,
        other.seed,
    )
    assert run.problem.identity == other.problem.identity and run.model == other.model
    assert run.observables.keys() == other.observables.keys()
    pairs = [(run.alpha, other.alpha), (run.error, other.error)]
    pairs += [(run.observables[name].values, other.observables[name].values) for name in run.observables]
    for one, another in pairs:
        np.testing.assert_array_equal(one, another)


def test_the_command_line_computes_compares_stores_and_draws(folder, capsys):
    assert main(["run", "study.toml"]) == 0
    shown = capsys.readouterr().out
    assert "theory and simulation agree: " in shown and "theory: closed form, " in shown and "exact steps" in shown
    stored, study = ode_sgd.load("study.h5"), read_study("study.toml")
    assert stored.config == study.config and stored.config["chain"]["stiffness"] == 1.0
    the_same(stored.ode, study.model.theory(study.tables, lambda fraction: None))
    the_same(stored.sgd, study.model.simulation(study.tables, lambda fraction: None, None))
    assert all(Path(f"study.{ending}").stat().st_size > 1000 for ending in ("png", "pdf"))


def test_what_is_stored_is_shown_drawn_and_compared(folder, capsys):
    main(["run", "study.toml", "--quiet"])
    capsys.readouterr()
    assert main(["show", "study.h5"]) == 0
    shown = capsys.readouterr().out
    assert "langevin" in shown and "[chain] modes = 200" in shown and "half  " not in shown
    assert main(["show", "study.h5", "--model", "models/langevin.py:Langevin"]) == 0
    assert "\ntheory\nhalf  " in capsys.readouterr().out
    assert main(["plot", "study.h5", "-o", "a.png", "--analysis"]) == main(["plot", "study.h5", "-o", "b.pdf"]) == 0
    assert Path("a.png").stat().st_size > 1000 and Path("b.pdf").stat().st_size > 1000
    assert main(["compare", "study.h5", "--figure", "z.png"]) == 0
    assert "softest" in capsys.readouterr().out


def test_a_simulation_of_other_numbers_does_not_agree(folder, capsys):
    path = Path("models/langevin.py")
    path.write_text(path.read_text().replace("kept * x[n]", "0.99 * kept * x[n]"))
    assert main(["run", "study.toml", "--quiet"]) == 3
    assert "DISAGREE" in capsys.readouterr().out


def test_its_curve_is_a_power_law(folder):
    """Modes with rates ~ n^2 and equal amplitudes: the mean square falls as t^-1/2 while neither end counts."""
    tables = read_study("study.toml", ["chain.modes=2000", "chain.temperature=0.0", "times.points=200"])
    run = tables.model.theory(tables.tables, lambda fraction: None)
    fit = ode_sgd.fit_power_law(run)
    assert fit is not None and abs(fit.exponent - 0.5) < 0.02


def test_it_is_swept_by_two_processes(folder, capsys):
    pytest.importorskip("dask")
    assert main(["sweep", "run", "scan.toml", "-j", "2", "--quiet"]) == 0
    assert "6 of 6 runs complete" in capsys.readouterr().out
    assert main(["sweep", "status", "scan.sweep"]) == 0
    shown = capsys.readouterr().out
    assert "6 of 6 runs complete" in shown and "theory and simulation (of 6 runs): " in shown
    assert main(["sweep", "collect", "scan.toml"]) == 0
    sweep = ode_sgd.Sweep.read("scan.toml")
    with h5py.File("scan.sweep/collected.h5") as file:
        assert file["simulation_error"].shape == (6, 16, 41) and file["softest"].shape == (6, 41)
        assert np.isfinite(file["half_time"][...]).all() and set(file["stiffness"][...]) == {0.5, 1.0, 2.0}
        for number in range(6):
            study = sweep.study(number)
            run = study.model.theory(study.tables, lambda fraction: None)
            np.testing.assert_array_equal(file["error"][number], run.error)
            np.testing.assert_array_equal(file["final_error"][number], run.error[-1])
        assert np.unique(file["simulation_error"][:, :, -1]).size == 6 * 16  # seeds of their own
    assert main(["sweep", "plot", "scan.sweep", "-z", "half_time"]) == 0
    assert Path("scan.sweep/collected.png").stat().st_size > 1000


@pytest.mark.parametrize("together", [1, 3])
def test_runs_of_theory_share_files(folder, together):
    tables = {name: table for name, table in read_study("study.toml").config.items() if name != "simulation"}
    sweep = ode_sgd.Sweep(tables, {"chain.temperature": [0.0, 0.1, 0.2], "times.last": [10.0, 100.0]})
    result = ode_sgd.run_sweep(sweep, "out", runs_per_file=together)
    assert result.complete == 6 and len(list(Path("out/runs/000").iterdir())) == 6 // together
    found = ode_sgd.collect_sweep("out", model="models/langevin.py:Langevin")
    with h5py.File(found.path) as file:
        assert file["error"].shape == (6, 41) and file["alpha"].shape == (6, 41)
        for number in range(6):
            study = sweep.study(number)
            run = study.model.theory(study.tables, lambda fraction: None)
            np.testing.assert_array_equal(file["error"][number], run.error)
            np.testing.assert_array_equal(file["alpha"][number], run.alpha)


def test_an_interrupted_sweep_goes_on(folder):
    sweep, said = ode_sgd.Sweep.read("scan.toml"), []

    def stop(complete, runs, failed):
        said.append(complete)
        if complete == 2:
            raise KeyboardInterrupt

    first = ode_sgd.run_sweep(sweep, "out", runs_per_file=1, progress=stop)
    assert first.interrupted and first.complete == 2
    again = ode_sgd.run_sweep(ode_sgd.Sweep.read("scan.toml"), "out")
    assert (again.complete, again.computed) == (6, 4)
    ode_sgd.run_sweep(sweep, "quiet", runs_per_file=1)
    for number in range(6):
        one, other = (ode_sgd.load(f"{name}/runs/000/run-{number:08d}.h5") for name in ("out", "quiet"))
        the_same(one.ode, other.ode)
        the_same(one.sgd, other.sgd)


def test_an_interrupted_simulation_goes_on_from_its_checkpoint(folder):
    study, computed = read_study("study.toml"), []

    def stop(stage, fraction):
        if stage == "simulation" and fraction >= 0.5:
            raise KeyboardInterrupt

    first = run_study(study, "out.h5", stop, draw=False)
    assert first.interrupted and first.sgd is None and first.checkpoint.exists()
    second = run_study(study, "out.h5", lambda stage, fraction: computed.append((stage, fraction)), draw=False)
    assert [fraction for stage, fraction in computed if stage == "simulation"] == [n / 16 for n in range(9, 17)]
    assert second.checkpoint is None
    the_same(second.sgd, study.model.simulation(study.tables, lambda fraction: None, None))


def test_shards_load_the_model_again(folder):
    for shard in ("0/2", "1/2"):
        command = [
            sys.executable,
            "-m",
            "ode_sgd",
            "sweep",
            "run",
            "scan.toml",
            "--shard",
            shard,
            "--runs-per-file",
            "1",
        ]
        assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert ode_sgd.sweep_status("scan.sweep").complete == 6


def test_a_folder_runs_no_model_that_it_names(folder, capsys):
    """Not even where the file has become another one; the sweep file, given by the user, does."""
    ode_sgd.run_sweep(ode_sgd.Sweep.read("scan.toml"), "scan.sweep")
    registry._from_file.cache_clear()
    registry._module_of.cache_clear()
    path = Path("models/langevin.py")
    path.write_text(path.read_text() + "\nopen('ran', 'w').close()\n")
    assert main(["sweep", "status", "scan.sweep"]) == 0
    assert main(["sweep", "collect", "scan.sweep"]) == 2
    assert "which is run only if you give the sweep file that names it" in capsys.readouterr().err
    assert not Path("ran").exists()
    assert main(["sweep", "collect", "scan.sweep", "--file", "scan.toml"]) == 0
    assert Path("ran").exists()


def test_a_file_runs_no_model_that_it_names(folder):
    main(["run", "study.toml", "--quiet"])
    registry._from_file.cache_clear()
    registry._module_of.cache_clear()
    Path("models/langevin.py").write_text("open('ran', 'w').close()")
    stored = ode_sgd.load("study.h5")
    assert stored.config["model"].endswith("models/langevin.py:Langevin")
    assert type(stored.ode) is ode_sgd.Run and stored.ode.model == "langevin"
    for command in ("show", "plot", "compare"):
        assert main([command, "study.h5"]) == 0
    assert not Path("ran").exists()
    ode_sgd.save("copy.h5", stored.ode, config={"model": str(folder / "models" / "langevin.py:Langevin")})
    ode_sgd.load("copy.h5")
    assert not Path("ran").exists()


def test_an_installed_distribution_registers_it_by_name(folder):
    """As a wheel would: a module, and entry points among the distribution's metadata."""
    place = folder / "site"
    metadata = place / "langevin-1.0.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(HERE / "langevin.py", place)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: langevin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[ode_sgd.models]\nlangevin = langevin:Langevin\n")
    for name in ("study.toml", "scan.toml"):
        Path(name).write_text(Path(name).read_text().replace("models/langevin.py:Langevin", "langevin"))
    root = str(HERE.parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(place), root])}

    def ode_sgd_command(*arguments):
        command = [sys.executable, "-m", "ode_sgd", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert ode_sgd_command("run", "study.toml", "--quiet").returncode == 0
    assert "theory\nhalf  " in ode_sgd_command("show", "study.h5").stdout  # by name it is a registered model's file
    assert "langevin" in json.loads(ode_sgd_command("info", "--json").stdout)["models"]
    for arguments in (("run", "scan.toml", "--quiet"), ("collect", "scan.sweep"), ("plot", "scan.sweep")):
        done = ode_sgd_command("sweep", *arguments)
        assert done.returncode == 0, done.stderr
    done = ode_sgd_command("run", "study.toml", "--set", "chain.stifness=2")
    assert done.returncode == 2 and "did you mean 'stiffness'?" in done.stderr
    with pytest.raises(StorageError, match="unknown model"):  # here nothing registers it
        ode_sgd.collect_sweep("scan.sweep")


def test_init_writes_a_study_of_any_model(folder):
    assert main(["init", "new/x.toml"]) == 2
    Path("new").mkdir()
    assert main(["init", "new/x.toml", "--model", "models/langevin.py:Langevin"]) == 0
    study = read_study("new/x.toml")
    assert study.model.name == "langevin" and study.config["times"]["points"] == 40
    assert 'model = "../models/langevin.py:Langevin"' in Path("new/x.toml").read_text()


def test_paths_of_the_command_line_count_from_the_current_folder(folder, capsys):
    """Wherever the study and the results lie."""
    Path("study.toml").rename("models/study.toml")
    path = Path("models/study.toml")
    path.write_text(path.read_text().replace("models/langevin.py", "langevin.py"))
    assert main(["run", "models/study.toml", "-o", "models/out.h5", "--quiet"]) == 0
    assert main(["show", "models/out.h5", "--model", "models/langevin.py:Langevin"]) == 0
    capsys.readouterr()
    assert main(["show", "models/out.h5", "--model", "langevin.py:Langevin"]) == 2
    told = capsys.readouterr().err
    assert f"{folder}/langevin.py does not exist" in told and "on the command line from the current one" in told


def faults_of(text):
    Path("bad.toml").write_text(text)
    with pytest.raises(StudyError) as caught:
        read_study("bad.toml")
    return caught.value.faults


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("teacher_studen", "unknown model (did you mean 'teacher_student'?)"),
        ("ising", "unknown model (there are feature_learning, random_features, resource_model, teacher_student)"),
        ("models/none.py:Langevin", "models/none.py does not exist; paths count from a study file's folder"),
        ("models/langevin.py:Langvin", "has no class 'Langvin' (did you mean 'Langevin'?)"),
        (
            "models/langevin.py:asdict",
            "asdict in {}/models/langevin.py is no class; give one derived from ode_sgd.Model",
        ),
        ("models/broken.py:Model", "models/broken.py raised ZeroDivisionError: division by zero; mend it"),
        ("models/poor.py:Poor", "Poor in {}/models/poor.py lacks name, theory"),
        ("models/poor.py:Other", "poor.py is not derived from ode_sgd.Model and lacks name, tables; a model needs"),
        ("models/poor.py:Odd", "Odd in {}/models/poor.py: tables['a'] = 3; give a callable, or several by `kind`"),
        ("models/poor.py:Taken", "tables has 'sweep'; give texts without a point, other than model, sweep, collect"),
        ("models/poor.py:Asks", "Asks() in {}/models/poor.py raised TypeError"),
        ("no_such_module:Model", "no_such_module cannot be imported"),
    ],
)
def test_bad_models_are_told(folder, given, told):
    Path("models/broken.py").write_text("1 / 0")
    Path("models/poor.py").write_text(
        "import ode_sgd\n"
        "class Poor(ode_sgd.Model):\n    tables = {'a': dict}\n"
        "class Other:\n    def theory(self, tables, progress): ...\n"
        "class Odd(Poor):\n    name = 'odd'\n    tables = {'a': 3}\n    theory = print\n"
        "class Taken(Odd):\n    tables = {'sweep': dict}\n"
        "class Asks(Odd):\n    tables = {'a': dict}\n    def __init__(self, more): ...\n"
    )
    (fault,) = faults_of(STUDY.replace("models/langevin.py:Langevin", given))
    assert told.format(folder) in fault


def test_a_model_that_is_no_text(folder):
    assert faults_of(STUDY.replace('"models/langevin.py:Langevin"', "3"))[0].startswith("model = 3 is no text; give")


def test_tables_of_another_model(folder):
    faults = faults_of(STUDY + "[problem]\nstudent_units = 2\n")
    assert faults == ["[problem]: unknown table; the tables of the model langevin are chain, times, simulation"]
    faults = faults_of(STUDY.replace('model = "models/langevin.py:Langevin"', ""))
    assert "[chain]: unknown table; the tables are spectrum, problem, start, integration, simulation" in faults


def test_faults_of_a_users_own_tables(folder):
    wrong = STUDY.replace("temperature = 1e-3", "stiffness = -1.0\nspeed = 3").replace("last = 1000.0", "")
    faults = faults_of(wrong + "[sweeps]\na = 1\n")
    assert "[chain] stiffness = -1.0; give a number > 0" in faults
    assert any("[chain] speed = 3: unknown key" in fault for fault in faults)
    assert "[times] last is missing; give one" in faults
    with pytest.raises(StudyError, match=r"stiffness\[1\]: \[chain\] stiffness = -2; give a number > 0"):
        ode_sgd.Sweep(read_study("study.toml").config, {"chain.stiffness": [1, -2]})


def test_what_is_no_run_is_told(folder):
    path = Path("models/langevin.py")
    path.write_text(
        path.read_text()
        .replace("        return self.run(chain, times, decay", "        return (chain, times, decay")
        .replace(', method="closed form")', ")")
    )
    with pytest.raises(InvalidProblem, match="what theory of the model langevin returned is a tuple; give"):
        run_study(read_study("study.toml"), "out.h5")


def test_a_run_takes_the_name_of_its_model(folder):
    path = Path("models/langevin.py")
    path.write_text(path.read_text().replace(", model=self.name", ""))
    run_study(read_study("study.toml"), "out.h5", draw=False)
    assert ode_sgd.load("out.h5").sgd.model == "langevin"


def test_a_folder_of_another_model(folder):
    ode_sgd.run_sweep(ode_sgd.Sweep.read("scan.toml"), "out")
    with pytest.raises(StorageError, match="its model is langevin, here it is other"):
        path = Path("models/langevin.py")
        path.with_name("other.py").write_text(path.read_text().replace('name = "langevin"', 'name = "other"'))
        Path("scan.toml").write_text(SWEPT.replace("langevin.py", "other.py"))
        ode_sgd.run_sweep(ode_sgd.Sweep.read("scan.toml"), "out")
    assert SweepFolder("out").manifest()["model"]["name"] == "langevin"
    with pytest.raises(StorageError, match="holds a sweep of the model langevin, not of other"):
        ode_sgd.collect_sweep("out", model="models/other.py:Langevin")
