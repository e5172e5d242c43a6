"""Signals while a study runs: heard once, twice, or swallowed on the way."""

import os
import signal
import sys
import threading
from contextlib import suppress

import pytest

from ode_sgd.core.interruption import HANGUP, SIGNALS, Interruption, handlers_kept


@pytest.fixture(autouse=True)
def not_under_nohup():
    """Where the tests themselves run under nohup, too."""
    before = None if HANGUP is None else signal.signal(HANGUP, signal.SIG_DFL)
    yield
    if HANGUP is not None:
        signal.signal(HANGUP, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_interrupt_and_handlers_come_back(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), Interruption():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


@pytest.mark.skipif(HANGUP is None, reason="no SIGHUP here")
def test_a_hangup_that_nohup_ignores_stays_ignored():
    before = signal.signal(HANGUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), HANGUP)
            assert not interruption.asked
        assert signal.getsignal(HANGUP) == signal.SIG_IGN
    finally:
        signal.signal(HANGUP, before)


def test_a_swallowed_signal_is_remembered():
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        interruption.check()
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.asked
        interruption.check()


def test_where_it_is_remembered_it_raises_at_the_next_look_and_the_third_at_once():
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption, interruption.remembered():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        interruption.check()


def test_after_that_it_raises_as_ever():
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        with interruption.remembered():
            pass
        os.kill(os.getpid(), signal.SIGTERM)


def test_an_error_made_of_it_is_an_interruption():
    with pytest.raises(KeyboardInterrupt), Interruption():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt as cause:
            raise RuntimeError("compilation failed") from cause


def test_other_errors_stay_what_they_are():
    with pytest.raises(ZeroDivisionError), Interruption():
        raise ZeroDivisionError


def test_other_threads_leave_the_handlers_alone():
    before = [signal.getsignal(number) for number in SIGNALS]
    seen = []

    def work():
        with Interruption() as interruption:
            interruption.check()
            seen.extend(signal.getsignal(number) for number in SIGNALS)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == before


def test_one_that_python_goes_on_after_is_not_lost(capsys):
    """Within a weak reference's callback or a finaliser an exception is printed and ignored."""

    class Finalised:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            raise KeyboardInterrupt  # as the handler does somewhere in here

    hook = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), Interruption(), Interruption() as inner:
        Finalised()
        assert inner.asked
        with Interruption() as nested:
            nested.check()
    assert sys.unraisablehook is hook
    assert capsys.readouterr().err == ""
    with Interruption() as later:
        later.check()
    with Interruption() as outer:
        with Interruption():
            Finalised()
        with pytest.raises(KeyboardInterrupt):
            outer.check()


def test_imports_that_set_handlers_leave_none():
    def own(*_):
        raise AssertionError

    before = signal.signal(signal.SIGTERM, own)
    try:
        with handlers_kept():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
