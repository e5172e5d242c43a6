"""Queueing systems that take no jobs: the command says so, and does not wait."""

import asyncio

import pytest

from ode_sgd.cli.main import main
from tests.studies.sweeps import FILE

pytest.importorskip("dask_jobqueue")

CLUSTER = """[cluster]
kind = "slurm"
jobs = 2
interface = "lo"
"""


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """Runs the sweep with these changes of the cluster file, where sbatch refuses everything."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scan.toml").write_text(FILE)
    (tmp_path / "bin").mkdir()
    submit = tmp_path / "bin" / "sbatch"
    submit.write_text("#!/bin/sh\necho 'invalid partition specified: fast' >&2\nexit 1\n")
    submit.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")

    def run(*changes, more=()):
        text = CLUSTER
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "cluster.toml").write_text(text)
        return main(
            ["sweep", "run", "scan.toml", "--cluster", "cluster.toml", "--quiet", "--runs-per-file", "9", *more]
        )

    return run


def test_a_system_that_refuses_the_first_job(sweep, capfd, tmp_path):
    """The folder, which was named relative to this one, has its whole name: jobs of PBS begin in the home folder."""
    assert sweep() == 2
    error = capfd.readouterr().err
    assert f"waiting for the first job of slurm; jobs write into {tmp_path}/scan.sweep/logs\n" in error
    assert "refuses the job" in error and "invalid partition specified: fast" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("[cluster]", '[cluster]\nmemory = "4 bananas"'), 'memory = "4 bananas" is no size'),
        (('"lo"', '"nope0"'), "interface: 'nope0' is not a valid network interface"),
        (('"lo"', '"ib0"\ndriver_interface = "nope0"'), "driver_interface: 'nope0' is not a valid network interface"),
    ],
)
def test_what_the_cluster_file_asks_for_does_not_exist(sweep, capfd, tmp_path, change, told, dry):
    assert sweep(change, more=dry) == 2
    assert told in capfd.readouterr().err
    assert not (tmp_path / "scan.sweep").exists()


def test_a_dry_run_of_a_sound_cluster_file(sweep, capfd, tmp_path):
    """It prints the script of a job as it would be submitted, and makes nothing."""
    assert sweep(('"lo"', '"lo"\nmemory = "3GB"'), more=["--dry-run", "--shard", "0/2"]) == 0
    output = capfd.readouterr().out
    assert "it would submit at most 2 jobs at one time with sbatch, of this kind:\n\n#!/usr/bin/env bash\n" in output
    assert "\n#SBATCH --mem=3G\n" in output
    assert f" --tls-key {tmp_path}/scan.sweep/certificates-shard-0-of-2/key.pem" in output
    assert not (tmp_path / "scan.sweep").exists()
    assert sweep(('"lo"', '"ib0"\ndriver_interface = "lo"'), more=["--dry-run"]) == 0


class Job:
    """The second and third submission fail."""

    submitted = 0

    def __init__(self, name):
        self.name = name

    async def start(self):
        Job.submitted += 1
        if Job.submitted in (2, 3):
            raise RuntimeError("slurmctld is busy")


def test_another_job_in_place_of_one_that_was_refused_later(monkeypatch):
    from ode_sgd.studies.sweeps import queueing

    now = [0.0]
    monkeypatch.setattr(queueing.time, "monotonic", lambda: now[0])
    submissions = queueing._Submissions()
    kind = submissions.recorded(Job)
    cluster = type("Cluster", (), {"worker_spec": {"a": {}, "b": {}, "c": {}}})
    for name in cluster.worker_spec:
        asyncio.run(kind(name).start())
    submissions.look(cluster)
    assert set(cluster.worker_spec) == {"a", "b", "c"}
    now[0] = queueing.RENEWED + 1.0
    submissions.look(cluster)
    assert set(cluster.worker_spec) == {"a"}


def test_no_command_to_submit_with(sweep, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert sweep() == 2
    assert "needs the command sbatch" in capfd.readouterr().err
    assert not (tmp_path / "scan.sweep").exists()
