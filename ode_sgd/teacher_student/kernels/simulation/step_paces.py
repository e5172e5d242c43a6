"""What single steps of SGD take of the quantities that are scheduled: their values at alpha = step / N, exactly.

Kernels for problems with schedules are compiled for themselves: those without hold nothing of this.
"""

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.schedule_value import piece_at, schedule_value
from ode_sgd.teacher_student.kernels.paces import COLUMNS, DECAYS, LABEL_NOISE, RATES, SECOND, set_paces
from ode_sgd.teacher_student.kernels.simulation.batches import Batch
from ode_sgd.teacher_student.kernels.simulation.weight_update import SecondLayerUpdate, WeightUpdate

NOISE = 3  # sigma itself, in the place of its square


@kernel()
def set_step_paces(schedules: Array, step: float, inputs: float, paces: Array) -> None:
    """The paces (5,) of a step, counted from 0, with N = `inputs`. Equation: (1.5b)."""
    alpha = step / inputs
    at = piece_at(schedules, COLUMNS, alpha)
    piece = schedules[at : at + COLUMNS]
    set_paces(piece, alpha, paces)
    paces[NOISE] = schedule_value(piece, LABEL_NOISE, alpha)


@kernel(inline=True, always=True)
def paced_batch(batch: Batch, paces: Array) -> Batch:
    """As `paced`, of the second layer. Equation: (1.5b)."""
    lost = paces[SECOND] * (1.0 - batch.second.kept)
    return Batch(batch.inputs, SecondLayerUpdate(batch.second.rate * paces[SECOND], 1.0 - lost))


@kernel(inline=True, always=True)
def paced(update: WeightUpdate, paces: Array) -> WeightUpdate:
    """The update of a step, from that of learning rate and decay one. Equation: (1.5b)."""
    return WeightUpdate(update.rate * paces[RATES], 1.0 - paces[DECAYS] * (1.0 - update.kept))
