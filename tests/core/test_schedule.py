"""Schedules as values: what they are at alpha, what they are made of, and what is none."""

import copy
import pickle

import numpy as np
import pytest

from ode_sgd import InvalidProblem, Schedule
from ode_sgd.core.schedule import fixed, largest, quantity, value_at

POWER = Schedule.power(0.8, 1.5, 20.0)
COSINE = Schedule.cosine(0.9, 8.0, 0.1)
STABLE = Schedule.warmup_stable_decay(0.6, 1.0, 4.0, 8.0)
LINES = Schedule.piecewise([0, 2, 2, 5], [0.5, 0.1, 0.4, 0.0], log=False)
LOGS = Schedule.piecewise([0, 2, 2, 5], [0.5, 0.1, 0.4, 0.04])
ALL = {"power": POWER, "cosine": COSINE, "stable": STABLE, "lines": LINES, "logs": LOGS}


def test_values():
    """By hand, and exact at the ends of lines."""
    assert POWER(0.0) == 0.8
    assert POWER(60.0) == pytest.approx(0.1, rel=1e-15)
    assert COSINE([0.0, 4.0, 8.0]).tolist() == pytest.approx([0.9, 0.5, 0.1], rel=1e-15)
    assert STABLE([0.0, 0.5, 1.0, 3.0, 4.0, 6.0, 8.0]).tolist() == [0.0, 0.3, 0.6, 0.6, 0.6, 0.3, 0.0]
    assert LINES([0.0, 1.0, 2.0, 5.0]).tolist() == [0.5, 0.3, 0.4, 0.0]  # at the jump the later value
    assert LOGS([1.0, 3.5]).tolist() == pytest.approx([0.05**0.5, 0.4 * 10**-0.5], rel=1e-15)
    assert isinstance(POWER(1.0), float)
    assert LINES(1.9999) == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_derivatives(name):
    """By differences of second order inside the pieces: 1e-9 of them at this step."""
    schedule, alpha, h = ALL[name], np.array([0.4, 1.7, 2.6, 4.7]), 1e-4
    expected = (schedule(alpha + h) - schedule(alpha - h)) / (2.0 * h)
    np.testing.assert_allclose(schedule.derivative(alpha), expected, rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("name", ALL)
def test_stored_and_back(name):
    schedule = ALL[name]
    assert Schedule.of_stored("learning_rate", schedule.stored) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == copy.deepcopy(schedule) == schedule
    assert hash(copy.copy(schedule)) == hash(schedule)
    assert schedule != POWER or name == "power"


def test_the_largest_value_and_where_it_ends():
    assert [one.largest for one in ALL.values()] == [0.8, 0.9, 0.6, 0.5, 0.5]
    assert [one.end for one in ALL.values()] == [np.inf, 8.0, 8.0, 5.0, 5.0]
    assert (largest(0.3), value_at(0.3, 5.0), value_at(STABLE, 0.5), fixed(0.3)) == (0.3, 0.3, 0.3, 0.3)
    with pytest.raises(InvalidProblem, match="fixed quantities only"):
        fixed(STABLE)


def test_numbers_and_tables_in_place_of_one():
    assert quantity("learning_rate", Schedule.constant(0.3)) == 0.3
    assert quantity("learning_rate", {"power": {"initial": 0.8, "exponent": 1.5, "time": 20}}) == POWER
    assert str(POWER) == f"{POWER:g}" == "power(initial=0.8, exponent=1.5, time=20)"
    assert repr(LINES) == "Schedule.piecewise(alpha=[0, 2, 2, 5], values=[0.5, 0.1, 0.4, 0], log=false)"
    assert str(Schedule.piecewise(range(9), np.ones(9))) == "piecewise(9 values up to alpha = 8)"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Schedule.piecewise([0, 1, 3], [0.1, -0.2, 0.1], log=False),
            "piecewise is -0.2 at alpha = 1; give 0, or",
        ),
        (
            lambda: Schedule.piecewise([0, 1, 3], [0.1, 0.2, 0.0]),
            r"piecewise is 0 at alpha = 3; .* \(with log = False also 0",
        ),
        (lambda: Schedule.piecewise([0, 1, 3], [0.1, np.inf, 0.1]), "piecewise is inf at alpha = 1; give finite"),
        (lambda: Schedule.piecewise([0, 1, 3], [0.1, 1e60, 0.1]), r"piecewise is 1e\+60 at alpha = 1; give a number"),
        (lambda: Schedule.piecewise([0, 3, 1], [0.1, 0.1, 0.1]), r"alpha\[2\] = 1 follows 3"),
        (lambda: Schedule.piecewise([1, 3], [0.1, 0.1]), "alpha starts at 1; the first must be 0"),
        (lambda: Schedule.piecewise([0, 1, 1, 1, 2], np.ones(5)), "alpha = 1 is there too often"),
        (lambda: Schedule.piecewise([0, 0, 1], np.ones(3)), "alpha = 0 is there too often"),
        (lambda: Schedule.piecewise([0, 1], [0.1]), "2 alpha but 1 values"),
        (lambda: Schedule.cosine(0.5, 8.0, -0.5 / 3.0 * 3.0), "becomes negative at alpha = 4,"),
        (lambda: Schedule.cosine(0.4, 8.0, -0.1), r"becomes negative at alpha = 5\.63\d*, since final = -0\.1"),
        (lambda: Schedule.power(0.0, 1.0, 1.0), "initial = 0"),
        (lambda: Schedule.power(0.5, 1.0, 0.0), "time = 0"),
        (lambda: Schedule.warmup_stable_decay(0.5, 3.0, 2.0, 8.0), "are not in order"),
        (lambda: Schedule(form="powr", arguments={}), "did you mean 'power'"),
        (lambda: Schedule(form="power", arguments={"initial": 1}), "power lacks exponent, time"),
        (lambda: Schedule(form="power", arguments={"inital": 1}), "did you mean 'initial'"),
        (lambda: Schedule.of_stored("learning_rate", {"powr": {}}), "learning_rate.powr is no schedule .did you mean"),
        (lambda: Schedule.of_stored("learning_rate", {"power": 3}), "learning_rate.power = 3 is not a table"),
        (lambda: Schedule.of_stored("learning_rate", {}), "learning_rate = {} is no schedule; give a number, or one"),
        (
            lambda: Schedule.of_stored("label_noise", {"power": {}, "powr": {}}),
            "label_noise has the tables power, powr;",
        ),
        (lambda: quantity("learning_rate", Schedule.piecewise([0, 1], [0, 0], False)), "is 0 at all times"),
        (lambda: quantity("learning_rate", Schedule.constant(0.0)), "learning_rate = 0"),
        (lambda: POWER(-1.0), "no value at alpha = -1"),
        (lambda: STABLE([1.0, 9.0]), "no value at alpha = 9; give 0 <= alpha <= 8"),
    ],
)
def test_what_is_none(make, said):
    with pytest.raises(InvalidProblem, match=said):
        make()


def test_a_run_beyond_the_end_is_refused():
    STABLE.require_reaches("learning_rate", 8.0)
    with pytest.raises(InvalidProblem, match=r"learning_rate = warmup.* ends at alpha = 8, but the run goes to 8\.5"):
        STABLE.require_reaches("learning_rate", 8.5)
    growing = Schedule.power(1.0, -10.0, 1.0)
    growing.require_reaches("label_noise", 9.0e4)
    with pytest.raises(InvalidProblem, match=r"label_noise .* exceeds 1e\+50 from alpha = 99999 on"):
        growing.require_reaches("label_noise", 1e6)
