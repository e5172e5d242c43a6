"""Cluster files: what is asked of a queueing system."""

from pathlib import Path

import pytest

from ode_sgd.core.errors import StudyError
from ode_sgd.studies.sweeps.cluster_file import KINDS, ClusterSettings

SOUND = """[cluster]
kind = "slurm"
jobs = 20
memory = "4GB"
directives = ["--exclude=node7"]
"""
EXAMPLES = sorted((Path(__file__).parents[2] / "simulations" / "phase_diagram").glob("*.toml"))


def read(tmp_path, text):
    (tmp_path / "cluster.toml").write_text(text)
    return ClusterSettings.read(tmp_path / "cluster.toml")


def test_a_sound_file(tmp_path):
    settings = read(tmp_path, SOUND)
    assert (settings.kind, settings.jobs, settings.cores) == ("slurm", 20, 1)
    assert (settings.memory, settings.directives) == ("4GB", ("--exclude=node7",))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("jobs = 20", "job = 20", "job = 20: unknown key (did you mean 'jobs'?)"),
        ("jobs = 20", "jobs = 0", "jobs = 0 is too small"),
        ("jobs = 20\n", "", "jobs is missing"),
        ('"slurm"', '"slrum"', "did you mean 'slurm'?"),
        ('"4GB"', "4", "memory = 4 is not a text"),
        ('"4GB"', '"4XB"', 'memory = "4XB" is no size'),
        ('"4GB"', '"GB"', 'memory = "GB" is no size'),
        ('"4GB"', '"0GB"', 'memory = "0GB" is no size'),
        ('"4GB"', '"-4GB"', 'memory = "-4GB" is no size'),
        ('["--exclude=node7"]', '"--exclude=node7"', "is not a list of texts"),
        ('["--exclude=node7"]', "[7]", "is not a list of texts"),
        ("[cluster]", "[clutser]", "[cluster] is missing"),
        ("[cluster]", "[more]\n[cluster]", "a cluster file has one table"),
    ],
)
def test_faults(tmp_path, old, new, told):
    with pytest.raises(StudyError) as raised:
        read(tmp_path, SOUND.replace(old, new))
    assert any(told in fault for fault in raised.value.faults), raised.value.faults


@pytest.mark.parametrize("size", ["500MB", "4GiB", "4 gb", "1.5G", "64000000", "2Ti", " 8kB "])
def test_sizes_are_those_that_dask_takes(size):
    utils = pytest.importorskip("dask.utils")
    assert utils.parse_bytes(ClusterSettings(kind="slurm", jobs=1, memory=size).memory) > 0


def test_all_faults_at_once(tmp_path):
    with pytest.raises(StudyError) as raised:
        read(tmp_path, '[cluster]\nkind = "slrum"\njobs = -1\nqueu = "x"\nmemory = ""\n')
    assert len(raised.value.faults) == 4


def test_lsf_takes_hours_and_minutes(tmp_path):
    lsf = SOUND.replace("slurm", "lsf")
    assert read(tmp_path, lsf).walltime == "01:00"
    for given in ("90", "2:30", "04:00/fast"):
        assert read(tmp_path, lsf + f'walltime = "{given}"\n').walltime == given
    for given in ("04:00:00", "1-00:00", "4h"):
        with pytest.raises(StudyError, match='LSF takes hours:minutes; give one such as "04:00"'):
            read(tmp_path, lsf + f'walltime = "{given}"\n')
    assert read(tmp_path, SOUND).walltime == "01:00:00"


def test_sge_is_asked_for_one_core(tmp_path):
    sge = SOUND.replace("slurm", "sge")
    assert read(tmp_path, sge).cores == 1
    with pytest.raises(StudyError, match=r"cores = 4 with kind = 'sge': .*; give cores = 1, and more jobs"):
        read(tmp_path, sge + "cores = 4\n")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_makes_a_job_script(tmp_path, kind):
    """Of the queueing systems only SLURM is at hand: of the others at least the script."""
    dask_jobqueue = pytest.importorskip("dask_jobqueue")
    from ode_sgd.studies.sweeps.queueing import certificates, job_arguments

    settings = ClusterSettings(
        kind=kind, jobs=3, cores=1 if kind == "sge" else 2, memory="4GB", walltime="02:00", queue="long",
        account="physics", prologue=("module load python",), directives=("--one-more",), interface="lo",
    )  # fmt: skip
    classes = {"slurm": "SLURMJob", "pbs": "PBSJob", "sge": "SGEJob", "lsf": "LSFJob"}
    home = getattr(dask_jobqueue, kind)
    with certificates(tmp_path / "keys") as security:
        arguments = job_arguments(settings, security, tmp_path, dashboard=False)
        for name in ("scheduler_options", "silence_logs"):
            arguments.pop(name)
        job = getattr(home, classes[kind])(scheduler="tls://127.0.0.1:1", name="worker", **arguments)
        script = job.job_script()
    for part in ("long", "physics", "module load python", "--one-more", "tls://127.0.0.1:1", str(tmp_path / "keys")):
        assert part in script, script
    assert ("--requeue" in script) == (kind == "slurm")
    assert not (tmp_path / "keys").exists()
