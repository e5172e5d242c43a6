"""The subspace in which all student units are alike, and the deviations from it (docs/theory/plateau.md section 8).

There Q = Delta I + (S - Delta)/K 11^T and R_in = R_n: fields `(R, S, Delta)`, M + 2 numbers, S and Delta being the
eigenvalues of Q on 1 and on differences of students. A = [D | E] and G have the same form. With c any vector of sum
zero, the smallest deviation that breaks it is

    dr_in = c_i rho_n,    dq = pi1 P1 + pi2 P2,    P1 = c 1^T + 1 c^T,    P2 = diag(c) - P1/K    (P2 = 0 for K = 2)

and by Schur's lemma its dynamics does not depend on c.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count
from ode_sgd.teacher_student.model.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """A and G at one symmetric C, and how they answer to symmetric and to breaking changes of C.

    D_S, D_Delta and the two of G are eigenvalues on 1 and on differences of students; E is the row that all students
    share. `slope` is the derivative of (D_S, D_Delta, E_1..E_M, G_S, G_Delta) with respect to (R, S, Delta), shape
    (M + 4, M + 2). `breaking` (M + 4, M + 2) takes (rho, pi1, pi2) to (epsilon, d1, d2, g1, g2): dE = c epsilon^T,
    dD = d1 P1 + d2 P2, dG = g1 P1 + g2 P2.
    """

    D_S: float
    D_Delta: float
    E: Array  # (M,)
    G: Array  # (2,)
    slope: Array
    breaking: Array


class SymmetricSpace:
    """Bases of the deviations of one (K, M), and the coefficients in them."""

    def __init__(self, problem: Problem) -> None:
        K, M = problem.student_units, problem.teacher_units
        self.K, self.M = K, M
        self.has_kink = problem.g.has_kink
        self._a, self._noise_variance = problem.signed_weights, fixed(problem.label_noise) ** 2
        self._index = overlap_index(K, M)
        self._columns = row_count(K, M) + M * (M + 1) // 2
        self._linearise = linearised_coefficients(problem.g)
        self._error, self._weights = (
            coefficient_kernels(problem.g).generalization_error,
            problem.signed_weights,
        )
        ones = np.full((K, K), 1.0 / K)
        c = np.zeros(K)
        c[:2] = 1.0, -1.0
        self._c, self._P1 = c, np.add.outer(c, c)
        self._P2 = np.diag(c) - self._P1 / K
        self._symmetric = self._directions(np.ones(K), [ones, np.eye(K) - ones])
        self._breaking = self._directions(c, [self._P1, self._P2])
        self._averaging, self._differing = self._matrix(self._averages), self._matrix(self._differences)

    def _directions(self, students: Array, q: list[Array]) -> Array:
        """Columns: changes of the entries of C, first of R_n (students outer e_n), then of Q. Equation: (8.4)."""
        K, M = self.K, self.M
        changes = np.zeros((M + 2, K + M, K + M))
        for n in range(M):
            changes[n, :K, K + n] = students
        changes[M:, :K, :K] = q
        upper = np.triu_indices(K + M)
        columns = np.zeros((self._columns, M + 2))
        columns[self._index[upper]] = changes[:, upper[0], upper[1]].T
        return columns

    def covariance(self, fields: Array, T: Array) -> Array:
        """C (d, d) of the fields (R, S, Delta)."""
        K, S, Delta = self.K, float(fields[-2]), float(fields[-1])
        C = np.empty((K + self.M, K + self.M))
        C[:K, :K] = (S - Delta) / K
        C[range(K), range(K)] += Delta
        C[:K, K:] = fields[:-2]
        C[K:, :K] = fields[:-2, None]
        C[K:, K:] = T
        return C

    def error(self, fields: Array, T: Array) -> float:
        """eps_g at the fields."""
        return max(0.0, float(self._error(self.covariance(fields, T), self._a)))

    def coefficients(self, fields: Array, T: Array) -> Coefficients:
        """A, G and their derivatives at the fields."""
        K, M = self.K, self.M
        room, derivatives = np.empty(K * (2 * K + M)), np.empty((self._averaging.shape[1], self._columns))
        A, G = room[: K * (K + M)].reshape(K, K + M), room[K * (K + M) :].reshape(K, K)
        JA, JG = derivatives[: A.size], derivatives[A.size :]
        self._linearise(self.covariance(fields, T), self._a, self._noise_variance, self._index, A, G, JA, JG)
        if not (np.isfinite(room).all() and np.isfinite(derivatives).all()):
            raise InvalidProblem(
                f"no saddle can be computed for fields as large as these (T = {np.diag(T).max():.3g}, label_noise = "
                f"{self._noise_variance**0.5:.3g}); scale eigenvalues, teacher and noise down"
            )
        values = self._averages(A, G)
        return Coefficients(
            D_S=float(values[0]),
            D_Delta=float(values[1]),
            E=values[2:-2],
            G=values[-2:],
            slope=self._averaging @ (derivatives @ self._symmetric),
            breaking=self._differing @ (derivatives @ self._breaking),
        )

    def _matrix(self, take: Callable[[Array, Array], Array]) -> Array:
        """`take`, linear in A and G, as a matrix (M + 4, rows of JA and JG)."""
        K, M = self.K, self.M
        upper = np.triu_indices(K)
        columns = []
        for unit in np.eye(K * (K + M) + K * (K + 1) // 2):
            A, G = unit[: K * (K + M)].reshape(K, K + M), np.zeros((K, K))
            G[upper] = unit[K * (K + M) :]
            columns.append(take(A, G + np.triu(G, 1).T))
        return np.array(columns).T

    def _averages(self, A: Array, G: Array) -> Array:
        return np.concatenate([self._pair(A[:, : self.K]), A[:, self.K :].mean(axis=0), self._pair(G)])

    def _pair(self, matrix: Array) -> Array:
        """Eigenvalues on 1 and on differences."""
        on_ones = matrix.sum() / self.K
        return np.array([on_ones, (np.trace(matrix) - on_ones) / (self.K - 1)])

    def _differences(self, A: Array, G: Array) -> Array:
        epsilon = 0.5 * self._c @ A[:, self.K :]
        return np.concatenate([epsilon, self._parts(A[:, : self.K]), self._parts(G)])

    def _parts(self, matrix: Array) -> Array:
        """Coefficients of P1 and P2."""
        first = self._c @ matrix.sum(axis=1) / (2.0 * self.K)
        second = 0.0 if self.K == 2 else (matrix[0, 0] - 2.0 * first) / (1.0 - 2.0 / self.K)
        return np.array([first, second])
