"""The ODE of the order parameters in plain NumPy: Gram matrices c (L, d, d), sums written out as loops.

The switches of `Theory` turn it into a wrong theory on purpose, to see that the tests notice.
"""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from tests.reference.averages import CLOSED, Averages


def coefficients(C, a, K, noise_variance, averages, curvature_sign=1.0):
    """A (K, d) and G (K, K) from the covariance C (d, d) of the fields and the signed weights a = (v, -u)."""
    d = len(a)
    A, G = np.zeros((K, d)), np.zeros((K, K))
    for i in range(K):
        for c in range(d):
            A[i, c] = a[i] * a[c] * averages.dgdg(C, i, c)
        for e in range(d):
            A[i, i] += curvature_sign * a[i] * a[e] * averages.d2gg(C, i, e)
        for j in range(K):
            G[i, j] = a[i] * a[j] * noise_variance * averages.dgdg(C, i, j)
            for c in range(d):
                for e in range(d):
                    G[i, j] += a[i] * a[j] * a[c] * a[e] * averages.dgdggg(C, i, j, c, e)
    return A, G


def generalization_error(C, a, averages):
    """eps_g = (1/2) sum_ce a_c a_e E[g(z_c) g(z_e)]."""
    d = len(a)
    return 0.5 * sum(a[c] * a[e] * averages.gg(C, c, e) for c in range(d) for e in range(d))


@dataclass(frozen=True, kw_only=True)
class Theory:
    """One problem; `learning` (L,) is 1 or 0."""

    eigenvalues: np.ndarray
    weights: np.ndarray
    a: np.ndarray
    K: int
    learning_rate: float
    noise_variance: float
    averages: Averages
    learning: np.ndarray
    weight_decay: float = 0.0
    quadratic_term: float = 1.0  # factor of eta^2: 0 is gradient flow, anything else but 1 is wrong
    curvature_sign: float = 1.0  # sign of E[g'' g]: -1 is wrong

    @classmethod
    def of(cls, problem, averages=None, **changes):
        """The theory of an ode_sgd.Problem; `changes` replace what the problem says."""
        values = {
            "eigenvalues": problem.spectrum.eigenvalues,
            "weights": problem.spectrum.weights,
            "a": np.concatenate([problem.v, -problem.u]),
            "K": problem.student_units,
            "learning_rate": problem.learning_rate,
            "noise_variance": problem.label_noise**2,
            "averages": averages or CLOSED[problem.activation],
            "learning": np.array([k < (problem.trainable or np.inf) for k in range(problem.spectrum.distinct)], float),
            "weight_decay": problem.weight_decay,
            "quadratic_term": 0.0 if problem.gradient_flow else 1.0,
        }
        return cls(**{**values, **changes})

    def covariance(self, c):
        """C = sum_k w_k lambda_k c_k."""
        return np.einsum("k,kij->ij", self.weights * self.eigenvalues, c)

    def error(self, c):
        """eps_g of the sectors c."""
        return generalization_error(self.covariance(c), self.a, self.averages)

    def drift(self, c):
        """dc_k/dalpha = -eta lambda_k (A c_k + c_k A^T) + eta^2 lambda_k G - eta kappa (S c_k + c_k S).

        Teacher rows of A and G are zero, S is one for students and zero for teachers.
        """
        K, d = self.K, len(self.a)
        A, G = np.zeros((d, d)), np.zeros((d, d))
        A[:K], G[:K, :K] = coefficients(
            self.covariance(c), self.a, K, self.noise_variance, self.averages, self.curvature_sign
        )
        eta = self.learning_rate
        decay = np.einsum("ij,kjl->kil", A, c) + np.einsum("kij,lj->kil", c, A)
        rate = self.learning * self.eigenvalues
        S = np.diag((np.arange(d) < K) * 1.0)
        shrinking = np.array([learns * (S @ one + one @ S) for learns, one in zip(self.learning, c, strict=True)])
        gradient = np.einsum("k,kij->kij", -eta * rate, decay)
        noise = self.quadratic_term * eta**2 * np.einsum("k,ij->kij", rate, G)
        return gradient + noise - eta * self.weight_decay * shrinking

    def solve(self, c, alpha, rtol=1e-9):
        """Sectors (n, L, d, d) at the times alpha, from c (L, d, d) at alpha[0]."""
        solution = solve_ivp(
            lambda _, y: self.drift(y.reshape(c.shape)).ravel(),
            (alpha[0], alpha[-1]),
            c.ravel(),
            method="DOP853",
            t_eval=alpha,
            rtol=rtol,
            atol=rtol,
        )
        assert solution.success, solution.message
        return solution.y.T.reshape(-1, *c.shape)


def linear_error_vector(problem, start, alpha, dimension=np.inf):
    """e_k (n, L) of a linear network by a dense matrix exponential; at finite N the mean over runs, exactly.

    de_k/dalpha = -2 eta' lambda_k (1 - eta' lambda_k / N) e_k + eta'^2 lambda_k (2 eps_g + sigma^2), in steps of 1 / N.
    The term in 1 / N is the covariance of Delta^2 and |P_k xi|^2:
    E[Delta^2 |P_k xi|^2] = N_k lambda_k E[Delta^2] + 2 lambda_k^2 |P_k e|^2 / N.
    """
    lam, w = problem.spectrum.eigenvalues, problem.spectrum.weights
    a = np.concatenate([problem.v, -problem.u])
    eta = problem.learning_rate * (problem.v**2).sum()
    rate = lam * [k < (problem.trainable or np.inf) for k in range(lam.size)]
    second = 0.0 if problem.gradient_flow else eta**2
    system = np.zeros((lam.size + 1, lam.size + 1))  # the last variable is the constant 1
    system[:-1, :-1] = -2.0 * eta * np.diag(rate) + second * np.outer(rate, w * lam)
    system[:-1, :-1] += 2.0 * second * np.diag(rate**2) / dimension
    system[:-1, -1] = second * rate * problem.label_noise**2
    e = np.array([a @ gram @ a for gram in start.gram])
    if np.isfinite(dimension):
        step = np.eye(lam.size + 1) + system / dimension
        return np.array([np.linalg.matrix_power(step, round(time * dimension)) @ [*e, 1.0] for time in alpha])[:, :-1]
    return np.array([expm(system * time) @ [*e, 1.0] for time in alpha])[:, :-1]
