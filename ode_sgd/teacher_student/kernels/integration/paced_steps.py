"""What a step does beside, where quantities of the problem are functions of alpha.

The paces of kernels/paces.py multiply the terms of (3.2), so coefficients of every stage are multiplied by those of its
time: A and G, small matrices, in place of the sectors' factors. The linear system of a stage is that of the step's
start, and has on its right side FORCES[stage] h times the derivative of the drift by alpha at fixed overlaps, which
enters as a change of A and G does. Without that the method keeps its order no more, and takes twenty times the steps.
"""

from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.integration.rodas5p import FORCES, GAMMA, TIMES
from ode_sgd.teacher_student.kernels.paces import DECAYS, NOISES, RATES, SECOND, VARIANCE, set_pace_slopes, set_paces
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, DECAY_FORCED, DECAY_UNIT


@kernel()
def scale(matrix: Array, factor: float) -> None:
    """In place."""
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            matrix[i, j] *= factor


@kernel()
def set_slopes(own: Any, w: Any, u: Any, piece: Array, alpha: float) -> None:
    """Derivatives of A and G by alpha, from A and G without paces, which take their paces then, as E and L do.

    G is linear in the variance of the labels' noise: G of a variance larger by one tells its slope.

    Equation: (3.2a).
    """
    A, G, E, L, A_slope, G_slope, dA, dG = w.A, w.G, u.E, w.L, u.A_slope, u.G_slope, u.dA, u.dG
    paces, slopes = u.paces, u.slopes
    set_pace_slopes(piece, alpha, slopes)
    noisier = slopes[VARIANCE] != 0.0
    if noisier:
        own.coefficients(w.C, w.a, paces[VARIANCE] + 1.0, dA, dG)
        own.turn_coefficients(dA, dG, w.moving, u.half)
    for i in range(A.shape[0]):
        for c in range(A.shape[1]):
            A_slope[i, c] = slopes[RATES] * A[i, c]
        for j in range(G.shape[0]):
            G_slope[i, j] = slopes[NOISES] * G[i, j]
            if noisier:
                G_slope[i, j] += paces[NOISES] * slopes[VARIANCE] * (dG[i, j] - G[i, j])
    for i in range(L.size):
        L[i] *= paces[RATES]
    scale(A, paces[RATES])
    scale(G, paces[NOISES])
    scale(E, paces[RATES])


@kernel()
def set_decay(factors: Array, decay: float, forced: float) -> None:
    """Write the rows of a decay that changes with alpha, where there are any."""
    if factors.shape[1] <= DECAY_FORCED * LANES:
        return
    for block in range(factors.shape[0]):
        rows = factors[block]
        units, decays = rows[DECAY_UNIT * LANES :], rows[DECAY * LANES : DECAY_FORCED * LANES]
        forces = rows[DECAY_FORCED * LANES : DECAY_UNIT * LANES]
        for lane in range(np.uint64(units.size)):  # unsigned, and of no constant length: see block_loops.py
            decays[lane] = decay * units[lane]
            forces[lane] = forced * units[lane]


@kernel()
def set_coefficients(own: Any, s: Any, w: Any, u: Any, piece: Array, alpha: float, h: float, stage: int) -> None:
    """A and G of a stage with their paces, turned, and the sectors' decay; C is that at its argument.

    Equation: (3.2a).
    """
    now, A, G = u.now, w.A, w.G
    set_paces(piece, alpha + TIMES[stage] * h, now)
    w.second[0] = now[SECOND]
    set_decay(s.factors, now[DECAYS], FORCES[stage] * h * u.slopes[DECAYS])
    own.coefficients(w.C, w.a, now[VARIANCE], A, G)
    own.turn_coefficients(A, G, w.moving, u.half)
    scale(A, now[RATES])
    scale(G, now[NOISES])


@kernel()
def force_covariance(
    index: Indices, moments: Array, A_slope: Array, G_slope: Array, paces: Array, forced: Array
) -> None:
    """What the slopes of A and G do to C, by the moments of block_loops.py; these take the paces of the response then.

    Equation: (5.1).
    """
    K, d = A_slope.shape
    M = d - K
    N_begin = K * d * M
    H_begin = N_begin + K * K * d
    for i in range(K):
        for n in range(M):
            total = 0.0
            for c in range(d):
                total -= A_slope[i, c] * moments[(i * d + c) * M + n]
            forced[index[i, K + n]] = total
        for j in range(i, K):
            total = G_slope[i, j] * moments[H_begin + i * K + j]
            for c in range(d):
                total += A_slope[i, c] * moments[N_begin + (i * K + j) * d + c]
                total += A_slope[j, c] * moments[N_begin + (j * K + i) * d + c]
            forced[index[i, j]] = total
    for e in range(moments.size):
        moments[e] *= paces[RATES] if e < H_begin else paces[NOISES]


@kernel()
def set_moments(own: Any, s: Any, w: Any, u: Any, h: float) -> None:
    """The sectors' response with the decay of the step's start, and what the slopes of A and G do to C."""
    set_decay(s.factors, u.paces[DECAYS], FORCES[0] * h * u.slopes[DECAYS])
    own.coupling_moments(s, 1.0 / (GAMMA * h), w.L, u.E, w.moments)
    own.force_covariance(w.overlap, w.moments, u.A_slope, u.G_slope, u.paces, u.forced)


@kernel()
def solve_forced(own: Any, k: Any, w: Any, u: Any, noise_variance: float, stage: int, h: float) -> None:
    """A stage's dC and what it changes, with its share of what the slopes of A and G do to C, and of these themselves.

    Equation: (5.2b).
    """
    sums, forced, dA, dG, A_slope, G_slope = u.sums, u.forced, u.dA, u.dG, u.A_slope, u.G_slope
    share, rates, noises = FORCES[stage] * h, u.paces[RATES], u.paces[NOISES]
    w.second[2] = share * u.slopes[SECOND]
    for b in range(sums.size):
        sums[b] += share * forced[b]
    own.solve(k, w, stage, noise_variance, sums, dA, dG)
    for i in range(dA.shape[0]):
        for c in range(dA.shape[1]):
            dA[i, c] = rates * dA[i, c] + share * A_slope[i, c]
        for j in range(dG.shape[1]):
            dG[i, j] = noises * dG[i, j] + share * G_slope[i, j]
