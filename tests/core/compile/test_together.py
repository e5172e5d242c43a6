"""Several processes that fill one cache: each kernel is one's, and what it calls is found without compiling it."""

import os
import threading

import pytest
from numba import float64
from numba.core import event
from numba.types import literal

from ode_sgd.core.compile import machine_code, together
from ode_sgd.core.compile.kernel import kernel

fcntl = pytest.importorskip("fcntl", reason="the system has no locks of this kind")


def another(folder, name):
    """A claim of another process: the system tells open files apart, not processes."""
    file = os.open(folder / name, os.O_CREAT | os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def test_a_claim_is_one_process_s(tmp_path):
    with together.one_of(2, 0, tmp_path):
        file = another(tmp_path, "a")
        with together.claimed("a", wait=False) as mine:
            assert not mine
        threading.Timer(0.05, os.close, [file]).start()
        with together.claimed("a") as mine, together.claimed("a", wait=False) as still_mine:
            assert mine and still_mine
        os.close(another(tmp_path, "a"))  # it was given back


def test_nothing_is_claimed_by_one_process_alone_nor_without_a_folder(tmp_path):
    with together.claimed("a") as mine:
        assert mine and not any(tmp_path.iterdir())
    with together.one_of(2, 1, tmp_path / "gone"), together.claimed("a") as mine:
        assert mine


def test_everybody_has_an_order_of_its_own(tmp_path):
    orders = []
    for number in range(4):
        with together.one_of(4, number, tmp_path):
            assert together.helping() == (number > 0)
            orders.append(together.in_turn("abcdef"))
    assert orders[:2] == [list("abcdef"), list("fedcba")]
    assert len(set(map(tuple, orders))) == 4
    assert all(sorted(order) == list("abcdef") for order in orders)
    assert together.in_turn("abc") == ["a", "b", "c"]


@pytest.fixture
def three(tmp_path, monkeypatch):
    """A kernel and the two that it calls, the second of which calls the first."""
    monkeypatch.setattr(machine_code, "cache_directory", lambda: tmp_path)

    def first_of_three(x: float) -> float:
        return 2.0 * x

    first = kernel()(first_of_three)

    def second_of_three(x: float, n: int) -> int:
        return int(first(x)) + n

    second = kernel()(second_of_three)

    def third_of_three(x: float) -> float:
        return first(x) + second(x, 1)

    return first, second, kernel()(third_of_three)


def test_what_a_kernel_calls_is_known_without_compiling(three):
    first, second, third = three
    assert third.calls((float64,)) == [(first, (float64,)), (second, (float64, literal(1)))]
    assert second.calls((float64, literal(1))) == [(first, (float64,))]
    assert not any(each.overloads for each in three)


def test_a_result_that_is_not_known_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(machine_code, "cache_directory", lambda: tmp_path)

    def inner_unknown(x):
        return x

    inner = kernel()(inner_unknown)

    def outer_unknown(x):
        return inner(x)

    assert kernel()(outer_unknown).calls((float64,)) == []
    assert list(inner.overloads) == [(float64,)]


def test_a_helper_compiles_what_is_called_and_leaves_out_what_others_are_at(three, tmp_path):
    first, second, third = three
    claims = tmp_path / "claims"
    claims.mkdir()
    with together.one_of(2, 1, claims):
        file = another(claims, second._label((float64, literal(1))))
        third._share(third.calls((float64,)))
        assert list(first.overloads) == [(float64,)]  # also as what the second one calls
        assert not second.overloads and not third.overloads
        os.close(file)
        assert third(3.0) == 13.0


def test_a_kernel_that_another_process_compiled_is_loaded(three, tmp_path):
    """It waits for the claim, and looks at the disk after that."""
    first, _, _ = three
    claims = tmp_path / "claims"
    claims.mkdir()
    file = another(claims, first._label((float64,)))

    first._compiled((float64,))
    first.overloads.clear()
    with together.one_of(2, 1, claims), event.install_recorder("numba:compile") as recorder:
        threading.Timer(0.05, os.close, [file]).start()
        first.compile((float64,))
    assert not recorder.buffer


def test_an_inline_helper_that_python_calls_is_no_shared_work(tmp_path):
    """It has no place in the cache that others could look at."""

    @kernel("of-this-test", inline=True)
    def double(x: float) -> float:
        return 2.0 * x

    with together.one_of(2, 0, tmp_path):
        assert double(1.5) == 3.0
