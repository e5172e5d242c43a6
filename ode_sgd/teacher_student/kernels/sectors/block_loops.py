"""One block of sectors, any K and M: loops over overlaps outside, over lanes inside.

With J the Jacobian of the sector equations and g = 1/(gamma h), the system (g - J) x = b reads, sector by sector, in
the eigenbasis of D (L_i its eigenvalues, A = [D | E]),

    (left_1 + rate L_i) r_in          = b_in - rate (dA c)_in
    (left_2 + rate (L_i + L_j)) q_ij  = b_ij - rate (E r^T + r E^T)_ij - rate (dA c + c dA^T)_ij + noise dG_ij

with left_1 = g + decay and left_2 = g + 2 decay; rate, noise and decay are the rule's factors (rule_factors.py).

Every array is one block's, flat: row * LANES + lane, rows as in layout.py. offset[a, b] is where the row of c_ab
begins. `inverse` holds the inverses of the left factors: R_i, then R_ij. generated_block.py writes the same out for
small K and M.
"""

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room, zeros
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, DECAY_FORCED, NOISE, RATE

Offsets = NDArray[np.uint64]

# Offsets are unsigned, so no access asks whether they are negative. Loops over lanes take their number from an array: a
# constant one would be unrolled before it is vectorised, and then is not.
LANE_COUNT = np.uint64(LANES)
RATES, NOISES = np.uint64(RATE * LANES), np.uint64(NOISE * LANES)  # where a row of the rule's factors begins
DECAYS, FORCES = np.uint64(DECAY * LANES), np.uint64(DECAY_FORCED * LANES)


@kernel(inline=True, always=True)
def clear(total: Array) -> None:
    for lane in range(np.uint64(total.size)):
        total[lane] = 0.0


@kernel(sums=True, inline=True, always=True)
def combine(total: Array, weights: Array, rows: Array, offsets: Offsets) -> None:
    """total (LANES,) += sum_c weights[c] rows[offsets[c]], four terms a turn."""
    count, lanes = weights.size, np.uint64(total.size)
    whole = count - count % 4
    for c in range(0, whole, 4):
        w0, w1, w2, w3 = weights[c], weights[c + 1], weights[c + 2], weights[c + 3]
        o0, o1, o2, o3 = offsets[c], offsets[c + 1], offsets[c + 2], offsets[c + 3]
        for lane in range(lanes):
            total[lane] += w0 * rows[o0 + lane] + w1 * rows[o1 + lane] + w2 * rows[o2 + lane] + w3 * rows[o3 + lane]
    for c in range(whole, count):
        weight, at = weights[c], offsets[c]
        for lane in range(lanes):
            total[lane] += weight * rows[at + lane]


