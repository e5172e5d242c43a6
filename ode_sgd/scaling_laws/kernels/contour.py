"""The self-consistent ridge off the real axis, along a contour that surrounds a spectrum.

kt(z) solves z = kt (1 - df1(kt) / N)(1 - df1(kt) / P) with Im kt of the sign of Im z. Far from the spectrum kt is z,
and from node to node Newton's method follows the solution inward. Source: docs/theory/scaling_laws.md sections 11.3 and
12.3.
"""

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel

Complex = NDArray[np.complex128]

NEWTON, CLOSE = 40, 1e-9  # steps; a step this short in proportion leaves its square
NONE = complex(0.0, 0.0)  # in place of a solution
DAMPED = 20000  # steps of the damped fixed point, where Newton's method leaves the half-plane


@kernel(sums=True)
def resolvents(eigenvalues: Array, weights: Array, kt: complex) -> tuple[complex, complex]:
    """sum weight / (lambda + kt), and sum weight / (lambda + kt)^2."""
    one_real, one_imag, two_real, two_imag = 0.0, 0.0, 0.0, 0.0
    b = kt.imag
    for i in range(eigenvalues.size):
        a = eigenvalues[i] + kt.real
        inverse = 1.0 / (a * a + b * b)
        share = weights[i] * inverse
        one_real += share * a
        one_imag -= share * b
        two_real += share * inverse * (a * a - b * b)
        two_imag -= share * inverse * (2.0 * a * b)
    return complex(one_real, one_imag), complex(two_real, two_imag)


@kernel()
def _newton(eigenvalues: Array, weights: Array, z: complex, u: float, v: float, start: complex) -> complex:
    """kt from a nearby one, by Newton's method in 1 / kt, which is nearly linear far out; 0 where that fails."""
    kt = start
    for _ in range(NEWTON):
        df1, fall = resolvents(eigenvalues, weights, kt)
        a, b = 1.0 - u * df1, 1.0 - v * df1
        change = (a * b - z / kt) / (fall * kt * kt * (u * b + v * a) + z)
        kt = 1.0 / (1.0 / kt + change)
        if not (np.isfinite(kt.real) and np.isfinite(kt.imag)):
            break
        if abs(change * kt) < CLOSE:
            return kt if kt.imag * z.imag > 0.0 else NONE
    return NONE


@kernel()
def _damped(eigenvalues: Array, weights: Array, z: complex, u: float, v: float, start: complex) -> complex:
    """kt as the fixed point of z + kt (1 - (1 - df1 / N)(1 - df1 / P)), averaged over steps; 0 where that fails.

    With one factor 1 / kt is a Stieltjes transform, which this map takes into such. That of z / ((..)(..)) is not: it
    has other fixed points in the same half-plane, and runs into them.
    """
    kt = start
    for _ in range(DAMPED):
        df1, _fall = resolvents(eigenvalues, weights, kt)
        new = z + kt * df1 * (u + v - u * v * df1)
        if abs(new - kt) < 1e-13 * abs(kt):
            return kt if kt.imag * z.imag > 0.0 else NONE
        kt = 0.5 * (kt + new)
    return NONE


@kernel()
def follow(eigenvalues: Array, weights: Array, zeta: Complex, u: float, v: float, first: complex, out: Complex) -> int:
    """kt(-zeta) at every node of a contour in the upper half-plane, beginning near `first`; how many failed.

    weights: mult lambda, of which df1 = sum weight / (lambda + kt) is made. u = 1 / N and v = 1 / P.
    """
    failed = 0
    kt = first
    for i in range(zeta.size):
        z = -zeta[i]
        found = _newton(eigenvalues, weights, z, u, v, kt)
        if found == NONE:
            found = _damped(eigenvalues, weights, z, u, v, z)
        if found == NONE:
            failed += 1
        else:
            kt = found
        out[i] = found
    return failed


@kernel()
def sums_along(eigenvalues: Array, weights: Array, kt: Complex, once: Complex, twice: Complex) -> None:
    """`resolvents` at every node."""
    for i in range(kt.size):
        once[i], twice[i] = resolvents(eigenvalues, weights, kt[i])
