"""Optimisers as values of a problem: what a step does with the gradient, one file a family.

Names load on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

# What a problem's table `optimizer` may name, and the file of each.
KINDS = {
    "SGD": "plain",
    "HeavyBall": "heavy_ball",
    "Averaging": "averaging",
    "ScheduleFree": "averaging",
    "DANA": "dana",
    "SignSGD": "coordinatewise",
    "Adam": "coordinatewise",
    "AdaGradNorm": "scalar_rates",
    "Polyak": "scalar_rates",
}

_HOME = {"Optimizer": "optimizer", "Copies": "copies", **KINDS}

__all__ = [*_HOME]  # noqa: PLE0604

if TYPE_CHECKING:
    from ode_sgd.teacher_student.model.optimizers.averaging import Averaging as Averaging
    from ode_sgd.teacher_student.model.optimizers.averaging import ScheduleFree as ScheduleFree
    from ode_sgd.teacher_student.model.optimizers.coordinatewise import Adam as Adam
    from ode_sgd.teacher_student.model.optimizers.coordinatewise import SignSGD as SignSGD
    from ode_sgd.teacher_student.model.optimizers.copies import Copies as Copies
    from ode_sgd.teacher_student.model.optimizers.dana import DANA as DANA
    from ode_sgd.teacher_student.model.optimizers.heavy_ball import HeavyBall as HeavyBall
    from ode_sgd.teacher_student.model.optimizers.optimizer import Optimizer as Optimizer
    from ode_sgd.teacher_student.model.optimizers.plain import SGD as SGD
    from ode_sgd.teacher_student.model.optimizers.scalar_rates import AdaGradNorm as AdaGradNorm
    from ode_sgd.teacher_student.model.optimizers.scalar_rates import Polyak as Polyak


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ode_sgd.teacher_student.model.optimizers' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
