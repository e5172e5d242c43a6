"""The level on which a curve ends: what falls are counted down to (docs/theory.md section 10)."""

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.run import Run

STILL = 0.01  # a curve that moves by less than this over the last third of the time has come to rest
CLOSE = 0.98  # ... or that ends nearer than this to where three points of an exponential approach lead,
SLOWER = 1.5  # of which the second fall is smaller than the first by this factor, among
FEWEST_TIMES = 4  # output times at least
LATE = 2.0 / 3.0  # where the last third begins
BLOCKS, FEWEST_BLOCKS = 10, 4  # of output times, whose means tell a drift from fluctuations
DEVIATIONS = 3.0  # standard errors of the drift that count as fluctuation ...
MOST_NOISE = 0.1  # ... unless they are more than this: then nothing is known


def end_level(alpha: Array, error: Array, resolution: float, fluctuates: bool) -> float:
    """The level on which eps_g ends if it moved by less than 1 % over the last third of alpha, else 0.

    An ODE that still falls to a level, but slows down exponentially and is within 2 % of it, has it as well.

    Parameters
    ----------
    alpha, error : (n,)
    resolution : float
        Of eps_g; a curve that comes down to it has no floor.
    fluctuates : bool
        Whether the curve is one of a simulation. Then the level is the mean over the last third, and what moves is a
        straight line through the means of ten blocks; three of its standard errors, 10 % at most, are forgiven.
    """
    late = alpha >= LATE * alpha[-1]
    values = error[late]
    if values.size < 2 or error[-1] <= resolution or values.min() <= resolution:
        return 0.0
    if fluctuates and (blocks := min(BLOCKS, values.size // 2)) >= FEWEST_BLOCKS:
        return float(values.mean()) if _rests(alpha[late], values, blocks) else 0.0
    begin, middle, end = np.interp(np.array([LATE, 0.5 * (LATE + 1.0), 1.0]) * alpha[-1], alpha, error)
    moved = max(float(values.max()), begin) - min(float(values.min()), begin)
    if moved < STILL * values[-1]:
        return float(end)
    first, second = begin - middle, middle - end
    if fluctuates or values.size < FEWEST_TIMES or first <= SLOWER * abs(second):
        return 0.0
    ahead = end - second**2 / (first - second)  # a power law leads far below its end
    return float(ahead) if ahead > CLOSE * end else 0.0


def _rests(alpha: Array, values: Array, blocks: int) -> bool:
    """Whether a fluctuating stretch drifts by less than 1 % in ln eps_g, or by no more than its fluctuations allow."""
    parts = np.array_split(np.arange(values.size), blocks)
    time = np.array([alpha[part].mean() for part in parts])
    level = np.log([values[part].mean() for part in parts])
    slope, constant = np.polyfit(time - time.mean(), level, 1)
    width = float(alpha[-1] - alpha[0])
    scatter = np.sum((level - constant - slope * (time - time.mean())) ** 2) / (blocks - 2)
    noise = width * float(np.sqrt(scatter / np.sum((time - time.mean()) ** 2)))
    return bool(abs(slope) * width < max(STILL, min(DEVIATIONS * noise, MOST_NOISE)))


def floor_of(trajectory: Run) -> float:
    """`end_level` of a run, of the mean over its replicas."""
    error = trajectory.error
    mean = error if error.ndim == 1 else error.mean(axis=0)
    return end_level(trajectory.alpha, mean, trajectory.resolution, trajectory.is_simulation)
