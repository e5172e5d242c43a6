"""Degrees of freedom and their roots by bisection in plain NumPy, one formula a line."""

import numpy as np

HALVINGS = 200  # to rounding


def bisected(function, low, high):
    """The zero of an increasing function of a positive number, by bisection of its logarithm."""
    low, high = np.log(low), np.log(high)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(np.exp(middle)) < 0.0 else (low, middle)
    return np.exp(0.5 * (low + high))


def df1(eigenvalues, counts, kappa):
    return np.sum(counts * eigenvalues / (eigenvalues + kappa))


def df2(eigenvalues, counts, kappa, other):
    return np.sum(counts * eigenvalues**2 / ((eigenvalues + kappa) * (eigenvalues + other)))


def root(eigenvalues, counts, n):
    return bisected(lambda kappa: n - df1(eigenvalues, counts, kappa), 1e-60, 1e20)


def ridge_root(eigenvalues, counts, ridge, samples, features):
    few = min(samples, features)
    low = root(eigenvalues, counts, few) if few < counts.sum() else 1e-60

    def above(kappa):
        left = df1(eigenvalues, counts, kappa)
        return kappa * (1.0 - left / samples) * (1.0 - left / features) - ridge

    return bisected(above, low, 1e20)


def lower_edge(eigenvalues, counts, few, many):
    """By a fine grid between the roots, then another round the best of it."""
    low = root(eigenvalues, counts, many) if many < counts.sum() else 1e-12 * eigenvalues.min()
    grid = np.geomspace(low, root(eigenvalues, counts, few), 2001)
    for _ in range(3):
        left = np.array([df1(eigenvalues, counts, kappa) for kappa in grid])
        values = -grid * (1.0 - left / few) * (1.0 - left / many)
        best = np.clip(values.argmax(), 1, grid.size - 2)
        grid = np.geomspace(grid[best - 1], grid[best + 1], 101)
    return values.max()
