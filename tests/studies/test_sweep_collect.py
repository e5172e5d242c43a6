"""All runs in one file, how far a sweep is, and its figure."""

import os
import time

import h5py
import numpy as np
import pytest
import xarray

import ode_sgd
from ode_sgd.analysis.plateau import find_plateau
from ode_sgd.analysis.plots import sweeps
from ode_sgd.cli.main import main
from ode_sgd.core.errors import StorageError, StudyError
from ode_sgd.studies.sweeps.collect import collect_sweep
from ode_sgd.studies.sweeps.manifest import open_folder, stored_sweep
from ode_sgd.studies.sweeps.plot import plot_sweep
from ode_sgd.studies.sweeps.run import run_sweep
from ode_sgd.studies.sweeps.status import sweep_status
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.teacher_student.study_symbols import SYMBOLS
from tests.studies.sweeps import AXES, do_item, tables

RATE, DECAY = SYMBOLS["learning_rate"], SYMBOLS["beta"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder of a sweep with a plateau, two seeds a point."""
    folder = tmp_path_factory.mktemp("done") / "out"
    study = tables(start={"student_scale": 0.001}, integration={"alpha": 300.0})
    run_sweep(Sweep(study, {"problem.learning_rate": [0.5, 1.0], "spectrum.beta": [0.5, 1.0]}, replicas=2), folder)
    return folder


def partial(folder, items):
    """A sweep of nine files of which only so many are there."""
    sweep = Sweep(tables(), AXES)
    place = open_folder(sweep, folder)
    place.propose({"sweep": sweep.identity, "seconds_per_run": 1.0, "runs_per_file": [1]})
    plan = stored_sweep(folder)[2]
    for number in items:
        do_item(sweep, place, plan.item(number))


def test_the_file_opens_in_xarray_as_a_grid(done):
    found = collect_sweep(done)
    assert (found.runs, found.complete, found.present) == (8, 8, 8)
    with xarray.open_dataset(found.path, engine="h5netcdf") as dataset:
        assert dataset.Q_1.sizes == {"run": 8, "alpha": 401, "student": 2, "student_2": 2}
        assert dataset.status.values.tolist() == [0] * 8
        assert dataset.learning_rate.attrs["key"] == "problem.learning_rate"
        assert dataset.R_1.dims == ("run", "alpha", "student", "teacher")
        grid = dataset.set_index(run=["learning_rate", "beta", "replica"]).unstack("run")
        assert dict(grid.final_error.sizes) == {"learning_rate": 2, "beta": 2, "replica": 2}
        run = grid.generalization_error.sel(learning_rate=1.0, beta=0.5, replica=1)
        sweep = stored_sweep(done)[0]
        study = sweep.study(5)
        (alone,) = ode_sgd.integrate_batch([study.problem], [study.start.overlaps(study.problem)], 300.0, moments=(1,))
        np.testing.assert_array_equal(run.values, alone.generalization_error)


@pytest.mark.parametrize(
    "name", ["runs/000/run-00000000.h5", "runs/x.h5", "retried/a.h5", "failures/../runs/b.h5", "plan.json"]
)
def test_the_file_does_not_go_among_the_runs(done, name):
    with pytest.raises(StorageError, match="the sweep's own"):
        collect_sweep(done, done / name)


def test_the_summary_is_that_of_find_plateau(done):
    sweep = stored_sweep(done)[0]
    with h5py.File(collect_sweep(done).path) as file:
        for run in range(8):
            study = sweep.study(run)
            (alone,) = ode_sgd.integrate_batch(
                [study.problem], [study.start.overlaps(study.problem)], 300.0, moments=(1,)
            )
            plateau = find_plateau(alone)
            expected = (plateau.start, plateau.end, plateau.length, plateau.height)
            names = ("plateau_start", "plateau_end", "plateau_length", "plateau_height")
            assert tuple(file[name][run] for name in names) == expected
            assert file["final_error"][run] == alone.generalization_error[-1]


def test_an_axis_of_a_plot_is_a_swept_key(done):
    collect_sweep(done)
    with pytest.raises(StudyError, match="-y plateau_length: an axis is a swept key"):
        plot_sweep(done, x="learning_rate", y="plateau_length")


def test_without_moments(done, tmp_path):
    path = collect_sweep(done, tmp_path / "small.h5", moments=False).path
    with h5py.File(path) as file:
        assert "generalization_error" in file and "Q_1" not in file


def test_what_is_not_there_is_nan_and_says_so(tmp_path):
    partial(tmp_path / "out", (0, 4))
    found = collect_sweep(tmp_path / "out")
    assert (found.runs, found.complete, found.present) == (9, 2, 2)
    with h5py.File(found.path) as file:
        missing = file["status"].attrs["flag_meanings"].decode().split().index("missing")
        assert file["status"][...].tolist() == [0, *[missing] * 3, 0, *[missing] * 4]
        there = np.isfinite(file["generalization_error"][...]).all(axis=1)
        assert there.tolist() == [True, False, False, False, True, False, False, False, False]
        np.testing.assert_array_equal(file["learning_rate"][...], np.repeat([0.1, 0.2, 0.5], 3))
    assert sweep_status(tmp_path / "out").complete == 2


def test_runs_of_different_shapes(tmp_path):
    """K, output times and text in one file: NaN beyond a run's own, and each row its own grid."""
    axes = {
        "problem.student_units": [1, 3],
        "problem.output": ["committee", "mean_field"],
        "integration.alpha": [[0.0, 1.0], [0.0, 2.0, 4.0]],
    }
    sweep = Sweep(tables(integration={"method": "DOP853"}), axes)  # its kernels are compiled once for all K
    run_sweep(sweep, tmp_path / "out")
    with xarray.open_dataset(collect_sweep(tmp_path / "out").path, engine="h5netcdf") as dataset:
        assert dataset.Q_1.dims == ("run", "time", "student", "student_2")
        assert dataset.Q_1.shape == (8, 3, 3, 3)
        np.testing.assert_array_equal(dataset.alpha.values[:2], [[0.0, 1.0, np.nan], [0.0, 2.0, 4.0]])
        for run in range(8):
            study = sweep.study(run)
            start, times = study.start.overlaps(study.problem), study.integration.times
            alone = ode_sgd.integrate(study.problem, start, times, moments=(1,), method="DOP853")
            K, n = study.problem.student_units, alone.alpha.size
            row = dataset.Q_1.values[run]
            np.testing.assert_array_equal(row[:n, :K, :K], alone.Q)
            assert np.isnan(row).sum() == row.size - alone.Q.size
        texts = dataset.output.values
        assert [text.decode() if isinstance(text, bytes) else text for text in texts[:4]] == [
            "committee",
            "committee",
            "mean_field",
            "mean_field",
        ]


def test_a_damaged_file_and_one_of_another_sweep(tmp_path):
    partial(tmp_path / "out", (0, 1))
    first, second = (tmp_path / f"out/runs/000/run-0000000{n}.h5" for n in (0, 1))
    good = second.read_bytes()
    second.write_bytes(good[:-100])
    with pytest.raises(StorageError, match=r"run-00000001\.h5 is damaged"):
        collect_sweep(tmp_path / "out")
    other = Sweep(tables(integration={"rtol": 1e-8}), AXES)
    place = open_folder(other, tmp_path / "other")
    place.propose({"sweep": other.identity, "seconds_per_run": 1.0, "runs_per_file": [1]})
    do_item(other, place, stored_sweep(tmp_path / "other")[2].item(1))
    second.write_bytes((tmp_path / "other/runs/000/run-00000001.h5").read_bytes())
    with pytest.raises(StorageError, match="a run of another sweep as run 1"):
        collect_sweep(tmp_path / "out")
    second.write_bytes(first.read_bytes())  # of this sweep, but another run
    with pytest.raises(StorageError, match=r"run-00000001\.h5 holds other runs"):
        collect_sweep(tmp_path / "out")


def test_a_damaged_batch(tmp_path):
    run_sweep(Sweep(tables(), AXES), tmp_path / "out", runs_per_file=9)
    path = tmp_path / "out/runs/000/batch-00000000.h5"
    with h5py.File(path, "r+") as file:
        file["generalization_error"][3, 1] += 1e-9
    with pytest.raises(StorageError, match="do not match their checksum"):
        collect_sweep(tmp_path / "out")


def test_there_must_be_a_sweep_with_runs(tmp_path):
    for function in (collect_sweep, sweep_status):
        with pytest.raises(StorageError, match="holds no sweep"):
            function(tmp_path)
    open_folder(Sweep(tables(), AXES), tmp_path / "out")
    assert sweep_status(tmp_path / "out").complete == 0
    with pytest.raises(StorageError, match="no runs yet"):
        collect_sweep(tmp_path / "out")


def test_no_room_for_the_file(done, tmp_path, monkeypatch):
    real = os.statvfs(tmp_path)
    fields = list(real[:10])
    fields[4] = 10  # blocks that are free
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(fields))
    with pytest.raises(StorageError, match="MiB left"):
        collect_sweep(done, tmp_path / "big.h5")
    assert list(tmp_path.iterdir()) == []


