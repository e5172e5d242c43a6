"""Study files and sweeps that name files of weights, overlaps and data: what these hold counts, not where they are."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

import ode_sgd
from ode_sgd.cli.main import main
from ode_sgd.core.errors import InvalidProblem, InvalidStart, StudyError
from ode_sgd.studies.study_file import parse_study, read_study
from ode_sgd.studies.sweeps.collect import collect_sweep
from ode_sgd.studies.sweeps.run import run_sweep
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.studies.validation import carried_for
from ode_sgd.teacher_student import study_files
from ode_sgd.teacher_student.study_model import TeacherStudent
from ode_sgd.teacher_student.study_starts import FileStart
from tests.core.test_principal_axes import data

STUDY = """
[spectrum]
kind = "data"
file = "rows.npz"
[problem]
student_units = 2
teacher_units = 2
learning_rate = 0.1
[start]
kind = "file"
file = "weights.npz"
data = "rows.npz"
[integration]
alpha = [0.0, 0.5, 1.0]
"""


def networks(seed=3, features=6):
    generator = np.random.default_rng(seed)
    return 0.3 * generator.standard_normal((2, features)), generator.standard_normal((2, features))


def save_weights(path, J, B):
    np.savez(path, J=J, B=B)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with a study, its data and its weights, looked at from elsewhere."""
    place = tmp_path / "place"
    place.mkdir()
    np.savez(place / "rows.npz", X=data())
    save_weights(place / "weights.npz", *networks())
    save_weights(place / "others.npz", *networks(seed=4))
    (place / "study.toml").write_text(STUDY)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return place


# --- what they mean -------------------------------------------------------------------------------------------------


def test_weights_in_the_columns_of_the_data(files):
    study = read_study(files / "study.toml")
    axes = ode_sgd.principal_axes(data())
    assert study.problem.spectrum == ode_sgd.Spectrum.from_data(data())
    wanted = ode_sgd.OrderParameters.from_weights(*networks(), axes)
    np.testing.assert_array_equal(study.start.overlaps(study.problem).gram, wanted.gram)


def test_weights_in_the_order_of_the_sectors(files):
    text = STUDY.replace('data = "rows.npz"\n', "")
    (files / "study.toml").write_text(text)
    study = read_study(files / "study.toml")
    wanted = ode_sgd.OrderParameters.from_weights(*networks(), study.problem.spectrum)
    np.testing.assert_array_equal(study.start.overlaps(study.problem).gram, wanted.gram)


def test_overlaps(files):
    study = read_study(files / "study.toml")
    start = ode_sgd.OrderParameters.random(study.problem, 60, 0.2, seed=0)
    with h5py.File(files / "overlaps.h5", "w") as file:
        file["q"], file["r"], file["t"] = start.q, start.r, start.t
    with pytest.raises(StudyError, match=r"\[start\] .* holds overlaps, which are of sectors; leave out `data`"):
        read_study(files / "study.toml", ["start.file=overlaps.h5"])
    (files / "study.toml").write_text(STUDY.replace('data = "rows.npz"\n', "").replace("weights.npz", "overlaps.h5"))
    found = read_study(files / "study.toml")
    np.testing.assert_array_equal(found.start.overlaps(found.problem).gram, start.gram)


def test_what_files_hold_counts_and_not_where_they_are(files, tmp_path):
    """The same numbers elsewhere, stored otherwise, are the same study; results need no file of data."""
    study = read_study(files / "study.toml")
    (tmp_path / "copy").mkdir()
    np.savez_compressed(tmp_path / "copy" / "rows.npz", X=data(), unused=[1.0])
    save_weights(tmp_path / "copy" / "weights.npz", *networks())
    (tmp_path / "copy" / "study.toml").write_text(STUDY)
    again = read_study(tmp_path / "copy" / "study.toml")
    assert again.config == study.config
    assert again.model.facts(again.tables) == study.model.facts(study.tables)
    assert str(files) not in json.dumps(study.config)
    other = read_study(files / "study.toml", ["start.file=others.npz"])
    assert other.config["start"] != study.config["start"]
    assert parse_study(study.config).config == study.config


