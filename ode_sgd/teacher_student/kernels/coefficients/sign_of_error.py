"""The coefficients of sign-SGD, for activations that rise everywhere: sign(delta_i) = sign(v_i) sign(Delta).

    As_ic = E[d sign(delta_i) / d z_c] = 2 sign(v_i) a_c E[delta(Delta) g'(z_c)],    Gs_ij = sign(v_i) sign(v_j)

where Delta = sum_c a_c g(z_c) - sigma zeta and delta(Delta) is Dirac's. Nodes stand for the teacher's fields y, and for
all but one of the directions in which the students' fields x and the noise zeta vary about their means given y. In that
one, t, in which Delta changes most at the mean, the average is exact:

    E_t[delta(Delta) g'(z_c)] = sum over roots of phi(t) g'(z_c(t)) / |Delta'(t)|

Given y it is nearly the Gaussian average of a linear Delta once students are close to the teacher, where fixed nodes
for all of z would hardly meet Delta = 0. It holds without label noise.
"""

import functools
from collections.abc import Callable
from math import exp, pi, sqrt
from typing import Any

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import zeros
from ode_sgd.teacher_student.kernels.averages import Averages, teacher_of

REACH, SPACING = 5.0, 1.0  # of t in which roots are looked for: beyond, phi is 1.5e-6
NEWTON = 5  # steps to a root, from where a straight line has it
TINY = 1e-300


@kernel()
def lower_factor(C: Array, lower: Array) -> None:
    """C = lower lower^T, also of a matrix without an inverse: what fields share with those before leaves no column."""
    d = C.shape[0]
    for c in range(d):
        for e in range(d):
            lower[c, e] = 0.0
    for e in range(d):
        rest = C[e, e]
        for b in range(e):
            rest -= lower[e, b] ** 2
        if rest > 1e-15 * C[e, e]:
            lower[e, e] = sqrt(rest)
            for c in range(e + 1, d):
                total = C[c, e]
                for b in range(e):
                    total -= lower[c, b] * lower[e, b]
                lower[c, e] = total / lower[e, e]


@kernel(inline=True)
def sign(x: float) -> float:
    """-1, 0 or 1."""
    return 1.0 if x > 0.0 else -1.0 if x < 0.0 else 0.0


@functools.cache
def _of_straight_lines(slope: Any) -> Callable[..., None]:
    """Where g' is the same everywhere, Delta is Gaussian, and no node is looked at."""

    @kernel()
    def coefficients(C: Array, a: Array, noise_variance: float, nodes: Array, A: Array, G: Array) -> None:
        """Equation: (25.2)."""
        (K, d), rise, variance = A.shape, slope(0.0), 0.0
        for c in range(d):
            for e in range(d):
                variance += rise * rise * a[c] * C[c, e] * a[e]
        density = 1.0 / sqrt(2.0 * pi * (max(variance, 0.0) + noise_variance) + TINY)
        for i in range(K):
            for c in range(d):
                A[i, c] = 2.0 * density * rise * sign(a[i]) * a[c]
            for j in range(K):
                G[i, j] = sign(a[i]) * sign(a[j])

    return coefficients


