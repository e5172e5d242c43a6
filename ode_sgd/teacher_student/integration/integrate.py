"""The ODE of the order parameters."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.compile import news
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.integration.methods import method_named, require_accepts
from ode_sgd.teacher_student.integration.nodes import default_nodes, distinct, moving_eigenvalues
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system, shape_of, writable
from ode_sgd.teacher_student.integration.solution import Request, Solution, divergence
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model.observables import Moments
from ode_sgd.teacher_student.model.order_parameters import OrderParameters, require_start
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.trajectory import Sectors, Trajectory, errors_of

COARSEST = 1e-2  # the largest rtol
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
        Relative tolerance, 1e-13 <= rtol <= 1e-2: about that of eps_g (docs/theory/numerics.md section 5). The error of
        a step is held below 0.2 rtol of Q and of R, and below 200 rtol of their change in the step; in every sector
        below 4 rtol times tr q (or its mean over sectors, if larger) and sqrt(tr q tr t); and below 4 rtol of eps_g.
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
        Number of nodes, >= 2, of the Gauss rule in log lambda that replaces the spectrum (docs/theory/numerics.md,
        section 5); None keeps every eigenvalue. "auto" replaces spectra of more than 200 eigenvalues, unless `sectors`
        are asked for, and adds nodes until a fifth fewer change eps_g by less than 2 rtol at every output time.
        `trajectory.stats` counts the nodes and the eigenvalues that they replaced.
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
    The ODE is (3.2) of docs/theory/model.md.

    Examples
    --------
    >>> run = ode_sgd.integrate(problem, start, [0.0, 100.0, 240.0])
    >>> run.generalization_error.round(3).tolist()
    [0.428, 0.008, 0.001]
    """
    check.instance("problem", problem, Problem)
    require_start("start", start)
    start.check_fits(problem)
    sectors = check.boolean("sectors", sectors)
    grid, orders = check.times(alpha), check.orders(moments)
    rtol = checked_tolerance(rtol)
    atol = 0.0 if atol is None else check.number("atol", atol, least=0.0)
    solver = method_named(method)
    require_accepts(method, problem)
    nodes = checked_nodes(problem, nodes, sectors, method, rtol)
    began = time.perf_counter()
    request = request_of(problem, grid, orders, sectors, rtol, atol, nodes)
    with news.watched(shape_of(problem)) as kernels:
        solution = solver.solve(
            sector_system(problem, start), initial_state(start), request, progress or (lambda alpha: None)
        )
        seconds = time.perf_counter() - began - kernels.seconds, kernels.seconds
        return trajectory_of(problem, start, request, solution, method, seconds)


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
    moving, refused = moving_eigenvalues(problem), method_named(method).accepts(problem, nodes=True)
    if sectors:
        refused = "sectors = True asks for every sector"
    if isinstance(nodes, str) and nodes == "auto":
        worth = not refused and distinct(moving) > max(LONG_ENOUGH, 3 * default_nodes(moving, rtol))
        return "auto" if worth else None
    if isinstance(nodes, str):
        check.choice("nodes", nodes, ("auto",))
    number = check.integer("nodes", nodes, 2)
    if refused:
        raise InvalidProblem(f"nodes = {number}, but {refused}; give {WHOLE}")
    if number >= distinct(moving):
        raise InvalidProblem(
            f"nodes = {number} for {distinct(moving)} distinct eigenvalues that are learned; give fewer, or {WHOLE}"
        )
    return number


def request_of(
    problem: Problem,
    alpha: Array,
    orders: tuple[int, ...],
    sectors: bool,
    rtol: float,
    atol: float,
    nodes: int | str | None = None,
) -> Request:
    """What is wanted, as the methods take it."""
    return Request(
        alpha=writable(alpha),
        orders=orders,
        weights=np.stack([problem.spectrum.powers(order) for order in orders]),
        keep_sectors=sectors,
        rtol=rtol,
        atol=atol,
        nodes=nodes,
    )


def trajectory_of(
    problem: Problem,
    start: OrderParameters,
    request: Request,
    solution: Solution,
    method: str,
    seconds: tuple[float, float],
) -> Trajectory:
    """The trajectory of a solution; seconds without and of compiling."""
    K, M = problem.student_units, problem.teacher_units
    moments: Moments = {}
    teachers = np.tensordot(request.weights, start.t, axes=1)
    for number, order in enumerate(request.orders):
        moments[order] = *layout.unpack(solution.rows[:, number], K, M), teachers[number]
    errors, resolution = errors_of(problem, moments[1][2], solution)
    kept = None
    if solution.sectors is not None:
        kept = Sectors(*frozen.sealed(layout.unpack(solution.sectors.transpose(0, 2, 1), K, M)), start.t)
    return Trajectory(
        problem=problem,
        alpha=solution.alpha,
        generalization_error=frozen.sealed(errors),
        moments=frozen.sealed(moments),
        sectors=kept,
        final=None
        if solution.state is None
        else OrderParameters.from_solution(*layout.unpack(solution.state.T, K, M), start.t),
        method=method,
        status=solution.status,
        message=divergence(problem, solution.ended) if solution.status == "diverged" else solution.message,
        resolution=resolution,
        stats=solution.stats | {"seconds": seconds[0], "compiling": seconds[1]},
    )
