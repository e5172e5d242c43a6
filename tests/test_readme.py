"""README's example runs as printed."""

import re
import subprocess
import sys
from pathlib import Path


def test_the_ten_lines_run(tmp_path):
    text = (Path(__file__).parents[1] / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(code.strip().splitlines()) <= 10
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "ODE and SGD agree" in run.stdout
    assert (tmp_path / "run.h5").exists()
