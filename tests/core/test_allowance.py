"""What a process may use: read from folders as Linux has them, and followed wherever threads are started."""

import json
import os
import threading

import numpy as np
import pytest

import ode_sgd
from ode_sgd.cli import main as cli
from ode_sgd.core import allowance
from ode_sgd.studies.sweeps import run as sweep_run
from ode_sgd.studies.sweeps.cluster_file import ClusterSettings
from ode_sgd.teacher_student.integration import integrate_batch

NONE_V1 = 2**63 - 4096  # what version 1 of control groups writes where there is no limit of memory


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in allowance.VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def four_processors(monkeypatch):
    if not hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "cpu_count", lambda: 4)
    else:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 4, 5})


@pytest.fixture
def tree(tmp_path):
    """A function that writes /proc/self/cgroup and files below /sys/fs/cgroup; their places."""

    def write(own, files):
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cgroup" / name).write_text(text)
        return tmp_path / "cgroup", tmp_path / "own"

    return write


HALF_V2 = "0::/slice/job\n", {"slice/job/cpu.max": "50000 100000\n"}
CPU = {
    "version 2": (*HALF_V2, 0.5),
    "version 2, no limit": ("0::/slice/job\n", {"slice/job/cpu.max": "max 100000\n"}, None),
    "the group around it is tighter": (
        "0::/a/b/c\n",
        {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000", "a/b/c/cpu.max": "300000 100000"},
        1.5,
    ),
    "version 1": (
        "5:memory:/job\n4:cpu,cpuacct:/job\n",
        {"cpu,cpuacct/job/cpu.cfs_quota_us": "250000", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"},
        2.5,
    ),
    "version 1, by a link, nested": (
        "4:cpuacct,cpu:/a/b\n0::/\n",
        {
            **{"cpu/a/cpu.cfs_quota_us": "100000", "cpu/a/cpu.cfs_period_us": "100000"},
            **{"cpu/a/b/cpu.cfs_quota_us": "-1", "cpu/a/b/cpu.cfs_period_us": "100000"},
        },
        1.0,
    ),
    "both versions": ("1:name=systemd:/a\n0::/a\n", {"unified/a/cpu.max": "75000 100000"}, 0.75),
    "a container that sees its own group as the root": (
        "3:cpu:/docker/0123\n",
        {"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"},
        0.5,
    ),
    "a group outside what is seen": ("0::/../../other\n", {"cpu.max": "50000 100000"}, 0.5),
    "a path with a colon": ("0::/a:b\n", {"a:b/cpu.max": "50000 100000"}, 0.5),
    "another controller": ("3:cpuset:/job\n", {"cpuset/job/cpu.max": "50000 100000"}, None),
    "nonsense": ("nonsense\n\n0::/a\n", {"a/cpu.max": "many 100000"}, None),
}


@pytest.mark.parametrize("name", CPU)
def test_quotas_of_processor_time(tree, name):
    own, files, quota = CPU[name]
    assert allowance.processor_limits(*tree(own, files)).get("cgroup") == quota


def test_no_control_groups_at_all(tmp_path):
    assert "cgroup" not in allowance.processor_limits(tmp_path, tmp_path / "none")
    assert "cgroup" not in allowance.memory_limits(tmp_path, tmp_path / "none")
    assert allowance.threads(tmp_path, tmp_path / "none") >= 1


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("0::/a/b\n", {"a/memory.max": f"{2**20}", "a/b/memory.max": "max"}, 2**20),
        ("5:memory:/a/b\n", {"memory/a/memory.limit_in_bytes": f"{NONE_V1}"}, None),
        (
            "5:memory:/a/b\n",
            {"memory/a/memory.limit_in_bytes": f"{2**21}", "memory/a/b/memory.limit_in_bytes": f"{2**22}"},
            2**21,
        ),
    ],
)
def test_limits_of_memory(tree, own, files, limit):
    places = tree(own, files)
    assert allowance.memory_limits(*places).get("cgroup") == limit
    assert allowance.memory(*places) == limit or limit is None


@pytest.mark.parametrize(
    ("quota", "environment", "threads"),
    [
        ("max 100000", {}, 4),
        ("50000 100000", {}, 1),
        ("250000 100000", {}, 3),
        ("250000 100000", {"SLURM_CPUS_PER_TASK": "2"}, 2),
        ("max 100000", {"SLURM_CPUS_PER_TASK": "1"}, 1),
        ("max 100000", {"SLURM_CPUS_PER_TASK": "3", "NUMBA_NUM_THREADS": "2"}, 2),
        ("max 100000", {"SLURM_CPUS_PER_TASK": "64", "NUMBA_NUM_THREADS": "9" * 5000}, 4),
        ("max 100000", {"SLURM_CPUS_PER_TASK": "0", "NUMBA_NUM_THREADS": "all"}, 4),
        ("1 100000", {}, 1),
    ],
)
def test_the_least_of_all_limits(tree, four_processors, monkeypatch, quota, environment, threads):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert allowance.threads(*tree("0::/\n", {"cpu.max": quota})) == threads


class TestFollowed:
    """Half a processor: one thread everywhere, and `info` says why."""

    @pytest.fixture(autouse=True)
    def half(self, tree, four_processors, monkeypatch):
        own, files = HALF_V2
        places = tree(own, files | {"slice/job/memory.max": f"{2**30}"})
        for name in ("threads", "memory", "processor_limits", "memory_limits"):
            monkeypatch.setattr(getattr(allowance, name), "__defaults__", places)

    def test_info(self, capsys):
        assert cli.main(["info", "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts["threads"] == 1
        assert facts["processors"][-1] == "cgroup 0.5"
        assert facts["memory"][-1] == "cgroup 1 GiB"
        assert cli.main(["info"]) == 0
        assert "cgroup 0.5\n" in capsys.readouterr().out

    def test_simulate(self):
        problem = ode_sgd.Problem(
            spectrum=ode_sgd.Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.5
        )
        start = ode_sgd.OrderParameters.random(problem, 1000, seed=1)
        seen = set()

        def most(**options):
            seen.clear()
            ode_sgd.simulate(
                problem, start, 2.0, dimension=1000, replicas=4, seed=0, method="explicit",
                progress=lambda _: seen.add(threading.active_count()), **options,
            )  # fmt: skip
            return max(seen)

        assert most() == most(threads=1)
        with pytest.raises(
            ode_sgd.InvalidProblem, match=r"1 threads needs 8.94 GiB of the 1 GiB that this process may use"
        ):
            ode_sgd.simulate(problem, start, 1e-6, dimension=200_000_000, replicas=4, seed=0, method="explicit")

    def test_integrate_batch(self, monkeypatch):
        problem = ode_sgd.Problem(
            spectrum=ode_sgd.Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.5
        )
        start = ode_sgd.OrderParameters.typical(problem, 0.1)
        workers = []
        monkeypatch.setattr(integrate_batch, "_on_threads", lambda *given: workers.append(given[2]))
        ode_sgd.integrate_batch([problem] * 20, [start] * 20, np.array([0.0, 1.0]))
        assert workers == [1]

    def test_processes_of_a_sweep(self):
        assert sweep_run._jobs(0, None) == 1
        assert sweep_run._jobs(1, None) == 1
        with pytest.warns(UserWarning, match=r"jobs = 2, but 1 can run at one time here \(.* 4, cgroup 0.5\)"):
            assert sweep_run._jobs(2, None) == 2
        with pytest.raises(ode_sgd.StudyError, match="give one"):
            sweep_run._jobs(0, ClusterSettings(kind="slurm", jobs=1))
