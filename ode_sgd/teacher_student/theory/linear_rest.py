"""Where linear units come to rest with linear memory and weight decay, and how fast (docs/theory/momentum.md).

The student's output has the weights w = sum_i v_i J_i, and S = 2 eps_g(J) + sigma^2 is the variance of its gradient's
noise. Sectors share S alone, so that the noise feeds back through a single number.
"""

from dataclasses import replace

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.schedule import Schedule, fixed
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory import linear_network
from ode_sgd.teacher_student.theory.branch import Start
from ode_sgd.teacher_student.theory.copies_at_rest import Memory, memory_of
from ode_sgd.teacher_student.theory.crossing import crossing_below, first_crossing
from ode_sgd.teacher_student.theory.floors.covered import teachers_of
from ode_sgd.teacher_student.theory.linear_memory import without_memory


def is_meant(problem: Problem) -> bool:
    """Whether a linear problem has memory or weight decay, and else is plain SGD or something that is refused."""
    return problem.g.is_linear and (problem.update_rule.copies is not None or bool(problem.weight_decay))


def critical_learning_rate(problem: Problem) -> float:
    """That of a linear student: the smallest with x = 1; infinite where nothing moves. Equation: (24.3)."""
    plain = without_decay(problem)
    first, memory = linear_network.critical_learning_rate(plain), memory_of(problem)
    if not np.isfinite(first) or not len(memory.rates):
        return float("inf")
    felt = memory.of_gradient

    def excess(rate: float) -> float:
        return _Stationary(replace(problem, learning_rate=rate), felt).response(felt.point) - 1.0

    return first_crossing(excess, first)


def noise_floor(problem: Problem, start: Start, state: OrderParameters | None) -> float:
    """That of the copy that a linear student keeps. Equations: (24.3) and (24.7)."""
    plain, memory = without_decay(problem), memory_of(problem)
    linear_network.require_linear(plain)
    if not len(memory.rates):
        if state is None:
            raise InvalidProblem(f"optimizer = {problem.optimizer} moves nothing: the floor is the error of a start")
        return state.without_copies().generalization_error(plain)
    # Without noise and without a step what sectors hold that do not learn is there, and else nothing.
    held = 2.0 * linear_network.noise_floor(replace(plain, gradient_flow=True), state)
    rest = _Stationary(problem, memory)
    of_gradient, of_kept = (held + rest.bias(weights, start) for weights in (memory.point, memory.kept))
    if problem.gradient_flow:
        return 0.5 * of_kept
    feedback = rest.response(memory.point)
    if feedback >= 1.0:
        raise InvalidProblem(
            f"learning_rate = {problem.learning_rate:g} is beyond critical ({critical_learning_rate(problem):g}) with "
            f"{problem.update_rule.added_terms}; the error has no floor"
        )
    noise = (of_gradient + fixed(problem.label_noise) ** 2) / (1.0 - feedback)
    return 0.5 * (of_kept + rest.response(memory.kept) * noise)


def relaxation_rate(problem: Problem, start: Start) -> float:
    """The rate at which the error of a linear student comes to its floor. Equation: (24.8).

    Raises
    ------
    InvalidProblem
        Where nothing moves.
    """
    linear_network.require_linear(without_decay(problem))
    memory = memory_of(problem)
    if not len(memory.rates) or not linear_network.moves(problem).any():
        raise InvalidProblem(f"optimizer = {problem.optimizer}, {problem.activation}: nothing moves, and so no rate")
    rest, felt = _Stationary(problem, memory), memory.of_gradient
    means = float(memory.slowest(rest.m).min())
    if not rest.bias(memory.kept, start) > 0.0:
        means *= 2.0
    if problem.gradient_flow:
        return means
    noise = _Stationary(problem, felt)
    pole = 2.0 * float(felt.slowest(noise.m).min())
    return min(means, crossing_below(lambda rate: noise.response(felt.point, rate) - 1.0, pole))


def without_decay(problem: Problem) -> Problem:
    """The same problem for SGD without memory, and without weight decay where that is a number."""
    plain = without_memory(problem)
    return plain if isinstance(plain.weight_decay, Schedule) else replace(plain, weight_decay=0.0)


class _Stationary:
    """The sectors that learn, with some copies of the weights."""

    def __init__(self, problem: Problem, memory: Memory) -> None:
        learning = linear_network.moves(problem)
        self.rate, self.memory, self.learning, self.problem = fixed(problem.learning_rate), memory, learning, problem
        self.drift = linear_network.effective_rate(problem) * problem.spectrum.eigenvalues[learning]
        self.m = self.drift + self.rate * fixed(problem.weight_decay)
        self.variance = problem.spectrum.powers(1)[learning]

    def response(self, weights: Array, rate: float = 0.0) -> float:
        """2 eps_g of a sum of copies that noise of variance one leaves, transformed at -rate: x or y.

        Equation: (24.2).
        """
        X = self.memory.stationary(self.m, self.m, rate)
        strength = self.variance * self.drift * linear_network.effective_rate(self.problem)
        return float(np.einsum("k,r,krs,s->", strength, weights, X, weights))

    def bias(self, weights: Array, start: Start) -> float:
        """2 eps_g at the fixed point of the mean, which weight decay keeps off the teacher. Equation: (24.7)."""
        if not fixed(self.problem.weight_decay):
            return 0.0
        u, t = self.problem.u, teachers_of(self.problem, start).t[self.learning]
        short = 1.0 - self.drift * (self.memory.pulled_to(self.m) @ weights)
        return float(np.sum(self.variance * short**2 * np.einsum("m,kmn,n->k", u, t, u)))
