"""The ODE of optimisers whose rates follow the gradients, for SciPy's methods: the state, and what they keep."""

from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.sign_of_error import sign_coefficients
from ode_sgd.teacher_student.kernels.sectors.drift import field_covariance, sector_drift
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive
from ode_sgd.teacher_student.model.optimizers.scalar_rates import Polyak

NODES = 11  # powers of two: the averages of sign-SGD are off by some 4e-4 at K = M = 2
SCRAMBLES = 4  # whose spread says by how much


def normal_nodes(dimension: int, power: int = NODES, scramble: int = 0) -> Array:
    """2^power points of a scrambled Sobol sequence as normal numbers, (n, dimension)."""
    return np.ascontiguousarray(ndtri(qmc.Sobol(dimension, rng=scramble).random_base2(power)))


class AdaptiveDrift:
    """f(alpha, y) of one system, with y the flattened state (p L,) and the memory (E,) after it."""

    def __init__(self, system: SectorSystem, rule: Adaptive, shape: tuple[int, ...], scramble: int = 0) -> None:
        K, M = system.units
        self.system, self.rule, self.shape, self.size = system, rule, shape, shape[0] * shape[1]
        self.nodes = normal_nodes(K + M + 1, scramble=scramble) if rule.signs else None
        self.coefficients = coefficient_kernels(system.g).coefficients
        self.input_variance = system.learned_variance
        self.A, self.G, self.C = np.empty((K, K + M)), np.empty((K, K)), np.empty((K + M, K + M))

    def set_coefficients(self, state: Array) -> None:
        """A and G of the gradient, or of its sign."""
        system = self.system
        field_covariance(state, system.variance, system.T, self.C)
        at = self.C, system.signed_weights, system.noise_variance
        if self.nodes is None:
            self.coefficients(*at, self.A, self.G)
        else:
            sign_coefficients(system.g)(*at, self.nodes, self.A, self.G)

    def __call__(self, alpha: float, y: Array) -> Array:
        """Equations: (25.4), (25.6), (25.7), (25.10) and (25.11)."""
        state, memory = y[: self.size].reshape(self.shape), y[self.size :]
        self.set_coefficients(state)
        if isinstance(self.rule, Polyak):
            eta = self.rule.rate(self.A, self.G, *self._second_order(state))
            self.A *= eta
            self.G *= eta * eta
        drift, out = self.rule.apply(self.A, self.G, memory, self.input_variance), np.empty(self.shape)
        sector_drift(state, self.system.t, self.system.factors, self.A, self.G, out)
        return np.append(out.reshape(-1), drift)

    def told(self, y: Array) -> dict[str, float]:
        """What the run's stats say of a state (p L + E,) that it has reached."""
        state, eta = y[: self.size].reshape(self.shape), self.system.rule.learning_rate
        told = self.rule.told(y[self.size :], eta) | node_error(self.system, self.rule, state)
        if isinstance(self.rule, Polyak):
            self.set_coefficients(state)
            told["rate"] = eta * self.rule.rate(self.A, self.G, *self._second_order(state))
        return told

    def _second_order(self, state: Array) -> tuple[Array, float]:
        """C2 = sum_k w_k lambda_k^2 c_k and mu_2 of the sectors that learn."""
        system = self.system
        weight = system.variance * system.eigenvalues * system.learning
        K, C2 = system.student_units, np.empty_like(self.C)
        C2[:K, :K], C2[:K, K:] = system.unpack(state @ weight)
        C2[K:, :K], C2[K:, K:] = C2[:K, K:].T, system.t @ weight
        return C2, float(weight.sum())


def node_error(system: SectorSystem, rule: Adaptive, state: Array) -> dict[str, float]:
    """The largest relative spread of A over scrambles of the nodes, where there are nodes."""
    if not rule.signs:
        return {}
    found: list[Any] = []
    for scramble in range(SCRAMBLES):
        drift = AdaptiveDrift(system, rule, state.shape, scramble)
        drift.set_coefficients(state)
        found.append(drift.A)
    spread, size = np.std(found, axis=0, ddof=1), np.abs(found[0]).max()
    return {"nodes_error": float(spread.max() / size) if size > 0.0 else 0.0}
