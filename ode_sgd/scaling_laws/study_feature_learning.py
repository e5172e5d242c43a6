"""The feature-learning model of docs/theory/scaling_laws.md section 12 in study files."""

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.model import Progress, Tables, Target
from ode_sgd.core.run import Observable, Parameters, Run
from ode_sgd.scaling_laws import closure_error, sgd, simulation, study_model
from ode_sgd.scaling_laws.feature_learning import FeatureLearning
from ode_sgd.scaling_laws.loss_curve import FLOOR, LOSS, STEPS, TIME, LossCurve
from ode_sgd.scaling_laws.power_law_task import PowerLawTask
from ode_sgd.scaling_laws.sgd_steps import MOST_STEPS, sgd_problem
from ode_sgd.scaling_laws.simulated_networks import Request
from ode_sgd.scaling_laws.study_tables import Flow, Networks, Sgd, whole_grid
from ode_sgd.scaling_laws.whole_modes import MOST_WHOLE
from ode_sgd.storage.checkpoint import Checkpoint

STEP = 0.05  # of gradient descent in place of gradient flow, where the study gives none


class FeatureLearningStudy(study_model.ScalingLaw):
    """Gradient flow or SGD of the two-layer linear network, and explicit networks beside it."""

    name = "feature_learning"
    kind = LossCurve
    file = "feature_learning.toml"
    tables: ClassVar[Mapping[str, Target | Mapping[str, Target]]] = {
        "task": {"power_law": PowerLawTask, "torus": PowerLawTask.torus},
        "student": FeatureLearning,
        "training": {"flow": Flow, "sgd": Sgd},
        "simulation": Networks,
    }
    time_name = TIME
    time_label = "time: steps times learning rate"
    arrays = (LOSS, "r", "a", "c", STEPS)
    columns: ClassVar[Mapping[str, str]] = {
        "final_loss": study_model.FINAL,
        "floor": "loss that the width cannot fall below",
        "exponent": study_model.EXPONENT,
        "exponent_error": study_model.EXPONENT_ERROR,
        "law": study_model.LAW,
        "gain": "a = 1 + gamma r of the theory at the last time: 1 in lazy training",
    }
    same_shape = frozenset(
        {f"task.{key}" for key in ("capacity", "source", "modes", "dimension", "smoothness")}
        | {f"student.{key}" for key in ("gamma", "width", "samples", "label_noise")}
        | {"training.batch_size"}  # not the learning rate: times are steps times it
    )

    # What is computed.

    def curve_of(self, tables: Tables) -> Run:
        """The flow, or the recursion of SGD, also where the simulation is recorded."""
        model, training = tables["student"], tables["training"]
        wanted, _ = self._grids(tables)
        if not training.fresh:
            return model.flow(wanted)  # type: ignore[no-any-return]
        return sgd.recursion(model, wanted, training.learning_rate, training.batch_size)

    def simulated(
        self, tables: Tables, replicas: int, progress: Progress, checkpoint: Checkpoint | None, *, few: bool = False
    ) -> Run:
        """Explicit networks: with fresh data, or gradient descent with small steps in place of the flow."""
        training, (_, steps) = tables["training"], self._grids(tables)
        assert steps is not None
        return simulation.simulate(
            tables["student"],
            steps[:2] if few else steps,
            learning_rate=rate_of(tables),
            batch_size=training.batch_size if training.fresh else None,
            replicas=replicas,
            seed=tables["simulation"].seed,
            progress=progress,
            checkpoint=checkpoint,
        )

    def law_name(self, canonical: Mapping[str, Any]) -> str:
        """Of gradient flow at infinite width, which SGD follows until its noise counts."""
        return "loss in time"

    def _grids(self, tables: Tables) -> tuple[Array | Indices, Indices | None]:
        """Times of a flow or steps of SGD for theory, and steps of the simulation, whose times theory has too."""
        training, settings = tables["training"], tables.get("simulation")
        if settings is None:
            return training.grid, None
        if training.fresh:
            given = training.steps if np.ndim(training.steps) else int(training.grid[-1])
            steps = whole_grid(given, settings.points)
            return np.union1d(training.grid, steps), steps
        rate = rate_of(tables)
        if np.ndim(training.times):
            steps = np.unique(np.rint(training.grid / rate).astype(np.int64))
        else:
            steps = whole_grid(max(1, round(float(training.times) / rate)), settings.points)
        return np.union1d(training.grid, steps.astype(np.float64) * rate), steps

    # How its runs lie in files, and what is said of them.

    def problem(self, tables: Tables) -> Parameters:
        """The model, and with fresh data learning rate and batch."""
        model, training = tables["student"], tables["training"]
        if training.fresh:
            return sgd_problem(model, training.learning_rate, training.batch_size)
        return Parameters(model.canonical)

    def stacked(self, run: Run) -> Mapping[str, Observable]:
        """All but the theory's floor, which is one number a run: that is a column of `measures`."""
        return {name: entry for name, entry in run.observables.items() if entry.dimensions or entry.has_replicas}

    def restore_from(self, tables: Tables, attributes: Mapping[str, Any], variables: Mapping[str, Any]) -> Run:
        """A run of a sweep, with its floor."""
        held = dict(variables)
        if FLOOR not in held:
            held[FLOOR] = tables["student"].flow([0.0]).observables[FLOOR]
        return super().restore_from(tables, attributes, held)

    def describe(self, run: Run) -> str:
        """Exponent, floor and gain."""
        if not isinstance(run, LossCurve):
            return ""
        floor, gain = float(np.mean(run.floor)), run.scalars.get("a")
        lines = [super().describe(run)]
        if floor > 0.0:
            above = float(run.mean().error[-1] if run.replicas else run.error[-1]) / floor
            lines.append(f"floor     {floor:.6g}; the last loss is {above:.4g} times that")
        if gain is not None and (gain != 1.0).any():
            task = study_model.task_of(run.provenance.get("task"))
            lines += [] if task is None else closure_error.caution(run, float(task.eigenvalues[0]))
            lines.append(f"gain      a = {float(np.mean(gain[..., -1])):.4g} at the end; 1 in lazy training")
        return "\n".join(line for line in lines if line)

    def measures(self, run: Run) -> Mapping[str, float | None]:
        """Loss, exponent, floor and gain."""
        found = dict(super().measures(run))
        if isinstance(run, LossCurve):
            found |= {"floor": float(run.observables[FLOOR].values), "gain": float(run.scalars["a"][-1])}
        return found

    # How a study is checked, and computed.

    def plausible(self, keys: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
        """A learning rate, which SGD must be given."""
        return {"learning_rate": STEP} if "learning_rate" in keys else {}

    def faults(self, tables: Tables) -> list[str]:
        """Where student, training and simulation contradict each other."""
        model, training, settings = (tables.get(name) for name in ("student", "training", "simulation"))
        if model is None or training is None:
            return []
        found = []
        if training.fresh and model.samples is not None:
            found.append(
                f"[student] samples = {model.samples}: SGD takes fresh data at every step; leave samples out, or give "
                '[training] kind = "flow"'
            )
        return found if settings is None else [*found, *_simulation_faults(model, training, settings)]

    def prepare(self, tables: Tables, checkpoint: Checkpoint | None = None) -> str:
        """Whether steps are stable and the networks fit into memory, and where the simulation goes on."""
        training = tables["training"]
        if training.fresh:  # raises where the learning rate is unstable
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the run itself will say what there is to be said of its end
                sgd.recursion(tables["student"], [0], training.learning_rate, training.batch_size)
        if not self.simulates(set(tables)):
            return ""
        _, steps = self._grids(tables)
        assert steps is not None
        settings = tables["simulation"]
        batch = training.batch_size if training.fresh else 0
        request = Request(model=tables["student"], steps=steps, learning_rate=rate_of(tables), batch=batch)
        simulation.check_sizes(request, settings.replicas, 1)
        saved = None if checkpoint is None else checkpoint.read()
        return "" if saved is None else "the steps that its networks had reached"

    def times(self, tables: Tables) -> tuple[Array | None, Array | None]:
        """Those of theory and simulation."""
        wanted, steps = self._grids(tables)
        rate = rate_of(tables)
        theory = wanted.astype(np.float64) * (rate if tables["training"].fresh else 1.0)
        return theory, None if steps is None else steps.astype(np.float64) * rate

    def cost(self, tables: Tables) -> float:
        """Numbers that the networks go through; theory takes milliseconds."""
        _, steps = self._grids(tables)
        if steps is None:
            return 1.0
        model = tables["student"]
        size = float(model.task.modes) * float(model.width or 1)
        return 1.0 + size * float(tables["simulation"].replicas) * float(steps[-1])


def rate_of(tables: Tables) -> float:
    """The learning rate of a step: of SGD, or of the simulation that stands for a flow."""
    training = tables["training"]
    return float(training.learning_rate) if training.fresh else rate_of_flow(tables.get("simulation"))


def rate_of_flow(settings: Networks | None) -> float:
    """The learning rate of gradient descent in place of the flow."""
    return STEP if settings is None or settings.learning_rate is None else float(settings.learning_rate)


def _simulation_faults(model: FeatureLearning, training: Flow | Sgd, settings: Networks) -> list[str]:
    """Where the simulation contradicts the rest."""
    found = []
    if model.task.modes > MOST_WHOLE:
        found.append(
            f"[task] modes = {model.task.modes}: networks take every mode for itself; give at most {MOST_WHOLE}, or "
            "leave the table [simulation] out"
        )
    if training.fresh and settings.learning_rate is not None:
        found.append(
            f"[simulation] learning_rate = {settings.learning_rate:g}: that of SGD is in [training]; leave it out here"
        )
    last, rate = 0.0 if isinstance(training, Sgd) else float(np.max(training.times)), rate_of_flow(settings)
    if last / rate >= MOST_STEPS:
        found.append(
            f"[training] times = {last:g}: at [simulation] learning_rate = {rate:g} networks take {last / rate:.3g} "
            "steps to that; give a shorter time, a larger learning_rate, or leave the table [simulation] out"
        )
    if not training.fresh and model.width is None and model.samples is None:
        found.append(
            "[simulation] at infinite width and with endless data gradient flow has nothing random in it; give "
            "[student] width or samples, or leave the table out"
        )
    return found
