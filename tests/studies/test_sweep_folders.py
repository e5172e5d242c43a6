"""Folders of sweeps: which are refused, what in them is left alone, and who may work on one together."""

import os
import threading

import numpy as np
import pytest

import ode_sgd
from ode_sgd.core.errors import InvalidProblem, StorageError, StudyError
from ode_sgd.storage.sweep_folder import Failure, SweepFolder
from ode_sgd.studies.sweeps import task as sweep_task
from ode_sgd.studies.sweeps.manifest import open_folder, stored_sweep
from ode_sgd.studies.sweeps.run import run_sweep
from ode_sgd.studies.sweeps.sweep import Sweep
from tests.studies.sweeps import AXES, do_item, errors, names, raising, tables

pytestmark = pytest.mark.usefixtures("no_pauses")


def test_a_folder_that_cannot_be_written(sweep, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be made"):
        run_sweep(sweep, tmp_path / "file" / "out")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(StorageError, match="holds files, but no sweep"):
        run_sweep(sweep, tmp_path / "other")


def test_a_folder_that_becomes_unwritable(sweep, tmp_path, monkeypatch):
    """Found out before anything is computed for it; the runs are named."""
    folder = open_folder(sweep, tmp_path / "out")
    folder.propose({"sweep": sweep.identity, "seconds_per_run": 1.0, "runs_per_file": [3]})
    (tmp_path / "out/runs").mkdir()
    (tmp_path / "out/runs/000").write_text("in the way")
    monkeypatch.setattr(sweep_task, "theory_alike", None)
    result = run_sweep(sweep, tmp_path / "out")
    assert (result.complete, len(result.failures)) == (0, 9)
    assert all("not computed" in failure.message for failure in result.failures)


@pytest.mark.parametrize("call", [lambda: run_sweep(Sweep(tables(), AXES), None), lambda: ode_sgd.sweep_status(5)])
def test_no_folder(call):
    with pytest.raises(StorageError, match="is no name of a file"):
        call()


@pytest.mark.parametrize("damage", ["{}", '{"runs_per_file": [0]}', '{"runs_per_file": [1, 1]}', "[1]", "{", "null"])
def test_a_damaged_plan(sweep, tmp_path, damage):
    folder = open_folder(sweep, tmp_path / "out")
    (tmp_path / "out/plan.json").write_text(damage)
    for call in (lambda: run_sweep(sweep, folder.path), lambda: ode_sgd.sweep_status(folder.path)):
        with pytest.raises(StorageError, match=r"plan\.json"):
            call()


@pytest.mark.parametrize("damage", ["{}", '{"schema": 1, "sweep": []}', '{"schema": null}', "[]", "{"])
def test_a_damaged_description(sweep, tmp_path, damage):
    open_folder(sweep, tmp_path / "out")
    (tmp_path / "out/sweep.json").write_text(damage)
    for call in (lambda: run_sweep(sweep, tmp_path / "out"), lambda: ode_sgd.sweep_status(tmp_path / "out")):
        with pytest.raises(StorageError, match="out"):
            call()


def test_the_folder_of_a_newer_version(sweep, tmp_path):
    SweepFolder(tmp_path / "out").create({"schema": 99, "identity": sweep.identity, "sweep": sweep.document()})
    for call in (lambda: run_sweep(sweep, tmp_path / "out"), lambda: ode_sgd.sweep_status(tmp_path / "out")):
        with pytest.raises(StorageError, match="newer ode_sgd"):
            call()


def test_foreign_files_in_the_folder_are_left_alone(sweep, tmp_path):
    run_sweep(sweep, tmp_path / "out", runs_per_file=9)
    foreign = ["failures/000/notes.txt", "failures/000/run-x.json", "retried/000/run-5 (copy).h5", "runs/000/old.h5"]
    for name in foreign:
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("mine")
    outside = SweepFolder(tmp_path / "out")
    outside.record(Failure(run=10**6, kind="raised", values={}, message="of no run"))
    assert ode_sgd.sweep_status(tmp_path / "out").complete == 9
    assert run_sweep(sweep, tmp_path / "out").computed == 0
    assert np.isfinite(errors(tmp_path / "out")).all()
    assert all((tmp_path / "out" / name).read_text() == "mine" for name in foreign)


def test_the_folder_of_another_sweep(sweep, tmp_path):
    run_sweep(sweep, tmp_path / "out")
    with pytest.raises(StorageError, match=r"another sweep .*integration.rtol = 1e-06, here it is 1e-08"):
        run_sweep(Sweep(tables(integration={"rtol": 1e-8}), AXES), tmp_path / "out")
    with pytest.raises(StorageError, match=r"its runs are 9 over .*, here they are 3 over"):
        run_sweep(Sweep(tables(), {"problem.learning_rate": [0.1, 0.2, 0.5]}), tmp_path / "out")


def test_the_number_of_runs_in_a_file_is_fixed_when_the_folder_is_begun(sweep, tmp_path):
    run_sweep(sweep, tmp_path / "out", runs_per_file=3)
    with pytest.raises(StorageError, match="begun with 3 runs a file, not 2"):
        run_sweep(sweep, tmp_path / "out", runs_per_file=2)
    with pytest.raises(InvalidProblem, match="runs_per_file = 0"):
        run_sweep(sweep, tmp_path / "new", runs_per_file=0)


@pytest.mark.parametrize("shard", ["3/3", "-1/3", (0, 0), "1", "a/b", 3, (0,), ("a", 2), (0.0, 2)])
def test_a_shard_outside_its_range(sweep, tmp_path, shard):
    with pytest.raises(StudyError, match=r"0 <= i < n|outside its range"):
        run_sweep(sweep, tmp_path / "out", shard=shard)
    assert not (tmp_path / "out").exists()


def test_shards_share_a_folder_and_divide_the_work(sweep, tmp_path):
    """All at once, from the beginning on: they agree on one plan."""
    results = {}

    def work(part):
        results[part] = run_sweep(sweep, tmp_path / "out", shard=(part, 3))

    threads = [threading.Thread(target=work, args=(part,)) for part in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(result.runs for result in results.values()) == 9
    assert sum(result.computed for result in results.values()) == 9
    assert all(result.twice == 0 and not result.failures for result in results.values())
    assert ode_sgd.sweep_status(tmp_path / "out").complete == 9


def test_two_drivers_of_one_part(sweep, tmp_path):
    folder = open_folder(sweep, tmp_path / "out")
    with folder.locked("all"), pytest.raises(StorageError, match=f"worked on by process {os.getpid()}"):
        run_sweep(sweep, tmp_path / "out")


def faster(monkeypatch, folder, prepare=lambda patched: None):
    """Somebody else publishes a batch of nine, after the look that found nothing and before we do."""
    original = sweep_task.theory_alike

    def slow(studies):
        found = original(studies)
        if len(studies) == 9:
            with monkeypatch.context() as patched:
                patched.setattr(sweep_task, "theory_alike", original)
                prepare(patched)
                parts = stored_sweep(folder)
                do_item(parts[0], parts[1], parts[2].item(0))
        return found

    monkeypatch.setattr(sweep_task, "theory_alike", slow)


def test_a_run_that_two_computed_is_published_once(sweep, tmp_path, monkeypatch):
    faster(monkeypatch, tmp_path / "out")
    result = run_sweep(sweep, tmp_path / "out", runs_per_file=9)
    assert (result.twice, result.complete) == (9, 9)


def test_a_run_that_failed_for_the_faster_one_is_not_lost(sweep, tmp_path, monkeypatch):
    """The file that is there lacks a run: the one computed here is kept beside it, and counts as complete."""
    run_sweep(sweep, tmp_path / "quiet", runs_per_file=9)
    faster(monkeypatch, tmp_path / "out", lambda patched: raising(patched, 5, InvalidProblem("not on this node")))
    result = run_sweep(sweep, tmp_path / "out", runs_per_file=9)
    assert (result.twice, result.complete, result.failures) == (9, 9, ())
    assert names(tmp_path / "out") == ["batch-00000000.h5", "run-00000005.h5"]
    np.testing.assert_array_equal(errors(tmp_path / "out"), errors(tmp_path / "quiet"))
