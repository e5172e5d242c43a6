"""Two-layer linear networks trained step by step in plain NumPy, for given inputs and labels."""

import numpy as np


def both_layers(A, inputs, labels, learning_rate, gamma):
    """Layers w (N,) and A (N, M) after one step for every batch: inputs (steps, B, M), labels (steps, B)."""
    N = len(A)
    w, start = np.zeros(N), A.copy()
    A = A.copy()
    for psi, y in zip(inputs, labels, strict=True):
        g = psi.T @ (y - psi @ (A.T @ w) / N) / len(y)
        w, A = w + learning_rate * A @ g, A + learning_rate * gamma * np.outer(w, start.T @ (start @ g)) / N
    return w, A


def reduced(phi, inputs, labels, learning_rate, gamma):
    """om (N,) and B (N, N) with w = sqrt(N) om and A = B A0, A0 = sqrt(N) phi, after the same steps."""
    N = len(phi)
    om, B = np.zeros(N), np.eye(N)
    for psi, y in zip(inputs, labels, strict=True):
        x = psi @ phi.T
        g = x.T @ (y - x @ (B.T @ om)) / len(y)
        om, B = om + learning_rate * B @ g, B + learning_rate * gamma * np.outer(om, g)
    return om, B


def loss(w, A, eigenvalues, target):
    """sum_k lambda_k (w*_k - p_k)^2 with p = A^T w / N."""
    missing = target - A.T @ w / len(w)
    return eigenvalues @ missing**2
