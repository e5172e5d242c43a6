"""Kernels of a trained second layer: derivatives against differences, the step against dense algebra, its order."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ode_sgd.teacher_student.integration.scipy_methods import flat_right_hand_side
from ode_sgd.teacher_student.integration.work_space import work_space
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.second_layer import second_layer_kernels
from ode_sgd.teacher_student.kernels.integration import dense_output, rodas5p, step_control
from ode_sgd.teacher_student.kernels.integration import rosenbrock as kernels
from ode_sgd.teacher_student.kernels.sectors import blocks
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.rule import UpdateRule
from tests.teacher_student.kernels.cases import covariance
from tests.teacher_student.kernels.stepping import Case, derivative

K, M, NOISE, RATE, DECAY = 3, 2, 0.2, 0.7, 0.4
SECOND = {
    "zero among them": np.array([0.8, 0.0, -1.1, -0.7, -0.9]),
    "zero": np.array([0.0, 0.0, 0.0, -0.7, -0.9]),
}


@pytest.mark.parametrize("name", SECOND)
@pytest.mark.parametrize("activation", ["erf", "linear"])
def test_derivatives_with_respect_to_the_second_layer(activation, name):
    """Equation (5.1b), also where v_i = 0."""
    C, a, g = covariance(K + M, 3), SECOND[name], Activation(activation)
    coefficients, second = coefficient_kernels(g).coefficients, second_layer_kernels(g)
    AV, GV = np.ones((K, K, K + M)), np.ones((K, K, K))
    second.by_second_layer(C, a, NOISE, AV, GV)
    HC, HV = np.ones((K, K, K + M)), np.ones((K, K))
    second.drift_derivatives(C, a, RATE, DECAY, HC, HV)
    for m in range(K):

        def moved(step, m=m):
            A, G, h, at = np.empty((K, K + M)), np.empty((K, K)), np.empty(K), a + step * np.eye(K + M)[m]
            coefficients(C, at, NOISE, A, G)
            second.drift(C, at, RATE, DECAY, h)
            return np.concatenate([A.ravel(), G.ravel(), h])

        exact = np.concatenate([AV[m].ravel(), GV[m].ravel(), HV[:, m]])
        # polynomials of degree 4 in v, of which a difference of sixth order leaves nothing but rounding over the step
        np.testing.assert_allclose(exact, derivative(moved, 0.0, 0.1), rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("activation", ["erf", "linear"])
def test_derivatives_of_its_drift_with_respect_to_the_overlaps(activation):
    C, a, second = covariance(K + M, 3), SECOND["zero among them"], second_layer_kernels(Activation(activation))
    HC, HV = np.empty((K, K, K + M)), np.empty((K, K))
    second.drift_derivatives(C, a, RATE, DECAY, HC, HV)
    for i in range(K):
        for j in range(i, K + M):

            def moved(step, i=i, j=j):
                h, at = np.empty(K), C.copy()
                at[i, j] += step
                at[j, i] = at[i, j]
                second.drift(at, a, RATE, DECAY, h)
                return h

            exact = HC[:, i, j] * (2.0 if i < j < K else 1.0)
            # sixth order: (1e-2)^6 times derivatives of some hundreds, and 1e-16 over the step
            np.testing.assert_allclose(exact, derivative(moved, 0.0, 1e-2), rtol=0.0, atol=1e-10)


@dataclass(frozen=True)
class Trained:
    """A random system whose second layer is trained, as one vector: overlaps, then v."""

    case: Case

    @classmethod
    def random(cls, activation, L, K, M, seed):
        case = Case.random(activation, L, K, M, seed)
        rule = UpdateRule(
            learning_rate=0.3,
            second_order=True,
            weight_decay=0.4,
            batch_size=2,
            second_layer_rate=0.25,
            second_layer_decay=0.3,
        )
        factors = rule.factors(case.system.eigenvalues, case.system.learning)
        return cls(replace(case, system=replace(case.system, rule=rule, factors=factors)))

    @property
    def y(self):
        return np.concatenate([self.case.state.ravel(), self.case.system.v])

    def drift(self, y):
        return flat_right_hand_side(self.case.system.g, self.case.system, self.case.state.shape)(0.0, y)

    def dense_step(self, h, x=0.5):
        """State after a step of the method's table, its error, and the state at the fraction x, in dense algebra."""
        units = np.eye(self.y.size)
        jacobian = np.array([derivative(lambda e, u=u: self.drift(self.y + e * u), 0.0, 3e-3) for u in units]).T
        left, g = units / (rodas5p.GAMMA * h) - jacobian, np.zeros((rodas5p.STAGES, self.y.size))
        for stage in range(rodas5p.STAGES):
            right = self.drift(self.y + rodas5p.A[stage] @ g) + rodas5p.C[stage] @ g / h
            g[stage] = np.linalg.solve(left, right)
        new, k = self.y + rodas5p.A[-1] @ g + g[-1], rodas5p.H @ g
        between = (1 - x) * self.y + x * (new + (1 - x) * (k[0] + x * (k[1] + x * k[2])))
        return new, g[-1], between

    def take(self, h, count=1):
        """State after `count` steps of size h whatever their error, error of v, and C and v half way and at the end."""
        case, system = self.case, self.case.system
        (s, w), y, p = work_space(system), blocks.to_blocks(case.state), len(case.state)
        alpha = np.array([0.0, 0.5 * count * h, count * h])
        control = kernels.Control(np.array([0.0, h, 1.0, 0.0, 1e8]), np.array([0, 0, 1, 10**6, 1]))
        weights = np.stack([s.variance, s.variance**2])
        rows = np.zeros((3, 2, p + case.K))
        outputs = dense_output.Outputs(alpha, weights, 0, rows, np.zeros((0, *y.shape)))
        advance = kernels.rosenbrock(system.g, *system.units, len(system.factors), trained=True)
        for number in range(count):
            control.numbers[step_control.STEP] = h * (1.0 if number < count - 1 else 2.0)  # lands on the end
            control.counts[step_control.FORCED] = 1
            advance(y, s, w, system.noise_variance, system.schedules, control, outputs, 1e-300, 1e-6, 1)
        state = np.concatenate([blocks.from_blocks(y, system.sectors).ravel(), w.a[: case.K]])
        return state, w.dC[-1, p:], rows[1:, 0], rows[1:, 1, p:]


