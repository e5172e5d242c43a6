"""A simulation that was stopped, and one that was killed, end with the numbers of an undisturbed one."""

import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

import ode_sgd
from ode_sgd.core import replica_threads as running
from tests.teacher_student.cases import assert_same_run

SPECTRUM = ode_sgd.Spectrum([2.0, 0.5], [0.3, 0.7])
PROBLEM = ode_sgd.Problem(spectrum=SPECTRUM, student_units=2, teacher_units=2, learning_rate=0.4, label_noise=0.1)
START = ode_sgd.OrderParameters.random(PROBLEM, 100, 0.3, seed=1)
TIMES = np.linspace(0.0, 200.0, 21)
METHODS = ("reduced", "explicit", "explicit-float32", "explicit-pcg64", "sampled")


def data():
    return np.random.default_rng(0).standard_normal((300, 20)) * np.geomspace(1.0, 0.2, 20)


def run(method="explicit", start=START, **changes):
    options = {"dimension": 100, "replicas": 5, "seed": 3, "method": method, "threads": 2}
    problem = PROBLEM
    if method == "sampled":
        problem = ode_sgd.Problem(
            spectrum=ode_sgd.Spectrum.from_data(data()), student_units=2, teacher_units=2, learning_rate=0.4
        )
        start = ode_sgd.OrderParameters.random(problem, 20, 0.3, seed=1)
        options |= {"dimension": None, "method": "auto", "inputs": data()}
    return ode_sgd.simulate(problem, start, TIMES, **(options | changes))


class StopAfter:
    """An event that sets itself after so many looks at it."""

    def __init__(self, looks):
        self.looks = looks

    def is_set(self):
        self.looks -= 1
        return self.looks < 0

    def set(self):
        self.looks = 0


def own_start(seed):
    return ode_sgd.OrderParameters.random(PROBLEM, 100, 0.3, seed=seed)


@pytest.mark.parametrize("start", [START, own_start], ids=["common start", "own starts"])
@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_equals_an_undisturbed_one(tmp_path, monkeypatch, method, start):
    whole = run(method, start, sectors=True)
    checkpoint = ode_sgd.Checkpoint(tmp_path / "run.checkpoint")
    for looks, threads in ((3, 1), (12, 2), (4, 3)):
        with monkeypatch.context() as patched:
            patched.setattr(running, "Event", lambda looks=looks: StopAfter(looks))
            run(method, start, sectors=True, threads=threads, checkpoint=checkpoint)
    resumed = run(method, start, sectors=True, checkpoint=checkpoint)
    assert resumed.status == "complete" and resumed.method == method
    assert 0.0 < resumed.stats["steps_before"] < resumed.stats["steps"]
    assert_same_run(whole, resumed, rtol=0.0)
    np.testing.assert_array_equal(whole.sectors.q, resumed.sectors.q)
    again = run(method, start, sectors=True, checkpoint=checkpoint)  # nothing is left to do
    assert again.stats["steps_before"] == again.stats["steps"]
    assert_same_run(whole, again, rtol=0.0)


@pytest.mark.parametrize("method", ["reduced", "explicit"])
def test_groups_of_any_size_and_lanes_give_the_same_numbers(method):
    whole = run(method, replicas=40, threads=1)
    for changes in ({"threads": 2}, {"replicas": 7}, {"replicas": 1}):
        part = run(method, **({"replicas": 40} | changes))
        np.testing.assert_array_equal(part.Q, whole.Q[: part.replicas])
        np.testing.assert_array_equal(part.generalization_error, whole.generalization_error[: part.replicas])


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    checkpoint = ode_sgd.Checkpoint(tmp_path / "run.checkpoint")
    run(checkpoint=checkpoint)
    for changes, named in (
        ({"seed": 4}, "seed"),
        ({"replicas": 6}, "replicas"),
        ({"sectors": True}, "sectors"),
        ({"method": "reduced"}, "method"),
        ({"start": own_start}, "start, starts"),
    ):
        with pytest.raises(ode_sgd.InvalidProblem, match=f"run.checkpoint is of another run: its {named} differ"):
            run(checkpoint=checkpoint, **changes)


def test_another_start_function_is_noticed(tmp_path):
    checkpoint = ode_sgd.Checkpoint(tmp_path / "run.checkpoint")
    run(start=own_start, checkpoint=checkpoint)
    with pytest.raises(ode_sgd.InvalidProblem, match="its start differ"):
        run(start=lambda seed: ode_sgd.OrderParameters.random(PROBLEM, 100, 0.3, 3.0, seed), checkpoint=checkpoint)


def test_a_checkpoint_of_another_version_is_refused(tmp_path, monkeypatch):
    checkpoint = ode_sgd.Checkpoint(tmp_path / "run.checkpoint")
    run(checkpoint=checkpoint)
    monkeypatch.setattr("ode_sgd.teacher_student.simulation.simulate.CHECKPOINT_VERSION", 3)
    with pytest.raises(ode_sgd.InvalidProblem, match="its checkpoint version differ"):
        run(checkpoint=checkpoint)


