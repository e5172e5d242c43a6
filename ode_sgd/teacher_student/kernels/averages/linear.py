"""g(x) = x. Averages: docs/theory/model.md section 4."""

from math import pi, sqrt

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.coefficients.difference_fields import Fields
from ode_sgd.teacher_student.kernels.coefficients.mixtures import Level, Terms
from ode_sgd.teacher_student.kernels.coefficients.pair_fields import Pairs

IN_LANES = True
CONSTANT_SLOPE = True
IDENTITY = True
# c erf(s x / sqrt 2) = x to rounding, and so are all averages: none of them cancels.
MIXTURES = (Level(0.0, 0.0, Terms((sqrt(0.5 * pi) * 1e8,), (1e-8,))),)


@kernel(inline=True)
def value(x: float) -> float:
    return x


@kernel(inline=True)
def slope(x: float) -> float:
    return 1.0


@kernel(inline=True)
def value_and_slope(x: float) -> tuple[float, float]:
    return x, 1.0


@kernel(inline=True)
def gg(C: Array, a: int, b: int) -> float:
    """E[g(a) g(b)]. Equation: (4.6)."""
    return C[a, b]


@kernel(inline=True)
def dgdg(C: Array, a: int, b: int) -> float:
    """E[g'(a) g'(b)]. Equation: (4.6)."""
    return 1.0


@kernel(inline=True)
def d2gg(C: Array, a: int, b: int) -> float:
    """E[g''(a) g(b)]. Equation: (4.6)."""
    return 0.0


@kernel(inline=True)
def dgdggg(C: Array, a: int, b: int, c: int, e: int) -> float:
    """E[g'(a) g'(b) g(c) g(e)]. Equation: (4.6)."""
    return C[c, e]


@kernel(inline=True)
def dgdg_gradient(C: Array, a: int, b: int) -> tuple[float, float, float, float]:
    """`dgdg` and its derivatives. Equation: (4.6)."""
    return 1.0, 0.0, 0.0, 0.0


@kernel(inline=True)
def d2gg_gradient(C: Array, a: int, b: int) -> tuple[float, float, float, float]:
    """`d2gg` and its derivatives. Equation: (4.6)."""
    return 0.0, 0.0, 0.0, 0.0


@kernel(inline=True)
def dgdggg_gradient(
    C: Array, a: int, b: int, c: int, e: int
) -> tuple[float, float, float, float, float, float, float, float, float, float, float]:
    """`dgdggg` and its derivatives. Equation: (4.6)."""
    return C[c, e], 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0


@kernel(sums=True)
def pair_sum(f: Pairs, i: int, j: int) -> float:
    """sum_ce a_c a_e E[g'(x_i) g'(x_j) g(z_c) g(z_e)]. Equations: (3.4) and (4.6)."""
    total = 0.0
    for b in range(f.weights.size):
        total += f.weights[b] * f.overlaps[b]
    return total


@kernel(sums=True)
def pair_gradient(f: Pairs, i: int, j: int, gradient: Array) -> float:
    """`pair_sum` and its derivatives. Equations: (3.4) and (4.6)."""
    total = 0.0
    for b in range(f.weights.size):
        gradient[b] = f.weights[b]
        total += f.weights[b] * f.overlaps[b]
    return total


@kernel(inline=True)
def difference_gg(f: Fields, c: int, e: int) -> float:
    return f.delta[c, e]


@kernel(inline=True)
def difference_dgdggg(f: Fields, i: int, j: int, c: int, e: int) -> float:
    return f.delta[c, e]


@kernel(inline=True)
def difference_slopes(f: Fields, i: int, e: int) -> tuple[float, float]:
    return 0.0, 0.0


@kernel(inline=True)
def difference_slopes_gradient(f: Fields, i: int, e: int) -> tuple[float, float, float]:
    return 0.0, 0.0, 0.0


@kernel(inline=True)
def difference_dgdggg_gradient(
    f: Fields, i: int, j: int, c: int, e: int
) -> tuple[float, float, float, float, float, float, float, float, float]:
    return 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
