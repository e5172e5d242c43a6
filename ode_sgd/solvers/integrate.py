"""The ODE of the order parameters."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ode_sgd.kernels import layout
from ode_sgd.model import check
from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidProblem, InvalidStart
from ode_sgd.model.order_parameters import OrderParameters
from ode_sgd.model.problem import Problem
from ode_sgd.solvers import scipy_methods
from ode_sgd.solvers.trajectory import Moments, Sectors, Trajectory, error_curve, wanted_moments


def integrate(
    problem: Problem,
    start: OrderParameters,
    alpha: Any,
    *,
    rtol: float = 1e-6,
    atol: float | None = None,
    moments: Any = (0, 1, 2),
    sectors: bool = False,
    method: str = "DOP853",
    progress: Callable[[float], None] | None = None,
) -> Trajectory:
    """Integrate the ODE of the order parameters, exact for N -> infinity.

    Parameters
    ----------
    problem : Problem
    start : OrderParameters
        Overlaps at alpha = 0.
    alpha : float or array_like, shape (n,)
        Output times (steps / N), strictly increasing from 0; or the last one, for 0 and 400 log-spaced times.
    rtol : float
        Relative tolerance of every overlap, 1e-13 <= rtol <= 1e-2.
    atol : float or None
        Absolute tolerance of every overlap, > 0; None is rtol / 100.
    moments : sequence of int
        Orders l >= 0 to keep; order 1 always is.
    sectors : bool
        Keep the overlaps of every sector too: n L K (K + M) numbers.
    method : str
        "DOP853" (explicit) or "LSODA" (switches to an implicit method), both SciPy's.
    progress : callable or None
        Called with alpha as it grows.

    Returns
    -------
    Trajectory
        Without a replica axis. Where `status` is not "complete" it holds the times reached.

    Raises
    ------
    InvalidProblem, InvalidStart
        For arguments outside their range, or a start that does not fit the problem.

    Notes
    -----
    Source: docs/theory.md section 3.
    """
    if not isinstance(problem, Problem):
        raise InvalidProblem(f"problem is a {type(problem).__name__}; give an ode_sgd.Problem")
    if not isinstance(start, OrderParameters):
        raise InvalidStart(f"start is a {type(start).__name__}; give an ode_sgd.OrderParameters")
    start.check_fits(problem)
    grid, orders = check.times(alpha), wanted_moments(moments)
    rtol = check.number("rtol", rtol, least=1e-13)
    if rtol > 1e-2:
        raise InvalidProblem(f"rtol = {rtol:g} is too coarse; give 1e-13 <= rtol <= 1e-2")
    atol = rtol / 100.0 if atol is None else check.number("atol", atol, above=0.0)
    check.choice("method", method, tuple(scipy_methods.METHODS))
    began = time.perf_counter()
    solution = scipy_methods.solve(problem, start, grid, method, rtol, atol, progress or (lambda alpha: None))
    solution.stats["seconds"] = time.perf_counter() - began
    states = np.stack(solution.states)
    reached = grid[: len(states)]
    all_moments = _moments(problem, start, states, orders)
    errors, resolution = error_curve(problem, _covariance(*all_moments[1]))
    K, M = problem.student_units, problem.teacher_units
    return Trajectory(
        problem=problem,
        alpha=reached,
        generalization_error=errors,
        moments=all_moments,
        sectors=Sectors(*layout.unpack(states.transpose(0, 2, 1), K, M), start.t) if sectors else None,
        final=OrderParameters.from_solution(*layout.unpack(states[-1].T, K, M), start.t),
        method=method,
        status=solution.status,
        message=solution.message,
        resolution=resolution,
        stats=solution.stats,
    )


def _moments(problem: Problem, start: OrderParameters, states: Array, orders: tuple[int, ...]) -> Moments:
    """Moments of the states (n, p, L): the T of each order is the start's."""
    spectrum = problem.spectrum
    result: Moments = {}
    for order in orders:
        rows = states @ (spectrum.weights * spectrum.eigenvalues**order)
        Q, R = layout.unpack(rows, problem.student_units, problem.teacher_units)
        result[order] = Q, R, start.moments(spectrum, order)[2]
    return result


def _covariance(Q: Array, R: Array, T: Array) -> Array:
    """[[Q, R], [R^T, T]] along a trajectory, (n, d, d)."""
    T = np.broadcast_to(T, (len(Q), *T.shape))
    return np.block([[Q, R], [R.transpose(0, 2, 1), T]])
