"""The drift's first and second derivatives at a state, as sums over sectors: no matrix of all sectors is built.

F_k depends on its own overlaps, and on all others through C alone:  J_kl = V_k [k = l] + U_k w_l lambda_l.
"""

from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.fluctuations.increments import row_maps
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, NOISE, RATE

STEP = 1e-5  # of differences of derivatives, in units of the size of C: errors of 1e-10 from the curve, 1e-11 rounding


class Coefficients(NamedTuple):
    """A (K, d), G (K, K) at one C, their derivatives JA (K, d, p), JG (K, K, p), and second ones (.., p, p)."""

    A: Array
    G: Array
    JA: Array
    JG: Array
    second_A: Array
    second_G: Array


def first_derivatives(system: SectorSystem, C: Array) -> tuple[Array, Array, Array, Array]:
    """A, G, JA and JG."""
    K, d = system.student_units, len(C)
    index, p = layout.overlap_index(*system.units), layout.row_count(*system.units)
    P = d * (d + 1) // 2
    A, G, JA, packed = np.empty((K, d)), np.empty((K, K)), np.zeros((K * d, P)), np.zeros((K * (K + 1) // 2, P))
    arrays = np.ascontiguousarray(C), system.signed_weights, system.noise_variance, index
    linearised_coefficients(system.g)(*arrays, A, G, JA, packed)
    JG = np.empty((K, K, p))
    i, j = layout.upper(K)
    JG[i, j] = JG[j, i] = packed[:, :p]
    return A, G, JA.reshape(K, d, P)[:, :, :p].copy(), JG


def coefficients_at(system: SectorSystem, C: Array) -> Coefficients:
    """All of them: second derivatives are differences of the first in every entry of C that moves."""
    K, M = system.units
    A, G, JA, JG = first_derivatives(system, C)
    size = float(np.abs(C).max())
    step = STEP * size
    if system.g.has_kink:  # averages have no derivatives where two fields are parallel
        step = min(step, max(0.25 * float(np.linalg.eigvalsh(C)[0]), 1e-3 * step))
    parts: tuple[list[Array], list[Array]] = [], []
    for axis in np.eye(layout.row_count(K, M)):
        shift = step * unpacked(axis, K, M)
        forth, back = first_derivatives(system, C + shift), first_derivatives(system, C - shift)
        for part, place in zip(parts, (2, 3), strict=True):
            part.append((forth[place] - back[place]) / (2.0 * step))
    second = [np.stack(part, axis=-1) for part in parts]
    second_A, second_G = (0.5 * (part + part.swapaxes(-1, -2)) for part in second)
    return Coefficients(A, G, JA, JG, second_A, second_G)


class Response:
    """F, J and F'' at overlaps c (L, d, d), with the coefficients there."""

    def __init__(self, system: SectorSystem, c: Array, at: Coefficients) -> None:
        self.system, self.c, self.at = system, c, at
        self.K, self.M = system.units
        factors = system.factors
        self._rate, self._noise = factors[RATE], factors[NOISE]
        self._decay = factors[DECAY] if len(factors) > DECAY else np.zeros(self._rate.size)
        self._linear, self._quadratic = row_maps(self.K, self.M)
        self._p = len(self._linear)
        self._students = np.repeat([1.0, 2.0], [self.K * self.M, self._p - self.K * self.M])
        self._own = self._own_derivative()
        changes = np.einsum("iab,kaj->kijb", at.JA, c)
        self._coupling = self._rows(changes, at.JG)

    def _rows(self, followed: Array, spread: Array) -> Array:
        """-rate (followed (L, K, d, ..), and its transpose) + noise spread (K, K, ..), as rows (L, p, ..)."""
        L, rest = len(self.c), followed.shape[3:]
        linear = np.tensordot(self._linear, followed.reshape(L, self._linear.shape[1], *rest), axes=(1, 1))
        quadratic = np.tensordot(self._quadratic, spread.reshape(self._quadratic.shape[1], *rest), axes=1)
        shape = (-1,) + (1,) * (1 + len(rest))
        spread_out = self._noise.reshape(shape) * quadratic
        return np.asarray(spread_out - self._rate.reshape(shape) * np.swapaxes(linear, 0, 1))

    def _own_derivative(self) -> Array:
        """V_k / -rate_k without decay, (p, p): the same matrix in every sector."""
        K, d = self.at.A.shape
        index = layout.overlap_index(K, self.M)
        full = np.zeros((K, d, self._p))
        for b in range(d):
            for j in range(d):
                if index[j, b] < self._p:
                    full[:, b, index[j, b]] += self.at.A[:, j]
        return np.asarray(self._linear @ full.reshape(K * d, self._p))

    def drift(self) -> Array:
        """F (L, p). Equation: (3.2)."""
        decayed = self._decay[:, None] * self._students * packed_rows(self.c, self.K, self.M)
        return np.asarray(self._rows(self.at.A @ self.c, self.at.G) - decayed)

    def times(self, vectors: Array) -> Array:
        """J V for V (L, p, ..). Equation: (32.2)."""
        shape = (-1, 1) + (1,) * (vectors.ndim - 2)
        own = np.swapaxes(np.tensordot(self._own, vectors, axes=(1, 1)), 0, 1)
        students = self._students.reshape((1, -1) + (1,) * (vectors.ndim - 2))
        fields = np.tensordot(self.system.variance, vectors, axes=1)
        coupled = np.tensordot(self._coupling, fields, axes=1)
        return np.asarray(coupled - self._rate.reshape(shape) * own - self._decay.reshape(shape) * students * vectors)

    def curvature(self, S: Array) -> Array:
        """F'':S (L, p) of a covariance S (L, p, L, p). Equation: (32.7)."""
        to_fields = np.tensordot(self.system.variance, S, axes=1)  # Cov(C, c_l), (p, L, p)
        among = np.tensordot(to_fields, self.system.variance, axes=(1, 0))
        crossed = 2.0 * np.einsum("iab,blaj->lij", self.at.JA, unpacked(to_fields, self.K, self.M))
        second_A, second_G = (np.tensordot(part, among) for part in (self.at.second_A, self.at.second_G))
        return self._rows(crossed + second_A @ self.c, second_G)


def unpacked(rows: Array, K: int, M: int) -> Array:
    """(.., p) -> (.., d, d) with nothing where both are teachers."""
    q, r = layout.unpack(rows, K, M)
    return layout.covariance(q, r, np.zeros((M, M)))


def packed_rows(c: Array, K: int, M: int) -> Array:
    """(L, d, d) -> (L, p)."""
    return layout.pack(c[:, :K, :K], c[:, :K, K:]).T


def error_derivatives(at: Coefficients) -> tuple[Array, Array]:
    """Gradient (p,) and second derivatives (p, p) of eps_g in the entries of C that move. Equation: (32.9)."""
    K, d = at.A.shape
    index = layout.overlap_index(K, d - K)
    p = at.JA.shape[2]
    gradient, second = np.empty(p), np.empty((p, p))
    for i in range(K):
        for c in range(i, d):
            share = 0.5 if c == i else 1.0
            gradient[index[i, c]] = share * at.A[i, c]
            second[index[i, c]] = share * at.JA[i, c]
    return gradient, 0.5 * (second + second.T)
