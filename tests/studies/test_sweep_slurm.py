"""Sweeps on a real SLURM, which the test starts and stops: through dask, and as a job array without it."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ode_sgd
from tests.studies.slurm import Slurm, reason_to_skip
from tests.studies.sweeps import FILE

pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip() or "-")

RUNS = 48
# A tenth of a second each: the sweep is under way while jobs are cancelled and strangers knock.
GRID = """[simulation]
dimension = 1800
method = "explicit"
points = 3
[sweep]
problem.learning_rate = { linspace = [0.1, 0.5, 12] }
replicas = 4
"""
CLUSTER = """[cluster]
kind = "slurm"
jobs = 2
queue = "short"
memory = "1GB"
walltime = "00:05:00"
interface = "lo"
"""
ARRAY = """#!/bin/bash
#SBATCH --ntasks=1 --mem=500M --output={folder}/array.%a.out
exec {python} -m ode_sgd sweep run {file} -o {output} --shard "$SLURM_ARRAY_TASK_ID/4" --runs-per-file 1
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with Slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "scan.toml"
    path.write_text(FILE.partition("[sweep]")[0].replace("distinct = 2", "distinct = 4") + GRID)
    return path


def published(folder):
    return len(list(Path(folder).glob("runs/*/*.h5")))


def waited(condition, seconds=60.0):
    """The first true answer within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError("it does not come")


def running(slurm):
    return [job for job, state in slurm.jobs().items() if state == "RUNNING"]


def collected(folder):
    path = ode_sgd.collect_sweep(folder).path
    import h5py

    with h5py.File(path) as held:
        return held["status"][...], held["generalization_error"][...]


STRANGER = """
import sys
from distributed import Client
from distributed.security import Security
own = {"tls_ca_file": "certificate", "tls_client_cert": "certificate", "tls_client_key": "key"}
given = {name: f"{sys.argv[2]}/{file}.pem" for name, file in own.items()}
made = {"none": lambda: None, "other": Security.temporary}.get(sys.argv[2], lambda: Security(**given))
client = Client(sys.argv[1], security=made(), timeout="3s")
print("REACHED", client.submit(abs, -1).result(timeout=5))
"""


def reached(address, certificates):
    """For whom of several clients the scheduler at an address works (each in a process of its own: they log much)."""
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", STRANGER, address, one], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for one in certificates
    ]
    return ["REACHED 1" in client.communicate(timeout=60)[0].decode() for client in clients]


def test_through_dask_with_a_cancelled_job(slurm, file, tmp_path):
    (tmp_path / "slurm.toml").write_text(CLUSTER)
    folder = tmp_path / "out"
    command = [sys.executable, "-m", "ode_sgd", "sweep", "run", str(file), "-o", str(folder), "--quiet"]
    command += ["--cluster", str(tmp_path / "slurm.toml"), "--runs-per-file", "1"]
    driver = subprocess.Popen(command, env=slurm.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        waited(lambda: published(folder) >= 1)
        assert published(folder) < RUNS
        assert (folder / "certificates-all").stat().st_mode & 0o777 == 0o700
        job = waited(lambda: running(slurm))[0]
        script = slurm.call("scontrol", "write", "batch_script", job, "-")
        slurm.call("scancel", job)
        address = re.search(r"tls://[\d.]+:\d+", script)[0]
        own = str(folder / "certificates-all")
        assert reached(address, ["none", "other", own]) == [False, False, True]
        assert driver.poll() is None
        output, error = driver.communicate(timeout=90)
    finally:
        if driver.poll() is None:
            driver.kill()
        driver.wait(timeout=30)
    assert driver.returncode == 0, error
    assert f"{RUNS} of {RUNS} runs complete" in output
    assert not (folder / "certificates-all").exists()
    waited(lambda: not slurm.jobs())
    status, errors = collected(folder)
    assert (status == 0).all() and (errors > 0.0).all()


def test_as_a_job_array_with_a_cancelled_element(slurm, file, tmp_path):
    folder = tmp_path / "out"
    script = tmp_path / "array.sh"
    script.write_text(ARRAY.format(folder=tmp_path, python=sys.executable, file=file, output=folder))
    answer = slurm.call("sbatch", "--array=0-3", str(script))
    array = answer.split()[-1]
    waited(lambda: published(folder) >= 1)
    slurm.call("scancel", f"{array}_1")
    waited(lambda: not slurm.jobs())
    status = ode_sgd.sweep_status(folder)
    assert status.failed == 0
    assert (status.runs, published(folder)) == (RUNS, status.complete)
    slurm.call("sbatch", "--array=1", str(script))  # the element again: it does what is left of its part
    waited(lambda: not slurm.jobs())
    assert ode_sgd.sweep_status(folder).complete == RUNS
    status, errors = collected(folder)
    assert (status == 0).all() and (errors > 0.0).all()
