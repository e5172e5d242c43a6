"""Compilations that end before they are through, in threads that no signal reaches."""

import os
import threading
import time

import pytest

from ode_sgd.core.compile import ending, machine_code, together
from ode_sgd.core.compile.kernel import kernel


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A kernel that nobody has compiled yet."""
    monkeypatch.setattr(machine_code, "cache_directory", lambda: tmp_path)

    def to_be_ended(x: float) -> float:
        return 2.0 * x

    return kernel()(to_be_ended)


def test_nobody_asks_elsewhere():
    ending.ask()
    with ending.ended_by(lambda: True):
        with ending.ended_by(lambda: False):
            ending.ask()
        with pytest.raises(KeyboardInterrupt):
            ending.ask()
        other = threading.Thread(target=ending.ask)
        other.start()
        other.join()
    ending.ask()


def test_a_compilation_ends_between_two_passes_and_can_be_begun_anew(fresh):
    asked = []
    with pytest.raises(KeyboardInterrupt), ending.ended_by(lambda: asked.append(1) or len(asked) > 3):
        fresh(1.0)
    assert len(asked) == 4 and not fresh.overloads
    assert fresh(1.0) == 2.0


def test_a_thread_that_waits_for_another_process_ends(fresh, tmp_path):
    """And leaves that one's claim alone."""
    fcntl = pytest.importorskip("fcntl", reason="the system has no locks of this kind")
    stop, ended = threading.Event(), []

    def work():
        try:
            with ending.ended_by(stop.is_set), together.claimed("a"):
                pass
        except KeyboardInterrupt:
            ended.append(time.monotonic())

    with together.one_of(2, 0, tmp_path):
        file = os.open(tmp_path / "a", os.O_CREAT | os.O_RDWR)
        fcntl.flock(file, fcntl.LOCK_EX)
        thread = threading.Thread(target=work)
        thread.start()
        began = time.monotonic()
        stop.set()
        thread.join(timeout=10.0)
        assert ended and ended[0] - began < 5.0
        with together.claimed("a", wait=False) as mine:
            assert not mine
        os.close(file)
        with together.claimed("a", wait=False) as mine:
            assert mine
