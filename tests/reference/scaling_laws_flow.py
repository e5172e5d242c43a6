"""Gradient flow by the exponential midpoint rule in log t: plain, second order, on any nodes."""

import numpy as np


def scalars(nodes, weights, gamma, y):
    """r, a, c of the state y."""
    square = (weights @ y**2).real
    overlap = (weights @ (y * (1.0 - nodes * y))).real
    r = square if gamma == 0.0 else (np.sqrt(1.0 + 4.0 * gamma * square) - 1.0) / (2.0 * gamma)
    a = 1.0 + gamma * r
    return r, a, gamma * overlap / a


def frozen_step(nodes, y, a, c, h):
    """y after h at constant a and c: dy/dt = a - (a s - c) y."""
    rate = a * nodes - c
    small = np.abs(rate * h) < 1e-12
    safe = np.where(small, 1.0, rate)
    return y * np.exp(-rate * h) + a * np.where(small, h, -np.expm1(-rate * h) / safe)


def flow(nodes, weights, gamma, times, per_decade=200, first=1e-4):
    """y at increasing times >= 0, (n, nodes), and r, a, c there, (n, 3)."""
    times = np.asarray(times, float)
    first = first / (1.0 + gamma)
    last = max(times[-1], first)
    grid = first * 10.0 ** (np.arange(int(np.ceil(per_decade * np.log10(last / first))) + 1) / per_decade)
    grid = np.unique(np.concatenate([[0.0], grid[grid < last], times]))
    y, kept = np.zeros_like(nodes), []
    for k, t in enumerate(grid):
        if k:
            h = t - grid[k - 1]
            _, a, c = scalars(nodes, weights, gamma, y)
            _, a, c = scalars(nodes, weights, gamma, frozen_step(nodes, y, a, c, 0.5 * h))
            y = frozen_step(nodes, y, a, c, h)
        if t in times:
            kept.append((y, scalars(nodes, weights, gamma, y)))
    return np.array([state for state, _ in kept]), np.array([values for _, values in kept])


def loss(nodes, weights, floor, y):
    """Loss of the states y, (n, nodes)."""
    return floor + ((1.0 - nodes * y) ** 2 @ (weights / nodes)).real
