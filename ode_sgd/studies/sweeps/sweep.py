"""A sweep: one study, and the grid of values that some of its keys take. Runs are made when they are asked for."""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Indices
from ode_sgd.core.errors import InvalidProblem, OdeSgdError, StudyError
from ode_sgd.core.given import nested, plain
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.model import Model, Tables
from ode_sgd.studies.study_file import Study, load_tables, override_key, parse_study
from ode_sgd.studies.sweeps.axes import REPLICA, canonical, column_names, example, read_axes, seeds_of, with_values
from ode_sgd.studies.sweeps.chosen import COLLECT, Choice, read_choice
from ode_sgd.studies.sweeps.faults import Faults
from ode_sgd.studies.tables import Values, shown, with_defaults
from ode_sgd.studies.validation import (
    MODEL,
    SWEEP,
    chosen_model,
    keys_of,
    located_values,
    order_of,
    taken_by,
    with_location,
)

SCHEMA = 1  # of identities: raised when the same description comes to mean other numbers


@own_keywords
class Sweep:
    """A study and the values that some of its keys take: one run for every point of the grid.

    Parameters
    ----------
    study : path-like or mapping
        A study file, or its tables as dictionaries: table -> key -> value. A table "sweep" in it gives `axes`, `zip`
        and `replicas`, a table "collect" what `collect_sweep` puts together (docs/howto/sweeps.md).
    axes : mapping or None
        Dotted name, such as "problem.learning_rate" -> its values: a list, tuple, range or 1-d array, or one of
        {"linspace": [first, last, count]}, {"logspace": [first, last, count]} (the values themselves, both > 0) and
        {"range": [start, stop, step]}. The last axis varies fastest.
    zip : sequence of sequences of str
        Groups of names that vary together; their axes must be equally long.
    replicas : int
        Runs of every point, >= 1: replica r has start.seed and simulation.seed raised by r.

    Attributes
    ----------
    axes : tuple of Axis
    shape : tuple of int
        Length of every axis; `len(sweep)` is their product.
    model : Model
        That the study names.
    tables : dict
        Of the study, without [sweep] and [collect].
    model_digest : str
        SHA-256 of the model's file, where the study names one; of a sweep's folder: when the sweep was begun.
    choice : Choice
        The table [collect].
    source : str
        Where it was read, for messages.

    Raises
    ------
    StudyError
        Naming all faults of the study and of the grid: unknown names, empty axes, zip groups of unequal length, values
        out of range, points that contradict themselves. Of grids of more than 200 points a part is looked at; what is
        wrong elsewhere is a failed run.

    Examples
    --------
    >>> sweep = ode_sgd.Sweep(study, {"problem.learning_rate": [0.1, 0.2], "start.student_scale": [0.01, 0.1]})
    >>> len(sweep), sweep.shape
    (4, (2, 2))
    """

    def __init__(
        self,
        study: str | Path | Mapping[str, Any],
        axes: Mapping[str, Any] | None = None,
        *,
        zip: Iterable[Iterable[str]] = (),
        replicas: int = 1,
    ) -> None:
        faults: list[str] = []
        source = str(study) if isinstance(study, str | Path) else "sweep"
        groups = list(zip) if _several(zip) else [zip]
        faults += _argument_faults(study, axes, groups)
        if faults:
            raise StudyError(source, faults)
        given = load_tables(study) if isinstance(study, str | Path) else plain(dict(study))
        if axes is not None or SWEEP not in given:
            given[SWEEP] = dict(axes or {}) | {"zip": [list(group) for group in groups], "replicas": replicas}
        self._make(given, source, faults)

    @classmethod
    def read(cls, path: str | Path, overrides: Iterable[str] = ()) -> "Sweep":
        """Read a sweep file: a study file with a table [sweep].

        Parameters
        ----------
        path : str or Path
        overrides : iterable of str
            "table.key=value" each, as --set takes them; "sweep.replicas=8" and "sweep.problem.learning_rate=[1,2]" too.

        Raises
        ------
        StudyError
            As `Sweep`.
        """
        faults: list[str] = []
        tables = load_tables(path)
        for override in overrides:
            override_key(tables, override, faults)
        return cls._of(tables, str(path), faults)

    @classmethod
    def _of(cls, tables: Values, source: str, faults: list[str]) -> "Sweep":
        self = object.__new__(cls)
        self._make(tables, source, faults)
        return self

    def _make(self, tables: Values, source: str, faults: list[str]) -> None:
        as_given = tables.get(MODEL)
        tables, before = with_location(tables, Path(source).parent), len(faults)
        self.model = chosen_model(tables, faults)
        self.model_digest = self.model.source_digest
        tables = located_values(tables, self.model, Path(source).parent, faults)
        if len(faults) > before:  # what can be varied is not known
            raise StudyError(source, faults)
        if SWEEP not in tables:
            faults.append(f"[sweep] is missing; it names the keys to vary, such as {example(self.model)}")
        self._lay_out(tables, source, faults, as_given)
        self.choice = self.read_choice(tables.get(COLLECT, {}), Path(source).parent, faults)
        Faults(self, faults).look()
        if faults:
            raise StudyError(source, faults)

    def _lay_out(
        self, tables: Mapping[str, Any], source: str, faults: list[str], model_as_given: str | None = None
    ) -> None:
        """The study's tables and the axes."""
        self.source = source
        self._model_as_given = model_as_given or tables.get(MODEL, "")
        self.tables: dict[str, Any] = {name: value for name, value in tables.items() if name not in (SWEEP, COLLECT)}
        self.axes = read_axes(tables[SWEEP], self.model, faults) if SWEEP in tables else ()
        self.shape = tuple(len(axis) for axis in self.axes)
        self._size = int(np.prod(self.shape, dtype=np.int64)) if self.shape else 1
        self._recent: dict[str, tuple[Any, tuple[Any, Values]]] = {}

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        grid = " x ".join(f"{'+'.join(axis.names)} ({len(axis)})" for axis in self.axes)
        return f"Sweep({self.source}: {len(self)} runs, {grid})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all that varies, in the order of the axes."""
        return tuple(name for axis in self.axes for name in axis.names)

    def read_choice(self, table: Any, folder: Path | None, faults: list[str]) -> Choice:
        """A table [collect] for this sweep; `folder` is that of its file, None for no look at the files it names."""
        return read_choice(table, folder, self.model, column_names(self.names).values(), faults)

    @property
    def location(self) -> str:
        """The model as a study file in any folder would name it; empty for the usual one."""
        return str(self.tables.get(MODEL, ""))

    @property
    def simulates(self) -> bool:
        """Whether its runs have a simulation besides their theory."""
        return self.model.simulates(set(self.tables))

    def positions(self, runs: Indices | int) -> tuple[Any, ...]:
        """Position on every axis of a run, or of an array of runs."""
        return np.unravel_index(runs, self.shape) if self.shape else ()

    def values(self, run: int) -> dict[str, Any]:
        """What varies, and its values in one run, 0 <= run < len(sweep)."""
        run = check.integer("run", run, 0, len(self) - 1)
        places = self.positions(run)
        return {
            name: value for axis, place in zip(self.axes, places, strict=True) for name, value in axis.items(int(place))
        }

    def study_tables(self, run: int) -> dict[str, Values]:
        """The tables of one run's study."""
        tables = {name: dict(table) if isinstance(table, dict) else table for name, table in self.tables.items()}
        return with_values(tables, self.values(run), self.model)

    def study(self, run: int) -> Study:
        """One run's study.

        Raises
        ------
        StudyError
            If the values of this run contradict each other.
        """
        tables = self.study_tables(run)
        try:
            return self.direct(tables)
        except (OdeSgdError, ValueError, TypeError, KeyError):  # what is wrong is said best where all faults are found
            found = parse_study(tables, f"run {run}", model=self.model)
            return replace(found, model_as_given=self._model_as_given, model_digest=self.model_digest)

    def direct(self, tables: dict[str, Values]) -> Study:
        """As `parse_study`, of tables known to hold valid keys only: a sweep makes many thousands."""
        model, parts, configs = self.model, dict[str, Any](), dict[str, Values]()
        for name in order_of(model):
            if name in tables:
                if taken := model.complete(name, tables[name], {**dict.fromkeys(tables), **parts}):
                    tables[name] = {**taken, **tables[name]}
                parts[name], configs[name] = self._made(name, tables[name], parts)
            elif name not in model.optional:
                raise KeyError(name)
        config = {name: dict(configs[name]) for name in model.tables if name in configs}
        return Study(
            source=self.source,
            model=model,
            tables=Tables(parts, config),
            location=self.location,
            model_as_given=self._model_as_given,
            model_digest=self.model_digest,
        )

    def _made(self, name: str, table: Values, parts: Mapping[str, Any]) -> tuple[Any, Values]:
        """The object of a table, and the table with its defaults.

        Those of the run before if the table and what it needs are the same.
        """
        target, kind = self.model.tables[name], None
        if not callable(target):
            kind = table["kind"]
            target = target[kind]
        fixed = {other: parts[other] for other in taken_by(self.model, target) if other in parts}
        key = (table, fixed)
        before = self._recent.get(name)
        if before is not None and before[0] == key:
            return before[1]
        given = table if kind is None else {other: value for other, value in table.items() if other != "kind"}
        config = ({} if kind is None else {"kind": kind}) | with_defaults(target, keys_of(self.model, target), given)
        made = target(**fixed, **given), config
        self._recent[name] = key, made
        return made

    @functools.cached_property
    def canonical(self) -> dict[str, Any]:
        """What the sweep's numbers depend on, with all defaults filled in: equal for equal sweeps."""
        study = self.study(0)
        named = f"{self.model.name}@{self.model_digest}" if self.model_digest else self.model.name
        first = canonical(dict(study.tables.config)) | ({MODEL: named} if study.location else {})
        axes = [[list(axis.names), canonical(axis.values)] for axis in self.axes]
        return {"schema": SCHEMA, "study": first, "axes": axes}

    @functools.cached_property
    def identity(self) -> str:
        """SHA-256 of `canonical`, 64 hexadecimal digits."""
        return _digest(self.canonical)

    def classes(self) -> Indices:
        """A number for every run, (len(sweep),): runs with the same number have arrays of the same shape."""
        runs = np.arange(len(self))
        shaping = [n for n, axis in enumerate(self.axes) if any(map(self._shapes, axis.names))]
        if not shaping:
            return np.zeros(len(self), dtype=np.int64)
        places = self.positions(runs)
        lengths = tuple(self.shape[n] for n in shaping)
        return np.asarray(np.ravel_multi_index(tuple(places[n] for n in shaping), lengths), dtype=np.int64)

    def _shapes(self, name: str) -> bool:
        """Whether the shapes of a run's arrays depend on a key, or on what is within the table that it has."""
        keys = self.model.shape_keys
        if keys is None:
            return name not in (REPLICA, *seeds_of(self.model))
        return ".".join(name.split(".", 2)[:2]) in keys

    def firsts(self) -> list[int]:
        """The first run of every class."""
        runs: list[int] = np.unique(self.classes(), return_index=True)[1].tolist()
        return runs

    def document(self) -> dict[str, Any]:
        """Plain values from which `Sweep(document)` makes the same sweep.

        A path to the model counts from the study file's folder; results do not say where that is.
        """
        groups = [list(axis.names) for axis in self.axes if len(axis.names) > 1]
        axes: dict[str, Any] = {"zip": groups, "replicas": 1}
        for axis in self.axes:
            if axis.names == (REPLICA,):
                axes["replicas"] = len(axis)
            else:
                axes |= {name: [entry[n] for entry in axis.values] for n, name in enumerate(axis.names)}
        chosen = self.choice.document
        model = {MODEL: self._model_as_given} if self.location else {}
        return {**self.tables, **model, SWEEP: axes} | ({COLLECT: chosen} if chosen else {})

    @classmethod
    def of_document(
        cls, document: Mapping[str, Any], source: str, model: Model | None = None, digest: str | None = None
    ) -> "Sweep":
        """The sweep of a `document`, which was looked at for faults when it was made.

        Without `model` the document's is taken, which may run a file. `digest` is that of the model's file when the
        sweep was begun; None: as the file is now.
        """
        self = object.__new__(cls)
        faults: list[str] = []
        self.model = model or chosen_model(document, faults)
        self.model_digest = self.model.source_digest if digest is None else digest
        self._lay_out(located_values(document, self.model, None, faults), source, faults)
        self.choice = self.read_choice(document.get(COLLECT, {}), None, faults)
        if faults:
            raise StudyError(source, faults)
        return self


