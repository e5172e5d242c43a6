"""One block of sectors with two copies (J, W) of the student's weights, any K and M: as block_loops.py for one.

Without a gradient J <- J + push W / N and W <- W - drag W / N, so that Gamma = [[0, push], [0, -drag]]. In the
eigenbasis of D, with mu_i = rate L_i + decay, every student i has the 2 x 2 matrix

    P_i = g / 2 - Gamma + mu_i eta p^T = [[g / 2 + e1 mu_i, -push], [e2 mu_i, g / 2 + drag]],    g = 1 / (gamma h)

The system (g - J) x = b reads, sector by sector,

    (g / 2 + P_i) (x_r, x_s)_in = b_in - rate eta (dA c)_in
    P_i X_ij + X_ij P_j^T       = B_ij - rate (eta w_ij^T + w_ji eta^T) + noise dG_ij eta eta^T

for X_ij = [[<J_i,J_j>, <J_i,W_j>], [<W_i,J_j>, <W_i,W_j>]] and w_ij = (dA c + E x_r^T, dA c_W + E x_s^T)_ij. With
sigma = tr P_i + tr P_j and N = sigma P_i + det P_j - det P_i, the solution is X = N^-1 (P_i B + B adj(P_j^T)).

`mix` is push, drag, eta, its products and the pace of the decay: numbers common to all sectors, see MIX. `inverse`
holds 1 / det(g / 2 + P_i), then 1 / det N of the pairs i <= j. Rows as in copies_layout.py; `column` (2K + M, d) is
where the overlaps of a field of (J, W, B) with those of (J, B) begin in a block. copies_generated.py writes the same
out for small K and M.
"""

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room, zeros
from ode_sgd.teacher_student.kernels.sectors.block_loops import LANE_COUNT, NOISES, RATES, Offsets, clear, combine
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY

UNITS = np.uint64(DECAY * LANES)  # where the decay of unit pace begins
PUSH, DRAG, E1, E2, E11, E12, E22, DECAYS = range(8)
MIX = 8  # numbers of a mix


@kernel(inline=True)
def set_products(mix: Array) -> None:
    """The products of eta in a mix."""
    mix[E11], mix[E12], mix[E22] = mix[E1] * mix[E1], mix[E1] * mix[E2], mix[E2] * mix[E2]


@kernel(sums=True)
def turn(y: Array, V: Array, offset: Offsets, z: Array) -> None:
    """z has the overlaps of y with the students of both copies turned by V; with V^T for V it goes back."""
    K = V.shape[0]
    half, columns = room(V, (K * LANES,)), room(V, (K, K))
    starts, rows = zeros(offset, (K,)), zeros(offset, (K,))
    for a in range(K):
        starts[a] = np.uint64(a) * LANE_COUNT
        for b in range(K):
            columns[a, b] = V[b, a]
    for first in range(2):
        for a in range(K):
            for n in range(2 * K, offset.shape[0]):
                at = offset[first * K + a, n]
                for i in range(K):
                    rows[i] = offset[first * K + i, n]
                clear(z[at : at + LANE_COUNT])
                combine(z[at : at + LANE_COUNT], columns[a], y, rows)
        for second in range(first, 2):
            for a in range(K):
                clear(half)
                for j in range(K):
                    for i in range(K):
                        rows[i] = offset[first * K + i, second * K + j]
                    combine(half[j * LANES : (j + 1) * LANES], columns[a], y, rows)
                for b in range(a if first == second else 0, K):
                    at = offset[first * K + a, second * K + b]
                    clear(z[at : at + LANE_COUNT])
                    combine(z[at : at + LANE_COUNT], columns[b], half, starts)


