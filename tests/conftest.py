"""What all tests share: measured numbers are printed at the end of the run.

A test that measures something a reader wants to see (a pooled z-score, a plateau height) calls
`record_property("measured", "text")`.
"""

from pathlib import Path

import pytest

from ode_sgd.cli.main import main
from tests.cli.command_line import STUDY

pytest_plugins = ["tests.pairs"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("study.toml").write_text(STUDY)
    return tmp_path


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """The file of one run."""
    folder = tmp_path_factory.mktemp("stored")
    (folder / "study.toml").write_text(STUDY)
    assert main(["run", str(folder / "study.toml"), "-o", str(folder / "out.h5"), "--quiet"]) == 0
    return folder / "out.h5"


def pytest_terminal_summary(terminalreporter):
    """List the measured numbers of all tests, whichever worker ran them."""
    lines = [
        f"{report.nodeid.rsplit('/', 1)[-1]}: {text}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, text in getattr(report, "user_properties", [])
        if name == "measured" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("measured")
        for line in sorted(lines):
            terminalreporter.write_line(line)
