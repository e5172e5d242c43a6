"""Study files and sweeps with an activation of the user's own: by a path that counts from the file that names it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd.cli.main import main
from ode_sgd.core.compile.cache_folder import cache_directory
from ode_sgd.core.errors import InvalidProblem, StorageError, StudyError
from ode_sgd.studies.study_file import parse_study, read_study
from ode_sgd.studies.sweeps.run import run_sweep
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.studies.validation import carried_for
from ode_sgd.studies.warm import help_out
from ode_sgd.teacher_student.model import activation_file
from ode_sgd.teacher_student.study_model import TeacherStudent
from tests.studies.sweeps import errors

TEXT = (Path(__file__).parents[1] / "teacher_student" / "activations" / "scaled_erf.py").read_text()
STUDY = """
[spectrum]
kind = "isotropic"
[problem]
student_units = 1
teacher_units = 1
learning_rate = 0.1
activation = "mine.py"
[start]
kind = "random"
dimension = 10
[integration]
alpha = [0.0, 0.5, 1.0]
method = "DOP853"
"""
SWEPT = STUDY.replace('activation = "mine.py"\n', "").replace('method = "DOP853"\n', "") + (
    '[sweep]\nproblem.activation = ["erf", "mine.py", "other/mine.py"]\nproblem.learning_rate = [0.1, 0.2]\n'
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with a study, a sweep and their activations, looked at from elsewhere."""
    place = tmp_path / "place"
    (place / "other").mkdir(parents=True)
    (place / "mine.py").write_text(TEXT)
    (place / "other" / "mine.py").write_text(TEXT.replace("S = 1.5", "S = 1.25"))
    (place / "study.toml").write_text(STUDY)
    (place / "sweep.toml").write_text(SWEPT)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return place


def python(folder, *arguments, **environment):
    """What the command line prints in a process of its own."""
    settings = {name: str(value) for name, value in environment.items()}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "ode_sgd", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_path_counts_from_the_study_file(files):
    study = read_study(files / "study.toml")
    mine = ode_sgd.Activation.from_file(files / "mine.py")
    assert study.problem.activation == mine
    assert study.config["problem"]["activation"] == mine.text
    other = read_study(files / "study.toml", ["problem.activation=other/mine.py"])
    assert other.problem.g == ode_sgd.Activation.from_file(files / "other" / "mine.py") != mine


def test_tables_of_a_program_count_from_the_current_folder(files, monkeypatch):
    monkeypatch.chdir(files)
    config = dict(read_study("study.toml").config)
    for given in ("mine.py", Path("mine.py"), ode_sgd.Activation.from_file("mine.py")):
        tables = config | {"problem": config["problem"] | {"activation": given}}
        assert parse_study(tables).config["problem"] == config["problem"]


def test_faults_of_the_file_are_told_with_those_of_the_study(files):
    (files / "mine.py").write_text("def value(x):\n    return x\n")
    with pytest.raises(StudyError) as caught:
        read_study(files / "study.toml", ["integration.rtol=-1"])
    assert len(caught.value.faults) == 2
    assert caught.value.faults[0].startswith(
        f"[problem] activation = '{files / 'mine.py'}' lacks slope(x), gg(C, a, b)"
    )
    with pytest.raises(StudyError, match=r"\[problem\] activation = .*none.py' cannot be read"):
        read_study(files / "study.toml", ["problem.activation=none.py"])
    with pytest.raises(StudyError, match=r"\[problem\] activation = .*mine.py' lacks slope"):
        Sweep.read(files / "sweep.toml")


def test_a_run_by_the_command_line(files, capsys):
    assert main(["run", str(files / "study.toml"), "-o", "out.h5", "--quiet"]) == 0
    stored = ode_sgd.load("out.h5")
    assert stored.problem == read_study(files / "study.toml").problem
    assert stored.config["problem"]["activation"] == stored.problem.g.text
    assert str(files) not in json.dumps(stored.config)
    assert main(["run", str(files / "study.toml"), "--set", "problem.activation=none.py"]) == 2
    assert "none.py' cannot be read" in capsys.readouterr().err


