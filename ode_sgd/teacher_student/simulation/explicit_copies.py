"""Replicas of an optimiser with linear memory, with all copies of the weight vectors in memory."""

from typing import Any

import numpy as np

from ode_sgd.core.alignment import aligned
from ode_sgd.core.arrays import Array
from ode_sgd.core.seeds import Seeds
from ode_sgd.teacher_student.integration.copies import deployed
from ode_sgd.teacher_student.integration.sector_system import writable
from ode_sgd.teacher_student.kernels.simulation.explicit_copies import explicit_copies
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation.copies import LONGEST, Steps, copies_of
from ode_sgd.teacher_student.simulation.explicit import ExplicitNetworks, overlaps


class ExplicitCopies(ExplicitNetworks):
    """As `ExplicitNetworks`, with weights (n, R K + M, N): all copies of the student's, then the teacher's."""

    def __init__(self, problem: Problem, weights: Array, sizes: Sizes, seeds: Seeds, normals: str = "float64") -> None:
        (n, _, N), M = weights.shape, problem.teacher_units
        super().__init__(problem, weights, sizes, seeds, normals)
        self._copies, self._timed = copies_of(problem), Steps(problem, N)
        self.J, self.B = aligned(weights[:, :-M]), aligned(weights[:, -M:])  # J: the rows of all copies
        shape = n, self._copies.count, problem.student_units, N
        self._U = self.J.reshape(shape)
        amplitude, _, _, _, learned = self._constants
        self._rule = writable(self._copies.p), writable(problem.v), writable(problem.u), amplitude
        self._how = problem.batch_size, self._timed.noisy, learned
        self._total = np.zeros(shape[2:])
        self._steps = self.kernel_of(problem, normals)
        self.chunk = max(1, self.chunk // (2 * problem.batch_size))
        self.chunk = min(self.chunk, LONGEST) if self._timed.vary else self.chunk

    def kernel_of(self, problem: Problem, normals: str) -> Any:
        """The kernel of its steps."""
        return explicit_copies(problem.g, normals)

    def advance(self, steps: int) -> None:
        """Take that many steps."""
        table = self._timed.table(self._taken, steps)
        for source, U, B in zip(self._sources, self._U, self.B, strict=True):
            self._steps(source, steps, U, B, *self._rule, table, *self._how, *self._scratch, self._total)
        self._taken += steps

    def copies(self) -> Array:
        """Overlaps (n, L, R K, R K + M) of all copies with each other and with the teachers."""
        return np.concatenate(overlaps(self.J, self.B, self._ends), axis=-1)

    def overlaps(self) -> tuple[Array, Array]:
        """q (n, L, K, K) and r (n, L, K, M) of the copy that one keeps."""
        return deployed(self._copies, *overlaps(self.J, self.B, self._ends))

    def state(self) -> dict[str, Any]:
        """As of `ExplicitNetworks`, J being the rows of all copies."""
        return super().state() | {"taken": np.array(self._taken)}
