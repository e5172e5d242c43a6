"""No flipped bit gives other numbers, a traceback or a crash; `python -m tests.storage.flips` flips many more."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from . import flips

FLIPS = 30  # in each kind of file
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flips")
    flips.write_all(folder)
    return folder


@pytest.fixture
def children(monkeypatch):
    """Child processes find the package and these tests."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))


@pytest.mark.usefixtures("children")
def test_a_flipped_bit_is_refused_or_does_no_harm(root):
    chosen = flips.chosen(root, FLIPS, np.random.default_rng(1))
    for kind, outcomes in flips.counted(chosen, flips.outcomes(root, chosen)).items():
        assert set(outcomes) <= set(flips.RIGHT), kind
        assert outcomes["refused"] > FLIPS // 2, kind


def test_a_child_that_dies_is_counted(root, monkeypatch):
    """Otherwise a crash would pass for nothing."""
    lives = iter([subprocess.CompletedProcess([], -11, "same\n"), subprocess.CompletedProcess([], 0, "refused\n")])
    monkeypatch.setattr(flips.subprocess, "run", lambda *_, **__: next(lives))
    assert flips.outcomes(root, [("run", 0, 0), ("run", 1, 0), ("run", 2, 0)]) == ["same", "crash (-11)", "refused"]
