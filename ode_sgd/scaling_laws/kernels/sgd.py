"""One-pass SGD of a linear student, mode by mode: mean and variance of its weights over the data.

In the eigenbasis of the features' covariance a weight has the mean u_j y and the variance u_j^2 f + h, with y, f and h
functions of the eigenvalue s alone: the rows of a state (3, n). Nodes s are real, or complex on a contour. With
E = 1 - s y, x = 1 - eta (a s - c), kick = (eta a)^2 / B and rho = x^2 + kick s^2 a step is

    y <- x y + eta a,   f <- rho f + kick E^2,   h <- rho h + kick s (L + sigma^2).

y, not E, is kept, and variances of weights, not of errors: of modes with s near 0 the difference would lose all digits.

Late, when L, a and c change little over many steps, m steps are taken at once with their values in the middle: powers
of x and rho and their geometric sums. Nothing is expanded in eta.
"""

import functools
from collections.abc import Callable
from math import atan2, cos, expm1, log1p, sin, sqrt
from typing import Any, NamedTuple

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel

SMALL = 1e-5  # of |1 - rho| times steps: below it the ramp's sum is m (m - 1) / 2, to a third of that
ROUNDS = 3  # to find the values in the middle: near the bound of stability most of the loss is answered by itself
LOSS, R, GAIN, RATE = range(4)  # places of L, r, a and c in `scalars` (4,)


class Settings(NamedTuple):
    """Numbers of a run; `share` is 1 / B, 0 for an infinite batch."""

    learning_rate: float
    share: float
    gamma: float
    noise: float  # variance of the labels' noise
    floor: float
    largest_gain: float  # of a, from which the steps are unstable


class Nodes(NamedTuple):
    """Nodes and weights of the measures, (n,) each."""

    s: Any
    target: Any
    trace: Any
    initial: Any  # target / s: what each node adds to the loss before learning


@kernel(sums=True)
def observe(settings: Settings, nodes: Nodes, state: Any, scalars: Array) -> None:
    """L, r, a and c of a state into `scalars`. Equations: (12.3) and (12.12)."""
    s, target, trace, initial = nodes
    y, f, h = state[0], state[1], state[2]
    loss, length, product = settings.floor, 0.0, 0.0
    for i in range(s.size):
        missing = 1.0 - s[i] * y[i]
        variance = target[i] * f[i] + trace[i] * h[i]
        loss += (initial[i] * missing * missing + s[i] * variance).real
        length += (target[i] * y[i] * y[i] + variance).real
        product += (target[i] * y[i] * missing - s[i] * variance).real
    gamma = settings.gamma
    r = 2.0 * length / (1.0 + sqrt(max(0.0, 1.0 + 4.0 * gamma * length)))
    a = 1.0 + gamma * r
    scalars[LOSS], scalars[R], scalars[GAIN], scalars[RATE] = loss, r, a, gamma * product / a


@kernel(inline=True)
def _factors(settings: Settings, scalars: Array) -> tuple[float, float, float, float]:
    """eta a, eta c, kick and kick (L + sigma^2)."""
    rate = settings.learning_rate
    gain = rate * scalars[GAIN]
    kick = gain * gain * settings.share
    return gain, rate * scalars[RATE], kick, kick * (scalars[LOSS] + settings.noise)


@kernel()
def step(settings: Settings, nodes: Nodes, state: Any, scalars: Array) -> None:
    """One step of all nodes. Equation: (12.13)."""
    gain, drift, kick, source = _factors(settings, scalars)
    s, y, f, h = nodes.s, state[0], state[1], state[2]
    for i in range(s.size):
        missing = 1.0 - s[i] * y[i]
        x = 1.0 - (gain * s[i] - drift)
        rho = x * x + kick * s[i] * s[i]
        y[i] = x * y[i] + gain
        f[i] = rho * f[i] + kick * missing * missing
        h[i] = rho * h[i] + source * s[i]


@kernel()
def advance(settings: Settings, nodes: Nodes, steps: int, state: Any, scalars: Array) -> int:
    """Take up to `steps` steps and keep `scalars` up to date; how many were taken: fewer where a gets too large."""
    for done in range(steps):
        if scalars[GAIN] >= settings.largest_gain:
            return done
        step(settings, nodes, state, scalars)
        observe(settings, nodes, state, scalars)
    return steps


@kernel(inline=True)
def _real_powers(v: float, m: int) -> tuple[float, float]:
    """(1 - v)^m, and the sum of (1 - v)^n over n < m."""
    if v >= 1.0:
        power = (1.0 - v) ** m
        return power, (1.0 - power) / v
    change = expm1(m * log1p(-v))
    return 1.0 + change, -change / v if v != 0.0 else 1.0 * m


@kernel(inline=True)
def _complex_powers(v: complex, m: int) -> tuple[complex, complex]:
    """The same off the real axis."""
    size = m * 0.5 * log1p(v.real * (v.real - 2.0) + v.imag * v.imag)
    angle = m * atan2(-v.imag, 1.0 - v.real)
    change, half = expm1(size), sin(0.5 * angle)
    moved = complex(change * cos(angle) - 2.0 * half * half, (1.0 + change) * sin(angle))
    return 1.0 + moved, -moved / v


@functools.cache
def leaps(real: bool) -> Callable[..., None]:
    """Kernel (settings, nodes, steps, state, middle, scalars, late) that takes an even number of steps at once.

    `middle`, as the state, and `late`, as the scalars, are scratch.
    """
    powers: Any = _real_powers if real else _complex_powers
    variant = "real" if real else "complex"

    @kernel(variant)
    def many(
        settings: Settings, nodes: Nodes, steps: int, frozen: Array, first: Array, source_y: Any, begin: Any, end: Any
    ) -> None:
        """`steps` steps from `begin` to `end` with the scalars and the missing part of one time. Equation: (12.13).

        The noise of learned modes follows the loss at once: its source runs along a line, from its value in `first`
        through that in `frozen`, in the middle.
        """
        gain, drift, kick, source = _factors(settings, frozen)
        initial = _factors(settings, first)[3]
        rise = 2.0 * (source - initial) / steps
        s = nodes.s
        for i in range(s.size):
            missing = 1.0 - s[i] * source_y[i]
            w = gain * s[i] - drift
            v = w * (2.0 - w) - kick * s[i] * s[i]
            mean, mean_sum = powers(w, steps)
            spread, spread_sum = powers(v, steps)
            ramp = (steps - spread_sum) / v if abs(v) * steps > SMALL else 0.5 * steps * (steps - 1.0) + 0.0 * v
            end[0, i] = mean * begin[0, i] + gain * mean_sum
            end[1, i] = spread * begin[1, i] + kick * missing * missing * spread_sum
            end[2, i] = spread * begin[2, i] + s[i] * (initial * spread_sum + rise * ramp)

    @kernel(variant)
    def leap(
        settings: Settings, nodes: Nodes, steps: int, state: Any, middle: Any, scalars: Array, late: Array
    ) -> None:
        late[:] = scalars
        for _ in range(ROUNDS):
            for i in range(late.size):
                late[i] = 0.5 * (scalars[i] + late[i])
            many(settings, nodes, steps // 2, late, scalars, state[0], state, middle)
            observe(settings, nodes, middle, late)
        many(settings, nodes, steps, late, scalars, middle[0], state, state)
        observe(settings, nodes, state, scalars)

    return leap
