"""Many problems of one shape as arrays with the problem on the first axis, sectors in blocks (sectors/blocks.py)."""

from typing import Any, NamedTuple

from ode_sgd.core.arrays import Array, Indices


class Constants(NamedTuple):
    """What does not change along a run; of many runs, with the run on an axis in front."""

    factors: Array  # (blocks, rows lanes), what the rule does: rows of rule_factors.py
    variance: Array  # (blocks, lanes), w lambda
    t: Array  # (blocks, teacher rows lanes), what follows the overlaps that move in `Sectors.z`
    T: Array  # (M, M)
    a: Array  # (K + M,), where the second layer is trained as it is now
    noise_variance: Any  # sigma^2, a number
    schedules: Array  # (pieces COLUMNS,), see kernels/paces.py; of no length where nothing is scheduled
    second: Array  # (3,), eta_v, kappa_v, and what a schedule of eta_v adds (second_layer_algebra.py)


class Batch(NamedTuple):
    """What every problem has for itself."""

    y: Array  # (B, blocks, p lanes)
    constants: Constants
    numbers: Array  # (B, 5), see step_control.py
    counts: Indices  # (B, 5)
    weights: Array  # (B, orders, blocks, lanes), see rosenbrock.Outputs
    order_one: int
    rows: Array  # (B, n, orders, p or more)
    sectors: Array  # (B, n, blocks, p lanes), or (B, 0, ...)
    codes: Indices  # (B,), status
