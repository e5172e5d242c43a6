"""The run of a scaling-law model: its loss along time, and the level to which that falls."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ode_sgd.core import frozen
from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.run import Observable, Run, Wording

TIME, LOSS, FLOOR, STEPS = "time", "loss", "floor", "steps"
SCALARS = {
    "r": "squared length of the second layer, |w|^2 / N",
    "a": "gain a = 1 + gamma r",
    "c": "rate c = a' / (2 a)",
}
CLOSURE_ERROR = 0.06  # of the loss, times eta a: a third more than networks differ by from theory of rich SGD
EXACT, ASYMPTOTIC, CLOSURE, SIMULATED = "exact", "asymptotic", "closure", "simulated"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class LossCurve(Run):
    """Loss E (y - f)^2 of a student along its training, without a factor 1/2 and without label noise.

    Attributes
    ----------
    time : ndarray, shape (n,)
        Dimensionless; of SGD, the steps done times the learning rate.
    loss : ndarray, shape (n,) or (replica, n)
        Dimensionless, >= 0.
    floor : ndarray, shape () or (replica,)
        The loss that a student of this width cannot fall below, dimensionless.
    scalars : dict
        "r", "a" and "c" of docs/theory/scaling_laws.md section 12, (n,) or (replica, n) each.
    steps : ndarray or None
        Of SGD, how many steps were done at each time.
    method : str
        "exact flow", "asymptotic recursion", "simulated networks" and the like.
    provenance : dict
        "reduction" says what the curve is of its model: "exact"; "asymptotic", for a width and a number of samples
        that tend to infinity; "closure", to leading order in the learning rate; "simulated". Then everything that
        defines the problem.

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> curve = sl.FeatureLearning(sl.PowerLawTask(modes=1000)).flow([1.0, 10.0])
    >>> curve.loss.round(4).tolist(), curve.provenance["reduction"]
    ([0.8452, 0.2567], 'exact')
    """

    time_name: str = TIME
    error_name: str = LOSS

    __setstate__ = frozen.restore_frozen

    wording: ClassVar[Wording] = Wording(
        noun="curve",
        nouns="curves",
        time_label=r"time  $t$  (dimensionless)",
        error_label=r"loss  $L$  (dimensionless)",
        error_symbol="loss",
        symbols={TIME: r"$t$", LOSS: r"$L$", "r": r"$r$", "a": r"$a$", "c": r"$c$"},
    )

    @property
    def time(self) -> Array:
        """Times, (n,)."""
        return self.alpha

    @property
    def loss(self) -> Array:
        """Losses, (n,) or (replica, n)."""
        return self.error

    @property
    def floor(self) -> Array:
        """What the loss cannot fall below, () or (replica,)."""
        return self.observables[FLOOR].values

    @property
    def scalars(self) -> dict[str, Array]:
        """r, a and c, as far as the run has them."""
        return {name: self.observables[name].values for name in SCALARS if name in self.observables}

    @property
    def steps(self) -> Indices | None:
        """Steps of SGD that were done at each time; None for gradient flow."""
        found = self.observables.get(STEPS)
        return None if found is None else found.values.astype("int64")

    @property
    def provenance(self) -> dict[str, Any]:
        """What the curve is of its model, which is the first word of its method, and the problem."""
        return {"reduction": self.method.partition(" ")[0], **getattr(self.problem, "canonical", {})}

    def compared(self) -> dict[str, Array]:
        """The loss alone: r, a and c of a closure are off before the loss is."""
        return {self.error_name: self.error}

    def start_values(self) -> dict[str, Array]:
        """Nothing that two curves could differ in: every student begins at zero, whatever its first time is."""
        return {}

    def effective_dimension(self) -> float:
        """One over the most that theory may be off by at any time, as a part of the loss then."""
        off = float(self.relative_bias().max())
        return 1.0 / off if off else float("inf")

    def relative_bias(self) -> Array:
        """What theory may be off by: 2 / N at finite width or samples, and what a closure leaves out.

        That grows as the learning rate times the gain, and is not there in lazy students.
        """
        given, steps = self.provenance, self.steps
        finite = [given[name] for name in ("width", "samples") if given.get(name) is not None]
        off = np.full(self.alpha.size, 2.0 / min(finite) if finite else 0.0)
        if steps is not None and given.get("gamma") and given.get("batch_size") is not None:
            gain = self.scalars["a"].reshape(-1, self.alpha.size).mean(axis=0)
            off += CLOSURE_ERROR * self.alpha[-1] / steps[-1] * np.maximum.accumulate(gain)
        return off

    @property
    def can_have_plateaus(self) -> bool:
        """A linear student leaves no plateau."""
        return False


def observables(floor: Any, scalars: dict[str, Array], steps: Any = None) -> dict[str, Observable]:
    """What a curve holds besides its loss."""
    found = {FLOOR: Observable(floor, (), "loss that this width cannot fall below")}
    found |= {name: Observable(values, (TIME,), SCALARS[name]) for name, values in scalars.items()}
    return found if steps is None else found | {STEPS: Observable(steps, (TIME,), "steps of SGD")}
