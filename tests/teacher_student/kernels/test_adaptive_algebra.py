"""Structured steps of Adam and AdaGradNorm: the step against dense algebra, and its order."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ode_sgd import optimizers
from ode_sgd.teacher_student.integration.scipy_methods import flat_right_hand_side
from ode_sgd.teacher_student.integration.work_space import work_space
from ode_sgd.teacher_student.kernels.integration import dense_output, step_control
from ode_sgd.teacher_student.kernels.integration import rosenbrock as kernels
from ode_sgd.teacher_student.kernels.sectors import blocks
from ode_sgd.teacher_student.model.rule import UpdateRule
from tests.teacher_student.kernels.stepping import Case
from tests.teacher_student.kernels.test_second_layer import Trained

ADAM = optimizers.Adam(0.7, basis="rotated")
SUM = optimizers.AdaGradNorm(0.8)


@dataclass(frozen=True, kw_only=True)
class Remembering(Trained):
    """A random system with an optimiser that remembers, as one vector: overlaps, then memory."""

    @classmethod
    def random(cls, optimizer, L, K, M, seed):
        case = Case.random("erf", L, K, M, seed)
        system = case.system
        rule = UpdateRule(
            learning_rate=0.3,
            second_order=True,
            weight_decay=0.4,
            optimizer=optimizer,
            input_variance=float(system.variance.sum()),
        )
        # Moments that differ, and a part of the past: nothing is special.
        memory = np.array([1.3]) if optimizer is SUM else np.append(np.linspace(0.4, 0.9, K), 0.6)
        factors = rule.factors(system.eigenvalues, system.learning)
        return cls(case=replace(case, system=replace(system, rule=rule, factors=factors, memory=memory)))

    @property
    def y(self):
        return np.concatenate([self.case.state.ravel(), self.case.system.memory])

    def drift(self, y):
        return flat_right_hand_side(self.case.system.g, self.case.system, self.case.state.shape)(0.0, y)

    def take(self, h, count=1):
        """State after `count` steps of size h whatever their error, error of the memory, C and memory at two times."""
        case, system = self.case, self.case.system
        (s, w), y, p, E = work_space(system), blocks.to_blocks(case.state), len(case.state), system.memory.size
        alpha = np.array([0.0, 0.5 * count * h, count * h])
        control = kernels.Control(np.array([0.0, h, 1.0, 0.0, 1e8]), np.array([0, 0, 1, 10**6, 1]))
        rows = np.zeros((3, 1, p + E))
        outputs = dense_output.Outputs(alpha, s.variance[None], 0, rows, np.zeros((0, *y.shape)))
        advance = kernels.rosenbrock(system.g, *system.units, len(system.factors), remembered=E)
        for number in range(count):
            control.numbers[step_control.STEP] = h * (1.0 if number < count - 1 else 2.0)  # lands on the end
            control.counts[step_control.FORCED] = 1
            advance(y, s, w, system.noise_variance, system.schedules, control, outputs, 1e-300, 1e-6, 1)
        return np.append(blocks.from_blocks(y, system.sectors).ravel(), w.a[:E]), w.dC[-1, p:], rows[1:, 0]


@pytest.mark.parametrize("optimizer", [ADAM, SUM], ids=str)
@pytest.mark.parametrize("h", [0.05, 2.0])
def test_a_step_is_the_dense_step(optimizer, h):
    """The bordered system in the basis W solves the whole linear system, stiff or not."""
    one, p = Remembering.random(optimizer, 4, 2, 2, seed=4), 7
    E, L = one.case.system.memory.size, 4
    new, error, between = one.dense_step(h)
    state, error_of_memory, rows = one.take(h)
    # Moments are no polynomials: the difference of sixth order with steps of 3e-3 leaves (3e-3 / 0.4)^6 of the
    # Jacobian, 2e-13, and its system amplifies that by up to a hundred.
    tolerance = {"rtol": 0.0, "atol": 2e-10 * np.abs(new).max()}
    np.testing.assert_allclose(state, new, **tolerance)
    np.testing.assert_allclose(error_of_memory, error[-E:], **tolerance)
    for found, y in zip(rows, (between, new), strict=True):
        np.testing.assert_allclose(found[:p], y[:-E].reshape(p, L) @ one.case.system.variance, **tolerance)
        np.testing.assert_allclose(found[p:], y[-E:], **tolerance)


def test_order_of_the_solution(record_property):
    one, end, counts = Remembering.random(ADAM, 3, 2, 2, seed=1), 4.0, [16, 32, 64]
    exact = solve_ivp(lambda _, y: one.drift(y), (0.0, end), one.y, "DOP853", rtol=3e-14, atol=1e-15).y[:, -1]
    errors = np.array([np.abs(one.take(end / n, n)[0] - exact) for n in counts])
    for name, part in (("overlaps", errors[:, :-3]), ("memory", errors[:, -3:])):
        order = -np.diff(np.log2(part.max(axis=1))).mean()
        record_property("measured", f"order of {name} {order:.3f}")
        assert order == pytest.approx(5.0, abs=0.35)  # as of SGD
