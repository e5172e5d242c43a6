"""Gaussian averages by direct numerical integration, without any closed form."""

import functools

import numpy as np


@functools.cache
def _rule(nodes):
    """Nodes and weights of E[f(z)], z standard normal."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return points, weights / np.sqrt(2.0 * np.pi)


def average(C, factors, nodes=32):
    """E[prod_m f_m(z_m)] over the joint Gaussian of covariance C (d, d).

    `factors` is a list of (function, field number); fields may repeat, and C may be singular on them. The integral runs
    over a tensor grid in independent directions z = F g, F F^T = C: exact for polynomials of degree < 2 nodes in each.
    """
    fields = sorted({field for _, field in factors})
    values, vectors = np.linalg.eigh(C[np.ix_(fields, fields)])
    independent = values > 1e-14 * values[-1]
    F = vectors[:, independent] * np.sqrt(values[independent])
    points, weights = _rule(nodes)
    n = F.shape[1]
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


def gg(g, C, a, b, nodes=32):
    """E[g(a) g(b)] of an Activation."""
    return average(C, [(g.g, a), (g.g, b)], nodes)


def dgdg(g, C, a, b, nodes=32):
    """E[g'(a) g'(b)]."""
    return average(C, [(g.slope, a), (g.slope, b)], nodes)


def d2gg(g, C, a, b, nodes=32):
    """E[g''(a) g(b)]."""
    return average(C, [(g.curvature, a), (g.g, b)], nodes)


def dgdggg(g, C, a, b, c, e, nodes=32):
    """E[g'(a) g'(b) g(c) g(e)]."""
    return average(C, [(g.slope, a), (g.slope, b), (g.g, c), (g.g, e)], nodes)
