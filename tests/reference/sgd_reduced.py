"""The Markov chain of the sector overlaps in plain NumPy, one replica, for given random numbers."""

import numpy as np

from tests.reference.activations import ACTIVATIONS


def frame(q, r, t):
    """S (L, K, M), W (L, K, K) and B (L, M, M) with t = B B^T, r = S B^T, q = S S^T + W W^T; t and q positive."""
    B = np.linalg.cholesky(t)
    S = np.array([np.linalg.solve(b, overlap.T).T for b, overlap in zip(B, r, strict=True)])
    return S, np.linalg.cholesky(q - S @ S.transpose(0, 2, 1)), B


def overlaps(S, W, B):
    """q and r."""
    return S @ S.transpose(0, 2, 1) + W @ W.transpose(0, 2, 1), S @ B.transpose(0, 2, 1)


def run(
    S, W, B, g, lengths, noises, v, u, sizes, eigenvalues, learning_rate, activation, learning, weight_decay=0.0,
    rate=lambda delta, square: 1.0,
):  # fmt: skip
    """S and W after one step for every g[t] (L, K + M), lengths[t] (L,) and label noise noises[t].

    g are the coordinates of the input divided by sqrt(lambda_k) in the frame, lengths that of the rest of it;
    `learning` (L,) is one for the sectors that learn. The learning rate is multiplied by rate(delta, |xi|^2), with the
    inputs that learn.
    """
    act = ACTIVATIONS[activation]
    S, W = S.copy(), W.copy()
    L, _, M = S.shape
    N = np.sum(sizes)
    scales = np.sqrt(np.asarray(sizes) / N * eigenvalues)
    rates = learning_rate * np.sqrt(eigenvalues / (N * np.asarray(sizes))) * learning
    for coordinates, length, noise in zip(g, lengths, noises, strict=True):
        x = sum(scales[k] * (S[k] @ coordinates[k, :M] + W[k] @ coordinates[k, M:]) for k in range(L))
        y = sum(scales[k] * (B[k] @ coordinates[k, :M]) for k in range(L))
        delta = v * act.slope(x) * (v @ act.g(x) - u @ act.g(y) - noise)
        square = np.sum(learning * eigenvalues * ((coordinates**2).sum(axis=1) + length**2))
        delta = rate(delta, square) * delta
        for k in range(L):
            kept = 1.0 - learning_rate * weight_decay / N * learning[k]
            S[k] = kept * S[k] - rates[k] * np.outer(delta, coordinates[k, :M])
            moved = kept * W[k] - rates[k] * np.outer(delta, coordinates[k, M:])
            W[k] = lower(np.column_stack([moved, rates[k] * length[k] * delta]))
    return S, W


def lower(A):
    """L (K, K), lower triangular with a diagonal >= 0, with L L^T = A A^T."""
    upper = np.linalg.qr(A.T, mode="r")
    return (upper * np.where(np.diag(upper) < 0.0, -1.0, 1.0)[:, None]).T


def draw(generator, steps, sizes, d):
    """Coordinates (steps, L, d) and lengths (steps, L) from their laws."""
    g = generator.standard_normal((steps, len(sizes), d))
    freedom = np.asarray(sizes, float) - d
    chi_square = np.where(freedom > 0, generator.chisquare(np.maximum(freedom, 1.0), (steps, len(sizes))), 0.0)
    return g, np.sqrt(chi_square)


def place(weights, inputs, sizes, deviations, M):
    """S, W, B of given weights (K + M, N), students first, and an input's coordinates (L, d) and lengths (L,)."""
    S, W, B, g, lengths, begin = [], [], [], [], [], 0
    K = len(weights) - M
    for size, deviation in zip(sizes, deviations, strict=True):
        part, xi = weights[:, begin : begin + size], inputs[begin : begin + size] / deviation
        axes, upper = np.linalg.qr(np.vstack([part[K:], part[:K]]).T)
        factor = upper.T / np.sqrt(size)
        B.append(factor[:M, :M])
        S.append(factor[M:, :M])
        W.append(factor[M:, M:])
        g.append(axes.T @ xi)
        lengths.append(np.linalg.norm(xi - axes @ (axes.T @ xi)))
        begin += size
    return np.array(S), np.array(W), np.array(B), np.array(g), np.array(lengths)
