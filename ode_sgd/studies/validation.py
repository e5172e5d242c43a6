"""A study while it is checked: its tables one by one, then what they ask of each other."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import cut
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.studies.tables import MISSING, MOST, Table, Values, complaint, nearest, parameters, shown, with_defaults
from ode_sgd.teacher_student.integration.integrate import checked_nodes
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.simulation.chain import check_sizes
from ode_sgd.teacher_student.study_tables import Integration, RandomStart, Simulation, TypicalStart

SPECTRA: dict[str, Callable[..., Any]] = {
    "power_law": Spectrum.power_law,
    "isotropic": Spectrum.isotropic,
    "explicit": Spectrum,
}
STARTS: dict[str, Callable[..., Any]] = {"random": RandomStart, "typical": TypicalStart}
OPTIONAL = "simulation"
TABLES = ("spectrum", "problem", "start", "integration", OPTIONAL)

TARGETS: dict[str, list[Callable[..., Any]]] = {
    "spectrum": list(SPECTRA.values()),
    "problem": [Problem],
    "start": list(STARTS.values()),
    "integration": [Integration],
    "simulation": [Simulation],
}
# Key -> the first table that has it.
HOMES = {key: name for name in reversed(TABLES) for target in TARGETS[name] for key in parameters(target)}


class Draft:
    """The tables of a study file, the faults found so far, and the tables with their defaults filled in."""

    def __init__(self, data: Mapping[str, Any], faults: list[str]) -> None:
        self.faults = faults
        self.config: dict[str, Values] = {}
        self._given: dict[str, Values] = {}
        foreign = [name for name in data if name not in TABLES]
        if len(foreign) > MOST:
            faults.append(f"{len(foreign) - MOST} more unknown tables and keys outside all tables")
        for name, value in data.items():
            if name not in TABLES:
                if name in foreign[:MOST]:
                    self._foreign(name, value)
            elif isinstance(value, dict):
                self._given[name] = dict(value)
            else:
                faults.append(f"{name} = {shown(value)} is not a table; begin one with a line [{name}]")
        meant = {nearest(name, TABLES) for name in [*foreign[:MOST], *(name for name in TABLES if name in data)]}
        lacking = [name for name in TABLES if name not in meant and name != OPTIONAL]
        faults.extend(f"[{name}] is missing; `ode-sgd init FILE` writes a file that has it" for name in lacking)

    def _foreign(self, name: str, value: Any) -> None:
        """Note what stands at the top level and is not a table of ours."""
        if isinstance(value, dict):
            meant = nearest(name, TABLES)
            hint = f" (did you mean [{meant}]?)" if meant else f"; the tables are {', '.join(TABLES)}"
            if name == "sweep":
                hint = "; `ode-sgd sweep run` takes such a file"
            self.faults.append(f"[{cut(name)}]: unknown table{hint}")
        else:
            hint = f" (did you mean to put it below [{HOMES[name]}]?)" if name in HOMES else ""
            self.faults.append(f"{cut(name)} = {shown(value)}: a key outside all tables{hint}")

    def table(self, name: str, target: Callable[..., Any], fixed: Values | None = None, kind: str | None = None) -> Any:
        """What `target` makes of a table and the `fixed` arguments; None where it is absent or has faults."""
        if name not in self._given:
            return None
        fixed = fixed or {}
        given = {key: value for key, value in self._given[name].items() if kind is None or key != "kind"}
        valid = {key: value for key, value in parameters(target).items() if key not in fixed}
        self.config[name] = ({} if kind is None else {"kind": kind}) | with_defaults(valid, given)
        table = Table(name, given, self.faults)
        values = table.known(valid, HOMES, "" if kind is None else f" of kind = {kind!r}")
        return table.build(target, values, _stand_ins(valid, values), fixed)

    def _one_of(self, name: str, kinds: Mapping[str, Callable[..., Any]]) -> Any:
        """As `table`, where the key `kind` chooses the target."""
        given = self._given.get(name)
        if given is None:
            return None
        kind = given.get("kind", MISSING)
        if isinstance(kind, str) and kind in kinds:
            return self.table(name, kinds[kind], kind=kind)
        table = Table(name, given, self.faults)
        misspelt = kind is MISSING and any(nearest(key, ["kind"]) for key in given)  # one misspelt key is one fault
        try:
            check.choice("kind", kind, tuple(kinds))
        except InvalidProblem as error:
            if not misspelt:
                table.fault(complaint("kind", kind, error))
        anything = {key: None for target in kinds.values() for key in parameters(target)}
        table.known({"kind": None} | anything, HOMES)
        return None

    def spectrum(self) -> Spectrum | None:
        """The spectrum, None where it has faults."""
        result: Spectrum | None = self._one_of("spectrum", SPECTRA)
        return result

    def problem(self, spectrum: Spectrum | None) -> Problem | None:
        """The problem, None where it or its spectrum has faults."""
        if spectrum is not None:
            result: Problem | None = self.table("problem", Problem, {"spectrum": spectrum})
            return result
        # A faulty spectrum must not hide the problem's own faults: one with enough sectors takes its place.
        sectors = self._given.get("problem", {}).get("trainable")
        count = min(max(sectors, 1), 10**5) if isinstance(sectors, int) else 1
        self.table("problem", Problem, {"spectrum": Spectrum(np.ones(count), np.full(count, 1.0 / count))})
        return None

    def start(self, simulation: Simulation | None) -> RandomStart | TypicalStart | None:
        """The start; a random one without a dimension gets the simulation's."""
        given = self._given.get("start", {})
        if given.get("kind") == "random" and "dimension" not in given:
            if simulation is not None:
                given["dimension"] = simulation.dimension
            elif OPTIONAL not in self._given:
                self.faults.append("[start] dimension is missing; give an integer >= 1, or a table [simulation]")
        result: RandomStart | TypicalStart | None = self._one_of("start", STARTS)
        return result

    def check_integration(self, problem: Problem, integration: Integration) -> None:
        """Note where spectrum and integration contradict each other."""
        nodes = None if integration.nodes == "whole" else integration.nodes
        try:
            checked_nodes(problem, nodes, integration.sectors, integration.method, integration.rtol)
            for order in integration.moments:
                problem.spectrum.powers(order)
        except InvalidProblem as error:
            self.faults.append(f"[integration] {error}")

    def check_simulation(
        self, problem: Problem, start: RandomStart | TypicalStart | None, simulation: Simulation | None
    ) -> None:
        """Note where spectrum, start and simulation contradict each other: these would fail in mid-run."""
        sizes = None
        if simulation is not None:
            sizes = self._sizes("simulation", problem, simulation.dimension)
            if sizes is not None and simulation.method == "reduced":
                try:
                    check_sizes(problem, sizes)
                except InvalidProblem as error:
                    self.faults.append(f"[simulation] {error}")
            if problem.gradient_flow:
                self.faults.append("[problem] gradient_flow = true has no SGD; leave out the table [simulation]")
        drawn = None
        if isinstance(start, RandomStart) and start.dimension is not None:
            if simulation is not None and start.dimension == simulation.dimension:
                return
            drawn = self._sizes("start", problem, start.dimension)
        if start is not None and simulation is not None and sizes is not None:
            self._check_rank(problem, start, drawn, simulation.dimension, sizes)

    def _check_rank(
        self, problem: Problem, start: RandomStart | TypicalStart, drawn: Any, dimension: int, sizes: Any
    ) -> None:
        """Note a sector with fewer inputs than the start's overlaps (drawn with sector dimensions `drawn`) need."""
        units = problem.student_units * (start.student_scale > 0.0) + problem.teacher_units * (start.teacher_scale > 0)
        needed = np.minimum(np.full(np.shape(sizes), units), drawn if drawn is not None else units)
        if (needed > sizes).any():
            worst = int(np.argmax(needed - sizes))
            self.faults.append(
                f"[simulation] dimension = {dimension} gives sector {worst + 1} only {sizes[worst]} inputs, "
                f"but the start needs {needed[worst]} independent directions there; give a larger one"
            )

    def _sizes(self, name: str, problem: Problem, dimension: int | None) -> Any:
        """Sector dimensions, or None with a fault noted where the spectrum does not divide the dimension."""
        if dimension is None:
            return None
        try:
            return problem.spectrum.sector_dimensions(dimension)
        except InvalidProblem as error:
            self.faults.append(f"[{name}] {error}")
            return None


def _stand_ins(valid: Values, values: Values) -> Values:
    """Plausible values for the valid keys: arrays of equal length, and the counts that go with those given."""

    def length(key: str) -> int:
        return max(1, len(values[key])) if isinstance(values.get(key), list) else 1

    sectors = length("eigenvalues")
    plausible = {
        "distinct": 1,
        "beta": 1.0,
        "eigenvalues": np.ones(length("weights")),
        "weights": np.full(sectors, 1.0 / sectors),
        "student_units": length("student_weights"),
        "teacher_units": length("teacher_weights"),
        "learning_rate": 1.0,
        "student_scale": 1.0,
        "alpha": 1.0,
        "dimension": 1,
    }
    return {key: value for key, value in plausible.items() if key in valid}
