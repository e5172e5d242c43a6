"""The jobs that queueing systems are asked for: a script of each kind, as it is and as a stand-in takes it."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ode_sgd.studies.sweeps.cluster_file import KINDS, ClusterSettings
from tests.studies.submit_stub import installed

pytest.importorskip("dask_jobqueue")

from distributed.security import Security

from ode_sgd.studies.sweeps import job_script  # brings dask, an extra

SCRIPTS = Path(__file__).parent / "job_scripts"
FOLDER = Path("/scratch/me/scan.sweep")
COMMON = {
    "jobs": 3, "cores": 2, "memory": "4GB", "walltime": "02:30:00", "queue": "long", "account": "physics",
    "interface": "lo", "prologue": ("module load python/3.12", 'export WHERE="a b"'), "python": "/venv/bin/python",
}  # fmt: skip
OWN = {
    "slurm": {"directives": ("--exclude=node7",)},
    "pbs": {},
    "torque": {"kind": "pbs", "resource_spec": "nodes=1:ppn=2,mem=4gb"},
    "sge": {"parallel_environment": "smp", "memory_resource": "h_vmem"},
    "lsf": {"directives": ("-m fast",)},
    "htcondor": {"queue": "", "disk": "2GB", "directives": ('+Project = "physics"',)},
    "oar": {"memory_property": "memcore"},
}


def settings_of(name, **changes):
    return ClusterSettings(**(COMMON | {"kind": name} | OWN[name] | changes))


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """What scripts take from the environment."""
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.setenv("ODE_SGD_CACHE_DIR", "/scratch/my cache")
    monkeypatch.setenv("LSF_ENVDIR", "/nowhere")
    for name in ("ODE_SGD_CPU", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", OWN)
def test_the_script_is_the_one_that_is_kept(name):
    """Cores, memory, walltime, account, queue, a restart, logs: each line was compared with the system's manual."""
    assert job_script.example_script(settings_of(name), FOLDER, "all") == (SCRIPTS / f"{name}.txt").read_text()


def test_every_kind_has_one():
    assert {settings_of(name).kind for name in OWN} == set(KINDS) == set(job_script.CLUSTERS) == set(job_script.OWN)


def submitted(settings, folder):
    """Submit one job as the driver does; its number."""
    arguments = job_script.job_arguments(settings, Security(), folder / "logs")
    job = job_script.job_class(settings)(scheduler="tls://127.0.0.1:1", name="worker", **arguments)
    asyncio.run(job.start())
    return job.job_id


@pytest.fixture
def stub(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(installed(tmp_path / "bin")), prepend=":")
    return tmp_path


@pytest.mark.parametrize("name", OWN)
def test_a_command_that_knows_its_directives_takes_the_job(name, stub, monkeypatch):
    if name == "sge":
        monkeypatch.setenv("STUB_GRID_ENGINE", "1")
    assert submitted(settings_of(name), stub).partition(".")[0] == "7"
    assert (stub / "logs").is_dir()


@pytest.mark.parametrize(
    ("name", "directive", "told"),
    [
        ("slurm", "--exclud=node7", "invalid option --exclud=node7"),
        ("pbs", "-W group_list=x", "invalid option -W"),
        ("lsf", "-nope", "invalid option -nope"),
        ("sge", "-pe smp two", "invalid value 'two' of option -pe"),
        ("oar", "-t idempotentt", "invalid value 'idempotentt' of option -t"),
        ("htcondor", "priorty = 3", "priorty = 3"),
    ],
)
def test_and_refuses_one_that_it_does_not_know(name, directive, told, stub, monkeypatch):
    if name == "sge":
        monkeypatch.setenv("STUB_GRID_ENGINE", "1")
    with pytest.raises(RuntimeError, match=re.escape(told)):
        submitted(settings_of(name, directives=(directive,)), stub)


