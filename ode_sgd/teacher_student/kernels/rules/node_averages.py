"""A, G and the loss of any update, as averages over fixed nodes in the normals behind the fields.

With C = B B^T (Choleski) the fields are z = B g, and a node is one g with the update's own draws behind it:

    A_ic = E[d delta_i / d z_c],    G_ij = E[delta_i delta_j],    loss = E[update's value]

The derivatives are differences of the update at every node. Their average keeps its relative error where
students have become their teachers; A = E[delta z^T] C^-1, which is the same for any number of nodes (Stein), does
not, since C is singular there. Where the update jumps its derivative says nothing of the jump: fields in which it does
take E[delta z^T], and only as much of C^-1 as they need. An update that jumps in the teachers' fields alone, as one
with the sign of the teacher, needs that of T, which does not move.

Every node stands for itself and for its negative. The nodes are the same at every call: the averages are smooth
functions of C, which are off by what the nodes leave.
"""

import functools
from collections.abc import Callable, Hashable
from math import sqrt
from typing import Any, NamedTuple, Protocol

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room

SMOOTH, JUMPS_IN_TEACHERS, JUMPS = 0, 1, 2
# Of differences in a field, in units of its size, forth at one node and back at the next: the curve's 5e-7 have both
# signs, and cancel between a node and its negative where delta is odd; rounding leaves 1e-10.
STEP = 1e-6
# Of differences in C, in units of its entries. They only steer convergence, and of an update with kinks or jumps many
# nodes have to cross these in a step: with 1e-4 Huber's loss took twice as many steps, hinge loss three times.
ENTRY_STEP = 2e-2
PART = 8.0  # of the smallest pivot, which that step may be: C is to stay a covariance
LEAST = 1e-13  # of C_cc, below which a pivot is rounding
LOSS, SIZE = 0, 1  # numbers beside A and G: the loss, and the average of its modulus


class NodeRule(Hashable, Protocol):
    """What the kernels are made from."""

    @property
    def variant(self) -> str:
        """Tells its kernels from those of others."""

    @property
    def update(self) -> Callable[..., float]:
        """The compiled update(x, y, draw, delta) -> loss."""

    @property
    def draws(self) -> int:
        """How many standard normals the update takes."""


class NodeKernels(NamedTuple):
    """The compiled functions."""

    node_sums: Callable[..., None]  # (nodes, C, jumps, symmetric, A, G, sums)
    one: Callable[..., float]  # (x, y, draw, delta) -> loss


@kernel()
def choleski(C: Array, B: Array) -> float:
    """C = B B^T, B (d, d) lower triangular; the smallest pivot. Those that are rounding become zero."""
    d, smallest = C.shape[0], C[0, 0]
    for k in range(d):
        pivot = C[k, k]
        for e in range(k):
            pivot -= B[k, e] * B[k, e]
        rounding = not pivot > LEAST * C[k, k]
        pivot = 0.0 if rounding else pivot
        smallest = min(smallest, pivot)
        B[k, k] = sqrt(pivot)
        for c in range(d):
            if c < k:
                B[c, k] = 0.0
            if c > k:
                total = C[c, k]
                for e in range(k):
                    total -= B[c, e] * B[k, e]
                B[c, k] = 0.0 if rounding else total / B[k, k]
    return smallest


@kernel()
def divide(row: Array, B: Array) -> None:
    """row <- row (B B^T)^-1, without what belongs to pivots of zero."""
    d = row.size
    for k in range(d):
        for e in range(k):
            row[k] -= B[k, e] * row[e]
        row[k] = row[k] / B[k, k] if B[k, k] > 0.0 else 0.0
    for k in range(d - 1, -1, -1):
        for e in range(k + 1, d):
            row[k] -= B[e, k] * row[e]
        row[k] = row[k] / B[k, k] if B[k, k] > 0.0 else 0.0


