"""The closed flow of C, on which all spectra agree where it rests (docs/theory/floors.md section 21).

sum_k w_k lambda_k times the fixed-point equation of sector k is that of one sector with eigenvalue mu_1 and the
teachers' T. In units of eta mu_1 alpha its flow is

    R' = -(D R + E T),    Q' = -(D Q + E R^T) - h.c. + h G,    h = eta mu_1.
"""

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count, upper
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.floors.covered import noise_scale

LARGEST = 1e12  # overlaps beyond count as infinite


class Coefficients:
    """A and G at one C, and their derivatives by the entries of R and Q, in this order: (.., p)."""

    def __init__(self, problem: Problem, C: Array, label_noise: float) -> None:
        K, M = problem.student_units, problem.teacher_units
        p = row_count(K, M)
        self.A, self.G = np.empty((K, K + M)), np.empty((K, K))
        JA, JG = np.empty((K * (K + M), p + M * (M + 1) // 2)), np.empty((K * (K + 1) // 2, p + M * (M + 1) // 2))
        linearised_coefficients(problem.g)(
            np.ascontiguousarray(C),
            problem.signed_weights,
            label_noise**2,
            overlap_index(K, M),
            self.A,
            self.G,
            JA,
            JG,
        )
        self.dA, self.dG = JA[:, :p].reshape(K, K + M, p), JG[:, :p]

    @property
    def finite(self) -> bool:
        """Whether all of them are numbers."""
        return all(np.isfinite(part).all() for part in (self.A, self.G, self.dA, self.dG))


class FieldFlow:
    """The flow of x = (R row by row, upper triangle of Q) for one T."""

    def __init__(self, problem: Problem, T: Array) -> None:
        self.problem, self.T = problem, T
        self.K, self.M, self.noise = problem.student_units, problem.teacher_units, noise_scale(problem)
        self.size, self.label_noise = row_count(self.K, self.M), fixed(problem.label_noise)
        index = overlap_index(self.K, self.M)
        # dC_ab / dx_p is 1 where the entry is that variable.
        self._entries = (index[:, :, None] == np.arange(self.size)).astype(float)

    def covariance(self, x: Array) -> Array:
        """C (d, d)."""
        K, M = self.K, self.M
        C = np.empty((K + M, K + M))
        C[:K, K:] = x[: K * M].reshape(K, M)
        C[K:, :K], C[K:, K:] = C[:K, K:].T, self.T
        i, j = upper(K)
        C[i, j] = C[j, i] = x[K * M :]
        return C

    def variables(self, Q: Array, R: Array) -> Array:
        """x."""
        return np.concatenate([R.ravel(), Q[upper(self.K)]])

    def error(self, x: Array) -> float:
        """eps_g."""
        kernels = coefficient_kernels(self.problem.g)
        return max(0.0, kernels.generalization_error(self.covariance(x), self.problem.signed_weights))

    def coefficients(self, x: Array) -> Coefficients:
        """A and G there."""
        return Coefficients(self.problem, self.covariance(x), self.label_noise)

    def slope(self, x: Array) -> tuple[Array, Array]:
        """dx/d(eta mu_1 alpha) and its Jacobian (p, p). Equation: (21.1)."""
        K, C, found = self.K, self.covariance(x), self.coefficients(x)
        i, j = upper(K)
        drift = -found.A @ C
        # Summed over a teacher's or student's field c: dA_ic C_cb + A_ic dC_cb.
        change = -np.einsum("icp,cb->ibp", found.dA, C) - np.einsum("ic,cbp->ibp", found.A, self._entries)
        own, own_change = drift[:, :K], change[:, :K]
        value = np.concatenate([drift[:, K:].ravel(), (own + own.T)[i, j] + self.noise * found.G[i, j]])
        q = (own_change + own_change.transpose(1, 0, 2))[i, j] + self.noise * found.dG
        return value, np.concatenate([change[:, K:].reshape(-1, self.size), q])

    def possible(self, x: Array) -> bool:
        """Whether C is finite and positive semidefinite, to rounding."""
        if not np.isfinite(x).all() or np.abs(x).max() > LARGEST:
            return False
        C = self.covariance(x)
        size = np.sqrt(np.maximum(np.diag(C), 0.0))
        scale = np.outer(size, size)
        if (np.diag(C) < 0.0).any():
            return False
        correlations = np.divide(C, scale, out=np.zeros_like(C), where=scale > 0.0)
        return bool(np.linalg.eigvalsh(correlations)[0] >= -1e-9)
