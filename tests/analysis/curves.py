"""Trajectories with a given error curve, to hold the analysis against what is known of it."""

import numpy as np

import ode_sgd


def trajectory(alpha, error, R=None, resolution=0.0, own_teachers=False, **changes):
    """A trajectory of K = M = 2 with eps_g (n,) or (replica, n) and, if given, R; everything else is filling."""
    alpha, error = np.array(alpha, float), np.array(error, float)
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.1, **changes
    )
    shape = (*error.shape, 2, 2)
    Q = np.broadcast_to(np.eye(2), shape).copy()
    R = np.zeros(shape) if R is None else np.array(R, float)
    return ode_sgd.Trajectory(
        problem=problem,
        alpha=alpha,
        generalization_error=error,
        moments={1: (Q, R, np.tile(np.eye(2), (len(error), 1, 1)) if own_teachers else np.eye(2))},
        method="given",
        resolution=resolution,
        dimension=None if error.ndim == 1 else 1000,
    )