@pytest.mark.parametrize("features", [1, 6, 40])
def test_a_spectrum_is_written_out_to_the_last_bit(files, features):
    rows = data(100, features)
    np.save(files / "rows.npy", rows)
    text = TeacherStudent().located("spectrum.file", "rows.npy", files)
    assert text.startswith("rows.npy: ")
    assert study_files.spectrum_of(text) == ode_sgd.Spectrum.from_data(rows)


def test_a_spectrum_of_eigenvalues(files):
    values = np.array([2.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.5])
    np.savez(files / "values.npz", eigenvalues=values)
    text = TeacherStudent().located("spectrum.file", "values.npz", files)
    assert text == "values.npz: 2.0 1.0x2 0.5 0.0x3"
    assert study_files.spectrum_of(text) == ode_sgd.Spectrum.from_eigenvalues(values)


def test_a_long_spectrum_is_stored(files):
    """10,000 eigenvalues in all their digits: more than HDF5 takes as a text beside other attributes."""
    values = np.random.default_rng(0).uniform(1.0, 2.0, 10_000)
    np.savez(files / "values.npz", eigenvalues=values)
    tables = {
        "spectrum": {"kind": "data", "file": str(files / "values.npz")},
        "problem": {"student_units": 1, "teacher_units": 1, "learning_rate": 0.1},
        "start": {"kind": "typical", "student_scale": 0.1},
        "integration": {"alpha": [0.0, 0.1]},
    }
    study = parse_study(tables)
    run = ode_sgd.integrate(study.problem, study.start.overlaps(study.problem), [0.0, 0.1])
    stored = ode_sgd.load(ode_sgd.save("long.h5", run, config=study.config))
    assert stored.config == study.config
    assert parse_study(stored.config).spectrum == study.spectrum


# --- runs and sweeps ------------------------------------------------------------------------------------------------


def test_a_run_by_the_command_line_in_a_process_of_its_own(files):
    command = [sys.executable, "-W", "error", "-m", "ode_sgd", "run", str(files / "study.toml"), "-o", "out.h5"]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    stored, study = ode_sgd.load("out.h5"), read_study(files / "study.toml")
    assert stored.problem == study.problem
    wanted = ode_sgd.integrate(study.problem, study.start.overlaps(study.problem), [0.0, 0.5, 1.0])
    np.testing.assert_array_equal(stored.ode.generalization_error, wanted.generalization_error)
    assert stored.config["start"] == study.config["start"]


def test_a_sweep_over_files(files, tmp_path):
    swept = STUDY + '[sweep]\nstart.file = ["weights.npz", "others.npz"]\nproblem.learning_rate = [0.1, 0.2]\n'
    (files / "sweep.toml").write_text(swept)
    sweep = Sweep.read(files / "sweep.toml")
    assert run_sweep(sweep, tmp_path / "out").complete
    for run in range(len(sweep)):
        study = sweep.study(run)
        J, B = networks(seed=4 if "others" in study.config["start"]["file"] else 3)
        axes = ode_sgd.principal_axes(data())
        wanted = ode_sgd.OrderParameters.from_weights(J, B, axes)
        np.testing.assert_array_equal(study.start.overlaps(study.problem).gram, wanted.gram)
    # The folder says what the files held: they are not read again.
    study_files._HELD.clear()
    for path in files.iterdir():
        path.unlink()
    collected = collect_sweep(tmp_path / "out", tmp_path / "all.h5")
    assert (collected.runs, collected.present) == (4, 4)
    with h5py.File(collected.path) as file:
        names = [name.decode() for name in file["file"][()]]
        assert [name.partition("@")[0] for name in names] == ["weights.npz"] * 2 + ["others.npz"] * 2


def test_what_is_carried_is_plain_and_checked(files):
    study = read_study(files / "study.toml")
    model = TeacherStudent()
    carried = json.loads(json.dumps(carried_for(study.config, model)))
    assert sorted(text for text, _, _ in carried) == sorted([study.config["start"][key] for key in ("file", "data")])
    study_files._HELD.clear()
    with pytest.raises(InvalidStart, match="stands for a file that this process has not read"):
        study.start.overlaps(study.problem)
    assert parse_study(study.config).config == study.config  # checked as far as it can be
    model.take(carried)
    assert study.start.overlaps(study.problem).r.shape == (6, 2, 2)
    study_files._HELD.clear()
    save_weights(files / "weights.npz", *networks(seed=5))
    with pytest.raises(InvalidProblem, match="was changed"):
        model.take(carried)


