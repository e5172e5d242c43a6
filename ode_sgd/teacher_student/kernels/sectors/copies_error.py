"""What a step of two copies of the weights is off by in one block, any K and M; copies_generated.py writes it out."""

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import zeros
from ode_sgd.teacher_student.kernels.sectors.block_loops import Offsets
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES

LEAST = 1e-2  # of the size of J, below which none of W counts


@kernel(inline=True)
def _teachers(size: int) -> int:
    """M, of which blocks hold M (M + 1) / 2 rows of t."""
    M = 1
    while size > M * (M + 1) // 2 * LANES:
        M += 1
    return M


@kernel(sums=True)
def error_ratios(
    z: Array,
    x: Array,
    trial: Array,
    mean_size: float,
    mean_companion: float,
    atol: float,
    rtol: float,
    offset: Offsets,
    worst: Array,
    poison: Array,
) -> None:
    """As block_loops.error_ratios, with the same for the companion, whose sizes are its own.

    Equation: (18.6).
    """
    lanes = np.uint64(worst.size)
    K = (offset.shape[0] - _teachers(z.size - trial.size)) // 2
    squares, sizes, teacher = zeros(z, (5, LANES)), zeros(z, (4, LANES)), zeros(z, (LANES,))
    for i in range(K):
        for n in range(2 * K, offset.shape[0]):
            r, s = offset[i, n], offset[K + i, n]
            for lane in range(lanes):
                squares[0, lane] += x[r + lane] ** 2
                squares[1, lane] += x[s + lane] ** 2
        for j in range(K):
            q, m, n_ = offset[i, j], offset[i, K + j], offset[K + i, K + j]
            for lane in range(lanes):
                squares[2, lane] += x[q + lane] ** 2
                squares[3, lane] += x[m + lane] ** 2
                squares[4, lane] += x[n_ + lane] ** 2
        q, n_ = offset[i, i], offset[K + i, K + i]
        for lane in range(lanes):
            sizes[0, lane] += z[q + lane]
            sizes[1, lane] += trial[q + lane]
            sizes[2, lane] += z[n_ + lane]
            sizes[3, lane] += trial[n_ + lane]
    for n in range(2 * K, offset.shape[0]):
        at = offset[n, n]
        for lane in range(lanes):
            teacher[lane] += z[at + lane]
    for lane in range(lanes):
        own = max(sizes[0, lane], sizes[1, lane], mean_size)
        companion = max(sizes[2, lane], sizes[3, lane], mean_companion, LEAST * own)
        r_ratio = np.sqrt(squares[0, lane]) / (atol + rtol * np.sqrt(own * abs(teacher[lane])))
        s_ratio = np.sqrt(squares[1, lane]) / (atol + rtol * np.sqrt(companion * abs(teacher[lane])))
        q_ratio = np.sqrt(squares[2, lane]) / (atol + rtol * own)
        m_ratio = np.sqrt(squares[3, lane]) / (atol + rtol * np.sqrt(own * companion))
        n_ratio = np.sqrt(squares[4, lane]) / (atol + rtol * companion)
        worst[lane] = max(worst[lane], q_ratio, r_ratio, s_ratio, m_ratio, n_ratio)
        poison[lane] += 0.0 * (q_ratio + r_ratio + s_ratio + m_ratio + n_ratio)
