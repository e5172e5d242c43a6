"""Mean and variance of the residuals of one-pass SGD, step by step in plain NumPy: E, F and H of every node."""

import numpy as np


def recursion(s, target, trace, floor, steps, *, learning_rate, batch, gamma=0.0, noise=0.0):
    """Loss, r, a and c before each of the steps 0..steps, (steps + 1, 4); `noise` is a variance."""
    E, F, H = np.ones_like(s), np.zeros_like(s), np.zeros_like(s)
    found = []
    for _ in range(steps + 1):
        loss = floor + np.real(target @ ((E**2 + F) / s) + trace @ (H / s))
        length = np.real(target @ (((1.0 - E) ** 2 + F) / s**2) + trace @ (H / s**2))
        product = np.real(target @ (((1.0 - E) * E - F) / s) - trace @ (H / s))
        r = (np.sqrt(1.0 + 4.0 * gamma * length) - 1.0) / (2.0 * gamma) if gamma else length
        a = 1.0 + gamma * r
        c = gamma * product / a
        found.append((loss, r, a, c))
        d, nu = (1.0 - learning_rate * (a * s - c)) ** 2, (learning_rate * a * s) ** 2 / batch
        F, H = d * F + nu * (E**2 + F), d * H + nu * (s * (loss + noise) + H)
        E = E - learning_rate * (a * s * E + c * (1.0 - E))
    return np.array(found)
