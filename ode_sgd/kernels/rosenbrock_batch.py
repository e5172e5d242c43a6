"""Many problems of one shape, one after the other, inside one call."""

import functools
from collections.abc import Callable
from typing import NamedTuple

from ode_sgd.kernels.compile import Array, kernel
from ode_sgd.kernels.layout import Indices
from ode_sgd.kernels.rosenbrock import RUNNING, Control, Outputs, rosenbrock
from ode_sgd.kernels.sector_passes import Sectors
from ode_sgd.kernels.step_algebra import Small, step_algebra


class Stacked(NamedTuple):
    """What every problem (first axis) has for itself; the rest is in rosenbrock.py."""

    y: Array  # (B, blocks, p LANES)
    t: Array  # (B, blocks, teacher rows LANES), what follows y in `Sectors.z`
    rate: Array  # (B, blocks, LANES)
    noise: Array  # (B, blocks, LANES)
    variance: Array  # (B, blocks, LANES)
    T: Array  # (B, M, M)
    a: Array  # (B, K + M)
    noise_variance: Array  # (B,)
    numbers: Array  # (B, 5), see Control
    counts: Indices  # (B, 5)
    weights: Array  # (B, orders, blocks, LANES), see Outputs
    order_one: int
    rows: Array  # (B, n, orders, p)
    sectors: Array  # (B, n, blocks, p LANES), or (B, 0, ...)


@functools.cache
def rosenbrock_batch(activation: str, K: int, M: int, differences: bool = False) -> Callable[..., None]:
    """Kernel (stacked, s, w, alpha, atol, rtol, budget, codes): up to `budget` attempts for every problem that runs.

    s and w lend their work space to one problem after the other; codes (B,) are the status of each.
    """
    advance = rosenbrock(activation, K, M, differences)

    @kernel(f"{activation}-{step_algebra(activation, K, M, differences)[1]}")
    def advance_all(
        x: Stacked, s: Sectors, w: Small, alpha: Array, atol: float, rtol: float, budget: int, codes: Indices
    ) -> None:
        size = x.y.shape[2]
        for b in range(codes.size):
            if codes[b] != RUNNING:
                continue
            for block in range(x.t.shape[1]):
                for e in range(x.t.shape[2]):
                    s.z[block, size + e] = x.t[b, block, e]
            for n in range(x.T.shape[1]):
                for m in range(x.T.shape[1]):
                    w.T[n, m] = x.T[b, n, m]
            for c in range(w.a.size):
                w.a[c] = x.a[b, c]
            own = Sectors(s.offset, x.rate[b], x.noise[b], x.variance[b], s.z, s.trial, s.stages, s.inverse)
            outputs = Outputs(alpha, x.weights[b], x.order_one, x.rows[b], x.sectors[b])
            control = Control(x.numbers[b], x.counts[b])
            codes[b] = advance(x.y[b], own, w, x.noise_variance[b], control, outputs, atol, rtol, budget)

    return advance_all
