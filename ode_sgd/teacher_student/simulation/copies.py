"""Steps of optimisers with linear memory as numbers, and the copies of the weights at their start."""

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.schedule import Schedule, largest
from ode_sgd.teacher_student.integration.sector_system import writable
from ode_sgd.teacher_student.kernels.simulation.copies import StepTable
from ode_sgd.teacher_student.model.optimizers.copies import Copies, Signed
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem

LONGEST = 2**14  # steps that a table is made for at once, where they differ


def copies_of(problem: Problem) -> Copies:
    """Those of a problem whose optimiser has them."""
    copies = problem.update_rule.copies
    assert copies is not None
    return copies


def too_fast(problem: Problem, dimension: int) -> str:
    """Why a copy of the weights forgets faster than within a step of N inputs, in words; empty where it does not."""
    copies = problem.update_rule.copies
    if copies is None:
        return ""
    rates = [entry.value for r, row in enumerate(copies.mixing) for entry in row[r : r + 1]]
    fastest = max(value for value in (*rates, 0.0) if not isinstance(value, Schedule))
    if fastest <= dimension:
        return ""
    return (
        f"optimizer = {problem.optimizer} forgets faster than within a step of dimension = {dimension}, which leaves "
        f"1 - {fastest:g} / {dimension} of what it remembers; give a dimension of at least {np.ceil(fastest):.6g}, "
        "or no optimizer: what forgets at once is plain SGD"
    )


class Steps:
    """The steps of a problem at dimension N: `table(first, count)` has the numbers of some of them.

    What forgets, at some alpha of a schedule, faster than within a step forgets all in it: a running mean that counts
    its start as nothing is the weights themselves at first.
    """

    def __init__(self, problem: Problem, dimension: int) -> None:
        self._problem, self._copies, self._dimension = problem, copies_of(problem), dimension
        self.vary = bool(self._copies.schedules) or bool(problem.timetable)
        self.noisy = largest(problem.label_noise) > 0.0

    def table(self, first: int, count: int) -> StepTable:
        """Those of `count` steps after `first` others. Equation: (18.1)."""
        copies, problem, N = self._copies, self._problem, self._dimension
        alpha = (first + np.arange(count if self.vary else 1)) / N
        rate, decay, noise = (
            _along(given, alpha) for given in (problem.learning_rate, problem.weight_decay, problem.label_noise)
        )
        rates = rate[:, None] * np.stack([_signed(entry, alpha) for entry in copies.rates], axis=1)
        rows = [np.stack([_signed(entry, alpha) for entry in row], axis=1) for row in copies.mixing]
        mixing = np.stack(rows, axis=1) / N
        forgotten = -np.diagonal(mixing, axis1=1, axis2=2)
        mixing /= np.maximum(forgotten, 1.0)[:, :, None]
        lost = decay[:, None, None] * rates[:, :, None] * copies.p / N
        return StepTable(
            mixing=writable(mixing - lost),
            resting=writable(mixing),
            rates=writable(rates / problem.batch_size),
            noise=writable(noise),
        )


def _along(value: float | Schedule, alpha: Array) -> Array:
    """A quantity at the times alpha (n,)."""
    found: Array = value(alpha) if isinstance(value, Schedule) else np.full(alpha.size, value)
    return found


def _signed(entry: Signed, alpha: Array) -> Array:
    return entry.sign * _along(entry.value, alpha)


def start_of_copies(start: OrderParameters) -> OrderParameters:
    """Overlaps of R K units, those of all copies, in the last state of a run that goes on."""
    assert start.copies is not None
    rows = start.copies.shape[1]
    return OrderParameters.from_solution(start.copies[:, :, :rows], start.copies[:, :, rows:], start.t)


def scaled_copies(copies: Copies, weights: Array, axis: int) -> Array:
    """The copies at a start of those weights, one after the other along their axis of units."""
    return np.concatenate([scale * weights for scale in copies.start], axis=axis)
