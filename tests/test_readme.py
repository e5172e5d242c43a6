"""README's examples run and print what README says; and so do the tutorial's that are complete in themselves."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = r"```python\n((?:(?!```).)*)```\n\n```text\n((?:(?!```).)*)```"  # a block of code, and of text right below it
NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"


def examples():
    """Code and printed text, page by page."""
    pages = (ROOT / "README.md", ROOT / "docs" / "tutorial.md")
    found = [(page.name, *block) for page in pages for block in re.findall(BLOCKS, page.read_text(), re.DOTALL)]
    return [pytest.param(code, text, id=f"{name}-{number}") for number, (name, code, text) in enumerate(found)]


def same(printed, shown):
    """Word for word; numbers to the digits that another processor may round otherwise."""
    assert re.split(NUMBER, printed) == re.split(NUMBER, shown)
    for one, other in zip(re.findall(NUMBER, printed), re.findall(NUMBER, shown), strict=True):
        assert float(one) == pytest.approx(float(other), rel=0.02, abs=1e-12), (one, other)


@pytest.mark.parametrize(("code", "text"), examples())
def test_examples_print_what_the_page_says(tmp_path, code, text):
    assert code.count("import ode_sgd") == 1 or "np, ode_sgd" in code
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    same(run.stdout, text)


def test_the_ten_lines_are_ten():
    code = re.findall(BLOCKS, (ROOT / "README.md").read_text(), re.DOTALL)[0][0]
    assert len(code.strip().splitlines()) <= 10
    assert len(examples()) >= 4
