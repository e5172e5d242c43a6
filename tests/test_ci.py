"""What continuous integration runs, with stand-ins for the commands of the system."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "run"


UPDATE, INSTALL = "timeout 60 apt-get update", "timeout 180 apt-get install -y --no-install-recommends"
SLURM, GRID_ENGINE = "slurmctld slurmd slurm-client munge", "gridengine-master gridengine-exec gridengine-client"
ALL = [f"{INSTALL} {packages}" for packages in (SLURM, GRID_ENGINE, "chromium")]


@pytest.mark.parametrize(
    ("environment", "there", "called"),
    [
        ({}, [], ["make test"]),
        ({"CI": "true"}, [], [UPDATE, *ALL, "make test"]),
        ({"CI": "true"}, ["slurmctld"], [UPDATE, *ALL[1:], "make test"]),
        ({"CI": "true"}, ["slurmctld", "sge_qmaster"], [UPDATE, ALL[2], "make test"]),
        ({"CI": "true"}, ["chromium"], [UPDATE, *ALL[:2], "make test"]),
        ({"CI": "true"}, ["slurmctld", "sge_qmaster", "chromium"], ["make test"]),
    ],
)
def test_packages_are_installed_where_ci_is_set_only(tmp_path, environment, there, called):
    (tmp_path / ".ci").mkdir()
    shutil.copy(SCRIPT, tmp_path / ".ci" / "run")
    stubs = tmp_path / "bin"
    stubs.mkdir()
    for name in ("bash", "dirname"):
        (stubs / name).symlink_to(shutil.which(name))
    for name, text in {
        "id": "echo 0",
        "apt-get": f'echo "apt-get $1" >> {tmp_path}/called',
        "timeout": f'echo "timeout $*" >> {tmp_path}/called',
        "make": f'echo "make $1" >> {tmp_path}/called',
        **dict.fromkeys(there, ""),
    }.items():
        (stubs / name).write_text(f"#!{stubs}/bash\n{text}\n")
        (stubs / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    command = [str(stubs / "bash"), str(tmp_path / ".ci" / "run")]
    subprocess.run(command, env=kept | {"PATH": str(stubs)} | environment, check=True, timeout=30)
    assert (tmp_path / "called").read_text().splitlines() == called