def _several(value: Any) -> bool:
    """Whether this can be gone through, which an array without axes only seems to."""
    return isinstance(value, Iterable) and getattr(value, "shape", None) != ()


def _argument_faults(study: Any, axes: Any, groups: list[Any]) -> list[str]:
    """What is wrong with the kinds of a sweep's arguments."""
    faults = []
    if not isinstance(study, str | Path | Mapping):
        faults.append(f"study = {shown(study)} is none; give a file's name, or a dictionary of its tables")
    if not isinstance(axes, Mapping | None):
        faults.append(f'axes = {shown(axes)} are none; give a dictionary such as {{"problem.learning_rate": [0.1]}}')
    for name, given in (("study", study), ("axes", axes)):
        if nested(given):
            faults.append(f"{name} is nested too deep; arrays of arrays in tables are as deep as it goes")
            continue
        try:
            check.refuse_masked(name, given)
        except InvalidProblem as error:
            faults.append(str(error))
    if not all(map(_several, groups)):
        told = shown(groups[0] if len(groups) == 1 else groups)
        faults.append(f'zip = {told}: give a list of lists of names, such as [["a.b", "c.d"]]')
    return faults


def run_identity(study: Study, values: Mapping[str, Any]) -> str:
    """SHA-256 of what a run's numbers depend on: problem, start, solver settings, seeds, the file of a user's model,
    and the schema of all that.
    """
    facts = {"schema": SCHEMA} | canonical(dict(study.model.facts(study.tables)))
    if study.model_digest:
        facts |= {"model_digest": study.model_digest}
    return _digest(facts | ({REPLICA: values[REPLICA]} if REPLICA in values else {}))


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
