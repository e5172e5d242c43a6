"""SGD of coordinatewise optimisers in coordinates in which no equations close: simulation alone."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ode_sgd.core import allowance, check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.seeds import Seeds
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.simulation.adaptive import AdaptiveNetworks
from ode_sgd.teacher_student.simulation.methods import Explicit, _weights
from ode_sgd.teacher_student.simulation.request import Engine, Request
from ode_sgd.teacher_student.simulation.simulate import _request, _simulated
from ode_sgd.teacher_student.trajectory import Trajectory

ORTHOGONAL = 1e-8  # by which the product of a matrix of coordinates with its transpose may differ from 1


@dataclass(frozen=True, slots=True)
class InCoordinates(Explicit):
    """`Explicit`, with the update in given coordinates."""

    coordinates: Array = field(kw_only=True)

    def engine(self, request: Request, starts: list[OrderParameters], frames: Seeds, noise: Seeds) -> Engine:
        """As `SimulationMethod.engine`."""
        weights = _weights(request, starts, frames)
        return AdaptiveNetworks(request.problem, weights, request.sizes, noise, self.coordinates)


@own_keywords
@check.underflow_is_zero
def simulate_in_coordinates(
    problem: Problem,
    start: OrderParameters,
    alpha: Any,
    coordinates: Any,
    *,
    replicas: int = 1,
    seed: int = 0,
    sectors: bool = False,
) -> Trajectory:
    """Simulate a coordinatewise optimiser in coordinates of one's own, whatever its `basis` says.

    In coordinates that are neither along the eigenvectors nor a random rotation of them the overlaps of the sectors
    obey no closed equations; this is how far they are from those of `integrate`.

    Parameters
    ----------
    problem : Problem
        With `optimizers.SignSGD` or `optimizers.Adam`.
    start : OrderParameters
    alpha : float or array_like, shape (n,)
        As in `simulate`.
    coordinates : array_like, shape (N, N)
        Orthogonal: row n is the direction of coordinate n, in the basis of the covariance's eigenvectors, in the order
        of the spectrum.
    replicas, seed : int
    sectors : bool
        Keep the overlaps of every sector too.

    Returns
    -------
    Trajectory
        With a replica axis.

    Raises
    ------
    InvalidProblem
        For coordinates that are not orthogonal, or another optimiser.

    Examples
    --------
    >>> import dataclasses
    >>> signs = dataclasses.replace(problem, optimizer=ode_sgd.optimizers.SignSGD())
    >>> ode_sgd.optimizers.simulate_in_coordinates(signs, start, [0.0, 1.0], np.eye(100)).dimension
    100
    """
    check.instance("problem", problem, Problem)
    if not isinstance(problem.optimizer, Adaptive) or problem.optimizer.moves not in ("signs", "moments"):
        raise InvalidProblem(
            f"optimizer = {problem.optimizer} does not depend on coordinates; give optimizers.SignSGD or "
            "optimizers.Adam, or use ode_sgd.simulate"
        )
    turn = check.array("coordinates", coordinates, "(N, N)", 2)
    if turn.shape[0] != turn.shape[1] or np.abs(turn @ turn.T - np.eye(len(turn))).max() > ORTHOGONAL:
        raise InvalidProblem("coordinates are not an orthogonal matrix (N, N); its rows are directions of length one")
    asked = _request(problem, start, alpha, len(turn), "explicit", (None, None), (0, 1, 2), sectors)
    method = InCoordinates("explicit", "float64", coordinates=np.array(turn, order="C"))
    request, replicas = replace(asked, method=method), check.integer("replicas", replicas, 1)
    return _simulated(request, replicas, check.seed(seed), allowance.threads(), lambda _: None, None, None)
