"""What theory says for the teacher of a run."""

from collections.abc import Callable
from typing import TypeVar

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.trajectory import Trajectory

T = TypeVar("T")


def where_it_exists(compute: Callable[[], T]) -> T | None:
    """What theory gives, or None where it says that there is no such thing."""
    try:
        return compute()
    except InvalidProblem:
        return None


def start_of_theory(trajectory: Trajectory) -> Trajectory | None:
    """The `start` of functions of `theory`: the run; None, an orthonormal teacher, where replicas have own ones."""
    return trajectory if trajectory.T.ndim == 2 else None


def last_state(trajectory: Trajectory) -> OrderParameters | None:
    """The last state kept, of the first replica; what sectors hold that do not learn cannot be had from elsewhere."""
    return trajectory.final[0] if isinstance(trajectory.final, tuple) else trajectory.final
