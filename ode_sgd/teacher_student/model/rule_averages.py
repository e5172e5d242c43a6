"""A rule of one's own in the place of an activation: what kernels of the ODE and of simulators are made from."""

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown
from ode_sgd.teacher_student.kernels.rules.node_averages import LOSS, SMOOTH, node_kernels, whole_coefficients
from ode_sgd.teacher_student.model import rule_source
from ode_sgd.teacher_student.model.activation_file import identifier
from ode_sgd.teacher_student.model.own_rule import JUMPS, NUMBERS, TABLE, Rule, StoredRule
from ode_sgd.teacher_student.model.rule_nodes import normal_nodes
from ode_sgd.teacher_student.model.rule_tables import rule_of_stored

SCRAMBLES = 4  # independent sets of nodes, whose spread is the error that is reported
OFF, FAR = 0.1, 4.0  # by which two ways to the same A may differ for other reasons than a jump: a part, spreads


@dataclass(frozen=True, slots=True)
class UpdateOfFields:
    """The update alone, which all numbers of units and nodes have in common."""

    rule: Rule

    @property
    def variant(self) -> str:
        """Tells its kernels from those of others."""
        return f"rule_{identifier(self.rule.name)}_{self.rule.code}"

    @property
    def draws(self) -> int:
        """How many standard normals it takes."""
        return self.rule.draws

    @property
    def update(self) -> Callable[..., float]:
        """Compiled, as a part of kernels."""
        found: Callable[..., float] = _compiled(self.rule)
        return found


@functools.cache
def _compiled(rule: Rule) -> Any:
    return rule_source.compiled(rule.update)


@dataclass(frozen=True, slots=True)
class RuleAverages:
    """A rule for K and M units: takes an activation's place in everything that asks for averages."""

    rule: Rule | StoredRule
    student_units: int
    teacher_units: int

    @classmethod
    def of(cls, problem: Any) -> "RuleAverages":
        """Those of a problem that has a rule."""
        return cls(problem.rule, problem.student_units, problem.teacher_units)

    def __str__(self) -> str:
        return f"rule {self.rule}"

    @property
    def own(self) -> Rule:
        """The rule, where its function is there."""
        if isinstance(self.rule, StoredRule):
            found = rule_of_stored(self.rule.stored)  # its file may have been loaded since
            if isinstance(found, Rule):
                return found
            raise InvalidProblem(f"rule = {self.rule.text!r} {self.rule.missing}")
        return self.rule

    @property
    def of_fields(self) -> UpdateOfFields:
        """The update alone, for simulators."""
        return UpdateOfFields(self.own)

    @property
    def text(self) -> str:
        """What names it in files."""
        return self.rule.text

    @property
    def variant(self) -> str:
        """Tells its averages from those of others, in the linker and in the cache."""
        return f"rule_{identifier(self.rule.name)}_{self.rule.digest}_{self.student_units}_{self.teacher_units}"

    @property
    def symmetric(self) -> bool:
        """Whether D is symmetric over the nodes too.

        Where delta jumps in the student's fields A = E[delta z^T] C^-1, and it is A C alone that keeps the precision of
        the average where students have become teachers: a D made symmetric would spoil that.
        """
        return self.student_units == 1 or (self.follows_a_gradient and self.own.jumps != JUMPS[-1])

    @property
    def follows_a_gradient(self) -> bool:
        """Whether D is symmetric: delta follows a gradient, or there is one student."""
        own = self.own
        if self.student_units == 1 or own.gradient:
            return True
        return own.gradient is None and _symmetric(own, self.student_units, self.teacher_units)

    @property
    def functions(self) -> Any:
        """Whole coefficients (kernels/averages/__init__.py)."""
        return _functions(self)

    def nodes(self, scramble: int = 0) -> Array:
        """Half of the nodes; the rule's own, and independent ones."""
        dimension = self.student_units + self.teacher_units + self.own.draws
        return normal_nodes(self.own.nodes, dimension, self.own.seed, scramble)

    def fault(self) -> str:
        """What is wrong with the update for so many units, in words; empty where nothing is."""
        return _fault(self)

    def averages(self, C: Array, scramble: int = 0, jumps: int | None = None) -> tuple[Array, Array, float]:
        """A, G and the loss at one C, over one of the sets of nodes."""
        K, M = self.student_units, self.teacher_units
        A, G, sums = np.empty((K, K + M)), np.empty((K, K)), np.empty(2)
        told = JUMPS.index(self.own.jumps) if jumps is None else jumps
        kernel = node_kernels(self.of_fields).node_sums
        kernel(self.nodes(scramble), np.array(C, order="C"), told, self.symmetric, A, G, sums)
        return A, G, float(sums[LOSS])

    def spread(self, covariances: Array) -> float:
        """Relative standard deviation of A, G and loss over independent nodes, the largest over C (n, d, d)."""
        largest = 0.0
        for C in covariances:
            found = zip(*(self.averages(C, scramble) for scramble in range(1, SCRAMBLES + 1)), strict=True)
            for values in found:
                each = np.array(values).reshape(SCRAMBLES, -1)
                size = float(np.linalg.norm(each.mean(axis=0)))
                if size > 0.0:
                    largest = max(largest, float(np.linalg.norm(each.std(axis=0, ddof=1))) / size)
        return largest

    # What an activation says of itself.

    @property
    def has_whole_coefficients(self) -> bool:
        """A and G come as a whole."""
        return True

    @property
    def mixture(self) -> None:
        """It is no sum of error functions."""

    def within(self, rtol: float) -> "RuleAverages":
        """The nodes are the same at every tolerance."""
        return self

    @property
    def terms_accuracy(self) -> float:
        """Its nodes' error is reported by itself."""
        return 0.0

    @property
    def accuracy(self) -> float:
        """Its nodes' error is reported by itself."""
        return 0.0

    def _not(self) -> bool:
        return False

    in_lanes = property(_not)
    is_linear = property(_not)
    is_even = property(_not)
    has_constant_slope = property(_not)
    has_near_teacher_form = property(_not)
    has_pair_sums = property(_not)
    has_matrix_form = property(_not)
    has_kink = property(_not)
    has_plateau_forms = property(_not)


