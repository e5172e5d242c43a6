"""The ODE of one problem as contiguous, writeable float64 arrays: all that integration methods know of it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array, Flags
from ode_sgd.core.schedule import Schedule, largest, value_at
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.paces import DECAYS, NOISES, PACES, RATES, VARIANCE, set_paces
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, DECAY_UNIT, FACTORS, NOISE, RATE
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.activation_pair import ActivationPair
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive
from ode_sgd.teacher_student.model.optimizers.copies import Copies
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.rule import UpdateRule
from ode_sgd.teacher_student.model.rule_averages import RuleAverages


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SectorSystem:
    """What (3.2) of docs/theory/model.md is made of, for a spectrum's sectors or for nodes that stand for them.

    Attributes
    ----------
    g : Activation, ActivationPair or RuleAverages
    v, u : (K,) and (M,)
        Second-layer weights; of the student those at the start.
    label_noise : float or Schedule
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
    memory : (E,)
        What an adaptive optimiser remembers at the start.
    """

    g: Activation | ActivationPair | RuleAverages
    v: Array
    u: Array
    label_noise: float | Schedule
    rule: UpdateRule
    eigenvalues: Array
    weights: Array
    learning: Array
    variance: Array
    factors: Array
    t: Array
    T: Array
    memory: Array = field(default_factory=lambda: np.empty(0))

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
    def moving_weights(self) -> int:
        """How many of v move: K where the second layer is trained, otherwise none."""
        return self.v.size if self.rule.trains_second_layer else 0

    @property
    def beside(self) -> Array:
        """What moves beside the overlaps, at the start: v where it is trained, or what an optimiser remembers."""
        return self.v if self.rule.trains_second_layer else self.memory

    @property
    def learned_variance(self) -> float:
        """mu_1 of the sectors that learn."""
        return float(self.variance @ self.learning)

    @property
    def noise_variance(self) -> float:
        """sigma^2, where it is scheduled that of the start."""
        return value_at(self.label_noise, 0.0) ** 2

    @property
    def copies(self) -> Copies | None:
        """The copies of the weights of a rule with linear memory; None of one without."""
        return self.rule.copies

    def breaks(self, until: float) -> list[float]:
        """Times before `until` at which a formula of what is scheduled changes, in order."""
        own = () if self.copies is None else self.copies.schedules
        ends = {piece.end for schedule in own for piece in schedule.pieces if piece.end < until}
        return sorted({*self.rule.timetable.breaks(until), *ends})

    @property
    def schedules(self) -> Array:
        """The table of what is scheduled, as kernels/paces.py has it."""
        return self.rule.timetable.table

    @property
    def arrays(self) -> tuple[Any, ...]:
        """What kernels/sectors/drift.py takes after the state, where nothing is scheduled."""
        return self.t, self.T, self.signed_weights, self.noise_variance, self.variance, self.factors

    def arrays_at(self, piece: Array, alpha: float) -> tuple[Any, ...]:
        """The same at a time of a piece of the schedules. Equation: (3.2a)."""
        paces, factors = np.empty(PACES), self.factors[:FACTORS].copy()
        set_paces(piece, alpha, paces)
        factors[RATE] *= paces[RATES]
        factors[NOISE] *= paces[NOISES]
        if len(factors) > DECAY:
            factors[DECAY] = paces[DECAYS] * self.factors[DECAY_UNIT]
        return self.t, self.T, self.signed_weights, float(paces[VARIANCE]), self.variance, factors

    @property
    def coupled(self) -> Flags:
        """Which sectors learn, and have variance to learn from, (L,)."""
        return (self.learning > 0.0) & (self.eigenvalues > 0.0)

    @property
    def frozen(self) -> Flags:
        """Which sectors do not move at all, (L,)."""
        still: Flags = (self.factors == 0.0).all(axis=0)
        return still

    @property
    def driven(self) -> bool:
        """Whether noise or decay moves students that have become their teachers."""
        noisy = self.rule.second_order and largest(self.label_noise) > 0.0
        return noisy or not self.rule.lets_the_error_vanish

    @property
    def stiffness(self) -> float:
        """The largest eigenvalue that is learned over the mean of all."""
        return float(self.factors[RATE].max() / (self.rule.learning_rate * self.variance.sum()))

    def unpack(self, rows: Array) -> tuple[Array, Array]:
        """(.., p) -> q (.., K, K) and r (.., K, M)."""
        return layout.unpack(rows, *self.units)

    def covariance(self, state: Array) -> Array:
        """C (K + M, K + M) of the fields, from a state (p, L), of copies from the first p of its rows."""
        return layout.covariance(*self.unpack(state[: layout.row_count(*self.units)] @ self.variance), self.T)


def shape_of(problem: Problem) -> str:
    """What kernels are compiled for, in words: "erf, K = M = 3"."""
    K, M = problem.student_units, problem.teacher_units
    return f"{problem.g}, " + (f"K = M = {K}" if K == M else f"K = {K}, M = {M}")


def writable(values: Any) -> Array:
    """A contiguous copy of our own: kernels are compiled anew for arrays that are read-only, or not contiguous."""
    return np.array(values, np.float64, order="C")


def sector_system(problem: Problem, start: OrderParameters, rtol: float = 0.0) -> SectorSystem:
    """The system of a problem, with the teacher of a start, for steps of a tolerance."""
    spectrum, rule = problem.spectrum, problem.update_rule
    variance = writable(spectrum.powers(1))
    return SectorSystem(
        g=problem.g.within(rtol),
        v=start.second_layer(problem),
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
        memory=begun_memory(problem, start.q, start.r, start.t),
    )


def begun_memory(problem: Problem, q: Array, r: Array, t: Array) -> Array:
    """What the optimiser remembers at alpha = 0, (E,), from the overlaps of all sectors."""
    optimizer, K = problem.optimizer, problem.student_units
    if not isinstance(optimizer, Adaptive) or not optimizer.remembers:
        return np.empty(0)
    weight = problem.spectrum.powers(1)
    C = layout.covariance(*(np.tensordot(weight, part, axes=1) for part in (q, r, t)))
    A, G = np.empty((K, len(C))), np.empty((K, K))
    variance = value_at(problem.label_noise, 0.0) ** 2
    coefficient_kernels(problem.g).coefficients(C, problem.signed_weights, variance, A, G)
    return optimizer.begun(G)


def initial_state(start: OrderParameters) -> Array:
    """State (p, L) of a start."""
    return layout.pack(start.q, start.r)