@functools.cache
def sign_coefficients(activation: Averages) -> Callable[..., None]:
    """Kernel (C, a, noise_variance, nodes, A, G) that fills the last two; nodes (n, d + 1) are normal numbers."""
    averages: Any = activation.functions
    value, slope = averages.value, averages.slope
    taught: Any = teacher_of(averages)
    if activation.has_constant_slope and taught is averages:
        return _of_straight_lines(slope)
    taught_value, taught_slope = taught.value, taught.slope

    @kernel(activation.variant)
    def error_at(t: float, K: int, middle: Array, along: Array, a: Array, rest: float, noise: float) -> float:
        """Delta at a point of a line, on which only the students' fields and the noise change."""
        total = rest + noise * t
        for i in range(K):
            total += a[i] * value(middle[i] + t * along[i])
        return total

    @kernel(activation.variant)
    def slope_at(t: float, K: int, middle: Array, along: Array, a: Array, noise: float, slopes: Array) -> float:
        """d Delta / dt there, and the slopes g'(x_i)."""
        total = noise
        for i in range(K):
            slopes[i] = slope(middle[i] + t * along[i])
            total += a[i] * slopes[i] * along[i]
        return total

    @kernel(activation.variant)
    def root(
        low: float,
        high: float,
        below: float,
        above: float,
        K: int,
        middle: Array,
        along: Array,
        a: Array,
        rest: float,
        noise: float,
        slopes: Array,
    ) -> float:
        """Where Delta vanishes between two points at which its signs differ, by Newton's steps that stay between."""
        t = low + (high - low) * below / (below - above)
        for _ in range(NEWTON):
            error = error_at(t, K, middle, along, a, rest, noise)
            rise = slope_at(t, K, middle, along, a, noise, slopes)
            if error * below > 0.0:
                low = t
            else:
                high = t
            t = t - error / rise if rise != 0.0 else low
            if not low <= t <= high:
                t = 0.5 * (low + high)
        return t

    @kernel(activation.variant)
    def set_line(
        node: Array, lower: Array, a: Array, sigma: float, middle: Array, along: Array, direction: Array, slopes: Array
    ) -> tuple[float, float]:
        """Fields x(t) = middle + t along, all slopes at t = 0, and Delta's terms beside x: two numbers, rest + noise t.

        The line is along the `direction` (K + 1,) in which Delta changes most at the mean of x given y.
        """
        K, d = middle.size, a.size
        M, rest, square = d - K, 0.0, sigma * sigma
        for n in range(M):
            y = 0.0
            for e in range(n + 1):
                y += lower[n, e] * node[e]
            rest += a[K + n] * taught_value(y)
            slopes[K + n] = taught_slope(y)
        for i in range(K):
            middle[i] = 0.0
            for e in range(M):
                middle[i] += lower[M + i, e] * node[e]
            slopes[i] = slope(middle[i])
        direction[K] = -sigma
        for e in range(K):
            direction[e] = 0.0
            for i in range(e, K):
                direction[e] += a[i] * slopes[i] * lower[M + i, M + e]
            square += direction[e] ** 2
        size, share = sqrt(square) + TINY, 0.0
        for e in range(K + 1):
            direction[e] /= size
            share += direction[e] * node[M + e]
        for i in range(K):
            along[i] = 0.0
            for e in range(i + 1):
                along[i] += lower[M + i, M + e] * direction[e]
                middle[i] += lower[M + i, M + e] * node[M + e]
            middle[i] -= share * along[i]
        return rest - sigma * (node[d] - share * direction[K]), -sigma * direction[K]

    @kernel(activation.variant)
    def add_roots(
        middle: Array, along: Array, a: Array, rest: float, noise: float, slopes: Array, found: Array
    ) -> None:
        """Add sqrt(2 pi) E_t[delta(Delta) g'(z_c)] of a line to found (d,); slopes (d,) of x are scratch."""
        K = middle.size
        low, below = -REACH, error_at(-REACH, K, middle, along, a, rest, noise)
        while low < REACH:
            high = low + SPACING
            above = error_at(high, K, middle, along, a, rest, noise)
            if (below < 0.0) != (above < 0.0):
                t = root(low, high, below, above, K, middle, along, a, rest, noise, slopes)
                rise = slope_at(t, K, middle, along, a, noise, slopes)
                weight = exp(-0.5 * t * t) / (abs(rise) + TINY)
                for c in range(a.size):
                    found[c] += weight * slopes[c]
            low, below = high, above

    @kernel(activation.variant)
    def coefficients(C: Array, a: Array, noise_variance: float, nodes: Array, A: Array, G: Array) -> None:
        """Equations: (25.2) and (25.3)."""
        K, d = A.shape
        turned, lower = zeros(C, (d, d)), zeros(C, (d, d))
        middle, along, direction = zeros(C, (K,)), zeros(C, (K,)), zeros(C, (K + 1,))
        slopes, found = zeros(C, (d,)), zeros(C, (d,))
        for c in range(d):  # teachers first
            for e in range(d):
                turned[c, e] = C[(c + K) % d, (e + K) % d]
        lower_factor(turned, lower)
        for p in range(nodes.shape[0]):
            rest, noise = set_line(nodes[p], lower, a, sqrt(noise_variance), middle, along, direction, slopes)
            add_roots(middle, along, a, rest, noise, slopes, found)
        scale = 2.0 / (sqrt(2.0 * pi) * nodes.shape[0])
        for i in range(K):
            for c in range(d):
                A[i, c] = scale * sign(a[i]) * a[c] * found[c]
            for j in range(K):
                G[i, j] = sign(a[i]) * sign(a[j])

    return coefficients
