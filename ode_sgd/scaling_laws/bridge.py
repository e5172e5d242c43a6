"""The lazy student of a task in the words of the teacher-student model.

Without feature learning, at infinite width and with one sample a step, the student of section 12 is one linear unit
that learns from one linear teacher. Source: docs/theory/scaling_laws.md section 11.4.
"""

from dataclasses import dataclass

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array, ArrayLike
from ode_sgd.core.keywords import own_keywords
from ode_sgd.scaling_laws.power_law_task import PowerLawTask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearStudent:
    """What the teacher-student model is to be given, and what its results are of the task.

    Attributes
    ----------
    eigenvalues, weights : ndarray, shape (n,)
        Of `ode_sgd.Spectrum`: the task's eigenvalues over their mean, and the share of modes that has each.
    learning_rate : float
        Of `ode_sgd.Problem` with activation="linear" and one unit on both sides.
    label_noise : float
        Its standard deviation, the same in both.
    teacher : ndarray, shape (n,)
        Overlap t_k of the teacher with itself in each sector; student overlaps q_k and r_k begin at 0.
    dimension : int
        N of a simulation: the number of modes.

    Notes
    -----
    Equation: (11.9).

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> student = sl.linear_student(sl.PowerLawTask(modes=100), learning_rate=0.01)
    >>> round(student.learning_rate, 5), student.dimension
    (0.02413, 100)
    """

    eigenvalues: Array
    weights: Array
    learning_rate: float
    label_noise: float
    teacher: Array
    dimension: int

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)

    def alpha(self, steps: ArrayLike) -> Array:
        """Time of the teacher-student model after so many steps."""
        return np.asarray(steps, np.float64) / self.dimension

    def loss(self, generalization_error: ArrayLike) -> Array:
        """The task's loss of a generalization error, which has a factor 1/2."""
        return 2.0 * np.asarray(generalization_error, np.float64)


@own_keywords
@check.underflow_is_zero
def linear_student(task: PowerLawTask, learning_rate: float, label_noise: float = 0.0) -> LinearStudent:
    """Translate a task, and the learning rate of its student, to the teacher-student model.

    Parameters
    ----------
    task : PowerLawTask
    learning_rate : float
        eta of `FeatureLearning.sgd`, > 0.
    label_noise : float
        Standard deviation of the noise on the labels, >= 0.

    Raises
    ------
    InvalidProblem
        For a value outside its range.

    Notes
    -----
    The ODE of the teacher-student model is the limit of many modes for every eigenvalue, and differs by the order of
    eta lambda_1 from the recursion, which is exact for one. Equation: (11.9).

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> task = sl.PowerLawTask.from_spectrum([3.0, 1.0], multiplicities=[50, 50])
    >>> student = sl.linear_student(task, learning_rate=0.001)
    >>> student.eigenvalues.tolist(), student.learning_rate, student.teacher.tolist()
    ([1.5, 0.5], 0.2, [200.0, 200.0])
    """
    check.instance("task", task, PowerLawTask)
    rate = check.size("learning_rate", learning_rate)
    modes, counts, lam = float(task.multiplicities.sum()), task.multiplicities, task.eigenvalues
    return LinearStudent(
        eigenvalues=lam * (modes / task.trace),
        weights=counts / modes,
        learning_rate=rate * task.trace,
        label_noise=check.size("label_noise", label_noise, zero=True),
        teacher=task.trace * task.teacher_power / (lam * counts),
        dimension=task.modes,
    )
