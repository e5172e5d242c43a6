"""Eigenvalues and eigenvectors of D - z z^T, a diagonal matrix less one of rank one, to full relative precision.

With D = diag(d), d increasing, the eigenvalues g_j solve the secular equation

    f(g) = 1 - sum_k z_k^2 / (d_k - g) = 0,

one below d_0 and one in every interval (d_{j-1}, d_j), where f falls from +infinity to -infinity. Each is found as its
distance mu_j from the nearer end of its interval (the origin), so that no difference d_k - g_j = (d_k - d_origin) -
mu_j cancels. Eigenvectors are z_k / (d_k - g_j), with the z that has exactly these eigenvalues (Gu & Eisenstat): they
are orthogonal to rounding however close the eigenvalues lie. Sources: Golub, SIAM Rev. 15, 318 (1973); Gu & Eisenstat,
SIAM J. Matrix Anal. Appl. 15, 1266 (1994).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core import frozen
from ode_sgd.core.arrays import Array

BLOCK = 2**17  # entries of one block of differences: 1 MiB, a processor's nearest caches
ROUNDING = float(np.finfo(float).eps)
ITERATIONS = 500  # 5 to 8 are usual
HALVE = 12  # every twelfth iteration is a bisection, should the others crawl


@dataclass(frozen=True, slots=True)
class Secular:
    """The solved equation.

    Attributes
    ----------
    poles : (n,)
        d, increasing.
    vector : (n,)
        z > 0, recomputed from the eigenvalues.
    origins : (n,) of int
        The pole that each eigenvalue is measured from.
    offsets : (n,)
        mu: the eigenvalues are poles[origins] + offsets.
    """

    poles: Array
    vector: Array
    origins: Any
    offsets: Array

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)

    @property
    def eigenvalues(self) -> Array:
        """g, (n,), increasing."""
        values: Array = self.poles[self.origins] + self.offsets
        return values

    def inverse_differences(self) -> Iterator[tuple[slice, Array]]:
        """1 / (d_k - g_j) for blocks of eigenvalues j, (rows, n)."""
        for rows in _blocks(self.poles.size):
            difference = self.poles - self.poles[self.origins[rows], None]
            difference -= self.offsets[rows, None]
            yield rows, np.reciprocal(difference, out=difference)

    def strengths(self) -> Array:
        """b_j = 1 / sum_k z_k^2 / (d_k - g_j)^2, (n,): squared overlap of z with the eigenvectors of norm one.

        Equation: (7.9).
        """
        result = np.empty(self.poles.size)
        for rows, inverse in self.inverse_differences():
            vectors = np.multiply(inverse, self.vector, out=inverse)  # a tiny z_k has an inverse too huge to square
            result[rows] = 1.0 / np.einsum("jk,jk->j", vectors, vectors)
        return result

    def sums(self, numerators: Array) -> Array:
        """sum_k numerators_k / (d_k - g_j) of every column of numerators (n, m), for every eigenvalue: (n, m)."""
        result = np.empty_like(numerators)
        for rows, inverse in self.inverse_differences():
            result[rows] = inverse @ numerators
        return result


def solve(poles: Array, vector: Array) -> Secular:
    """The eigenvalues of diag(poles) - vector vector^T, for strictly increasing poles and positive vectors, (n,).

    O(n^2) operations and O(n) memory; squares of the vector must not underflow.

    Equation: (7.8).
    """
    squares = vector**2
    origins, offsets = np.empty(poles.size, np.int64), np.empty(poles.size)
    for rows in _blocks(poles.size):
        origins[rows], offsets[rows] = _roots(poles, squares, np.arange(rows.start, rows.stop))
    return Secular(poles, _matching_vector(poles, origins, offsets), origins, offsets)


def _blocks(n: int) -> Iterator[slice]:
    height = max(1, BLOCK // n)
    return (slice(begin, min(begin + height, n)) for begin in range(0, n, height))


class _Value(NamedTuple):
    """f, its derivative without the origin's term, and the size of its terms, at one point of every row."""

    f: Array
    slope: Array
    size: Array


def _value(poles: Array, squares: Array, origins: Any, mu: Array) -> _Value:
    """f at origin + mu in every row, with what `_next` needs beside it. Equation: (7.8)."""
    inverse = poles - poles[origins, None]
    inverse -= mu[:, None]
    np.reciprocal(inverse, out=inverse)
    total = inverse @ squares
    own = squares[origins] / mu
    inverse[np.arange(mu.size), origins] = 0.0
    slope = -(np.square(inverse, out=inverse) @ squares)
    # The origin's term is the largest wherever terms cancel.
    return _Value(1.0 - total, slope, 1.0 + np.abs(total) + np.abs(own))


