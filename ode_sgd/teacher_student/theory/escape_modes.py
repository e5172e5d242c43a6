"""Linear growth of what breaks the symmetry at a saddle, in O(L) (docs/theory/plateau.md section 8).

With (epsilon, d1, d2, g1, g2) the answer of A and G to the breaking (rho, pi1, pi2) of C (symmetric.py), a mode that
grows as exp(s alpha) has in sector k

    rho_k = -l_k / (s + l_k D_Delta) (K d1 x + epsilon) t_k,                             l_k = eta lambda_k
    pi1_k = -l_k / (s + l_k (D_S + D_Delta)) [d1 (s_k + n_Delta) + rho_k.E + epsilon t_k x - eta g1]
    pi2_k = -l_k / (s + 2 l_k D_Delta) [2 d2 n_Delta - eta g2]

and the sums over sectors must give (rho, pi1, pi2) back: s is a root of det(1 - W(s)), W of size M + 2 at most.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from ode_sgd.core.arrays import Array
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.branch_fixed_point import SymmetricFixedPoint

REAL = 1e-6  # of eigenvalues 1: imaginary parts below are rounding, those above belong to modes that oscillate
ALIKE = 1e-6  # relative difference below which roots count as one; they are good to 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """What grows at one rate: drho_k = profile_k direction t_k, with the order-one `overlaps` (rho, pi1[, pi2])."""

    rate: float
    overlaps: Array  # (size,)
    direction: Array  # (M,)
    profile: Array  # (L,)
    left: Array  # (size,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linearisation:
    """One saddle, as the formulas above need it."""

    K: int
    rates: Array  # l_k, (L,)
    variance: Array  # w_k lambda_k, (L,)
    teacher_sum: Callable[[Array], Array]  # f (L,) -> sum_k f_k t_k, (M, M)
    noise: float  # eta, 0 under gradient flow
    D_S: float
    D_Delta: float
    E: Array  # (M,)
    x: Array  # (M,), r_k,in = (x t_k)_n
    n_S: float  # s_k = K x t_k x + n_S, the eigenvalue of q_k on 1
    n_Delta: float  # that on differences of students
    breaking: Array  # (M + 4, M + 2)
    size: int  # of W: pi2 is left out where it does not exist, or feels rho and pi1 without acting on them

    def coupling(self, s: float) -> Array:
        """W(s), (size, size). Equation: (8.5)."""
        M, h, D = self.E.size, self.rates, self.D_Delta
        weight = self.variance * h
        direct = weight / (s + h * D)
        first = weight / (s + h * (self.D_S + D))
        H0, H1, H2 = map(self.teacher_sum, (direct, first, first * h / (s + h * D)))
        h1 = float(first.sum())
        answer = np.zeros((M + 2, M + 4))
        answer[:M, :M] = -H0
        answer[:M, M] = -self.K * self.x @ H0
        answer[M, :M] = H2 @ self.E - H1 @ self.x
        answer[M, M] = self.K * (self.x @ H2 @ self.E - self.x @ H1 @ self.x) - (self.n_S + self.n_Delta) * h1
        answer[M, M + 2] = self.noise * h1
        if self.size == M + 2:
            h2 = float((weight / (s + 2.0 * h * D)).sum())
            answer[M + 1, M + 1] = -2.0 * self.n_Delta * h2
            answer[M + 1, M + 3] = self.noise * h2
        return np.asarray((answer @ self.breaking)[: self.size, : self.size])

    def modes(self, roots: list[float]) -> list["Mode"]:
        """One mode for every root, roots falling; a multiple root has a basis of its whole space of solutions."""
        return [mode for alike in clusters(roots) for mode in self._basis(sum(alike) / len(alike), len(alike))]

    def _basis(self, s: float, count: int) -> list["Mode"]:
        """Modes of one root: right r_a and left l_a with W r = r, l W = l and l_a W'(s) r_b = -[a = b].

        W is real and so are its roots, and singular vectors stay real where eigenvectors may come as a complex pair.
        Any basis of the space gives the same growth, as long as left and right belong to each other.
        """
        left, _, right = np.linalg.svd(np.eye(self.size) - self.coupling(s))
        overlaps, dual = right[-count:], left[:, -count:].T
        step = 1e-5 * s  # relative error 1e-10 of the central difference, and as much of rounding
        slope = (self.coupling(s + step) - self.coupling(s - step)) / (2.0 * step)
        dual = np.linalg.solve(-(dual @ slope @ overlaps.T), dual)
        return [self._mode(s, *pair) for pair in zip(overlaps, dual, strict=True)]

    def _mode(self, s: float, right: Array, left: Array) -> "Mode":
        """The right eigenvector of one root in all sectors. Equation: (8.5)."""
        M = self.E.size
        answer = self.breaking[:, : self.size] @ right
        return Mode(
            rate=s,
            overlaps=right,
            direction=self.K * answer[M] * self.x + answer[:M],
            profile=-self.rates / (s + self.rates * self.D_Delta),
            left=left,
        )

    def amplitudes(self, mode: "Mode", rho: Array, pi1: Array, pi2: Array) -> Array:
        """How much of one mode there is in each student's deviations, (K,) of rho (L, K, M), pi1 and pi2 (L, K).

        The left eigenvector of the whole linearisation is, in sector k, w_k lambda_k `left` (s + l_k Theta_k)^-1.

        Equation: (8.6).
        """
        M, h, D, s = self.E.size, self.rates[:, None], self.D_Delta, mode.rate
        rho = rho / (s + h * D)[..., None]
        pi1 = (pi1 - h * (rho @ self.E)) / (s + h * (self.D_S + D))
        total = np.tensordot(self.variance, rho, axes=1) @ mode.left[:M] + self.variance @ pi1 * mode.left[M]
        if self.size == M + 2:
            total = total + self.variance @ (pi2 / (s + 2.0 * h * D)) * mode.left[M + 1]
        return np.asarray(total)

    @property
    def scale(self) -> float:
        """The fastest rate there is, eta lambda_max |A|: what rates are small against."""
        return float(self.rates.max()) * max(abs(self.D_S), float(np.abs(self.E).max()))

    def growth_rates(self) -> list[float]:
        """All real roots above every pole of W, falling, with their multiplicity."""
        factors = [1.0, 2.0] if self.size == self.E.size + 2 else [1.0]
        pole = max(-factor * float(rate) * self.D_Delta for factor in factors for rate in (self.rates.max(), 0.0))
        low = pole * (1.0 + 1e-10) + 1e-8 * self.scale
        high = 2.0 * low + 1e-3 * self.scale
        while np.abs(np.linalg.eigvals(self.coupling(high))).max() > 0.9:
            high *= 4.0
        roots = []
        for place in range(self.size):

            def excess(log_s: float, place: int = place) -> float:
                return float(_sorted(self.coupling(float(np.exp(log_s))))[place].real) - 1.0

            if excess(float(np.log(low))) <= 0.0:
                break
            root = float(np.exp(brentq(excess, np.log(low), np.log(high), xtol=1e-14, rtol=1e-14)))
            if abs(_sorted(self.coupling(root))[place].imag) <= REAL:
                roots.append(root)
        return sorted(roots, reverse=True)


def clusters(roots: list[float]) -> list[list[float]]:
    """Falling roots, those that count as one together."""
    found: list[list[float]] = []
    for root in roots:
        if found and root > found[-1][0] * (1.0 - ALIKE):
            found[-1].append(root)
        else:
            found.append([root])
    return found


def _sorted(matrix: Array) -> Array:
    """Eigenvalues by falling real parts: those, and |imaginary parts|, do not depend on LAPACK's order."""
    values = np.linalg.eigvals(matrix)
    return np.asarray(values[np.argsort(-values.real)])


