"""g(x) = max(x, x / 100). Averages: docs/theory/activations.md section 15."""

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.coefficients import piecewise_coefficients, piecewise_linear, piecewise_linearised

KINK = True
LEAK = 0.01
M, H = 0.5 * (1.0 + LEAK), 0.5 * (1.0 - LEAK)  # g(x) = M x + H |x|


@kernel("leaky_relu", inline=True)
def value(x: float) -> float:
    return x if x > 0.0 else LEAK * x


@kernel("leaky_relu", inline=True)
def slope(x: float) -> float:
    return 1.0 if x > 0.0 else LEAK


@kernel("leaky_relu", inline=True, always=True)
def value_and_slope(x: float) -> tuple[float, float]:
    """g and g' without branches, so that loops over lanes vectorise."""
    step = 1.0 if x > 0.0 else LEAK
    return step * x, step


@kernel("leaky_relu", inline=True)
def gg(C: Array, a: int, b: int) -> float:
    """E[g(a) g(b)]. Equation: (15.6)."""
    return piecewise_linear.gg(M, H, C, a, b)


@kernel("leaky_relu", inline=True)
def dgdg(C: Array, a: int, b: int) -> float:
    """E[g'(a) g'(b)]. Equation: (15.6)."""
    return piecewise_linear.dgdg(M, H, C, a, b)


@kernel("leaky_relu", inline=True)
def d2gg(C: Array, a: int, b: int) -> float:
    """E[g''(a) g(b)]. Equation: (15.6)."""
    return piecewise_linear.d2gg(M, H, C, a, b)


@kernel("leaky_relu", inline=True)
def dgdggg(C: Array, a: int, b: int, c: int, e: int) -> float:
    """E[g'(a) g'(b) g(c) g(e)]. Equation: (15.7)."""
    return piecewise_linear.dgdggg(M, H, C, a, b, c, e)


@kernel("leaky_relu", inline=True)
def dgdg_gradient(C: Array, a: int, b: int) -> tuple[float, float, float, float]:
    """`dgdg` and its derivatives. Equation: (15.6)."""
    return piecewise_linear.dgdg_gradient(M, H, C, a, b)


@kernel("leaky_relu", inline=True)
def d2gg_gradient(C: Array, a: int, b: int) -> tuple[float, float, float, float]:
    """`d2gg` and its derivatives. Equation: (15.6)."""
    return piecewise_linear.d2gg_gradient(M, H, C, a, b)


@kernel("leaky_relu", inline=True)
def dgdggg_gradient(
    C: Array, a: int, b: int, c: int, e: int
) -> tuple[float, float, float, float, float, float, float, float, float, float, float]:
    """`dgdggg` and its derivatives. Equation: (15.7)."""
    return piecewise_linear.dgdggg_gradient(M, H, C, a, b, c, e)


@kernel("leaky_relu")
def coefficients(C: Array, a: Array, noise_variance: float, A: Array, G: Array) -> None:
    """Fills A and G. Equation: (15.8)."""
    piecewise_coefficients.coefficients(M, H, C, a, noise_variance, A, G)


@kernel("leaky_relu")
def linearise(
    C: Array, a: Array, noise_variance: float, index: Indices, A: Array, G: Array, JA: Array, JG: Array
) -> None:
    """Fills A and G, and their derivatives. Equation: (15.8)."""
    piecewise_linearised.linearise(M, H, C, a, noise_variance, index, A, G, JA, JG)


@kernel("leaky_relu")
def generalization_error(C: Array, a: Array) -> float:
    """eps_g. Equation: (3.5)."""
    return piecewise_coefficients.generalization_error(M, H, C, a)


@kernel("leaky_relu")
def error_terms(C: Array, a: Array) -> float:
    """The sum of the moduli of the terms of eps_g. Equation: (5.5)."""
    return piecewise_coefficients.error_terms(M, H, C, a)


@kernel("leaky_relu")
def overlap_rounding(C: Array, K: int) -> float:
    """What rounding near a kink leaves of C in a step. Equation: (15.9)."""
    return piecewise_coefficients.overlap_rounding(C, K)
