"""Modes one by one, where networks or instances are drawn."""

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.scaling_laws.power_law_task import PowerLawTask

MOST_WHOLE = 4096


def every_mode(task: PowerLawTask, purpose: str) -> tuple[Array, Array]:
    """Eigenvalue and teacher power of every mode of a task, (modes,) each, in decreasing order of eigenvalues.

    Raises
    ------
    InvalidProblem
        For a task of more than 4096 modes, or one whose modes are not known one by one.
    """
    if task.modes > MOST_WHOLE:
        raise InvalidProblem(
            f"the task has {task.modes} modes, but {purpose} takes every mode for itself; give a task of at most "
            f"{MOST_WHOLE} modes"
        )
    return task.explicit()
