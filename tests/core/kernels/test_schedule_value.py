"""Schedules in kernels against their values in Python."""

import numpy as np
import pytest

from ode_sgd.core.kernels.schedule_value import END, piece_at, schedule_slope, schedule_value
from ode_sgd.teacher_student.kernels.paces import COLUMNS, LEARNING_RATE
from ode_sgd.teacher_student.model.timetable import Timetable
from tests.core.test_schedule import ALL


@pytest.mark.parametrize("name", ALL)
def test_values_and_slopes(name):
    """Inside the pieces; the two differ by the rounding of exp, cos and powers."""
    table = Timetable({"learning_rate": ALL[name], "weight_decay": 0.0, "label_noise": 0.2})
    for alpha in (0.0, 0.3, 1.5, 2.0, 3.0, 4.5):
        piece = table.piece(alpha)
        assert schedule_value(piece, LEARNING_RATE, alpha) == pytest.approx(ALL[name](alpha), rel=1e-14, abs=1e-16)
        assert schedule_slope(piece, LEARNING_RATE, alpha) == pytest.approx(ALL[name].derivative(alpha), rel=1e-13)


def test_the_piece_that_holds_from_a_time_on():
    rows = np.zeros((3, COLUMNS))
    rows[:, END] = 1.0, 2.0, np.inf
    found = [piece_at(rows.ravel(), COLUMNS, alpha) // COLUMNS for alpha in (0.0, 0.9, 1.0, 1.5, 2.0, 99.0)]
    assert found == [0, 0, 1, 1, 2, 2]
    assert piece_at(np.zeros(0), COLUMNS, 1.0) == 0