def test_a_sweep_s_folder_has_no_file_read(files):
    for key in study_files.FILES:
        with pytest.raises(InvalidProblem, match="a sweep's folder says what it held instead"):
            TeacherStudent().located(key, str(files / "rows.npz"), None)


# --- data in place of Gaussian inputs -------------------------------------------------------------------------------

SIMULATION = """
[simulation]
dimension = 6
replicas = 4
inputs = "rows.npz"
held_out = "others.csv"
alpha = 1.0
points = 4
"""


@pytest.fixture
def simulated(files):
    np.savetxt(files / "others.csv", data(12, seed=9), delimiter=",")
    (files / "study.toml").write_text(STUDY + SIMULATION)
    return files


def test_a_study_learns_from_data_as_simulate_does(simulated, tmp_path):
    """By the command line: the same numbers as `simulate(inputs=X, held_out=H)` from the weights as they are."""
    assert main(["run", str(simulated / "study.toml"), "-o", str(tmp_path / "out.h5"), "--quiet"]) in (0, 3, 4)
    stored, axes = ode_sgd.load(tmp_path / "out.h5"), ode_sgd.principal_axes(data())
    start = ode_sgd.Weights.of_data(*networks(), axes)
    problem, alpha = stored.problem, stored.sgd.alpha
    held_out = data(12, seed=9)
    wanted = ode_sgd.simulate(problem, start, alpha, inputs=data(), held_out=held_out, replicas=4, seed=0)
    assert stored.sgd.method == "sampled"
    np.testing.assert_array_equal(stored.sgd.generalization_error, wanted.generalization_error)
    np.testing.assert_array_equal(stored.sgd.held_out_error, wanted.held_out_error)
    theory = ode_sgd.integrate(problem, start.overlaps(problem.spectrum), stored.ode.alpha)
    np.testing.assert_array_equal(stored.ode.generalization_error, theory.generalization_error)


def test_overlaps_start_a_simulation_on_data_as_well(simulated):
    text = (STUDY + SIMULATION).replace('kind = "file"\nfile = "weights.npz"\ndata = "rows.npz"', START)
    (simulated / "study.toml").write_text(text)
    study = read_study(simulated / "study.toml")
    arguments = study.model.simulation_arguments(study.tables)
    assert isinstance(arguments["start"], ode_sgd.OrderParameters)
    assert ode_sgd.simulate(**arguments).held_out_error.shape[0] == 4


START = 'kind = "random"\nstudent_scale = 0.1'


def test_runs_with_rows_held_out_have_files_of_their_own(simulated):
    study = read_study(simulated / "study.toml")
    assert "held_out_error" in study.model.alone_because(study.tables)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("inputs", "none.npz", r"inputs = .*none.npz' cannot be read \(No such file"),
        ("inputs", "weights.npz", "inputs = .*holds B, J; it needs X"),
        ("inputs", "holes.csv", r"\[simulation\] inputs holds nan"),
        ("inputs", "another.npz", "the inputs' spectrum is not the problem's"),
        ("inputs", "few.npz", "inputs have 5 rows for 6 columns that vary"),
        ("inputs", "3", "inputs = 3 is no name of a file"),
        ("held_out", "narrow.npz", "held_out has 4 columns, but the data have 6"),
        ("held_out", "holes.csv", "held_out holds nan"),
        ("dimension", "12", r"dimension = 12, but inputs = 'rows\.npz' has 6 columns that vary; give dimension = 6"),
        ("method", "explicit", "method = 'explicit' with inputs; leave it out"),
    ],
)
def test_data_that_do_not_fit(simulated, key, value, message):
    (simulated / "holes.csv").write_text("1,2,3,4,5,6\n" * 4 + "nan,3,1,1,1,1\n" + "6,5,4,3,1,1\n" * 5)
    for name, rows in (("another", data(seed=1)), ("few", data()[:5]), ("narrow", data()[:, :4])):
        np.savez(simulated / f"{name}.npz", X=rows)
    with pytest.raises(StudyError, match=message) as caught:
        read_study(simulated / "study.toml", [f"simulation.{key}={value}"])
    assert len(caught.value.faults) == 1, caught.value


