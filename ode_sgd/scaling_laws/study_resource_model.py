"""The resource model of docs/theory/scaling_laws.md section 13 in study files."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.model import Progress, Tables, Target
from ode_sgd.core.run import Parameters, Run
from ode_sgd.scaling_laws import study_model
from ode_sgd.scaling_laws.allocation import checked_shares, policy_of
from ode_sgd.scaling_laws.resource_curve import LOSS, NEURONS, RESIDUAL, SHARES, ResourceCurve
from ode_sgd.scaling_laws.resource_model import ResourceModel
from ode_sgd.scaling_laws.resource_simulation import checked
from ode_sgd.scaling_laws.study_tables import Selections, Sharing, power_law_subtasks
from ode_sgd.storage.checkpoint import Checkpoint


class ResourceStudy(study_model.ScalingLaw):
    """Loss and shares of subtasks along the number of neurons, and forward selection beside it."""

    name = "resource_model"
    kind = ResourceCurve
    file = "resource_model.toml"
    tables: ClassVar[Mapping[str, Target | Mapping[str, Target]]] = {
        "subtasks": {"explicit": ResourceModel, "power_law": power_law_subtasks},
        "sharing": Sharing,
        "simulation": Selections,
    }
    time_name = NEURONS
    time_label = "neurons"
    error_label = "loss, summed over the subtasks with their weights"
    arrays = (LOSS, SHARES, RESIDUAL)
    columns: ClassVar[Mapping[str, str]] = {
        "final_loss": study_model.FINAL,
        "exponent": study_model.EXPONENT,
        "exponent_error": study_model.EXPONENT_ERROR,
        "law": study_model.LAW,
        "largest_share": "largest share of a subtask at the last number of neurons",
    }
    same_shape = frozenset(
        {f"subtasks.{key}" for key in ("capacity", "source", "relative_noise", "additive_noise")}
        | {"sharing.policy", "sharing.concentration", "simulation.samples", "simulation.pool"}
    )

    # What is computed.

    def curve_of(self, tables: Tables) -> Run:
        """The policy's allocations."""
        model, sharing = tables["subtasks"], tables["sharing"]
        found: Run = model.curve(sharing.grid, policy_given(sharing), concentration=sharing.concentration)
        return found

    def simulated(
        self, tables: Tables, replicas: int, progress: Progress, checkpoint: Checkpoint | None, *, few: bool = False
    ) -> Run:
        """Neurons chosen from a pool, which knows of no policy."""
        settings, grid = tables["simulation"], tables["sharing"].grid
        found: Run = tables["subtasks"].simulate(
            [0, 1] if few else grid,
            samples=settings.samples,
            replicas=replicas,
            seed=settings.seed,
            pool=settings.pool,
            progress=progress,
            checkpoint=checkpoint,
        )
        return found

    def law_name(self, canonical: Mapping[str, Any]) -> str:
        """Of the optimal policy for infinitely many subtasks."""
        return "many subtasks, own noise" if "relative_noise" in canonical else "many subtasks, one noise"

    # How its runs lie in files, and what is said of them.

    def problem(self, tables: Tables) -> Parameters:
        """The subtasks."""
        found: Parameters = tables["subtasks"].problem
        return found

    def describe(self, run: Run) -> str:
        """The exponent, and the largest shares at the end."""
        if not isinstance(run, ResourceCurve):
            return ""
        shares = run.shares[..., -1, :].reshape(-1, run.shares.shape[-1]).mean(axis=0)
        first = np.argsort(-shares, kind="stable")[:MOST_SHARES]
        told = ", ".join(f"{shares[place]:.3f} ({place + 1})" for place in first)
        more = " and more" if shares.size > first.size else ""
        lines = [super().describe(run), f"shares    {told}{more} of {run.neurons[-1]:.6g} neurons, by subtask"]
        return "\n".join(line for line in lines if line)

    def measures(self, run: Run) -> Mapping[str, float | None]:
        """Loss, exponent and the largest share."""
        found = dict(super().measures(run))
        if isinstance(run, ResourceCurve):
            found["largest_share"] = float(run.shares[-1].max())
        return found

    # How a study is checked, and computed.

    def faults(self, tables: Tables) -> list[str]:
        """Where subtasks, sharing and simulation contradict each other."""
        model, sharing, settings = (tables.get(name) for name in ("subtasks", "sharing", "simulation"))
        found = []
        if model is not None and sharing is not None:
            found += _told("sharing", lambda: _check_policy(model, sharing))
            if settings is not None:
                found += [] if found else _not_selected(sharing)
                given = (settings.samples, settings.seed, settings.pool)
                found += _told("simulation", lambda: checked(model.subtasks, sharing.grid.astype(float), *given))
        return found

    def plausible(self, keys: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Variances as many as those given, and samples of a selection."""
        arrays = [values[key] for key in ARRAYS if isinstance(values.get(key), list)]
        ones = np.ones(max(1, len(arrays[0])) if arrays else 1)
        found = {"variances": ones, "noise_variances": ones, "samples": 1}
        return {key: value for key, value in found.items() if key in keys}

    def prepare(self, tables: Tables, checkpoint: Checkpoint | None = None) -> str:
        """How many replicas are done."""
        saved = None if checkpoint is None else checkpoint.read()
        return "" if saved is None else f"replica {int(saved['done'].sum()) + 1} of {saved['done'].size}"

    def times(self, tables: Tables) -> tuple[Array | None, Array | None]:
        """The same numbers of neurons for both."""
        grid = tables["sharing"].grid.astype(np.float64)
        return grid, grid if "simulation" in tables else None

    def cost(self, tables: Tables) -> float:
        """Neurons times pool times samples."""
        settings = tables.get("simulation")
        if settings is None:
            return 1.0
        last, size = float(tables["sharing"].grid[-1]), float(tables["subtasks"].variances.size)
        return 1.0 + last * size * float(settings.replicas * settings.samples) * float(settings.pool or last)


MOST_SHARES = 6  # in a line
ARRAYS = ("variances", "noise_variances", "weights")  # one entry for each subtask
SELECTED = ("greedy", "optimal")  # what forward selection comes to


def _not_selected(sharing: Sharing) -> list[str]:
    """The fault of a policy that no simulation follows."""
    if sharing.shares is None and sharing.policy in SELECTED:
        return []
    given = f"policy = {sharing.policy!r}" if sharing.shares is None else "shares"
    return [
        f"[sharing] gives {given}, but [simulation] chooses neurons by forward selection whatever the policy is; give "
        "policy = 'greedy' or 'optimal', or leave the table [simulation] out"
    ]


def policy_given(sharing: Sharing) -> Any:
    """The policy's name, or the shares where these are given."""
    return sharing.policy if sharing.shares is None else list(sharing.shares)


def _check_policy(model: ResourceModel, sharing: Sharing) -> None:
    """Raise unless the theory has a curve of this policy."""
    if sharing.shares is not None:
        checked_shares(sharing.shares, model.subtasks, "shares")
    policy_of(policy_given(sharing), model.subtasks, {"concentration": sharing.concentration, "price": None})
    model.curve([0.0], policy_given(sharing), concentration=sharing.concentration)


def _told(table: str, check: Any) -> list[str]:
    """What a check says, as a fault of a table."""
    try:
        check()
    except InvalidProblem as error:
        return [f"[{table}] {error}"]
    return []
