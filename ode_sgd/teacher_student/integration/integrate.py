"""The ODE of the order parameters."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.compile import news
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.integration import rosenbrock
from ode_sgd.teacher_student.integration.nodes import default_nodes, distinct_moving, on_nodes
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system, shape_of, writable
from ode_sgd.teacher_student.integration.solution import Request, Solution
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model.observables import Moments
from ode_sgd.teacher_student.model.order_parameters import OrderParameters, require_start
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.trajectory import Sectors, Trajectory, errors_of

METHODS = ("rodas5p", "DOP853", "LSODA")
COARSEST = 1e-2  # the largest rtol
ROUNDING_UNIT = 4.0 * float(np.finfo(float).eps)  # of eps_g, relative to its terms
WHOLE = 'nodes=None ("whole" in a study file)'
LONG_ENOUGH = 200  # eigenvalues below which the whole spectrum costs no more than finding nodes for it


@check.underflow_is_zero
def integrate(
    problem: Problem,
    start: OrderParameters,
    alpha: Any,
    *,
    rtol: float = 1e-6,
    atol: float | None = None,
    moments: Any = (0, 1, 2),
    sectors: bool = False,
    nodes: int | str | None = "auto",
    method: str = "rodas5p",
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
        Relative tolerance, 1e-13 <= rtol <= 1e-2: about that of eps_g (docs/theory.md section 5). The error of a step
        is held below 0.2 rtol of Q and of R, and below 200 rtol of their change in the step; in every sector below
        4 rtol times tr q (or its mean over sectors, if larger) and sqrt(tr q tr t); and below 4 rtol of eps_g.
        SciPy's methods bound the errors of overlaps only, and of these a plateau and differences make larger ones of
        eps_g: their own tolerance is rtol / 100 ("DOP853") or rtol / 10^5 ("LSODA"), at least 2.2e-14. So with "LSODA"
        rtol means less below 1e-8.
    atol : float or None
        Added to those bounds, in the units of the overlaps, >= 0; None is none (SciPy's methods then take a hundredth
        of their tolerance times a typical overlap, the largest entry of C at the start over Tr Sigma / N).
    moments : sequence of int
        Orders l >= 0 to keep; order 1 always is.
    sectors : bool
        Keep the overlaps of every sector too: n L K (K + M) numbers.
    nodes : int, "auto" or None
        How many nodes of a Gauss rule in log lambda stand for the spectrum (docs/theory.md section 5): a number >= 2,
        None for the spectrum itself, or "auto": for spectra of more than 200 eigenvalues, without `sectors`, as many as
        change eps_g by less than 2 rtol at every output time, compared with a fifth fewer. `trajectory.stats` holds the
        number of nodes and of the eigenvalues for which they stood.
    method : str
        "rodas5p": L-stable, order 5, linear in L, with dense output. For cross-checks SciPy's "DOP853" (explicit) or
        "LSODA" (switches to a dense implicit method).
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
    The ODE is (3.2) of docs/theory.md.
    """
    check.instance("problem", problem, Problem)
    require_start("start", start)
    start.check_fits(problem)
    sectors = check.boolean("sectors", sectors)
    grid, orders = check.times(alpha), check.orders(moments)
    rtol = checked_tolerance(rtol)
    atol = 0.0 if atol is None else check.number("atol", atol, least=0.0)
    check.choice("method", method, METHODS)
    nodes = checked_nodes(problem, nodes, sectors, method, rtol)
    began = time.perf_counter()
    system, state = sector_system(problem, start), initial_state(start)
    report = progress or (lambda alpha: None)
    request = request_of(problem, grid, orders, sectors, rtol, atol)
    with news.watched(shape_of(problem)) as kernels:
        if method != "rodas5p":
            from ode_sgd.teacher_student.integration import (
                scipy_methods,  # scipy.integrate takes a third of a second to load
            )

            solution = scipy_methods.solve(problem, system, state, request, method, report)
        elif nodes is None:
            solution = rosenbrock.solve(problem, system, state, request, report)
        else:
            solution = on_nodes(problem, system, state, orders, request, nodes, report)
        seconds = time.perf_counter() - began - kernels.seconds, kernels.seconds
        return trajectory_of(problem, start, orders, request.weights, solution, method, rtol, seconds)


def checked_tolerance(rtol: Any) -> float:
    """The relative tolerance, or an error with its range."""
    number = check.number("rtol", rtol, least=1e-13)
    if number > COARSEST:
        raise InvalidProblem(f"rtol = {number:g} is too coarse; give 1e-13 <= rtol <= 1e-2")
    return number


def checked_nodes(problem: Problem, nodes: int | str | None, sectors: bool, method: str, rtol: float) -> Any:
    """None, a number, or "auto" where it is worth trying; an error where the number cannot hold."""
    if nodes is None:
        return None
    distinct = distinct_moving(problem)
    if isinstance(nodes, str) and nodes == "auto":
        worth = not sectors and method == "rodas5p" and distinct > max(LONG_ENOUGH, 3 * default_nodes(problem, rtol))
        return "auto" if worth else None
    if isinstance(nodes, str):
        check.choice("nodes", nodes, ("auto",))
    number = check.integer("nodes", nodes, 2)
    if sectors or method != "rodas5p":
        reason = "sectors = True asks for every sector" if sectors else f"method = {method!r} takes the whole spectrum"
        raise InvalidProblem(f"nodes = {number}, but {reason}; give {WHOLE}")
    if number >= distinct:
        raise InvalidProblem(
            f"nodes = {number} for {distinct} distinct eigenvalues that are learned; give fewer, or {WHOLE}"
        )
    return number


def request_of(
    problem: Problem, alpha: Array, orders: tuple[int, ...], sectors: bool, rtol: float, atol: float
) -> Request:
    """What is wanted, as the methods take it."""
    return Request(
        alpha=writable(alpha),
        weights=np.stack([problem.spectrum.powers(order) for order in orders]),
        order_one=orders.index(1),
        keep_sectors=sectors,
        rtol=rtol,
        atol=atol,
    )


def trajectory_of(
    problem: Problem,
    start: OrderParameters,
    orders: tuple[int, ...],
    weights: Array,
    solution: Solution,
    method: str,
    rtol: float,
    seconds: tuple[float, float],
) -> Trajectory:
    """The trajectory of a solution; weights (orders, L) are w_k lambda_k^order, seconds without and of compiling."""
    K, M = problem.student_units, problem.teacher_units
    moments: Moments = {}
    teachers = np.tensordot(weights, start.t, axes=1)
    for number, order in enumerate(orders):
        moments[order] = *layout.unpack(solution.rows[:, number], K, M), teachers[number]
    errors, resolution = errors_of(problem, moments[1][2], solution)
    if method != "rodas5p":  # these hold the error of the overlaps, not that of eps_g
        resolution *= rtol / ROUNDING_UNIT
    kept = None
    if solution.sectors is not None:
        kept = Sectors(*layout.unpack(solution.sectors.transpose(0, 2, 1), K, M), start.t)
    return Trajectory(
        problem=problem,
        alpha=solution.alpha,
        generalization_error=errors,
        moments=moments,
        sectors=kept,
        final=None
        if solution.state is None
        else OrderParameters.from_solution(*layout.unpack(solution.state.T, K, M), start.t),
        method=method,
        status=solution.status,
        message=solution.message,
        resolution=resolution,
        stats=solution.stats | {"seconds": seconds[0], "compiling": seconds[1]},
    )
