"""Running sweeps in this process: what is skipped, what fails, what is kept."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd.core.errors import InvalidProblem, ProcessorError, StorageError, StudyError
from ode_sgd.storage.sweep_folder import SweepFolder
from ode_sgd.studies.sweeps import compute as sweep_compute
from ode_sgd.studies.sweeps import run as sweep_run
from ode_sgd.studies.sweeps import task as sweep_task
from ode_sgd.studies.sweeps.manifest import open_folder
from ode_sgd.studies.sweeps.partition import partition_of
from ode_sgd.studies.sweeps.run import run_sweep
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.teacher_student import study_model
from tests.studies.sweeps import AXES, do_item, errors, names, raising, tables

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.mark.parametrize("together", [1, 4, 9])
def test_runs_are_those_of_integrate_batch(sweep, tmp_path, together):
    result = run_sweep(sweep, tmp_path / "out", runs_per_file=together)
    assert (result.runs, result.complete, result.computed, result.failures) == (9, 9, 9, ())
    assert len(names(tmp_path / "out")) == -(-9 // together)
    for row, run in zip(errors(tmp_path / "out"), range(9), strict=True):
        study = sweep.study(run)
        start, times = study.start.overlaps(study.problem), study.integration.times
        (alone,) = ode_sgd.integrate_batch([study.problem], [start], times, moments=(1,))
        np.testing.assert_array_equal(row, alone.generalization_error)


def test_a_run_by_itself_is_a_file_like_any_other(sweep, tmp_path):
    run_sweep(sweep, tmp_path / "out", runs_per_file=1)
    stored = ode_sgd.load(tmp_path / "out/runs/000/run-00000005.h5")
    assert stored.problem.identity == sweep.study(5).problem.identity
    assert stored.config["sweep"]["run"] == 5
    assert stored.config["problem"]["learning_rate"] == sweep.values(5)["problem.learning_rate"]


def test_a_relative_folder_is_the_same_wherever_workers_start(sweep, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = open_folder(sweep, "out")
    assert folder.path == tmp_path / "out"
    plan = partition_of(sweep, folder, 9)
    monkeypatch.chdir("/")
    assert do_item(sweep, folder, plan.item(0)).failures == ()
    assert names(tmp_path / "out") == ["batch-00000000.h5"]


def test_a_wrong_kind_of_processor_is_one_error_not_one_a_run(sweep, tmp_path, monkeypatch):
    def wrong():
        raise ProcessorError("ODE_SGD_CPU = pentium is no kind of processor here")

    monkeypatch.setattr(sweep_run, "processor_kind", wrong)
    with pytest.raises(ProcessorError, match="pentium"):
        run_sweep(sweep, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_is_complete_is_skipped(sweep, tmp_path, monkeypatch):
    run_sweep(sweep, tmp_path / "out", runs_per_file=2)
    (tmp_path / "out/runs/000/batch-00000002.h5").unlink()
    before = {path: path.stat().st_ino for path in tmp_path.glob("out/runs/*/*.h5")}
    result = run_sweep(sweep, tmp_path / "out")
    assert (result.complete, result.computed) == (9, 2)
    assert all(path.stat().st_ino == inode for path, inode in before.items())
    monkeypatch.setattr(sweep_run, "do_together", None)  # nothing is left to do
    assert run_sweep(sweep, tmp_path / "out").computed == 0


def test_progress_counts_runs(sweep, tmp_path):
    said = []
    run_sweep(sweep, tmp_path / "out", runs_per_file=3, progress=lambda *numbers: said.append(numbers))
    assert said == [(0, 9, 0), (3, 9, 0), (6, 9, 0), (9, 9, 0)]


@pytest.mark.parametrize("together", [1, 4])
def test_a_run_that_raises_does_not_stop_the_others(sweep, tmp_path, monkeypatch, together):
    run_sweep(Sweep(tables(), AXES), tmp_path / "quiet", runs_per_file=together)
    with monkeypatch.context() as patched:
        asked = raising(patched, 5, OSError("the node caught fire"))
        result = run_sweep(sweep, tmp_path / "out", runs_per_file=together)
    assert (result.complete, [failure.run for failure in result.failures]) == (8, [5])
    assert len(asked) == sweep_task.ATTEMPTS
    failure = SweepFolder(tmp_path / "out").failures()[5]
    assert failure == result.failures[0]
    assert (failure.kind, failure.attempts, failure.values) == ("raised", 3, sweep.values(5))
    assert "OSError: the node caught fire" in failure.traceback and "in study" in failure.traceback
    assert ode_sgd.sweep_status(tmp_path / "out").failed == 1
    assert np.isnan(errors(tmp_path / "out")[5]).all()
    again = run_sweep(sweep, tmp_path / "out")  # the same command: only what failed is tried again
    assert (again.complete, again.computed, again.failures) == (9, 1, ())
    assert SweepFolder(tmp_path / "out").failures() == {}
    np.testing.assert_array_equal(errors(tmp_path / "out"), errors(tmp_path / "quiet"))
    assert ode_sgd.sweep_status(tmp_path / "out").complete == 9


def test_a_passing_trouble_is_overcome_at_once(sweep, tmp_path, monkeypatch):
    asked = raising(monkeypatch, 5, OSError("for a moment"), times=2)
    assert run_sweep(sweep, tmp_path / "out", runs_per_file=1).failures == ()
    assert len(asked) == 3


def test_what_cannot_change_is_not_tried_again(sweep, tmp_path, monkeypatch):
    asked = raising(monkeypatch, 5, InvalidProblem("no such problem"))
    result = run_sweep(sweep, tmp_path / "out", runs_per_file=1)
    assert [(failure.message, failure.attempts) for failure in result.failures] == [("no such problem", 1)]
    assert len(asked) == 1


def test_a_batch_that_raises_is_tried_run_by_run(sweep, tmp_path, monkeypatch):
    original = sweep_compute.theory_alike

    def fails(studies):
        if any(study.problem.learning_rate == 0.2 for study in studies):
            raise ArithmeticError("somebody in here")
        return original(studies)

    monkeypatch.setattr(sweep_compute, "theory_alike", fails)
    monkeypatch.setattr(sweep_task, "theory_alike", fails)
    result = run_sweep(sweep, tmp_path / "out", runs_per_file=9)
    assert (result.complete, [failure.run for failure in result.failures]) == (6, [3, 4, 5])
    assert names(tmp_path / "out") == ["batch-00000000.h5"]


@pytest.mark.parametrize("together", [1, 3])
def test_a_run_that_diverges_is_named_and_its_beginning_kept(tmp_path, together):
    axes = {"problem.learning_rate": [0.1, 50.0, 0.2]}
    sweep = Sweep(tables(problem={"activation": "linear"}), axes)
    for computed in (2, 0):  # it is as complete as it can be: the second time nothing is computed
        result = run_sweep(sweep, tmp_path / "out", runs_per_file=together)
        assert (result.complete, result.computed) == (2, computed)
        assert [(failure.run, failure.kind) for failure in result.failures] == [(1, "diverged")]
        assert "learning_rate" in result.failures[0].message
    rows = errors(tmp_path / "out")
    assert np.isfinite(rows[[0, 2]]).all() and np.isfinite(rows[1, 0]) and np.isnan(rows[1, -1])
    status = ode_sgd.sweep_status(tmp_path / "out")
    assert (status.complete, status.failed) == (2, 1)


def test_a_writer_that_fails(sweep, tmp_path, monkeypatch):
    """The disk is full for one file; the others are complete, and the same call completes it later."""
    original, tried = SweepFolder.publish, []

    def publish(self, path, data):
        if path.name == "batch-00000003.h5":
            tried.append(path)
            raise StorageError("cannot write: No space left on device")
        return original(self, path, data)

    with monkeypatch.context() as patched:
        patched.setattr(SweepFolder, "publish", publish)
        result = run_sweep(sweep, tmp_path / "out", runs_per_file=3)
    assert len(tried) == sweep_task.ATTEMPTS
    assert (result.complete, [failure.run for failure in result.failures]) == (6, [3, 4, 5])
    assert {failure.kind for failure in result.failures} == {"storage"}
    again = run_sweep(sweep, tmp_path / "out")
    assert (again.complete, again.computed, again.failures) == (9, 3, ())


def test_a_full_disk(sweep, tmp_path, monkeypatch):
    """A real one, of 100 KB: what fits is complete, all others are named, nothing is unreadable."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(place)], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        result = run_sweep(sweep, place / "out", runs_per_file=1)
        assert 0 < result.complete < 9
        assert len(result.failures) == 9 - result.complete
        assert {failure.kind for failure in result.failures} == {"storage"}
        for path in place.glob("out/runs/*/*.h5"):
            ode_sgd.load(path)
        subprocess.run(["mount", "-o", "remount,size=10m", str(place)], check=True)
        again = run_sweep(sweep, place / "out")
        assert (again.complete, again.computed) == (9, 9 - result.complete)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_sweep_of_simulations(tmp_path):
    simulation = {"dimension": 40, "replicas": 2, "points": 5}
    sweep = Sweep(tables(simulation=simulation), {"problem.learning_rate": [0.1, 0.3]}, replicas=2)
    run_sweep(sweep, tmp_path / "one", runs_per_file=1)
    run_sweep(sweep, tmp_path / "all", runs_per_file=4)
    import h5py

    with (
        h5py.File(ode_sgd.collect_sweep(tmp_path / "one").path) as one,
        h5py.File(ode_sgd.collect_sweep(tmp_path / "all").path) as other,
    ):
        assert one["sgd_generalization_error"].shape == (4, 2, 4)  # of the 5 times one is the same step as another
        for name in set(one) - {"seconds"}:
            np.testing.assert_array_equal(one[name][...], other[name][...])
        errors = one["sgd_generalization_error"][...]
    assert np.unique(errors[:, :, -1]).size == 8  # every replica has random numbers of its own


