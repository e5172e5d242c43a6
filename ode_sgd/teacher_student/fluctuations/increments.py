"""Covariance of the increments of one step, and the part of their mean that is of order 1/N.

Rows are those of layout.py that move, p of every sector; matrices of all sectors are (L p, L p), sector by sector.
"""

from dataclasses import dataclass

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.fluctuations import nodes
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.fluctuations.increment_moments import increment_moments
from ode_sgd.teacher_student.kernels.rules.node_averages import choleski
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, NOISE, RATE

SINGULAR = 1e-6  # of the largest: singular values of B below it are directions in which the fields do not move
TERMS_ROUNDING = 1e-9
PROBES = 32  # inputs by which it is seen whether delta is odd


@dataclass(frozen=True, slots=True)
class Moments:
    """E of two updates G (K, K), of two with g g^T - 1 X (K, K, d, d), of three with g t (K, K, K, d), of four Q.

    g are the normals behind the fields, z = B g, of which `inverse` (d, d) is B's pseudo-inverse.
    """

    G: Array
    X: Array
    t: Array
    Q: Array
    inverse: Array


class Increments:
    """Covariance and further drift of a step's increments at a state, with nodes as fine as a tolerance asks."""

    def __init__(self, system: SectorSystem, rtol: float) -> None:
        self.system, self._tolerance = system, rtol
        self.K, self.M = system.units
        self.level, self.error = 0, np.inf
        self._linear, self._quadratic = row_maps(self.K, self.M)
        factors = system.factors
        self.rate, self.noise = factors[RATE], factors[NOISE]
        self.decay = factors[DECAY] if len(factors) > DECAY else np.zeros(self.rate.size)
        self._eta = system.rule.learning_rate * system.learning
        self._halves = 1 if self._is_odd() else 2

    def _is_odd(self) -> bool:
        """Whether delta(-z) = -delta(z) or delta(z), so that half of the nodes are enough."""
        functions = self.system.g.functions
        taught = getattr(functions, "teacher", functions).value
        x = np.linspace(0.05, 4.0, PROBES)
        even = [
            np.array([one(-at) - sign * one(at) for at in x])
            for one in (functions.value, taught)
            for sign in (1.0, -1.0)
        ]
        differences = [float(np.abs(values).max()) for values in even]
        return max(differences[::2]) < 1e-14 or max(differences[1::2]) < 1e-14

    def moments(self, C: Array, level: int | None = None) -> Moments:
        """Averages over the fields of covariance C (d, d)."""
        K, d, system = self.K, len(C), self.system
        if system.g.is_linear:
            return _of_linear_units(system, C)
        B = np.empty((d, d))
        choleski(C, B)
        found = np.empty((K, K)), np.empty((K, K, d, d)), np.empty((K, K, K, d)), np.empty((K, K, K, K))
        places, weights = nodes.nodes(self.level if level is None else level, d)
        increment_moments(system.g)(
            places,
            weights * (2.0 / self._halves),
            self._halves,
            B,
            system.signed_weights,
            system.noise_variance,
            *found,
        )
        return Moments(*found, _inverse(B))

    def resolve(self, C: Array) -> bool:
        """Take finer nodes until the next ones change nothing beyond the tolerance; whether it took others."""
        if self.system.g.is_linear:
            self.error = 0.0
            return False
        before, last = self.level, nodes.levels(len(C)) - 1
        coarse = self.moments(C)
        while self.level < last:
            fine = self.moments(C, self.level + 1)
            apart = _apart(coarse, fine, self._least(C))
            if apart <= self._tolerance:
                self.error = apart
                break
            self.level, coarse, self.error = self.level + 1, fine, apart
        return self.level != before

    def _least(self, C: Array) -> float:
        """A size of G that is rounding: of the terms of the error, times second layers squared."""
        terms = coefficient_kernels(self.system.g).error_terms(C, self.system.signed_weights)
        return TERMS_ROUNDING * float(terms) * float(np.abs(self.system.v).max()) ** 2

    def covariance_and_drift(self, c: Array, A: Array, G: Array) -> tuple[Array, Array]:
        """D (L p, L p) and f1 (L, p) at overlaps c (L, d, d) with the coefficients A (K, d) and G (K, K).

        Equations: (32.3) and (32.6).
        """
        system, K = self.system, self.K
        C = np.tensordot(system.variance, c, axes=1)
        m = self.moments(C)
        L, d, p = len(c), len(C), len(self._linear)
        turned = c @ m.inverse.T  # P_k
        with np.errstate(divide="ignore", invalid="ignore"):
            own = self._eta**2 * system.eigenvalues / system.weights
        left = self.rate[:, None, None] * turned
        LL = np.einsum("kbx,aexy,lfy->kablef", left, m.X, left, optimize=True)
        each = np.arange(L)
        LL[each, :, :, each] += np.einsum("k,kbf,ae->kabef", own, c, m.G)
        linear = self._linear
        D = (linear @ LL.reshape(L, K * d, L, K * d).transpose(0, 2, 1, 3) @ linear.T).transpose(0, 2, 1, 3)
        LQ = np.einsum("kbx,aefx->kabef", left, m.t, optimize=True).reshape(L, K * d, K * K)
        mixed = np.einsum("kpq,l->kplq", linear @ LQ @ self._quadratic.T, self.noise)
        QQ = self._quadratic @ m.Q.reshape(K * K, K * K) @ self._quadratic.T
        D = D - mixed - mixed.transpose(2, 3, 0, 1) + np.einsum("k,l,pq->kplq", self.noise, self.noise, QQ)
        mean = self._gradient_drift(c, A, G)
        D -= mean[:, :, None, None] * mean
        return D.reshape(L * p, L * p) / system.rule.batch_size, self._further_drift(c, A, m)

    def _gradient_drift(self, c: Array, A: Array, G: Array) -> Array:
        """The mean of (32.1) without decay, (L, p)."""
        L = len(c)
        followed = (A @ c).reshape(L, -1) @ self._linear.T
        return np.asarray(self.noise[:, None] * (self._quadratic @ G.reshape(-1)) - self.rate[:, None] * followed)

    def _further_drift(self, c: Array, A: Array, m: Moments) -> Array:
        """f1 (L, p). Equation: (32.6)."""
        K, L, batch = self.K, len(c), self.system.rule.batch_size
        turned = m.inverse @ c @ m.inverse.T
        traces = np.einsum("aexy,kyx->kae", m.X, turned)
        Ac = A @ c
        others = (batch - 1.0) * (Ac @ A.T)
        scale = self.noise * self.system.eigenvalues
        found = scale[:, None, None] * (traces + others)
        crossed = Ac[:, :, :K] + Ac[:, :, :K].transpose(0, 2, 1)
        found += (self.decay**2)[:, None, None] * c[:, :K, :K] + (self.decay * self.rate)[:, None, None] * crossed
        return np.asarray(found.reshape(L, K * K) @ self._quadratic.T)


