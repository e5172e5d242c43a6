"""Random features of docs/theory/scaling_laws.md section 14 in study files."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.model import Progress, Tables, Target
from ode_sgd.core.run import Parameters, Run
from ode_sgd.scaling_laws import regression_curve, study_model
from ode_sgd.scaling_laws.power_law_task import PowerLawTask
from ode_sgd.scaling_laws.random_features import RandomFeatures
from ode_sgd.scaling_laws.random_features_simulation import check_memory
from ode_sgd.scaling_laws.regression_curve import Axis, RegressionCurve
from ode_sgd.scaling_laws.study_tables import AlongFeatures, AlongSamples, Regressions
from ode_sgd.storage.checkpoint import Checkpoint


class RandomFeaturesStudy(study_model.ScalingLaw):
    """The loss of ridge regression along samples or features, and trained regressions beside it."""

    name = "random_features"
    kind = RegressionCurve
    file = "random_features.toml"
    tables: ClassVar[Mapping[str, Target | Mapping[str, Target]]] = {
        "task": {"power_law": PowerLawTask, "torus": PowerLawTask.torus},
        "regression": {"samples": AlongSamples, "features": AlongFeatures},
        "simulation": Regressions,
    }
    time_name = "size"  # in files of sweeps; a run's own says which of the two it is
    time_label = "samples, or features"
    arrays = ("loss",)
    columns: ClassVar[Mapping[str, str]] = {
        "final_loss": study_model.FINAL,
        "exponent": study_model.EXPONENT,
        "exponent_error": study_model.EXPONENT_ERROR,
        "law": study_model.LAW,
    }
    same_shape = frozenset(
        {f"task.{key}" for key in ("capacity", "source", "modes", "dimension", "smoothness")}
        | {"regression.label_noise"}
    )

    # What is computed.

    def curve_of(self, tables: Tables) -> Run:
        """The mean loss of large regressions."""
        return RandomFeatures(tables["task"]).curve(**tables["regression"].arguments)

    def simulated(
        self, tables: Tables, replicas: int, progress: Progress, checkpoint: Checkpoint | None, *, few: bool = False
    ) -> Run:
        """Trained regressions, at the same points."""
        regression = tables["regression"]
        arguments = regression.arguments | ({regression.along: np.array([1])} if few else {})
        seed, model = tables["simulation"].seed, RandomFeatures(tables["task"])
        return model.simulate(**arguments, replicas=replicas, seed=seed, progress=progress, checkpoint=checkpoint)

    def law_name(self, canonical: Mapping[str, Any]) -> str:
        """Where the other one of samples and features is infinite, or much larger."""
        return f"resolution, {canonical.get('along', '')}"

    # How its runs lie in files, and how a study is checked and computed.

    def problem(self, tables: Tables) -> Parameters:
        """All but the points."""
        given = tables["regression"].arguments
        axis = Axis.of(given[regression_curve.SAMPLES], given[regression_curve.FEATURES])
        return regression_curve.parameters(tables["task"], axis, given["ridge"], given["label_noise"])

    def faults(self, tables: Tables) -> list[str]:
        """A simulation of more modes than can be drawn."""
        task, settings = tables.get("task"), tables.get("simulation")
        if task is None or settings is None:
            return []
        try:
            task.explicit()
        except ValueError as error:
            return [f"[simulation] {error}, or leave the table out"]
        return []

    def prepare(self, tables: Tables, checkpoint: Checkpoint | None = None) -> str:
        """Whether there is a loss everywhere, and memory for the regressions; how many of these are done."""
        given, settings = tables["regression"].arguments, tables.get("simulation")
        self.curve_of(tables)  # raises at the interpolation peak
        if settings is None:
            return ""
        check_memory(tables["task"], given["samples"], given["features"], 1)
        saved = None if checkpoint is None else checkpoint.read()
        if saved is None:
            return ""
        reached = saved["reached"]
        return f"point {int(reached.sum()) - reached.size + 1} of {reached.size * (saved['losses'].shape[1] - 1)}"

    def times(self, tables: Tables) -> tuple[Array | None, Array | None]:
        """The same numbers for both."""
        given = tables["regression"].arguments
        points = Axis.of(given["samples"], given["features"]).points.astype(np.float64)
        return points, points if "simulation" in tables else None

    def cost(self, tables: Tables) -> float:
        """Of a regression with so many samples, features and modes."""
        settings, given = tables.get("simulation"), tables["regression"].arguments
        if settings is None:
            return 1.0
        sizes = [float(np.max(given[name] if given[name] is not None else 1)) for name in ("samples", "features")]
        return 1.0 + sizes[0] * sizes[1] * float(settings.replicas * tables["task"].modes)
