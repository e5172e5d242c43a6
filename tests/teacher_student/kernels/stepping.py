"""Fixed steps of the Rosenbrock kernel, and the same step in dense algebra."""

from dataclasses import dataclass

import numpy as np

from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.integration.work_space import work_space
from ode_sgd.teacher_student.kernels.integration import rodas5p, step_control
from ode_sgd.teacher_student.kernels.integration import rosenbrock as kernels
from ode_sgd.teacher_student.kernels.sectors import blocks, layout
from ode_sgd.teacher_student.kernels.sectors.drift import right_hand_side
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.rule import UpdateRule
from tests.teacher_student.kernels.cases import sectors


def derivative(function, x, step):
    """Of a function of one number, by the central difference of sixth order."""
    weights = np.array([45.0, -9.0, 1.0]) / 60.0
    terms = [w * (function(x + m * step) - function(x - m * step)) for m, w in enumerate(weights, 1)]
    return sum(terms) / step


@dataclass(frozen=True, kw_only=True)
class Case:
    """One system of ordinary numbers."""

    activation: str
    K: int
    system: SectorSystem
    state: np.ndarray  # (p, L)

    @classmethod
    def random(cls, activation, L, K, M, seed, learning_rate=0.3):
        """Random Gram matrices, eigenvalues over two decades, noise."""
        rng = np.random.default_rng((seed, L, K, M))
        c, values = sectors(L, K + M, seed), 10.0 ** rng.uniform(-1.5, 0.5, L)
        weights = rng.uniform(0.5, 1.0, L)
        weights /= weights.sum()
        rule = UpdateRule(learning_rate=learning_rate, second_order=True, weight_decay=0.4)
        system = SectorSystem(
            g=Activation(activation),
            v=rng.uniform(0.6, 1.4, K),
            u=rng.uniform(0.6, 1.4, M),
            label_noise=0.05**0.5,
            rule=rule,
            eigenvalues=values,
            weights=weights,
            learning=np.ones(L),
            variance=weights * values,
            factors=rule.factors(values, np.ones(L)),
            t=np.ascontiguousarray(c[:, K:, K:].transpose(1, 2, 0)),
            T=np.einsum("k,kij->ij", weights * values, c[:, K:, K:]),
        )
        return cls(activation=activation, K=K, system=system, state=layout.pack(c[:, :K, :K], c[:, :K, K:]))

    def drift(self, y):
        """The right-hand side of the flattened state."""
        out = np.empty_like(self.state)
        state = np.ascontiguousarray(y).reshape(self.state.shape)
        right_hand_side(self.system.g)(state, *self.system.arrays, out)
        return out.ravel()

    def jacobian(self):
        """Of the drift at the state, dense."""
        y = self.state.ravel()
        columns = [derivative(lambda e, unit=unit: self.drift(y + e * unit), 0.0, 3e-3) for unit in np.eye(y.size)]
        return np.array(columns).T


@dataclass
class Taken:
    """What fixed steps left behind."""

    state: np.ndarray  # (p, L)
    rows: np.ndarray  # (n, p), C at the output times
    squares: np.ndarray  # (n, p), sums with the variances' squares in their place
    sectors: np.ndarray  # (n, p, L)
    error: np.ndarray  # (p, L), the last step's estimate in the eigenbasis of D


def take(case, h, count=1, fractions=()):
    """`count` steps of size h, whatever their error; outputs at those fractions of the whole and at its end."""
    L = case.state.shape[1]
    alpha = np.concatenate([[0.0], np.asarray(fractions) * count * h, [count * h]])
    s, w = work_space(case.system)
    y = blocks.to_blocks(case.state)
    control = kernels.Control(np.array([0.0, h, 1.0, 0.0, 1e8]), np.array([0, 0, 1, 10**6, 1]))
    outputs = kernels.Outputs(
        alpha,
        np.stack([s.variance, s.variance**2]),
        0,
        np.zeros((alpha.size, 2, len(case.state))),
        np.zeros((alpha.size, *y.shape)),
    )
    form = case.system.g, case.K, case.system.T.shape[0], len(case.system.factors)
    advance = kernels.rosenbrock(*form, timed=case.system.schedules.size > 0)
    for number in range(count):
        control.numbers[step_control.STEP], control.counts[step_control.FORCED] = (
            h * (1.0 if number < count - 1 else 2.0),
            1,
        )  # lands on the end
        status = advance(y, s, w, case.system.noise_variance, case.system.schedules, control, outputs, 1e-300, 1e-6, 1)
        assert status == step_control.RUNNING
    assert control.counts[step_control.STEPS] == count
    return Taken(
        state=blocks.from_blocks(y, L),
        rows=outputs.rows[1:, 0],
        squares=outputs.rows[1:, 1],
        sectors=blocks.from_blocks(outputs.sectors, L)[1:],
        error=blocks.from_blocks(s.stages[-1, : len(y)], L),
    )


def dense_step(case, h, x=0.5):
    """One step of the method's table in dense algebra: state after it, error estimate, state at the fraction x."""
    y, left = case.state.ravel(), np.eye(case.state.size) / (rodas5p.GAMMA * h) - case.jacobian()
    g = np.zeros((rodas5p.STAGES, y.size))
    for stage in range(rodas5p.STAGES):
        right = case.drift(y + rodas5p.A[stage] @ g) + rodas5p.C[stage] @ g / h
        g[stage] = np.linalg.solve(left, right)
    new = y + rodas5p.A[-1] @ g + g[-1]
    k = rodas5p.H @ g
    between = (1 - x) * y + x * (new + (1 - x) * (k[0] + x * (k[1] + x * k[2])))
    shape = case.state.shape
    return new.reshape(shape), g[-1].reshape(shape), between.reshape(shape)
