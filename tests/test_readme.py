"""README's examples run and print what README says; and so do the tutorial's that are complete in themselves."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
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
    assert "find" in code  # `findings`: the plateau, and theory's beside it
    assert len(examples()) >= 3


def test_readme_says_things_in_this_order():
    """What it is in three sentences; a figure; two commands; ten lines; what is exact; what is not covered."""
    before, *sections = re.split(r"^## (.*)$", README, flags=re.MULTILINE)
    title, what, figure = before.strip().split("\n\n")
    assert title == "# ode_sgd" and len(re.findall(r"\.(?:\s|$)", what)) == 3
    assert (
        re.fullmatch(r"!\[[^\]]+\]\(simulations/\w+/\w+\.png\)", figure) and (ROOT / figure.split("(")[1][:-1]).exists()
    )
    parts = dict(zip(sections[::2], sections[1::2], strict=True))
    assert list(parts)[:4] == [
        "Two commands",
        "Ten lines that show a plateau",
        "What is exact, and what is not",
        "Not covered",
    ]
    commands = re.findall(r"^\S.*?(?=\s+#|$)", re.search(r"```sh\n(.*?)```", parts["Two commands"], re.S)[1], re.M)
    assert commands == ["make demo", "make test"]
    assert "plateau" in re.search(BLOCKS, parts["Ten lines that show a plateau"], re.S)[2]
    exact, limits = parts["What is exact, and what is not"].split("**Not exact, and how far off**")
    assert "**Exact**" in exact and limits.count("](simulations/") >= 4  # measured, and where


def test_what_is_not_covered_is_a_list_of_single_things():
    """So that an item can go when it is covered."""
    section = README.partition("## Not covered")[2].partition("\n## ")[0]
    items = re.findall(r"^- (.*(?:\n  .*)*)", section, re.MULTILINE)
    assert len(items) >= 10 and all(item.endswith(".") for item in items)
