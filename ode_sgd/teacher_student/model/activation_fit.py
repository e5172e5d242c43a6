"""A user's function as a sum of error functions: least squares of g and g', and what that leaves of errors in averages.

    g(x) = sum_m c_m erf(s_m x / sqrt 2),    c_m > 0

Odd functions that rise and level off smoothly are such sums to many digits, and the error falls geometrically in the
number of terms. Functions with kinks, or that grow, are not: the fit shows it, and they are refused.
"""

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.kernels.coefficients.mixtures import Level, Terms

REACH, POINTS = 12.0, 300  # fitted on as many points of [0, REACH]
FEWEST, MOST = 5, 8  # terms; the first are taken where they are good enough
STARTS = ((0.1, 2.5), (0.3, 2.5), (0.5, 4.0))  # first and last scale of a geometric sequence
LOGARITHM, EVALUATIONS = 14.0, 500  # the largest of s, and a bound for the search
WORST = 1e-4  # error of averages beyond which a fit is no activation
GOOD = 1e-6  # at most for the fewest terms to be taken, at rtol = 1e-6
VARIANCES, CORRELATION = (0.5, 1.0, 2.0), 0.6  # of fields whose averages are compared
STEP, WIDTH = 0.1, 7.0  # of the trapezoidal rule, whose error is far below GOOD for smooth functions
ODD = 1e-9  # of values


def levels_of(module: ModuleType) -> tuple[tuple[Level, ...], str]:
    """Sums for the functions value and slope of a module, and why there are none, in words."""
    value, slope = (_python(getattr(module, name)) for name in ("value", "slope"))
    x = np.linspace(0.0, REACH, POINTS)
    g, dg = (_each(function, x) for function in (value, slope))
    mirrored = _each(value, -x)
    odd = np.abs(g + mirrored).max()
    if not odd <= ODD * np.abs(g).max():
        at = float(x[np.abs(g + mirrored).argmax()])
        return (), f"value(-x) = -value(x) is needed, but they differ by {odd:.3g} at x = {at:.3g}"
    found = []
    for count, rtol in ((FEWEST, GOOD), (MOST, 0.0)):
        terms = _rounded(*fit(x, g, dg, count))
        accuracy = _accuracy(value, slope, terms)
        if count == MOST or accuracy <= rtol:
            found.append(Level(rtol, accuracy, terms))
    if not found[-1].accuracy <= WORST:
        return (), (
            f"{MOST} error functions leave an error of {found[-1].accuracy:.2g} in its averages, more than "
            f"{WORST:g}: it has a kink, grows, or is not monotonic"
        )
    return tuple(found), ""


def _python(function: Any) -> Callable[[float], float]:
    found: Callable[[float], float] = getattr(function, "py_func", function)
    return found


def _each(function: Callable[[float], float], x: Array) -> Array:
    return np.array([function(float(entry)) for entry in x])


def _rounded(c: Array, s: Array) -> Terms:
    """To digits that do not depend on the machine."""
    return Terms(tuple(float(f"{entry:.10g}") for entry in c), tuple(float(f"{entry:.10g}") for entry in s))


def fit(x: Array, g: Array, dg: Array, count: int) -> tuple[Array, Array]:
    """c and s of at most so many terms, in ascending order of s: the best of several starts.

    For given s the c are linear least squares, so the search is for s alone (variable projection); at its end c are
    those that are not negative.
    """
    from scipy.optimize import least_squares, nnls
    from scipy.special import erf

    goal = np.concatenate([g, dg])

    def matrix(logarithms: Array) -> Array:
        s = np.exp(np.clip(logarithms, -LOGARITHM, LOGARITHM))
        z = np.outer(x, s)
        return np.concatenate([erf(z / np.sqrt(2.0)), np.sqrt(2.0 / np.pi) * np.exp(-0.5 * z * z) * s])

    def residuals(logarithms: Array) -> Array:
        columns = matrix(logarithms)
        left: Array = columns @ np.linalg.lstsq(columns, goal, rcond=1e-13)[0] - goal
        return left

    best: tuple[float, Array, Array] | None = None
    for first, last in STARTS:
        start = np.log(np.geomspace(first, last, count))
        found = least_squares(residuals, start, method="lm", xtol=1e-10, ftol=1e-10, max_nfev=EVALUATIONS)
        c, cost = nnls(matrix(found.x), goal)
        if best is None or cost < best[0]:
            best = float(cost), c, np.exp(np.clip(found.x, -LOGARITHM, LOGARITHM))
    assert best is not None
    _, c, s = best
    order = np.argsort(s)
    order = order[c[order] > 0.0]
    return c[order], s[order]


def _accuracy(value: Callable[[float], float], slope: Callable[[float], float], terms: Terms) -> float:
    """The largest relative error of E[g g] and E[g' g'], over variances of the fields."""
    from scipy.special import erf

    c, s = np.array(terms.amplitudes), np.array(terms.scales)
    nodes = np.arange(-WIDTH, WIDTH + 0.5 * STEP, STEP)
    weights = np.exp(-0.5 * nodes**2) / np.exp(-0.5 * nodes**2).sum()
    rest, worst = math.sqrt(1.0 - CORRELATION**2), 0.0
    for variance in VARIANCES:
        x = math.sqrt(variance) * nodes
        y = math.sqrt(variance) * (CORRELATION * nodes[:, None] + rest * nodes)
        arguments = (np.multiply.outer(z, s) for z in (x, y))
        fitted = [(erf(z / np.sqrt(2.0)) @ c, np.exp(-0.5 * z**2) @ (np.sqrt(2.0 / np.pi) * c * s)) for z in arguments]
        for exact, of_x, of_y in zip((value, slope), *fitted, strict=True):
            true = weights @ (_each(exact, x)[:, None] * _each(exact, y.ravel()).reshape(y.shape)) @ weights
            mine = weights @ (of_x[:, None] * of_y) @ weights
            worst = max(worst, abs(float(mine / true) - 1.0))
    return worst
