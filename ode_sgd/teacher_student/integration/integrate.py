"""The ODE of the order parameters."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.compile import news
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.progress import Progress, reporting
from ode_sgd.teacher_student.integration import copies
from ode_sgd.teacher_student.integration.continuation import joined, state_of, times_from
from ode_sgd.teacher_student.integration.kinks import require_smooth
from ode_sgd.teacher_student.integration.methods import method_named, require_accepts
from ode_sgd.teacher_student.integration.nodes import default_nodes, moving_eigenvalues
from ode_sgd.teacher_student.integration.rule_nodes import (
    error_of_nodes,
    require_finite,
    require_resolved,
    why_it_ended,
)
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system, shape_of, writable
from ode_sgd.teacher_student.integration.sectors_in_order import distinct
from ode_sgd.teacher_student.integration.solution import Request, Solution, divergence
from ode_sgd.teacher_student.integration.stop import Stop
from ode_sgd.teacher_student.model.observables import Moments, Parts
from ode_sgd.teacher_student.model.order_parameters import OrderParameters, require_start
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.trajectory import Sectors, Trajectory, errors_of

COARSEST = 1e-2  # the largest rtol
WHOLE = 'nodes=None ("whole" in a study file)'
LONG_ENOUGH = 200  # eigenvalues below which the whole spectrum costs no more than finding nodes for it


@own_keywords
@check.underflow_is_zero
def integrate(
    problem: Problem,
    start: OrderParameters | None,
    alpha: Any,
    *,
    rtol: float = 1e-6,
    atol: float | None = None,
    moments: Any = (0, 1, 2),
    sectors: bool = False,
    nodes: int | str | None = "auto",
    method: str = "rodas5p",
    stop: Any = None,
    continues: Trajectory | None = None,
    progress: Progress = None,
) -> Trajectory:
    """Integrate the ODE of the order parameters, exact for N -> infinity.

    Parameters
    ----------
    problem : Problem
    start : OrderParameters or None
        Overlaps at alpha = 0; None where the run `continues` another.
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
        are asked for, and adds nodes until a fifth fewer change eps_g by less than 2 rtol at every output time and at
        two dozen in any case; of more than 4000 eigenvalues until the nodes sum all exponentials in alpha that the
        start consists of, (5.4a) there. `trajectory.stats` counts the nodes and the eigenvalues that they replaced.
    method : str
        "rodas5p": L-stable, order 5, linear in L, with dense output. For cross-checks SciPy's "DOP853" (explicit) or
        "LSODA" (switches to a dense implicit method).
    stop : condition of `ode_sgd.stop`, or None
        Ends the run where the condition is met, such as `ode_sgd.stop.below(1e-3)`: found as a root on the dense
        output, by looking at the end of every step. That time is then the last of `alpha`, and `stats["stopped_at"]`.
    continues : Trajectory or None
        A trajectory of the same problem from whose `final` the run goes on, at alpha[-1] of that. Its `alpha` are then
        later times of the whole alpha, of which schedules are functions, and what is returned holds both runs.
    progress : callable, True or None
        Called with alpha as it grows. True draws a bar.

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
    >>> ode_sgd.integrate(problem, None, [300.0], continues=run).alpha.tolist()
    [0.0, 100.0, 240.0, 300.0]
    """
    check.instance("problem", problem, Problem)
    begin = 0.0
    if continues is not None:
        start, begin = state_of(problem, start, continues), float(continues.alpha[-1])
    require_start("start", start)
    assert start is not None  # for the type checker
    start.check_fits(problem)
    require_smooth(problem, start)
    sectors = check.boolean("sectors", sectors)
    grid, orders = check.times(alpha) if continues is None else times_from(begin, alpha), check.orders(moments)
    problem.require_reaches(float(grid[-1]))
    rtol = checked_tolerance(rtol)
    atol = 0.0 if atol is None else check.number("atol", atol, least=0.0)
    solver = method_named(method)
    require_accepts(method, problem)
    require_finite(problem, start)
    require_resolved(problem, rtol)
    nodes = checked_nodes(problem, nodes, sectors, method, rtol)
    began = time.perf_counter()
    request = request_of(problem, grid, orders, sectors, rtol, atol, nodes)
    if (condition := Stop.of(stop)) is not None:
        request = replace(request, stop=condition.function(problem, start), stop_slopes=condition.asks_for_slope)
    with reporting(progress, "ODE", grid[-1]) as report, news.watched(shape_of(problem)) as kernels:
        solution = solver.solve(sector_system(problem, start, rtol), first_state(problem, start), request, report)
        seconds = time.perf_counter() - began - kernels.seconds, kernels.seconds
        run = trajectory_of(problem, start, request, solution, method, seconds)
    if "stopped_at" in run.stats:
        run = replace(run, message=f"stopped at alpha = {run.stats['stopped_at']:.6g} by {condition}")
    return run if continues is None else joined(continues, run)


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


def _accuracy(problem: Problem, rtol: float) -> dict[str, float]:
    """What sums of terms in place of an activation leave of errors in averages, where there are such."""
    found = problem.g.within(rtol).terms_accuracy
    return {"accuracy": found} if found else {}


def trajectory_of(
    problem: Problem,
    start: OrderParameters,
    request: Request,
    solution: Solution,
    method: str,
    seconds: tuple[float, float],
) -> Trajectory:
    """The trajectory of a solution; seconds without and of compiling."""
    moments: Moments = {}
    teachers = np.tensordot(request.weights, start.t, axes=1)
    for number, order in enumerate(request.orders):
        moments[order] = *deployed_overlaps(problem, solution.rows[:, number]), teachers[number]
    errors, resolution = errors_of(problem, moments[1], solution)
    kept = None
    if solution.sectors is not None:
        kept = Sectors(*frozen.sealed(deployed_overlaps(problem, solution.sectors.transpose(0, 2, 1))), start.t)
    return Trajectory(
        problem=problem,
        alpha=solution.alpha,
        generalization_error=frozen.sealed(errors),
        moments=frozen.sealed(moments),
        sectors=kept,
        student_weights=None if solution.second_layer is None else frozen.sealed(solution.second_layer),
        copies=None
        if problem.update_rule.copies is None
        else _all_copies(problem, solution.rows[:, request.order_one]),
        remembered=_remembered(problem, solution),
        final=_final(problem, start, solution),
        method=method,
        status=solution.status,
        message=_message(problem, solution, moments[1]),
        resolution=resolution,
        stats=solution.stats
        | _accuracy(problem, request.rtol)
        | error_of_nodes(problem, moments[1])
        | {"seconds": seconds[0], "compiling": seconds[1]},
    )


def _remembered(problem: Problem, solution: Solution) -> Array | None:
    """What is told of the optimiser's memory, (n, E)."""
    if solution.remembered is None:
        return None
    told = len(problem.update_rule.remembered(problem.student_units))
    return frozen.sealed(np.ascontiguousarray(solution.remembered[:, :told]))


