"""What is wrong with a sweep, looked for before anything runs: in its study, on its axes, at points of its grid."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ode_sgd.core.errors import OdeSgdError, StudyError
from ode_sgd.core.registry import DEFAULT
from ode_sgd.studies.study_file import parse_study
from ode_sgd.studies.sweeps.axes import REPLICA, Axis, seeded, with_values

if TYPE_CHECKING:
    from ode_sgd.studies.sweeps.sweep import Sweep

CHECKED = 200  # values of a generated axis, and points inside the grid, that are looked at before anything runs
SHOWN = 5  # faults of one axis that are written out


class Faults:
    """What is wrong with a grid: the first run, then the values of every axis, then points inside."""

    def __init__(self, sweep: "Sweep", faults: list[str]) -> None:
        self._sweep, self._faults = sweep, faults

    def look(self) -> None:
        """Note all faults found; where the grid itself has some, only those of the study besides."""
        sweep = self._sweep
        whole = not self._faults
        first = self._of_run(0) if whole or sweep.axes else self._of({})
        own = [fault for fault in first if fault not in self._faults]
        if not whole:
            # The grid was not understood: what it should have given to the study is not a fault of the study.
            own = [fault for fault in own if " is missing; " not in fault]
        self._faults += own
        if self._faults or not sweep.axes:
            return
        if any(axis.names == (REPLICA,) for axis in sweep.axes) and not self._seeded():
            told = "" if sweep.model.name != DEFAULT else "; draw a random start"
            self._faults.append(f"[sweep] replicas: nothing in this study depends on a seed{told}")
        for number, axis in enumerate(sweep.axes):
            self._axis(number, axis)
        if not self._faults:
            self._inside()

    def _seeded(self) -> bool:
        return bool(seeded(self._sweep.model, self._sweep.study_tables(0)))

    def _axis(self, number: int, axis: Axis) -> None:
        """Every value beside the first ones of all other axes."""
        stride = int(np.prod(self._sweep.shape[number + 1 :], dtype=np.int64))
        places: Iterator[int] | Iterable[int] = range(len(axis))
        if axis.generated and len(axis) > CHECKED:
            places = np.unique(np.linspace(0, len(axis) - 1, CHECKED).astype(np.int64)).tolist()
        bad = 0
        quick = len(axis) > CHECKED
        for place in places:
            if place == 0:
                continue
            found = self._of_run(place * stride, quick=quick)
            bad += bool(found)
            if found and bad <= SHOWN:
                told = ", ".join(f"{name}[{place}]" for name in axis.names)
                self._faults += [f"[sweep] {told}: {fault}" for fault in found]
        if bad > SHOWN:
            self._faults.append(f"[sweep] {', '.join(axis.names)}: {bad - SHOWN} more values with faults")

    def _inside(self) -> None:
        """Points of the grid, evenly spread: what is valid on every axis may contradict itself."""
        runs = np.unique(np.linspace(0, len(self._sweep) - 1, CHECKED).astype(np.int64)).tolist()
        bad = 0
        for run in runs:
            found = self._of_run(run)
            bad += bool(found)
            if found and bad <= SHOWN:
                told = ", ".join(f"{name} = {value}" for name, value in self._sweep.values(run).items())
                self._faults += [f"run {run} ({told}): {fault}" for fault in found]
        if bad > SHOWN:
            self._faults.append(f"{bad - SHOWN} more runs with faults, of {len(runs)} looked at")

    def _of_run(self, run: int, *, quick: bool = False) -> list[str]:
        if quick:
            try:
                self._sweep.direct(self._sweep.study_tables(run))
            except (OdeSgdError, ValueError, TypeError, KeyError):
                pass
            else:
                return []
        return self._of(self._sweep.values(run) if self._sweep.axes else {})

    def _of(self, values: Mapping[str, Any]) -> list[str]:
        tables = {name: dict(table) if isinstance(table, dict) else table for name, table in self._sweep.tables.items()}
        if all(isinstance(tables.get(name, {}), dict) for name in self._sweep.model.tables):
            tables = with_values(tables, values, self._sweep.model)
        try:
            parse_study(tables, model=self._sweep.model)
        except StudyError as error:
            return error.faults
        return []
