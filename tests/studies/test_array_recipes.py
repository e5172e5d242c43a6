"""Job arrays as docs/howto/sweeps.md and simulations/ write them: taken by a strict command, and run."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.studies.submit_stub import installed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "howto" / "sweeps.md").read_text().partition("## On a cluster, as a job array")[2]
BLOCKS = re.findall(r"^```(?:bash|text)\n(.*?)^```", PAGE.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
SYSTEMS = {  # what a directive begins with: command, its options, the variable of an element, the first element
    "#SBATCH": ("sbatch", [], "SLURM_ARRAY_TASK_ID", 0),
    "#$ ": ("qsub", [], "SGE_TASK_ID", 1),
    "#PBS": ("qsub", [], "PBS_ARRAY_INDEX", 0),
    "#BSUB": ("bsub", [], "LSB_JOBINDEX", 1),
    "#OAR": ("oarsub", ["-S"], "OAR_ARRAY_INDEX", 1),
    "queue": ("condor_submit", [], "", 0),
}


def block(mark):
    (found,) = [text for text in BLOCKS if re.search(rf"^{re.escape(mark)}", text, re.MULTILINE)]
    return found


SCRIPTS = {mark: block(mark) for mark in SYSTEMS} | {
    f"{mark} {name}": (ROOT / "simulations" / "phase_diagram" / name).read_text()
    for mark, name in (("#SBATCH", "array.sh"), ("#$ ", "array_sge.sh"))
}


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Commands that submit jobs, and an `ode-sgd` that says which part it was asked for."""
    monkeypatch.chdir(tmp_path)
    folder = installed(tmp_path / "bin")
    (folder / "ode-sgd").write_text('#!/bin/sh\necho "$@"\n')
    (folder / "ode-sgd").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return tmp_path


def of(name):
    return next(values for mark, values in SYSTEMS.items() if name.startswith(mark))


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_system_takes_it(name, commands, monkeypatch):
    command, options, _, _ = of(name)
    if name.startswith("#$"):
        monkeypatch.setenv("STUB_GRID_ENGINE", "1")
    (commands / "array.sh").write_text(SCRIPTS[name])
    done = subprocess.run([command, *options, "array.sh"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "queue"])
def test_all_elements_are_all_parts(name, commands):
    """The first and the last one; the number of parts does not depend on how many elements are submitted."""
    _, _, variable, first = of(name)
    (commands / "array.sh").write_text(SCRIPTS[name])
    count = int(re.search(r'--shard "[^"]*/(\d+)"', SCRIPTS[name])[1])
    directives = "\n".join(re.findall(r"^#(?:SBATCH|\$|PBS|BSUB|OAR) .*", SCRIPTS[name], re.MULTILINE))
    ends = re.search(r"(?:--array[= ]|-t |-J )(?:scan\[)?(\d+)(?:-(\d+))?", directives)
    assert int(ends[2] or ends[1]) - int(ends[1] if ends[2] else 1) + 1 == count
    for element, part in ((first, 0), (first + count - 1, count - 1)):
        environment = os.environ | {variable: str(element), "PBS_O_WORKDIR": str(commands), "USER": "me"}
        done = subprocess.run(["bash", "array.sh"], env=environment, capture_output=True, text=True, check=True)
        assert f"--shard {part}/{count}" in done.stdout


def test_elements_of_condor_are_parts():
    text = SCRIPTS["queue"]
    assert re.search(r"\$\(Process\)/(\d+)", text)[1] == re.search(r"^queue (\d+)", text, re.MULTILINE)[1]


def test_the_folder_of_the_logs_is_made_before():
    """Of all scripts: SLURM fails a job whose folder is not there, and leaves no trace."""
    assert "mkdir -p logs" in next(text for text in BLOCKS if "sbatch array.sh" in text)
    for name, text in SCRIPTS.items():
        assert "logs/" in text and "TASK_COUNT" not in text, name
        assert "simulations" not in text or "mkdir -p logs; " in text, name
