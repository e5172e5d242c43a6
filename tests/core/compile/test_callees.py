"""Kernels that are called by their addresses, and tuples that go to them by reference."""

import threading
from typing import NamedTuple

import numba
import numpy as np
import pytest
from numba.core import event

from ode_sgd.core.compile import machine_code
from ode_sgd.core.compile.callees import Callees, annotated_result, callees
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.compile.references import refer, reference_to


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(machine_code, "cache_directory", lambda: tmp_path)
    return tmp_path


class Pair(NamedTuple):
    """Arrays of two kinds."""

    many: np.ndarray
    few: np.ndarray


PAIR = Pair(np.array([[1.0, 2.0]]), np.array([10]))


def powers():
    """A driver, and two tables of one type for it."""

    def driver_of_powers(own, x: float) -> float:
        noted = np.zeros(1)
        own.note(noted, x)
        return own.power(x) + own.power(1.0) + noted[0]

    def table(name, exponent):
        def power(x: float) -> float:
            return x**exponent

        def note(noted, x: float) -> None:
            noted[0] += 100.0 * x

        return callees(power=(kernel(name)(power), 1.0), note=(kernel(name)(note), np.zeros(1), 1.0))

    return kernel()(driver_of_powers), table("two", 2), table("three", 3)


def test_one_driver_calls_whatever_it_is_handed():
    driver, square, cube = powers()
    assert driver(square, 3.0) == 310.0
    with event.install_recorder("numba:compile") as recorder:
        assert driver(cube, 3.0) == 328.0
    assert driver(square, 2.0) == 205.0
    begun = [record[1].data["dispatcher"].py_func.__name__ for record in recorder.buffer if record[1].is_start]
    assert begun == ["power", "note"]  # the driver not again
    assert len(driver.overloads) == 1


def test_a_new_process_takes_all_of_it_from_disk():
    driver, square, _ = powers()
    driver(square, 3.0)
    driver, square, _ = powers()
    with event.install_recorder("numba:compile") as recorder:
        assert driver(square, 3.0) == 310.0
    assert not recorder.buffer


def test_threads_that_come_together_read_one_table():
    """What one has been handed the other does not replace."""
    driver, square, _ = powers()
    results, gate = [], threading.Barrier(4)

    def work():
        gate.wait()
        before = square.address
        results.append((driver(square, 3.0), before, square.address))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) == {(310.0, square.address, square.address)}


def test_a_call_that_does_not_fit_is_an_error_of_the_compiler():
    driver, square, _ = powers()
    with pytest.raises(numba.TypingError, match=r"takes \(.*, float64\), not \(.*, Array"):
        driver(square, np.ones(3))

    def wrong_driver(own) -> float:
        return own.root(1.0)

    with pytest.raises(numba.TypingError, match="root"):
        kernel()(wrong_driver)(square)


def test_what_a_callee_cannot_be_compiled_for_is_said():
    def no_sum_of_these(x: float) -> float:
        return x + "a"

    def driver_of_none(own) -> float:
        return own.sum(1.0)

    with pytest.raises(numba.TypingError, match="no_sum_of_these"):
        kernel()(driver_of_none)(callees(sum=(kernel()(no_sum_of_these), 1.0)))


def test_a_result_other_than_its_annotation_is_refused():
    """The driver would read a number where there is none."""

    def called_a_float(n: int) -> float:
        return n + 1

    def driver_of_float(own) -> float:
        return own.next(1)

    with pytest.raises(TypeError, match="gives int64, not float64 as annotated"):
        kernel()(driver_of_float)(callees(next=(kernel()(called_a_float), 1)))


def test_a_callee_says_what_it_gives():
    def silent(x):
        return x

    with pytest.raises(TypeError, match=r"annotate what .*silent.* gives: one of None, <class 'int'>"):
        callees(silent=(kernel()(silent), 1.0))


def test_references_to_tuples_with_other_fields_are_of_other_types():
    """Numba's names of tuples lack the fields."""

    def same(*fields):
        return NamedTuple("Same", [(field, np.ndarray) for field in fields])

    first, second = (same(*fields)(np.ones(1), np.ones(1)) for fields in ("ab", "ba"))
    assert str(numba.typeof(first)) == str(numba.typeof(second))
    assert reference_to(first) != reference_to(second)
    assert reference_to(first) == reference_to(first)


def test_without_the_compiler_callees_are_functions(monkeypatch):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    assert callees(twice=(lambda x: 2 * x, 1.0)).twice(4.0) == 8.0
    assert reference_to(PAIR) is PAIR


def test_a_reference_reads_and_writes_the_same_arrays():
    def through_a_reference(pair) -> float:
        pair.many[0, 0] += 1.0
        return pair.many[0, 0] + pair.few[0]

    inner = kernel()(through_a_reference)

    def driver_of_a_pair(own, given, n: int) -> float:
        pair, total = refer(given), 0.0
        for _ in range(n):
            total += own.inner(pair) + inner(pair)
        return total + refer(n)

    pair = Pair(np.array([[1.0, 2.0]]), np.array([10]))
    own = callees(inner=(inner, reference_to(PAIR)))
    assert isinstance(own, Callees)
    assert kernel()(driver_of_a_pair)(own, pair, 3) == sum(range(2, 8)) + 6 * 10 + 3
    assert pair.many[0, 0] == 7.0
    (kinds,) = inner.overloads
    assert kinds == (reference_to(PAIR),)


def test_a_result_is_read_off_the_annotation_where_all_arguments_are_numbers():
    def with_float(x) -> float:
        return x

    def without(x):
        return x

    def with_none(x) -> None:
        pass

    number, pair, text = numba.float64, reference_to(PAIR), numba.types.unicode_type
    assert annotated_result(with_float, (number, pair)) == numba.float64
    assert annotated_result(with_float, (number, text)) is None
    assert annotated_result(with_none, (text,)) == numba.types.none
    assert annotated_result(without, (number,)) is None
