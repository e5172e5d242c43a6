"""Replicas that learn by a rule of one's own: on batches of inputs, and as the chain of the overlaps."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.seeds import Seeds
from ode_sgd.teacher_student.kernels.rules.rule_batches import chain_rule, explicit_rule_batches
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.rule_averages import RuleAverages
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation.chain_batches import BatchChains
from ode_sgd.teacher_student.simulation.explicit import ExplicitNetworks


class RuleBatches(ExplicitNetworks):
    """As `ExplicitNetworks`, of a problem with a rule and batches."""

    def __init__(self, problem: Problem, weights: Array, sizes: Sizes, seeds: Seeds, normals: str = "float64") -> None:
        super().__init__(problem, weights, sizes, seeds, normals)
        amplitude, _, moves, _, learned = self._constants
        self._how = amplitude, moves, problem.batch_size, learned
        self._total = np.zeros((problem.student_units, weights.shape[2]))
        self._steps = explicit_rule_batches(RuleAverages.of(problem).of_fields, normals, bool(problem.timetable))
        self.chunk = max(1, self.chunk // (2 * problem.batch_size))

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""
        timed = self._total, self._schedules, self._taken
        for source, J, B in zip(self._sources, self.J, self.B, strict=True):
            self._steps(source, steps, J, B, *self._how, *self._scratch, *timed)
        self._taken += steps


class RuleChains(BatchChains):
    """As `BatchChains`, of a problem with a rule."""

    def __init__(self, problem: Problem, starts: Sequence[OrderParameters], sizes: Sizes, seeds: Seeds) -> None:
        super().__init__(problem, starts, np.zeros((len(starts), 0)), sizes, seeds)
        count = self._space.normals.size + problem.batch_size * RuleAverages.of(problem).own.draws
        count += count % 2
        self._space = self._space._replace(bits=np.zeros(count, np.uint64), normals=np.zeros(count))

    def kernel_of(self, problem: Problem) -> Any:
        """The kernel of its steps."""
        return chain_rule(RuleAverages.of(problem).of_fields, bool(problem.timetable))

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""
        for streams, S, W, B in zip(self._streams, self._S, self._W, self._B, strict=True):
            self._advance(steps, self._taken, streams, S, W, B, self._chain, self._space)
        self._taken += steps
