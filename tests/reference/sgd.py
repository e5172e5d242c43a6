"""One-pass SGD step by step in plain NumPy, for given inputs and label noise."""

import numpy as np

from tests.reference.activations import ACTIVATIONS


def run(J, B, inputs, noises, v, u, learning_rate, activation, learned=None, weight_decay=0.0):
    """Student weights (K, N) after one step for every row of `inputs` (steps, N), with label noise `noises` (steps,).

    Only the first `learned` columns of J move (None: all); a step takes learning_rate weight_decay / N of them away.
    """
    g = ACTIVATIONS[activation]
    J = J.copy()
    N = J.shape[1]
    moving = np.arange(N) < (N if learned is None else learned)
    for xi, noise in zip(inputs, noises, strict=True):
        x, y = J @ xi / np.sqrt(N), B @ xi / np.sqrt(N)
        label = u @ g.g(y) + noise
        delta = v * g.slope(x) * (v @ g.g(x) - label)
        lost = learning_rate * weight_decay / N * J * moving
        J -= learning_rate / np.sqrt(N) * np.outer(delta, xi * moving) + lost
    return J


def draw(normals, steps, deviations, label_noise):
    """Inputs (steps, N) of standard deviations (N,), and noises (steps,): a step's input first, then its noise.

    `normals` is a function of a number: so many standard normals, the same number for every step.
    """
    N = len(deviations)
    inputs, noises = np.empty((steps, N)), np.zeros(steps)
    for step in range(steps):
        numbers = normals(N + 1 if label_noise > 0.0 else N)
        inputs[step] = deviations * numbers[:N]
        if label_noise > 0.0:
            noises[step] = label_noise * numbers[N]
    return inputs, noises


def overlaps(J, B, sizes):
    """Sector Gram matrices (L, d, d) by explicit sums over the columns of every sector."""
    stacked = np.vstack([J, B])
    d = len(stacked)
    grams, begin = np.zeros((len(sizes), d, d)), 0
    for k, size in enumerate(sizes):
        for i in range(d):
            for j in range(d):
                for n in range(begin, begin + size):
                    grams[k, i, j] += stacked[i, n] * stacked[j, n] / size
        begin += size
    return grams
