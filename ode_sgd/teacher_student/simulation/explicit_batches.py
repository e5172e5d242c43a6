"""Replicas of the SGD with weight vectors in memory, on batches of inputs or with a second layer that is trained."""

from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.seeds import Seeds
from ode_sgd.teacher_student.integration.sector_system import writable
from ode_sgd.teacher_student.kernels.simulation.batches import Batch
from ode_sgd.teacher_student.kernels.simulation.explicit_batches import (
    explicit_batches,
    sampled_batches,
    spherical_batches,
)
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation.explicit import ExplicitNetworks
from ode_sgd.teacher_student.simulation.sampled import SampledNetworks


def batch_of(problem: Problem, N: int) -> Batch:
    """What a step takes its means over, and does to the second layer."""
    return Batch(problem.batch_size, problem.update_rule.second_layer_update(N))


class ExplicitBatches(ExplicitNetworks):
    """As `ExplicitNetworks`, with `second_layers` (n, K), v of every replica at the start."""

    def __init__(
        self,
        problem: Problem,
        weights: Array,
        second_layers: Array,
        sizes: Sizes,
        seeds: Seeds,
        normals: str = "float64",
    ) -> None:
        super().__init__(problem, weights, sizes, seeds, normals)
        self.v = writable(second_layers)
        amplitude, _, update, noise, learned = self._constants
        N = weights.shape[2]
        self._rule = writable(problem.u), amplitude, update, batch_of(problem, N), noise, learned
        self._total = np.zeros((problem.student_units, N))
        steps = spherical_batches if problem.spherical else explicit_batches
        self._steps = steps(problem.g, normals, bool(problem.timetable))
        self.chunk = max(1, self.chunk // problem.batch_size)

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""
        timed = self._total, self._schedules, self._taken
        for n, (source, J, B, v) in enumerate(zip(self._sources, self.J, self.B, self.v, strict=True)):
            lengths = () if self._lengths is None else (self._lengths[n],)
            self._steps(*lengths, source, steps, J, B, v, *self._rule, *self._scratch, *timed)
        self._taken += steps

    def state(self) -> dict[str, Any]:
        """As of `ExplicitNetworks`, with v."""
        return {**super().state(), "v": self.v.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """As of `ExplicitNetworks`."""
        super().restore(state)
        self.v[:] = state["v"]


class SampledBatches(SampledNetworks):
    """As `SampledNetworks`, with `second_layers` (n, K), v of every replica at the start."""

    def __init__(
        self,
        problem: Problem,
        weights: Array,
        second_layers: Array,
        sizes: Sizes,
        inputs: Array,
        seeds: Seeds,
        held_out: Array | None = None,
    ) -> None:
        super().__init__(problem, weights, sizes, inputs, seeds, held_out)
        self.v = writable(second_layers)
        _, _, update, noise, learned = self._constants
        N = weights.shape[2]
        self._u = writable(problem.u)
        self._rule = self._u, inputs, update, batch_of(problem, N), noise, learned
        self._total = np.zeros((problem.student_units, N))
        self._steps = sampled_batches(problem.g, bool(problem.timetable))
        self.chunk = max(1, self.chunk // problem.batch_size)

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""
        for stream, J, B, v in zip(self._streams, self.J, self.B, self.v, strict=True):
            self._steps(stream, steps, J, B, v, *self._rule, self._total, self._schedules, self._taken)
        self._taken += steps

    def held_out_errors(self) -> Array:
        """Mean of (1/2) (f - h)^2 over the rows that are held out, (n,)."""
        signed = [np.concatenate([v, -self._u]) for v in self.v]
        return np.array(
            [self._row_error(J, B, self._held_out, a) for J, B, a in zip(self.J, self.B, signed, strict=True)]
        )

    def state(self) -> dict[str, Any]:
        """As of `SampledNetworks`, with v."""
        return {**super().state(), "v": self.v.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """As of `SampledNetworks`."""
        super().restore(state)
        self.v[:] = state["v"]
