"""Sweeps on several processes of this machine: workers that die, drivers that are killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import psutil
import pytest
from distributed import KilledWorker

import ode_sgd
from ode_sgd.core.errors import StudyError
from ode_sgd.core.interruption import Interruption
from ode_sgd.storage.sweep_folder import SweepFolder
from ode_sgd.studies.sweeps import dispatch as sweep_dispatch
from ode_sgd.studies.sweeps import fork_server
from ode_sgd.studies.sweeps import local as sweep_local
from ode_sgd.studies.sweeps import run as sweep_run
from ode_sgd.studies.sweeps.cluster_file import ClusterSettings
from ode_sgd.studies.sweeps.manifest import open_folder
from ode_sgd.studies.sweeps.partition import partition_of
from ode_sgd.studies.sweeps.run import run_sweep
from ode_sgd.studies.sweeps.sweep import Sweep
from tests.studies import kills
from tests.studies.sweeps import AXES, names, tables

pytestmark = pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="looks for processes in /proc")


def test_two_processes_give_the_same_numbers(tmp_path):
    """One of the runs raises, one diverges: both come back from the workers, with their reasons."""
    axes = {"problem.learning_rate": [0.1, 50.0, 0.2], "problem.activation": ["linear"]}
    # More inputs than any memory holds: found out when the run begins.
    huge = tables(simulation={"dimension": 40, "method": "explicit", "points": 3})
    sweep = Sweep(huge, axes | {"simulation.dimension": [40, 10**13]})
    here = run_sweep(sweep, tmp_path / "here", runs_per_file=1)
    there = run_sweep(sweep, tmp_path / "there", runs_per_file=1, jobs=2)
    for result in (here, there):
        assert result.complete == 2
        kinds = [(failure.run, failure.kind) for failure in result.failures]
        assert kinds == [(1, "raised"), (2, "diverged"), (3, "diverged"), (5, "raised")]
        assert "needs" in result.failures[0].message and "Traceback" in result.failures[0].traceback
    assert SweepFolder(tmp_path / "there").failures().keys() == {1, 2, 3, 5}
    found = [ode_sgd.collect_sweep(tmp_path / name).path for name in ("here", "there")]
    with h5py.File(found[0]) as one, h5py.File(found[1]) as other:
        for name in ("status", "generalization_error", "sgd_generalization_error"):
            np.testing.assert_array_equal(one[name][...], other[name][...])


def test_a_run_that_kills_its_workers_is_given_up(tmp_path, monkeypatch):
    """As one that takes all memory does: here somebody kills whoever has begun it."""
    simulation = {"dimension": 2_000_000, "method": "explicit", "points": 3, "replicas": 1}  # for minutes
    sweep = Sweep(tables(simulation=simulation), {"simulation.dimension": [40, 2_000_000]})
    warm = Sweep(tables(simulation=simulation | {"dimension": 40}), {"problem.learning_rate": [0.1]})
    run_sweep(warm, tmp_path / "warm")
    monkeypatch.setattr(sweep_dispatch, "ATTEMPTS", 1)
    deaths, stop = [], threading.Event()

    def reaper():
        """Kill workers that have been computing for a while; the short run is long over by then."""
        while not stop.wait(0.1):
            if not names(tmp_path / "out"):
                continue
            for pid in kills.workers(os.getpid()):
                seconds = kills.seconds(pid)
                if seconds > 3.0:
                    os.kill(pid, signal.SIGKILL)
                    deaths.append(pid)

    thread = threading.Thread(target=reaper)
    thread.start()
    try:
        result = run_sweep(sweep, tmp_path / "out", runs_per_file=1, jobs=2)
    finally:
        stop.set()
        thread.join()
    assert len(deaths) == sweep_dispatch.DEATHS + 1
    assert [(failure.run, failure.kind) for failure in result.failures] == [(1, "lost")]
    assert result.complete == 1
    assert SweepFolder(tmp_path / "out").failures()[1].message.startswith("its worker died")


class Broken:
    """A client to which run 5 does this error; the rest is done at once."""

    def __init__(self, error):
        self.tasks, self._error = [], error

    def submit(self, function, folder, model, bundle, pure):
        self.tasks.append([item.runs[0] for item in bundle])
        error = self._error if 5 in self.tasks[-1] else None
        return BrokenFuture(len(self.tasks), lambda: function(folder, model, bundle), error)


class BrokenFuture:
    def __init__(self, key, work, error):
        self.key, self._work, self._error = key, work, error
        self.status = "finished" if error is None else "error"

    def add_done_callback(self, function):
        function(self)

    def result(self, timeout):
        if self._error is not None:
            raise self._error
        return self._work()


KILLED = KilledWorker("task", SimpleNamespace(address="nowhere"), 2)


@pytest.mark.parametrize(
    ("error", "kind", "times"),
    [(KILLED, "lost", 3), (MemoryError("none left"), "raised", 1), (TimeoutError(110, "timed out"), "raised", 1)],
)
def test_of_a_bundle_in_trouble_each_run_is_tried_by_itself(tmp_path, error, kind, times):
    sweep = Sweep(tables(), AXES)
    folder = open_folder(sweep, tmp_path / "out")
    items = tuple(partition_of(sweep, folder, 1).items(range(9)))
    client, nothing = Broken(error), lambda: None
    pool = sweep_dispatch.Pool(client=client, workers=1, renew=nothing)
    found = list(sweep_dispatch._fed(pool, iter([items[:8], items[8:]]), sweep, folder, nothing))
    assert client.tasks == [list(range(8)), [8], *([run] for run in range(8)), *([[5]] * (times - 1))]
    lost = [result for result in found if result.failures]
    assert [(result.runs, result.failures[0].kind) for result in lost] == [((5,), kind)]
    assert sorted(run for result in found for run in result.runs) == list(range(9))
    assert len(names(tmp_path / "out")) == 8


class Forgetful(BrokenFuture):
    """Its worker died with the result, which is there only when it is asked for again."""

    def __init__(self, key, work):
        super().__init__(key, work, None)
        self.asked = 0

    def result(self, timeout):
        self.asked += 1
        if self.asked == 1:
            raise TimeoutError
        return super().result(timeout)


def test_a_result_that_is_lost_with_its_worker_is_waited_for(tmp_path):
    sweep = Sweep(tables(), AXES)
    folder = open_folder(sweep, tmp_path / "out")
    items = tuple(partition_of(sweep, folder, 9).items(range(1)))
    future = Forgetful(1, lambda: sweep_dispatch._remote(str(folder.path), "teacher_student", items))
    client = SimpleNamespace(submit=lambda *_, pure: future)
    pool = sweep_dispatch.Pool(client=client, workers=1, renew=lambda: None)
    (result,) = sweep_dispatch._fed(pool, iter([items]), sweep, folder, lambda: None)
    assert (result.runs, result.failures, future.asked) == (tuple(range(9)), (), 2)


@pytest.mark.parametrize(("deaths", "told"), [(2, None), (3, "the processes do not start: Nanny failed")])
def test_workers_that_die_in_their_first_moments(tmp_path, monkeypatch, deaths, told):
    original, tries = sweep_local._cluster, []

    def cluster(jobs, *, dashboard):
        tries.append(jobs)
        if len(tries) <= deaths:
            raise RuntimeError("Nanny failed to start.")
        return original(jobs, dashboard=dashboard)

    monkeypatch.setattr(sweep_local, "_cluster", cluster)
    sweep = Sweep(tables(), AXES)
    if told is None:
        assert run_sweep(sweep, tmp_path / "out", jobs=2).complete == 9
    else:
        with pytest.raises(StudyError, match=told):
            run_sweep(sweep, tmp_path / "out", jobs=2)
    assert tries == [2, 2, 2]


def test_a_fork_server_that_cannot_be_started(tmp_path):
    """The path of its socket has a hundred letters at most."""
    (tmp_path / "scan.toml").write_text(kills.sweep_text(6))
    long = tmp_path / ("x" * 100)
    long.mkdir()
    command = kills.command(tmp_path / "scan.toml", tmp_path / "out")
    done = subprocess.run(
        command, env=os.environ | {"TMPDIR": str(long)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "the processes cannot be started" in done.stderr and "TMPDIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_kill_minus_nine(tmp_path, record_property):
    """Drivers and workers die twice; the same command goes on, and ends with an undisturbed sweep's numbers.

    `make kills` does it with 200 runs and 20 kills.
    """
    told, values = kills.study(tmp_path, 40, 2, 1)
    record_property("measured", f"killed {', '.join(told)}; {values} values identical")
    assert len(told) == 2


@contextmanager
def started(tmp_path, *more):
    """A driver of 600 runs on two processes, in a session of its own; ended whatever happens."""
    (tmp_path / "scan.toml").write_text(kills.sweep_text(600))
    hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # where the tests run under nohup, too
    driver = subprocess.Popen(
        kills.command(tmp_path / "scan.toml", tmp_path / "out", *more),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGHUP, hangup)
    try:
        yield driver
    finally:
        driver.kill()
        driver.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])  # SIGHUP: test_signals.py
def test_ctrl_c_leaves_nothing_behind(tmp_path, number):
    """A terminal sends it to all processes of the command, `kill` to the driver alone."""
    with started(tmp_path, "--runs-per-file", "1") as driver:
        deadline = time.monotonic() + 60.0
        while not names(tmp_path / "out") and driver.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        children = kills.workers(driver.pid)
        assert len(children) == 2
        if number in fork_server.TO_ALL:
            time.sleep(1.0)  # until both workers are in the middle of something
            os.killpg(driver.pid, number)
        else:
            driver.send_signal(number)
        _, error = driver.communicate(timeout=30)
        assert driver.returncode == 130, error
    assert error == "ode-sgd: interrupted; the same command goes on\n"
    assert kills.gone(children, 10.0)
    status = ode_sgd.sweep_status(tmp_path / "out")
    assert 0 < status.complete == len(names(tmp_path / "out")) < 600


def test_ctrl_c_while_everything_starts(tmp_path):
    """The process that workers are forked from begins to load: it is not for it to say that it was interrupted."""
    with started(tmp_path) as driver:
        while not (servers := kills.fork_servers(driver.pid)) and driver.poll() is None:
            time.sleep(0.01)
        os.killpg(driver.pid, signal.SIGINT)
        _, error = driver.communicate(timeout=30)
        # Python ends itself by the signal where it came while a string was being evaluated.
        assert driver.returncode in (130, -signal.SIGINT)
    assert len(servers) == 1
    assert error == "ode-sgd: interrupted; the same command goes on\n"
    assert kills.gone(servers, 10.0)


@pytest.mark.parametrize("settings", [None, ClusterSettings(kind="slurm", jobs=1)])
def test_signals_are_only_remembered_while_dask_works(tmp_path, monkeypatch, settings):
    """On one worker of a cluster, too; one process by itself has nothing to wait for."""
    sweep, seen = Sweep(tables(), AXES), []

    def distribute(work, sweep, folder, workers, check):
        os.kill(os.getpid(), signal.SIGINT)
        seen.append("remembered")
        check()
        yield

    monkeypatch.setattr(sweep_dispatch, "distribute", distribute)
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        folder = open_folder(sweep, tmp_path / "out")
        jobs = 2 if settings is None else 1
        list(sweep_run._engine(sweep, folder, jobs, settings, "all", False, interruption)(iter(())))
    assert seen == ["remembered"]


def blocked():
    """Signals that do not reach this process, and the threads that linear algebra may have."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, set()), os.environ.get("OMP_NUM_THREADS")