def test_a_sweep_over_activations(files):
    """By two processes, by one, and in shards: the same numbers, those of each activation."""
    sweep = Sweep.read(files / "sweep.toml")
    assert [sweep.values(run)["problem.activation"] for run in (0, 2, 4)] == [
        "erf",
        ode_sgd.Activation.from_file(files / "mine.py").text,
        ode_sgd.Activation.from_file(files / "other" / "mine.py").text,
    ]
    assert run_sweep(sweep, "two", jobs=2, runs_per_file=1).failures == ()
    assert run_sweep(sweep, "one", runs_per_file=1).failures == ()
    for part in (0, 1):
        run_sweep(sweep, "shards", shard=(part, 2), runs_per_file=1)
    np.testing.assert_array_equal(errors("two"), errors("one"))
    np.testing.assert_array_equal(errors("shards"), errors("one"))
    for run, row in enumerate(errors("one")):
        study = sweep.study(run)
        (alone,) = ode_sgd.integrate_batch(
            [study.problem], [study.start.overlaps(study.problem)], study.integration.times, moments=(1,)
        )
        np.testing.assert_array_equal(row, alone.generalization_error)


def test_a_sweep_goes_on_with_the_same_file_only(files):
    """From wherever it was moved to; an edited file is another sweep."""
    half = Sweep.read(files / "sweep.toml")
    run_sweep(half, "out", shard=(0, 2), runs_per_file=1)
    moved = files.rename(files.with_name("moved"))
    result = run_sweep(Sweep.read(moved / "sweep.toml"), "out", jobs=2, runs_per_file=1)
    assert (result.complete, result.failures) == (6, ())
    assert result.computed < 6
    (moved / "mine.py").write_text(TEXT + "\n# edited\n")
    with pytest.raises(StorageError, match="out holds another sweep"):
        run_sweep(Sweep.read(moved / "sweep.toml"), "out", runs_per_file=1)


def test_a_folder_is_looked_at_without_its_code(files):
    """Status and collect work where no file is, by name and digest."""
    sweep = Sweep.read(files / "sweep.toml")
    run_sweep(sweep, "out", runs_per_file=1)
    for name in ("mine.py", "other/mine.py", "sweep.toml"):
        (files / name).unlink()
    for arguments in (("status", "out"), ("collect", "out", "-o", "all.h5")):
        done = python(".", "sweep", *arguments)
        assert done.returncode == 0, done.stderr
        assert "mine.py" not in done.stderr


def test_what_needs_the_file_is_measured_with_it_or_not_at_all(files):
    """Without it theory's saddle is not known, and no descent to the saddle passes for learning."""
    twins = STUDY.replace("student_units = 1", "student_units = 2")
    twins = twins.replace("alpha = [0.0, 0.5, 1.0]", "alpha = 60.0") + "[sweep]\nstart.seed = [1, 2]\n"
    (files / "twins.toml").write_text(twins)
    run_sweep(Sweep.read(files / "twins.toml"), "out")
    outcomes = {}
    for name in ("out", str(files / "twins.toml")):
        done = python(".", "sweep", "collect", "out", *(["--file", name] if name != "out" else []), "-o", "all.h5")
        assert done.returncode == 0, done.stderr
        outcomes[name] = done.stdout
    assert "half_height: 0 of 2 runs; 2 no theory" in outcomes["out"]
    assert "exponent: 0 of 2 runs; 2 no theory" in outcomes["out"]
    assert "no theory" not in outcomes[str(files / "twins.toml")]


