"""A sweep on a real Grid Engine, which the test starts and stops: through dask, and as a job array without it."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ode_sgd
from ode_sgd.core.compile.cache_folder import cache_directory
from tests.studies.gridengine import GridEngine, reason_to_skip
from tests.studies.sweeps import FILE

pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip() or "-")

RUNS = 20
CACHE = "ODE_SGD_CACHE_DIR"
GRID = f"""[sweep]
problem.learning_rate = {{ linspace = [0.1, 0.5, {RUNS}] }}
"""
CLUSTER = """[cluster]
kind = "sge"
jobs = 2
cores = 2
memory = "4GiB"
parallel_environment = "smp"
memory_resource = "h_vmem"
walltime = "00:05:00"
queue = "all.q"
interface = "lo"
prologue = ["export PYTHONPATH={path}"]
"""
# The script of docs/howto/sweeps.md, with this process's package, cache and folders.
ARRAY = """#!/bin/bash
#$ -S /bin/bash -N scan -t 1-4 -l h_rt=00:05:00 -l h_vmem=2G -cwd -r y -j y -o logs/
export PYTHONPATH={path} ODE_SGD_CACHE_DIR={cache}
exec {python} -m ode_sgd sweep run scan.toml -o array.sweep --shard "$((SGE_TASK_ID - 1))/4" --runs-per-file 1 --quiet
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with GridEngine(tmp_path_factory.mktemp("gridengine")) as running:
        yield running


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE, str(cache_directory().parent))
    (tmp_path / "scan.toml").write_text(FILE.partition("[sweep]")[0] + GRID)
    return tmp_path


def waited(condition, seconds=90.0):
    """The first true answer within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError("it does not come")


def package():
    return str(Path(ode_sgd.__file__).parents[1])


def test_jobs_of_two_cores(engine, place, record_property):
    """Each shows its two slots, and the memory of each slot."""
    (place / "sge.toml").write_text(CLUSTER.format(path=package()))
    command = [sys.executable, "-m", "ode_sgd", "sweep", "run", "scan.toml", "--quiet", "--runs-per-file", "1"]
    driver = subprocess.Popen(
        [*command, "--cluster", "sge.toml"], env=os.environ | engine.environment | {CACHE: os.environ[CACHE]},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        job, *_ = next(iter(waited(engine.jobs))).split()
        told = engine.call("qstat", "-j", job)
        output, error = driver.communicate(timeout=120)
    finally:
        if driver.poll() is None:
            driver.kill()
        driver.wait(timeout=30)
    assert driver.returncode == 0, error
    assert f"{RUNS} of {RUNS} runs complete" in output
    shown = dict(re.findall(r"^([a-z_ ]+):\s+(.*)$", told, re.MULTILINE))
    assert shown["parallel environment"] == "smp range: 2"
    assert shown["hard resource_list"] == "h_rt=300,h_vmem=2048M"
    assert (shown["restart"], shown["hard_queue_list"]) == ("y", "all.q")
    assert list((place / "scan.sweep" / "logs").glob("ode-sgd.*"))
    record_property("measured", f"Grid Engine: {shown['parallel environment']}, {shown['hard resource_list']}")
    waited(lambda: not engine.jobs())


def test_as_a_job_array(engine, place):
    """Elements count from 1, and one that is submitted again does what is left of its part."""
    text = ARRAY.format(path=package(), cache=os.environ[CACHE], python=sys.executable)
    (place / "array.sh").write_text(text)
    (place / "logs").mkdir()
    for elements, complete in (("2-4", 15), ("1", 20)):
        assert "has been submitted" in engine.call("qsub", "-t", elements, "array.sh")
        waited(lambda: not engine.jobs())
        assert ode_sgd.sweep_status("array.sweep").complete == complete
    assert sorted(path.name[:6] for path in (place / "logs").iterdir()) == ["scan.o"] * 4


def test_outside_of_an_array(engine, place):
    """SGE_TASK_ID is the word undefined there, of which a shell's arithmetic makes 0."""
    text = ARRAY.format(path=package(), cache=os.environ[CACHE], python=sys.executable)
    (place / "single.sh").write_text(text.replace(" -t 1-4", ""))
    (place / "logs").mkdir()
    assert "has been submitted" in engine.call("qsub", "single.sh")
    waited(lambda: not engine.jobs())
    (log,) = (place / "logs").iterdir()
    assert "-1/4 is outside its range: parts of 4 count from 0 to 3; outside of a job array" in log.read_text()
    assert not (place / "array.sweep").exists()