class _Search(NamedTuple):
    """Where the roots are looked for: brackets and first points around an origin, and the next pole."""

    origins: Any
    mu: Array
    low: Array
    high: Array
    other: Array
    value: _Value


def _begin(poles: Array, squares: Array, j: Any) -> _Search:
    """In the middle of the intervals number j, from the end in whose half the root lies."""
    left = np.where(j > 0, j - 1, 0)
    gap = np.where(j > 0, poles[j] - poles[left], squares.sum())  # the lowest is not below d_0 - |z|^2
    origins, mu = j.copy(), -0.5 * gap
    low, high = -gap, np.zeros(j.size)
    value = _value(poles, squares, origins, mu)
    flip = (value.f < 0.0) & (j > 0)
    if flip.any():
        origins[flip], mu[flip] = left[flip], 0.5 * gap[flip]
        low[flip], high[flip] = 0.0, gap[flip]
        again = _value(poles, squares, origins[flip], mu[flip])
        value = _Value(*(_replaced(old, flip, new) for old, new in zip(value, again, strict=True)))
    # The other end of the interval; below the first pole there is none, and the second stands in for it.
    second = poles[1] - poles[0] if poles.size > 1 else np.inf
    return _Search(origins, mu, low, high, np.where(j == 0, second, np.where(flip, gap, -gap)), value)


def _roots(poles: Array, squares: Array, j: Any) -> tuple[Any, Array]:
    """Origin and offset of the eigenvalues number j, (rows,)."""
    origins, mu, low, high, other, value = _begin(poles, squares, j)
    active = np.arange(j.size)
    for iteration in range(1, ITERATIONS + 1):
        here = mu[active]
        right = value.f > 0.0  # f falls, so the root lies there
        low[active] = np.where(right, here, low[active])
        high[active] = np.where(right, high[active], here)
        new = _next(value, here, squares[origins[active]], other[active])
        inside = (new > low[active]) & (new < high[active]) & (iteration % HALVE > 0)
        new = np.where(inside, new, 0.5 * (low[active] + high[active]))
        exact = np.abs(value.f) <= ROUNDING * value.size
        done = exact | (np.abs(new - here) <= 2.0 * ROUNDING * np.abs(here))
        done |= (new <= low[active]) | (new >= high[active])
        mu[active] = np.where(exact, here, new)
        active = active[~done]
        if not active.size:
            break
        value = _value(poles, squares, origins[active], mu[active])
    return origins, mu


def _replaced(old: Array, where: Any, new: Array) -> Array:
    result = old.copy()
    result[where] = new
    return result


def _next(value: _Value, mu: Array, weight: Array, other: Array) -> Array:
    """Root of the model c - s / (other - mu) + weight / mu: f and its slope are right, the origin's term is exact."""
    near = np.isfinite(other)
    distance = np.where(near, other, 0.0) - mu
    s = np.where(near, -value.slope * distance**2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        c = value.f - weight / mu + np.where(near, s / distance, 0.0)
        # n = 1: c + weight / mu = 0. Else c mu^2 - B mu - weight other = 0.
        B = c * other - s - weight
        root = B + np.copysign(np.sqrt(np.maximum(B**2 + 4.0 * c * weight * other, 0.0)), B)
        first, second = root / (2.0 * c), -2.0 * weight * other / root
        # The root on the origin's side of the other pole, and of the sign of the point at hand.
        fits = (first * mu > 0.0) & (np.abs(first) < np.where(first * other > 0.0, np.abs(other), np.inf))
        chosen = np.where(fits, first, second)
        result: Array = np.where(near, chosen, -weight / c)
    return result


def _matching_vector(poles: Array, origins: Any, offsets: Array) -> Array:
    """z with exactly these eigenvalues: z_k^2 = (d_k - g_k) prod_{j != k} (g_j - d_k) / (d_j - d_k)."""
    squares = np.empty(poles.size)
    for rows in _blocks(poles.size):
        k = np.arange(rows.start, rows.stop)
        distance = (poles[origins] - poles[k, None]) + offsets  # g_j - d_k, rows k
        gaps = poles - poles[k, None]
        gaps[np.arange(k.size), k] = -1.0
        # In this order every partial product is bounded by a ratio of neighbouring gaps.
        squares[rows] = np.prod(np.divide(distance, gaps, out=distance), axis=1)
    return np.sqrt(squares)
