"""Replicas of the SGD on rows of a data matrix."""

from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.seeds import Seeds, lane_states
from ode_sgd.teacher_student.kernels.simulation.row_error import row_error
from ode_sgd.teacher_student.kernels.simulation.sampled import sampled_steps
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation.explicit import overlaps

CHUNK_NUMBERS = 8_000_000  # multiply-adds between two looks at the outside world: about 10 ms


class SampledNetworks:
    """Weights of replicas whose inputs are rows of `inputs` (samples, N), drawn with replacement.

    `held_out` (samples, N) are other rows, on which the error is measured; None for none. The other parameters, and the
    methods, are those of `ExplicitNetworks`.
    """

    def __init__(
        self, problem: Problem, weights: Array, sizes: Sizes, inputs: Array, seeds: Seeds, held_out: Array | None = None
    ) -> None:
        K, (n, units, N) = problem.student_units, weights.shape
        self.J, self.B = weights[:, :K].copy(), weights[:, K:].copy()
        self._ends = np.cumsum(sizes)
        self._streams = lane_states(seeds, 1)
        learned = int(self._ends[problem.trainable - 1]) if problem.trainable else N
        update = problem.update_rule.weight_update(N)
        self._constants = inputs, problem.signed_weights, update, problem.update_rule.noise_unit, learned
        self._taken, self._schedules = 0, problem.timetable.table
        self._advance = sampled_steps(problem.g, bool(problem.timetable))
        self._held_out, self._row_error = held_out, row_error(problem.g)
        self.chunk = max(1, CHUNK_NUMBERS // ((N + 50) * (K + units) * n))

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""
        for stream, J, B in zip(self._streams, self.J, self.B, strict=True):
            self._advance(stream, steps, J, B, *self._constants, self._schedules, self._taken)
        self._taken += steps

    def overlaps(self) -> tuple[Array, Array]:
        """q (n, L, K, K) and r (n, L, K, M)."""
        return overlaps(self.J, self.B, self._ends)

    def errors(self) -> Array:
        """NaN (n,): the overlaps say it best."""
        return np.full(len(self.J), np.nan)

    def held_out_errors(self) -> Array:
        """Mean of (1/2) (f - h)^2 over the rows that are held out, (n,)."""
        a = self._constants[1]
        return np.array([self._row_error(J, B, self._held_out, a) for J, B in zip(self.J, self.B, strict=True)])

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, bit for bit."""
        steps = {"taken": np.array(self._taken)} if self._schedules.size else {}
        return {"J": self.J.copy(), "stream": self._streams.copy()} | steps

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state` of networks of the same problem, weights and inputs."""
        self.J[:], self._streams[:], self._taken = state["J"], state["stream"], int(state.get("taken", 0))