def test_other_processes_of_a_program_are_not_forked_from_it(tmp_path):
    context = multiprocessing.get_context("forkserver")
    expected = blocked()
    assert run_sweep(Sweep(tables(), AXES), tmp_path / "out", jobs=2).complete == 9
    with ProcessPoolExecutor(1, mp_context=context) as others:
        assert others.submit(blocked).result(timeout=60) == expected
    with fork_server.forked_from_it(), ProcessPoolExecutor(1, mp_context=context) as ours:
        assert ours.submit(blocked).result(timeout=60) == (set(fork_server.TO_ALL), "1")


def test_starting_workers_leaves_signals_and_environment_as_they_were():
    before = dict(os.environ), signal.pthread_sigmask(signal.SIG_BLOCK, set())
    fork_server.start_fork_server()
    assert (dict(os.environ), signal.pthread_sigmask(signal.SIG_BLOCK, set())) == before
    server = Path(f"/proc/{fork_server._SERVER._forkserver_pid}/status").read_text()
    blocked = int(server.partition("SigBlk:")[2].split()[0], 16)
    assert all(blocked & (1 << (number - 1)) for number in fork_server.TO_ALL)
    assert not blocked & (1 << (signal.SIGTERM - 1))


class Gone:
    """A cluster of which one worker never comes back."""

    class Scheduler:
        def __init__(self):
            self.workers = {"tls://127.0.0.1:1": type("Worker", (), {"name": 1})}

    def __init__(self):
        self.scheduler, self.worker_spec, self.scaled = self.Scheduler(), {0: {}, 1: {}}, []

    def scale(self, jobs):
        self.scaled.append((jobs, sorted(self.worker_spec)))


def test_a_worker_that_stays_away_is_replaced(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(sweep_local.time, "monotonic", lambda: now[0])
    cluster = Gone()
    renew = sweep_local._Renewal(cluster, 2)
    for second in range(0, 2 * int(sweep_local.RENEWED) + 2):
        now[0] = float(second)
        renew()
        if cluster.scaled:
            break
    assert now[0] == sweep_local.RENEWED + 1.0
    assert cluster.scaled == [(2, [1])]


def test_the_scheduler_listens_to_this_machine_and_its_certificate_only(tmp_path):
    with sweep_local._processes(1, dashboard=False) as cluster:
        assert cluster.scheduler_address.startswith("tls://127.0.0.1:")
        listening = [
            connection.laddr.ip
            for process in (psutil.Process(), *psutil.Process().children(recursive=True))
            for connection in process.net_connections(kind="inet")
            if connection.status == "LISTEN"
        ]
        assert len(listening) >= 2 and set(listening) == {"127.0.0.1"}
        stranger = "import sys; from distributed import Client; Client(sys.argv[1], timeout='2s'); print('REACHED')"
        done = subprocess.run(
            [sys.executable, "-c", stranger, cluster.scheduler_address], capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert "REACHED" not in done.stdout
