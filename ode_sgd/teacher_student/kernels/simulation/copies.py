"""What steps of an optimiser with linear memory are made of, for both simulators.

U_r <- U_r + sum_s mixing_rs U_s - rate_r / sqrt N sum_m delta_m xi_m,    delta of a student with J = sum_r p_r U_r
"""

from typing import NamedTuple

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel


class StepTable(NamedTuple):
    """The numbers of n steps, or of every step where n is 1."""

    mixing: Array  # (n, R, R): Gamma / N where weights learn, weight decay included
    resting: Array  # (n, R, R): Gamma / N where they do not
    rates: Array  # (n, R): eta eta_r / b
    noise: Array  # (n,): sigma


@kernel(inline=True)
def row_of(table: StepTable, step: int) -> int:
    """That of a step, counted from the first of the table."""
    return min(step, table.noise.size - 1)


@kernel(inline=True)
def move_pair(first: Array, second: Array, mixing: Array, first_factor: float, second_factor: float, xi: Array) -> None:
    """One unit of two copies of the weights after a step. Equation: (18.1)."""
    for n in range(xi.size):
        one, other = first[n], second[n]
        first[n] = one + (mixing[0, 0] * one + mixing[0, 1] * other) - first_factor * xi[n]
        second[n] = other + (mixing[1, 0] * one + mixing[1, 1] * other) - second_factor * xi[n]
