"""Coefficients of activations that are sums of error functions, g(x) = sum_m c_m erf(s_m x / sqrt 2).

Students have one such g, teachers one of their own or the same. Each term of a unit z_c is a field s_m z_c with the
second-layer weight c_m a_c, and every average a sum over terms of those of erf. In G the slopes of two terms, one of
student i, one of student j, tilt the covariance of all units into

    S_ce = C_ce - C_c. P^-1 C_.e,    P = 1 + Cov of the two fields,

once for all terms of c and e, of which arcsines are left: sum_ce a_c a_e sum_mn c_m c_n asin(S_ce r_cm r_en) with
r_cm = s_m / sqrt(1 + s_m^2 S_cc).
"""

import functools
import hashlib
from collections.abc import Callable
from math import asin, pi, sqrt
from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room, zeros
from ode_sgd.teacher_student.kernels.coefficients.mixture_products import Fields, add_products, bounded, row_of

_INTEGERS = np.zeros(1, np.int64)


class Terms(NamedTuple):
    """Those of one g: c_m and s_m."""

    amplitudes: tuple[float, ...]
    scales: tuple[float, ...]


class Level(NamedTuple):
    """Terms that stand for an activation down to a tolerance."""

    rtol: float  # of integrate, down to which they do
    accuracy: float  # relative error of A, G and eps_g, for fields of variances of order one
    terms: Terms


class Mixture(NamedTuple):
    """What kernels are made from: the terms of students and teachers, and those of which derivatives are taken.

    Derivatives steer how a step converges, and not to what: fewer terms do. `student_units` is K, or 0 where students
    and teachers have the same terms.
    """

    students: Terms
    teachers: Terms
    coarse: tuple[Terms, Terms]
    student_units: int = 0

    @property
    def variant(self) -> str:
        """Tells its kernels from those of others."""
        return "mixture_" + hashlib.sha256(repr(tuple(self)).encode()).hexdigest()[:16]


@kernel()
def fields_of(a: Array, K: int, students: Array, teachers: Array) -> Fields:
    """The terms of K students, and of teachers: (2, terms) of c and s."""
    d = a.size
    F = K * students.shape[1] + (d - K) * teachers.shape[1]
    first, unit = zeros(_INTEGERS, (d + 1,)), zeros(_INTEGERS, (F,))
    scales, weights = room(a, (F,)), room(a, (F,))
    at = 0
    for c in range(d):
        count = students.shape[1] if c < K else teachers.shape[1]
        for m in range(count):
            unit[at] = c
            weights[at] = a[c] * (students[0, m] if c < K else teachers[0, m])
            scales[at] = students[1, m] if c < K else teachers[1, m]
            at += 1
        first[c + 1] = at
    return Fields(first, unit, scales, weights)


# A, and what label noise adds to G.


@kernel()
def averages_of_slopes(C: Array, f: Fields, noise_variance: float, A: Array, G: Array) -> None:
    """Fills A, and G with its part of label noise. Equations: (3.3), (3.4) and (16.2)."""
    K, d = A.shape
    for i in range(K):
        for c in range(d):
            A[i, c] = 0.0
        for j in range(K):
            G[i, j] = 0.0
    for i in range(K):
        for m in range(f.first[i], f.first[i + 1]):
            s = f.scales[m]
            ii = 1.0 + s * s * C[i, i]
            for n in range(f.unit.size):
                c, r = f.unit[n], f.scales[n]
                ic = s * r * C[i, c]
                average = 2.0 / pi * f.weights[m] * f.weights[n] / sqrt(ii * (1.0 + r * r * C[c, c]) - ic * ic)
                A[i, c] += average * s * r
                A[i, i] -= average * s * s * ic / ii
                if c < K:
                    G[i, c] += noise_variance * average * s * r


@kernel()
def gradients_of_slopes(C: Array, f: Fields, noise_variance: float, index: Indices, JA: Array, JG: Array) -> None:
    """Adds the derivatives of `averages_of_slopes`. Equations: (5.1) and (16.2)."""
    d, students = index.shape[0], JA.shape[0] // index.shape[0]
    for i in range(students):
        for m in range(f.first[i], f.first[i + 1]):
            s = f.scales[m]
            ii = 1.0 + s * s * C[i, i]
            for n in range(f.unit.size):
                c, r = f.unit[n], f.scales[n]
                cc, ic = 1.0 + r * r * C[c, c], s * r * C[i, c]
                S = ii * cc - ic * ic
                average = 2.0 / pi * f.weights[m] * f.weights[n] / sqrt(S)
                by_ii, by_ic, by_cc = -0.5 * s * s * cc / S, s * r * ic / S, -0.5 * r * r * ii / S
                slopes = average * s * r
                rows = JA[i * d + c]
                rows[index[i, i]] += slopes * by_ii
                rows[index[i, c]] += slopes * by_ic
                rows[index[c, c]] += slopes * by_cc
                curved = -average * s * s / ii
                rows = JA[i * d + i]
                rows[index[i, i]] += curved * ic * (by_ii - s * s / ii)
                rows[index[i, c]] += curved * (s * r + ic * by_ic)
                rows[index[c, c]] += curved * ic * by_cc
                if i <= c < students:
                    rows = JG[row_of(i, c, students)]
                    rows[index[i, i]] += noise_variance * slopes * by_ii
                    rows[index[i, c]] += noise_variance * slopes * by_ic
                    rows[index[c, c]] += noise_variance * slopes * by_cc


