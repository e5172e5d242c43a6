"""The four Gaussian averages as scalar functions: from their closed forms, or by direct integration."""

from collections.abc import Callable
from math import asin, pi, sqrt
from typing import NamedTuple

from tests.reference import gaussian
from tests.reference.activations import ACTIVATIONS


class Averages(NamedTuple):
    """E[g g], E[g' g'], E[g'' g] as functions of (C, a, b), and E[g' g' g g] of (C, a, b, c, e)."""

    gg: Callable
    dgdg: Callable
    d2gg: Callable
    dgdggg: Callable


def direct(activation, nodes=None):
    """By numerical integration of the activation itself."""
    g = ACTIVATIONS[activation]
    return Averages(
        lambda C, a, b: gaussian.gg(g, C, a, b, nodes),
        lambda C, a, b: gaussian.dgdg(g, C, a, b, nodes),
        lambda C, a, b: gaussian.d2gg(g, C, a, b, nodes),
        lambda C, a, b, c, e: gaussian.dgdggg(g, C, a, b, c, e, nodes),
    )


def _determinant(C, a, b):
    return (1 + C[a, a]) * (1 + C[b, b]) - C[a, b] ** 2


def _erf_four(C, a, b, c, e):
    def reduced(m, n, one):
        return (
            _determinant(C, a, b) * (one + C[m, n])
            - C[a, m] * C[a, n] * (1 + C[b, b])
            - C[b, m] * C[b, n] * (1 + C[a, a])
            + C[a, b] * (C[a, m] * C[b, n] + C[a, n] * C[b, m])
        )

    ratio = reduced(c, e, 0) / sqrt(reduced(c, c, 1) * reduced(e, e, 1))
    return 4 / pi**2 / sqrt(_determinant(C, a, b)) * asin(max(-1.0, min(1.0, ratio)))


def _isserlis(C, fields):
    """E[product of the fields]: the first with each of the others, times what is left."""
    if not fields:
        return 1.0
    first, *rest = fields
    return sum(C[first, one] * _isserlis(C, rest[:n] + rest[n + 1 :]) for n, one in enumerate(rest))


CLOSED = {
    "erf": Averages(
        lambda C, a, b: 2 / pi * asin(C[a, b] / sqrt((1 + C[a, a]) * (1 + C[b, b]))),
        lambda C, a, b: 2 / pi / sqrt(_determinant(C, a, b)),
        lambda C, a, b: -2 / pi * C[a, b] / ((1 + C[a, a]) * sqrt(_determinant(C, a, b))),
        _erf_four,
    ),
    "linear": Averages(
        lambda C, a, b: C[a, b],
        lambda C, a, b: 1.0,
        lambda C, a, b: 0.0,
        lambda C, a, b, c, e: C[c, e],
    ),
    "quadratic": Averages(
        lambda C, a, b: _isserlis(C, [a, a, b, b]),
        lambda C, a, b: 4 * C[a, b],
        lambda C, a, b: 2 * C[b, b],
        lambda C, a, b, c, e: 4 * _isserlis(C, [a, b, c, c, e, e]),
    ),
}