@kernel()
def from_products(S: Array, C: Array, jumps: int, A: Array) -> None:
    """Columns of A that differences do not give, from S = E[delta z^T] (K, d) = A C. Equation: (31.2)."""
    K, d = A.shape
    first = 0 if jumps == JUMPS else K  # of the columns
    n = d - first
    part, B, row = room(C, (n, n)), room(C, (n, n)), room(C, (n,))
    for c in range(n):
        for e in range(n):
            part[c, e] = C[first + c, first + e]
    choleski(part, B)
    for i in range(K):
        for c in range(n):
            row[c] = S[i, first + c]
            for j in range(first):
                row[c] -= A[i, j] * C[j, first + c]
        divide(row, B)
        for c in range(n):
            A[i, first + c] = row[c]


@kernel()
def finish(count: float, symmetric: bool, A: Array, G: Array, S: Array, sums: Array) -> None:
    """Sums become averages; G is filled, and D = A[:, :K] made symmetric in A or S where that is known."""
    K, d = A.shape
    sums[LOSS] /= count
    sums[SIZE] /= count
    for i in range(K):
        for c in range(d):
            A[i, c] /= count
            S[i, c] /= count
        for j in range(i + 1):
            G[i, j] /= count
            G[j, i] = G[i, j]
    if symmetric:
        mirror(A)


@kernel(inline=True)
def mirror(A: Array) -> None:
    """D by its symmetric part."""
    for i in range(A.shape[0]):
        for j in range(i):
            A[i, j] = A[j, i] = 0.5 * (A[i, j] + A[j, i])


@functools.cache
def node_kernels(rule: NodeRule) -> NodeKernels:
    """Build (or load from disk) the sums over nodes of one update."""
    update, draws, variant = rule.update, rule.draws, rule.variant

    @kernel(variant)
    def one(x: Array, y: Array, draw: Array, delta: Array) -> float:
        """The update itself."""
        return float(update(x, y, draw, delta))

    @kernel(variant)
    def add_slopes(
        z: Array, draw: Array, h: Array, way: float, derived: int, delta: Array, moved: Array, A: Array
    ) -> None:
        """A += d delta / d z in the first `derived` fields, by differences in one way."""
        K = delta.size
        for c in range(derived):
            here = z[c]
            z[c] = here + way * h[c]
            update(z[:K], z[K:], draw, moved)
            z[c] = here
            for i in range(K):
                A[i, c] += (moved[i] - delta[i]) / (way * h[c])

    @kernel(variant)
    def node_sums(nodes: Array, C: Array, jumps: int, symmetric: bool, A: Array, G: Array, sums: Array) -> None:
        """Fills A (K, d), G (K, K) and sums (2,): loss and its modulus. Equations: (31.1) and (31.2)."""
        K, d = A.shape
        B, S, z, h = room(C, (d, d)), room(C, (K, d)), room(C, (d,)), room(C, (d,))
        draw, delta, moved = room(C, (max(draws, 1),)), room(C, (K,)), room(C, (K,))
        choleski(C, B)
        sums[LOSS] = sums[SIZE] = 0.0
        for c in range(d):
            h[c] = STEP * sqrt(C[c, c]) if C[c, c] > 0.0 else STEP
            for i in range(K):
                A[i, c] = S[i, c] = 0.0
        for i in range(K):
            delta[i] = moved[i] = 0.0
            for j in range(K):
                G[i, j] = 0.0
        derived = d if jumps == SMOOTH else K if jumps == JUMPS_IN_TEACHERS else 0
        for p in range(nodes.shape[0]):
            way = 1.0 - 2.0 * (p % 2)
            for half in range(2):
                sign = 1.0 - 2.0 * half
                for c in range(d):
                    z[c] = 0.0
                    for e in range(c + 1):
                        z[c] += sign * B[c, e] * nodes[p, e]
                for m in range(draws):
                    draw[m] = sign * nodes[p, d + m]
                value = update(z[:K], z[K:], draw, delta)
                sums[LOSS] += value
                sums[SIZE] += abs(value)
                for i in range(K):
                    for j in range(i + 1):
                        G[i, j] += delta[i] * delta[j]
                    for c in range(d):
                        S[i, c] += delta[i] * z[c]
                add_slopes(z, draw, h, way, derived, delta, moved, A)
        finish(2.0 * nodes.shape[0], symmetric, A, G, S, sums)
        if jumps != SMOOTH:
            from_products(S, C, jumps, A)

    return NodeKernels(node_sums, one)


