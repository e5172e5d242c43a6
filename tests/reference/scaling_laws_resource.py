"""The resource model in plain NumPy: readouts by linear algebra, allocations by trying, selection by least squares."""

import numpy as np


def best_readout_loss(v, s2, neurons):
    """Loss of the best linear readout of neurons g + xi, from their covariance matrix."""
    if not neurons:
        return v
    covariance = v * np.ones((neurons, neurons)) + s2 * np.eye(neurons)
    cross = v * np.ones(neurons)
    return v - cross @ np.linalg.solve(covariance, cross)


def readout_flow_loss(v, s2, neurons, time, steps=20_000):
    """Loss of a readout that follows dw/dt = -grad(loss) / 2 from zero, by Euler steps of its N weights."""
    covariance = v * np.ones((neurons, neurons)) + s2 * np.eye(neurons)
    w = np.zeros(neurons)
    for _ in range(steps):
        w += time / steps * (v - covariance @ w)
    return v - 2.0 * v * w.sum() + w @ covariance @ w


def greedy(v, s2, p, total):
    """One neuron after the other where the loss falls most, the first of equals."""
    amplitudes, halves, counts = p * s2, s2 / v, np.zeros(len(v))
    for _ in range(total):
        counts[np.argmax(amplitudes / ((counts + halves) * (counts + halves + 1.0)))] += 1.0
    return counts


def every_allocation(subtasks, total):
    """All ways to share whole neurons."""
    if subtasks == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for others in every_allocation(subtasks - 1, total - first):
            yield (first, *others)


def optimal(v, s2, p, total):
    """The real optimum by bisection in the price of a neuron."""
    low, high = 1e-30, 1e30
    for _ in range(400):
        price = np.sqrt(low * high)
        neurons = np.maximum(0.0, np.sqrt(p * s2 / price) - s2 / v)
        low, high = (price, high) if neurons.sum() > total else (low, price)
    return neurons


def forward_selection(pool, targets, count):
    """Places of chosen neurons, and mean square residuals: a least-squares fit for every candidate."""
    samples = pool.shape[1]

    def residual(places):
        design = pool[places].T
        if not places:
            return (targets**2).sum() / samples
        fit = np.linalg.lstsq(design, targets.T, rcond=None)[0]
        return ((targets.T - design @ fit) ** 2).sum() / samples

    chosen, residuals = [], [residual([])]
    for _ in range(count):
        others = [k for k in range(len(pool)) if k not in chosen]
        left = [residual([*chosen, k]) for k in others]
        chosen.append(others[int(np.argmin(left))])
        residuals.append(min(left))
    return chosen, residuals
