"""One block of sectors where D is not symmetric: the same systems as in block_loops.py, in the basis given.

Such a D has no orthogonal eigenvectors, and those that it has may be all but parallel. With A = [D | E] the equations
of a sector are

    left_1 r + rate D r                 = b_r - rate dA c
    left_2 q + rate (D q + q D^T)       = b_q - rate (E r^T + r E^T) - rate (dA c + c dA^T) + noise dG

a K x K matrix for r, the same for every teacher, and one of K(K+1)/2 rows for the entries i <= j of q. Both are
inverted in every sector, by elimination with pivots: about K^6 / 3 operations, for a few students (STUDENTS_UP_TO).

`inverse` holds these inverses row by row: K^2 rows of a block, then (K(K+1)/2)^2. L is all of D, row by row. The sums
that couple the sectors are all of one matrix, of p rows, (K d + K(K+1)/2) columns: dC is its product with (dA, dG).
"""

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room, zeros
from ode_sgd.teacher_student.kernels.sectors.block_loops import (
    LANE_COUNT,
    NOISES,
    RATES,
    Offsets,
    add_decay,
    add_timed_decay,
    clear,
    combine,
    error_ratios,
    turn,
)
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.kernels.sectors.layout import q_row
from ode_sgd.teacher_student.kernels.sectors.small_matrices import factorise, substitute

STUDENTS_UP_TO = 8

__all__ = ["add_decay", "add_timed_decay", "couple", "error_ratios", "moments", "solve", "turn"]


@kernel()
def write_inverse(matrix: Array, pivots: Indices, inverse: Array, begin: int, lane: int) -> None:
    """That of `matrix` (n, n) into one lane of the rows from `begin` on; NaN where there is none."""
    n = matrix.shape[0]
    x = room(matrix, (n,))
    regular = factorise(matrix, pivots)
    for column in range(n):
        for row in range(n):
            x[row] = 1.0 if row == column else 0.0
        if regular:
            substitute(matrix, pivots, x)
        for row in range(n):
            inverse[(begin + row * n + column) * LANES + lane] = x[row] if regular else np.nan


