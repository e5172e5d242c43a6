"""Gradient descent of explicit networks in the basis in which their own features are uncorrelated.

A student reads q . x with x_j = S_j xi_j, xi ~ N(0, 1), and the label is sum_j t_j xi_j + noise xi_0: the part of the
target that lies outside the student's features is noise to it. The mean gradient is g_j = S_j (t_j - S_j q_j); that of
a batch is the mean of S_j xi_j times the error, over fresh inputs.
"""

from math import isfinite

from ode_sgd.core.arrays import Array, Bits
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.random_lanes import fill_normals

LANES = 64
TILE = 512  # columns of a product that are worked on together, so that they stay in the cache
FINITE, NOT_FINITE = 0, 1  # what the kernels return


@kernel(inline=True)
def _mean_gradient(scale: Array, target: Array, q: Array, g: Array) -> None:
    for j in range(q.size):
        g[j] = scale[j] * (target[j] - scale[j] * q[j])


@kernel(sums=True)
def add_sample(xi: Array, scale: Array, target: Array, noise: float, share: float, q: Array, g: Array) -> None:
    """Add a share of one sample's gradient; the normal behind those of the inputs is the noise."""
    error = noise * xi[q.size]
    for j in range(q.size):
        error += (target[j] - scale[j] * q[j]) * xi[j]
    error *= share
    for j in range(q.size):
        g[j] += error * scale[j] * xi[j]


@kernel()
def batch_gradient(
    state: Bits, rows: Array, batch: int, scale: Array, target: Array, noise: float, q: Array, g: Array
) -> None:
    """Gradient g (n,) of a batch of fresh samples; of a batch of 0 the mean gradient.

    `rows` (2 m, LANES) is scratch for the n + 1 normals of one sample.
    """
    if batch == 0:
        _mean_gradient(scale, target, q, g)
        return
    g[:] = 0.0
    xi = rows.reshape(rows.size)
    for _ in range(batch):
        fill_normals(state, rows)
        add_sample(xi, scale, target, noise, 1.0 / batch, q, g)


@kernel(sums=True)
def move_layers(om: Array, B: Array, q: Array, g: Array, rate: float, gamma: float) -> None:
    """One step of both layers, and q = B^T om after it; a row of B is read once. Equation: (12.2)."""
    q[:] = 0.0
    for i in range(om.size):
        row = B[i]
        along = 0.0
        for j in range(g.size):
            along += row[j] * g[j]
        factor, moved = rate * gamma * om[i], om[i] + rate * along
        om[i] = moved
        for j in range(g.size):
            new = row[j] + factor * g[j]
            row[j] = new
            q[j] += moved * new


@kernel()
def train(
    state: Bits,
    rows: Array,
    steps: int,
    batch: int,
    rate: float,
    gamma: float,
    scale: Array,
    target: Array,
    noise: float,
    om: Array,
    B: Array,
    q: Array,
    g: Array,
) -> int:
    """Take `steps` steps; without feature learning B (n, n) may be empty, and q is om. Equations: (12.1), (12.2)."""
    for _ in range(steps):
        batch_gradient(state, rows, batch, scale, target, noise, q, g)
        if gamma > 0.0:
            move_layers(om, B, q, g, rate, gamma)
        else:
            for j in range(q.size):
                q[j] += rate * g[j]
    total = 0.0
    for j in range(q.size):
        total += abs(q[j])
    return FINITE if isfinite(total) else NOT_FINITE


@kernel(sums=True)
def add_products(rows: Array, begin: int, end: int, out: Array) -> None:
    """Add to out (n, n), on and below its diagonal, the products of all rows (n, m) over some of their columns."""
    for i in range(rows.shape[0]):
        for k in range(i + 1):
            total = 0.0
            for j in range(begin, end):
                total += rows[i, j] * rows[k, j]
            out[i, k] += total


@kernel()
def products(rows: Array, out: Array) -> None:
    """out (n, n), rows times their transpose.

    BLAS would spread it over the processors that other replicas are at work on, and wait for them.
    """
    out[:] = 0.0
    for begin in range(0, rows.shape[1], TILE):
        add_products(rows, begin, min(begin + TILE, rows.shape[1]), out)
    for i in range(out.shape[0]):
        for k in range(i):
            out[k, i] = out[i, k]
