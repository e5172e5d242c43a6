"""`ode_sgd.optimizers.HeavyBall(friction=1.0)`: what `Problem(optimizer=...)` takes, under public names.

Names load on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ode_sgd.core.keywords import no_attribute
from ode_sgd.teacher_student.model import optimizers as _model

_OTHERS = {"simulate_in_coordinates": "ode_sgd.teacher_student.simulation.coordinates"}

__all__ = [*_model.KINDS, *_OTHERS]  # noqa: PLE0604

# ruff: noqa: PLC0414 (names that are exported again, as in an __init__.py)
if TYPE_CHECKING:
    from ode_sgd.teacher_student.model.optimizers import DANA as DANA
    from ode_sgd.teacher_student.model.optimizers import SGD as SGD
    from ode_sgd.teacher_student.model.optimizers import AdaGradNorm as AdaGradNorm
    from ode_sgd.teacher_student.model.optimizers import Adam as Adam
    from ode_sgd.teacher_student.model.optimizers import Averaging as Averaging
    from ode_sgd.teacher_student.model.optimizers import HeavyBall as HeavyBall
    from ode_sgd.teacher_student.model.optimizers import Polyak as Polyak
    from ode_sgd.teacher_student.model.optimizers import ScheduleFree as ScheduleFree
    from ode_sgd.teacher_student.model.optimizers import SignSGD as SignSGD
    from ode_sgd.teacher_student.simulation.coordinates import simulate_in_coordinates as simulate_in_coordinates


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise no_attribute(__name__, name, __all__)
    value = getattr(importlib.import_module(_OTHERS[name]) if name in _OTHERS else _model, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
