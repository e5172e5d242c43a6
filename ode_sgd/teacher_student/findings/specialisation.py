"""Which student follows which teacher, and since when."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import AnalysisError
from ode_sgd.teacher_student.trajectory import Trajectory

SETTLED = 0.8  # correlation of a student's field with a teacher's from which the one counts as following the other


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
    teacher: NDArray[np.int64]
    alpha: Array


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
        If it is not a Trajectory.

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


def field_correlation(Q: Array, R: Array, T: Array) -> Array:
    """R_in / sqrt(Q_ii T_nn), shape of R (.., K, M); 0 where one of the two vanishes. T is (M, M) or (.., M, M)."""
    students, teachers = (np.maximum(np.diagonal(m, axis1=-2, axis2=-1), 0.0) for m in (Q, T))  # 0 may round below
    size = np.sqrt(students[..., :, None] * teachers[..., None, :])
    return np.asarray(np.divide(R, size, out=np.zeros_like(R), where=size > 0.0))


def followed_teacher(correlation: Array) -> NDArray[np.int64]:
    """The teacher that every student follows, (.., K), or -1, from correlations (.., K, M)."""
    strength = np.abs(correlation)
    return np.where(strength.max(axis=-1) > SETTLED, strength.argmax(axis=-1), -1)