@functools.cache
def _symmetric(rule: Rule, K: int, M: int) -> bool:
    return rule_source.follows_a_gradient(rule.update, K, M, rule.draws)


@functools.cache
def _functions(averages: RuleAverages) -> SimpleNamespace:
    from ode_sgd.teacher_student.kernels.coefficients.coefficients import no_overlap_rounding

    own = averages.own
    options = JUMPS.index(own.jumps), averages.symmetric, averages.student_units
    found = whole_coefficients(averages.of_fields, averages.variant, NodesKey(averages), options)
    return SimpleNamespace(**found, overlap_rounding=no_overlap_rounding)


@dataclass(frozen=True, slots=True)
class NodesKey:
    """Nodes that are known by whose they are."""

    averages: RuleAverages

    @property
    def array(self) -> Array:
        """(n, d + draws), read-only."""
        return self.averages.nodes()


@functools.cache
def _fault(averages: RuleAverages) -> str:
    own, K, M = averages.own, averages.student_units, averages.teacher_units
    numbers = own.nodes // 2 * (K + M + own.draws)
    if numbers > NUMBERS:
        units = f"K = {K}, M = {M} and {own.draws} draws"
        return f"has nodes = {own.nodes}, {numbers} numbers for {units}; {NUMBERS} are the most"
    if fault := rule_source.tried(own.update, K, M, own.draws):
        return fault
    if own.is_shipped:  # it compiles, and problems are also made to be looked at
        return ""
    from numba.core.errors import NumbaError, NumbaWarning

    try:
        with warnings.catch_warnings():  # what the compiler warns of before it fails
            warnings.simplefilter("ignore", NumbaWarning)
            node_kernels(averages.of_fields).one(np.ones(K), np.ones(M), np.ones(max(own.draws, 1)), np.zeros(K))
    except NumbaError as error:
        return f"does not compile: {rule_source.message_of(error, own.update)}"
    return ""


def trial_covariance(d: int) -> Array:
    """Of fields (d, d) with variances near one that have nothing in common with a problem's."""
    root = np.random.default_rng(2).standard_normal((d, 8 * d))
    return np.array(root @ root.T / (8 * d))


@functools.cache
def jump_not_said(averages: RuleAverages) -> str:
    """That two ways to the same A differ, in words; empty where they do not: the update jumps, and does not say so."""
    own, d = averages.own, averages.student_units + averages.teacher_units
    told = JUMPS.index(own.jumps)
    if told == len(JUMPS) - 1:
        return ""
    C = trial_covariance(d)
    ways = [[averages.averages(C, one, way)[0] for one in range(1, SCRAMBLES + 1)] for way in (told, len(JUMPS) - 1)]
    mean, true = (np.mean(way, axis=0) for way in ways)
    noise = float(np.linalg.norm(np.std(ways[1], axis=0, ddof=1)) / np.linalg.norm(true))
    off = float(np.linalg.norm(mean - true) / np.linalg.norm(true))
    if off < max(OFF, FAR * noise):
        return ""
    where = "x or y" if told == SMOOTH else "x"
    return (
        f"rule = {own.name!r}: its average derivative differs from E[delta z^T] C^-1 by {off:.0%}, so delta jumps in "
        f"{where}; say so by jumps = 'y' where it jumps in the teacher's fields alone, otherwise 'xy'"
    )


def _units_of(rule: Rule | StoredRule) -> int | None:
    """The number of students that a rule of the package was made for; None where any will do."""
    table = getattr(rule.update, TABLE, {}) if isinstance(rule, Rule) else {}
    while isinstance(table, dict) and "units" not in table:
        table = table.get("rule")
    return table["units"] if isinstance(table, dict) else None


def checked_rule(problem: Any) -> None:
    """Raise InvalidProblem where a problem has a rule, and what the rule stands in place of, or cannot use it."""
    rule = problem.rule
    if rule is None:
        return
    if not isinstance(rule, Rule | StoredRule):
        raise InvalidProblem(
            f"rule = {shown(rule)} is no rule; give an ode_sgd.Rule, as those of ode_sgd.rules are, or the name or "
            "table of one, as in study files"
        )
    defaults = {
        "activation": "erf",
        "output": "committee",
        "label_noise": 0.0,
        "second_layer_rate": 0.0,
    }
    for name in ("teacher_activation", "student_weights", "teacher_weights"):
        defaults[name] = None
    for name, usual in defaults.items():
        if getattr(problem, name) != usual:
            raise InvalidProblem(
                f"rule = {str(rule)!r} with {name} = {getattr(problem, name)}: the rule stands in its place; leave "
                f"{name} out, and put it into the update"
            )
    averages = RuleAverages.of(problem)
    units = _units_of(rule)
    if units is not None and units != problem.student_units:
        raise InvalidProblem(
            f"rule = {str(rule)!r} with student_units = {problem.student_units}: it has units = {units}, which have to "
            "be the student's"
        )
    if rule.loaded and (fault := averages.fault()):
        raise InvalidProblem(f"rule = {str(rule)!r}: its update {fault}")
