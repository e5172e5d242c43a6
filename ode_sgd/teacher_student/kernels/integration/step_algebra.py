"""What a step does on small matrices: coefficients, their derivatives, and the p x p system that couples the sectors.

The plain way builds and decomposes its matrix; large networks do without (large_networks.py).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import zeros
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import ANY, coefficient_kernels
from ode_sgd.teacher_student.kernels.coefficients.coupled_system import coupled_solver
from ode_sgd.teacher_student.kernels.coefficients.large_networks import (
    RESIDUAL,
    coupling_space,
    is_large,
    pair_coefficients,
    pair_linearised,
    responses,
    turn_large_coefficients,
)
from ode_sgd.teacher_student.kernels.coefficients.linearised import linearised_coefficients
from ode_sgd.teacher_student.kernels.coefficients.matrix_form import (
    MATRIX_RESIDUAL,
    has_matrix_form,
    matrix_kernels,
    matrix_space,
)
from ode_sgd.teacher_student.kernels.coefficients.near_teacher import difference_coefficients, difference_linearised
from ode_sgd.teacher_student.kernels.sectors.eigenbasis import (
    moving_directions,
    turn_derivatives,
    turn_large_covariance,
    turns,
)
from ode_sgd.teacher_student.kernels.sectors.generated_block import one_of_its_kind, shape_variant
from ode_sgd.teacher_student.kernels.sectors.small_matrices import factorise, substitute, symmetric_eigen


class Small(NamedTuple):
    """Small matrices of a step; those after V are in the eigenbasis of D."""

    T: Array  # (M, M)
    a: Array  # (K + M,), of which the student's part moves where the second layer is trained
    overlap: Indices  # (d, d), row of every overlap
    C: Array  # (d, d)
    V: Array  # (K, K), eigenvectors of D
    moving: Array  # (K, K), V with zeros for directions at rest
    L: Array  # (K,), its eigenvalues; all of it, row by row, where it is not symmetric (K K,)
    A: Array  # (K, d)
    G: Array  # (K, K)
    JA: Array  # (K d, P)
    JG: Array  # (K (K+1)/2, P)
    scratch: Array  # (K d, p)
    moments: Array  # M1 (K, d, M), N (K, K, d), H (K, K), one after the other; or as in unsymmetric_block.py
    coupling: Array  # (p, p)
    pivots: Indices  # (p,)
    rows: Array  # (p,), C at the start of the step; (p + K,) with v below it where that moves, and so the next one
    dC: Array  # (8, p), of the stages
    second: Array  # (3,), eta_v, kappa_v, and what a schedule of eta_v adds to a stage
    into: Array  # (K, K), what overlaps are turned by: V itself where D is symmetric (adaptive_algebra.py)


_NUMBERS, _MATRIX, _INTEGERS = np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1), dtype=np.int64)
SMALL = Small(
    T=_MATRIX,
    a=_NUMBERS,
    overlap=_INTEGERS,
    C=_MATRIX,
    V=_MATRIX,
    moving=_MATRIX,
    L=_NUMBERS,
    A=_MATRIX,
    G=_MATRIX,
    JA=_MATRIX,
    JG=_MATRIX,
    scratch=_MATRIX,
    moments=_NUMBERS,
    coupling=_MATRIX,
    pivots=_INTEGERS[0],
    rows=_NUMBERS,
    dC=_MATRIX,
    second=_NUMBERS,
    into=_MATRIX,
)  # the smallest, an example of the types


@kernel()
def coupling_matrix(index: Indices, JA: Array, JG: Array, moments: Array, M: int, coupling: Array) -> None:
    """1 - (response of dC to itself through dA and dG), (p, p): see block_loops.moments. Equation: (5.1)."""
    d = index.shape[0]
    K, p, first = d - M, coupling.shape[0], index[0, 0]
    N_begin = K * d * M
    H_begin = N_begin + K * K * d
    for row in range(p):
        for b in range(p):
            coupling[row, b] = 1.0 if row == b else 0.0
    for i in range(K):
        for n in range(M):
            row = index[i, K + n]
            for c in range(d):
                M1 = moments[(i * d + c) * M + n]
                for b in range(p):
                    coupling[row, b] += M1 * JA[i * d + c, b]
        for j in range(i, K):
            row = index[i, j]
            H = moments[H_begin + i * K + j]
            for b in range(p):
                coupling[row, b] -= H * JG[row - first, b]
            for c in range(d):
                N_ij = moments[N_begin + (i * K + j) * d + c]
                N_ji = moments[N_begin + (j * K + i) * d + c]
                for b in range(p):
                    coupling[row, b] -= N_ij * JA[i * d + c, b] + N_ji * JA[j * d + c, b]


@kernel(sums=True)
def coefficient_changes(JA: Array, JG: Array, dC: Array, dA: Array, dG: Array) -> None:
    """dA = A'(C)[dC], dG = G'(C)[dC]. Equation: (5.1)."""
    K, d = dA.shape
    row = 0
    for i in range(K):
        for c in range(d):
            total = 0.0
            for b in range(dC.size):
                total += JA[i * d + c, b] * dC[b]
            dA[i, c] = total
        for j in range(i, K):
            total = 0.0
            for b in range(dC.size):
                total += JG[row, b] * dC[b]
            dG[i, j] = dG[j, i] = total
            row += 1


@kernel()
def decompose(k: Any, w: Small, g: float) -> bool:
    """The coupling matrix."""
    coupling_matrix(w.overlap, w.JA, w.JG, w.moments, w.T.shape[0], w.coupling)
    return factorise(w.coupling, w.pivots)


@kernel()
def solve(k: Any, w: Small, stage: int, noise_variance: float, sums: Array, dA: Array, dG: Array) -> None:
    """dC of a stage, and what it changes, from its sums without coupling."""
    substitute(w.coupling, w.pivots, sums)
    dC = w.dC[stage]
    for b in range(sums.size):
        dC[b] = sums[b]
    coefficient_changes(w.JA, w.JG, dC, dA, dG)


@kernel()
def nothing_moved(w: Small, after: Array, atol: float, rtol: float) -> float:
    """The error of a second layer that is fixed."""
    return 0.0


class Algebra(NamedTuple):
    """What a step does on small matrices, and its work space k.

    The plain way, that of large_networks.py, or that of second_layer_algebra.py.
    """

    space: Callable[[int, int], Any]  # (K, M) -> k
    turn_covariance: Callable[..., None]  # (rows, V, index, T, C)
    coefficients: Callable[..., None]  # (C, a, noise_variance, A, G)
    turn_coefficients: Callable[..., None]  # (A, G, V, half)
    linearise: Callable[..., None]  # (k, w, noise_variance, half): V; coefficients and derivatives in that basis
    decompose: Callable[..., bool]  # (k, w, g): the coupling matrix for 1 / (gamma h) = g; False where it cannot be
    solve: Callable[..., None]  # (k, w, stage, noise_variance, sums, dA, dG)
    second_layer_error: Callable[..., float]  # (w, after, atol, rtol): of v, relative to what it may be


def step_algebra(activation: Averages, K: int, M: int, differences: bool) -> Algebra:
    """That of a shape."""
    if not differences and has_matrix_form(activation, K, M):
        return matrix_algebra(activation)
    if not differences and is_large(activation, K, M):
        return large_algebra(activation)
    return plain_algebra(activation, *one_of_its_kind(K, M), differences)


def no_space(K: int, M: int) -> int:
    """k, which nobody reads."""
    return 0


@functools.cache
def plain_algebra(activation: Averages, K: int, M: int, differences: bool) -> Algebra:
    """The coupling matrix, decomposed."""
    shape = ANY if shape_variant(K, M) == "any" else (K, K + M)
    variant = f"{activation.variant}-{shape_variant(K, M)}{'-differences' if differences else ''}"
    turn_covariance, turn_coefficients, _ = turns(shape)
    coefficients = difference_coefficients(activation) if differences else coefficient_kernels(activation).coefficients
    by_C = difference_linearised(activation) if differences else linearised_coefficients(activation)
    find_moving = moving_directions(activation)

    @kernel(variant)
    def linearise(k: Any, w: Small, noise_variance: float, half: Array) -> None:
        by_C(w.C, w.a, noise_variance, w.overlap, w.A, w.G, w.JA, w.JG)
        symmetric_eigen(w.A, w.L, w.V)
        find_moving(w.L, w.V, w.moving)
        turn_derivatives(w.JA, w.JG, w.moving, w.overlap, w.scratch)
        turn_coefficients(w.A, w.G, w.moving, half)

    its = turn_covariance, coefficients, turn_coefficients, linearise, decompose, solve
    return Algebra(no_space, *its, nothing_moved)


@functools.cache
def large_algebra(activation: Averages) -> Algebra:
    """GMRES, and the plain way for the rest of a step in which that does not converge."""
    coefficients, by_C = pair_coefficients(activation), pair_linearised(activation)
    solve_coupled = coupled_solver(responses, "plain", RESIDUAL)
    densely, find_moving = linearised_coefficients(activation), moving_directions(activation)

    @kernel(activation.variant)
    def linearise(k: Any, w: Small, noise_variance: float, half: Array) -> None:
        by_C(w.C, w.a, noise_variance, w.overlap, w.A, w.G, k.JA, k.JG)
        symmetric_eigen(w.A, w.L, w.V)
        find_moving(w.L, w.V, w.moving)
        turn_large_coefficients(w.A, w.G, w.moving, half)

    @kernel(activation.variant)
    def decompose(k: Any, w: Small, g: float) -> bool:
        k.dense[0] = 0
        return True

    @kernel(activation.variant)
    def decompose_densely(k: Any, w: Small, noise_variance: float) -> None:
        C, A, G = zeros(w.A, w.C.shape), zeros(w.A, w.A.shape), zeros(w.A, w.G.shape)
        turn_large_covariance(w.rows, w.V, w.overlap, w.T, C)
        densely(C, w.a, noise_variance, w.overlap, A, G, w.JA, w.JG)
        turn_derivatives(w.JA, w.JG, w.moving, w.overlap, w.scratch)
        coupling_matrix(w.overlap, w.JA, w.JG, w.moments, w.T.shape[0], w.coupling)
        k.dense[0] = 1
        if not factorise(w.coupling, w.pivots):
            w.coupling[0, 0] = np.nan  # the step is rejected

    @kernel(activation.variant)
    def solve(k: Any, w: Small, stage: int, noise_variance: float, sums: Array, dA: Array, dG: Array) -> None:
        nothing = zeros(w.T, w.T.shape)
        if k.dense[0] == 0 and not solve_coupled(k, sums, w.rows, w.moving, w.overlap, nothing, w.moments):
            decompose_densely(k, w, noise_variance)
        if k.dense[0] == 1:
            substitute(w.coupling, w.pivots, sums)
        for b in range(sums.size):
            w.dC[stage, b] = sums[b]
        responses(k, sums, w.moving, w.overlap, nothing, dA, dG)

    turns_ = turn_large_covariance, coefficients, turn_large_coefficients
    return Algebra(coupling_space, *turns_, linearise, decompose, solve, nothing_moved)


@functools.cache
def matrix_algebra(activation: Averages) -> Algebra:
    """GMRES on products of matrices; a step in which it does not converge is rejected."""
    coefficients = coefficient_kernels(activation).coefficients
    by_C, respond = matrix_kernels(activation)
    solve_coupled, find_moving = (
        coupled_solver(respond, activation.variant, MATRIX_RESIDUAL),
        moving_directions(activation),
    )

    @kernel(activation.variant)
    def linearise(k: Any, w: Small, noise_variance: float, half: Array) -> None:
        by_C(k, w.C, w.a, noise_variance, w.A, w.G)
        symmetric_eigen(w.A, w.L, w.V)
        find_moving(w.L, w.V, w.moving)
        turn_large_coefficients(w.A, w.G, w.moving, half)

    @kernel(activation.variant)
    def decompose(k: Any, w: Small, g: float) -> bool:
        return True

    @kernel(activation.variant)
    def solve(k: Any, w: Small, stage: int, noise_variance: float, sums: Array, dA: Array, dG: Array) -> None:
        nothing = zeros(w.T, w.T.shape)
        if not solve_coupled(k, sums, w.rows, w.moving, w.overlap, nothing, w.moments):
            for b in range(sums.size):
                sums[b] = np.nan
        for b in range(sums.size):
            w.dC[stage, b] = sums[b]
        respond(k, sums, w.moving, w.overlap, nothing, dA, dG)

    turns_ = turn_large_covariance, coefficients, turn_large_coefficients
    return Algebra(matrix_space, *turns_, linearise, decompose, solve, nothing_moved)
