"""What all tests share: measured numbers are printed at the end of the run.

A test that measures something a reader wants to see (a pooled z-score, a plateau height) calls
`record_property("measured", "text")`.
"""

from pathlib import Path

import pytest

from ode_sgd.cli.main import main
from tests.cli.command_line import STUDY

pytest_plugins = ["tests.pairs"]


# Files that take longest, the longest first: with `--dist loadfile` a process takes the next file that is left, and one
# that took the longest last would work alone at the end. Where a file is missing here, nothing but time is lost.
LONGEST = (
    "studies/test_sweep_slurm.py",
    "studies/test_sweep_cluster.py",
    "teacher_student/simulation/test_checkpoints.py",
    "studies/test_warm.py",
    "studies/test_own_activation.py",
    "studies/test_signals.py",
    "studies/test_sweep_columns.py",
    "teacher_student/integration/test_tail_mpmath.py",
    "teacher_student/test_compiling.py",
    "core/compile/test_machine_code.py",
    "test_documentation.py",
    "teacher_student/test_mixtures.py",
    "explorer/test_page.py",
    "teacher_student/test_own_activation.py",
    "docs/test_browser.py",
    "studies/test_sweep_collect.py",
    "scaling_laws/test_study_models.py",
    "langevin/test_langevin.py",
    "studies/test_sweep_gridengine.py",
    "storage/test_readers.py",
)


def pytest_collection_modifyitems(items):
    """Put the longest files first; files and tests keep their order otherwise."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    root = Path(__file__).parent
    items.sort(key=lambda item: rank.get(item.path.relative_to(root).as_posix(), len(rank)))


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