@kernel()
def mixture_coefficients(
    C: Array, a: Array, noise_variance: float, students: Array, teachers: Array, nothing: Indices, A: Array, G: Array
) -> None:
    """Fills A and G; `nothing` (1, 1) stands for what is not asked for. Equations: (3.3) and (3.4)."""
    f = fields_of(a, A.shape[0], students, teachers)
    averages_of_slopes(C, f, noise_variance, A, G)
    add_products(C, f, G, nothing, A, False)


@kernel()
def mixture_derivatives(
    C: Array,
    a: Array,
    noise_variance: float,
    students: Array,
    teachers: Array,
    index: Indices,
    A: Array,
    G: Array,
    JA: Array,
    JG: Array,
) -> None:
    """A and G, and their derivatives. Equations: (3.3), (3.4) and (5.1)."""
    for row in range(JA.shape[0] + JG.shape[0]):
        rows = JA[row] if row < JA.shape[0] else JG[row - JA.shape[0]]
        for b in range(rows.size):
            rows[b] = 0.0
    f = fields_of(a, A.shape[0], students, teachers)
    averages_of_slopes(C, f, noise_variance, A, G)
    gradients_of_slopes(C, f, noise_variance, index, JA, JG)
    add_products(C, f, G, index, JG, True)


@kernel()
def mixture_error(C: Array, a: Array, K: int, students: Array, teachers: Array, absolute: bool) -> float:
    """eps_g, or the sum of the moduli of its terms. Equations: (3.5), (5.5) and (16.2)."""
    f, total = fields_of(a, K, students, teachers), 0.0
    for c in range(a.size):
        for e in range(a.size):
            term = 0.0
            for m in range(f.first[c], f.first[c + 1]):
                s = f.scales[m]
                for n in range(f.first[e], f.first[e + 1]):
                    r = f.scales[n]
                    ratio = s * r * C[c, e] / sqrt((1.0 + s * s * C[c, c]) * (1.0 + r * r * C[e, e]))
                    term += f.weights[m] * f.weights[n] / pi * asin(bounded(ratio))
            total += abs(term) if absolute else term
    return total


def _array(terms: Terms) -> Array:
    return np.array([terms.amplitudes, terms.scales])


@functools.cache
def mixture_functions(mixture: Mixture) -> tuple[Callable[..., None], Callable[..., float], Callable[..., float]]:
    """Kernels (C, a, noise_variance, A, G), (C, a) -> eps_g and (C, a) -> its terms, as coefficients.py has them."""
    students, teachers = _array(mixture.students), _array(mixture.teachers)
    nothing, K = np.zeros((1, 1), np.int64), mixture.student_units

    @kernel(mixture.variant)
    def coefficients(C: Array, a: Array, noise_variance: float, A: Array, G: Array) -> None:
        mixture_coefficients(C, a, noise_variance, students, teachers, nothing, A, G)

    @kernel(mixture.variant)
    def generalization_error(C: Array, a: Array) -> float:
        return mixture_error(C, a, K, students, teachers, False)

    @kernel(mixture.variant)
    def error_terms(C: Array, a: Array) -> float:
        return mixture_error(C, a, K, students, teachers, True)

    return coefficients, generalization_error, error_terms


@functools.cache
def mixture_linearised(mixture: Mixture) -> Callable[..., None]:
    """Kernel (C, a, noise_variance, index, A, G, JA, JG) as in linearised.py."""
    students, teachers = (_array(terms) for terms in mixture.coarse)
    same = mixture.coarse == (mixture.students, mixture.teachers)
    coefficients = mixture_functions(mixture)[0]

    @kernel(mixture.variant)
    def linearise(
        C: Array, a: Array, noise_variance: float, index: Indices, A: Array, G: Array, JA: Array, JG: Array
    ) -> None:
        mixture_derivatives(C, a, noise_variance, students, teachers, index, A, G, JA, JG)
        if not same:
            coefficients(C, a, noise_variance, A, G)

    return linearise
