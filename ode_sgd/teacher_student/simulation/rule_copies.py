"""Replicas of an optimiser with linear memory that learn by a rule of one's own: weights, and the chain of overlaps."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ode_sgd.core.seeds import Seeds
from ode_sgd.teacher_student.kernels.rules.rule_copies import chain_rule_copies, explicit_rule_copies
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.rule_averages import RuleAverages
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation.chain_copies import CopiesChains
from ode_sgd.teacher_student.simulation.explicit_copies import ExplicitCopies


class RuleCopies(ExplicitCopies):
    """As `ExplicitCopies`, of a problem with a rule."""

    def kernel_of(self, problem: Problem, normals: str) -> Any:
        """The kernel of its steps."""
        return explicit_rule_copies(RuleAverages.of(problem).of_fields, normals)


class RuleCopiesChains(CopiesChains):
    """As `CopiesChains`, of a problem with a rule."""

    def __init__(self, problem: Problem, starts: Sequence[OrderParameters], sizes: Sizes, seeds: Seeds) -> None:
        super().__init__(problem, starts, sizes, seeds)
        count = self._space.normals.size + problem.batch_size * RuleAverages.of(problem).own.draws
        count += count % 2
        self._space = self._space._replace(bits=np.zeros(count, np.uint64), normals=np.zeros(count))

    def kernel_of(self, problem: Problem) -> Any:
        """The kernel of its steps."""
        return chain_rule_copies(RuleAverages.of(problem).of_fields)