def test_rate_and_time_left(tmp_path):
    """Four of nine files, two seconds apart, the last one just now: half a run a second, ten seconds for five."""
    partial(tmp_path / "out", range(4))
    now = time.time()
    for number in range(4):
        os.utime(tmp_path / f"out/runs/000/run-0000000{number}.h5", (now, now - 2.0 * (3 - number)))
    status = sweep_status(tmp_path / "out")
    assert (status.complete, status.files) == (4, 4)
    assert status.rate == pytest.approx(0.5, rel=1e-6)
    assert status.seconds_left == pytest.approx(10.0, rel=1e-6)
    for number in range(4):
        os.utime(tmp_path / f"out/runs/000/run-0000000{number}.h5", (now, now - 3600.0 - number))
    assert sweep_status(tmp_path / "out").rate == 0.0
    assert sweep_status(tmp_path / "out").seconds_left == np.inf


def test_figures(done, tmp_path):
    collect_sweep(done)
    assert plot_sweep(done).path.read_bytes()[:4] == b"\x89PNG"
    assert plot_sweep(done, tmp_path / "curve.pdf", x="problem.learning_rate", z="final_error").path.exists()
    with pytest.raises(StudyError, match=r"did you mean 'final_error'\?"):
        plot_sweep(done, z="final_eror")
    with pytest.raises(StorageError, match=r"ode-sgd sweep collect"):
        plot_sweep(tmp_path)


