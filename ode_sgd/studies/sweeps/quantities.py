"""Quantities of the user's own, of the table [collect]: entries of arrays, and functions that the user's files hold."""

import importlib.util
import re
import reprlib
import sys
from collections.abc import Callable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ode_sgd.core.errors import StudyError
from ode_sgd.core.measure import BELOW, FOUND, NONE, RAISED, Found, Measure, Measured
from ode_sgd.core.run import Run
from ode_sgd.studies.sweeps.chosen import COLLECT, ENTRY, FUNCTION, Choice, function_fault

ABSENT, INFINITE, NO_NUMBER = "absent", "infinite", "not_a_number"  # outcomes
Function = Callable[[Any], float | None]


def loaded_functions(choice: Choice, folder: Path) -> dict[str, Function]:
    """The functions that a sweep file in `folder` names; their files are run.

    Raises
    ------
    StudyError
        Naming all that cannot be had.
    """
    functions: dict[str, Function] = {}
    faults: list[str] = []
    modules: dict[str, Any] = {}
    for name in choice.functions:
        found = FUNCTION.fullmatch(choice.quantities[name].strip())
        assert found is not None
        path, of_file = folder / found[1], found[2]
        fault = function_fault(path, of_file)
        try:
            if not fault and found[1] not in modules:
                modules[found[1]] = _module(path, found[1])
            function = None if fault else getattr(modules[found[1]], of_file, None)
        except (Exception, SystemExit) as error:  # the user's file may raise anything
            function, fault = None, f"{path} raised {type(error).__name__}: {error}; mend it"
        if callable(function):
            functions[name] = function
        else:
            faults.append(f"[{COLLECT}.quantities] {name}: {fault or f'{of_file} in {path} is no function'}")
    if faults:
        raise StudyError(COLLECT, faults)
    return functions


def _module(path: Path, name: str) -> Any:
    """What a file of Python gives when it is run; it is among the modules, where dataclasses look up annotations."""
    name = f"ode_sgd_collect_{re.sub(r'[^0-9A-Za-z_]', '_', name.removesuffix('.py'))}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def quantity_measures(choice: Choice, functions: Mapping[str, Function], notes: list[str]) -> tuple[Measure, ...]:
    """One measurement for each quantity; what functions raise first is added to the notes.

    Raises
    ------
    StudyError
        For functions that are named but not given.
    """
    lacking = [name for name in choice.functions if name not in functions]
    if lacking:
        told = ", ".join(f"{name} = {choice.quantities[name]}" for name in lacking)
        raise StudyError(
            COLLECT,
            [
                f"{told}: functions of a file, which is run only if you give the sweep file that names it: `ode-sgd "
                "sweep collect FOLDER --file SWEEP.toml`; or name columns without them: `--columns half_height_time`"
            ],
        )
    measures = []
    for name, text in choice.quantities.items():
        if name not in functions:
            entry = ENTRY.fullmatch(text.strip())
            assert entry is not None
            measures.append(_of_entry(name, text, entry[1], tuple(int(part) for part in entry[2].split(","))))
    return (*measures, *(_of_function(name, function, notes) for name, function in functions.items()))


def _of_entry(name: str, text: str, array: str, place: tuple[int, ...]) -> Measure:
    """An entry of an array of the theory; the time -1 is the last one reached."""

    def measure(measured: Measured) -> Found:
        run: Run = measured.theory
        is_error = array == run.error_name
        try:
            value = float((run.error if is_error else run.observables[array].values)[place])
        except (IndexError, KeyError, TypeError):
            return ABSENT, ()
        return (BELOW, ()) if is_error and not value > run.resolution else (FOUND, (value,))

    return Measure(name=name, columns={name: text}, outcomes=(FOUND, ABSENT, BELOW), measure=measure)


def _of_function(name: str, function: Function, notes: list[str]) -> Measure:
    """A function of the theory's run."""
    noted: set[str] = set()

    def without(outcome: str, told: str) -> Found:
        if outcome not in noted:
            noted.add(outcome)
            notes.append(told)
        return outcome, ()

    def measure(measured: Measured) -> Found:
        try:
            given: object = function(measured.theory)
        except (Exception, SystemExit) as error:  # it may raise anything; other runs may have their numbers
            return without(RAISED, f"{name} raised {type(error).__name__}: {error}")
        if isinstance(given, np.ndarray) and given.ndim == 0:
            given = given[()]
        if given is None or given is np.ma.masked:
            return NONE, ()
        value = _number(given)
        if value is None:
            return without(NO_NUMBER, f"{name} returned {_described(given)}; a quantity is one number, or None")
        if np.isnan(value):
            return NONE, ()
        return (INFINITE, ()) if np.isinf(value) else (FOUND, (value,))

    told = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"
    return Measure(
        name=name, columns={name: told}, outcomes=(FOUND, NONE, INFINITE, NO_NUMBER, RAISED), measure=measure
    )


def _number(given: object) -> float | None:
    """What is one real number; truth values and texts are none."""
    if isinstance(given, bool) or not isinstance(given, Real):
        return None
    try:
        return float(given)
    except OverflowError:  # an integer beyond the largest float
        return float("inf")


def _described(given: object) -> str:
    """A value of the wrong kind, as a message has it."""
    return f"an array of shape {given.shape}" if isinstance(given, np.ndarray) else reprlib.repr(given)
