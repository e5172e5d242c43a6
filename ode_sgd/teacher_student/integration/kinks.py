"""Starts at which an activation with a kink has no derivative."""

import numpy as np

from ode_sgd.core.errors import InvalidStart
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem

PARALLEL = 1e-14  # 1 - rho^2 below which rounding has made two students one


def require_smooth(problem: Problem, start: OrderParameters) -> None:
    """Raise InvalidStart for students of zero norm, or parallel to each other, where g' jumps at 0.

    A and G have no derivatives there, and the splitting of such students is faster than any rate.
    """
    if not problem.g.has_kink:
        return
    Q = start.moments(problem.spectrum, 1)[0]
    named = f"activation = {str(problem.g)!r} has a kink at 0"
    for i, norm in enumerate(np.diagonal(Q)):
        if norm <= 0.0:
            raise InvalidStart(
                f"{named}, and student {i + 1} has a field of variance zero, where the ODE has no derivative; "
                "give it weights that are not zero, however small"
            )
        for j in range(i):
            if 1.0 - Q[i, j] ** 2 / (norm * Q[j, j]) <= PARALLEL:
                rho = Q[i, j] / np.sqrt(norm * Q[j, j])
                raise InvalidStart(
                    f"{named}, and students {j + 1} and {i + 1} are parallel (rho = {rho:.6g}), where the ODE has no "
                    "derivative; give them directions that differ, however little"
                )
