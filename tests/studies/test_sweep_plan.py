"""Trials, and the plan that follows from them: what an interruption leaves, how many runs share a file."""

import signal
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ode_sgd.storage.sweep_folder import SweepFolder
from ode_sgd.studies.sweeps import compute as sweep_compute
from ode_sgd.studies.sweeps.plan import Item, bundles
from ode_sgd.studies.sweeps.run import open_folder, run_sweep
from ode_sgd.studies.sweeps.sweep import Sweep
from tests.studies.sweeps import AXES, tables


@pytest.fixture
def sweep():
    return Sweep(tables(), AXES)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_ctrl_c_during_the_trial_leaves_no_plan(sweep, tmp_path, monkeypatch, at):
    """A solver takes the signal as the end of its integration; the time that it took says nothing."""
    from ode_sgd.studies.sweeps import plan as sweep_plan

    calls = []

    def stopped(studies):
        calls.append(len(studies))
        found = sweep_compute.integrate_batch(
            [study.problem for study in studies],
            [study.start.overlaps(study.problem) for study in studies],
            studies[0].integration.times,
            moments=(1,),
        )
        return [replace(one, status="interrupted") for one in found] if len(calls) == at else found

    monkeypatch.setattr(sweep_plan, "integrate_alike", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, tmp_path / "out")
    assert len(calls) == at
    assert SweepFolder(tmp_path / "out").plan() is None


def test_a_signal_that_got_lost_in_the_trial_leaves_no_plan(sweep, tmp_path, monkeypatch):
    from ode_sgd.studies.sweeps import plan as sweep_plan

    def swallowed(studies):
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RuntimeError("something went wrong while compiling")

    monkeypatch.setattr(sweep_plan, "integrate_alike", swallowed)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, tmp_path / "out")
    assert SweepFolder(tmp_path / "out").plan() is None


def test_a_long_integration_is_timed_once(sweep, monkeypatch):
    from ode_sgd.studies.sweeps import plan as sweep_plan

    counts = []
    monkeypatch.setattr(sweep_plan, "_batch_seconds", lambda study, count: counts.append(count) or 100.0)
    assert sweep_plan.trial_seconds(sweep) == {0: 100.0}
    assert counts == [1]


def test_kernels_are_compiled_before_processes_go_on_with_a_sweep(sweep, tmp_path, monkeypatch):
    """Otherwise each would compile them; not where nothing is left to do, nor for one process."""
    from ode_sgd.studies.sweeps import run as sweep_run

    compiled = []
    monkeypatch.setattr(sweep_run, "compile_all", lambda sweep, check: compiled.append(len(sweep)))
    monkeypatch.setattr(sweep_run, "_engine", lambda *arguments: lambda items: (item for item in ()))
    pytest.importorskip("dask")
    open_folder(sweep, tmp_path / "out").propose({"runs_per_file": [9]})
    run_sweep(sweep, tmp_path / "out")
    assert compiled == []
    run_sweep(sweep, tmp_path / "out", jobs=2)
    assert compiled == [9]
    path = tmp_path / "out/runs/000/batch-00000000.h5"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"there")
    run_sweep(sweep, tmp_path / "out", jobs=2)
    assert compiled == [9]


def test_long_runs_get_a_file_each_and_short_ones_share():
    from ode_sgd.studies.sweeps.plan import chosen_sizes

    def sizes(seconds, count, axes=None):
        sweep = Sweep(tables(), (axes or {}) | {"problem.label_noise": {"linspace": [0.0, 1.0, count]}})
        return chosen_sizes(sweep, {0: seconds})

    assert sizes(3.0, 1000) == [1]
    assert sizes(1e-3, 100) == [32]
    assert sizes(1e-3, 10_000) == [625]  # 16 files at least
    assert sizes(1e-4, 100_000) == [1000]
    assert sizes(0.1, 10_000) == [20]  # two seconds
    # Sixteen times as many units squared: two seconds are fewer runs.
    assert sizes(0.02, 10_000, {"problem.teacher_units": [2, 14]}) == [100, 6]
    assert sizes(1e-3, 100, {"integration.sectors": [False, True]}) == [32, 1]


def test_classes_are_measured_each_by_the_one_nearest_to_it():
    from ode_sgd.studies.sweeps.plan import chosen_sizes

    axes = {"spectrum.distinct": [1, 2, 40], "problem.label_noise": {"linspace": [0.0, 1.0, 1000]}}
    sweep = Sweep(tables(), axes)
    assert chosen_sizes(sweep, {0: 0.5, 2000: 0.01}) == [4, 4, 188]


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
    from ode_sgd.studies.sweeps.plan import known_plan, plan_of

    for runs_per_file, measured in ((None, True), (2, False)):
        folder = open_folder(sweep, tmp_path / str(runs_per_file))
        assert plan_of(sweep, folder, runs_per_file).measured is measured
        assert known_plan(sweep, folder).measured is measured


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
