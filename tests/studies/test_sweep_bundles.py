"""Bundles: short runs with files of their own, computed side by side."""

from types import SimpleNamespace

import numpy as np

from ode_sgd.studies.sweeps import task as sweep_task
from ode_sgd.studies.sweeps.manifest import open_folder
from ode_sgd.studies.sweeps.partition import Item, bundles, known_partition, partition_of
from ode_sgd.studies.sweeps.run import run_sweep
from ode_sgd.studies.sweeps.sweep import Sweep
from tests.studies.sweeps import AXES, do_item, errors, names, tables


def told(items, sweep, workers, *, measured=False):
    plan = SimpleNamespace(measured=measured)
    return [[item.runs for item in bundle] for bundle in bundles(plan, items, sweep, workers)]


def test_bundles_fill_the_lanes():
    """Eight short runs with files of their own; fewer where a worker would have none; batches stay by themselves."""
    sweep = Sweep(tables(), AXES)
    items = [Item(f"{run}.h5", (run,)) for run in range(9)]
    assert list(map(len, told(items, sweep, 1))) == [8, 1]
    assert list(map(len, told(items * 4, sweep, 3))) == [3] * 12
    assert list(map(len, told(items, sweep, 3))) == [1] * 9
    shared = [Item("b.h5", (0, 1, 2)), *items[3:5], Item("c.h5", (5, 6))]
    assert told(shared, sweep, 1) == [[(0, 1, 2)], [(3,), (4,)], [(5, 6)]]
    assert told([], sweep, 2) == []


def test_runs_that_have_files_of_their_own_because_they_are_long_stay_by_themselves():
    items = [Item(f"{run}.h5", (run,)) for run in range(9)]
    assert list(map(len, told(items, Sweep(tables(), AXES), 1, measured=True))) == [1] * 9


def test_plans_know_whether_they_were_measured(sweep, tmp_path):
    for runs_per_file, measured in ((None, True), (2, False)):
        folder = open_folder(sweep, tmp_path / str(runs_per_file))
        assert partition_of(sweep, folder, runs_per_file).measured is measured
        assert known_partition(sweep, folder).measured is measured


def test_bundles_are_of_one_shape_and_of_runs_that_take_lanes():
    few = {"problem.learning_rate": [0.1, 0.2]}
    whole = tables(integration={"nodes": "whole"}, start={"dimension": 1200})
    shapes = Sweep(whole, {"spectrum.distinct": [1, 2, 300], **few})  # the last has too many eigenvalues for lanes
    items = [Item(f"{run}.h5", (run,)) for run in range(6)]
    assert told(items, shapes, 1) == [[(0,), (1,)], [(2,), (3,)], [(4,)], [(5,)]]
    for change in (
        {"integration": {"method": "DOP853"}},
        {"integration": {"sectors": True}},
        {"simulation": {"dimension": 40, "replicas": 2}},
        {"problem": {"student_units": 4, "teacher_units": 4}},
    ):
        assert told(items[:2], Sweep(tables(**change), few), 1) == [[(0,)], [(1,)]]


def test_runs_with_files_of_their_own_are_computed_side_by_side(sweep, tmp_path, monkeypatch):
    original, calls = sweep_task.theory_alike, []

    def counted(studies):
        calls.append(len(studies))
        return original(studies)

    monkeypatch.setattr(sweep_task, "theory_alike", counted)
    run_sweep(sweep, tmp_path / "out", runs_per_file=1)
    assert calls == [7]  # the first of eight tells how long they take; the ninth is by itself
    assert len(names(tmp_path / "out")) == 9
    run_sweep(sweep, tmp_path / "shared", runs_per_file=9)
    np.testing.assert_array_equal(errors(tmp_path / "out"), errors(tmp_path / "shared"))


def test_of_runs_side_by_side_those_that_are_there_are_skipped(sweep, tmp_path):
    """Another process may have written some since the folder was looked at."""
    folder = open_folder(sweep, tmp_path / "out")
    items = list(partition_of(sweep, folder, 1).items(range(4)))
    first = do_item(sweep, folder, items[1])
    results = list(sweep_task.do_together(sweep, folder, items))
    assert [result.skipped for result in results] == [False, True, False, False]
    assert [result.runs for result in results] == [(0,), (1,), (2,), (3,)]
    assert not first.skipped
    assert len(names(tmp_path / "out")) == 4


def test_long_runs_are_not_computed_side_by_side(sweep, tmp_path, monkeypatch):
    """Else what a kill loses would be eight of them."""
    monkeypatch.setattr(sweep_task, "PROBED", 0.0)
    monkeypatch.setattr(sweep_task, "theory_alike", None)  # what takes several at a time
    assert run_sweep(sweep, tmp_path / "out", runs_per_file=1).complete == 9


def test_an_interruption_among_runs_side_by_side_counts_those_that_are_written(sweep, tmp_path, monkeypatch):
    original, said = sweep_task._store, []

    def store(sweep, folder, path, attempts):
        if attempts[0].run == 5:
            raise KeyboardInterrupt
        return original(sweep, folder, path, attempts)

    monkeypatch.setattr(sweep_task, "_store", store)
    result = run_sweep(sweep, tmp_path / "out", runs_per_file=1, progress=lambda done, *_: said.append(done))
    assert (result.interrupted, result.complete, result.computed) == (True, 5, 5)
    assert len(names(tmp_path / "out")) == 5
    assert said == [0, 1, 2, 3, 4, 5]
