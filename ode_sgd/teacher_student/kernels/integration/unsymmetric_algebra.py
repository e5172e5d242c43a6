"""What a step does on small matrices where D is not symmetric (sectors/unsymmetric_block.py): nothing is turned."""

import functools

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.integration.step_algebra import Algebra, Small, no_space, nothing_moved, solve
from ode_sgd.teacher_student.kernels.paces import NOISES, RATES
from ode_sgd.teacher_student.kernels.sectors.eigenbasis import turn_covariance
from ode_sgd.teacher_student.kernels.sectors.small_matrices import factorise


@kernel()
def no_turn(A: Array, G: Array, V: Array, half: Array) -> None:
    """A and G in the basis that they have."""


@kernel()
def decompose(k: int, w: Small, g: float) -> bool:
    """1 - the response of dC to itself through dA and dG, (p, p). Equation: (5.2d)."""
    JA, JG, moments, coupling = w.JA, w.JG, w.moments, w.coupling
    p, of_A, of_G = coupling.shape[0], JA.shape[0], JG.shape[0]
    for row in range(p):
        begin = row * (of_A + of_G)
        for b in range(p):
            coupling[row, b] = 1.0 if row == b else 0.0
        for e in range(of_A):
            for b in range(p):
                coupling[row, b] -= moments[begin + e] * JA[e, b]
        for e in range(of_G):
            for b in range(p):
                coupling[row, b] -= moments[begin + of_A + e] * JG[e, b]
    return factorise(coupling, w.pivots)


@kernel()
def force_covariance(
    index: Indices, moments: Array, A_slope: Array, G_slope: Array, paces: Array, forced: Array
) -> None:
    """`force_covariance` of paced_steps.py. Equation: (5.2d)."""
    K, d = A_slope.shape
    place = 0
    for row in range(forced.size):
        total = 0.0
        for i in range(K):
            for c in range(d):
                total += moments[place] * A_slope[i, c]
                moments[place] *= paces[RATES]
                place += 1
        for i in range(K):
            for j in range(i, K):
                total += moments[place] * G_slope[i, j]
                moments[place] *= paces[NOISES]
                place += 1
        forced[row] = total


@functools.cache
def unsymmetric_algebra(activation: Averages) -> Algebra:
    """The coupling matrix, decomposed, in the basis given."""
    coefficients, by_C = coefficient_kernels(activation).coefficients, linearised_coefficients(activation)

    @kernel(activation.variant)
    def linearise(k: int, w: Small, noise_variance: float, half: Array) -> None:
        by_C(w.C, w.a, noise_variance, w.overlap, w.A, w.G, w.JA, w.JG)
        K = w.G.shape[0]
        for i in range(K):
            for j in range(K):
                w.L[i * K + j] = w.A[i, j]
                w.V[i, j] = 1.0 if i == j else 0.0

    its = turn_covariance, coefficients, no_turn, linearise, decompose, solve
    return Algebra(no_space, *its, nothing_moved)
