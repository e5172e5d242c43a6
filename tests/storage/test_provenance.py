"""Where a file came from."""

import json
import subprocess
from datetime import UTC, datetime

import numpy as np
import pytest

import ode_sgd
from ode_sgd.storage import provenance


@pytest.fixture(autouse=True)
def fresh():
    provenance.git_revision.cache_clear()
    yield
    provenance.git_revision.cache_clear()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with one commit, and what git says that commit is."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")

    def git(*words):
        names = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(
            ["git", "-C", str(tmp_path), *names, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    try:
        git("init", "-q")
    except FileNotFoundError:
        pytest.skip("no git here")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-q", "-m", "one")
    git("tag", "v1")
    return tmp_path, git("rev-parse", "HEAD")


def test_versions_host_and_time():
    found = provenance.attributes()
    versions = json.loads(found["versions"])
    assert set(versions) == {"ode_sgd", "numpy", "numba", "h5py", "hdf5", "python"}
    assert versions["ode_sgd"] == ode_sgd.__version__
    assert versions["numpy"] == np.__version__
    age = datetime.now(UTC) - datetime.fromisoformat(found["created"])
    assert abs(age.total_seconds()) < 60
    assert isinstance(found["host"], str)


def test_the_commit(checkout):
    folder, commit = checkout
    assert len(commit) == 40
    assert provenance.git_revision(folder) == commit


def test_a_changed_checkout_says_so(checkout):
    folder, commit = checkout
    (folder / "file").write_text("two")
    assert provenance.git_revision(folder) == f"{commit}-dirty"


def test_a_git_hook_does_not_redirect(checkout, monkeypatch):
    folder, commit = checkout
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert provenance.git_revision(folder) == commit


def test_a_package_inside_another_repository(checkout):
    """.venv/lib/.../site-packages lies in the user's repository; its commit is not ours."""
    inside = checkout[0] / "site-packages"
    inside.mkdir()
    assert provenance.git_revision(inside) == ""


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 5)])
def test_without_git(checkout, monkeypatch, error):
    def absent(*_, **__):
        raise error

    monkeypatch.setattr(subprocess, "run", absent)
    assert provenance.git_revision(checkout[0]) == ""


def test_no_revision_no_attribute(monkeypatch):
    monkeypatch.setattr(provenance, "git_revision", lambda checkout: "")
    assert "git_revision" not in provenance.attributes()
