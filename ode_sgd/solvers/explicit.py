"""One replica of the SGD with its weight vectors in memory."""

import numpy as np

from ode_sgd.kernels.sgd_explicit import explicit_steps, sector_grams
from ode_sgd.model.check import Array
from ode_sgd.model.problem import Problem
from ode_sgd.model.starts import Sizes

CHUNK_NUMBERS = 4_000_000  # multiply-adds and random numbers between two looks at the outside world: about 20 ms


class ExplicitNetwork:
    """Student and teacher weights of one replica, and its random stream."""

    def __init__(self, problem: Problem, weights: Array, sizes: Sizes, generator: np.random.Generator) -> None:
        K, N = problem.student_units, weights.shape[1]
        self.J, self.B = weights[:K].copy(), weights[K:].copy()
        self._ends = np.cumsum(sizes)
        self._sectors = sizes.size
        self._generator = generator
        learned = int(self._ends[problem.trainable - 1]) if problem.trainable else N
        self._constants = (
            self._ends,
            np.sqrt(problem.spectrum.eigenvalues),
            problem.signed_weights,
            problem.learning_rate,
            problem.label_noise,
            learned,
        )
        self._advance = explicit_steps(problem.activation)
        self.chunk = max(1, CHUNK_NUMBERS // N)

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""
        self._advance(self._generator, steps, self.J, self.B, *self._constants)

    def overlaps(self) -> tuple[Array, Array]:
        """q (L, K, K) and r (L, K, M)."""
        K, M = self.J.shape[0], self.B.shape[0]
        q, r = np.empty((self._sectors, K, K)), np.empty((self._sectors, K, M))
        sector_grams(self.J, self.B, self._ends, q, r)
        return q, r
