"""Replicas of the SGD of optimisers whose rates follow the gradients, with weight vectors in memory."""

from functools import cached_property
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.seeds import Seeds, generators
from ode_sgd.teacher_student.integration.sector_system import begun_memory
from ode_sgd.teacher_student.kernels.rules.adaptive_rule import adaptive_rule_steps
from ode_sgd.teacher_student.kernels.simulation.adaptive_steps import adaptive_steps
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive
from ode_sgd.teacher_student.model.optimizers.coordinatewise import Adam
from ode_sgd.teacher_student.model.optimizers.scalar_rates import AdaGradNorm, Polyak
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.rule_averages import RuleAverages
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation.explicit import _from_words, _to_words, overlaps
from ode_sgd.teacher_student.simulation.line_search import interval, searched

CHUNK_NUMBERS = 2_000_000  # normal numbers between two looks at the outside world: about 20 ms
BLOCK_NUMBERS, BLOCK_STEPS = 200_000, 64  # at most, of the inputs that are drawn at once


class AdaptiveNetworks:
    """Weights of replicas in the coordinates that the optimiser sees; `coordinates` (N, N) are these by rows.

    Without `coordinates` they are those of the eigenbasis, or for each replica a random rotation of it where the
    optimiser `rotates`. Inputs are NumPy's normals. The other parameters and the methods are those of
    `ExplicitNetworks`.
    """

    def __init__(
        self, problem: Problem, weights: Array, sizes: Sizes, seeds: Seeds, coordinates: Array | None = None
    ) -> None:
        optimizer, (n, _, N), K = problem.optimizer, weights.shape, problem.student_units
        assert isinstance(optimizer, Adaptive)  # for the type checker
        self._problem, self._optimizer, self._ends, self._generators = (
            problem,
            optimizer,
            np.cumsum(sizes),
            generators(seeds),
        )
        self._amplitude = np.repeat(np.sqrt(problem.spectrum.eigenvalues), sizes)
        self._turned = [coordinates] * n
        if coordinates is None and optimizer.rotates:
            self._turned = [rotation(N, generator) for generator in self._generators]
        self.J = [_turn(turn, one[:K]) for turn, one in zip(self._turned, weights, strict=True)]
        self.B = [_turn(turn, one[K:]) for turn, one in zip(self._turned, weights, strict=True)]
        self.memory = [self._begun(turn) for turn in self._turned]
        learned = int(self._ends[problem.trainable - 1]) if problem.trainable else N
        self._update, self._learned = problem.update_rule.weight_update(N), learned
        self._kept = 1.0 - optimizer.second_moment_rate / N if isinstance(optimizer, Adam) else 1.0
        self._corrected = isinstance(optimizer, Adam) and optimizer.bias_correction
        self._rule = None if problem.rule is None else RuleAverages.of(problem).own
        self._streams = [generator.bit_generator.state for generator in self._generators]  # as the block began
        self._blocks: list[tuple[Array, Array]] = []  # inputs and noise of every replica, of the steps of one block
        self._searching = interval(N)
        self._block_steps = max(1, min(BLOCK_STEPS, BLOCK_NUMBERS // N))
        self._unknown = np.full(n, 1.0 if self._corrected else 0.0)
        self._taken, self._advance = 0, _steps_of(problem, optimizer)
        self.chunk = max(1, CHUNK_NUMBERS // (N * n))

    def _begun(self, turn: Array | None) -> Array:
        """What is remembered at the start."""
        optimizer, K = self._optimizer, self._problem.student_units
        if isinstance(optimizer, Adam):
            return np.outer(optimizer.first(K), self._variance(turn))
        return np.array([[optimizer.initial if isinstance(optimizer, AdaGradNorm) else 1.0]])

    def _variance(self, turn: Array | None) -> Array:
        """Of the inputs of every coordinate, (N,)."""
        variance = self._amplitude**2
        return variance if turn is None else turn**2 @ variance

    def advance(self, steps: int) -> None:
        """Take that many SGD steps.

        What is drawn at once, and when a rate is searched, are counted from the first step of the run, so that numbers
        do not depend on where a call ends.
        """
        end = self._taken + steps
        while self._taken < end:
            position, count = self._taken % self._block_steps, end - self._taken
            if position == 0:
                self._draw()
            if isinstance(self._optimizer, Polyak):
                count = min(count, self._searching - self._taken % self._searching)
                if self._taken % self._searching == 0:
                    self._search()
            count = min(count, self._block_steps - position)
            self._take(position, position + count)
            self._taken += count

    def _draw(self) -> None:
        """The inputs of a block, and the noise of their labels or the draws of a rule: a row of numbers is a step."""
        N, sigma, rule = self._amplitude.size, self._problem.update_rule.noise_unit, self._rule
        self._streams = [generator.bit_generator.state for generator in self._generators]
        self._blocks = []
        for generator, turn in zip(self._generators, self._turned, strict=True):
            drawn = generator.standard_normal((self._block_steps, N + (1 if rule is None else rule.draws)))
            xi = drawn[:, :N] * self._amplitude
            beside = sigma * drawn[:, N] if rule is None else np.array(drawn[:, N:], order="C")
            self._blocks.append((xi if turn is None else xi @ turn.T, beside))

    def _take(self, begin: int, end: int) -> None:
        """The steps from `begin` to `end` of the block."""
        a = self._problem.signed_weights
        for n, (xi, noise) in enumerate(self._blocks):
            at = self._update, self._learned, self.memory[n], self._kept, self._unknown[n]
            self._unknown[n] = self._advance(xi[begin:end], noise[begin:end], self.J[n], self.B[n], a, *at)

    def _search(self) -> None:
        """The rate at which the error of each replica falls fastest now."""
        for memory, rate in zip(self.memory, searched(self._problem, *self.overlaps(), self._taught), strict=True):
            memory[0, 0] = rate

    @cached_property
    def _taught(self) -> Array:
        """t (n, L, M, M); the teachers do not move."""
        return np.array([overlaps(B[None], B[None], self._ends)[0][0] for B in self.B])

    def overlaps(self) -> tuple[Array, Array]:
        """q (n, L, K, K) and r (n, L, K, M)."""
        J = np.array([_turn_back(turn, one) for turn, one in zip(self._turned, self.J, strict=True)])
        B = np.array([_turn_back(turn, one) for turn, one in zip(self._turned, self.B, strict=True)])
        return overlaps(J, B, self._ends)

    def remembered(self) -> Array:
        """What a run tells of the memory, (n, E): B, or m_i as means over the coordinates that learn."""
        if not isinstance(self._optimizer, Adam):
            return np.array([memory[0] for memory in self.memory])
        if self._taken == 0:
            parts = zip(*self.overlaps(), self._taught, strict=True)
            return np.array([begun_memory(self._problem, *part)[:-1] for part in parts])
        found = []
        for memory, turn, unknown in zip(self.memory, self._turned, self._unknown, strict=True):
            variance = self._variance(turn)[: self._learned]
            varies = variance > 0.0
            means = memory[:, : self._learned][:, varies] / variance[varies]
            found.append(means.mean(axis=1) / (1.0 - unknown))
        return np.array(found)

    def errors(self) -> Array:
        """NaN (n,): the overlaps say it best."""
        return np.full(len(self.J), np.nan)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, bit for bit."""
        used_up = self._taken % self._block_steps == 0
        now = [generator.bit_generator.state for generator in self._generators]
        streams = now if used_up else self._streams
        return {
            "J": np.array(self.J),
            "B": np.array(self.B),
            "memory": np.array(self.memory),
            "stream": np.array([_to_words(stream) for stream in streams]),
            "unknown": self._unknown.copy(),
            "taken": np.array(self._taken),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state`, of these networks or of some built from the same problem, sizes and seeds."""
        for mine, name in ((self.J, "J"), (self.B, "B"), (self.memory, "memory")):
            for one, kept in zip(mine, np.reshape(state[name], (len(mine), *mine[0].shape)), strict=True):
                one[:] = kept
        for generator, stream in zip(self._generators, np.reshape(state["stream"], (-1, 4)), strict=True):
            generator.bit_generator.state = _from_words([int(word) for word in stream])
        self._unknown[:] = state["unknown"]
        self._taken = int(state["taken"])
        if self._taken % self._block_steps:
            self._draw()


def _steps_of(problem: Problem, optimizer: Adaptive) -> Any:
    """The kernel of its steps."""
    if problem.rule is not None:
        return adaptive_rule_steps(RuleAverages.of(problem).of_fields, optimizer.moves)
    return adaptive_steps(problem.g, optimizer.moves)


def rotation(N: int, generator: np.random.Generator) -> Array:
    """A random orthogonal matrix (N, N), by Haar's measure."""
    q, r = np.linalg.qr(generator.standard_normal((N, N)))
    return np.ascontiguousarray(q * np.sign(np.diagonal(r)))


def _turn(turn: Array | None, weights: Array) -> Array:
    """Weights (K, N) in other coordinates: a copy of our own."""
    return np.array(weights if turn is None else weights @ turn.T, order="C")


def _turn_back(turn: Array | None, weights: Array) -> Array:
    return weights if turn is None else weights @ turn
