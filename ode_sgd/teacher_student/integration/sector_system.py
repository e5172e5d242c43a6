"""The ODE of one problem as contiguous, writeable float64 arrays: all that integration methods know of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.kernels.sectors.rule_factors import RATE
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.rule import UpdateRule


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SectorSystem:
    """What (3.2) of docs/theory/model.md is made of, for a spectrum's sectors or for nodes that stand for them.

    Attributes
    ----------
    g : Activation
    v, u : (K,) and (M,)
        Second-layer weights.
    label_noise : float
    rule : UpdateRule
    eigenvalues, weights, learning : (L,)
        lambda_k, w_k, and 1 for every sector that learns, 0 for the others.
    variance : (L,)
        w_k lambda_k.
    factors : (rows, L)
        What the rule does in every sector: rows of kernels/sectors/rule_factors.py.
    t : (M, M, L)
        The teacher's overlaps.
    T : (M, M)
        Their sum of order one, of the whole spectrum.
    """

    g: Activation
    v: Array
    u: Array
    label_noise: float
    rule: UpdateRule
    eigenvalues: Array
    weights: Array
    learning: Array
    variance: Array
    factors: Array
    t: Array
    T: Array

    @property
    def student_units(self) -> int:
        """K."""
        return self.v.size

    @property
    def teacher_units(self) -> int:
        """M."""
        return self.u.size

    @property
    def units(self) -> tuple[int, int]:
        """K and M."""
        return self.v.size, self.u.size

    @property
    def sectors(self) -> int:
        """L."""
        return self.variance.size

    @property
    def signed_weights(self) -> Array:
        """a = (v, -u), (K + M,)."""
        return np.concatenate([self.v, -self.u])

    @property
    def noise_variance(self) -> float:
        """sigma^2."""
        return self.label_noise**2

    @property
    def arrays(self) -> tuple[Any, ...]:
        """What kernels/sectors/drift.py takes after the state."""
        return self.t, self.T, self.signed_weights, self.noise_variance, self.variance, self.factors

    @property
    def coupled(self) -> NDArray[np.bool_]:
        """Which sectors learn, and have variance to learn from, (L,)."""
        return (self.learning > 0.0) & (self.eigenvalues > 0.0)

    @property
    def frozen(self) -> NDArray[np.bool_]:
        """Which sectors do not move at all, (L,)."""
        still: NDArray[np.bool_] = (self.factors == 0.0).all(axis=0)
        return still

    @property
    def stiffness(self) -> float:
        """The largest eigenvalue that is learned over the mean of all."""
        return float(self.factors[RATE].max() / (self.rule.learning_rate * self.variance.sum()))

    def unpack(self, rows: Array) -> tuple[Array, Array]:
        """(.., p) -> q (.., K, K) and r (.., K, M)."""
        return layout.unpack(rows, *self.units)

    def covariance(self, state: Array) -> Array:
        """C (K + M, K + M) of the fields, from a state (p, L)."""
        return layout.covariance(*self.unpack(state @ self.variance), self.T)


def shape_of(problem: Problem) -> str:
    """What kernels are compiled for, in words: "erf, K = M = 3"."""
    K, M = problem.student_units, problem.teacher_units
    return f"{problem.activation}, " + (f"K = M = {K}" if K == M else f"K = {K}, M = {M}")


def writable(values: Any) -> Array:
    """A contiguous copy of our own: kernels are compiled anew for arrays that are read-only, or not contiguous."""
    return np.array(values, np.float64, order="C")


def sector_system(problem: Problem, start: OrderParameters) -> SectorSystem:
    """The system of a problem, with the teacher of a start."""
    spectrum, rule = problem.spectrum, problem.update_rule
    variance = writable(spectrum.powers(1))
    return SectorSystem(
        g=problem.g,
        v=problem.v,
        u=problem.u,
        label_noise=problem.label_noise,
        rule=rule,
        eigenvalues=spectrum.eigenvalues,
        weights=spectrum.weights,
        learning=problem.learning,
        variance=variance,
        factors=rule.factors(spectrum.eigenvalues, problem.learning),
        t=np.array(start.t.transpose(1, 2, 0), order="C"),
        T=writable(np.tensordot(variance, start.t, axes=1)),
    )


def initial_state(start: OrderParameters) -> Array:
    """State (p, L) of a start."""
    return writable(layout.pack(start.q, start.r))
