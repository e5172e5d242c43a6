"""Values of schedules (core/schedule.py) for kernels: pieces of a table, each a formula between two times.

A table is flat, piece by piece: where the piece ends, whether a value jumps there, then for every quantity the kind of
its formula and four numbers. Which piece holds is decided by the time at which a step begins: at the end of a piece its
own formula gives the limit from the left.
"""

from math import cos, exp, log, pi, sin

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel

END, JUMP, FIRST = 0, 1, 2  # columns of a piece
NUMBERS = 5  # of a quantity: kind and parameters

# Kinds, and their parameters: from the time a to the time b
CONSTANT = 0.0  # value
LINEAR = 1.0  # a, b, value at a, value at b
EXPONENTIAL = 2.0  # a, b, value at a, log of the ratio of the values
POWER = 3.0  # initial, time, exponent: initial (1 + alpha / time)^-exponent
COSINE = 4.0  # initial, b, final: half a period of a cosine from 0 to b


@kernel(inline=True)
def piece_at(table: Array, columns: int, alpha: float) -> int:
    """Where the piece that holds from alpha on begins in the table: the first that ends later, or the last."""
    at = 0
    while at + columns < table.size and table[at + END] <= alpha:
        at += columns
    return at


@kernel()
def schedule_value(piece: Array, quantity: int, alpha: float) -> float:
    """Value of a quantity, by its number, at a time of a piece."""
    at = FIRST + NUMBERS * quantity
    kind, a, b, c, d = piece[at], piece[at + 1], piece[at + 2], piece[at + 3], piece[at + 4]
    if kind == LINEAR:
        x = (alpha - a) / (b - a)
        return (1.0 - x) * c + x * d
    if kind == EXPONENTIAL:
        return c * exp(d * (alpha - a) / (b - a))
    if kind == POWER:
        return a * exp(-c * log(1.0 + alpha / b))
    if kind == COSINE:
        return c + 0.5 * (a - c) * (1.0 + cos(pi * (alpha / b)))
    return a


@kernel()
def schedule_slope(piece: Array, quantity: int, alpha: float) -> float:
    """Its derivative by alpha."""
    at = FIRST + NUMBERS * quantity
    kind, a, b, c, d = piece[at], piece[at + 1], piece[at + 2], piece[at + 3], piece[at + 4]
    if kind == LINEAR:
        return (d - c) / (b - a)
    if kind == EXPONENTIAL:
        return d / (b - a) * c * exp(d * (alpha - a) / (b - a))
    if kind == POWER:
        return -c * a / (b + alpha) * exp(-c * log(1.0 + alpha / b))
    if kind == COSINE:
        return -0.5 * (a - c) * (pi / b) * sin(pi * (alpha / b))
    return 0.0
