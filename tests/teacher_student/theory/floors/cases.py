"""Problems of the tests of floors, and numbers that were computed from the formulas by independent code."""

import numpy as np

from ode_sgd import OrderParameters, Problem, Spectrum


def erf(K, M=None, *, learning_rate=0.1, label_noise=0.1, spectrum=None, **others):
    """erf students, isotropic unless said."""
    return Problem(
        spectrum=spectrum or Spectrum.isotropic(),
        student_units=K,
        teacher_units=M or K,
        learning_rate=learning_rate,
        label_noise=label_noise,
        **others,
    )


def law(L, beta=1.0):
    return Spectrum.power_law(L, beta)


def random_teacher(problem, seed=0):
    """Overlaps with t_k of its own in every sector, and no students."""
    generator = np.random.default_rng(seed)
    L, K, M = problem.spectrum.distinct, problem.student_units, problem.teacher_units
    B = generator.standard_normal((L, M, 12))
    t = B @ B.transpose(0, 2, 1) / 12
    return OrderParameters(np.zeros((L, K, K)), np.zeros((L, K, M)), t)


def at_teacher(problem, t, distance=0.0, seed=0):
    """Students a little off their teachers (K = M, in order), as weights of 60 inputs a sector have it."""
    generator = np.random.default_rng(seed)
    L, K = len(t), problem.student_units
    q, r = np.empty((L, K, K)), np.empty((L, K, K))
    for k in range(L):
        B = np.linalg.cholesky(t[k]) @ np.linalg.qr(generator.standard_normal((60, K)))[0].T
        J = B + distance * generator.standard_normal(B.shape) / np.sqrt(60.0)
        q[k], r[k] = J @ J.T, J @ B.T
    return OrderParameters(q, r, t)


def linear(weights, eigenvalues, learning_rate=0.5, label_noise=0.3):
    """K = M = 1 and linear, with e_k(0) = 1 in all sectors."""
    problem = Problem(
        spectrum=Spectrum(eigenvalues, weights),
        student_units=1,
        teacher_units=1,
        activation="linear",
        learning_rate=learning_rate,
        label_noise=label_noise,
    )
    one = np.ones((len(weights), 1, 1))
    return problem, OrderParameters(0.0 * one, 0.0 * one, one)


def pair_at(problem, Q):
    """Students at orthonormal teachers (T = I, one sector), and the last two antiparallel, of squared norm Q."""
    K, M = problem.student_units, problem.teacher_units
    q, r = np.diag([1.0] * M + [Q, Q]), np.zeros((K, M))
    q[M, M + 1] = q[M + 1, M] = -Q
    r[:M] = np.eye(M)
    return OrderParameters(q[None], r[None], np.eye(M)[None])


def many_weights():
    """Linear, K = 3, M = 2, unequal second layers, four sectors of which the last does not learn; and a rough start."""
    problem = Problem(
        spectrum=Spectrum([1.9, 1.1, 0.6, 0.3], [0.3, 0.2, 0.3, 0.2]),
        student_units=3,
        teacher_units=2,
        student_weights=(0.8, -0.5, 0.4),
        teacher_weights=(0.9, 0.6),
        activation="linear",
        learning_rate=0.6,
        label_noise=0.4,
        trainable=3,
    )
    return problem, OrderParameters.random(problem, 20, 0.7, 1.0, seed=2)
