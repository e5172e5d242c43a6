"""What the scheduled quantities of a problem do to its equations at one time: factors beside those of its sectors.

With schedules the sectors' factors (sectors/rule_factors.py) are those of learning rate and decay one, and the terms of
(3.2) are multiplied by these functions of alpha, its paces. A table of schedules (core/kernels/schedule_value.py) of no
length says that nothing is scheduled.
"""

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.schedule_value import FIRST, NUMBERS, schedule_slope, schedule_value

LEARNING_RATE, WEIGHT_DECAY, LABEL_NOISE, SECOND_LAYER_RATE = 0, 1, 2, 3  # quantities of a table
COLUMNS = FIRST + 4 * NUMBERS  # of a piece
RATES, NOISES, DECAYS, VARIANCE, SECOND = 0, 1, 2, 3, 4  # eta, eta^2, eta kappa, sigma^2 and eta_v
PACES = 5


@kernel()
def set_paces(piece: Array, alpha: float, paces: Array) -> None:
    """The paces (5,) at a time of a piece. Equation: (3.2a)."""
    eta = schedule_value(piece, LEARNING_RATE, alpha)
    sigma = schedule_value(piece, LABEL_NOISE, alpha)
    paces[RATES], paces[NOISES] = eta, eta * eta
    paces[DECAYS], paces[VARIANCE] = eta * schedule_value(piece, WEIGHT_DECAY, alpha), sigma * sigma
    paces[SECOND] = schedule_value(piece, SECOND_LAYER_RATE, alpha)


@kernel()
def set_pace_slopes(piece: Array, alpha: float, slopes: Array) -> None:
    """Their derivatives by alpha, (5,)."""
    eta, by_alpha = schedule_value(piece, LEARNING_RATE, alpha), schedule_slope(piece, LEARNING_RATE, alpha)
    kappa, sigma = schedule_value(piece, WEIGHT_DECAY, alpha), schedule_value(piece, LABEL_NOISE, alpha)
    slopes[RATES], slopes[NOISES] = by_alpha, 2.0 * eta * by_alpha
    slopes[DECAYS] = by_alpha * kappa + eta * schedule_slope(piece, WEIGHT_DECAY, alpha)
    slopes[VARIANCE] = 2.0 * sigma * schedule_slope(piece, LABEL_NOISE, alpha)
    slopes[SECOND] = schedule_slope(piece, SECOND_LAYER_RATE, alpha)