def test_a_disk_that_fills_up_does_not_end_the_run(tmp_path, monkeypatch):
    checkpoint = ode_sgd.Checkpoint(tmp_path / "run.checkpoint")

    def full(state):
        raise ode_sgd.StorageError("cannot write run.checkpoint: No space left on device")

    monkeypatch.setattr(checkpoint, "write", full)
    with pytest.warns(UserWarning, match="No space left"):
        result = run(checkpoint=checkpoint)
    assert_same_run(result, run(), rtol=0.0)


def test_an_error_in_one_replica_keeps_the_others(tmp_path):
    checkpoint = ode_sgd.Checkpoint(tmp_path / "run.checkpoint")

    def fails_later(seed, calls=[]):  # noqa: B006
        calls.append(seed)
        return own_start(seed) if len(calls) < 4 else None

    with pytest.raises(ode_sgd.InvalidStart, match="returned a NoneType"):
        run(start=fails_later, checkpoint=checkpoint, threads=1)
    whole, resumed = run(start=own_start), run(start=own_start, checkpoint=checkpoint)
    assert resumed.stats["steps_before"] > 0
    assert_same_run(whole, resumed, rtol=0.0)


CHILD = """
import sys
from tests.teacher_student.simulation import test_checkpoints as this
import ode_sgd
from ode_sgd.core import replica_threads
replica_threads.CHECKPOINT_SECONDS = 0.01

class Speaking(ode_sgd.Checkpoint):
    said = False
    def write(self, state):
        super().write(state)
        if not self.said:
            self.said = True
            print("written", flush=True)

this.long_run(sys.argv[2], checkpoint=Speaking(sys.argv[1]))
"""


def long_run(method, **changes):
    times = np.linspace(0.0, {"reduced": 20_000.0, "explicit": 5_000.0}[method], 21)
    return ode_sgd.simulate(
        PROBLEM, START, times, dimension=100, replicas=6, seed=3, method=method, threads=2, **changes
    )


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
@pytest.mark.parametrize("method", ["reduced", "explicit"])
def test_kills_at_random_moments(tmp_path, method, record_property):
    """Four kills each, at random moments after the first checkpoint: every file can be read, no number changes.

    `make signals` has a hundred.
    """
    whole, path = long_run(method), tmp_path / "run.checkpoint"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    total, progress = whole.stats["steps"] / whole.replicas, []
    for moment in np.random.default_rng(0).uniform(0.0, 0.15, 4):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), method], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert child.stdout.readline() == "written\n"
        time.sleep(moment)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        state = ode_sgd.Checkpoint(path).read()
        progress.append(max(int(state[name]) for name in state if name.endswith("_done")) / total)
    record_property("measured", f"{method}: done at the kills: " + ", ".join(f"{part:.2f}" for part in progress))
    assert sum(0.0 < part < 1.0 for part in progress) >= 3  # most of them in the middle of the run
    assert progress == sorted(progress)  # nothing is lost from one to the next
    resumed = long_run(method, checkpoint=ode_sgd.Checkpoint(path))
    assert resumed.stats["steps_before"] > 0
    assert_same_run(whole, resumed, rtol=0.0)


@pytest.mark.skipif(os.name != "posix", reason="sends itself a signal")
def test_sigterm_leaves_a_checkpoint(tmp_path):
    checkpoint, before = ode_sgd.Checkpoint(tmp_path / "run.checkpoint"), signal.getsignal(signal.SIGTERM)

    def terminate(fraction):
        os.kill(os.getpid(), signal.SIGTERM)

    stopped = long_run("explicit", checkpoint=checkpoint, progress=terminate)
    assert stopped.status == "interrupted"
    assert signal.getsignal(signal.SIGTERM) is before
    resumed = long_run("explicit", checkpoint=checkpoint)
    assert resumed.stats["steps_before"] > 0
    assert_same_run(long_run("explicit"), resumed, rtol=0.0)


def test_damaged_checkpoints(tmp_path):
    path = tmp_path / "run.checkpoint"
    run(checkpoint=ode_sgd.Checkpoint(path))
    whole = path.read_bytes()
    for damaged in (b"", b"no checkpoint", whole[: len(whole) // 2], whole[:-10]):
        path.write_bytes(damaged)
        with pytest.raises(ode_sgd.StorageError, match="damaged or no checkpoint"):
            run(checkpoint=ode_sgd.Checkpoint(path))
    with pytest.raises(ode_sgd.StorageError, match="does not exist"):
        ode_sgd.Checkpoint(tmp_path / "nowhere" / "run.checkpoint")


def test_it_is_written_every_minute_and_at_the_end(tmp_path, monkeypatch):
    written = []

    class Recorder:
        def read(self):
            return None

        def write(self, state):
            written.append(state)

    run(checkpoint=Recorder())
    assert len(written) == 1  # far less than a minute
    monkeypatch.setattr(running, "CHECKPOINT_SECONDS", 0.0)
    with warnings.catch_warnings():
        run(checkpoint=Recorder(), replicas=40)
    assert len(written) >= 2
