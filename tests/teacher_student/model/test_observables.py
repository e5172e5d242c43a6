"""Names of overlaps in runs and files."""

import pytest

from ode_sgd.teacher_student.model import observables as named


@pytest.mark.parametrize("name", ["alpha", "eigenvalue", "Q_0", "R_12", "T_1", "sector_q", "final_t"])
def test_our_names(name):
    assert named.entry(name) is not None
    assert set(named.entry(name)[0]) <= set(named.DIMENSIONS)


@pytest.mark.parametrize("name", ["Q", "Q_", "Q_-1", "Q_1x", "S_1", "notes", "replica"])
def test_other_names(name):
    assert named.entry(name) is None


def test_the_order_is_in_the_text():
    assert named.entry("R_12")[1].endswith("order 12")
