"""Dense output of the Rosenbrock method: sums over sectors, and v where it moves, at times inside a step."""

from typing import NamedTuple

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room, zeros
from ode_sgd.teacher_student.kernels.integration import rodas5p
from ode_sgd.teacher_student.kernels.integration.step_algebra import Small
from ode_sgd.teacher_student.kernels.integration.step_control import NEXT
from ode_sgd.teacher_student.kernels.sectors.eigenbasis import turn_covariance
from ode_sgd.teacher_student.kernels.sectors.sector_passes import Sectors, dense_sums

DENSE, STAGES = rodas5p.DENSE, rodas5p.STAGES


class Outputs(NamedTuple):
    """What is written on the way."""

    alpha: Array  # (n,), times
    weights: Array  # (orders, blocks, LANES), of sums over sectors
    order_one: int  # which of them are `variance`, so that the sums are C
    rows: Array  # (n, orders, p or more), those sums at every time; v follows those of order one where it moves
    sectors: Array  # (n, blocks, p LANES), or of length 0 where they are not wanted


@kernel(inline=True)
def dense_value(x: float, before: float, whole: float, first: float, second: float, third: float) -> float:
    """At the fraction x of a step, from the state before it and from sums of its stages with the rows of DENSE.

    Equation: (5.2a).
    """
    return before + x * (whole + (1.0 - x) * (first + x * (second + x * third)))


@kernel(inline=True)
def dense_weights(x: float, weights: Array) -> None:
    """Of the stages in the state at the fraction x of a step."""
    for j in range(weights.size):
        weights[j] = dense_value(x, 0.0, DENSE[0, j], DENSE[1, j], DENSE[2, j], DENSE[3, j])


@kernel()
def dense_rows(s: Sectors, w: Small, weights: Array, order_one: int, nothing: Array, table: Array, sums: Array) -> None:
    """`dense_sums` turned back; nothing (M, M) is 0. C is scratch.

    Those of order one are C and the dC of the stages, which are known, and v and its own where it moves.
    """
    K, d, p = w.A.shape[0], w.A.shape[1], w.rows.size
    dense_sums(s, weights, order_one, table, sums)
    known = sums[order_one]
    for b in range(p):
        known[0, b] = w.rows[b]
        for m in range(table.shape[0]):
            total = 0.0 * w.rows[b]
            for j in range(STAGES):
                total += table[m, j] * w.dC[j, b]
            known[1 + m, b] = total
    for order in range(sums.shape[0]):
        for m in range(sums.shape[1]):
            for b in range(w.scratch.shape[1] if order != order_one else p, p):
                sums[order, m, b] = 0.0
            turn_covariance(sums[order, m], w.V, w.overlap, nothing, w.C)
            for i in range(K):
                for c in range(i, d):
                    sums[order, m, w.overlap[i, c]] = w.C[i, c]


@kernel()
def record_outputs(
    s: Sectors, w: Small, counts: Indices, alpha: float, h: float, reached: float, outputs: Outputs
) -> None:
    """Dense output at all times up to `reached`, the end of the step of size h from alpha.

    The weights of a few times are put together beforehand; of many, every one is a polynomial of the same four rows.
    """
    first = last = counts[NEXT]
    while last < outputs.alpha.size and outputs.alpha[last] <= reached:
        last += 1
    if first == last:
        return
    few = last - first < DENSE.shape[0]
    table = DENSE.copy()
    if few:
        table = zeros(table, (last - first, STAGES))
        for m in range(last - first):
            dense_weights((outputs.alpha[first + m] - alpha) / h, table[m])
    sums = room(table, (outputs.weights.shape[0], 1 + table.shape[0], w.rows.size))
    nothing = zeros(table, (w.T.shape[0], w.T.shape[1]))
    dense_rows(s, w, outputs.weights, outputs.order_one, nothing, table, sums)
    for n in range(first, last):
        x = (outputs.alpha[n] - alpha) / h
        for order in range(sums.shape[0]):
            rows, now = sums[order], outputs.rows[n, order]
            for b in range(now.size):
                if few:
                    now[b] = rows[0, b] + rows[1 + n - first, b]
                else:
                    now[b] = dense_value(x, rows[0, b], rows[1, b], rows[2, b], rows[3, b], rows[4, b])
    counts[NEXT] = last
