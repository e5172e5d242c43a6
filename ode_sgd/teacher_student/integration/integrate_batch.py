"""Many integrations of one shape: groups of problems in one kernel call each, groups on threads."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from ode_sgd.core import allowance, check
from ode_sgd.core.compile import ending, news
from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.kernels.vector_type import WIDTH
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.progress import Progress, reporting
from ode_sgd.teacher_student.integration import many_side_by_side, rosenbrock
from ode_sgd.teacher_student.integration.batch import batch_of, take_back
from ode_sgd.teacher_student.integration.integrate import checked_tolerance, first_state, request_of, trajectory_of
from ode_sgd.teacher_student.integration.kinks import require_smooth
from ode_sgd.teacher_student.integration.methods import require_accepts
from ode_sgd.teacher_student.integration.rosenbrock import UnfinishedRun
from ode_sgd.teacher_student.integration.rule_nodes import require_finite, require_resolved
from ode_sgd.teacher_student.integration.sector_system import sector_system, shape_of
from ode_sgd.teacher_student.integration.solution import Request
from ode_sgd.teacher_student.integration.work_space import work_space
from ode_sgd.teacher_student.kernels.integration import step_control
from ode_sgd.teacher_student.kernels.integration.many_in_turn import advance_in_turn
from ode_sgd.teacher_student.model.order_parameters import OrderParameters, require_start
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.trajectory import Trajectory

GROUP = 128  # problems in one kernel call: enough to hide what Python does between two calls, and idle lanes at its end
METHOD = "rodas5p"  # that of the kernels here
ATTEMPTS = 300  # steps tried in one call; it bounds how long Ctrl-C waits


@own_keywords
@check.underflow_is_zero
def integrate_batch(
    problems: Sequence[Problem],
    starts: Sequence[OrderParameters],
    alpha: Any,
    *,
    rtol: float = 1e-6,
    atol: float | None = None,
    moments: Any = (0, 1, 2),
    sectors: bool = False,
    threads: int | None = None,
    progress: Progress = None,
) -> list[Trajectory]:
    """Integrate many problems of one shape, as `integrate` does, without Python between the steps or the problems.

    Parameters
    ----------
    problems : sequence of Problem, length B
        All with the same activation, K, M and number of eigenvalues L; everything else may differ.
    starts : sequence of OrderParameters, length B
    alpha, rtol, atol, moments, sectors
        As for `integrate`, the same for all. The whole spectrum is used (`nodes=None`).
    threads : int or None
        Threads that share the problems; None is one for every processor that this process may use.
    progress : callable, True or None
        Called with the fraction of problems done. True draws a bar.

    Returns
    -------
    list of Trajectory
        In the order of the problems, by the method and step control of `integrate`. A problem's numbers are the same to
        the last bit whatever other problems the batch holds, in whatever order, on any number of threads.
        `stats["seconds"]` and `stats["compiling"]` are shares of the time of a problem's group. A problem that diverges
        has its own status and does not disturb the others; after KeyboardInterrupt those not finished have the status
        "interrupted". One that comes while kernels are compiled for the first step is raised.

    Raises
    ------
    InvalidProblem, InvalidStart
        For arguments outside their range, problems of different shapes, or starts that do not fit.

    Notes
    -----
    Up to K + M = 6 and 200 eigenvalues, without `sectors` and schedules, eight problems run side by side in the lanes
    of a vector until their students have specialised. Sums are taken in another order there: against `integrate` eps_g
    differs by about 1e-10 of itself at rtol = 1e-6, since step control amplifies rounding. In all other cases it is the
    same to the last bit.

    Examples
    --------
    >>> from dataclasses import replace
    >>> runs = ode_sgd.integrate_batch([replace(problem, learning_rate=rate) for rate in (0.1, 0.2)], [start] * 2, 10.0)
    >>> [run.problem.learning_rate for run in runs]
    [0.1, 0.2]
    """
    _check_shapes(problems, starts)
    clean, orders = check.times(alpha), check.orders(moments)
    for problem in problems:
        require_accepts(METHOD, problem)
        problem.require_reaches(float(clean[-1]))
    rtol, sectors = checked_tolerance(rtol), check.boolean("sectors", sectors)
    for problem in problems:
        require_resolved(problem, rtol)
    atol = 0.0 if atol is None else check.number("atol", atol, least=0.0)
    pairs = list(zip(problems, starts, strict=True))
    results: list[Trajectory | None] = [None] * len(pairs)
    stop = threading.Event()

    workers = allowance.threads() if threads is None else check.integer("threads", threads, 1)
    size = min(GROUP, max(WIDTH, -(-len(pairs) // workers)))

    def request(problem: Problem) -> Request:
        return request_of(problem, clean, orders, sectors, rtol, atol)

    def work(first: int) -> None:
        results[first : first + size] = _integrated(pairs[first : first + size], request, stop)

    with reporting(progress, "ODEs") as report:
        _on_threads(work, range(0, len(pairs), size), workers, stop, report)
    return [result for result in results if result is not None]


def _integrated(
    group: Sequence[tuple[Problem, OrderParameters]], request: Callable[[Problem], Request], stop: threading.Event
) -> list[Trajectory]:
    """The trajectories of a group."""
    began = time.perf_counter()
    spectra = {id(problem.spectrum): problem for problem, _ in group}
    requests = {key: request(problem) for key, problem in spectra.items()}
    wanted = [requests[id(problem.spectrum)] for problem, _ in group]
    with news.watched(shape_of(group[0][0])) as watch:
        with ending.ended_by(stop.is_set):  # nothing is lost: what is compiled here no step has been taken by
            runs = [
                rosenbrock.begin(sector_system(problem, start, its.rtol), first_state(problem, start), its)
                for (problem, start), its in zip(group, wanted, strict=True)
            ]
            _advance(runs, many_side_by_side.suits(group[0][0], wanted[0].keep_sectors), stop)
        _specialise([run for run in runs if run.code == step_control.SPECIALISED and not run.interrupted], stop)
        solutions = [rosenbrock.finish(run) for run in runs]
        seconds = (time.perf_counter() - began - watch.seconds) / len(group), watch.seconds / len(group)
        return [
            trajectory_of(problem, start, its, solution, METHOD, seconds)
            for (problem, start), its, solution in zip(group, wanted, solutions, strict=True)
        ]


def _check_shapes(problems: Sequence[Problem], starts: Sequence[OrderParameters]) -> None:
    check.sequence("problems", problems)
    check.sequence("starts", starts, InvalidStart)
    if len(problems) != len(starts):
        raise InvalidProblem(f"{len(problems)} problems but {len(starts)} starts; give one start each")
    for number, (problem, start) in enumerate(zip(problems, starts, strict=True)):
        check.instance(f"problems[{number}]", problem, Problem)
        require_start(f"starts[{number}]", start)
        start.check_fits(problem)
        require_smooth(problem, start)
        require_finite(problem, start)
        if _shape(problem) != _shape(problems[0]):
            raise InvalidProblem(
                f"problems[{number}] has (activation, K, M, L) = {_shape(problem)}, but problems[0] has "
                f"{_shape(problems[0])}; give each shape a batch of its own"
            )


def _shape(problem: Problem) -> tuple[str, int, int, int]:
    return problem.g.text, problem.student_units, problem.teacher_units, problem.spectrum.distinct


def _on_threads(
    work: Callable[[int], None],
    jobs: Sequence[int],
    workers: int,
    stop: threading.Event,
    progress: Callable[[float], None],
) -> None:
    """Do all jobs; after KeyboardInterrupt set `stop`, with which each ends soon; one that raises it has nothing."""
    with ThreadPoolExecutor(max(1, min(workers, len(jobs)))) as pool:
        pending = submitted = {pool.submit(work, job) for job in jobs}
        try:
            while pending:
                try:
                    finished, pending = wait(pending, timeout=0.05, return_when=FIRST_EXCEPTION)
                    for future in finished:
                        future.result()
                    progress(1.0 - len(pending) / len(jobs))
                except KeyboardInterrupt:
                    stop.set()
            for future in submitted:
                future.result()
        except BaseException:
            stop.set()  # an error ends the others soon
            raise


def _advance(runs: Sequence[UnfinishedRun], side_by_side: bool, stop: threading.Event) -> None:
    """Advance all runs to their ends, or until students specialise, in overlaps."""
    for alike in _by_form(runs):
        if alike[0].system.copies is not None or alike[0].system.memory.size:
            _advance_one_by_one(alike, stop)
            continue
        plain = not alike[0].system.schedules.size and not alike[0].system.rule.trains_second_layer
        if side_by_side and plain:
            many_side_by_side.advance(alike, ATTEMPTS, stop)
        else:
            _advance_alike(alike, stop)


def _advance_one_by_one(runs: Sequence[UnfinishedRun], stop: threading.Event) -> None:
    """Advance runs to their ends, or until `stop` is set."""

    def look(alpha: float) -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    for run in runs:
        try:
            look(0.0)
            run.advance(look)
        except KeyboardInterrupt:
            run.interrupted = True


def _by_form(runs: Sequence[UnfinishedRun]) -> Iterable[list[UnfinishedRun]]:
    """Runs that the same kernels advance: a run's numbers must not depend on which others are there."""
    groups: dict[Any, list[UnfinishedRun]] = {}
    for run in runs:
        alike = run.form, run.system.schedules.size, run.system.memory.size, run.system.copies is None
        groups.setdefault(alike, []).append(run)
    return groups.values()


