"""A sweep in the jobs of every kind of queueing system that is not at hand, by stand-ins that run what they are given.

python -m tests.studies.schedulers [KIND ...]      (default pbs lsf htcondor oar; some seconds each)

SLURM and Grid Engine run sweeps in the tests, as real systems. Here a job of PBS begins in the home folder, and one of
PBS, OAR and HTCondor without the environment of the command.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ode_sgd
from ode_sgd.core.compile.cache_folder import cache_directory
from tests.studies.submit_stub import installed
from tests.studies.sweeps import FILE

RUNS = 20
PATIENCE = 180.0
OWN = {
    "pbs": 'queue = "long"\n',
    "lsf": 'queue = "long"\ndirectives = ["-m fast"]\n',
    "htcondor": 'disk = "2GB"\n',
    "oar": 'memory_property = "memcore"\n',
}


def cluster_text(kind: str) -> str:
    """A cluster file of one kind."""
    path = Path(ode_sgd.__file__).parents[1]
    common = 'jobs = 2\ncores = 2\nmemory = "4GB"\naccount = "physics"\ninterface = "lo"\n'
    return f'[cluster]\nkind = "{kind}"\n{common}prologue = ["export PYTHONPATH={path}"]\n{OWN[kind]}'


def swept(kind: str, folder: Path) -> tuple[int, int, float]:
    """Exit status, complete runs and seconds of a sweep of 20 runs."""
    (folder / "home").mkdir(parents=True)
    (folder / "scan.toml").write_text(
        f"{FILE.partition('[sweep]')[0]}[sweep]\nproblem.learning_rate = {{ linspace = [0.1, 0.5, {RUNS}] }}\n"
    )
    (folder / "cluster.toml").write_text(cluster_text(kind))
    environment = os.environ | {
        "PATH": f"{installed(folder / 'bin')}:{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "STUB_RUNS": str(folder / "jobs.txt"),
        "ODE_SGD_CACHE_DIR": str(cache_directory().parent),
    }
    command = [sys.executable, "-m", "ode_sgd", "sweep", "run", "scan.toml", "--cluster", "cluster.toml", "--quiet"]
    began = time.monotonic()
    done = subprocess.run(
        [*command, "--runs-per-file", "1"], cwd=folder, env=environment, timeout=PATIENCE, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
    return done.returncode, ode_sgd.sweep_status(folder / "scan.sweep").complete, time.monotonic() - began


def main(kinds: list[str]) -> int:
    """1 if a sweep is not complete."""
    failed = 0
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            status, complete, seconds = swept(kind, Path(folder) / kind)
        print(f"{kind}: exit status {status}, {complete} of {RUNS} runs complete, {seconds:.1f} s", flush=True)
        failed += (status, complete) != (0, RUNS)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(OWN)))
