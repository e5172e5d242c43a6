"""The run of a resource model along its number of neurons."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ode_sgd.core import frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.observable import Observable
from ode_sgd.core.run import Run, Wording

NEURONS, LOSS, SHARES, RESIDUAL, POOL = "neurons", "loss", "shares", "residual", "pool"
DIMENSIONS = (NEURONS, "subtask")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ResourceCurve(Run):
    """Loss of a resource model with more and more neurons, and how these are shared.

    Attributes
    ----------
    neurons : ndarray, shape (n,)
        Numbers of neurons, increasing.
    loss : ndarray, shape (n,) or (replica, n)
        sum_i p_i l_i with the best readout of the neurons that each subtask has, dimensionless. Not what is left of
        the samples that a simulation chose its neurons by, which is less.
    shares : ndarray, shape (n, subtask) or (replica, n, subtask)
        Parts of the neurons; 0 of no neurons.
    residual : ndarray, shape (replica, n), or None
        Of a simulation, the mean square of what its readout leaves of its samples.

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> curve = sl.ResourceModel([1.0, 0.5, 0.25], [1.0, 2.0, 0.5]).curve([0, 10, 100])
    >>> curve.loss.round(4).tolist()
    [1.75, 0.5731, 0.0911]
    """

    time_name: str = NEURONS
    error_name: str = LOSS
    model: str = "resource_model"

    __setstate__ = frozen.restore_frozen

    wording: ClassVar[Wording] = Wording(
        noun="curve",
        nouns="curves",
        problem="subtasks",
        time_label=r"neurons  $N$",
        error_label=r"loss  $L$  (dimensionless)",
        error_symbol="loss",
        symbols={NEURONS: r"$N$", LOSS: r"$L$", SHARES: r"$f$", RESIDUAL: r"$\hat L$"},
        state="subtasks",
        start="model",
        calls=("ResourceModel.curve(...)", "ResourceModel.simulate(...)"),
        anew="compute the curve at the simulation's numbers of neurons",
    )

    @property
    def neurons(self) -> Array:
        """Numbers of neurons, (n,)."""
        return self.alpha

    @property
    def loss(self) -> Array:
        """Losses, (n,) or (replica, n)."""
        return self.error

    @property
    def shares(self) -> Array:
        """Parts of the neurons, (n, subtask) or (replica, n, subtask)."""
        return self.observables[SHARES].values

    @property
    def residual(self) -> Array | None:
        """What the readout leaves of the samples, (replica, n), of a simulation."""
        found = self.observables.get(RESIDUAL)
        return None if found is None else found.values

    def start_values(self) -> dict[str, Array]:
        """Nothing that two curves could differ in: all begin without neurons."""
        return {}

    def compared(self) -> dict[str, Array]:
        """The loss alone: whole neurons make shares differ by up to 1 / N, and where two subtasks gain nearly alike
        chance decides."""
        return {self.error_name: self.error}

    def effective_dimension(self) -> float:
        """Samples for each neuron at the end."""
        return float(self.dimension or np.inf) / float(self.neurons[-1])

    def relative_bias(self) -> Array:
        """What theory may be off by: N / D at N neurons that are chosen by D samples.

        A neuron lowers the loss by about L / N, and what it fits of the noise in the samples is about L / D.
        """
        return self.neurons / float(self.dimension or np.inf)

    @property
    def can_have_plateaus(self) -> bool:
        """Every neuron lowers the loss."""
        return False


def observables(shares: Array, residual: Array | None = None) -> dict[str, Observable]:
    """What a curve holds besides its loss."""
    found = {SHARES: Observable(shares, DIMENSIONS, "part of the neurons that each subtask has")}
    if residual is not None:
        told = "mean square that the readout leaves of the samples"
        found[RESIDUAL] = Observable(residual, (NEURONS,), told)
    return found


def shares_of(neurons: Array, counts: Array) -> Array:
    """Parts of (.., S) neurons; 0 of none. An entry stands for `counts` subtasks."""
    total = (neurons @ counts)[..., None]
    return np.divide(neurons, total, out=np.zeros_like(neurons), where=total > 0.0)
