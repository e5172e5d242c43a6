"""Which student follows which teacher, and since when."""

from dataclasses import dataclass

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.errors import AnalysisError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.model.pairing import field_correlation, followed_teacher
from ode_sgd.teacher_student.trajectory import Trajectory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Specialisation:
    """The students' way to their teachers.

    Attributes
    ----------
    correlation : (.., n, K, M)
        R_in / sqrt(Q_ii T_nn) of order one, in -1..1; 0 where a student has no weights yet.
    teacher : (.., K)
        Index (from 0) of the teacher that every student follows at the last time; -1 for none.
    alpha : (.., K)
        The output time since when it has followed it for good; NaN for none.

    Examples
    --------
    >>> found = ode_sgd.specialisation(ode)
    >>> found.teacher.tolist(), found.correlation[-1].round(1).tolist()
    ([1, 0], [[0.3, 1.0], [1.0, 0.3]])
    """

    correlation: Array
    teacher: Indices
    alpha: Array

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)


@own_keywords
@check.underflow_is_zero
def specialisation(trajectory: Trajectory) -> Specialisation:
    """Which student follows which teacher: the two fields' correlation is above 0.8 in modulus and is its largest.

    Parameters
    ----------
    trajectory : Trajectory
        ODE or simulation; a leading replica axis is kept.

    Raises
    ------
    AnalysisError
        If `trajectory` is not a Trajectory.

    Examples
    --------
    >>> ode_sgd.specialisation(ode).teacher.tolist()  # student 0 follows teacher 1
    [1, 0]
    """
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    T = trajectory.T if trajectory.T.ndim == 2 else trajectory.T[:, None]
    correlation = field_correlation(trajectory.Q, trajectory.R, T)
    followed = followed_teacher(correlation)
    last = followed[..., -1, :]
    otherwise = (followed != last[..., None, :])[..., ::-1, :]
    steps = np.where(otherwise.any(axis=-2), otherwise.argmax(axis=-2), trajectory.alpha.size)
    since = trajectory.alpha[trajectory.alpha.size - steps]
    return Specialisation(correlation=correlation, teacher=last, alpha=np.where(last >= 0, since, np.nan))
