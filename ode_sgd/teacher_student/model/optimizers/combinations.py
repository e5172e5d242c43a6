"""Which options of a problem go together with which optimisers: the one table of it."""

from collections.abc import Collection
from typing import Any

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.model.optimizers.optimizer import Optimizer

# Options that are refused, unless a row of COMBINED has them. Schedules are those of the learning rate and the like.
OPTIONS = (
    "gradient_flow",
    "spherical",
    "second_layer_rate",
    "batch_size",
    "weight_decay",
    "trainable",
    "rule",
    "schedules",
)

LINEAR_MEMORY = frozenset({"HeavyBall", "Averaging", "ScheduleFree", "DANA"})
SCALAR_RATES = frozenset({"AdaGradNorm", "Polyak"})  # one rate for all weights, which follows the gradients
ADAPTIVE = frozenset({"SignSGD", "Adam"}) | SCALAR_RATES
_MEMORY = frozenset({"gradient_flow", "batch_size", "weight_decay", "trainable", "rule", "schedules"})
_ADAPTIVE = frozenset({"weight_decay", "trainable", "rule"})

COMBINED: dict[str, frozenset[str]] = {
    "HeavyBall": _MEMORY,
    "Averaging": _MEMORY,
    "ScheduleFree": _MEMORY,
    "DANA": _MEMORY,
    "SignSGD": frozenset({"weight_decay", "trainable"}),
    "Adam": _ADAPTIVE,
    "AdaGradNorm": _ADAPTIVE,
    "Polyak": _ADAPTIVE,
}
# Why two are not covered, where it is not plain to see.
REASONS = {("SignSGD", "rule"): "it needs averages of sign(delta), and of an update the ODE has those of delta"}


def require_combined(optimizer: Optimizer, problem: Any) -> None:
    """Raise for an option of a problem with which an optimiser does not go.

    Raises
    ------
    InvalidProblem
        Naming both, and what to leave out.
    """
    schedules = ", ".join(f"{name} = {schedule}" for name, schedule in problem.timetable.schedules.items())
    told = {"schedules": schedules} | {name: _told(problem, name) for name in OPTIONS if name != "schedules"}
    for option, text in told.items():
        if text and option not in COMBINED.get(optimizer.name, frozenset()):
            reason = REASONS.get((optimizer.name, option), "the two together are not covered")
            raise InvalidProblem(f"optimizer = {optimizer} with {text}: {reason}; leave one of them out")
    optimizer.require_fits(problem)


def without_optimizer(method: str, taken: Collection[str], optimizer: Optimizer | None) -> str:
    """Why a method that takes optimisers of some names does not take this one, in words; empty where it does."""
    if optimizer is None or optimizer.name in taken:
        return ""
    return f"method = {method!r} does not take optimizer = {optimizer}"


def _told(problem: Any, name: str) -> str:
    """An option and its value; empty where it has its default."""
    value, default = getattr(problem, name), type(problem).__dataclass_fields__[name].default
    return "" if value == default else f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"