def row_maps(K: int, M: int) -> tuple[Array, Array]:
    """Rows that move from (a, b) of delta_a s_b (p, K d), and from (a, e) of delta_a delta_e (p, K K)."""
    d, index = K + M, layout.overlap_index(K, M)
    linear, quadratic = np.zeros((layout.row_count(K, M), K * d)), np.zeros((layout.row_count(K, M), K * K))
    for a in range(K):
        for b in range(d):
            linear[index[a, b], a * d + b] += 2.0 if a == b else 1.0
        for e in range(a, K):
            quadratic[index[a, e], a * K + e] = 1.0
    return linear, quadratic


def _of_linear_units(system: SectorSystem, C: Array) -> Moments:
    """The same in closed form: delta_a = v_a (a z - noise), all Gaussian. Equation: (32.4a)."""
    v, a = system.v, system.signed_weights
    B = _root(C)
    along = B.T @ a
    variance = float(along @ along) + system.noise_variance
    pairs = np.multiply.outer(v, v)
    triples = np.multiply.outer(pairs, v)
    return Moments(
        variance * pairs,
        2.0 * np.multiply.outer(pairs, np.outer(along, along)),
        3.0 * variance * np.multiply.outer(triples, along),
        3.0 * variance**2 * np.multiply.outer(triples, v),
        _inverse(B),
    )


def _inverse(B: Array) -> Array:
    """B's inverse, without the directions in which the fields do not move."""
    return np.asarray(np.linalg.pinv(B, rcond=SINGULAR), np.float64)


def _root(C: Array) -> Array:
    values, vectors = np.linalg.eigh(C)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _apart(one: Moments, other: Moments, least: float) -> float:
    """The largest difference of the averages, of their largest entry, or of the power of G (>= least) that they are."""
    size, found = max(float(np.abs(other.G).max()), least), 0.0
    for name, power in (("G", 1.0), ("X", 1.0), ("t", 1.5), ("Q", 2.0)):
        fine = getattr(other, name)
        scale = max(float(np.abs(fine).max()), size**power)
        found = max(found, float(np.abs(getattr(one, name) - fine).max()) / scale) if scale else found
    return found
