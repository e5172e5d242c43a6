"""The two-layer network of docs/theory as a model: what study files, sweeps and the command line talk to."""

import re
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.measure import Measure
from ode_sgd.core.model import CONTINUES, Progress, Tables, Target, Values
from ode_sgd.core.reference import Reference
from ode_sgd.core.registry import DEFAULT
from ode_sgd.core.run import Observable, Run
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.storage.checkpoint import Checkpoint
from ode_sgd.teacher_student import study_own_files
from ode_sgd.teacher_student.integration import many_side_by_side
from ode_sgd.teacher_student.integration.continuation import later_times
from ode_sgd.teacher_student.integration.integrate import checked_nodes, integrate
from ode_sgd.teacher_student.integration.integrate_batch import integrate_batch
from ode_sgd.teacher_student.integration.methods import method_named
from ode_sgd.teacher_student.integration.sector_system import shape_of
from ode_sgd.teacher_student.kernels.averages import available
from ode_sgd.teacher_student.model import observables as named
from ode_sgd.teacher_student.model import optimizers, rule_tables
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.simulation.simulate import check_simulation, simulate
from ode_sgd.teacher_student.study_checks import integration_faults, require_to_begin, simulation_faults
from ode_sgd.teacher_student.study_columns import COLUMNS
from ode_sgd.teacher_student.study_data import inputs_and_start
from ode_sgd.teacher_student.study_explorer import Explored
from ode_sgd.teacher_student.study_files import spectrum_of
from ode_sgd.teacher_student.study_starts import DRAWN, KINDS
from ode_sgd.teacher_student.study_symbols import SYMBOLS
from ode_sgd.teacher_student.study_tables import Integration, Simulation, parts_of
from ode_sgd.teacher_student.trajectory import Trajectory, blank_trajectory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE_BY_SIDE = 2000  # eigenvalues of a spectrum taken as a whole, beyond which a run takes seconds anyway
TOGETHER = 16  # sectors that kernels take side by side
STACKED = re.compile(rf"[QRT]_\d+|{named.COPIES}")
ARRAY = re.compile(r"generalization_error|copies|[QRT]_\d")  # R_11 is what a user calls an entry, not a moment

# Keys that leave the shape of a run's arrays as it is, besides seeds.
SAME_SHAPE = frozenset(
    {"spectrum.beta", "spectrum.trace", "start.seed", "simulation.seed"}
    | {f"start.{key}" for key in ("student_scale", "teacher_scale", "dimension", "norm", "overlap", "file", "data")}
    | {f"problem.{key}" for key in ("learning_rate", "label_noise", "output", "gradient_flow")}
    | {"problem.trainable", "problem.weight_decay"}
    | {"problem.batch_size", "problem.second_layer_rate", "problem.second_layer_decay"}
    | {"problem.student_weights", "problem.teacher_weights"}
)