@pytest.mark.parametrize(("cores", "memory", "share"), [(1, "2GiB", "2048M"), (2, "4GB", "1908M"), (3, "1GB", "318M")])
def test_each_slot_of_grid_engine_asks_for_its_share(cores, memory, share):
    """Rounded up, so that all shares hold the memory."""
    script = job_script.example_script(settings_of("sge", cores=cores, memory=memory), FOLDER, "all")
    assert f"#$ -l h_vmem={share}\n" in script and f"#$ -pe smp {cores}\n" in script


def test_grid_engine_is_asked_for_what_is_known_only():
    script = job_script.example_script(
        settings_of("sge", cores=1, parallel_environment="", memory_resource=""), FOLDER, "all"
    )
    assert "-pe" not in script.partition("module")[0] and "h_vmem" not in script


@pytest.mark.parametrize(
    ("unit", "set_to", "limit", "reserved"),
    [
        ("", None, "4000000", "4000"),
        ("", "MB", "4000", "4000"),
        ("gb", None, "4", "4"),
        ("kb", None, "4000000", "4000000"),
    ],
)
def test_memory_in_the_units_of_lsf(tmp_path, monkeypatch, unit, set_to, limit, reserved):
    """KB for the limit and MB for the reservation, where nothing is set."""
    monkeypatch.setenv("LSF_ENVDIR", str(tmp_path))
    (tmp_path / "lsf.conf").write_text(f"LSF_UNIT_FOR_LIMITS={set_to}\n" if set_to else "LSF_TOP=/opt\n")
    script = job_script.example_script(settings_of("lsf", memory_unit=unit), FOLDER, "all")
    assert f"#BSUB -M {limit}\n" in script and f'"rusage[mem={reserved}]"' in script


def test_kernels_of_the_driver_are_found_by_its_jobs(monkeypatch):
    """Grid Engine, PBS, OAR and HTCondor hand on nothing of the environment; the cluster file has the last word."""
    monkeypatch.setenv("ODE_SGD_CPU", "haswell")
    own = ("export ODE_SGD_CACHE_DIR=/elsewhere",)
    script = job_script.example_script(settings_of("sge", prologue=own), FOLDER, "all")
    lines = [line for line in script.splitlines() if line.startswith("export ODE_SGD")]
    assert lines == ["export ODE_SGD_CACHE_DIR='/scratch/my cache'", "export ODE_SGD_CPU=haswell", *own]


def test_an_example_makes_no_folder(tmp_path):
    job_script.example_script(settings_of("slurm"), tmp_path / "scan.sweep", "all")
    assert not list(tmp_path.iterdir())


def test_htcondor_reads_its_description(monkeypatch):
    """By its own library, whose later versions describe no job without a scheduler: `pip install "htcondor<24"`."""
    monkeypatch.setenv("CONDOR_CONFIG", "/dev/null")
    htcondor = pytest.importorskip(
        "htcondor", reason='HTCondor\'s library is not installed (pip install "htcondor<24")'
    )
    if not hasattr(htcondor.Submit, "jobs"):
        pytest.skip("this version of HTCondor's library describes no job")
    text = (SCRIPTS / "htcondor.txt").read_text()
    (job,) = htcondor.Submit(text).jobs(count=1, clusterid=1, procid=0, owner="me")
    assert [job.eval(f"Request{what}") for what in ("Cpus", "Memory", "Disk")] == [2, 3814, 1953125]  # MiB, KiB
    assert "TARGET.FileSystemDomain == MY.FileSystemDomain" in str(job["Requirements"])
    assert str(job["PeriodicRemove"]) == "JobStatus == 2 && time() - EnteredCurrentStatus > 9000"
    assert (job["AcctGroup"], job["Project"]) == ("physics", "physics")


def test_its_import_leaves_signals_alone():
    """In a process of its own: dask-jobqueue sets its handler at the first import."""
    code = (
        "import signal\nbefore = signal.getsignal(signal.SIGINT)\n"
        "import ode_sgd.studies.sweeps.job_script\nassert signal.getsignal(signal.SIGINT) is before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
