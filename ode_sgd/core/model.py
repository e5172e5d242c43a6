"""A model: what the tables of its study files are, how its theory and its simulation are computed, what is measured.

Study files, sweeps and the command line talk to a Model and know nothing else of what is computed.
"""

import inspect
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.control import Annotations, Control
from ode_sgd.core.measure import FOUND, NONE, RAISED, Measure
from ode_sgd.core.reference import Reference
from ode_sgd.core.run import Observable, Parameters, Run, restored

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values = dict[str, Any]
Progress = Callable[[float], None]
Target = Callable[..., Any]

SIMULATION = "simulation"  # the table of what a study may leave out: without it there is theory alone


CONTINUES = "continues"  # beside the parts of a study's tables, the run that its theory goes on from


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What a study says: the parts that were made of its tables, and its tables as plain values.

    Attributes
    ----------
    parts : mapping
        Name of a table -> what its callable made of it. While a study is checked, a table with faults is None.
    config : mapping
        Name of a table -> key -> value, with all defaults filled in.

    Examples
    --------
    >>> import ode_sgd
    >>> tables = ode_sgd.Tables({"oscillator": 2.0}, {"oscillator": {"stiffness": 2.0}})
    >>> tables["oscillator"], "simulation" in tables, tables.get("simulation")
    (2.0, False, None)
    """

    parts: Mapping[str, Any]
    config: Mapping[str, Values] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """The part of a table."""
        return self.parts[name]

    def __contains__(self, name: object) -> bool:
        """Whether the study has a table of this name."""
        return name in self.parts

    def __iter__(self) -> Iterator[str]:
        """The names of the tables that the study has."""
        return iter(self.parts)

    def get(self, name: str) -> Any:
        """The part of a table, None where the study does not have it."""
        return self.parts.get(name)


class Model:
    """Base of all models: `name`, `tables` and `theory` are needed, all else has a default.

    A study file names its model at its top, by the name of a registered one or by where its class is:
    ``model = "path/file.py:Class"``, relative to the study file. The class is called without arguments.

    Attributes
    ----------
    name : str
        In files and messages.
    tables : mapping
        Name of a table of a study file -> the callable that takes its keys as arguments, or several callables by the
        value of the table's key `kind`. A parameter named like another table gets what was made of that table.
    optional : collection of str
        Tables that a study may leave out.
    continues_runs : bool
        Whether `theory` goes on from a run that is the part "continues" of the tables.
    labels : (str, str)
        What theory and simulation are called in messages, and the second one before names of columns.
    run_class : type
        Of its runs: `Run`, or a class below it with a `Wording` of its own, which `restore` makes again.
    time_name, error_name : str
        As its runs have them.
    error_symbol, error_label, time_label : str
        The error in few letters, for messages; what error and time are, for the arrays of files.
    shape_keys : collection of str or None
        Dotted names of keys, such as "integration.alpha", on which the shapes of a run's arrays depend: runs of a sweep
        that agree in these may share a file. None: all keys but seeds.
    file_keys : collection of str
        Dotted names of keys whose values may name files, see `located`.
    arrays : sequence of str
        Names of arrays of a run, for messages.
    columns : mapping
        Name -> description of the numbers that `measures` finds.
    symbols : mapping
        Name of a column, or of a key ("stiffness", "oscillator.stiffness") -> what stands on the axis of a figure of a
        sweep, with its unit, such as r"stiffness  $k$  (N/m)". A name without one is written in words, without a unit.
    source_digest : str
        SHA-256 of the file that the class was read from, where it was given by file; otherwise empty. It is set when
        the file is run, and is part of the identity of sweeps and of their runs.

    Examples
    --------
    >>> import ode_sgd
    >>> class Decay(ode_sgd.Model):
    ...     name = "decay"
    ...     tables = {"decay": dict}
    ...
    ...     def theory(self, tables, progress):
    ...         ...
    >>> Decay().simulates({"decay"})
    False
    """

    name: ClassVar[str]
    tables: ClassVar[Mapping[str, Target | Mapping[str, Target]]]
    optional: Collection[str] = (SIMULATION,)
    continues_runs: ClassVar[bool] = False
    labels: tuple[str, str] = ("theory", "simulation")
    run_class: type[Run] = Run
    time_name: str = "alpha"
    error_name: str = "error"
    error_symbol: str = "the error"
    error_label: str = "error"
    time_label: str = "time"
    shape_keys: Collection[str] | None = None
    file_keys: Collection[str] = ()
    arrays: Sequence[str] = ()
    columns: ClassVar[Mapping[str, str]] = {"final_error": "error of the theory at the last time reached"}
    symbols: ClassVar[Mapping[str, str]] = {}
    source_digest: str = ""

    # What is computed.

    def theory(self, tables: Tables, progress: Progress) -> Run:
        """The theory's run of one study; `progress` takes the fraction done, and may raise."""
        raise NotImplementedError(f"the model {self.name} has no theory")

    def theory_many(self, tables: Sequence[Tables], progress: Progress) -> list[Run]:
        """The theory's runs of several studies that agree in their `shape_keys`; as it is, one after the other."""
        return [self.theory(one, lambda fraction: None) for one in tables]

    def simulation(self, tables: Tables, progress: Progress, checkpoint: Any) -> Run | None:
        """The run of the simulation, with an axis of replicas, None where the study asks for none.

        `checkpoint` is a Checkpoint (`read`, `write`) in which the run may leave what it needs to go on, or None.
        """
        return None

    def watched_simulation(self, tables: Tables, progress: Progress, partial: Callable[[Run], object]) -> Run | None:
        """As `simulation`, without a checkpoint; `partial` takes what there is of the run, now and then."""
        return self.simulation(tables, progress, None)

    # How its runs lie in files.

    def restore(self, attributes: Mapping[str, Any], variables: Mapping[str, Any]) -> Run:
        """The run that was stored: `attributes` are what `Run` takes besides arrays, `variables` its Observables.

        Time and error are among these, under the names that the run gives them.
        """
        return restored(attributes, variables, self.run_class)

    def stacked(self, run: Run) -> Mapping[str, Observable]:
        """The observables that a file of many runs holds."""
        return run.observables

    def restore_from(self, tables: Tables, attributes: Mapping[str, Any], variables: Mapping[str, Any]) -> Run:
        """As `restore`, of a run of a sweep whose problem follows from its tables."""
        problem = Parameters({"model": self.name, "tables": dict(tables.config)})
        return self.restore({"problem": problem, "model": self.name, **attributes}, variables)

    # What is said of it.

    def describe(self, run: Run) -> str:
        """What `ode-sgd show` says of a run besides its table, in lines; empty for nothing."""
        return ""

    def measures(self, run: Run) -> Mapping[str, float | None]:
        """The numbers of a theory's run by the names of `columns`; None, NaN or no entry where it has none."""
        return {"final_error": float(run.error[-1])}

    def measurements(self, columns: Collection[str] | None) -> tuple[Measure, ...]:
        """What `ode-sgd sweep collect` measures for these columns, None for the usual ones."""
        return tuple(
            Measure(name=name, columns={name: text}, outcomes=(FOUND, NONE, RAISED), measure=_one_of(self, name))
            for name, text in self.columns.items()
            if columns is None or name in columns
        )

    def compare(self, theory: Run, simulation: Run) -> "tuple[Any, str] | None":
        """The agreement of the two (or None) and why there is none; None instead of both: by all their observables."""
        return None

    def figure(self, theory: Run | None, simulation: Run | None, *, analysis: bool = False) -> "Figure | None":
        """The figure of a study, or of its analysis; None: the error and the observables of both over time.

        `ode_sgd.plots.run_figure` shows it, too, and called from here draws what it does without it.
        """
        return None

    def references(self, run: Run) -> Sequence[Reference]:
        """The lines of theory beside a curve of the error: heights and exponents; none as it is."""
        return ()

    def findings(self, run: Run) -> Any:
        """What `ode-sgd show --json` prints of a run: a mapping or a dataclass; as it is, its `measures`."""
        return self.measures(run)

    def template(self) -> str:
        """The study file that `ode-sgd init` writes; empty: the tables with their defaults."""
        return ""

    @property
    def prefix(self) -> str:
        """What stands before the names of what a simulation gave, in files of many runs."""
        return f"{self.labels[1].lower()}_"

    def dimensions_of(self, array: str) -> tuple[str, ...] | None:
        """The dimensions of an array of the theory, () where only a run knows them; None: it has none of this name."""
        return ()

    def is_array(self, name: str) -> bool:
        """Whether a collected file has an array or a dimension of this name, so that no quantity may bear it."""
        return False

    def installation(self) -> Mapping[str, Any]:
        """What `ode-sgd info` says of the model: plain values by name."""
        return {}

    # What the explorer shows.

    def controls(self) -> Mapping[str, Control]:
        """What moves a key, by dotted name, those first that are moved most; the other keys are typed."""
        return {}

    def annotations(self, run: Run) -> Annotations:
        """What theory says of the curves of its run; it is asked at every one, and may take some milliseconds."""
        return Annotations()

    def tables_of(self, problem: Any) -> Mapping[str, Values] | None:
        """Tables of a study of this problem, which may lack others; None of what is no problem of this model."""
        return None

    def python_lines(self, tables: Tables) -> str:
        """A script that computes the runs of a study by public names; empty: by its tables."""
        return ""

    # How a study file is checked.

    def complete(self, table: str, given: Mapping[str, Any], parts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Values that a table takes from others where the study file does not give them.

        `parts` holds what was made of the tables before this one, None for those with faults; InvalidProblem where a
        value can be had from nowhere.
        """
        return {}

    def keys(self) -> tuple[str, ...]:
        """Everything that a sweep can vary: the dotted name of every key of every table."""
        names: dict[str, None] = {}
        for table, target in self.tables.items():
            several = list(target.values()) if isinstance(target, Mapping) else [target]
            keys = ["kind"] if len(several) > 1 else []
            for one in several:
                keys += [key for key in inspect.signature(one).parameters if key not in self.tables]
            names |= dict.fromkeys(f"{table}.{key}" for key in keys)
        return tuple(names)

    def order(self) -> Sequence[str]:
        """The tables in the order in which they are made, beyond what their parameters ask for."""
        return tuple(self.tables)

    def stand_in(self, table: str, given: Mapping[str, Mapping[str, Any]]) -> Any:
        """What takes the place of a table with faults while those that need it are checked; None: they are not."""
        return None

    def plausible(self, keys: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Values that stand in for required keys that are missing or faulty, so that all faults are found at once."""
        return {}

    def faults(self, tables: Tables) -> list[str]:
        """Where tables contradict each other; of those with faults of their own the part is None."""
        return []

    def located(self, name: str, value: Any, folder: Path | None) -> Any:
        """The value of a key among `file_keys`, as it means the same in every folder and every process.

        A value that names a file counts from `folder`; the file may be run, and what stands for it must say what it
        holds. None: the value is from a sweep's folder, which has no file run. InvalidProblem for a file with faults.
        """
        return value

    def carried(self, values: Sequence[Any]) -> Any:
        """What this process has loaded for these values of `file_keys`: plain lists and texts for other processes."""
        return None

    def take(self, carried: Any) -> None:
        """Load what another process had `carried`."""

    # How it is computed.

    def simulates(self, tables: Collection[str]) -> bool:
        """Whether a study with these tables has a simulation."""
        own = type(self).simulation is not Model.simulation
        return own and (SIMULATION in tables or SIMULATION not in self.tables)

    def prepare(self, tables: Tables, checkpoint: Any = None) -> str:
        """Raise what can be known before anything is computed; where the checkpoint goes on, in words."""
        return ""

    def times(self, tables: Tables) -> tuple[Array | None, Array | None]:
        """The output times of theory and simulation; None for those of the runs themselves."""
        return None, None

    def blank(self, tables: Tables) -> tuple[Run, ...] | None:
        """Runs of zeros with arrays as large as those of the study; None: the files of the runs are looked at."""
        return None

    def is_batched(self, tables: Tables) -> bool:
        """Whether runs like this are computed by `theory_many`; all others one by one."""
        return type(self).theory_many is not Model.theory_many and not self.simulates(set(tables))

    def alone_because(self, tables: Tables) -> str:
        """Why runs like this have files of their own; empty where many may share one."""
        return ""

    def fills_lanes(self, tables: Tables) -> bool:
        """Whether several runs take hardly longer than one, so that those with files of their own go together."""
        return False

    def cost(self, tables: Tables) -> float:
        """What a run costs beside another one of the same sweep, roughly, > 0."""
        return 1.0

    def is_long(self, tables: Tables) -> bool:
        """Whether a run is known to take seconds, so that none is tried to find out."""
        return False

    def facts(self, tables: Tables) -> Mapping[str, Any]:
        """Plain values on which the numbers of a run depend."""
        return {"model": self.name, "settings": tables.config}

    # What is compiled beforehand.

    def commonest(self) -> Mapping[str, Values] | None:
        """The tables of the study that `ode-sgd warm` compiles for when it is given none; None for none."""
        return None

    def kind_of_kernels(self, tables: Tables) -> Hashable:
        """Equal for studies that take the same compiled kernels."""
        return None

    def kernels_for(self, tables: Tables) -> str:
        """What the kernels of a study are for, in words."""
        return self.name

    def works(self, tables: Tables, *, look: bool = False) -> list[Callable[[], object]]:
        """Pieces of work that together call all compiled kernels of a study; with `look`, those of analysis too."""
        return []

    def works_of_commonest(self, tables: Tables, *, look: bool = False) -> list[Callable[[], object]]:
        """As `works`, of the commonest study: what all others are likely to need."""
        return self.works(tables, look=look)

    def works_of_sweep(self, tables: Tables, *, whole: bool, look: bool) -> list[Callable[[], object]]:
        """As `works`, of a run of a sweep: what it begins with, or as `whole` all that it may come to."""
        return []


def _one_of(model: Model, name: str) -> Callable[[Any], tuple[str, tuple[float, ...]]]:
    """A measurement of one of the model's columns."""

    def measure(measured: Any) -> tuple[str, tuple[float, ...]]:
        try:
            value = measured.shared("measures", model.measures).get(name)
        except Exception as error:  # of a user's model, on a run that ended early: others have their numbers
            measured.note(f"measures of the model {model.name} raised {type(error).__name__}: {error}")
            return RAISED, ()
        return (NONE, ()) if value is None or not np.isfinite(value) else (FOUND, (float(value),))

    return measure
