"""The methods of integration as objects: what each is called, what it takes, and how it solves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.integration import nodes as on_nodes
from ode_sgd.teacher_student.integration import rosenbrock
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.integration.solution import Request, Solution
from ode_sgd.teacher_student.kernels.sectors.unsymmetric_block import STUDENTS_UP_TO
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive
from ode_sgd.teacher_student.model.optimizers.combinations import ADAPTIVE, LINEAR_MEMORY, without_optimizer
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.rule_averages import RuleAverages


class IntegrationMethod(Protocol):
    """One way to solve the ODE of the order parameters."""

    @property
    def name(self) -> str:
        """As in `integrate`."""

    @property
    def in_batches(self) -> bool:
        """Whether `integrate_batch` computes what it does."""

    def accepts(self, problem: Problem, *, nodes: bool) -> str:
        """Why it does not take this problem, with nodes in place of its spectrum or without; empty where it does."""

    def solve(
        self, system: SectorSystem, state: Array, request: Request, progress: Callable[[float], None]
    ) -> Solution:
        """Integrate the state (p, L) from alpha[0] = 0 through all output times."""


@dataclass(frozen=True, slots=True)
class Rodas5P:
    """Our own Rosenbrock method: L-stable, linear in L, on the spectrum or on nodes."""

    name: str = "rodas5p"
    in_batches: bool = True
    optimizers: frozenset[str] = LINEAR_MEMORY  # those that it takes

    def accepts(self, problem: Problem, *, nodes: bool) -> str:
        """It takes every problem whose sectors have the eigenvectors of D in common, or few students."""
        symmetric = problem.rule is None or RuleAverages.of(problem).symmetric
        if not symmetric and problem.optimizer is not None:
            return (
                f"method = {self.name!r} does not take rule = {str(problem.rule)!r} with optimizer = "
                f"{problem.optimizer}: its delta follows no gradient, so D is not symmetric"
            )
        if not symmetric and problem.student_units > STUDENTS_UP_TO:
            return (
                f"method = {self.name!r} does not take rule = {str(problem.rule)!r} with student_units = "
                f"{problem.student_units}: its delta follows no gradient, so D is not symmetric, and every sector has "
                f"a system of its own, which {STUDENTS_UP_TO} students may have at most"
            )
        if problem.spherical:
            return f"method = {self.name!r} does not take spherical = True"
        if isinstance(problem.optimizer, Adaptive):
            reason = problem.optimizer.unstructured(problem)
            return reason and f"method = {self.name!r} does not take optimizer = {problem.optimizer}: {reason}"
        return without_optimizer(self.name, self.optimizers, problem.optimizer)

    def solve(
        self, system: SectorSystem, state: Array, request: Request, progress: Callable[[float], None]
    ) -> Solution:
        """As `IntegrationMethod.solve`."""
        solve = rosenbrock.solve if request.nodes is None else on_nodes.on_nodes
        return solve(system, state, request, progress)


@dataclass(frozen=True, slots=True)
class SciPyMethod:
    """One of SciPy's, for cross-checks."""

    name: str
    in_batches: bool = False
    optimizers: frozenset[str] = LINEAR_MEMORY | ADAPTIVE  # those that it takes

    def accepts(self, problem: Problem, *, nodes: bool) -> str:
        """It takes every problem, on its whole spectrum."""
        if nodes:
            return f"method = {self.name!r} takes the whole spectrum"
        return without_optimizer(self.name, self.optimizers, problem.optimizer)

    def solve(
        self, system: SectorSystem, state: Array, request: Request, progress: Callable[[float], None]
    ) -> Solution:
        """As `IntegrationMethod.solve`."""
        from ode_sgd.teacher_student.integration import scipy_methods  # loads scipy.integrate: a third of a second

        return scipy_methods.solve(system, state, request, self.name, progress)


_ALL: tuple[IntegrationMethod, ...] = (Rodas5P(), SciPyMethod("DOP853"), SciPyMethod("LSODA"))
METHODS = {method.name: method for method in _ALL}


def method_named(name: str) -> IntegrationMethod:
    """The method of that name, or an error that lists all."""
    return METHODS[check.choice("method", name, tuple(METHODS))]


def require_accepts(name: str, problem: Problem) -> None:
    """Raise where the method of that name does not take a problem; the error names one that does."""
    refused = method_named(name).accepts(problem, nodes=False)
    if refused:
        others = [other for other, method in METHODS.items() if not method.accepts(problem, nodes=False)]
        raise InvalidProblem(f"{refused}; {f'method = {others[0]!r} takes it' if others else 'no method takes it'}")
