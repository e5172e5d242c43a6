"""The pages, built once, and a Chromium."""

import fcntl
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.browser import launched
from tests.docs.pages import served

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built pages; one for all processes of a test run."""
    if any(find_spec(name) is None for name in ("mkdocs", "material", "mkdocstrings", "math_core")):
        pytest.skip("needs the extra docs: pip install -e '.[docs]'")
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    base = tmp_path_factory.getbasetemp()
    folder = base.parent / f"pages-{run}" if run else base / "pages"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built").exists():
            build(folder / "site")
            (folder / "built").touch()
    return folder / "site"


def build(target):
    """Build the pages as `make docs` does, but for the tutorial, which other tests run; a warning is an error."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(target)],
        cwd=ROOT,
        env=os.environ | {"PAGES_WITHOUT_TUTORIAL": "1", "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def address(site):
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")  # while it is there, its event loop counts as running for all other tests
def chromium(tmp_path_factory):
    """A browser on a system that has no font for mathematics."""
    config = tmp_path_factory.mktemp("fonts") / "fonts.conf"
    config.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        '<include ignore_missing="yes">/etc/fonts/fonts.conf</include><selectfont><rejectfont>'
        "<glob>*Math*</glob><glob>*math*</glob><glob>*STIX*</glob><glob>*stix*</glob></rejectfont></selectfont></fontconfig>"
    )
    with launched(FONTCONFIG_FILE=str(config)) as browser:
        yield browser