def _message(problem: Problem, solution: Solution, moment: Parts) -> str:
    """Why a run ended before its time, and the remedy; empty where it did not."""
    ended = solution.status in ("diverged", "step_size")
    if ended and (fault := why_it_ended(problem, moment)):
        return f"the run broke off after alpha = {solution.ended:.6g}: {fault}"
    return divergence(problem, solution.ended) if solution.status == "diverged" else solution.message


def _final(problem: Problem, start: OrderParameters, solution: Solution) -> OrderParameters | None:
    """The last state, with its second layer where that is trained; None of a run on nodes."""
    if solution.state is None:
        return None
    second = None if solution.second_layer is None else solution.second_layer[-1]
    last = solution.state.T
    held = problem.update_rule.copies
    others = None if held is None else (held.names, _all_copies(problem, last))
    return OrderParameters.from_solution(*deployed_overlaps(problem, last), start.t, second, others)


def first_state(problem: Problem, start: OrderParameters) -> Array:
    """State (rows, L) of a start."""
    held = problem.update_rule.copies
    return initial_state(start) if held is None else writable(copies.first_state(held, start))


def deployed_overlaps(problem: Problem, rows: Array) -> tuple[Array, Array]:
    """Overlaps (.., K, K) and (.., K, M) of the weights that a user keeps, from rows (.., rows) of a state."""
    return copies.kept_overlaps(problem.update_rule.copies, rows, problem.student_units, problem.teacher_units)


def _all_copies(problem: Problem, rows: Array) -> Array:
    """Overlaps (.., R K, R K + M) of all copies with each other and with the teachers."""
    held = problem.update_rule.copies
    assert held is not None
    return np.concatenate(copies.overlaps(held, rows, problem.student_units, problem.teacher_units), axis=-1)
