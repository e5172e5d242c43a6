"""What continuous integration runs, with stand-ins for the commands of the system."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "run"


@pytest.mark.parametrize(
    ("environment", "called"),
    [({}, ["make test"]), ({"CI": "true"}, ["timeout 60 apt-get update", "timeout 180 apt-get install", "make test"])],
)
def test_packages_are_installed_where_ci_is_set_only(tmp_path, environment, called):
    (tmp_path / ".ci").mkdir()
    shutil.copy(SCRIPT, tmp_path / ".ci" / "run")
    stubs = tmp_path / "bin"
    stubs.mkdir()
    for name in ("bash", "dirname"):
        (stubs / name).symlink_to(shutil.which(name))
    for name, text in {
        "id": "echo 0",
        "apt-get": f'echo "apt-get $1" >> {tmp_path}/called',
        "timeout": f'echo "timeout $1 $2 $3" >> {tmp_path}/called',
        "make": f'echo "make $1" >> {tmp_path}/called',
    }.items():
        (stubs / name).write_text(f"#!{stubs}/bash\n{text}\n")
        (stubs / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    command = [str(stubs / "bash"), str(tmp_path / ".ci" / "run")]
    subprocess.run(command, env=kept | {"PATH": str(stubs)} | environment, check=True, timeout=30)
    assert (tmp_path / "called").read_text().splitlines() == called
