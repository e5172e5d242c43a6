"""Replicas of the SGD of optimisers whose rates follow the gradients, with weight vectors in memory."""

from functools import cached_property
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.seeds import Seeds, generators
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.sectors.layout import covariance
from ode_sgd.teacher_student.kernels.simulation.adaptive_steps import adaptive_steps
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive
from ode_sgd.teacher_student.model.optimizers.coordinatewise import Adam
from ode_sgd.teacher_student.model.optimizers.scalar_rates import AdaGradNorm, Polyak
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation.explicit import _from_words, _to_words, overlaps

CHUNK_NUMBERS = 2_000_000  # normal numbers between two looks at the outside world: about 20 ms
ROWS = 200_000  # numbers of the inputs that are drawn at once
LINE_SEARCHES = 50  # of Polyak's steps in a unit of alpha


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
        self._taken, self._advance = 0, adaptive_steps(problem.g, optimizer.moves)
        self.chunk = max(1, CHUNK_NUMBERS // (N * n))
        if isinstance(optimizer, Polyak):
            self.chunk = max(1, min(self.chunk, N // LINE_SEARCHES))

    def _begun(self, turn: Array | None) -> Array:
        """What is remembered at the start."""
        optimizer, K = self._optimizer, self._problem.student_units
        if isinstance(optimizer, Adam):
            variance = self._amplitude**2 if turn is None else turn**2 @ self._amplitude**2
            return np.outer(optimizer.first(K), variance)
        return np.array([[optimizer.initial if isinstance(optimizer, AdaGradNorm) else 1.0]])

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""
        if isinstance(self._optimizer, Polyak):
            self._search(self._optimizer)
        N, a, sigma = self._amplitude.size, self._problem.signed_weights, self._problem.update_rule.noise_unit
        for n, generator in enumerate(self._generators):
            for begin in range(0, steps, rows := max(1, ROWS // N)):
                count = min(rows, steps - begin)
                xi = generator.standard_normal((count, N)) * self._amplitude
                noise = sigma * generator.standard_normal(count) if sigma > 0.0 else np.zeros(count)
                turn = self._turned[n]
                xi = xi if turn is None else xi @ turn.T
                known = self._kept ** (self._taken + begin) if self._corrected else 0.0
                at = self._update, self._learned, self.memory[n], self._kept, known
                self._advance(xi, noise, self.J[n], self.B[n], a, *at)
        self._taken += steps

    def _search(self, optimizer: Polyak) -> None:
        """The rate at which the error of each replica falls fastest now. Equation: (25.11)."""
        problem, K = self._problem, self._problem.student_units
        first, second = problem.spectrum.powers(1), problem.spectrum.powers(2) * problem.learning
        variance, fill = problem.update_rule.noise_unit**2, coefficient_kernels(problem.g).coefficients
        A, G = np.empty((K, K + problem.teacher_units)), np.empty((K, K))
        for n, parts in enumerate(zip(*self.overlaps(), self._taught, strict=True)):
            C, C2 = (covariance(*(np.tensordot(weight, part, axes=1) for part in parts)) for weight in (first, second))
            fill(C, problem.signed_weights, variance, A, G)
            self.memory[n][0, 0] = optimizer.rate(A, G, C2, float(second.sum()))

    @cached_property
    def _taught(self) -> list[Array]:
        """t (L, M, M) of every replica; the teachers do not move."""
        return [overlaps(B[None], B[None], self._ends)[0][0] for B in self.B]

    def overlaps(self) -> tuple[Array, Array]:
        """q (n, L, K, K) and r (n, L, K, M)."""
        J = np.array([_turn_back(turn, one) for turn, one in zip(self._turned, self.J, strict=True)])
        B = np.array([_turn_back(turn, one) for turn, one in zip(self._turned, self.B, strict=True)])
        return overlaps(J, B, self._ends)

    def errors(self) -> Array:
        """NaN (n,): the overlaps say it best."""
        return np.full(len(self.J), np.nan)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, bit for bit."""
        return {
            "J": np.array(self.J),
            "B": np.array(self.B),
            "memory": np.array(self.memory),
            "stream": np.array([_to_words(generator.bit_generator.state) for generator in self._generators]),
            "taken": np.array(self._taken),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state`, of these networks or of some built from the same problem, sizes and seeds."""
        for mine, name in ((self.J, "J"), (self.B, "B"), (self.memory, "memory")):
            for one, kept in zip(mine, np.reshape(state[name], (len(mine), *mine[0].shape)), strict=True):
                one[:] = kept
        for generator, stream in zip(self._generators, np.reshape(state["stream"], (-1, 4)), strict=True):
            generator.bit_generator.state = _from_words([int(word) for word in stream])
        self._taken = int(state["taken"])


def rotation(N: int, generator: np.random.Generator) -> Array:
    """A random orthogonal matrix (N, N), by Haar's measure."""
    q, r = np.linalg.qr(generator.standard_normal((N, N)))
    return np.ascontiguousarray(q * np.sign(np.diagonal(r)))


def _turn(turn: Array | None, weights: Array) -> Array:
    """Weights (K, N) in other coordinates: a copy of our own."""
    return np.array(weights if turn is None else weights @ turn.T, order="C")


def _turn_back(turn: Array | None, weights: Array) -> Array:
    return weights if turn is None else weights @ turn
