"""The arguments of SGD, checked, and what a curve of it is of."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import ArrayLike, Indices
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.observable import Parameters
from ode_sgd.scaling_laws.given_measure import facts
from ode_sgd.scaling_laws.spectral_measure import SpectralMeasure

if TYPE_CHECKING:
    from ode_sgd.scaling_laws.feature_learning import FeatureLearning

MOST_STEPS = 2**53  # beyond, neighbouring numbers of steps are one float


def checked_steps(steps: ArrayLike) -> Indices:
    """Output steps, (n,) integers >= 0 that increase.

    Raises
    ------
    InvalidProblem
        For anything else.
    """
    values = np.atleast_1d(check.array("steps", np.atleast_1d(np.asarray(steps)), "(n,)", 1))
    if (values != np.rint(values)).any():
        worst = values[np.argmax(values != np.rint(values))]
        raise InvalidProblem(f"steps holds {worst:g}; give integers >= 0, the numbers of steps done")
    if values[0] < 0.0 or values[-1] >= MOST_STEPS:
        raise InvalidProblem(f"steps go from {values[0]:g} to {values[-1]:g}; give integers from 0 to below 2^53")
    fall = np.diff(values) <= 0.0
    if fall.any():
        where = int(np.argmax(fall))
        raise InvalidProblem(
            f"steps must increase strictly; steps[{where + 1}] = {values[where + 1]:g} follows {values[where]:g}"
        )
    return values.astype(np.int64)


def checked_batch(batch_size: Any) -> int:
    """Samples a step; 0 for None, the mean over all inputs."""
    return 0 if batch_size is None else check.whole("batch_size", batch_size, 1)


def sgd_problem(
    model: "FeatureLearning", learning_rate: float, batch: int, measure: SpectralMeasure | None = None
) -> Parameters:
    """What a curve of SGD is of: equal for theory and simulation, so that they can be compared."""
    own = {"learning_rate": learning_rate, "batch_size": batch or None}
    return Parameters({**facts(model, measure), **own})
