"""What an update rule does to a weight in one step, for all simulators: model/rule.py says with which numbers.

A weight moves by products and differences that are rounded each, also inside loops whose sums may be reordered and
contracted: a step's update is the same wherever it is taken.
"""

from typing import NamedTuple

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel


class WeightUpdate(NamedTuple):
    """Of weights that learn: J_i <- kept J_i - rate delta_i xi. Equation: (1.5)."""

    rate: float  # eta / sqrt N, or f_k of the chain
    kept: float  # 1 - eta kappa / N


class SecondLayerUpdate(NamedTuple):
    """Of a student's second layer: v_i <- kept v_i - rate <g(x_i) (f - label)>. Equation: (1.5a)."""

    rate: float  # eta_v / N, zero where it is fixed
    kept: float  # 1 - eta_v kappa_v / N


class SectorUpdates(NamedTuple):
    """The updates of all sectors."""

    rate: Array  # (L,), zero where nothing is learned
    kept: Array  # (L,), one there


@kernel(inline=True, always=True)
def moved(weight: float, update: WeightUpdate, factor: float, xi: float) -> float:
    """A weight after a step with factor = rate delta."""
    return update.kept * weight - factor * xi


@kernel(inline=True, always=True)
def without_step(update: WeightUpdate) -> WeightUpdate:
    """With factors of zero it leaves weights as they are: before the first step, and of what does not learn."""
    return WeightUpdate(update.rate, 1.0)


@kernel(inline=True, always=True)
def update_of(updates: SectorUpdates, k: int) -> WeightUpdate:
    """That of one sector."""
    return WeightUpdate(updates.rate[k], updates.kept[k])


@kernel(inline=True, always=True)
def at_rest(update: WeightUpdate) -> bool:
    """Whether it does nothing."""
    return update.rate == 0.0 and update.kept == 1.0