def test_an_interrupted_simulation_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    simulation = {"dimension": 40, "replicas": 2, "points": 5, "method": "explicit"}
    sweep = Sweep(tables(simulation=simulation), {"problem.learning_rate": [0.1, 0.3]})
    run_sweep(sweep, tmp_path / "quiet", runs_per_file=1)
    run_sweep(Sweep(tables(), {"problem.learning_rate": [0.4]}), tmp_path / "warm")
    folder = open_folder(sweep, tmp_path / "out")
    folder.propose({"sweep": sweep.identity, "seconds_per_run": 1.0, "runs_per_file": [1]})
    original = ode_sgd.simulate

    def interrupted(*arguments, progress, **options):
        def stop(fraction):
            raise KeyboardInterrupt

        return original(*arguments, progress=stop, **options)

    with monkeypatch.context() as patched:
        patched.setattr(study_model, "simulate", interrupted)
        result = run_sweep(sweep, tmp_path / "out")
    assert result.interrupted and result.complete == 0 and result.failures == ()
    assert folder.checkpoint(0).exists()
    resumed = run_sweep(sweep, tmp_path / "out")
    assert (resumed.complete, resumed.interrupted) == (2, False)
    assert not folder.checkpoint(0).exists()
    stored, quiet = (ode_sgd.load(tmp_path / name / "runs/000/run-00000000.h5").sgd for name in ("out", "quiet"))
    np.testing.assert_array_equal(stored.Q, quiet.Q)


def test_without_the_extra(sweep, tmp_path, monkeypatch):
    from ode_sgd.studies.sweeps import run as sweep_run

    monkeypatch.setattr(sweep_run, "find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"-j 2.*\n.*pip install 'ode-sgd\[cluster\]'"):
        run_sweep(sweep, tmp_path / "out", jobs=2)
    assert run_sweep(sweep, tmp_path / "out", shard="0/1").complete == 9
    with pytest.raises(StudyError, match="--dashboard"):
        run_sweep(sweep, tmp_path / "out", dashboard=True)


def test_nothing_of_dask_is_needed_for_one_process(tmp_path):
    (tmp_path / "block" / "dask").mkdir(parents=True)
    (tmp_path / "block" / "dask" / "__init__.py").write_text("raise ImportError('dask is blocked')")
    code = (
        "import ode_sgd\n"
        "from tests.studies.sweeps import AXES, tables\n"
        f"print(ode_sgd.run_sweep(ode_sgd.Sweep(tables(), AXES), {str(tmp_path / 'out')!r}).complete)"
    )
    root = str(Path(__file__).parents[2])
    import sys

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'block'}:{root}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "9\n", done.stderr
