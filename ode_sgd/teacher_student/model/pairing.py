"""Which student follows which teacher, from the overlaps at one time."""

import numpy as np

from ode_sgd.core.arrays import Array, Indices

SETTLED = 0.8  # correlation of a student's field with a teacher's from which the one counts as following the other


def field_correlation(Q: Array, R: Array, T: Array) -> Array:
    """R_in / sqrt(Q_ii T_nn), shape of R (.., K, M); 0 where one of the two vanishes. T is (M, M) or (.., M, M)."""
    students, teachers = (np.maximum(np.diagonal(m, axis1=-2, axis2=-1), 0.0) for m in (Q, T))  # 0 may round below
    size = np.sqrt(students[..., :, None] * teachers[..., None, :])
    return np.asarray(np.divide(R, size, out=np.zeros_like(R), where=size > 0.0))


def followed_teacher(correlation: Array) -> Indices:
    """The teacher that every student follows, (.., K), or -1, from correlations (.., K, M)."""
    strength = np.abs(correlation)
    return np.where(strength.max(axis=-1) > SETTLED, strength.argmax(axis=-1), -1)
