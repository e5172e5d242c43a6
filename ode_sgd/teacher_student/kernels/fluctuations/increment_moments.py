"""Averages of products of two, three and four updates delta, as sums over nodes in the normals behind the fields.

With C = B B^T, B lower triangular, the fields are z = B g, and delta_a = v_a g'(x_a) Delta with Delta = Delta_0 + sigma
times a normal: what the labels' noise adds to the powers of Delta is in closed form, so nodes are in g alone.
"""

import functools
from collections.abc import Callable
from typing import Any

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room
from ode_sgd.teacher_student.kernels.averages import Averages, teacher_of


@kernel()
def fill_from_sorted(G: Array, X: Array, t: Array, Q: Array) -> None:
    """Entries with the students in any order, from those with a >= e >= f >= h; X becomes E[d_a d_e (g g^T - 1)]."""
    K, d = G.shape[0], X.shape[2]
    for a in range(K):
        for e in range(a + 1):
            for b in range(d):
                X[a, e, b, b] -= G[a, e]
                for c in range(b + 1):
                    X[a, e, c, b] = X[a, e, b, c]
            G[e, a] = G[a, e]
            for b in range(d):
                for c in range(d):
                    X[e, a, b, c] = X[a, e, b, c]
    order = room(G, (4,))
    for a in range(K):
        for e in range(K):
            for f in range(K):
                i, j, k = max(a, e, f), a + e + f - max(a, e, f) - min(a, e, f), min(a, e, f)
                if not (a == i and e == j and f == k):
                    for b in range(d):
                        t[a, e, f, b] = t[i, j, k, b]
                for h in range(K):
                    order[0], order[1], order[2], order[3] = a, e, f, h
                    for m in range(3):  # the largest first
                        for n in range(3 - m):
                            if order[n] < order[n + 1]:
                                order[n], order[n + 1] = order[n + 1], order[n]
                    Q[a, e, f, h] = Q[int(order[0]), int(order[1]), int(order[2]), int(order[3])]


@functools.cache
def increment_moments(activation: Averages) -> Callable[..., None]:
    """Kernel (nodes, weights, halves, B, signed, noise_variance, G, X, t, Q) that fills the last four.

    nodes (n, d) and weights (n,); `halves` is 2 where every node stands for its negative, too, each with that weight,
    and 1 where that would say nothing new. G (K, K) are averages of two delta, X (K, K, d, d) of two with g g^T - 1,
    t (K, K, K, d) of three with g, Q (K, K, K, K) of four.
    """
    averages: Any = activation.functions
    value, slope = averages.value, averages.slope
    taught: Any = teacher_of(averages).value

    @kernel(activation.variant)
    def moments(
        nodes: Array,
        weights: Array,
        halves: int,
        B: Array,
        signed: Array,
        noise_variance: float,
        G: Array,
        X: Array,
        t: Array,
        Q: Array,
    ) -> None:
        """Fills G, X, t and Q. Equation: (32.4)."""
        K, d = G.shape[0], B.shape[0]
        g, z, delta = room(B, (d,)), room(B, (d,)), room(B, (K,))
        for a in range(K):
            for e in range(K):
                G[a, e] = 0.0
                for f in range(K):
                    for h in range(K):
                        Q[a, e, f, h] = 0.0
                    for b in range(d):
                        t[a, e, f, b] = 0.0
                for b in range(d):
                    for c in range(d):
                        X[a, e, b, c] = 0.0
        for p in range(nodes.shape[0]):
            for half in range(halves):
                sign, error = 1.0 - 2.0 * half, 0.0
                for c in range(d):
                    g[c] = sign * nodes[p, c]
                for c in range(d):
                    z[c] = 0.0
                    for b in range(c + 1):
                        z[c] += B[c, b] * g[b]
                for c in range(K):
                    error += signed[c] * value(z[c])
                    delta[c] = signed[c] * slope(z[c])
                for c in range(K, d):
                    error += signed[c] * taught(z[c])
                square = error * error
                second = weights[p] * (square + noise_variance)
                third = weights[p] * error * (square + 3.0 * noise_variance)
                fourth = weights[p] * (
                    square * square + 6.0 * square * noise_variance + 3.0 * noise_variance * noise_variance
                )
                for a in range(K):
                    for e in range(a + 1):
                        pair = delta[a] * delta[e]
                        G[a, e] += second * pair
                        for b in range(d):
                            part = second * pair * g[b]
                            for c in range(b + 1):
                                X[a, e, b, c] += part * g[c]
                        for f in range(e + 1):
                            three = pair * delta[f]
                            for b in range(d):
                                t[a, e, f, b] += third * three * g[b]
                            for h in range(f + 1):
                                Q[a, e, f, h] += fourth * three * delta[h]
        fill_from_sorted(G, X, t, Q)

    return moments
