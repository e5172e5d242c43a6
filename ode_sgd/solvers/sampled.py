"""One replica of the SGD on rows of a data matrix."""

from typing import Any

import numpy as np

from ode_sgd.kernels.random_lanes import seed_lanes
from ode_sgd.kernels.sgd_explicit import sector_grams
from ode_sgd.kernels.sgd_sampled import sampled_steps
from ode_sgd.model.check import Array
from ode_sgd.model.problem import Problem
from ode_sgd.model.starts import Sizes

CHUNK_NUMBERS = 8_000_000  # multiply-adds between two looks at the outside world: about 10 ms


class SampledNetwork:
    """Weights of one replica whose inputs are rows of `inputs` (samples, N), drawn with replacement.

    The other parameters, and the methods, are those of `ExplicitNetwork`.
    """

    def __init__(
        self, problem: Problem, weights: Array, sizes: Sizes, inputs: Array, seed_sequence: np.random.SeedSequence
    ) -> None:
        K, N = problem.student_units, weights.shape[1]
        self.J, self.B = weights[:K].copy(), weights[K:].copy()
        self._ends = np.cumsum(sizes)
        self._stream = seed_lanes(seed_sequence, 1)
        learned = int(self._ends[problem.trainable - 1]) if problem.trainable else N
        self._constants = inputs, problem.signed_weights, problem.learning_rate, problem.label_noise, learned
        self._advance = sampled_steps(problem.activation)
        self.chunk = max(1, CHUNK_NUMBERS // ((N + 50) * (2 * K + len(self.B))))

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""
        self._advance(self._stream, steps, self.J, self.B, *self._constants)

    def overlaps(self) -> tuple[Array, Array]:
        """q (1, L, K, K) and r (1, L, K, M)."""
        K, M, L = len(self.J), len(self.B), self._ends.size
        q, r = np.empty((1, L, K, K)), np.empty((1, L, K, M))
        sector_grams(self.J, self.B, self._ends, q[0], r[0])
        return q, r

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, bit for bit."""
        return {"J": self.J.copy(), "stream": self._stream.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state` of a network of the same problem, weights and inputs."""
        self.J[:], self._stream[:] = state["J"], state["stream"]
