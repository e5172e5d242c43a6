"""What one step of SGD does to the weights, as a value: all that integrators and simulators know of a learning rule."""

from dataclasses import dataclass, field

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.schedule import Schedule, largest
from ode_sgd.teacher_student.kernels.sectors.rule_factors import (
    DECAY,
    DECAY_UNIT,
    FACTORS,
    NOISE,
    RATE,
    TIMED_FACTORS,
)
from ode_sgd.teacher_student.kernels.simulation.weight_update import SecondLayerUpdate, SectorUpdates, WeightUpdate
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive
from ode_sgd.teacher_student.model.optimizers.copies import Copies
from ode_sgd.teacher_student.model.optimizers.optimizer import Optimizer
from ode_sgd.teacher_student.model.timetable import Timetable


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRule:
    """J_i <- (1 - eta kappa / N) J_i - (eta / sqrt N) <delta_i xi> in the sectors that learn.

    Here delta_i = v_i g'(x_i) (f - label), and <..> is the mean over the inputs of a step. Where the second layer is
    trained, v_i <- (1 - eta_v kappa_v / N) v_i - (eta_v / N) <g(x_i) (f - label)>.

    Attributes
    ----------
    learning_rate : float
        eta, in the units of alpha.
    second_order : bool
        Whether the term of order eta^2 counts; without it the rule is gradient flow, which has no steps.
    weight_decay : float
        kappa: weights that learn decay at the rate eta kappa, whatever variance their inputs have.
    batch_size : int
        b: fresh inputs of one step.
    second_layer_rate, second_layer_decay : float
        eta_v and kappa_v; v is fixed where eta_v is 0.
    spherical : bool
        Whether every student's weights are scaled back to the length of their start after each step.
    optimizer : Optimizer or None
        What a step does with the gradient; None follows it.
    input_variance : float
        mu_1, the mean variance of all inputs, for optimisers that have to know it.
    own : str
        The update of one's own that stands in place of delta, in words; empty for that of the gradient.
    timetable : Timetable
        What is scheduled. Where anything is, eta is 1 and kappa is 0 or 1, and all that is made of them here is
        multiplied by what they are at alpha (kernels/paces.py).
    noise_unit : float
        sigma of the labels; where anything is scheduled 1, or 0 without noise at any time.
    """

    learning_rate: float
    second_order: bool
    weight_decay: float = 0.0
    batch_size: int = 1
    second_layer_rate: float = 0.0
    second_layer_decay: float = 0.0
    spherical: bool = False
    optimizer: Optimizer | None = None
    input_variance: float = 0.0
    own: str = ""
    timetable: Timetable = field(default_factory=Timetable)
    noise_unit: float = 0.0

    def factors(self, eigenvalues: Array, learning: Array) -> Array:
        """Rows of rule_factors.py for sectors with these eigenvalues, (rows, L).

        `learning` (L,) is 1 for sectors that learn, 0 for others. Equation: (3.2).
        """
        count = TIMED_FACTORS if self.timetable else FACTORS
        rows = np.zeros((count if self.weight_decay else DECAY, eigenvalues.size))
        rows[RATE] = self.learning_rate * eigenvalues * learning
        rows[DECAY:FACTORS] = self.learning_rate * self.weight_decay * learning
        rows[DECAY_UNIT:] = learning
        if self.second_order:
            rows[NOISE] = self.learning_rate * rows[RATE] / self.batch_size
        if isinstance(self.optimizer, Adaptive):
            own = self.optimizer.factors(self.learning_rate, eigenvalues, self.input_variance)
            rows[RATE], rows[NOISE] = own[0] * learning, own[1] * learning
        return rows

    def largest(self, factors: Array) -> tuple[float, float, float]:
        """The largest rate and noise of all sectors, and the largest rate at which overlaps fall by themselves."""
        return float(factors[RATE].max()), float(factors[NOISE].max()), float(factors[DECAY:FACTORS].max(initial=0.0))

    def weight_update(self, dimension: int) -> WeightUpdate:
        """Of the weights that learn, of N inputs. Equation: (1.5)."""
        lost = self.learning_rate * self.weight_decay / dimension
        return WeightUpdate(rate=self.learning_rate / float(np.sqrt(dimension)), kept=1.0 - lost)

    def second_layer_update(self, dimension: int) -> SecondLayerUpdate:
        """Of the student's second layer, of N inputs. Equation: (1.5a)."""
        rate = self.second_layer_rate / dimension
        return SecondLayerUpdate(rate=rate, kept=1.0 - rate * self.second_layer_decay)

    def sector_updates(self, eigenvalues: Array, sizes: Indices, learning: Array) -> SectorUpdates:
        """Of the rows [S | W] of every sector, whose rate is f_k. Equation: (6.4)."""
        rate = self.learning_rate * np.sqrt(eigenvalues / (float(sizes.sum()) * sizes)) * learning
        return SectorUpdates(rate=rate, kept=1.0 - self.learning_rate * self.weight_decay / sizes.sum() * learning)

    def lost_in_a_step(self, dimension: int) -> float:
        """By how much a step of N inputs shortens weights by themselves, over their length, where that is most.

        Beyond 2 they grow.
        """
        if not self.timetable:
            return self.learning_rate * self.weight_decay / dimension
        given = self.timetable.quantities
        return largest(given["learning_rate"]) * largest(given["weight_decay"]) / dimension

    @property
    def copies(self) -> Copies | None:
        """The copies of the weights, where its memory is linear."""
        return None if self.optimizer is None else self.optimizer.copies

    def remembered(self, K: int) -> tuple[str, ...]:
        """Names of the numbers that an adaptive optimiser of K students remembers, besides overlaps."""
        return self.optimizer.names(K) if isinstance(self.optimizer, Adaptive) else ()

    @property
    def has_steps(self) -> bool:
        """Whether it is a rule of steps, which can be simulated."""
        return self.second_order

    @property
    def lets_the_error_vanish(self) -> bool:
        """Whether students that have become their teachers stay there, where labels have no noise."""
        decays = self.weight_decay > 0.0 or (self.trains_second_layer and self.second_layer_decay > 0.0)
        return not decays and (self.optimizer is None or self.optimizer.lets_the_error_vanish)

    @property
    def trains_second_layer(self) -> bool:
        """Whether v moves, and belongs to the state."""
        return self.second_layer_rate > 0.0

    @property
    def one_input_a_step(self) -> bool:
        """Whether a step is that of a fixed second layer on a single input."""
        return self.batch_size == 1 and not self.trains_second_layer

    @property
    def further_terms(self) -> str:
        """What it does beside following the gradient, in words; empty where theory for plain SGD holds."""
        scheduled = self.timetable.schedules
        plain = [f"{name} = {scheduled[name]}" for name in ("learning_rate", "label_noise") if name in scheduled]
        return ", ".join(filter(None, [*plain, self.added_terms]))

    @property
    def added_terms(self) -> str:
        """What it has beside a learning rate and noise, in words; empty where there is nothing else."""
        terms: dict[str, float | Schedule] = {}
        if self.trains_second_layer:
            given = self.timetable.quantities if self.timetable else {"second_layer_rate": self.second_layer_rate}
            terms["second_layer_rate"] = given["second_layer_rate"]
            terms["second_layer_decay"] = self.second_layer_decay
        if self.second_order and self.batch_size > 1:
            terms["batch_size"] = self.batch_size
        told = [self.decay_terms, *(f"{name} = {it:g}" for name, it in terms.items() if it)]
        told += ["spherical = True"] if self.spherical else []
        told += ["" if self.optimizer is None else f"optimizer = {self.optimizer}", self.own]
        return ", ".join(filter(None, told))

    @property
    def decay_terms(self) -> str:
        """Its decay in words; empty without one."""
        decay = self.timetable.quantities["weight_decay"] if self.timetable else self.weight_decay
        return f"weight_decay = {decay:g}" if decay else ""