class TeacherStudent(Explored):
    """Online SGD of a two-layer network that learns from another one: its ODE, and the SGD itself."""

    name = DEFAULT
    tables: ClassVar[Mapping[str, Target | Mapping[str, Target]]] = {
        "spectrum": {
            "power_law": Spectrum.power_law,
            "isotropic": Spectrum.isotropic,
            "explicit": Spectrum,
            "data": spectrum_of,
        },
        "problem": Problem,
        "start": KINDS,
        "integration": Integration,
        "simulation": Simulation,
    }
    labels = ("ODE", "SGD")
    continues_runs = True
    time_name = named.TIME
    error_name = named.ERROR
    error_symbol = "eps_g"
    file_keys = study_own_files.KEYS
    error_label = named.observable(named.ERROR, np.zeros(1)).long_name
    time_label = named.DIMENSIONS[named.TIME]
    columns = COLUMNS
    symbols = SYMBOLS
    arrays = (named.ERROR, *named.moment_names(1))

    def __init__(self) -> None:
        self._started: tuple[Tables, OrderParameters] | None = None
        self.shape_keys = frozenset(self.keys()) - SAME_SHAPE

    # What is computed.

    def theory(self, tables: Tables, progress: Progress) -> Trajectory:
        """The ODE, also at the times of the simulation, to be compared there."""
        problem, _, settings, _ = parts = parts_of(tables)
        alpha, before = self.times(tables)[0], tables.get(CONTINUES)
        last = float(alpha[-1])
        return integrate(
            problem,
            self.start(tables) if before is None else None,
            alpha if before is None else later_times(alpha, before),
            continues=before,
            rtol=settings.rtol,
            atol=settings.atol,
            moments=settings.moments,
            sectors=settings.sectors,
            nodes=parts.nodes,
            method=settings.method,
            stop=settings.stop,
            progress=lambda reached: progress(reached / last),
        )

    def theory_many(self, tables: Sequence[Tables], progress: Progress) -> list[Run]:
        """Integrations of one shape and one grid, side by side."""
        settings = parts_of(tables[0]).integration
        found: list[Run] = []
        found += integrate_batch(
            [one["problem"] for one in tables],
            [one["start"].overlaps(one["problem"]) for one in tables],
            settings.times,
            rtol=settings.rtol,
            atol=settings.atol,
            moments=settings.moments,
            sectors=settings.sectors,
            threads=1,
        )
        return found

    def simulation(self, tables: Tables, progress: Progress, checkpoint: Checkpoint | None) -> Trajectory | None:
        """The SGD, where the study has a table for it."""
        arguments = self.simulation_arguments(tables)
        return None if arguments is None else simulate(**arguments, progress=progress, checkpoint=checkpoint)

    def start(self, tables: Tables) -> OrderParameters:
        """The overlaps at the first time; those of a large network take a while, and are drawn once."""
        held = self._started
        if held is None or held[0] is not tables:
            held = self._started = tables, tables["start"].overlaps(tables["problem"])
        return held[1]

    def simulation_arguments(self, tables: Tables) -> dict[str, Any] | None:
        """What is simulated, as `simulate` takes it; None if nothing is."""
        problem, start, integration, settings = parts_of(tables)
        if settings is None:
            return None
        return inputs_and_start(settings, start, self.start(tables), problem) | {
            "problem": problem,
            "alpha": settings.times(float(integration.times[-1])),
            "dimension": settings.dimension,
            "replicas": settings.replicas,
            "seed": settings.seed,
            "method": settings.method,
            "moments": integration.moments,
            "sectors": integration.sectors,
        }

    def restore_from(self, tables: Tables, attributes: Mapping[str, Any], variables: Mapping[str, Any]) -> Trajectory:
        """The ODE or the simulation of a run of a sweep, without sectors and last state."""
        _, _, integration, simulation = parts_of(tables)
        arrays = {name: entry.values for name, entry in variables.items()}
        simulated = variables[named.ERROR].has_replicas
        settings = simulation if simulated and simulation is not None else integration
        return Trajectory(
            problem=tables["problem"],
            alpha=variables[named.TIME].values,
            generalization_error=variables[named.ERROR].values,
            moments=named.moments_of(arrays),
            copies=arrays.get(named.COPIES),
            method=settings.method,
            dimension=simulation.dimension if simulated and simulation is not None else None,
            status=attributes["status"],
            resolution=attributes["resolution"],
        )

    def stacked(self, run: Run) -> dict[str, Observable]:
        """The moments, and copies of the weights: what a file of many runs holds besides eps_g."""
        return {name: entry for name, entry in run.observables.items() if STACKED.fullmatch(name)}

    # What is said of it.

    def describe(self, run: Run) -> str:
        """The findings, where there are times enough to look for any."""
        from ode_sgd.analysis.plateau import FEWEST_TIMES
        from ode_sgd.teacher_student.findings.description import describe
        from ode_sgd.teacher_student.findings.findings import findings

        enough = run.alpha.size >= FEWEST_TIMES or run.status != "complete"
        return describe(findings(run)) if enough and isinstance(run, Trajectory) else ""

    def measurements(self, columns: Collection[str] | None) -> tuple[Measure, ...]:
        """Those of docs/reference/files.md; theory's escape rate only if it is asked for."""
        from ode_sgd.teacher_student.study_measures import measures_of  # brings SciPy, which no run needs

        return measures_of(columns)

    def figure(self, theory: Run | None, simulation: Run | None, *, analysis: bool = False) -> "Figure | None":
        """eps_g beside Q and R, or the four panels of the analysis; None of runs that are no trajectories."""
        if not isinstance(simulation if theory is None else theory, Trajectory):
            return None
        from ode_sgd.teacher_student.plots import figures  # brings matplotlib, which no run needs

        draw = figures.analysis_figure if analysis else figures.run_figure
        return draw(theory, simulation)  # type: ignore[arg-type]  # it refuses others

    def references(self, run: Run) -> Sequence[Reference]:
        """Theory's plateau, floor and power law."""
        from ode_sgd.teacher_student.findings.references import references_of  # brings SciPy, which no run needs

        return references_of(run) if isinstance(run, Trajectory) else ()

    def findings(self, run: Run) -> Any:
        """All of them, where there are times enough to look for any."""
        from ode_sgd.analysis.plateau import FEWEST_TIMES
        from ode_sgd.teacher_student.findings.findings import findings

        return findings(run) if isinstance(run, Trajectory) and run.alpha.size >= FEWEST_TIMES else {}

    def template(self) -> str:
        """A study with a comment at every key."""
        return files("ode_sgd.teacher_student").joinpath("template.toml").read_text(encoding="utf-8")

    def dimensions_of(self, array: str) -> tuple[str, ...] | None:
        """Of eps_g, the moments and copies of the weights."""
        found = named.entry(array) if array == named.ERROR or STACKED.fullmatch(array) else None
        return None if found is None else found[0]

    def is_array(self, name: str) -> bool:
        """Whether it is one of these, or one of their dimensions."""
        return name in named.DIMENSIONS or ARRAY.fullmatch(name) is not None

    def installation(self) -> Mapping[str, Any]:
        """The activations, optimisers and rules that there are."""
        listed = {"activations": available(), "optimizers": optimizers.KINDS, "rules": rule_tables.names()}
        return {name: list(names) for name, names in listed.items()}

    # How a study file is checked.

    def complete(self, table: str, given: Mapping[str, Any], parts: Mapping[str, Any]) -> Mapping[str, Any]:
        """A random start without a dimension gets the simulation's."""
        if table != "start" or given.get("kind") not in DRAWN or "dimension" in given:
            return {}
        if "simulation" not in parts:
            raise InvalidProblem("[start] dimension is missing; give an integer >= 1, or a table [simulation]")
        simulation = parts["simulation"]
        return {} if simulation is None else {"dimension": simulation.dimension}

    def order(self) -> Sequence[str]:
        """The simulation before the start, which may take its dimension."""
        return ("spectrum", "problem", "integration", "simulation", "start")

    def stand_in(self, table: str, given: Mapping[str, Mapping[str, Any]]) -> Any:
        """A spectrum with enough sectors for the problem."""
        if table != "spectrum":
            return None
        sectors = given.get("problem", {}).get("trainable")
        count = min(max(sectors, 1), 10**5) if isinstance(sectors, int) else 1
        return Spectrum(np.ones(count), np.full(count, 1.0 / count))

    def plausible(self, keys: Mapping[str, Any], values: Mapping[str, Any]) -> Values:
        """Arrays of equal length, and the counts that go with those given."""

        def length(key: str) -> int:
            return max(1, len(values[key])) if isinstance(values.get(key), list) else 1

        sectors = length("eigenvalues")
        found = {
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
        return {key: value for key, value in found.items() if key in keys}

    def faults(self, tables: Tables) -> list[str]:
        """Where spectrum, start, integration and simulation contradict each other."""
        problem, integration = tables.get("problem"), tables.get("integration")
        if problem is None:
            return []
        found = [] if integration is None else integration_faults(problem, integration)
        return found + simulation_faults(problem, tables.get("start"), integration, tables.get("simulation"))

    # How it is computed.

    def prepare(self, tables: Tables, checkpoint: Checkpoint | None = None) -> str:
        """See whether the ODE can begin, and the simulation fits into memory; at which alpha it goes on."""
        require_to_begin(tables["problem"], self.start(tables), self.times(tables)[0], tables.get(CONTINUES))
        arguments = self.simulation_arguments(tables)
        return "" if arguments is None else check_simulation(**arguments, checkpoint=checkpoint)

    def times(self, tables: Tables) -> tuple[Array, Array | None]:
        """Those of the integration and, where there is a simulation, its own in both."""
        _, _, integration, simulation = parts_of(tables)
        alpha = integration.times
        if simulation is None:
            return alpha, None
        return np.union1d(alpha, times := simulation.times(float(alpha[-1]))), times

    def blank(self, tables: Tables) -> tuple[Run, ...]:
        """Trajectories of zeros."""
        problem, _, integration, simulation = parts_of(tables)
        alpha, times = self.times(tables)
        runs = [blank_trajectory(problem, alpha, (), integration.moments)]
        if simulation is not None and times is not None:
            runs.append(blank_trajectory(problem, times, (simulation.replicas,), integration.moments))
        return tuple(runs)

    def is_batched(self, tables: Tables) -> bool:
        """Whether a run goes through `integrate_batch`."""
        problem, _, settings, simulation = parts = parts_of(tables)
        if simulation or settings.stop or not method_named(settings.method).in_batches:
            return False
        return checked_nodes(problem, parts.nodes, settings.sectors, settings.method, settings.rtol) is None

    def alone_because(self, tables: Tables) -> str:
        """The overlaps of all sectors were asked for, or the error on rows that are held out."""
        integration, simulation = parts_of(tables)[2:]
        if simulation is not None and simulation.held_out is not None:
            return "a file of several runs holds no held_out_error"
        what = "no sectors" if integration.sectors else "the same times of all" if integration.stop else ""
        return what and f"a file of several runs holds {what}"

    def fills_lanes(self, tables: Tables) -> bool:
        """Whether several such runs take the vector lanes that one of them leaves empty."""
        problem, _, integration, _ = parts_of(tables)
        return self.is_batched(tables) and many_side_by_side.suits(problem, integration.sectors)

    def is_long(self, tables: Tables) -> bool:
        """Whether a spectrum is taken as a whole that has very many eigenvalues."""
        return self.is_batched(tables) and tables["problem"].spectrum.distinct > SIDE_BY_SIDE

    def cost(self, tables: Tables) -> float:
        """Steps times weights of a simulation; else groups of sectors times overlaps."""
        problem, _, integration, simulation = parts_of(tables)
        units = problem.student_units + problem.teacher_units
        if simulation is not None:
            end = float(simulation.times(float(integration.times[-1]))[-1])
            return simulation.replicas * simulation.dimension * max(end, 1e-9) * units**2
        return -(-problem.spectrum.distinct // TOGETHER) * float(units) ** 2

    def facts(self, tables: Tables) -> Mapping[str, Any]:
        """The problem by its own identity, and all other tables."""
        settings = {name: table for name, table in tables.config.items() if name != "spectrum"}
        return {"problem": tables["problem"].identity, "settings": settings}

    def located(self, name: str, value: Any, folder: Path | None) -> Any:
        """A user's activation or rule by its name and digest; what files of arrays hold."""
        return study_own_files.located(name, value, folder)

    def carried(self, values: Sequence[Any]) -> list[list[str]]:
        """The users' activations and rules among them, and files of arrays."""
        return study_own_files.carried(values)

    def take(self, carried: Any) -> None:
        """Load users' activations and rules, and read files of arrays."""
        study_own_files.take(carried)

    # What is compiled beforehand.

    def commonest(self) -> Mapping[str, Values]:
        """erf, K = M = 2."""
        from ode_sgd.teacher_student.study_kernels import COMMONEST

        return COMMONEST

    def kind_of_kernels(self, tables: Tables) -> Hashable:
        """Of activation, units, and what computes the run."""
        problem, _, _, simulation = parts_of(tables)
        method = simulation.method if simulation is not None else ""
        return problem.g, problem.student_units, problem.teacher_units, method, self.is_batched(tables)

    def kernels_for(self, tables: Tables) -> str:
        """Such as "erf, K = M = 2"."""
        return shape_of(tables["problem"])

    def works(self, tables: Tables, *, look: bool = False) -> list[Callable[[], object]]:
        """First steps, the whole ODE, and two steps of the simulation."""
        from ode_sgd.teacher_student.study_kernels import of_study

        return of_study(self, tables, look=look)

    def works_of_commonest(self, tables: Tables, *, look: bool = False) -> list[Callable[[], object]]:
        """Also those of a sweep's runs, and of the explicit simulator."""
        from ode_sgd.teacher_student.study_kernels import of_commonest

        return of_commonest(self, tables, look=look)

    def works_of_sweep(self, tables: Tables, *, whole: bool, look: bool) -> list[Callable[[], object]]:
        """First steps, and what the run goes on with."""
        from ode_sgd.teacher_student.study_kernels import of_sweep

        return of_sweep(self, tables, whole=whole, look=look)
