"""Trials, and the plan that follows from them: what an interruption leaves, how many runs share a file."""

import signal
from contextlib import suppress
from dataclasses import replace

import pytest

import ode_sgd
from ode_sgd.storage.sweep_folder import SweepFolder
from ode_sgd.studies.sweeps.manifest import open_folder
from ode_sgd.studies.sweeps.run import run_sweep
from ode_sgd.studies.sweeps.sweep import Sweep
from tests.studies.sweeps import tables


@pytest.mark.parametrize("at", [1, 2, 3])
def test_ctrl_c_during_the_trial_leaves_no_plan(sweep, tmp_path, monkeypatch, at):
    """A solver takes the signal as the end of its integration; the time that it took says nothing."""
    from ode_sgd.studies.sweeps import partition as sweep_partition

    calls = []

    def stopped(studies):
        calls.append(len(studies))
        found = ode_sgd.integrate_batch(
            [study.problem for study in studies],
            [study.start.overlaps(study.problem) for study in studies],
            studies[0].integration.times,
            moments=(1,),
        )
        return [replace(one, status="interrupted") for one in found] if len(calls) == at else found

    monkeypatch.setattr(sweep_partition, "theory_alike", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, tmp_path / "out")
    assert len(calls) == at
    assert SweepFolder(tmp_path / "out").partition() is None


def test_a_signal_that_got_lost_in_the_trial_leaves_no_plan(sweep, tmp_path, monkeypatch):
    from ode_sgd.studies.sweeps import partition as sweep_partition

    def swallowed(studies):
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RuntimeError("something went wrong while compiling")

    monkeypatch.setattr(sweep_partition, "theory_alike", swallowed)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, tmp_path / "out")
    assert SweepFolder(tmp_path / "out").partition() is None


def test_a_long_integration_is_timed_once(sweep, monkeypatch):
    from ode_sgd.studies.sweeps import partition as sweep_partition

    counts = []
    monkeypatch.setattr(sweep_partition, "_batch_seconds", lambda study, count: counts.append(count) or 100.0)
    assert sweep_partition.trial_seconds(sweep) == {0: 100.0}
    assert counts == [1]


def test_kernels_are_compiled_before_processes_go_on_with_a_sweep(sweep, tmp_path, monkeypatch):
    """Otherwise each would compile them; not where nothing is left to do, nor for one process."""
    from ode_sgd.studies.sweeps import run as sweep_run

    compiled = []
    monkeypatch.setattr(sweep_run, "compile_together", lambda sweep, jobs, check: compiled.append(len(sweep)))
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
    from ode_sgd.studies.sweeps.partition import chosen_sizes

    def sizes(seconds, count, axes=None):
        sweep = Sweep(tables(), (axes or {}) | {"problem.label_noise": {"linspace": [0.0, 1.0, count]}})
        return chosen_sizes(sweep, {0: seconds})

    assert sizes(3.0, 1000) == [1]
    assert sizes(1e-3, 100) == [32]
    assert sizes(1e-4, 10_000) == [625]  # 16 files at least
    assert sizes(1e-4, 100_000) == [1000]
    assert sizes(0.02, 10_000) == [25]  # half a second
    # Sixteen times as many units squared: half a second is fewer runs.
    assert sizes(0.01, 10_000, {"problem.teacher_units": [2, 14]}) == [50, 3]
    assert sizes(1e-3, 100, {"integration.sectors": [False, True]}) == [32, 1]


def test_classes_are_measured_each_by_the_one_nearest_to_it():
    from ode_sgd.studies.sweeps.partition import chosen_sizes

    axes = {"spectrum.distinct": [1, 2, 40], "problem.label_noise": {"linspace": [0.0, 1.0, 1000]}}
    sweep = Sweep(tables(), axes)
    assert chosen_sizes(sweep, {0: 0.125, 2000: 0.01}) == [4, 4, 50]


@pytest.mark.parametrize(
    ("takes", "hears", "computed", "found"),
    [(0.01, False, 12, [0.01] * 4), (2.0, True, 8, [2.0] * 4), (2.0, False, 8, [2.0] * 4), (100.0, False, 2, [100.0])],
)
def test_few_trials_are_made_of_long_runs(monkeypatch, takes, hears, computed, found):
    """Two of every class, and one class alone where a run does not hear that it has shown enough."""
    from ode_sgd.studies.sweeps import partition as sweep_partition

    study = tables(integration={"method": "DOP853"})  # one that is computed by itself
    sweep = Sweep(study, {"spectrum.distinct": [1, 2, 4, 8]})
    clock, runs = [0.0], []

    def one_by_one(study, checkpoint, progress):
        runs.append(study)
        clock[0] += takes
        if hears:
            progress("theory", 0.5)
        return ()

    monkeypatch.setattr(sweep_partition, "one_by_one", one_by_one)
    monkeypatch.setattr(sweep_partition.time, "process_time", lambda: clock[0])
    seconds = sweep_partition.trial_seconds(sweep)
    assert len(runs) == computed
    assert list(seconds.values()) == pytest.approx(found)
