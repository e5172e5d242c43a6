"""Only the newest wish counts."""

import threading

import pytest

from ode_sgd.core.compile import ending
from ode_sgd.explorer import latest as module
from ode_sgd.explorer.latest import Latest

PATIENCE = 20.0  # seconds until a test gives up


class Found:
    """What was delivered, and a way to wait for it."""

    def __init__(self):
        self.values, self.came = [], threading.Condition()

    def __call__(self, value):
        with self.came:
            self.values.append(value)
            self.came.notify_all()

    def wait(self, count):
        with self.came:
            assert self.came.wait_for(lambda: len(self.values) >= count, PATIENCE)
        return self.values


@pytest.fixture
def found():
    return Found()


def test_every_wish_is_answered_while_nobody_hurries(found):
    latest = Latest(lambda wish, check: 2 * wish, found)
    for number in range(3):
        latest.ask(number)
        found.wait(number + 1)
    latest.close()
    assert found.values == [0, 2, 4]


def test_wishes_on_the_way_are_passed_over(found):
    begun, go_on, computed = threading.Event(), threading.Event(), []

    def compute(wish, check):
        computed.append(wish)
        begun.set()
        assert go_on.wait(PATIENCE)
        return wish

    latest = Latest(compute, found)
    latest.ask(0)
    assert begun.wait(PATIENCE)
    for wish in range(1, 60):
        latest.ask(wish)
    go_on.set()
    assert found.wait(1)[-1] == 59 or found.wait(2) == [0, 59]  # the first one, too, where it was soon done
    assert computed == [0, 59]
    latest.close()


def test_an_older_wish_that_is_soon_done_is_shown(found, monkeypatch):
    """Or nothing would move while a hand does."""
    monkeypatch.setattr(module, "SOON", PATIENCE)
    begun, go_on = threading.Event(), threading.Event()

    def compute(wish, check):
        begun.set()
        assert go_on.wait(PATIENCE)
        check()
        return wish

    latest = Latest(compute, found)
    latest.ask(0)
    assert begun.wait(PATIENCE)
    latest.ask(1)
    go_on.set()
    assert found.wait(2) == [0, 1]
    latest.close()


def test_an_older_wish_is_given_up(found):
    begun = threading.Event()

    def compute(wish, check):
        while wish == 0:
            begun.set()
            check()
        return wish

    latest = Latest(compute, found)
    latest.ask(0)
    assert begun.wait(PATIENCE)
    latest.ask(1)
    assert found.wait(1) == [1]
    latest.close()


def test_a_compilation_for_an_older_wish_ends(found):
    begun = threading.Event()

    def compute(wish, check):
        while wish == 0:  # as the compiler asks between its passes
            begun.set()
            ending.ask()
        return wish

    latest = Latest(compute, found)
    latest.ask(0)
    assert begun.wait(PATIENCE)
    latest.ask(1)
    assert found.wait(1) == [1]
    latest.close()


def test_closing_ends_the_thread(found):
    latest = Latest(lambda wish, check: wish, found)
    latest.ask(1)
    found.wait(1)
    latest.close()
    latest._thread.join(PATIENCE)
    assert not latest._thread.is_alive()