@functools.cache
def whole_coefficients(rule: NodeRule, variant: str, nodes: Any, options: tuple[int, bool, int]) -> dict[str, Any]:
    """The functions that an activation of whole coefficients supplies (kernels/averages/__init__.py).

    `nodes` holds the nodes as `array` (n, d + draws), a constant of the kernels; `options` are jumps, whether D is
    symmetric, and K.
    """
    sums_over, given, (jumps, symmetric, K) = node_kernels(rule).node_sums, nodes.array, options

    @kernel(variant)
    def coefficients(C: Array, a: Array, noise_variance: float, A: Array, G: Array) -> None:
        """Fills A (K, d) and G (K, K). Equations: (31.1) and (31.2)."""
        sums_over(given, C, jumps, symmetric, A, G, room(C, (2,)))

    @kernel(variant)
    def numbers(C: Array, a: Array, out: Array) -> None:
        sums_over(given, C, JUMPS, False, room(C, (K, C.shape[0])), room(C, (K, K)), out)

    @kernel(variant)
    def generalization_error(C: Array, a: Array) -> float:
        """The loss."""
        out = room(C, (2,))
        numbers(C, a, out)
        return out[LOSS]

    @kernel(variant)
    def error_terms(C: Array, a: Array) -> float:
        """The average modulus of the loss."""
        out = room(C, (2,))
        numbers(C, a, out)
        return out[SIZE]

    @kernel(variant)
    def linearise(
        C: Array, a: Array, noise_variance: float, index: Indices, A: Array, G: Array, JA: Array, JG: Array
    ) -> None:
        """A and G, and their derivatives by differences in the entries of C. Equation: (31.3)."""
        d = C.shape[0]
        B, shifted = room(C, (d, d)), room(C, (d, d))
        A1, A2, G1, G2 = room(C, (K, d)), room(C, (K, d)), room(C, (K, K)), room(C, (K, K))
        for row in range(JA.shape[0]):
            for b in range(JA.shape[1]):
                JA[row, b] = 0.0
        for row in range(JG.shape[0]):
            for b in range(JG.shape[1]):
                JG[row, b] = 0.0
        smallest = choleski(C, B)
        coefficients(C, a, noise_variance, A, G)
        for e in range(d):
            for c in range(d):
                shifted[e, c] = C[e, c]
        for e in range(K):
            for c in range(e, d):
                size = max(sqrt(C[e, e] * C[c, c]), 1e-12)
                step = max(min(ENTRY_STEP * size, smallest / PART), 1e-9 * size)
                shifted[e, c] = shifted[c, e] = C[e, c] + step
                coefficients(shifted, a, noise_variance, A1, G1)
                shifted[e, c] = shifted[c, e] = C[e, c] - step
                coefficients(shifted, a, noise_variance, A2, G2)
                shifted[e, c] = shifted[c, e] = C[e, c]
                b, row = index[e, c], 0
                for i in range(K):
                    for k in range(d):
                        JA[i * d + k, b] = (A1[i, k] - A2[i, k]) / (2.0 * step)
                    for j in range(i, K):
                        JG[row, b] = (G1[i, j] - G2[i, j]) / (2.0 * step)
                        row += 1

    return {
        "coefficients": coefficients,
        "linearise": linearise,
        "generalization_error": generalization_error,
        "error_terms": error_terms,
    }