def test_a_file_is_shown_with_its_activation(files):
    """By a process that has not run it: with theory if the user gives the file, and not with another one."""
    twins = STUDY.replace("student_units = 1", "student_units = 2")
    (files / "twins.toml").write_text(twins.replace("alpha = [0.0, 0.5, 1.0]", "alpha = 60.0"))
    assert main(["run", str(files / "twins.toml"), "-o", "out.h5", "--quiet"]) == 0
    done = python(".", "show", "out.h5")
    assert done.returncode == 0
    assert "or --activation mine.py on the command line" in " ".join(done.stdout.split())
    for command in (["show"], ["plot", "--analysis"]):
        done = python(".", *command, "out.h5", "--activation", files / "mine.py")
        assert (done.returncode, done.stderr) == (0, "")
        assert "--activation" not in done.stdout
    done = python(".", "show", "out.h5", "--activation", files / "other" / "mine.py")
    assert done.returncode == 2
    assert f"but the results are of {ode_sgd.load('out.h5').problem.g.text}; give the file of that one" in done.stderr


def test_a_folder_has_no_file_run(files):
    """Whatever path somebody has put into what it says of itself."""
    sweep = Sweep.read(files / "sweep.toml")
    evil = files / "evil.py"
    evil.write_text(f"from pathlib import Path\nPath({str(files / 'ran')!r}).touch()\n")
    told = json.dumps(sweep.document())
    text = ode_sgd.Activation.from_file(files / "mine.py").text
    assert text in told
    with pytest.raises(StudyError, match="no folder of a sweep has one run"):
        Sweep.of_document(json.loads(told.replace(text, str(evil))), "out")
    assert not (files / "ran").exists()


def test_what_is_carried_is_plain(files):
    """Workers and those that help to compile have it from the process that read the file."""
    text = ode_sgd.Activation.from_file(files / "mine.py").text
    model = TeacherStudent()
    other = ode_sgd.Activation.from_file(files / "other" / "mine.py").text
    carried = json.loads(json.dumps(model.carried(["erf", text])))
    assert [f"{name}@{digest}" for name, digest, _, _ in carried] == [text]
    every = carried_for(Sweep.read(files / "sweep.toml").document(), model)
    assert sorted(f"{name}@{digest}" for name, digest, _, _ in every) == sorted([text, other])
    model.take(carried)
    with pytest.raises(InvalidProblem, match="no folder of a sweep has one run"):
        model.located("problem.activation", "mine.py", None)


def test_those_that_help_to_compile_have_it(files, tmp_path, monkeypatch):
    study = read_study(files / "study.toml")
    activation = study.problem.g
    order = json.loads(
        json.dumps({"document": study.config, "whole": 0, "carried": carried_for(study.config, study.model)})
    )
    for known in ("_LOADED", "_DIGESTS"):
        monkeypatch.setattr(activation_file, known, {})
    with pytest.raises(InvalidProblem, match="this process has not loaded"):
        activation.check()
    help_out(order | {"count": 1, "number": 0, "claims": str(tmp_path), "parent": os.getppid()})
    activation.check()


def test_warm_compiles_for_it(files):
    """In two processes; the run that follows compiles nothing. Kernels of no activation are those of other tests."""
    (files / "mine.py").write_text(TEXT + "\n# whose kernels no other test has\n")
    cache = {"ODE_SGD_CACHE_DIR": files / "cache", "ODE_SGD_PREBUILT": cache_directory().parent}
    done = python(".", "warm", files / "study.toml", "--jobs", "2", **cache)
    assert done.returncode == 0, done.stderr
    assert "mine, K = M = 1" in done.stdout
    kept = {path: path.stat().st_mtime_ns for path in (files / "cache").rglob("*.nb*")}
    assert any("mine_" in path.name for path in kept)
    done = python(".", "run", files / "study.toml", "-o", "out.h5", "--quiet", **cache)
    assert done.returncode == 0, done.stderr
    assert kept == {path: path.stat().st_mtime_ns for path in (files / "cache").rglob("*.nb*")}