def test_a_map_is_over_keys_that_vary_by_themselves(tmp_path, monkeypatch):
    """Of the two that are zipped, one."""
    axes = {"problem.learning_rate": [0.5, 1.0], "start.student_scale": [0.1, 0.2], "spectrum.beta": [0.5, 1.0]}
    sweep = Sweep(tables(), axes, zip=[["problem.learning_rate", "start.student_scale"]])
    run_sweep(sweep, tmp_path / "out")
    collect_sweep(tmp_path / "out")
    drawn = []
    monkeypatch.setattr(sweeps, "sweep_map", lambda figure, labels, *_: drawn.append(labels[:2]))
    plot_sweep(tmp_path / "out")
    assert drawn == [(RATE, DECAY)]


def test_a_copy_without_a_column_is_drawn_as_far_as_it_goes(done, tmp_path, monkeypatch, capsys):
    """As `ncks -x -v learning_rate` makes it: medians are over the learning rates too, and that is said."""
    path, drawn = collect_sweep(done, tmp_path / "c.h5").path, []
    monkeypatch.setattr(sweeps, "sweep_curve", lambda figure, labels, *_: drawn.append(labels[0]))

    def without(*names):
        with xarray.open_dataset(path, engine="h5netcdf", decode_cf=False) as dataset:
            dataset.drop_vars(names).to_netcdf(copy := tmp_path / f"{len(names)}.h5", engine="h5netcdf")
        return str(copy)

    copy = without("learning_rate")
    assert main(["sweep", "plot", copy]) == 0
    assert "lacks the column learning_rate: what is drawn are medians over its values too" in capsys.readouterr().err
    assert drawn == [DECAY]
    for options in (["-x", "learning_rate"], ["-y", "problem.learning_rate"]):
        assert main(["sweep", "plot", copy, *options]) == 2
        assert "the file lacks the column learning_rate, which the sweep had" in capsys.readouterr().err
    assert main(["sweep", "plot", without("learning_rate", "beta")]) == 2
    assert "the file lacks learning_rate, beta, and else nothing varies but the seed" in capsys.readouterr().err
    assert main(["sweep", "plot", without("learning_rate", "beta", "status")]) == 2
    assert "lacks the column status, which tells how runs ended" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["alpha", "student", "run", "Q_1", "generalization_error"])
def test_only_what_has_a_number_for_every_run_is_drawn(done, tmp_path, name):
    found = collect_sweep(done, tmp_path / "c.h5")
    with pytest.raises(StudyError, match=f"'{name}' is no column"):
        plot_sweep(found.path, z=name)


@pytest.mark.parametrize(
    ("measurement", "counted"), [("final_error", "final_error"), ("half_height", "half_height_time")]
)
def test_outcomes_are_words(done, tmp_path, measurement, counted):
    found = collect_sweep(done, tmp_path / "c.h5")
    told = rf"'{measurement}_outcome' holds words, not numbers \(the figure of {counted} counts them\)"
    with pytest.raises(StudyError, match=told):
        plot_sweep(found.path, z=f"{measurement}_outcome")


def test_the_axes_of_a_map_are_two(done, tmp_path, monkeypatch):
    found = collect_sweep(done, tmp_path / "c.h5")
    with pytest.raises(StudyError, match="-x learning_rate -y learning_rate: one key on both axes"):
        plot_sweep(found.path, x="learning_rate", y="problem.learning_rate")
    drawn = []
    monkeypatch.setattr(sweeps, "sweep_map", lambda figure, labels, *_: drawn.append(labels[:2]))
    plot_sweep(found.path, y="learning_rate")
    assert drawn == [(DECAY, RATE)]


def test_what_holds_texts_is_an_axis_or_is_told(tmp_path, capsys):
    axes = {"problem.activation": ["erf", "linear"], "problem.learning_rate": [0.1, 0.2]}
    run_sweep(Sweep(tables(), axes), tmp_path / "out")
    collect_sweep(tmp_path / "out")
    command = ["sweep", "plot", str(tmp_path / "out")]
    assert main(command) == 0
    assert "medians over the values of activation too; -x activation draws them apart" in capsys.readouterr().err
    assert main([*command, "-x", "activation"]) == main([*command, "-x", "learning_rate", "-y", "activation"]) == 0
    assert "medians over" not in capsys.readouterr().err
    assert main([*command, "-z", "plateau_length", "-o", str(tmp_path / "none.png")]) == 2
    assert "nothing to draw: plateau_length: 0 of 4 runs; 4 too short; -z draws another" in capsys.readouterr().err
    assert not (tmp_path / "none.png").exists()
