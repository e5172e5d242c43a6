"""Gaussian averages by direct numerical integration, without any closed form."""

import functools

import numpy as np

# Nodes a direction, by the number of directions. The error grows with the variances and with the number of factors
# that sit on one field; where all variances are below 1.3, it is below 1e-13 for erf (doubling them changes nothing).
NODES = {0: 1, 1: 160, 2: 100, 3: 64, 4: 40}


@functools.cache
def _rule(nodes):
    """Nodes and weights of E[f(z)], z standard normal."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return points, weights / np.sqrt(2.0 * np.pi)


def average(C, factors, nodes=None):
    """E[prod_m f_m(z_m)] over the joint Gaussian of covariance C (d, d).

    `factors` is a list of (function, field number); fields may repeat, and C may be singular on them. The integral runs
    over a tensor grid in independent directions z = F g, F F^T = C: exact for polynomials of degree < 2 nodes in each.
    """
    fields = sorted({field for _, field in factors})
    values, vectors = np.linalg.eigh(C[np.ix_(fields, fields)])
    independent = values > 1e-14 * max(values[-1], 1e-300)
    F = vectors[:, independent] * np.sqrt(values[independent])
    n = F.shape[1]
    points, weights = _rule(nodes or NODES[n])
    axes = [points.reshape([-1 if axis == m else 1 for axis in range(n)]) for m in range(n)]
    product = 1.0
    for field, row in zip(fields, F, strict=True):
        z = sum(coefficient * axis for coefficient, axis in zip(row, axes, strict=True))
        for function, wanted in factors:
            if wanted == field:
                product = product * function(z)
    for _ in range(n):
        product = product @ weights
    return float(product)


def gg(g, C, a, b, nodes=None):
    """E[g(a) g(b)] of an Activation."""
    return average(C, [(g.g, a), (g.g, b)], nodes)


def dgdg(g, C, a, b, nodes=None):
    """E[g'(a) g'(b)]."""
    return average(C, [(g.slope, a), (g.slope, b)], nodes)


def d2gg(g, C, a, b, nodes=None):
    """E[g''(a) g(b)]."""
    return average(C, [(g.curvature, a), (g.g, b)], nodes)


def dgdggg(g, C, a, b, c, e, nodes=None):
    """E[g'(a) g'(b) g(c) g(e)]."""
    return average(C, [(g.slope, a), (g.slope, b), (g.g, c), (g.g, e)], nodes)