@kernel()
def set_inverses(factors: Array, left: Array, D: Array, K: int, pivots: Indices, inverse: Array) -> None:
    """Of the left-hand sides of r and of q, in every sector. Equation: (5.2c)."""
    lanes, pairs = np.uint64(left.size // 2), K * (K + 1) // 2
    once, twice = room(D, (K, K)), room(D, (pairs, pairs))
    for lane in range(lanes):
        rate = factors[RATES + lane]
        for i in range(K):
            for j in range(K):
                once[i, j] = rate * D[i * K + j] + (left[lane] if i == j else 0.0)
        for row in range(pairs):
            for column in range(pairs):
                twice[row, column] = left[lanes + lane] if row == column else 0.0
        for i in range(K):
            for j in range(i, K):
                row = q_row(i, j, K, 0)
                for m in range(K):
                    twice[row, q_row(m, j, K, 0)] += rate * D[i * K + m]
                    twice[row, q_row(i, m, K, 0)] += rate * D[j * K + m]
        write_inverse(once, pivots[:K], inverse, 0, lane)
        write_inverse(twice, pivots, inverse, K * K, lane)


@kernel(sums=True)
def respond(
    source: Array, inverse: Array, factors: Array, E: Array, lanes: np.uint64, offset: Offsets, x: Array
) -> None:
    """The solution x (p LANES,) for right-hand sides of r and q; those of q lose what r does to q. Equation: (5.2c)."""
    K, M = E.shape
    first, pairs = offset[0, 0], K * (K + 1) // 2
    total = room(x, (LANES,))
    for i in range(K):
        for n in range(M):
            at = offset[i, K + n]
            clear(x[at : at + LANE_COUNT])
            for j in range(K):
                part, given = np.uint64((i * K + j) * LANES), offset[j, K + n]
                for lane in range(lanes):
                    x[at + lane] += inverse[part + lane] * source[given + lane]
    for i in range(K):
        for j in range(i, K):
            at = offset[i, j]
            clear(total)
            combine(total, E[j], x, offset[i, K:])
            combine(total, E[i], x, offset[j, K:])
            for lane in range(lanes):
                source[at + lane] -= factors[RATES + lane] * total[lane]
    for row in range(pairs):
        at = first + np.uint64(row * LANES)
        clear(x[at : at + LANE_COUNT])
        for column in range(pairs):
            part, given = np.uint64((K * K + row * pairs + column) * LANES), first + np.uint64(column * LANES)
            for lane in range(lanes):
                x[at + lane] += inverse[part + lane] * source[given + lane]


@kernel(sums=True)
def sources(
    i: int, c: int, z: Array, drained: Array, inverse: Array, factors: Array, offset: Offsets, source: Array
) -> None:
    """Right-hand side of q that a unit of dA_ic makes, through r as well. Equation: (5.1)."""
    K = drained.shape[1]
    lanes = np.uint64(drained.shape[2])
    for j in range(K):
        for m in range(j, K):
            at, once, other = q_row(j, m, K, 0) * LANES, (m * K + i) * LANES, (j * K + i) * LANES
            for lane in range(lanes):
                through = inverse[once + lane] * drained[c, j, lane] + inverse[other + lane] * drained[c, m, lane]
                source[at + lane] = factors[RATES + lane] ** 2 * through
    for m in range(K):
        at, given, often = q_row(i, m, K, 0) * LANES, offset[c, m], 2.0 if m == i else 1.0
        for lane in range(lanes):
            source[at + lane] -= often * factors[RATES + lane] * z[given + lane]


@kernel(sums=True)
def moments(
    z: Array,
    inverse: Array,
    factors: Array,
    variance: Array,
    left: Array,
    L: Array,
    E: Array,
    offset: Offsets,
    sums: Array,
) -> None:
    """Invert the left-hand sides, and add this block to the lane-wise sums that dC is made of. Equation: (5.2d)."""
    K, M = E.shape
    d, pairs, lanes = K + M, K * (K + 1) // 2, np.uint64(variance.size)
    columns = K * d + pairs
    set_inverses(factors, left, L, K, zeros(offset, (pairs,)), inverse)
    drained, source, weight = zeros(z, (d, K, LANES)), room(z, (pairs * LANES,)), room(z, (LANES,))
    for c in range(d):
        for j in range(K):
            combine(drained[c, j], E[j], z, offset[c, K:])
    for i in range(K):
        for m in range(K):
            part = np.uint64((i * K + m) * LANES)
            for lane in range(lanes):
                weight[lane] = variance[lane] * factors[RATES + lane] * inverse[part + lane]
            for n in range(M):
                for c in range(d):
                    place, at = ((i * M + n) * columns + m * d + c) * LANES, offset[c, K + n]
                    for lane in range(lanes):
                        sums[place + lane] -= weight[lane] * z[at + lane]
    for i in range(K):
        for c in range(d):
            sources(i, c, z, drained, inverse, factors, offset, source)
            for lane in range(lanes):
                weight[lane] = variance[lane]
            for row in range(pairs):
                place = ((K * M + row) * columns + i * d + c) * LANES
                for column in range(pairs):
                    part, given = (K * K + row * pairs + column) * LANES, column * LANES
                    for lane in range(lanes):
                        sums[place + lane] += weight[lane] * inverse[part + lane] * source[given + lane]
    for row in range(pairs):
        for column in range(pairs):
            part, place = (K * K + row * pairs + column) * LANES, ((K * M + row) * columns + K * d + column) * LANES
            for lane in range(lanes):
                sums[place + lane] += variance[lane] * factors[NOISES + lane] * inverse[part + lane]


@kernel(sums=True)
def couple(
    z: Array,
    g: Array,
    inverse: Array,
    factors: Array,
    E: Array,
    dA: Array,
    dG: Array,
    offset: Offsets,
) -> None:
    """Add to one stage g what dA and dG do. Equation: (5.1)."""
    K, M = E.shape
    lanes = np.uint64(g.size // (K * M + K * (K + 1) // 2))
    source, change = room(z, (g.size,)), room(z, (g.size,))
    for e in range(g.size):
        source[e] = 0.0
    add_drift(z, factors, dA, dG, offset, lanes, source)
    respond(source, inverse, factors, E, lanes, offset, change)
    for e in range(g.size):
        g[e] += change[e]


@kernel(sums=True)
def add_drift(c: Array, factors: Array, A: Array, G: Array, offset: Offsets, lanes: np.uint64, out: Array) -> None:
    """Add noise G - rate (A c + c A^T) to out (p LANES,). Equation: (3.2)."""
    K, d = A.shape
    total = room(c, (LANES,))
    for i in range(K):
        for e in range(i, d):
            at = offset[i, e]
            clear(total)
            combine(total, A[i], c, offset[e])
            if e < K:
                combine(total, A[e], c, offset[i])
            noise = G[i, e] if e < K else 0.0
            for lane in range(lanes):
                out[at + lane] += factors[NOISES + lane] * noise - factors[RATES + lane] * total[lane]


@kernel(sums=True)
def solve(
    z: Array,
    arg: Array,
    b: Array,
    g: Array,
    inverse: Array,
    factors: Array,
    variance: Array,
    E: Array,
    A: Array,
    G: Array,
    offset: Offsets,
    sums: Array,
) -> None:
    """Add the drift at `arg` (with t as in z) to b, solve for the stage g without coupling, add variance g to sums.

    Equations: (3.2) and (5.2c).
    """
    lanes = np.uint64(variance.size)
    for e in range(g.size, z.size):
        arg[e] = z[e]
    add_drift(arg, factors, A, G, offset, lanes, b)
    respond(b, inverse, factors, E, lanes, offset, g)
    for row in range(0, g.size, LANES):
        for lane in range(lanes):
            sums[row + lane] += variance[lane] * g[row + lane]
