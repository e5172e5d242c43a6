"""What tests of sweeps share."""

import pytest

from ode_sgd.studies.sweeps import task
from ode_sgd.studies.sweeps.sweep import Sweep
from tests.studies.sweeps import AXES, tables


@pytest.fixture
def sweep():
    """Nine short runs over two axes."""
    return Sweep(tables(), AXES)


@pytest.fixture
def no_pauses(monkeypatch):
    """What failed is tried again at once."""
    monkeypatch.setattr(task, "PAUSE", 0.0)
