"""What the three scaling-law models have in common as models of study files."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ode_sgd.core.compile import news
from ode_sgd.core.control import Annotations, Control
from ode_sgd.core.errors import AnalysisError, InvalidProblem
from ode_sgd.core.model import SIMULATION, Model, Progress, Tables
from ode_sgd.core.reference import Reference
from ode_sgd.core.run import Parameters, Run, restored
from ode_sgd.scaling_laws.asymptotic_laws import Law, laws
from ode_sgd.scaling_laws.loss_curve import FLOOR
from ode_sgd.scaling_laws.power_law_task import PowerLawTask
from ode_sgd.scaling_laws.study_controls import controls_among
from ode_sgd.storage.checkpoint import Checkpoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ode_sgd.analysis.power_law import PowerLawFit

POWER_LAW, TORUS = {"capacity", "source", "modes"}, {"dimension", "smoothness", "modes"}
LIMITS = ("width", "samples", "features")  # that bound how many modes are learned
SHORT = 1e3  # between the ends of a window, near which no law holds
FINAL = "loss of the theory at the last time or number reached"
EXPONENT = "exponent of the power law that the theory's loss falls by on its longest straight window"
LAW = "exponent that the loss has for infinitely many, from a formula"
EXPONENT_ERROR = "how much that exponent drifts along its window"


class ScalingLaw(Model):
    """A model whose runs are losses that fall as power laws."""

    kind: ClassVar[type[Run]] = Run
    file: ClassVar[str] = ""  # of the template
    same_shape: ClassVar[frozenset[str]] = frozenset()  # keys that leave the shape of a run's arrays as it is
    error_name = "loss"
    error_symbol = "loss"
    error_label = "loss E (y - f)^2, without label noise"

    def __init__(self) -> None:
        self.shape_keys = frozenset(self.keys()) - self.same_shape - {"simulation.seed"}

    # How its runs lie in files.

    def restore(self, attributes: Mapping[str, Any], variables: Mapping[str, Any]) -> Run:
        """A run of the model's own class."""
        return restored(attributes, variables, self.kind)

    def problem(self, tables: Tables) -> Parameters:
        """What the runs of a study are of."""
        raise NotImplementedError

    def restore_from(self, tables: Tables, attributes: Mapping[str, Any], variables: Mapping[str, Any]) -> Run:
        """A run of a sweep, with the problem that its tables say."""
        return self.restore({"problem": self.problem(tables), "model": self.name, **attributes}, variables)

    # What is said of it.

    def describe(self, run: Run) -> str:
        """The exponent of its loss, and the law."""
        fit, law, lines = fitted(run), self.law(run), []
        if fit is not None:
            first, last = fit.window
            where = f"on {run.time_name} = {first:.4g} .. {last:.4g}"
            lines.append(f"exponent  {fit.exponent:.4f} +- {fit.error:.2g} {where}")
        if law is not None:
            low, high = law.window
            formula, where = law.formula.removeprefix("-"), f"{low:.3g} << {law.variable} << {high:.3g}"
            lines.append(f"law       {-law.exponent:.4f} = {formula}, {law.name} ({law.regime}; {where})")
            if high < SHORT * low:
                lines.append("          its window is too short for the exponent to be seen: fewer than three decades")
        return "\n".join(lines)

    def measures(self, run: Run) -> Mapping[str, float | None]:
        """Final loss, exponent and law."""
        fit, law = fitted(run), self.law(run)
        found: dict[str, float | None] = {"final_loss": float(run.error[-1])}
        if fit is not None:
            found |= {"exponent": fit.exponent, "exponent_error": fit.error}
        return found if law is None else found | {"law": -law.exponent}

    def law(self, run: Run) -> Law | None:
        """The law of the loss, None where the task has no exponents of its own, or the law no window.

        A student learns at most as many modes as it has hidden units, features or samples: what the law asks of the
        number of modes it asks of these.
        """
        canonical = getattr(run.problem, "canonical", {})
        name, definition = self.law_name(canonical), canonical.get("task")
        if not isinstance(definition, Mapping) or task_of(definition) is None or not name:
            return None
        finite = [canonical[key] for key in LIMITS if canonical.get(key) is not None]
        task = task_of({**definition, "modes": min([definition["modes"], *finite])})
        assert task is not None
        if task.modes == 1:
            return None
        found = next((law for law in laws(task, canonical.get("gamma", 0.0)) if law.name == name), None)
        return None if found is None or found.window[0] >= found.window[1] else found

    def law_name(self, canonical: Mapping[str, Any]) -> str:
        """What `laws` calls it, for a problem; empty for none."""
        return ""

    def figure(self, theory: Run | None, simulation: Run | None, *, analysis: bool = False) -> "Figure | None":
        """The loss beside its local exponent or the model's own quantities; None of other runs."""
        if not isinstance(simulation if theory is None else theory, self.kind):
            return None
        from ode_sgd.scaling_laws import study_figures  # brings matplotlib, which no run needs

        runs = [run for run in (theory, simulation) if run is not None]
        return study_figures.figure(runs, self.law(runs[0]), analysis=analysis)

    def references(self, run: Run) -> Sequence[Reference]:
        """The law of the loss, over the last decade of the run that it is for, and the floor."""
        law, found = self.law(run), list[Reference]()
        floor = run.observables.get(FLOOR)
        if floor is not None and float(np.mean(floor.values)) > 0.0:
            found.append(Reference(label="floor", level=float(np.mean(floor.values))))
        if law is not None:
            high = min(law.window[1], float(run.alpha[-1]))
            low = max(law.window[0], high / 10.0)
            if 0.0 < low < high:
                label = f"law {-law.exponent:.3g}"
                found.append(Reference(label=label, exponent=-law.exponent, window=(low, high)))
        return found

    def controls(self) -> Mapping[str, Control]:
        """Task, student and training, and what a simulation is drawn with."""
        return controls_among(self.keys())

    def annotations(self, run: Run) -> Annotations:
        """The law's exponent, where a figure has its line."""
        found = [one for one in self.references(run) if one.exponent is not None]
        return Annotations(None, found[0].exponent, found[0].window) if found else Annotations()

    def template(self) -> str:
        """A study with a comment at every key."""
        return files("ode_sgd.scaling_laws").joinpath(self.file).read_text(encoding="utf-8")

    # How a study is checked.

    def stand_in(self, table: str, given: Mapping[str, Mapping[str, Any]]) -> Any:
        """A task with as many modes as it is given, or very many, for students that are to be checked all the same."""
        if table != "task":
            return None
        try:
            return PowerLawTask(modes=given["task"]["modes"])
        except (InvalidProblem, KeyError):
            return PowerLawTask()

    # What is computed.

    def theory(self, tables: Tables, progress: Progress) -> Run:
        """The curve of a study, in milliseconds."""
        began = time.perf_counter()
        with news.watched(self.name) as kernels:
            found = self.curve_of(tables)
        seconds = max(0.0, time.perf_counter() - began - kernels.seconds)
        return replace(found, model=self.name, stats={**found.stats, "seconds": seconds, "compiling": kernels.seconds})

    def simulation(self, tables: Tables, progress: Progress, checkpoint: Checkpoint | None) -> Run | None:
        """The replicas of a study, where it has a table for them."""
        if SIMULATION not in tables:
            return None
        with news.watched(self.name, all_threads=True):
            found = self.simulated(tables, tables[SIMULATION].replicas, progress, checkpoint)
            return replace(found, model=self.name)

    def curve_of(self, tables: Tables) -> Run:
        """The theory of a study."""
        raise NotImplementedError

    def simulated(
        self, tables: Tables, replicas: int, progress: Progress, checkpoint: Checkpoint | None, *, few: bool = False
    ) -> Run:
        """So many replicas of a simulation, or `few` of its first steps, which call every kernel."""
        raise NotImplementedError

    # What is compiled beforehand.

    def kind_of_kernels(self, tables: Tables) -> Hashable:
        """Of whether there is a simulation."""
        return self.simulates(set(tables))

    def works(self, tables: Tables, *, look: bool = False) -> list[Callable[[], object]]:
        """The theory, which takes milliseconds, and the simulation's first steps."""
        works: list[Callable[[], object]] = [lambda: self.curve_of(tables)]
        if self.simulates(set(tables)):
            works.append(lambda: self.simulated(tables, 1, lambda fraction: None, None, few=True))
        return works


def task_of(definition: Any) -> PowerLawTask | None:
    """A power law or a torus from what defines it; None of anything else."""
    if not isinstance(definition, Mapping):
        return None
    for keys, made in ((POWER_LAW, PowerLawTask), (TORUS, PowerLawTask.torus)):
        if definition.keys() == keys:
            return made(**definition)
    return None


def fitted(run: Run) -> "PowerLawFit | None":
    """The power law that a run's loss falls by, None where it has no straight window."""
    from ode_sgd.analysis.power_law import fit_power_law  # brings SciPy, which no run needs

    try:
        found = fit_power_law(run)
    except AnalysisError:
        return None
    return found if found is not None and np.isfinite(found.exponent) else None