@kernel(sums=True)
def turn(y: Array, V: Array, offset: Offsets, z: Array) -> None:
    """z has r' = V^T r and q' = V^T q V of y; with V^T for V it goes back."""
    K = V.shape[0]
    half, columns = room(V, (K * LANES,)), room(V, (K, K))
    starts, rows = zeros(offset, (K,)), zeros(offset, (offset.shape[0], K))  # rows: those of every column
    for a in range(K):
        starts[a] = np.uint64(a) * LANE_COUNT
        for b in range(K):
            columns[a, b] = V[b, a]
        for c in range(offset.shape[0]):
            rows[c, a] = offset[a, c]
    for a in range(K):
        for n in range(K, offset.shape[0]):
            at = offset[a, n]
            clear(z[at : at + LANE_COUNT])
            combine(z[at : at + LANE_COUNT], columns[a], y, rows[n])
        clear(half)
        for j in range(K):
            combine(half[j * LANES : (j + 1) * LANES], columns[a], y, rows[j])
        for b in range(a, K):
            at = offset[a, b]
            clear(z[at : at + LANE_COUNT])
            combine(z[at : at + LANE_COUNT], columns[b], half, starts)


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
    """Invert the left factors, and add this block to the lane-wise sums that couple the sectors, f = variance:

    M1[i,c,n] = f rate R_i c_cn,   N[i,j,c] = f rate R_ij (rate R_i (c E^T)_cj - c_cj),   H[i,j] = f noise R_ij

    laid out one after the other in sums, so that dC answers a change of the coefficients by r_in = - dA_ic M1_icn,
    q_ij = dA_ic N_ijc + dA_jc N_jic + dG_ij H_ij.

    Equations: (5.1) and (5.2).
    """
    K, M = E.shape
    lanes = np.uint64(variance.size)
    d = K + M
    first = np.uint64(offset[0, 0] - np.uint64(K) * LANE_COUNT)
    drained = zeros(z, (d, K, LANES))  # (c E^T)_cj
    factor, product = room(z, (LANES,)), room(z, (LANES,))
    for i in range(K):
        for lane in range(lanes):
            inverse[i * LANES + lane] = 1.0 / (left[lane] + factors[RATES + lane] * L[i])
        for j in range(i, K):
            at = offset[i, j] - first
            for lane in range(lanes):
                inverse[at + lane] = 1.0 / (left[lanes + lane] + factors[RATES + lane] * (L[i] + L[j]))
    for c in range(d):
        for j in range(K):
            combine(drained[c, j], E[j], z, offset[c, K:])
    place = 0
    for i in range(K):
        for lane in range(lanes):
            factor[lane] = variance[lane] * factors[RATES + lane] * inverse[i * LANES + lane]
        for c in range(d):
            for n in range(M):
                at = offset[c, K + n]
                for lane in range(lanes):
                    sums[place + lane] += factor[lane] * z[at + lane]
                place += LANES
    for i in range(K):
        for j in range(K):
            pair = offset[i, j] - first
            for lane in range(lanes):
                factor[lane] = variance[lane] * factors[RATES + lane] * inverse[pair + lane]
                product[lane] = factor[lane] * factors[RATES + lane] * inverse[i * LANES + lane]
            for c in range(d):
                at = offset[c, j]
                for lane in range(lanes):
                    sums[place + lane] += product[lane] * drained[c, j, lane] - factor[lane] * z[at + lane]
                place += LANES
    for i in range(K):
        for j in range(K):
            pair = offset[i, j] - first
            for lane in range(lanes):
                sums[place + lane] += variance[lane] * factors[NOISES + lane] * inverse[pair + lane]
            place += LANES


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
    first = np.uint64(offset[0, 0] - np.uint64(K) * LANE_COUNT)
    change, total = room(z, (K * M * LANES,)), room(z, (LANES,))
    for i in range(K):
        for n in range(M):
            at = offset[i, K + n]
            clear(total)
            combine(total, dA[i], z, offset[K + n])
            for lane in range(lanes):
                change[at + lane] = -factors[RATES + lane] * inverse[i * LANES + lane] * total[lane]
                g[at + lane] += change[at + lane]
    for i in range(K):
        for j in range(i, K):
            clear(total)
            combine(total, E[j], change, offset[i, K:])
            combine(total, E[i], change, offset[j, K:])
            combine(total, dA[i], z, offset[j])
            combine(total, dA[j], z, offset[i])
            at = offset[i, j]
            for lane in range(lanes):
                g[at + lane] += inverse[at - first + lane] * (
                    factors[NOISES + lane] * dG[i, j] - factors[RATES + lane] * total[lane]
                )


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

    Equations: (3.2) and (5.2).
    """
    K, M = E.shape
    lanes = np.uint64(variance.size)
    first = np.uint64(offset[0, 0] - np.uint64(K) * LANE_COUNT)
    total = room(z, (LANES,))
    for e in range(g.size, z.size):
        arg[e] = z[e]
    for i in range(K):
        for n in range(M):
            at = offset[i, K + n]
            clear(total)
            combine(total, A[i], arg, offset[K + n])
            for lane in range(lanes):
                g[at + lane] = inverse[i * LANES + lane] * (b[at + lane] - factors[RATES + lane] * total[lane])
    for i in range(K):
        for j in range(i, K):
            clear(total)
            combine(total, A[i], arg, offset[j])
            combine(total, A[j], arg, offset[i])
            combine(total, E[j], g, offset[i, K:])
            combine(total, E[i], g, offset[j, K:])
            at = offset[i, j]
            for lane in range(lanes):
                g[at + lane] = inverse[at - first + lane] * (
                    b[at + lane] + factors[NOISES + lane] * G[i, j] - factors[RATES + lane] * total[lane]
                )
    for row in range(0, g.size, LANES):
        for lane in range(lanes):
            sums[row + lane] += variance[lane] * g[row + lane]


@kernel(sums=True)
def error_ratios(
    z: Array,
    g: Array,
    trial: Array,
    E: Array,
    mean_size: float,
    atol: float,
    rtol: float,
    offset: Offsets,
    worst: Array,
    poison: Array,
) -> None:
    """Into `worst` (LANES,), the larger of itself and the error g of a sector relative to what it may be.

    With own = max(tr q before, tr q after, mean_size): |q error| / (atol + rtol own), and
    |r error| / (atol + rtol sqrt(own |tr t|)). `poison` becomes NaN where that is: max loses a NaN, a sum keeps it.

    Equation: (5.3).
    """
    K, M = E.shape
    lanes = np.uint64(worst.size)
    r_error, q_error, teacher = zeros(z, (LANES,)), zeros(z, (LANES,)), zeros(z, (LANES,))
    before, after = zeros(z, (LANES,)), zeros(z, (LANES,))
    for i in range(K):
        for n in range(M):
            at = offset[i, K + n]
            for lane in range(lanes):
                r_error[lane] += g[at + lane] ** 2
        for j in range(i, K):
            at, share = offset[i, j], 1.0 if i == j else 2.0
            for lane in range(lanes):
                q_error[lane] += share * g[at + lane] ** 2
        at = offset[i, i]
        for lane in range(lanes):
            before[lane] += z[at + lane]
            after[lane] += trial[at + lane]
    for n in range(K, K + M):
        at = offset[n, n]
        for lane in range(lanes):
            teacher[lane] += z[at + lane]
    for lane in range(lanes):
        own = max(before[lane], after[lane], mean_size)
        q_ratio = np.sqrt(q_error[lane]) / (atol + rtol * own)
        r_ratio = np.sqrt(r_error[lane]) / (atol + rtol * np.sqrt(own * abs(teacher[lane])))
        worst[lane] = max(worst[lane], q_ratio, r_ratio)
        poison[lane] += 0.0 * (q_ratio + r_ratio)


@kernel()
def add_decay(arg: Array, factors: Array, variance: Array, offset: Offsets, b: Array) -> None:
    """Add the decay's part of the drift at `arg` to b. Equation: (3.2)."""
    for row in range(b.size // LANES):
        at, students = np.uint64(row) * LANE_COUNT, _students(row, offset)
        for lane in range(np.uint64(variance.size)):
            b[at + lane] -= students * factors[DECAYS + lane] * arg[at + lane]


@kernel()
def add_timed_decay(arg: Array, z: Array, factors: Array, variance: Array, offset: Offsets, b: Array) -> None:
    """The same of a decay that changes with alpha, and what a stage has of its derivative, at the step's start z.

    Equations: (3.2) and (5.2b).
    """
    for row in range(b.size // LANES):
        at, students = np.uint64(row) * LANE_COUNT, _students(row, offset)
        for lane in range(np.uint64(variance.size)):
            now, forced = factors[DECAYS + lane], factors[FORCES + lane]
            b[at + lane] -= students * (now * arg[at + lane] + forced * z[at + lane])


@kernel(inline=True, always=True)
def _students(row: int, offset: Offsets) -> float:
    """How many of the two fields of a row are students': 1 of r, 2 of q, whose rows follow."""
    return 1.0 if np.uint64(row) * LANE_COUNT < offset[0, 0] else 2.0
