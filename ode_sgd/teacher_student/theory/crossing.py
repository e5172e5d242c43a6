"""Where a function that rises passes through zero: critical learning rates, and rates of decay below a pole."""

from collections.abc import Callable

from scipy.optimize import brentq

from ode_sgd.core import check

NEAREST = 1e-15  # of a pole: a root that is nearer is the pole


def first_crossing(excess: Callable[[float], float], first: float) -> float:
    """The root, looked for by doubling from a first guess > 0; infinite where there is none."""
    low = high = first
    while excess(low) >= 0.0:
        low *= 0.5
    while excess(high) < 0.0:
        high *= 2.0
        if high > check.LARGEST:
            return float("inf")
    return low if low == high else float(brentq(excess, low, high, xtol=1e-300, rtol=1e-14))


def crossing_below(excess: Callable[[float], float], pole: float) -> float:
    """The root, of either sign, of a function that rises to infinity at a pole > 0; the pole where it is too near."""
    low, high = 0.0, pole * (1.0 - NEAREST)
    if excess(high) <= 0.0:
        return pole
    while excess(low) > 0.0:
        low, high = (2.0 * low if low else -pole), low
    return float(brentq(excess, low, high, xtol=1e-15 * pole, rtol=1e-14))