@pytest.mark.parametrize(("activation", "L", "K", "M"), [("erf", 4, 3, 2), ("erf", 2, 2, 2), ("linear", 3, 2, 2)])
@pytest.mark.parametrize("h", [0.05, 2.0])
def test_a_step_is_the_dense_step(activation, L, K, M, h):
    """The bordered system solves the whole linear system, stiff (h rate up to 6) or not."""
    one = Trained.random(activation, L, K, M, seed=4)
    new, error, between = one.dense_step(h)
    state, error_of_v, rows, unused = one.take(h)
    # The dense Jacobian is good to 1e-13 by differences; its system amplifies that by up to a hundred.
    tolerance = {"rtol": 0.0, "atol": 1e-11 * np.abs(new).max()}
    np.testing.assert_allclose(state, new, **tolerance)
    np.testing.assert_allclose(error_of_v, error[-K:], **tolerance)
    p = K * M + K * (K + 1) // 2
    for found, y in zip(rows, (between, new), strict=True):
        np.testing.assert_allclose(found[:p], y[:-K].reshape(p, L) @ one.case.system.variance, **tolerance)
        np.testing.assert_allclose(found[p:], y[-K:], **tolerance)
    assert not unused.any()


def test_order_of_the_solution(record_property):
    one, end, counts = Trained.random("erf", 3, 2, 2, seed=1), 4.0, [2, 4, 8, 16]
    exact = solve_ivp(lambda _, y: one.drift(y), (0.0, end), one.y, "DOP853", rtol=3e-14, atol=1e-15).y[:, -1]
    errors = np.array([np.abs(one.take(end / n, n)[0] - exact) for n in counts])
    for name, part in (("overlaps", errors[:, :-2]), ("v", errors[:, -2:])):
        order = -np.diff(np.log2(part.max(axis=1))).mean()
        record_property("measured", f"order of {name} {order:.3f}")
        assert order == pytest.approx(5.0, abs=0.35)  # as of the overlaps alone, with v's own constants