def _specialise(runs: Sequence[UnfinishedRun], stop: threading.Event) -> None:
    """Advance runs that got so far to their ends, in differences where that is possible."""
    for run in runs:
        run.specialise()
    for alike in _by_form(runs):
        try:
            with ending.ended_by(stop.is_set):
                _advance_alike(alike, stop)
        except KeyboardInterrupt:  # before they went on
            for run in alike:
                run.interrupted = True


def _advance_alike(runs: Sequence[UnfinishedRun], stop: threading.Event) -> None:
    """Advance runs of the same form to their ends, or until `stop` is set."""
    lead, batch = runs[0], batch_of(runs)
    space = work_space(lead.system)  # not a run's own: all write into it
    advance = advance_in_turn(*lead.form)
    while (batch.codes == step_control.RUNNING).any() and not stop.is_set():
        advance(batch, *space, lead.request.alpha, *lead.tolerances, ATTEMPTS)
        for number in np.flatnonzero(batch.codes == step_control.JUMPED).tolist():
            runs[number].begin_anew(batch.y[number], batch.numbers[number])
            batch.codes[number] = step_control.RUNNING
        for number in np.flatnonzero(batch.codes == step_control.AT_REST).tolist():
            if runs[number].sets_out_again(step_control.AT_REST):
                batch.codes[number] = step_control.RUNNING
    take_back(runs, batch)
