"""Cluster files: what is asked of a queueing system."""

from pathlib import Path

import pytest

from ode_sgd.core.errors import StudyError
from ode_sgd.studies.sweeps.cluster_file import ClusterSettings

SOUND = """[cluster]
kind = "slurm"
jobs = 20
memory = "4GB"
directives = ["--exclude=node7"]
"""
HEAD = '[cluster]\nkind = "{}"\njobs = 2\n'
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
        ('"4GB"', f'"{"9" * 400}GB"', 'GB" is no size'),
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


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("slrum", "slurm"),
        ("Torque", "pbs"),
        ("openpbs", "pbs"),
        ("gridengine", "sge"),
        ("grid engine", "sge"),
        ("Condor", "htcondor"),
        ("HT-Condor", "htcondor"),
        ("oarsub", "oar"),
        ("lfs", "lsf"),
        ("kubernetes", ""),
    ],
)
def test_another_kind_and_the_one_that_is_meant(tmp_path, given, meant):
    with pytest.raises(StudyError) as raised:
        read(tmp_path, HEAD.format(given))
    (fault,) = raised.value.faults
    assert f"kind = '{given}' does not exist; choose one of 'slurm', 'pbs', 'sge'" in fault
    assert fault.endswith(f"(did you mean {meant!r}?)" if meant else "'oar'")


def test_a_misspelt_kind_is_one_fault(tmp_path):
    """The other keys are judged by the one that is meant."""
    text = SOUND.replace("slurm", "gridengine") + 'cores = 2\nparallel_environment = "smp"\n'
    with pytest.raises(StudyError) as raised:
        read(tmp_path, text)
    assert len(raised.value.faults) == 1


def test_lsf_takes_hours_and_minutes(tmp_path):
    lsf = SOUND.replace("slurm", "lsf")
    assert read(tmp_path, lsf).walltime == "01:00"
    for given in ("90", "2:30", "04:00/fast"):
        assert read(tmp_path, lsf + f'walltime = "{given}"\n').walltime == given
    for given, told in {"04:00:00": "04:00", "00:00:30": "00:01", "100:59:59": "101:00", "1:05:00": "01:05"}.items():
        assert read(tmp_path, lsf + f'walltime = "{given}"\n').walltime == told  # never shorter
    for given in ("1-00:00", "4h", "01:60:00"):
        with pytest.raises(StudyError, match=f'walltime = "{given}": LSF takes hours:minutes'):
            read(tmp_path, lsf + f'walltime = "{given}"\n')
    assert read(tmp_path, SOUND).walltime == "01:00:00"


@pytest.mark.parametrize("given", ["02:00", "1-00:00:00", "4h"])
@pytest.mark.parametrize("kind", ["sge", "htcondor"])
def test_walltimes_that_these_do_not_know(tmp_path, kind, given):
    """Grid Engine 8.1.9 refuses all three: they are no time values."""
    with pytest.raises(StudyError, match="hours:minutes:seconds"):
        read(tmp_path, HEAD.format(kind) + f'walltime = "{given}"\n')


def test_grid_engine_also_takes_seconds(tmp_path):
    assert read(tmp_path, HEAD.format("sge") + 'walltime = "3600"\n').walltime == "3600"


def test_several_cores_of_grid_engine_come_from_an_environment(tmp_path):
    sge = HEAD.format("sge")
    assert read(tmp_path, sge).cores == 1
    with pytest.raises(
        StudyError, match=r"cores = 4 with kind = 'sge': .*; give parallel_environment = \"smp\""
    ) as raised:
        read(tmp_path, sge + "cores = 4\n")
    assert "or cores = 1" in raised.value.faults[0] and len(raised.value.faults) == 1
    assert read(tmp_path, sge + 'cores = 4\nparallel_environment = "mpi"\n').cores == 4  # in any order


@pytest.mark.parametrize(
    ("kind", "line", "told"),
    [
        ("slurm", 'parallel_environment = "smp"', "kind = 'slurm' has no use for it, only 'sge'; leave it out"),
        ("pbs", 'memory_resource = "h_vmem"', "kind = 'pbs' has no use for it, only 'sge'"),
        ("sge", 'resource_spec = "nodes=1"', "kind = 'sge' has no use for it, only 'pbs'"),
        ("htcondor", 'queue = "long"', "kind = 'htcondor' has no use for it, only others; leave it out"),
        ("oar", 'disk = "2GB"', "kind = 'oar' has no use for it, only 'htcondor'"),
        ("lsf", 'memory_property = "memcore"', "kind = 'lsf' has no use for it, only 'oar'"),
        ("lsf", 'memory_unit = "mib"', "memory_unit = 'mib' does not exist; choose one of '', 'kb', 'mb'"),
        ("htcondor", 'disk = "2XB"', 'disk = "2XB" is no size'),
        ("htcondor", 'directives = ["-x"]', "'-x' is no `key = value`, as HTCondor takes them"),
        ("htcondor", 'prologue = ["export A=$(hostname)"]', "in the place of $(name) before a shell sees it"),
        ("htcondor", 'prologue = ["export A=$ENV(HOME)"]', "in the place of $(name) before a shell sees it"),
        ("htcondor", 'prologue = ["module load x  # newest"]', "a comment would hide the rest"),
    ],
)
def test_what_a_kind_has_no_use_for(tmp_path, kind, line, told):
    with pytest.raises(StudyError) as raised:
        read(tmp_path, HEAD.format(kind) + line + "\n")
    assert len(raised.value.faults) == 1 and told in raised.value.faults[0]


def test_what_htcondor_leaves_to_the_shell(tmp_path):
    """Two words, a sum, a variable: none of them is a macro of its own."""
    lines = ["export A=$(echo node)", "export B=$((1 + 2))", "export C=${HOME}"]
    assert read(tmp_path, HEAD.format("htcondor") + f"prologue = {lines}\n").prologue == tuple(lines)


def test_empty_lines_are_none(tmp_path):
    """HTCondor joins the lines of the prologue with semicolons, of which sh takes no two."""
    assert read(tmp_path, HEAD.format("htcondor") + 'prologue = ["", "module load x", " "]\n').prologue == (
        "module load x",
    )
