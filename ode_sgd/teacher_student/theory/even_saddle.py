"""The saddle of quadratic units, on which students know nothing of their teachers (docs/theory/plateau.md section 8).

Since g is even, no start without overlaps R ever finds any. Up to the order of eta students are orthogonal and equally
long there, Q = s 1, whatever turns them into each other: with P = sum_n u_n T_nn and W = sum_nm u_n u_m T_nm^2,

    v^2 (K+2) s - v P = eta mu_1 v^2 [v^2 (K+2)(K+4) s^2 - 2 v P (K+2) s + P^2 + 2 W + sigma^2]

and their rows of r_k grow at the rate rho > 0 of 4 v eta sum_k w_k lambda_k^2 r t_k D_u / (rho + eta lambda_k D) = r,
D = 2 v ((K+2) v s - P): at small eta 4 v u eta mu_2 for T = 1, for any K, M and spectrum.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.optimize import brentq

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.branch_fixed_point import Teacher
from ode_sgd.teacher_student.theory.plain_sgd import require_plain_sgd

BRANCH = "orthogonal"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvenSaddle:
    """Students of length s, orthogonal to each other and to the teachers."""

    s: float  # Q = s 1, of order one
    height: float  # eps_g
    D: float  # eigenvalue of D, of order eta
    residual: float  # of the condition for s, in units of eta mu_1
    t: Array  # (L, M, M)
    T: Array  # (M, M)
    branch: str = BRANCH


def is_meant(problem: Problem, branch: str | None) -> bool:
    """Whether a branch, or none, of the saddles of a problem is this one."""
    check.instance("problem", problem, Problem)
    return problem.g.is_even and branch in (None, BRANCH)


def at_rest(problem: Problem, teacher: Teacher) -> EvenSaddle:
    """The saddle. Equation: (8.8).

    Raises
    ------
    InvalidProblem
        If students have unequal second-layer weights, if teachers pull the other way, or if the noise of the samples
        leaves no such point.
    """
    require_plain_sgd(problem)
    v, u, K = problem.v, problem.u, problem.student_units
    if np.unique(v).size > 1 or problem.trainable is not None:
        raise InvalidProblem("the saddle needs equal student weights, and sectors that all learn")
    one, T, trace = float(v[0]), teacher.T, problem.spectrum.moment(1)
    P, W = float(u @ np.diag(T)), float(u @ (T * T) @ u)
    if one * P <= 0.0:
        raise InvalidProblem(
            f"students of weight {one:g} cannot add up to a teacher whose mean is {P:g}; there is no saddle"
        )
    noise = 0.0 if problem.gradient_flow else fixed(problem.learning_rate) * trace
    a = noise * one**4 * (K + 2) * (K + 4)
    b = one**2 * (K + 2) + 2.0 * noise * one**3 * P * (K + 2)
    c = one * P + noise * one**2 * (P**2 + 2.0 * W + fixed(problem.label_noise) ** 2)
    if b * b < 4.0 * a * c:
        raise InvalidProblem(
            f"at learning_rate = {problem.learning_rate:g} the noise of the samples leaves no saddle: students without "
            "a teacher grow for ever; give a smaller one"
        )
    s = 2.0 * c / (b + sqrt(b * b - 4.0 * a * c))
    D = 2.0 * one * ((K + 2) * one * s - P)
    G = (
        a * s * s
        - 2.0 * noise * one**3 * P * (K + 2) * s
        + noise * one**2 * (P**2 + 2.0 * W + fixed(problem.label_noise) ** 2)
    )
    C = np.block([[s * np.eye(K), np.zeros((K, len(T)))], [np.zeros((len(T), K)), T]])
    height = float(coefficient_kernels(problem.g).generalization_error(C, problem.signed_weights))
    t = np.tile(T / trace, (problem.spectrum.distinct, 1, 1)) if teacher.t is None else teacher.t
    return EvenSaddle(s=s, height=height, D=D, residual=abs(0.5 * D - G) * s, t=t, T=T)


def growth_rate(problem: Problem, saddle: EvenSaddle) -> float:
    """The largest rate at which overlaps with teachers grow, per unit of alpha. Equation: (8.9)."""
    spectrum, eta = problem.spectrum, fixed(problem.learning_rate)
    given = spectrum.weights * spectrum.eigenvalues**2

    def excess(rho: float) -> float:
        shared = np.tensordot(given / (rho + eta * spectrum.eigenvalues * saddle.D), saddle.t, axes=1)
        growth = np.linalg.eigvals(shared @ np.diag(problem.u)).real.max()
        return float(4.0 * problem.v[0] * eta * growth - 1.0)

    top = 4.0 * problem.v[0] * eta * np.tensordot(given, saddle.t, axes=1)
    upper = float(np.linalg.eigvals(top @ np.diag(problem.u)).real.max())  # where D = 0
    if not upper > 0.0 or excess(1e-9 * upper) <= 0.0:
        raise InvalidProblem("there is nothing to escape from: no overlap with the teachers grows at this saddle")
    return float(brentq(excess, 1e-9 * upper, 1.001 * upper, rtol=1e-13))
