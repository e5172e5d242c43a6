"""Who wrote a file: versions, source revision, host and time."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np

import ode_sgd

GIT_SECONDS = 5.0


def attributes() -> dict[str, str]:
    """created (UTC), host, versions (JSON) and, in a source checkout, git_revision."""
    result = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "versions": json.dumps(_versions()),
    }
    revision = git_revision(Path(ode_sgd.__file__).resolve().parent.parent)
    return result | ({"git_revision": revision} if revision else {})


@cache
def _versions() -> dict[str, str]:
    return {
        "ode_sgd": ode_sgd.__version__,
        "numpy": np.__version__,
        "numba": version("numba"),
        "h5py": h5py.__version__,
        "hdf5": h5py.version.hdf5_version,
        "python": platform.python_version(),
    }


@cache
def git_revision(checkout: Path) -> str:
    """Commit of a checkout, with "-dirty" where tracked files differ from it; "" where it is none or git is absent.

    Once per process: the code that computes was imported once, too.
    """
    # A package installed inside some other project's repository must not report that project's commit.
    if not (checkout / ".git").exists():
        return ""
    # GIT_DIR and its kin, set inside git hooks, would point elsewhere; without locks a concurrent git is not disturbed.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            env=clean | {"GIT_OPTIONAL_LOCKS": "0"},
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