def test_rows_held_out_of_nothing(simulated, capsys):
    (simulated / "study.toml").write_text(STUDY + SIMULATION.replace('inputs = "rows.npz"\n', ""))
    told = "[simulation] held_out = 'others.csv' without inputs; give inputs as well, or leave it out"
    assert main(["run", str(simulated / "study.toml"), "--dry-run"]) == 2
    assert told in capsys.readouterr().err
    with (simulated / "study.toml").open("a") as file:
        file.write("[sweep]\nproblem.learning_rate = [0.1, 0.2]\n")
    assert main(["sweep", "run", str(simulated / "study.toml"), "--dry-run"]) == 2  # not in each run, hours later
    assert told in capsys.readouterr().err


def test_a_sweep_over_weights_in_two_processes(simulated, tmp_path):
    """Workers read the files again, of weights and of data: the numbers are those of this process."""
    axes = '[sweep]\nstart.file = ["weights.npz", "others.npz"]\n'
    (simulated / "sweep.toml").write_text(STUDY + SIMULATION + axes)
    sweep = Sweep.read(simulated / "sweep.toml")
    assert run_sweep(sweep, tmp_path / "out", jobs=2).failures == ()
    errors = []
    for run in range(len(sweep)):
        stored, study = ode_sgd.load(tmp_path / "out" / "runs" / "000" / f"run-{run:08d}.h5"), sweep.study(run)
        wanted = ode_sgd.simulate(**study.model.simulation_arguments(study.tables))
        np.testing.assert_array_equal(stored.sgd.generalization_error, wanted.generalization_error)
        np.testing.assert_array_equal(stored.sgd.held_out_error, wanted.held_out_error)
        assert stored.config["start"]["file"].startswith(("weights.npz@", "others.npz@")[run])
        errors.append(float(stored.ode.error[-1]))
    assert errors[0] != errors[1]


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("spectrum.file", "none.npz", r"\[spectrum\] file = .*none.npz' cannot be read \(No such file"),
        ("spectrum.file", "weights.npz", r"\[spectrum\] file = .*holds B, J; it needs X, or eigenvalues"),
        ("spectrum.file", "holes.csv", r"\[spectrum\] file = .*holes.csv': X holds nan"),
        ("spectrum.file", "3", r"\[spectrum\] file = 3 is no name of a file of data"),
        ("start.file", "rows.npz", r"\[start\] file = .*holds X; it needs J and B, or q and r and t"),
        ("start.file", "narrow.npz", r"\[start\] weights has 4 columns, but the data have 6"),
        (
            "start.file",
            "three.npz",
            r"\[start\] the start has \(L, K, M\) = \(6, 3, 2\), but the problem has \(6, 2, 2\)",
        ),
        ("start.file", "3", r"\[start\] file = 3 is no name of a file"),
        ("start.data", "other.npz", r"\[start\] data = .* has another spectrum than the problem"),
        ("start.data", "[1]", r"\[start\] data"),
        ("start.data", "none.npz", r"\[start\] data = .*none.npz' cannot be read"),
    ],
)
def test_files_that_do_not_fit(files, key, value, message):
    (files / "holes.csv").write_text("1,2\nnan,3\n4,5\n")
    np.savez(files / "other.npz", X=data(seed=1))
    J, B = networks()
    save_weights(files / "narrow.npz", J[:, :4], B[:, :4])
    save_weights(files / "three.npz", np.concatenate([J, J[:1] + B[:1]]), B)
    with pytest.raises(StudyError, match=message) as caught:
        read_study(files / "study.toml", [f"{key}={value}"])
    assert len(caught.value.faults) == 1, caught.value


def test_a_missing_file_is_one_fault(files):
    (files / "study.toml").write_text(STUDY.replace('file = "weights.npz"\n', ""))
    with pytest.raises(StudyError) as caught:
        read_study(files / "study.toml")
    assert len(caught.value.faults) == 1 and "[start] file is missing" in caught.value.faults[0]


def test_a_part_of_python_takes_no_path():
    with pytest.raises(InvalidProblem, match="is no name of a file"):
        FileStart(file="weights.npz")
