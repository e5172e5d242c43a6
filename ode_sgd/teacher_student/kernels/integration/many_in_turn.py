"""Many problems of one shape, one after the other, inside one call."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.integration.rosenbrock import Control, Outputs, Scratch, advance, method
from ode_sgd.teacher_student.kernels.integration.step_algebra import Small
from ode_sgd.teacher_student.kernels.integration.step_control import RUNNING
from ode_sgd.teacher_student.kernels.sectors.sector_passes import Sectors


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
    numbers: Array  # (B, 5), see step_control.py
    counts: Indices  # (B, 5)
    weights: Array  # (B, orders, blocks, LANES), see Outputs
    order_one: int
    rows: Array  # (B, n, orders, p)
    sectors: Array  # (B, n, blocks, p LANES), or (B, 0, ...)


@kernel()
def advance_all(
    own: Any,
    space: Any,
    scratch: Scratch,
    differences: bool,
    x: Stacked,
    s: Sectors,
    w: Small,
    alpha: Array,
    atol: float,
    rtol: float,
    budget: int,
    codes: Indices,
) -> None:
    """Up to `budget` attempts for every problem that runs.

    s, w, space and scratch lend their arrays to one problem after the other; codes (B,) are the status of each.
    """
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
        its = Sectors(s.offset, x.rate[b], x.noise[b], x.variance[b], s.z, s.trial, s.stages, s.inverse)
        outputs = Outputs(alpha, x.weights[b], x.order_one, x.rows[b], x.sectors[b])
        control = Control(x.numbers[b], x.counts[b])
        codes[b] = advance(
            own, space, scratch, differences, x.y[b], its, w, x.noise_variance[b], control, outputs, atol, rtol, budget
        )


def rosenbrock_batch(activation: str, K: int, M: int, differences: bool = False) -> Callable[..., None]:
    """Function (stacked, s, w, alpha, atol, rtol, budget, codes) that advances all problems."""
    its = method(activation, K, M, differences)
    return lambda *rest: advance_all(*its.arguments(), *rest)
