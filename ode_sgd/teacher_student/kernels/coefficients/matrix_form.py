"""Large networks whose coefficients are products of small matrices: O((K + M)^3), and no average taken one by one.

An activation supplies `matrix_terms`, `matrix_coefficients` and `matrix_response` (averages/__init__.py). The response
to a change of C is computed anew for every vector that GMRES asks for (coupled_system.py), so nothing of p x p numbers
is ever held: networks of hundreds of units fit.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import FIELDS_FROM
from ode_sgd.teacher_student.kernels.coefficients.coupled_system import PRODUCTS
from ode_sgd.teacher_student.kernels.coefficients.large_networks import turn_large_coefficients
from ode_sgd.teacher_student.kernels.sectors.eigenbasis import turn_large_covariance
from ode_sgd.teacher_student.kernels.sectors.layout import row_count

# Of the right-hand side, what GMRES may leave. At 1e-6 steps and errors are still those of 1e-10 down to rtol = 1e-8;
# at 1e-4 there are five times as many steps at that tolerance.
MATRIX_RESIDUAL = 1e-7


class MatrixCoupling(NamedTuple):
    """Work space."""

    a: Array  # (d,)
    C: Array  # (d, d), at the start of a step
    S: Array  # (d, K), its C D_a C
    terms: Array  # (3,): X, tr(D_a S), noise variance
    H: Array  # (d, K), scratch
    W: Array  # (2, K, K), scratch
    changes: Array  # (d, d), dC
    dA: Array  # (K, d)
    dG: Array  # (K, K)
    half: Array  # (K, d)
    basis: Array  # (PRODUCTS + 1, p)
    triangle: Array  # (PRODUCTS + 1, PRODUCTS)
    rotations: Array  # (3, PRODUCTS + 1): cosines, sines, right-hand side
    scale: Array  # (2,): of r, of q


class MatrixKernels(NamedTuple):
    """The compiled functions of one activation."""

    linearise: Callable[..., None]  # (k, C, a, noise_variance, A, G): A and G, and what `responses` needs
    responses: Callable[..., None]  # (k, x, V, index, nothing, dA, dG): turned, for the turned dC = x


def has_matrix_form(activation: Averages, K: int, M: int) -> bool:
    """Whether a network takes this way."""
    return K + M >= FIELDS_FROM and activation.has_matrix_form


def matrix_space(K: int, M: int) -> MatrixCoupling:
    """Work space."""
    d, p = K + M, row_count(K, M)
    return MatrixCoupling(
        a=np.zeros(d),
        C=np.zeros((d, d)),
        S=np.zeros((d, K)),
        terms=np.zeros(3),
        H=np.zeros((d, K)),
        W=np.zeros((2, K, K)),
        changes=np.zeros((d, d)),
        dA=np.zeros((K, d)),
        dG=np.zeros((K, K)),
        half=np.zeros((K, d)),
        basis=np.zeros((PRODUCTS + 1, p)),
        triangle=np.zeros((PRODUCTS + 1, PRODUCTS)),
        rotations=np.zeros((3, PRODUCTS + 1)),
        scale=np.zeros(2),
    )


@functools.cache
def matrix_kernels(activation: Averages) -> MatrixKernels:
    """Build (or load from disk) them."""
    averages: Any = activation.functions
    whole, response = averages.matrix_coefficients, averages.matrix_response

    @kernel(activation.variant)
    def linearise(k: Any, C: Array, a: Array, noise_variance: float, A: Array, G: Array) -> None:
        for c in range(a.size):
            k.a[c] = a[c]
            for e in range(a.size):
                k.C[c, e] = C[c, e]
        k.terms[0], k.terms[1] = whole(C, a, noise_variance, k.S, k.W[0], A, G)
        k.terms[2] = noise_variance

    @kernel(activation.variant)
    def responses(k: Any, x: Array, V: Array, index: Indices, nothing: Array, dA: Array, dG: Array) -> None:
        """dA and dG, turned, for the turned dC = x (p,); nothing (M, M) is 0. Equation: (5.1)."""
        turn_large_covariance(x, V, index, nothing, k.changes)
        response(k.C, k.a, k.terms[2], (k.terms[0], k.terms[1]), k.S, k.changes, k.H, k.W, dA, dG)
        turn_large_coefficients(dA, dG, V, k.half)

    return MatrixKernels(linearise, responses)