def linearisation(problem: Problem, rest: SymmetricFixedPoint) -> Linearisation:
    """The breaking modes at a fixed point."""
    K, M, spectrum, there = problem.student_units, problem.teacher_units, problem.spectrum, rest.point.coefficients
    return Linearisation(
        K=K,
        rates=fixed(problem.learning_rate) * spectrum.eigenvalues,
        variance=spectrum.weights * spectrum.eigenvalues,
        teacher_sum=rest.teacher_sum,
        noise=rest.noise,
        D_S=there.D_S,
        D_Delta=there.D_Delta,
        E=there.E,
        x=rest.x,
        n_S=rest.common_noise,
        n_Delta=rest.own_norm,
        breaking=there.breaking,
        size=M + 2 if rest.own_norm > 0.0 and K > 2 else M + 1,
    )


def deviations(start: OrderParameters) -> tuple[Array, Array, Array]:
    """What differs between students of a start, in the form of symmetric.py with a sum over students: rho, pi1, pi2.

    Equation: (8.4).
    """
    K = start.q.shape[1]
    rho = start.r - start.r.mean(axis=1, keepdims=True)
    sums, diagonal = start.q.sum(axis=2), np.diagonal(start.q, axis1=1, axis2=2)
    pi1 = (sums - sums.mean(axis=1, keepdims=True)) / K
    rest = diagonal - diagonal.mean(axis=1, keepdims=True) - 2.0 * pi1
    return rho, pi1, np.zeros_like(pi1) if K == 2 else rest / (1.0 - 2.0 / K)
