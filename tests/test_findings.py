"""The folder findings/: scripts that need a network, and are not run here. What can be seen of them without is."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "findings").glob("*.sh"))
PAGE = (ROOT / "docs" / "findings.md").read_text()


def test_the_page_lists_every_finding():
    assert sorted(re.findall(r"^\| `(\w+\.sh)` \|", PAGE, re.MULTILINE)) == [script.name for script in SCRIPTS]
    assert {path.name for path in (ROOT / "findings").iterdir()} - {path.name for path in SCRIPTS} == {"README.md"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_finding_says_what_it_is_and_cleans_up(script):
    """Version and what was seen, pinned packages, a folder of its own that goes away, and nothing of this package."""
    text = script.read_text()
    header = text.partition("set -euo pipefail")[0]
    assert os.access(script, os.X_OK) and text.startswith("#!/usr/bin/env bash\n# ")
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert re.search(r"\d\.\d", header.splitlines()[1]) and "# Seen with" in header
    assert "folder=$(mktemp -d)" in text and re.search(r"^trap .* EXIT$", text, re.MULTILINE)
    for line in re.findall(r"(?:pip\"? install|npm install|apt-get download) ((?:[^\\\n]|\\\n)*)", text):
        words = [
            word.strip("\"'") for word in line.replace("\\\n", " ").split() if not word.startswith(("-", "2>", "/"))
        ]
        assert words and all(re.search(r"[=@]\S", word) for word in words), words
    assert "ode_sgd" not in text and "ode-sgd" not in text
