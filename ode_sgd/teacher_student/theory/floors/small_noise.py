"""Small deviations from zero error: the noise they make, and where that holds them (docs/theory/floors.md section 21).

Near the manifold of zero error write J_i = B_i + e_i. The deviations s_ij = e_i.e_j / N form a closed system,

    ds_k/dalpha = -eta lambda_k (H s_k + s_k H) + eta^2 lambda_k [Gamma : S + sigma^2 H],    S = sum_k w_k lambda_k s_k,

with H_ij = v_i v_j E[g'_i g'_j] and Gamma_ijkl = v_i v_j v_k v_l E[g'_i g'_j g'_k g'_l]. Symmetric matrices are written
in the orthonormal basis e_ii, (e_ij + e_ji) / sqrt 2, in which X : S -> H S + S H and Y : S -> Gamma : S are symmetric.
H is the drift D at zero error, and Gamma the derivative of G by Q there.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.kernels.sectors.layout import upper
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.floors.field_flow import Coefficients
from ode_sgd.teacher_student.theory.floors.pairing_of_weights import specialised

ROUNDED = 1e-8  # eps_g, over |v|^2, below which the law of small noise is closer than rounding
SINGULAR = 1e-12  # smallest over largest eigenvalue of X: below, students are alike, or free to move


def to_vector(matrix: Array) -> Array:
    """A symmetric matrix (K, K) in the orthonormal basis, (K (K+1) / 2,)."""
    i, j = upper(len(matrix))
    return np.asarray(matrix[i, j] * np.where(i == j, 1.0, np.sqrt(2.0)))


def to_matrix(vector: Array, K: int) -> Array:
    """The symmetric matrix of a vector in that basis."""
    i, j = upper(K)
    matrix = np.empty((K, K))
    matrix[i, j] = matrix[j, i] = vector / np.where(i == j, 1.0, np.sqrt(2.0))
    return matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallNoise:
    """H (K, K), and X and Y as matrices, at one point of the manifold of zero error."""

    H: Array
    X: Array
    Y: Array

    @classmethod
    def at(cls, problem: Problem, C: Array) -> "SmallNoise":
        """At a covariance of the fields, (d, d), for which student and teacher are the same function.

        Equation: (21.3).
        """
        K, M = problem.student_units, problem.teacher_units
        found = Coefficients(problem, C, label_noise=0.0)
        H = 0.5 * (found.A[:, :K] + found.A[:, :K].T)
        if not found.finite:
            raise InvalidProblem(
                f"activation = {str(problem.g)!r} has averages that are singular where students are their teachers; "
                "integrate the ODE"
            )
        i, j = upper(K)
        scale = np.where(i == j, 1.0, np.sqrt(2.0))
        # A change of q_ij is one of two entries, so that the derivative holds Gamma twice for i != j.
        Y = found.dG[:, K * M :] * scale[:, None] / scale
        basis = np.array([to_matrix(unit, K) for unit in np.eye(i.size)])
        X = 2.0 * np.einsum("aij,jk,bki->ab", basis, H, basis)
        return cls(H=H, X=0.5 * (X + X.T), Y=0.5 * (Y + Y.T))

    @classmethod
    def at_teachers(cls, problem: Problem, T: Array) -> "SmallNoise":
        """Where every student is a teacher; in the order of the students. Equation: (21.3)."""
        pairs = specialised(problem)
        K, M = problem.student_units, problem.teacher_units
        copies = np.zeros((K, M))
        copies[pairs.students, pairs.teachers] = pairs.signs
        R = copies @ T
        return cls.at(problem, np.block([[R @ copies.T, R], [R.T, T]]))

    def require_regular(self) -> None:
        """Raise InvalidProblem where deviations are not held in all directions."""
        values = np.linalg.eigvalsh(self.X)
        if values[0] <= SINGULAR * values[-1]:
            raise InvalidProblem(
                "some deviations from the teacher change nothing of its function (teachers that are alike, or of norm "
                "zero), so that nothing holds them there; give teachers with T of full rank"
            )

    def critical(self) -> float:
        """The smallest eta mu_1 at which det(X - eta mu_1 Y) = 0. Equation: (21.5)."""
        self.require_regular()
        return 1.0 / float(eigh(self.Y, self.X, eigvals_only=True)[-1])

    def growing(self) -> Array:
        """The deviation S that grows first, of trace one, (K, K)."""
        self.require_regular()
        S = to_matrix(eigh(self.Y, self.X)[1][:, -1], len(self.H))
        return np.asarray(S / np.trace(S))

    def deviations(self, speed: float) -> Array | None:
        """S / sigma^2 for small sigma at this eta mu_1; None from the critical one on. Equation: (21.4)."""
        if speed >= self.critical():
            return None
        shares = np.linalg.solve(self.X - speed * self.Y, speed * to_vector(self.H))
        return to_matrix(np.asarray(shares), len(self.H))

    def error(self, S: Array) -> float:
        """eps_g = tr(H S) / 2."""
        return 0.5 * float(np.sum(self.H * S))