@kernel()
def invert(factors: Array, g: float, mix: Array, L: Array, offset: Offsets, inverse: Array) -> None:
    """Write the inverses. Equation: (18.4)."""
    K = L.size
    lanes, first = np.uint64(factors.size // (DECAY + 1)), np.uint64(offset[0, 0] - np.uint64(K) * LANE_COUNT)
    p12, p22 = -mix[PUSH], 0.5 * g + mix[DRAG]
    for i in range(K):
        at = np.uint64(i) * LANE_COUNT
        for lane in range(lanes):
            mu = factors[RATES + lane] * L[i] + mix[DECAYS] * factors[UNITS + lane]
            m11, m21 = g + mix[E1] * mu, mix[E2] * mu
            inverse[at + lane] = 1.0 / (m11 * (g + mix[DRAG]) - p12 * m21)
        for j in range(i, K):
            at_pair = offset[i, j] - first
            for lane in range(lanes):
                decay = mix[DECAYS] * factors[UNITS + lane]
                mu, other = factors[RATES + lane] * L[i] + decay, factors[RATES + lane] * L[j] + decay
                p11, p21 = 0.5 * g + mix[E1] * mu, mix[E2] * mu
                o11, o21 = 0.5 * g + mix[E1] * other, mix[E2] * other
                sigma = p11 + o11 + 2.0 * p22
                shift = (o11 - p11) * p22 - p12 * (o21 - p21)
                inverse[at_pair + lane] = 1.0 / (
                    (sigma * p11 + shift) * (sigma * p22 + shift) - sigma * sigma * p12 * p21
                )


@kernel(sums=True)
def student_moments(
    z: Array,
    inverse: Array,
    factors: Array,
    variance: Array,
    g: float,
    mix: Array,
    L: Array,
    E: Array,
    offset: Offsets,
    column: Offsets,
    sums: Array,
) -> None:
    """N and H of `moments`, from the beginning of sums on."""
    K, M = E.shape
    lanes, d = np.uint64(variance.size), K + M
    first = np.uint64(offset[0, 0] - np.uint64(K) * LANE_COUNT)
    e1, e2, p12, p22 = mix[E1], mix[E2], -mix[PUSH], 0.5 * g + mix[DRAG]
    by_r, by_s = (g + mix[DRAG]) * e1 + mix[PUSH] * e2, g * e2
    drained = zeros(z, (d, K, LANES))  # (c E^T)_cj
    own, other, through, heat = room(z, (LANES,)), room(z, (LANES,)), room(z, (LANES,)), room(z, (LANES,))
    for j in range(K):
        for c in range(d):
            for n in range(M):
                at, weight = column[2 * K + n, c], E[j, n]
                for lane in range(lanes):
                    drained[c, j, lane] += weight * z[at + lane]
    place, noises = 0, K * K * d * LANES
    for i in range(K):
        for j in range(K):
            pair = offset[i, j] - first
            for lane in range(lanes):
                rate, decay = factors[RATES + lane], mix[DECAYS] * factors[UNITS + lane]
                mu, nu = rate * L[i] + decay, rate * L[j] + decay
                p11, p21 = 0.5 * g + e1 * mu, e2 * mu
                o11, o21 = 0.5 * g + e1 * nu, e2 * nu
                sigma, shift = p11 + o11 + 2.0 * p22, (o11 - p11) * p22 - p12 * (o21 - p21)
                n12, n22, scale = sigma * p12, sigma * p22 + shift, inverse[pair + lane]
                f11, f21 = scale * (n22 * (p11 + p22) - n12 * p21), scale * (n22 * p12 - 2.0 * n12 * p22)
                f12, f22 = -scale * n22 * p12, scale * n12 * p12
                weight = variance[lane] * rate
                own[lane], other[lane] = weight * (f11 * e1 + f21 * e2), weight * (f12 * e1 + f22 * e2)
                back = (f11 * e1 + f12 * e2) * by_r + (f21 * e1 + f22 * e2) * by_s
                through[lane] = weight * rate * back * inverse[i * LANES + lane]
                all_ = f11 * mix[E11] + (f12 + f21) * mix[E12] + f22 * mix[E22]
                heat[lane] = variance[lane] * factors[NOISES + lane] * all_
            for c in range(d):
                at, at_other = column[j, c], column[K + j, c]
                for lane in range(lanes):
                    sums[place + lane] += (
                        through[lane] * drained[c, j, lane]
                        - own[lane] * z[at + lane]
                        - other[lane] * z[at_other + lane]
                    )
                place += LANES
            for lane in range(lanes):
                sums[noises + lane] += heat[lane]
            noises += LANES


@kernel(sums=True)
def moments(
    z: Array,
    inverse: Array,
    factors: Array,
    variance: Array,
    g: float,
    mix: Array,
    L: Array,
    E: Array,
    offset: Offsets,
    column: Offsets,
    sums: Array,
) -> None:
    """Add this block to the lane-wise sums M1, N, H that couple the sectors, as block_loops.moments lays them out.

    Equation: (18.5).
    """
    K, M = E.shape
    lanes, d = np.uint64(variance.size), K + M
    by_r, own = (g + mix[DRAG]) * mix[E1] + mix[PUSH] * mix[E2], room(z, (LANES,))
    place = 0
    for i in range(K):
        for lane in range(lanes):
            own[lane] = variance[lane] * factors[RATES + lane] * inverse[i * LANES + lane] * by_r
        for c in range(d):
            for n in range(M):
                at = column[2 * K + n, c]
                for lane in range(lanes):
                    sums[place + lane] += own[lane] * z[at + lane]
                place += LANES
    student_moments(z, inverse, factors, variance, g, mix, L, E, offset, column, sums[place:])


@kernel(sums=True)
def drift(
    arg: Array, factors: Array, mix: Array, A: Array, G: Array, offset: Offsets, column: Offsets, b: Array
) -> None:
    """Add the drift at `arg`, with t in it, to b. Equation: (18.2)."""
    K, d = A.shape
    lanes, total, other = np.uint64(factors.size // (DECAY + 1)), room(arg, (LANES,)), room(arg, (LANES,))
    swapped, crossed = room(arg, (LANES,)), room(arg, (LANES,))
    push, drag = mix[PUSH], mix[DRAG]
    e1, e2, lost = mix[E1], mix[E2], mix[DECAYS]
    for i in range(K):
        for n in range(2 * K, K + d):
            clear(total)
            combine(total, A[i], arg, column[n])
            r, s = offset[i, n], offset[K + i, n]
            for lane in range(lanes):
                pull = factors[RATES + lane] * total[lane] + lost * factors[UNITS + lane] * arg[r + lane]
                b[r + lane] += push * arg[s + lane] - e1 * pull
                b[s + lane] -= drag * arg[s + lane] + e2 * pull
    for i in range(K):
        for j in range(i, K):
            clear(total)
            clear(other)
            clear(swapped)
            clear(crossed)
            combine(total, A[i], arg, column[j])
            combine(swapped, A[j], arg, column[i])
            combine(other, A[i], arg, column[K + j])
            combine(crossed, A[j], arg, column[K + i])
            q, m, w, n = offset[i, j], offset[i, K + j], offset[j, K + i], offset[K + i, K + j]
            n11, n12, n22 = mix[E11] * G[i, j], mix[E12] * G[i, j], mix[E22] * G[i, j]
            for lane in range(lanes):
                rate, noise, decay = factors[RATES + lane], factors[NOISES + lane], lost * factors[UNITS + lane]
                qq, mm, ww, nn = arg[q + lane], arg[m + lane], arg[w + lane], arg[n + lane]
                u_j, u_i = rate * total[lane] + decay * qq, rate * swapped[lane] + decay * qq
                v_j, v_i = rate * other[lane] + decay * mm, rate * crossed[lane] + decay * ww
                b[q + lane] += push * (mm + ww) - e1 * (u_j + u_i) + n11 * noise
                b[n + lane] += -2.0 * drag * nn - e2 * (v_j + v_i) + n22 * noise
                b[m + lane] += push * nn - drag * mm - e1 * v_j - e2 * u_i + n12 * noise
                if i != j:
                    b[w + lane] += push * nn - drag * ww - e1 * v_i - e2 * u_j + n12 * noise


@kernel(sums=True)
def solve_teachers(
    b: Array,
    x: Array,
    inverse: Array,
    factors: Array,
    g: float,
    mix: Array,
    L: Array,
    E: Array,
    offset: Offsets,
) -> None:
    """The overlaps with teachers of `solve`."""
    K, M = E.shape
    lanes = np.uint64(factors.size // (DECAY + 1))
    e1, e2, p12, lost = mix[E1], mix[E2], -mix[PUSH], mix[DECAYS]
    for i in range(K):
        for n in range(2 * K, 2 * K + M):
            r, s = offset[i, n], offset[K + i, n]
            for lane in range(lanes):
                mu = factors[RATES + lane] * L[i] + lost * factors[UNITS + lane]
                scale, b1, b2 = inverse[i * LANES + lane], b[r + lane], b[s + lane]
                x[r + lane] = scale * ((g + mix[DRAG]) * b1 - p12 * b2)
                x[s + lane] = scale * ((g + e1 * mu) * b2 - e2 * mu * b1)


@kernel(sums=True)
def solve(
    b: Array,
    x: Array,
    inverse: Array,
    factors: Array,
    g: float,
    mix: Array,
    L: Array,
    E: Array,
    offset: Offsets,
) -> None:
    """x = (g - J)^-1 b without coupling. Equation: (18.4)."""
    K = E.shape[0]
    lanes, first = np.uint64(factors.size // (DECAY + 1)), np.uint64(offset[0, 0] - np.uint64(K) * LANE_COUNT)
    total, other = room(b, (LANES,)), room(b, (LANES,))
    swapped, crossed = room(b, (LANES,)), room(b, (LANES,))
    e1, e2, p12, p22, lost = mix[E1], mix[E2], -mix[PUSH], 0.5 * g + mix[DRAG], mix[DECAYS]
    solve_teachers(b, x, inverse, factors, g, mix, L, E, offset)
    for i in range(K):
        for j in range(i, K):
            clear(total)
            clear(other)
            clear(swapped)
            clear(crossed)
            combine(total, E[i], x, offset[j, 2 * K :])
            combine(swapped, E[j], x, offset[i, 2 * K :])
            combine(other, E[i], x, offset[K + j, 2 * K :])
            combine(crossed, E[j], x, offset[K + i, 2 * K :])
            q, m, w, n, pair = (
                offset[i, j],
                offset[i, K + j],
                offset[j, K + i],
                offset[K + i, K + j],
                offset[i, j] - first,
            )
            for lane in range(lanes):
                rate, decay = factors[RATES + lane], lost * factors[UNITS + lane]
                mu, nu = rate * L[i] + decay, rate * L[j] + decay
                p11, p21 = 0.5 * g + e1 * mu, e2 * mu
                o11, o21 = 0.5 * g + e1 * nu, e2 * nu
                sigma, shift = p11 + o11 + 2.0 * p22, (o11 - p11) * p22 - p12 * (o21 - p21)
                n11, n12, n21, n22 = sigma * p11 + shift, sigma * p12, sigma * p21, sigma * p22 + shift
                b11 = b[q + lane] - rate * e1 * (total[lane] + swapped[lane])
                b22 = b[n + lane] - rate * e2 * (other[lane] + crossed[lane])
                b12 = b[m + lane] - rate * (e1 * other[lane] + e2 * swapped[lane])
                b21 = b[w + lane] - rate * (e1 * crossed[lane] + e2 * total[lane])
                y11 = (p11 + p22) * b11 + p12 * b21 - p12 * b12
                y21 = p21 * b11 + 2.0 * p22 * b21 - p12 * b22
                y12 = (p11 + o11) * b12 + p12 * b22 - o21 * b11
                y22 = p21 * b12 + (p22 + o11) * b22 - o21 * b21
                scale = inverse[pair + lane]
                x[q + lane] = scale * (n22 * y11 - n12 * y21)
                x[n + lane] = scale * (n11 * y22 - n21 * y12)
                x[w + lane] = scale * (n11 * y21 - n21 * y11)
                x[m + lane] = scale * (n22 * y12 - n12 * y22)


@kernel(sums=True)
def stage(
    z: Array,
    arg: Array,
    b: Array,
    x: Array,
    inverse: Array,
    factors: Array,
    variance: Array,
    g: float,
    now: Array,
    start: Array,
    L: Array,
    E: Array,
    A: Array,
    G: Array,
    offset: Offsets,
    column: Offsets,
    sums: Array,
) -> None:
    """Add the drift at `arg` (with t as in z) to b, which goes into x; add variance times the solution to sums.

    The solution is that without coupling.
    """
    for e in range(x.size, z.size):
        arg[e] = z[e]
    drift(arg, factors, now, A, G, offset, column, b)
    alone = room(z, (x.size,))
    solve(b, alone, inverse, factors, g, start, L, E, offset)
    for e in range(x.size):
        x[e] = b[e]
    for row in range(0, sums.size, LANES):
        for lane in range(LANES):
            sums[row + lane] += variance[lane] * alone[row + lane]


@kernel(sums=True)
def finish(
    z: Array,
    x: Array,
    inverse: Array,
    factors: Array,
    g: float,
    start: Array,
    L: Array,
    E: Array,
    dA: Array,
    dG: Array,
    offset: Offsets,
    column: Offsets,
) -> None:
    """The solution x of a stage from its right-hand side x and what dA and dG do. Equation: (18.5)."""
    b, linked = room(z, (x.size,)), zeros(z, (MIX,))
    for e in range(x.size):
        b[e] = x[e]
    for n in range(E1, DECAYS):
        linked[n] = start[n]
    drift(z, factors, linked, dA, dG, offset, column, b)
    solve(b, x, inverse, factors, g, start, L, E, offset)
