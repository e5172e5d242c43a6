"""What README and the pages show is run: Python from the top of a page to its end, `ode-sgd` as far as its arguments.

The Python blocks of a page share their names, in an empty folder. A block that only illustrates stands below a comment
`<!-- not run: why -->`; one below `<!-- file: NAME -->` is put into a file of that name first. A block of text right
below a block of Python is what that prints.
"""

import argparse
import contextlib
import io
import re
import shlex
import warnings
from pathlib import Path

import pytest

from ode_sgd.cli.main import _parser, main
from ode_sgd.studies.sweeps.cluster_file import ClusterSettings
from tests.test_readme import same

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("simulations/**/*.md")])
BLOCK = re.compile(
    r"(<!-- not run: [^>]+ -->\n\n?)?^```(\w+)\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL
)
SHELLS = ("sh", "bash", "console", "dockerfile")
FEWEST_PYTHON, FEWEST_SHELL, MOST_NOT_RUN = 25, 20, 3


def blocks(page, languages):
    """Line, code, printed text ("" if none is shown) of the blocks that are run."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        if found[2] in languages and not found[1]:
            yield text[: found.start()].count("\n") + 2, found[3], found[4] or ""


def write_files(page):
    """Put the blocks that are files into the working folder."""
    for name, text in re.findall(r"<!-- file: (\S+) -->\n\n?```\w+\n(.*?)^```", page.read_text(), re.M | re.S):
        Path(name).write_text(text)


def named(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if list(blocks(page, ("python",)))], ids=named)
def test_python_runs_and_prints_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(page)
    names = {"__name__": "page"}
    for line, code, text in blocks(page, ("python",)):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile("\n" * (line - 1) + code, named(page), "exec"), names)
        if text:
            same(printed.getvalue(), text)


def test_the_tasks_are_nine_and_their_clusters_are_known(tmp_path):
    """Cluster files are read as the command line reads them: what a page shows is what somebody saves."""
    text = (ROOT / "docs" / "howto" / "tasks.md").read_text()
    listed = re.findall(r"^\| \[[^]]+\]\(#([^)]+)\) \|", text, re.M)
    headings = [
        re.sub(r"[^\w -]", "", found).lower().replace(" ", "-") for found in re.findall(r"^## (.+)$", text, re.M)
    ]
    assert len(listed) == 9 and listed == headings
    files = [found for found in re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S) if "walltime" in found]
    kinds = []
    for number, found in enumerate(files):
        (path := tmp_path / f"{number}.toml").write_text(found)
        kinds.append(ClusterSettings.read(path).kind)
    assert kinds == ["slurm", "sge"]


def test_the_tutorials_commands_print_what_it_says(tmp_path, monkeypatch, capsys):
    page = ROOT / "docs" / "tutorial.md"
    monkeypatch.chdir(tmp_path)
    write_files(page)
    for _, text, _ in blocks(page, ("console",)):
        command, *shown = text.splitlines()
        main(shlex.split(command.removeprefix("$ ode-sgd ")))
        printed = "".join(capsys.readouterr()).splitlines()
        for line in shown:
            if line != "..." and not re.search(r"\d s$", line):  # how long it took
                assert any(alike(one, line) for one in printed), (line, printed)


def alike(printed, shown):
    """Whether two lines are the same but for last digits."""
    try:
        same(printed, shown)
    except AssertionError:
        return False
    return True


def commands(text):
    """The command lines of ode-sgd in a block for a shell, without what the shell does with them."""
    lines = text.replace("\\\n", " ").splitlines()
    asked = [line for line in lines if line.startswith("$ ")] or lines  # a console's other lines are answers
    for line in (line for line in asked if "ode-sgd" in line):
        words = shlex.split(line.removeprefix("$ "), comments=True)
        for start in [place for place, word in enumerate(words) if word == "ode-sgd"]:
            rest = words[start + 1 :]
            end = next((place for place, word in enumerate(rest) if word in ("&&", "|", ";", ">", "2>&1")), len(rest))
            yield rest[:end]


def shell_lines():
    found = [
        (page, line, words) for page in PAGES for line, code, _ in blocks(page, SHELLS) for words in commands(code)
    ]
    return [pytest.param(words, id=f"{named(page)}:{line}: {' '.join(words)}") for page, line, words in found]


@pytest.mark.parametrize("words", shell_lines())
def test_commands_parse(words):
    try:
        _parser().parse_args(words)
    except SystemExit as end:
        assert end.code == 0, words  # --help and --version


def test_nearly_everything_is_run():
    python = [block for page in PAGES for block in blocks(page, ("python",))]
    assert len(python) >= FEWEST_PYTHON
    assert len(shell_lines()) >= FEWEST_SHELL
    assert sum(page.read_text().count("<!-- not run:") for page in PAGES) <= MOST_NOT_RUN


def test_a_wrong_block_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# T\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n<!-- not run: no -->\n\n```python\n1 / 0\n```\n"
    )
    assert list(blocks(page, ("python",))) == [(4, "print(1)\n", "1\n")]
    assert list(commands("$ ode-sgd run a.toml && ode-sgd show a.h5 # both")) == [["run", "a.toml"], ["show", "a.h5"]]
    with pytest.raises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        _parser().parse_args(["sweep", "rum", "a.toml"])
    assert isinstance(_parser(), argparse.ArgumentParser)
