"""The common coefficients of all sectors, from the covariance C (d, d) of the fields z = (x_1..x_K, y_1..y_M).

    A_ic = v_i a_c E[g'(x_i) g'(z_c)] + [c = i] v_i sum_e a_e E[g''(x_i) g(z_e)]                       (K, d)
    G_ij = v_i v_j { sum_ce a_c a_e E[g'(x_i) g'(x_j) g(z_c) g(z_e)] + sigma^2 E[g'(x_i) g'(x_j)] }     (K, K)
    eps_g = (1/2) sum_ce a_c a_e E[g(z_c) g(z_e)]

a = (v, -u) are the signed second-layer weights, so v_i = a_i for i < K.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.mixtures import mixture_functions


class CoefficientKernels(NamedTuple):
    """The compiled functions of one activation."""

    coefficients: Callable[..., None]  # (C, a, noise_variance, A, G) -> fills A and G
    generalization_error: Callable[..., float]  # (C, a) -> eps_g, as it comes out of the sum
    error_terms: Callable[..., float]  # (C, a) -> sum of the absolute terms of eps_g, the scale of its rounding
    generalization_errors: Callable[..., None]  # (C (n, d, d), a, errors (n,), terms (n,)) -> fills both
    overlap_rounding: Callable[..., float]  # (C, K) -> what rounding of A leaves of C in a step, beyond that of C


ANY = (0, 0)
FIELDS_FROM = 16  # K + M from which ways for large networks pay


@kernel()
def no_overlap_rounding(C: Array, K: int) -> float:
    """Of averages that are smooth in C."""
    return 0.0


@functools.cache
def coefficient_kernels(activation: Averages, shape: tuple[int, int] = ANY) -> CoefficientKernels:
    """Build (or load from disk) the coefficient kernels of one activation; a shape (K, K + M) unrolls their loops."""
    if activation.mixture is not None:
        return _with_curves(*mixture_functions(activation.mixture), activation.mixture.variant)
    if activation.has_whole_coefficients:
        return _whole(activation)
    averages: Any = activation.functions
    gg, dgdg, d2gg, dgdggg = averages.gg, averages.dgdg, averages.d2gg, averages.dgdggg

    variant = activation.variant if shape == ANY else f"{activation.variant}-{shape[0]}of{shape[1]}"
    fixed = shape != ANY

    @kernel(variant)
    def coefficients(C: Array, a: Array, noise_variance: float, A: Array, G: Array) -> None:
        """Fills A (K, d) and G (K, K). Equations: (3.3) and (3.4)."""
        K, d = shape if fixed else A.shape
        for i in range(K):
            curvature = 0.0
            for e in range(d):
                curvature += a[e] * d2gg(C, i, e)
            for c in range(d):
                A[i, c] = a[i] * a[c] * dgdg(C, i, c)
            A[i, i] += a[i] * curvature
            for j in range(i + 1):
                total = noise_variance * dgdg(C, i, j)
                for c in range(d):
                    total += a[c] * a[c] * dgdggg(C, i, j, c, c)
                    for e in range(c):
                        total += 2.0 * a[c] * a[e] * dgdggg(C, i, j, c, e)
                G[i, j] = G[j, i] = a[i] * a[j] * total

    if activation.has_matrix_form and not fixed:
        coefficients = by_matrices(activation, coefficients)

    @kernel(variant)
    def generalization_error(C: Array, a: Array) -> float:
        """eps_g. Equation: (3.5)."""
        total = 0.0
        for c in range(a.size):
            for e in range(a.size):
                total += 0.5 * a[c] * a[e] * gg(C, c, e)
        return total

    @kernel(variant)
    def error_terms(C: Array, a: Array) -> float:
        """The sum of the moduli of the terms of eps_g. Equation: (5.5)."""
        total = 0.0
        for c in range(a.size):
            for e in range(a.size):
                total += abs(0.5 * a[c] * a[e] * gg(C, c, e))
        return total

    return _with_curves(coefficients, generalization_error, error_terms, variant)


def _with_curves(
    coefficients: Callable[..., None],
    generalization_error: Callable[..., float],
    error_terms: Callable[..., float],
    variant: str,
) -> CoefficientKernels:
    """Those of one C, and the error of many."""

    @kernel(variant)
    def generalization_errors(C: Array, a: Array, errors: Array, terms: Array) -> None:
        for n in range(errors.size):
            errors[n] = generalization_error(C[n], a)
            terms[n] = error_terms(C[n], a)

    return CoefficientKernels(
        coefficients, generalization_error, error_terms, generalization_errors, no_overlap_rounding
    )


def by_matrices(activation: Averages, one_by_one: Callable[..., None]) -> Callable[..., None]:
    """`coefficients` that takes the way of matrix_form.py for large networks."""
    whole: Any = activation.functions.matrix_coefficients

    @kernel(activation.variant)
    def coefficients(C: Array, a: Array, noise_variance: float, A: Array, G: Array) -> None:
        """Fills A (K, d) and G (K, K). Equations: (3.3) and (3.4)."""
        K, d = A.shape
        if d >= FIELDS_FROM:
            whole(C, a, noise_variance, room(C, (d, K)), room(C, (K, K)), A, G)
        else:
            one_by_one(C, a, noise_variance, A, G)

    return coefficients


def _whole(activation: Averages) -> CoefficientKernels:
    """Those that the activation brings along."""
    averages: Any = activation.functions
    generalization_error, error_terms = averages.generalization_error, averages.error_terms

    @kernel(f"{activation.variant}-whole")
    def generalization_errors(C: Array, a: Array, errors: Array, terms: Array) -> None:
        for n in range(errors.size):
            errors[n] = generalization_error(C[n], a)
            terms[n] = error_terms(C[n], a)

    return CoefficientKernels(
        averages.coefficients, generalization_error, error_terms, generalization_errors, averages.overlap_rounding
    )
