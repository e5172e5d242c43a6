"""All schedules of a problem in one table."""

import numpy as np
import pytest

from ode_sgd import InvalidProblem, Problem, Schedule, Spectrum
from ode_sgd.teacher_student.kernels import paces
from ode_sgd.teacher_student.model.timetable import Timetable

RATE = Schedule.warmup_stable_decay(0.6, 1.0, 4.0, 8.0)
NOISE = Schedule.piecewise([0, 3, 3, 9], [0.5, 0.5, 0.1, 0.1])
SECOND = Schedule.power(0.3, 0.5, 10.0)
BOTH = Timetable(
    {"learning_rate": RATE, "weight_decay": 0.2, "label_noise": NOISE, "second_layer_rate": SECOND},
)


def test_pieces_end_where_any_of_them_does():
    assert BOTH.breaks(20.0) == [1.0, 3.0, 4.0, 8.0, 9.0]
    assert BOTH.breaks(3.5) == [1.0, 3.0]
    assert [alpha for alpha in (1.0, 3.0, 4.0, 8.0) if BOTH.jumps_at(alpha)] == [3.0]
    assert [BOTH.value(name, 2.0) for name in BOTH.quantities] == [0.6, 0.2, 0.5, SECOND(2.0)]


def test_paces_and_their_slopes():
    """Slopes by differences inside a piece, good to 1e-8."""
    values, above, below, slopes = np.empty((4, paces.PACES))
    for alpha in (0.4, 2.0, 3.2, 6.0):
        piece, h, sigma = BOTH.piece(alpha), 1e-5, NOISE(alpha)
        paces.set_paces(piece, alpha, values)
        eta = RATE(alpha)
        np.testing.assert_allclose(values, [eta, eta**2, 0.2 * eta, sigma**2, SECOND(alpha)], rtol=1e-14)
        for shift, into in ((h, above), (-h, below)):
            paces.set_paces(piece, alpha + shift, into)
        paces.set_pace_slopes(piece, alpha, slopes)
        np.testing.assert_allclose(slopes, (above - below) / (2.0 * h), rtol=1e-7, atol=1e-9)


def test_numbers_alone_need_no_table():
    empty = Timetable({"learning_rate": 0.3, "weight_decay": 0.0, "label_noise": 0.0})
    assert not empty and not empty.table.size and not empty.breaks(9.0)
    assert BOTH and BOTH.table.size


def test_a_problem_of_constant_schedules_is_that_of_numbers():
    given = {"spectrum": Spectrum.isotropic(), "student_units": 2, "teacher_units": 2}
    numbers = Problem(**given, learning_rate=0.3, label_noise=0.1, weight_decay=0.2)
    constant = Schedule.constant
    same = Problem(**given, learning_rate=constant(0.3), label_noise=constant(0.1), weight_decay=constant(0.2))
    assert same == numbers and same.identity == numbers.identity and not same.timetable


def test_who_goes_too_far_is_named():
    with pytest.raises(InvalidProblem, match=r"learning_rate = warmup_stable_decay.* ends at alpha = 8"):
        BOTH.require_reaches(8.5)
    BOTH.require_reaches(8.0)
